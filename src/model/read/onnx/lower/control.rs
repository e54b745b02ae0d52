//! Nodes one by one, functions of the file, and branches whose condition is known.

use super::call::{Call, Lowers, depends};
use super::{Lowering, MOST_NODES, Names, is_standard, table};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::ir::{SourceNode, ValueId};
use crate::model::read::onnx::proto::{self, Attribute, AttributeValue, Function, Node};
use crate::model::read::onnx::refusal::BEFORE;

/// How deep functions may call each other.
const DEEPEST: usize = 16;

impl<'m> Lowering<'m> {
    /// Lowers one node and gives its results their names.
    pub(super) fn node(&mut self, node: &Node, opset: i64, names: &mut Names, depth: usize) -> Result<(), Refusal> {
        self.steps += 1;
        if self.steps > MOST_NODES {
            return Err(Refusal(format!("its functions and branches grow to more than {MOST_NODES} nodes")));
        }
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            let found = names.get(name).copied();
            if found.is_none() && !name.is_empty() {
                return Err(self.missing(node, name));
            }
            inputs.push(found);
        }
        let outer = self.enter(node, opset);
        let results = match self.function(&node.domain, &node.op) {
            Some(function) => self.call(function, node, &inputs, depth),
            None if is_standard(&node.domain) && node.op == "If" => self.branch(node, &inputs, opset, names, depth),
            None => self.operator(node, inputs, opset),
        };
        // Once is enough: what failed inside a function has said so already.
        let described = |r: Refusal| {
            let computed = |name: &&String| names.get(*name).is_some_and(|id| self.graph.constant(*id).is_none());
            let before = node.inputs.iter().find(computed).filter(|_| depth == 0).map_or("NAME", String::as_str);
            let reason = Refusal(r.0.replace(BEFORE, &before.escape_debug().to_string()));
            if r.0.starts_with("node ") { reason } else { describe(node, opset, &reason) }
        };
        let results = results.map_err(described)?;
        self.origin = outer;
        for (name, id) in node.outputs.iter().zip(results) {
            let value = &mut self.graph.values[id.0 as usize];
            if value.name.is_empty() {
                value.name.clone_from(name);
            }
            names.insert(name.clone(), id);
        }
        Ok(())
    }

    fn missing(&self, node: &Node, name: &str) -> Refusal {
        let main = self.model.graph.as_ref();
        let name_shown = name.escape_debug();
        if let Some(reason) = self.unreadable.get(name) {
            return Refusal(format!("the weight \"{name_shown}\" cannot be used: {reason}"));
        }
        if main.is_some_and(|graph| graph.inputs.iter().any(|info| info.name == name)) {
            return Refusal(format!(
                "it wants a second input, \"{name_shown}\", besides the picture; export it without, or take an earlier \
                 output with --output"
            ));
        }
        let reader = if node.name.is_empty() { &node.op } else { &node.name };
        Refusal(format!("its node \"{}\" reads \"{name_shown}\", which nothing here computes", reader.escape_debug()))
    }

    /// Makes a node the one at hand; returns the one before. Inside a function its call keeps the name.
    fn enter(&mut self, node: &Node, opset: i64) -> SourceNode {
        let outer = self.origin.clone();
        // A converter that numbers its nodes ("Conv__6") often keeps the source's name in what they compute.
        let result = node.outputs.first().map_or("", |name| name.split(':').next().unwrap_or(name));
        let plain = !node.name.contains('/') && (node.name.is_empty() || result.contains('/'));
        let own = if plain { result } else { &node.name };
        let name = match (outer.name.is_empty(), own.is_empty()) {
            (true, _) => own.to_owned(),
            (false, true) => outer.name.clone(),
            (false, false) => format!("{}/{own}", outer.name),
        };
        let scopes = node.metadata.iter().find(|(key, _)| key == "pkg.torch.onnx.name_scopes");
        let module = scopes.map_or_else(|| outer.module.clone(), |(_, list)| list.clone());
        self.origin = SourceNode { op: node.op.clone(), opset, name, module };
        outer
    }

    fn operator(&mut self, node: &Node, inputs: Vec<Option<ValueId>>, opset: i64) -> Lowers {
        let Some(handler) = table::handler(&node.domain, &node.op) else {
            return Err(table::unsupported(&node.domain, &node.op));
        };
        let unfilled = node.attributes.iter().find(|a| !a.refers_to.is_empty());
        if let Some(attribute) = unfilled {
            return Err(Refusal(format!("its attribute {} was given by nobody", attribute.name.escape_debug())));
        }
        let mut call = Call { lowering: self, node, inputs, opset };
        handler(&mut call)
    }

    fn function(&self, domain: &str, op: &str) -> Option<&'m Function> {
        // Only the file's own domains: a function that defines a standard operator says the same, more slowly.
        self.model.functions.iter().find(|f| f.name == op && f.domain == domain && !is_standard(domain))
    }

    /// Puts a function's nodes in the place of its call.
    fn call(&mut self, function: &Function, node: &Node, inputs: &[Option<ValueId>], depth: usize) -> Lowers {
        if depth >= DEEPEST {
            return Err(Refusal(format!("its functions call each other more than {DEEPEST} deep")));
        }
        let mut names = Names::new();
        for (name, id) in function.inputs.iter().zip(inputs) {
            names.extend(id.map(|id| (name.clone(), id)));
        }
        let nodes: Vec<Node> = function.nodes.iter().map(|inner| filled(inner, node, function)).collect();
        let outputs: Vec<&str> = function.outputs.iter().map(String::as_str).collect();
        let opset = super::standard_opset(&function.opsets).or_else(|_| super::standard_opset(&self.model.opsets))?;
        self.nodes(&nodes, &outputs, opset, &mut names, depth + 1)?;
        results(&outputs, &names)
    }

    /// Takes the branch that is known to be taken.
    fn branch(&mut self, node: &Node, inputs: &[Option<ValueId>], opset: i64, names: &Names, depth: usize) -> Lowers {
        let condition = inputs.first().copied().flatten().ok_or_else(|| Refusal::new("it has no condition"))?;
        let constant = self.graph.constant(condition).ok_or_else(|| depends("branches"))?;
        let taken = constant.to_ints()?.first().is_some_and(|v| *v != 0);
        let wanted = if taken { "then_branch" } else { "else_branch" };
        let found = node.attributes.iter().find(|a| a.name == wanted).map(|a| &a.value);
        let Some(AttributeValue::Graph(graph)) = found else {
            return Err(Refusal(format!("it has no {wanted}")));
        };
        if depth >= DEEPEST {
            return Err(Refusal(format!("its branches lie more than {DEEPEST} deep inside each other")));
        }
        let outputs: Vec<&str> = graph.outputs.iter().map(|info| info.name.as_str()).collect();
        let mut inner = names.clone();
        self.run(graph, &outputs, opset, &mut inner, depth + 1)?;
        results(&outputs, &inner)
    }
}

fn results(outputs: &[&str], names: &Names) -> Lowers {
    let find = |name: &&str| names.get(*name).copied();
    outputs
        .iter()
        .map(|name| {
            find(name).ok_or_else(|| Refusal(format!("\"{}\" inside it is never computed", name.escape_debug())))
        })
        .collect()
}

/// A function's node with its attributes filled in from the call, else from the function's defaults.
fn filled(inner: &Node, call: &Node, function: &Function) -> Node {
    let mut node = proto::Node { attributes: Vec::new(), ..inner.clone() };
    for attribute in &inner.attributes {
        if attribute.refers_to.is_empty() {
            node.attributes.push(attribute.clone());
            continue;
        }
        let named = |a: &&Attribute| a.name == attribute.refers_to;
        let given = call.attributes.iter().find(named).or_else(|| function.defaults.iter().find(named));
        // An attribute that nobody gives is left at the operator's own default.
        if let Some(given) = given {
            node.attributes.push(Attribute { name: attribute.name.clone(), ..given.clone() });
        }
    }
    node
}

/// A reason with the node that it is about.
fn describe(node: &Node, opset: i64, reason: &Refusal) -> Refusal {
    let name = if node.name.is_empty() { node.outputs.first() } else { Some(&node.name) };
    let name = name.map_or("", String::as_str).escape_debug();
    let domain = if is_standard(&node.domain) { String::new() } else { format!("{}.", node.domain.escape_debug()) };
    Refusal(format!("node \"{name}\" ({domain}{}, opset {opset}): {reason}", node.op.escape_debug()))
}
