//! Normalisation by mean and variance of the map itself, and by the response of neighbouring channels.

use super::channel::ChannelAffine;
use super::{Map, map::mixed};
use candle_core::{Result, Tensor};

/// What shares a mean and a variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormalisedOver {
    /// The channels of one place: layer norm as in ConvNeXt, and of tokens (Ba et al. 2016).
    Channels,
    /// All places of as many groups of neighbouring channels (Wu & He 2018); one group is a layer norm of whole images.
    Groups(usize),
    /// All places of one channel: instance norm (Ulyanov et al. 2016).
    EachChannel,
}

/// y = (x − mean) / √(variance + ε) · scale + shift.
#[derive(Debug, Clone)]
pub struct Normalise {
    over: NormalisedOver,
    epsilon: f64,
    affine: Option<ChannelAffine>,
}

impl Normalise {
    /// With what follows for each channel, if anything does.
    #[must_use]
    pub fn new(over: NormalisedOver, epsilon: f64, affine: Option<ChannelAffine>) -> Self {
        Self { over, epsilon, affine }
    }

    /// Groups of channels of which each has a mean, or nothing if each place has its own.
    fn groups(&self, map: &Map) -> Result<Option<usize>> {
        let [_, c, h, w] = map.shape();
        if c * h * w == 0 {
            candle_core::bail!("a map of shape {:?} has no mean", map.shape());
        }
        if let Some(affine) = &self.affine {
            affine.scale().fits(map)?;
        }
        match self.over {
            NormalisedOver::Channels => Ok(None),
            NormalisedOver::EachChannel => Ok(Some(c)),
            NormalisedOver::Groups(groups) if groups > 0 && c % groups == 0 => Ok(Some(groups)),
            NormalisedOver::Groups(groups) => {
                candle_core::bail!("{c} channels do not make {groups} groups of one size")
            }
        }
    }

    /// The normalised map.
    ///
    /// # Errors
    /// If the channels do not fit the groups or the affine part, or there is nothing to take a mean of.
    pub fn forward(&self, x: Map) -> Result<Map> {
        let groups = self.groups(&x)?;
        let numbers = self.affine.as_ref().map(|a| [a.scale().values.as_slice(), &a.shift().values]);
        Ok(match x {
            Map::Cpu(mut x) => {
                match groups {
                    None => x.normalise_pixels(self.epsilon, numbers),
                    Some(groups) => x.normalise_groups(groups, self.epsilon, numbers),
                }
                Map::Cpu(x)
            }
            Map::Candle(x) => {
                let y = self.centred(&x, groups)?.normalised()?.reshape(x.shape())?;
                Map::Candle(match &self.affine {
                    Some(affine) => affine.applied(&y)?,
                    None => y,
                })
            }
        })
    }

    /// ∂x from the input and the gradient at the output.
    ///
    /// # Errors
    /// If `x` and `dy` differ in shape or kernel set, or the channels do not fit.
    pub fn vjp(&self, x: &Map, dy: Map) -> Result<Map> {
        let groups = self.groups(x)?;
        dy.must_be(x.shape())?;
        let dy = match &self.affine {
            Some(affine) => affine.vjp(dy)?,
            None => dy,
        };
        match (x, dy) {
            (Map::Cpu(x), Map::Cpu(mut dy)) => {
                match groups {
                    None => dy.normalise_pixels_vjp(x, self.epsilon),
                    Some(groups) => dy.normalise_groups_vjp(x, groups, self.epsilon),
                }
                Ok(Map::Cpu(dy))
            }
            (Map::Candle(x), Map::Candle(dy)) => {
                let centred = self.centred(x, groups)?;
                let (y, dy) = (centred.normalised()?, dy.reshape(centred.x.shape())?);
                let mean = dy.mean_keepdim(1)?;
                let along = (&dy * &y)?.mean_keepdim(1)?;
                let dx =
                    dy.broadcast_sub(&mean)?.sub(&y.broadcast_mul(&along)?)?.broadcast_div(&centred.deviation)?;
                Ok(Map::Candle(dx.reshape(x.shape())?))
            }
            _ => Err(mixed()),
        }
    }

    /// A view of the tensor whose axis 1 shares a mean.
    fn centred(&self, x: &Tensor, groups: Option<usize>) -> Result<Centred> {
        let (n, c, h, w) = x.dims4()?;
        let x = match groups {
            None => x.clone(),
            Some(groups) => x.reshape((n * groups, c / groups * h * w))?,
        };
        let x = x.broadcast_sub(&x.mean_keepdim(1)?)?;
        let deviation = (x.sqr()?.mean_keepdim(1)? + self.epsilon)?.sqrt()?;
        Ok(Centred { x, deviation })
    }
}

/// x − mean and √(variance + ε), both along axis 1.
struct Centred {
    x: Tensor,
    deviation: Tensor,
}

impl Centred {
    fn normalised(&self) -> Result<Tensor> {
        self.x.broadcast_div(&self.deviation)
    }
}

/// Local response normalisation (Krizhevsky et al. 2012): y = x / (bias + alpha/size · Σx²)^beta over the channels from
/// c − ⌊(size−1)/2⌋ to c + ⌈(size−1)/2⌉ of the same place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalResponseNorm {
    /// Channels that are summed.
    pub size: usize,
    /// Their weight, all together.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// What is added, positive.
    pub bias: f32,
}

impl LocalResponseNorm {
    fn fits(&self) -> Result<()> {
        if self.size == 0 {
            candle_core::bail!("a local response normalisation needs at least one channel");
        }
        Ok(())
    }

    /// Channels of a window before and behind its own.
    pub(super) fn sides(self) -> [usize; 2] {
        let others = self.size.saturating_sub(1);
        [others / 2, others - others / 2]
    }

    /// alpha / size.
    pub(super) fn weight(self) -> f32 {
        self.alpha / self.size as f32
    }

    /// The normalised map.
    ///
    /// # Errors
    /// If the size is 0, or candle cannot allocate the result.
    pub fn forward(&self, x: Map) -> Result<Map> {
        self.fits()?;
        Ok(match x {
            Map::Cpu(mut x) => {
                x.normalise_responses(*self);
                Map::Cpu(x)
            }
            Map::Candle(x) => Map::Candle((&x * self.divisor(&x)?.powf(-f64::from(self.beta))?)?),
        })
    }

    /// ∂x from the input and the gradient at the output.
    ///
    /// # Errors
    /// If `x` and `dy` differ in shape or kernel set.
    pub fn vjp(&self, x: &Map, dy: Map) -> Result<Map> {
        self.fits()?;
        dy.must_be(x.shape())?;
        match (x, dy) {
            (Map::Cpu(x), Map::Cpu(mut dy)) => {
                dy.normalise_responses_vjp(x, *self);
                Ok(Map::Cpu(dy))
            }
            (Map::Candle(x), Map::Candle(dy)) => {
                let divisor = self.divisor(x)?;
                let direct = (&dy * divisor.powf(-f64::from(self.beta))?)?;
                let [before, behind] = self.sides();
                let pull = window_sum(&((&direct * x)? / &divisor)?, behind, before)?;
                Ok(Map::Candle((direct - ((x * pull)? * f64::from(2.0 * self.beta * self.weight()))?)?))
            }
            _ => Err(mixed()),
        }
    }

    fn divisor(self, x: &Tensor) -> Result<Tensor> {
        let [before, behind] = self.sides();
        window_sum(&x.sqr()?, before, behind)?.affine(f64::from(self.weight()), f64::from(self.bias))
    }
}

/// Of each channel, the sum from `before` channels before it to `behind` behind it.
fn window_sum(x: &Tensor, before: usize, behind: usize) -> Result<Tensor> {
    let c = x.dim(1)?;
    let (before, behind) = (before.min(c), behind.min(c));
    let padded = x.pad_with_zeros(1, before, behind)?;
    (1..=before + behind).try_fold(padded.narrow(1, 0, c)?, |sum, at| sum + padded.narrow(1, at, c)?)
}
