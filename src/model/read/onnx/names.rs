//! Names of layers as a person would look for them.
//!
//! PyTorch's exporters write `/layer4/layer4.1/relu_1/Relu`, or keep the module in the node's metadata; TensorFlow's write
//! `model/conv1/Relu`. Both read as module and operator, and the operator is left away where the module is enough.

use super::ir::Graph;
use std::collections::{HashMap, HashSet};

/// A name taken apart.
struct Parts {
    /// The module, with dots; may be empty.
    module: String,
    /// Its first step as the file writes it.
    first: String,
    /// What it does there; never empty.
    action: String,
}

/// Gives every node a readable name that no other has, and its first result the same.
pub fn apply(graph: &mut Graph) {
    let mut parts: Vec<Parts> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let fallback = || graph.value(node.output).name.clone();
        let file = if node.origin.name.is_empty() { fallback() } else { node.origin.name.clone() };
        parts.push(take_apart(&printable(&file), &node.origin.module, node.op.name()));
    }
    drop_common(&mut parts);
    // What stands for one node of the file: the last of its nodes has its name, the others help it.
    let last: HashMap<&str, usize> =
        graph.nodes.iter().enumerate().map(|(i, n)| (n.origin.name.as_str(), i)).collect();
    let helps = |i: usize| {
        let own = graph.nodes[i].origin.name.as_str();
        !own.is_empty() && last[own] != i
    };
    let mains = || (0..parts.len()).filter(|i| !helps(*i));
    let modules: HashSet<&str> = mains().map(|i| parts[i].module.as_str()).collect();
    let containers: HashSet<&str> = modules.iter().flat_map(|m| prefixes(m)).collect();
    let mut actions: HashMap<&str, HashSet<&str>> = HashMap::new();
    mains().for_each(|i| {
        actions.entry(&parts[i].module).or_default().insert(graph.nodes[i].op.name());
    });
    // Names that are given away, and the next number that may be free behind each.
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut names = vec![String::new(); parts.len()];
    for i in mains().chain((0..parts.len()).filter(|i| helps(*i))) {
        let (module, action) = (parts[i].module.as_str(), parts[i].action.as_str());
        let alone = !containers.contains(module) && actions.get(module).is_some_and(|set| set.len() == 1);
        let mut name = match (module.is_empty(), alone) {
            (true, _) => action.to_owned(),
            (false, true) => module.to_owned(),
            (false, false) => format!("{module}.{action}"),
        };
        if helps(i) {
            name = format!("{name}.{}", graph.nodes[i].op.name().to_lowercase());
        }
        if let Some(first) = taken.get(&name).copied() {
            let numbered =
                (first..=first + parts.len()).find(|n| !taken.contains_key(&format!("{name}_{n}"))).unwrap_or(first);
            taken.insert(name.clone(), numbered + 1);
            name = format!("{name}_{numbered}");
        }
        taken.insert(name.clone(), 1);
        names[i] = name;
    }
    for (node, name) in graph.nodes.iter_mut().zip(names) {
        graph.values[node.output.0 as usize].name.clone_from(&name);
        node.name = name;
    }
}

/// Without characters that would do something to a terminal or a path.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn take_apart(file: &str, scopes: &str, op: &str) -> Parts {
    let scopes = quoted(scopes);
    if let [.., module, _] = scopes.as_slice() {
        let action = file.strip_prefix("node_").unwrap_or(file);
        let action = action.rsplit('/').next().filter(|s| !s.is_empty()).unwrap_or(op);
        let first = module.split('.').next().unwrap_or_default().to_owned();
        return Parts { module: printable(module), first, action: action.to_owned() };
    }
    // tf2onnx numbers what it inserts with two underscores, and joins names of fused operators with semicolons.
    let first = file.split(';').next().unwrap_or(file);
    let bare = match first.rsplit_once("__") {
        Some((front, digits)) if !front.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) => front,
        _ => first,
    };
    let mut steps: Vec<&str> = bare.split('/').filter(|s| !s.is_empty()).collect();
    let action = steps.pop().unwrap_or(op);
    let action = action.strip_prefix("node_").unwrap_or(action);
    let mut module = String::new();
    let first = steps.first().copied().unwrap_or_default().to_owned();
    for step in steps {
        // "layer4" then "layer4.1": the second says it all.
        let continues =
            step.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with('.') || rest.is_empty());
        if module.is_empty() || continues {
            step.clone_into(&mut module);
        } else {
            module.push('.');
            module.push_str(step);
        }
    }
    Parts { module, first, action: action.to_owned() }
}

/// The texts of a Python list of texts.
fn quoted(list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = list;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let Some(len) = rest[start + 1..].find(quote) else { break };
        found.push(rest[start + 1..start + 1 + len].to_owned());
        rest = &rest[start + len + 2..];
    }
    found
}

/// Drops what all modules begin with: the name of the whole model.
fn drop_common(parts: &mut [Parts]) {
    let Some(first) = parts.iter().map(|p| p.first.clone()).find(|first| !first.is_empty()) else { return };
    let begins = |p: &Parts| p.module.is_empty() || p.first == first && p.module.starts_with(&first);
    if parts.iter().all(begins) && parts.iter().any(|p| p.module.len() > first.len()) {
        for part in parts.iter_mut().filter(|p| !p.module.is_empty()) {
            part.module = part.module[first.len()..].trim_start_matches('.').to_owned();
        }
    }
}

/// All modules that a module lies in.
fn prefixes(module: &str) -> impl Iterator<Item = &str> {
    module.match_indices('.').map(|(at, _)| &module[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, scopes: &str) -> (String, String) {
        let parts = take_apart(file, scopes, "Op");
        (parts.module, parts.action)
    }

    #[test]
    fn names_are_module_and_action() {
        let expect = |file, scopes, module: &str, action: &str| {
            assert_eq!(read(file, scopes), (module.to_owned(), action.to_owned()));
        };
        expect("/layer4/layer4.1/relu_1/Relu", "", "layer4.1.relu_1", "Relu");
        expect("/features/features.0/features.0.0/Conv", "", "features.0.0", "Conv");
        expect("/Add", "", "", "Add");
        expect("model/conv1/Relu__42", "", "model.conv1", "Relu");
        expect("node_relu_1", "['', 'layer1', 'layer1.0', 'layer1.0.relu', 'relu_1']", "layer1.0.relu", "relu_1");
        expect("", "", "", "Op");
    }
}
