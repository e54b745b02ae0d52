//! Normalisation by the values themselves.

use super::prelude::*;
use crate::kernels::{self, ChannelAffine, DivideByNorm, Normalise, NormalisedOver};

/// Relevance passes normalisations as it is (Achtibat et al. 2024, arXiv:2402.05602).
const RULES: Rules<'static> = Rules { deeplift: DeepLift::Unknown, ..Rules::POINTWISE };

/// What is normalised: maps, or the last axis of a value of any rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    Maps,
    Last,
}

impl Along {
    fn applied(self, x: Value, function: impl FnOnce(Map) -> Result<Map>) -> Result<Value> {
        let (shape, kernels) = (x.shape(), x.kernels());
        match self {
            Self::Maps => Ok(Value::of_map(function(x.into_map()?)?, kernels)),
            Self::Last => Value::of_rows(function(x.into_rows()?)?, shape, kernels),
        }
    }

    fn of(self, x: &Value) -> Result<Map> {
        match self {
            Self::Maps => x.map(),
            Self::Last => x.clone().into_rows(),
        }
    }
}

/// (x − mean) / √(variance + ε) · scale + shift: layer norms, group norms, instance norms.
#[derive(Debug)]
pub struct Normalisation {
    function: Normalise,
    along: Along,
    kind: &'static str,
    groups: usize,
    /// Of scale and shift, if there are any.
    channels: Option<usize>,
    parameters: usize,
}

impl Normalisation {
    /// Over the last axis of a value of any rank, or over the channels of maps: `axis` 1 of rank 4. Scale and shift are
    /// `[C]`.
    ///
    /// # Errors
    /// If scale and shift differ in length.
    pub fn layer(of_maps: bool, scale: Option<&Tensor>, shift: Option<&Tensor>, epsilon: f64) -> Result<Self> {
        let along = if of_maps { Along::Maps } else { Along::Last };
        Self::new("layer norm", along, (NormalisedOver::Channels, 1), (scale, shift), epsilon)
    }

    /// Over groups of a map's channels and all places. Scale and shift are `[C]`. One group is a layer norm over whole
    /// maps.
    ///
    /// # Errors
    /// If scale and shift differ in length.
    pub fn group(groups: usize, scale: Option<&Tensor>, shift: Option<&Tensor>, epsilon: f64) -> Result<Self> {
        Self::new("group norm", Along::Maps, (NormalisedOver::Groups(groups), groups), (scale, shift), epsilon)
    }

    /// Over all places of each of a map's channels. Scale and shift are `[C]`.
    ///
    /// # Errors
    /// If scale and shift differ in length.
    pub fn instance(scale: Option<&Tensor>, shift: Option<&Tensor>, epsilon: f64) -> Result<Self> {
        Self::new("instance norm", Along::Maps, (NormalisedOver::EachChannel, 1), (scale, shift), epsilon)
    }

    fn new(
        kind: &'static str,
        along: Along,
        (over, groups): (NormalisedOver, usize),
        (scale, shift): (Option<&Tensor>, Option<&Tensor>),
        epsilon: f64,
    ) -> Result<Self> {
        let given = scale.or(shift);
        let affine = given.map(|_| ChannelAffine::new(scale, shift)).transpose()?;
        let parameters = scale.into_iter().chain(shift).map(Tensor::elem_count).sum();
        let function = Normalise::new(over, epsilon, affine);
        Ok(Self { function, along, kind, groups, channels: given.map(Tensor::elem_count), parameters })
    }
}

impl Operator for Normalisation {
    fn kind(&self) -> Kind {
        Kind::new(self.kind, Family::Norm)
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let shape = inputs[0];
        let channels = match self.along {
            Along::Maps => map_shape(shape)?[0],
            Along::Last => shape.last().copied().unwrap_or(1),
        };
        if self.channels.is_some_and(|own| own != channels) || !channels.is_multiple_of(self.groups.max(1)) {
            bail!("a {} of other channels came with a value of shape {shape:?}", self.kind);
        }
        Ok(shape.to_vec())
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        inputs[0].len() > 1
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn saves(&self) -> Saves {
        Saves::Inputs
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        self.along.applied(only(inputs)?, |x| self.function.forward(x))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let x = self.along.of(at.input(0)?)?;
        Ok(vec![self.along.applied(dy, |dy| self.function.vjp(&x, dy))?])
    }

    fn rules(&self) -> Rules<'_> {
        RULES
    }
}

/// Local response normalisation over neighbouring channels of maps (Krizhevsky et al. 2012).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalResponseNorm(kernels::LocalResponseNorm);

impl LocalResponseNorm {
    /// With these numbers.
    #[must_use]
    pub fn new(norm: kernels::LocalResponseNorm) -> Self {
        Self(norm)
    }
}

impl Operator for LocalResponseNorm {
    fn kind(&self) -> Kind {
        Kind::new("local response norm", Family::Norm)
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        map_shape(inputs[0])?;
        if self.0.size == 0 {
            bail!("a local response norm needs at least one channel");
        }
        Ok(inputs[0].to_vec())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::Inputs
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        Along::Maps.applied(only(inputs)?, |x| self.0.forward(x))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let x = at.input(0)?.map()?;
        Ok(vec![Along::Maps.applied(dy, |dy| self.0.vjp(&x, dy))?])
    }

    fn rules(&self) -> Rules<'_> {
        RULES
    }
}

/// x / max(‖x‖, ε) along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LpNorm {
    norm: kernels::Norm,
    axis: usize,
    epsilon: f32,
}

impl LpNorm {
    /// By the norm of the values along `axis`, `epsilon` the least divisor.
    #[must_use]
    pub fn new(norm: kernels::Norm, axis: usize, epsilon: f32) -> Self {
        Self { norm, axis, epsilon }
    }

    fn function(&self, layout: Layout, rank: usize) -> DivideByNorm {
        DivideByNorm { norm: self.norm, axes: layout.places(rank, &[self.axis]), epsilon: self.epsilon }
    }
}

impl Operator for LpNorm {
    fn kind(&self) -> Kind {
        Kind::other("division by the norm")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        within_a_map(&[self.axis], inputs[0], "a norm")?;
        Ok(inputs[0].to_vec())
    }

    fn any_batch(&self, _: &[&[usize]]) -> bool {
        self.axis > 0
    }

    fn saves(&self) -> Saves {
        Saves::Inputs
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let x = only(inputs)?;
        let (shape, layout, kernels) = (x.shape(), x.layout(), x.kernels());
        let y = self.function(layout, shape.len()).forward(&x.laid_out(layout)?)?;
        Value::of_laid_out(y, layout, shape, kernels)
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let x = at.input(0)?;
        let (shape, layout, kernels) = (x.shape(), x.layout(), x.kernels());
        let dx = self.function(layout, shape.len()).vjp(&x.clone().laid_out(layout)?, &dy.laid_out(layout)?)?;
        Ok(vec![Value::of_laid_out(dx, layout, shape, kernels)?])
    }

    fn rules(&self) -> Rules<'_> {
        RULES
    }
}
