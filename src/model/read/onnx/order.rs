//! Which nodes an output needs, and in which order they can be computed.

use super::Refusal;
use super::proto::{AttributeValue, Graph, Node};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// The nodes that `outputs` need, each behind those that it reads from, else in the file's order.
///
/// # Errors
/// A [`Refusal`] if nodes wait for each other in a circle, or two compute the same value.
pub fn order<'a>(nodes: &'a [Node], outputs: &[&str]) -> Result<Vec<&'a Node>, Refusal> {
    let mut producer: HashMap<&str, usize> = HashMap::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if producer.insert(name, i).is_some() {
                return Err(Refusal(format!("two of its nodes compute \"{}\"", name.escape_debug())));
            }
        }
    }
    let mut sources: Vec<Option<Vec<usize>>> = vec![None; nodes.len()];
    let mut wanted: Vec<usize> = outputs.iter().filter_map(|name| producer.get(name).copied()).collect();
    while let Some(i) = wanted.pop() {
        if sources[i].is_some() {
            continue;
        }
        let mut names: Vec<&str> = nodes[i].inputs.iter().map(String::as_str).collect();
        captured(&nodes[i], &mut names);
        let mut from: Vec<usize> = names.into_iter().filter_map(|name| producer.get(name).copied()).collect();
        from.sort_unstable();
        from.dedup();
        wanted.extend(&from);
        sources[i] = Some(from);
    }
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waiting = vec![0; nodes.len()];
    let mut ready = BinaryHeap::new();
    for (i, from) in sources.iter().enumerate().filter_map(|(i, from)| Some((i, from.as_ref()?))) {
        from.iter().for_each(|j| readers[*j].push(i));
        waiting[i] = from.len();
        if from.is_empty() {
            ready.push(Reverse(i));
        }
    }
    let mut sorted = Vec::new();
    while let Some(Reverse(i)) = ready.pop() {
        sorted.push(&nodes[i]);
        for &reader in &readers[i] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match (0..nodes.len()).find(|i| sources[*i].is_some() && waiting[*i] > 0) {
        None => Ok(sorted),
        Some(i) => {
            let name = nodes[i].outputs.first().map_or("", String::as_str);
            Err(Refusal(format!(
                "its nodes wait for each other in a circle, among them the one that computes \"{}\"",
                name.escape_debug()
            )))
        }
    }
}

/// Names that the graphs in a node's attributes read from outside.
fn captured<'a>(node: &'a Node, names: &mut Vec<&'a str>) {
    // The reader has bounded how deep graphs lie in each other.
    for attribute in &node.attributes {
        if let AttributeValue::Graph(graph) = &attribute.value {
            let own: HashSet<&str> = made(graph).collect();
            let mut inner: Vec<&str> = graph.outputs.iter().map(|info| info.name.as_str()).collect();
            for node in &graph.nodes {
                inner.extend(node.inputs.iter().map(String::as_str));
                captured(node, &mut inner);
            }
            names.extend(inner.into_iter().filter(|name| !own.contains(name)));
        }
    }
}

/// Names that a graph itself gives to values.
fn made(graph: &Graph) -> impl Iterator<Item = &str> {
    let computed = graph.nodes.iter().flat_map(|node| &node.outputs);
    let given = graph.inputs.iter().map(|info| &info.name).chain(graph.initializers.iter().map(|t| &t.name));
    computed.chain(given).map(String::as_str)
}
