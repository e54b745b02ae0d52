//! Linear maps that act on channels, rows and columns one after another: padding, slices, gathers, resizing.

use super::Map;
use super::size::checked_len;
use candle_core::{Device, Result, Tensor};

/// The longest axis that is made: beyond it there is a wrong size somewhere.
const LONGEST: usize = 1 << 24;

/// A sparse matrix along one axis, row by row: what each output reads and with which weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AxisMap {
    input: usize,
    /// Where the taps of each output begin, and where the last ones end.
    starts: Vec<usize>,
    /// Input and weight.
    taps: Vec<(usize, f32)>,
    /// How many outputs from this one on are just copies of neighbouring inputs.
    runs: Vec<usize>,
}

impl AxisMap {
    /// From the taps of each output, all of them below `input`.
    fn new(input: usize, outputs: impl Iterator<Item = Vec<(usize, f32)>>) -> Result<Self> {
        let (mut starts, mut taps) = (vec![0], Vec::new());
        for of_output in outputs {
            taps.extend(of_output);
            starts.push(taps.len());
        }
        if let Some((index, _)) = taps.iter().find(|(index, _)| *index >= input) {
            candle_core::bail!("there is no index {index} along an axis of {input}");
        }
        let copied = |output: usize| match taps[starts[output]..starts[output + 1]] {
            [(index, 1.0)] => Some(index),
            _ => None,
        };
        let mut runs = vec![0; starts.len() - 1];
        for output in (0..runs.len()).rev() {
            if let Some(index) = copied(output) {
                let goes_on = output + 1 < runs.len() && copied(output + 1) == Some(index + 1);
                runs[output] = 1 + if goes_on { runs[output + 1] } else { 0 };
            }
        }
        Ok(Self { input, starts, taps, runs })
    }

    /// Each output a weighted sum.
    pub(super) fn weighted(input: usize, outputs: impl Iterator<Item = Vec<(usize, f32)>>) -> Result<Self> {
        Self::new(input, outputs)
    }

    /// Each output a copy of an input, or the filling.
    pub(super) fn copied(input: usize, sources: impl Iterator<Item = Option<usize>>) -> Result<Self> {
        Self::new(input, sources.map(|source| source.map(|index| (index, 1.0)).into_iter().collect()))
    }

    pub(super) fn input(&self) -> usize {
        self.input
    }

    pub(super) fn output(&self) -> usize {
        self.runs.len()
    }

    /// What an output reads.
    pub(super) fn taps(&self, output: usize) -> &[(usize, f32)] {
        &self.taps[self.starts[output]..self.starts[output + 1]]
    }

    /// How many outputs from this one on are copies of neighbouring inputs.
    pub(super) fn run(&self, output: usize) -> usize {
        self.runs[output]
    }

    /// What each output is a copy of, if all are copies.
    pub(super) fn copies(&self) -> Option<&[(usize, f32)]> {
        if self.runs.contains(&0) { None } else { Some(&self.taps) }
    }

    /// How many runs of copies there are.
    pub(super) fn breaks(&self) -> usize {
        self.runs.iter().filter(|run| **run == 1).count()
    }

    fn is_identity(&self) -> bool {
        self.output() == self.input
            && (self.input == 0 || self.runs[0] == self.input && self.taps.first() == Some(&(0, 1.0)))
    }

    fn transposed(&self) -> Result<Self> {
        let mut inputs = vec![Vec::new(); self.input];
        for output in 0..self.output() {
            for (index, weight) in self.taps(output) {
                inputs[*index].push((output, *weight));
            }
        }
        Self::new(self.output(), inputs.into_iter())
    }

    /// The `k`th tap of each output: an index (`input` where there is none, and the filling lies) and a weight.
    fn nth(&self, k: usize, device: &Device) -> Result<[Tensor; 2]> {
        let of = |output: usize| match self.taps(output) {
            [] => (self.input, if k == 0 { 1.0 } else { 0.0 }),
            taps => taps.get(k).copied().unwrap_or((taps[0].0, 0.0)),
        };
        let (indices, weights): (Vec<u32>, Vec<f32>) = (0..self.output()).map(|o| (of(o).0 as u32, of(o).1)).unzip();
        Ok([Tensor::new(indices, device)?, Tensor::new(weights, device)?])
    }

    fn most_taps(&self) -> usize {
        (0..self.output()).map(|output| self.taps(output).len()).max().unwrap_or(0).max(1)
    }

    /// Calls `visit(indices, weights)` with one tap of each output after another; no weights are ones.
    fn each_tap(
        &self,
        x: &Tensor,
        dim: usize,
        mut visit: impl FnMut(&Tensor, Option<&Tensor>) -> Result<()>,
    ) -> Result<()> {
        let most = self.most_taps();
        let ones = most == 1 && self.taps.iter().all(|tap| tap.1.to_bits() == 1f32.to_bits());
        for k in 0..most {
            let [indices, weights] = self.nth(k, x.device())?;
            let mut along = vec![1; 4];
            along[dim] = self.output();
            let weights = if ones { None } else { Some(weights.reshape(along)?) };
            visit(&indices, weights.as_ref())?;
        }
        Ok(())
    }

    /// The product with a tensor's axis `dim`.
    fn applied(&self, x: &Tensor, dim: usize, fill: f32) -> Result<Tensor> {
        let mut edge = x.dims().to_vec();
        edge[dim] = 1;
        let filled = Tensor::cat(&[x, &Tensor::full(fill, edge, x.device())?], dim)?;
        let mut sum: Option<Tensor> = None;
        self.each_tap(x, dim, |indices, weights| {
            let mut part = filled.index_select(indices, dim)?;
            if let Some(weights) = weights {
                part = part.broadcast_mul(weights)?;
            }
            sum = Some(match sum.take() {
                Some(sum) => (sum + part)?,
                None => part,
            });
            Ok(())
        })?;
        sum.map_or_else(|| x.narrow(dim, 0, 0), Ok)
    }

    /// The product of the transposed matrix with a tensor's axis `dim`.
    fn applied_transposed(&self, dy: &Tensor, dim: usize) -> Result<Tensor> {
        let mut shape = dy.dims().to_vec();
        shape[dim] = self.input + 1;
        let mut dx = Tensor::zeros(shape, dy.dtype(), dy.device())?;
        self.each_tap(dy, dim, |indices, weights| {
            let part = match weights {
                Some(weights) => dy.broadcast_mul(weights)?,
                None => dy.contiguous()?,
            };
            dx = dx.index_add(indices, &part, dim)?;
            Ok(())
        })?;
        dx.narrow(dim, 0, self.input)?.contiguous()
    }
}

/// A linear map of maps `[N, C, H, W]` of one size that is a matrix along each axis but N.
#[derive(Debug, Clone)]
pub struct Separable {
    from: [usize; 3],
    to: [usize; 3],
    /// Along channels, rows and columns; an axis without one stays as it is.
    axes: [Option<AxisMap>; 3],
    transposed: [Option<AxisMap>; 3],
    fill: f32,
}

impl Separable {
    /// From a matrix along each of channels, rows and columns. What reads nothing becomes `fill`.
    pub(super) fn new(axes: [AxisMap; 3], fill: f32) -> Result<Self> {
        let [from, to] = [AxisMap::input, AxisMap::output].map(|length| [0, 1, 2].map(|axis| length(&axes[axis])));
        let axes = axes.map(|axis| if axis.is_identity() { None } else { Some(axis) });
        let transposed = |axis: &Option<AxisMap>| axis.as_ref().map(AxisMap::transposed).transpose();
        let transposed = [transposed(&axes[0])?, transposed(&axes[1])?, transposed(&axes[2])?];
        Ok(Self { from, to, axes, transposed, fill })
    }

    /// `[C, H, W]` of the result.
    #[must_use]
    pub fn output_shape(&self) -> [usize; 3] {
        self.to
    }

    /// The result for a map of the size that it was made for.
    ///
    /// # Errors
    /// If the map has another size.
    pub fn forward(&self, x: &Map) -> Result<Map> {
        let n = due(x, self.from)?;
        checked_len([n, self.to[0], self.to[1], self.to[2]])?;
        match x {
            Map::Cpu(x) => {
                Ok(Map::Cpu(along_each(x.clone(), &self.axes, |x, axis, map| x.mapped(axis, map, self.fill))))
            }
            Map::Candle(x) => {
                let x = x.contiguous()?;
                let apply =
                    |x: Result<Tensor>, axis, map: &AxisMap| map.applied(&x?, axis + 1, self.fill)?.contiguous();
                Ok(Map::Candle(along_each(Ok(x), &self.axes, apply)?))
            }
        }
    }

    /// ∂x from the gradient at the result.
    ///
    /// # Errors
    /// If the gradient does not have the result's size.
    pub fn vjp(&self, dy: &Map) -> Result<Map> {
        let n = due(dy, self.to)?;
        checked_len([n, self.from[0], self.from[1], self.from[2]])?;
        match dy {
            Map::Cpu(dy) => {
                Ok(Map::Cpu(along_each(dy.clone(), &self.transposed, |dy, axis, map| dy.mapped(axis, map, 0.0))))
            }
            Map::Candle(dy) => {
                let dy = dy.contiguous()?;
                let apply = |dy: Result<Tensor>, axis, map: &AxisMap| map.applied_transposed(&dy?, axis + 1);
                Ok(Map::Candle(along_each(Ok(dy), &self.axes, apply)?))
            }
        }
    }
}

/// N of a map that has to be of this `[C, H, W]`.
fn due(map: &Map, due: [usize; 3]) -> Result<usize> {
    let [n, c, h, w] = map.shape();
    if [c, h, w] != due {
        candle_core::bail!("a map of {:?} (C, H, W) came where {due:?} was due", [c, h, w]);
    }
    Ok(n)
}

/// Applies what there is along the axes, first what leaves least to do.
fn along_each<T>(x: T, axes: &[Option<AxisMap>; 3], mut apply: impl FnMut(T, usize, &AxisMap) -> T) -> T {
    let mut order: Vec<(usize, &AxisMap)> =
        axes.iter().enumerate().filter_map(|(i, a)| Some((i, a.as_ref()?))).collect();
    order.sort_by(|(_, a), (_, b)| (a.output() * b.input()).cmp(&(b.output() * a.input())));
    order.into_iter().fold(x, |x, (axis, map)| apply(x, axis, map))
}

/// The length of an axis that is to be made.
pub(super) fn axis_length(length: i128) -> Result<usize> {
    match usize::try_from(length) {
        Ok(length) if (1..=LONGEST).contains(&length) => Ok(length),
        _ if length < 1 => candle_core::bail!("nothing of a map would be left; look for a wrong size, pad or scale"),
        _ => candle_core::bail!("an axis of {length} is too long; look for a wrong size, pad or scale"),
    }
}
