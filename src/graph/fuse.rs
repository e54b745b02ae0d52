//! Several operators in one pass over memory, wherever nobody asks for what vanishes between them. This is the one place
//! that looks at what kind an operator is.

use super::network::Node;
use super::operator::Operator;
use super::ops::{Convolution, MaxPooling, Rectifier, Sum};
use super::point::Point;
use super::value::Value;
use crate::kernels::{Activation, Conv2d, Gate, Map, MaxPool};
use candle_core::Result;
use std::any::Any;

/// What a forward pass does when it comes to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: nobody needs it, or its value is given.
    Idle,
    /// Nothing: its only reader runs it.
    Vanishes,
    /// It runs.
    Alone,
    /// It runs with what came before it.
    Fused(Fused),
}

/// A convolution, the sum it goes into, and the rectifier behind: the node is the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fused {
    pub conv: usize,
    /// The sum, and its other term.
    pub onto: Option<(usize, usize)>,
    pub activation: Option<Activation>,
}

/// The steps of a pass in which `readers[i]` nodes read node i; `kept` are those whose values somebody asks for.
pub(super) fn steps(nodes: &[Node], runs: &[bool], kept: &[bool], readers: &[usize]) -> Vec<Step> {
    let mut steps: Vec<Step> = runs.iter().map(|runs| if *runs { Step::Alone } else { Step::Idle }).collect();
    for (i, node) in nodes.iter().enumerate().filter(|(i, _)| runs[*i]) {
        let vanishing = |&j: &usize| runs[j] && readers[j] == 1 && !kept[j];
        let found = if let Some(&Rectifier(activation)) = kind(&node.op) {
            node.inputs.iter().copied().find(vanishing).and_then(|j| {
                let before = match steps[j] {
                    Step::Alone if conv(&nodes[j]).is_some() => Fused { conv: j, onto: None, activation: None },
                    Step::Fused(sum) if sum.activation.is_none() => sum,
                    _ => return None,
                };
                Some((j, Fused { activation: Some(activation), ..before }))
            })
        } else if kind::<Sum>(&node.op).is_some() {
            let runs_alone = |&j: &usize| steps[j] == Step::Alone && conv(&nodes[j]).is_some();
            let before = node.inputs.iter().copied().filter(vanishing).find(runs_alone);
            before.and_then(|j| {
                let other = node.inputs.iter().copied().find(|other| *other != j)?;
                Some((j, Fused { conv: j, onto: Some((i, other)), activation: None }))
            })
        } else {
            None
        };
        if let Some((before, fused)) = found {
            steps[before] = Step::Vanishes;
            steps[i] = Step::Fused(fused);
        }
    }
    steps
}

impl Fused {
    /// The output of the last of the operators; `take` hands out the values of nodes.
    pub(super) fn run(self, nodes: &[Node], mut take: impl FnMut(usize) -> Result<Value>) -> Result<Value> {
        let Some(conv) = conv(&nodes[self.conv]) else {
            candle_core::bail!("node {} is no convolution", self.conv);
        };
        let x = take(nodes[self.conv].inputs[0])?;
        let onto = self.onto.map(|(_, other)| take(other)?.into_map()).transpose()?;
        Ok(x.with_map(conv.forward_onto(&x.map()?, onto.as_ref(), self.activation)?))
    }
}

/// A layer whose gradient takes in, in the same pass, what has arrived at its input from other readers, and the rectifier
/// that it reads.
pub(super) enum Through<'a> {
    Conv(&'a Conv2d),
    MaxPool(&'a MaxPool),
}

impl<'a> Through<'a> {
    /// The layer at this node, if it is one.
    pub(super) fn new(node: &'a Node) -> Option<Self> {
        let pool = || kind(&node.op).map(|MaxPooling(pool)| Self::MaxPool(pool));
        conv(node).map(Self::Conv).or_else(pool)
    }

    /// The gradient at its input with `onto` added, passed on through `gate`.
    pub(super) fn vjp(
        &self,
        at: &Point<'_>,
        dy: &Value,
        onto: Option<Value>,
        gate: Option<Gate<'_>>,
    ) -> Result<Value> {
        let onto = onto.map(Value::into_map).transpose()?;
        let dx = match self {
            Self::Conv(conv) => match *at.input_shape(0) {
                [_, _, h, w] => conv.vjp_through((h, w), &dy.map()?, onto.as_ref(), gate)?,
                _ => candle_core::bail!("a convolution has read a value of shape {:?}", at.input_shape(0)),
            },
            Self::MaxPool(pool) => pool.vjp_through(&at.input(0)?.map()?, &dy.map()?, onto.as_ref(), gate)?,
        };
        Ok(dy.with_map(dx))
    }
}

/// The rectifier at this node, if it is one.
pub(super) fn rectifier(node: &Node) -> Option<Activation> {
    kind(&node.op).map(|Rectifier(activation)| *activation)
}

/// A rectifier's output as the gate of a gradient that passes it.
pub(super) fn gate<'a>(y: &'a Map, activation: Activation, at: &Point<'_>) -> Gate<'a> {
    Gate { y, activation, rule: at.rule }
}

fn conv(node: &Node) -> Option<&Conv2d> {
    kind(&node.op).map(|Convolution(conv)| conv)
}

fn kind<T: Operator>(op: &std::sync::Arc<dyn Operator>) -> Option<&T> {
    let op: &dyn Any = op.as_ref();
    op.downcast_ref()
}
