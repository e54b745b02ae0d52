//! What moves, repeats or sums elements.

use super::super::Refusal;
use super::super::ir::Node;
use super::super::op::{self, PadMode, Reduction, ResizeMode};
use super::Emitter;
use crate::graph::{NodeId, ops};
use crate::kernels::{self, Function};

impl Emitter<'_> {
    pub(super) fn reduce(
        &mut self,
        node: &Node,
        kind: Reduction,
        axes: &[usize],
        keep: bool,
    ) -> Result<NodeId, Refusal> {
        let (before, kind, after) = match kind {
            Reduction::Mean => (None, kernels::Reduction::Mean, None),
            Reduction::Sum => (None, kernels::Reduction::Sum, None),
            Reduction::Max => (None, kernels::Reduction::Max, None),
            Reduction::Min => (None, kernels::Reduction::Min, None),
            Reduction::L2 => (None, kernels::Reduction::L2, None),
            Reduction::L1 => (Some(Function::Abs), kernels::Reduction::Sum, None),
            Reduction::SumSquare => (Some(Function::Square), kernels::Reduction::Sum, None),
            Reduction::LogSum => (None, kernels::Reduction::Sum, Some(Function::Log)),
            Reduction::LogSumExp => (Some(Function::Exp), kernels::Reduction::Sum, Some(Function::Log)),
            Reduction::Prod => return Err(Refusal::new("a product of all elements is known for constants only")),
        };
        let mut shape = self.input_shape(node);
        let mut axes: Vec<usize> = if axes.is_empty() { (0..shape.len()).collect() } else { axes.to_vec() };
        let mut made = self.first(node)?;
        if shape.len() > 4 && !axes.contains(&0) && few_axes(&shape, &axes).is_none() {
            // Those that are summed come last, where they are neighbours.
            let (rest, last): (Vec<usize>, Vec<usize>) = (0..shape.len()).partition(|axis| !axes.contains(axis));
            axes = (rest.len()..shape.len()).collect();
            let order = [rest, last].concat();
            shape = order.iter().map(|&axis| shape[axis]).collect();
            made = self.graph.add(ops::Transpose::new(order), &[made]).map_err(Refusal::new)?;
        }
        let few = few_axes(&shape, &axes);
        let again = few.is_some();
        if let Some((few, axis)) = few {
            made = self.graph.add(ops::Reshape::new(few), &[made]).map_err(Refusal::new)?;
            axes = vec![axis];
        }
        if let Some(function) = before {
            made = self.graph.add(ops::Elementwise::new(function), &[made]).map_err(Refusal::new)?;
        }
        made = self.graph.add(ops::Reduce::new(kind, axes, keep), &[made]).map_err(Refusal::new)?;
        if let Some(function) = after {
            made = self.graph.add(ops::Elementwise::new(function), &[made]).map_err(Refusal::new)?;
        }
        if again {
            made = self.graph.add(ops::Reshape::new(self.shape(node)), &[made]).map_err(Refusal::new)?;
        }
        Ok(made)
    }

    /// Of a value of many axes, along neighbouring ones of them.
    pub(super) fn softmax(&mut self, node: &Node, axis: usize, log: bool) -> Result<NodeId, Refusal> {
        let op = |axis| if log { ops::Softmax::logarithm(axis) } else { ops::Softmax::new(axis) };
        let shape = self.input_shape(node);
        let Some((few, axis)) = few_axes(&shape, &[axis]) else { return self.put(op(axis), node) };
        let rows = self.first(node)?;
        let rows = self.graph.add(ops::Reshape::new(few), &[rows]).map_err(Refusal::new)?;
        let rows = self.graph.add(op(axis), &[rows]).map_err(Refusal::new)?;
        self.graph.add(ops::Reshape::new(shape), &[rows]).map_err(Refusal::new)
    }

    pub(super) fn slice(&mut self, node: &Node, starts: &[usize], steps: &[isize]) -> Result<NodeId, Refusal> {
        let (input, output) = (self.input_shape(node), self.shape(node));
        let moved = |axis: &usize| starts[*axis] != 0 || steps[*axis] != 1 || input[*axis] != output[*axis];
        let range = |axis: usize| ops::Range { axis, start: starts[axis], count: output[axis], step: steps[axis] };
        let ranges = (0..input.len()).filter(moved).map(range).collect();
        self.put(ops::Slice::new(ranges), node)
    }

    /// The indices stand in one axis; the output's shape says how they lie.
    pub(super) fn gather(&mut self, node: &Node, axis: usize, indices: &[usize]) -> Result<NodeId, Refusal> {
        let output = self.shape(node);
        let (rank, input_rank) = (output.len(), self.input_shape(node).len());
        let width = (rank + 1).saturating_sub(input_rank);
        let lie = output.get(axis..axis + width).map_or_else(|| vec![indices.len()], <[usize]>::to_vec);
        self.put(ops::Gather::new(axis, indices, lie).map_err(Refusal::new)?, node)
    }

    pub(super) fn pad(
        &mut self,
        node: &Node,
        before: &[i64],
        after: &[i64],
        mode: PadMode,
    ) -> Result<NodeId, Refusal> {
        let mode = match mode {
            PadMode::Constant(value) => kernels::PadMode::Constant(value),
            PadMode::Reflect => kernels::PadMode::Reflect,
            PadMode::Edge => kernels::PadMode::Edge,
            PadMode::Wrap => kernels::PadMode::Wrap,
        };
        let pads = before.iter().zip(after).map(|(before, after)| [*before as isize, *after as isize]).collect();
        self.put_on_first(ops::Pad::new(pads, mode), node)
    }

    pub(super) fn tile(&mut self, node: &Node) -> Result<NodeId, Refusal> {
        let (input, output) = (self.input_shape(node), self.shape(node));
        let repeats = output.iter().zip(&input).map(|(out, inside)| out / inside.max(&1)).collect();
        self.put_on_first(ops::Tile::new(repeats), node)
    }

    pub(super) fn resize(&mut self, node: &Node, resize: &op::Resize) -> Result<NodeId, Refusal> {
        let (input, output) = (self.input_shape(node), self.shape(node));
        if output.len() != 4 || input[..2] != output[..2] {
            return Err(Refusal::new("only height and width of maps [1, C, H, W] can be resampled"));
        }
        let rounding = match resize.rounding {
            op::Rounding::PreferFloor => kernels::Rounding::PreferFloor,
            op::Rounding::PreferCeil => kernels::Rounding::PreferCeil,
            op::Rounding::Floor => kernels::Rounding::Floor,
            op::Rounding::Ceil => kernels::Rounding::Ceil,
        };
        let interpolation = match resize.mode {
            ResizeMode::Nearest => kernels::Interpolation::Nearest(rounding),
            ResizeMode::Linear => kernels::Interpolation::Linear,
            ResizeMode::Cubic => kernels::Interpolation::Cubic { a: f64::from(resize.cubic) },
        };
        let coordinates = match resize.coordinates {
            op::Coordinates::HalfPixel => kernels::Coordinates::HalfPixel,
            op::Coordinates::PytorchHalfPixel => kernels::Coordinates::PytorchHalfPixel,
            op::Coordinates::HalfPixelSymmetric => kernels::Coordinates::HalfPixelSymmetric,
            op::Coordinates::AlignCorners => kernels::Coordinates::AlignCorners,
            op::Coordinates::Asymmetric => kernels::Coordinates::Asymmetric,
        };
        // Scales count as the file says them, unless they make another size.
        let scaled = |side: usize| {
            let scale = resize.scales.get(2 + side).copied().unwrap_or(0.0);
            (scale, (scale * input[2 + side] as f32).floor() as usize == output[2 + side])
        };
        let target = match [scaled(0), scaled(1)] {
            [(down, true), (right, true)] => kernels::Target::Scale([down, right]),
            _ => kernels::Target::Size([output[2], output[3]]),
        };
        let (exclude_outside, antialias) = (resize.exclude_outside, resize.antialias);
        let resize = kernels::Resize { interpolation, coordinates, target, exclude_outside, antialias };
        self.put_on_first(ops::Resize::new(resize), node)
    }

    pub(super) fn depth_to_space(&mut self, node: &Node, block: usize, crd: bool) -> Result<NodeId, Refusal> {
        self.put(ops::DepthToSpace::new(block, order(crd)), node)
    }

    pub(super) fn space_to_depth(&mut self, node: &Node, block: usize, crd: bool) -> Result<NodeId, Refusal> {
        self.put(ops::DepthToSpace::inverse(block, order(crd)), node)
    }
}

/// The order of the channels that make a block.
fn order(crd: bool) -> kernels::BlockOrder {
    if crd { kernels::BlockOrder::ChannelFirst } else { kernels::BlockOrder::PlaceFirst }
}

/// A shape of more than four axes with some neighbouring `axes` made one, and which that is then; pictures stay first.
fn few_axes(shape: &[usize], axes: &[usize]) -> Option<(Vec<usize>, usize)> {
    let from = *axes.first()?;
    let to = from + axes.len();
    if shape.len() <= 4 || from == 0 || !axes.iter().copied().eq(from..to) {
        return None;
    }
    let lengths = [1..from, from..to, to..shape.len()].map(|range| shape[range].iter().product());
    Some((std::iter::once(shape[0]).chain(lengths).collect(), 2))
}
