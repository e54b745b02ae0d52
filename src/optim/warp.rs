//! A picture turned, scaled and shifted at random, and gradients turned back: robust features survive it.

use crate::error::Result;
use candle_core::{Device, Tensor};
use rand::Rng;

/// What lies outside the picture.
const GREY: f64 = 0.5;

/// How far the random transformations go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transforms {
    /// Grey border around the picture that it may be shifted into, in pixels.
    pub pad: usize,
    /// Largest shift, in pixels.
    pub jitter: f64,
    /// Largest relative change of size.
    pub scale: f64,
    /// Largest angle, in degrees.
    pub rotate: f64,
}

/// Bilinear sampling of a picture at turned, scaled and shifted places; grey outside.
#[derive(Debug, Clone)]
pub struct Warp {
    /// The four neighbours of each place, `[H·W]`, and their weights `[1, H·W]`.
    taps: Vec<(Tensor, Tensor)>,
    /// What is grey, `[1, H·W]`.
    outside: Tensor,
    from: (usize, usize),
    to: (usize, usize),
}

impl Warp {
    /// Draws a transformation of pictures of size `from` (height, width), seen through a window of size `to`. The
    /// window shows the picture with its pad, as far as it goes.
    ///
    /// # Errors
    /// If candle cannot allocate the weights.
    pub fn random(
        transforms: &Transforms,
        from: (usize, usize),
        to: (usize, usize),
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Self> {
        let mut within = |reach: f64| rng.random_range(-1.0..=1.0) * reach;
        let (dy, dx) = (within(transforms.jitter).round(), within(transforms.jitter).round());
        let (scale, angle) = (1.0 + within(transforms.scale), within(transforms.rotate).to_radians());
        // Without a pad the picture fills the window however it is shifted: the window's size is the picture's.
        let room = |from: usize, to: usize| from.min(to) as f64 / (to as f64).max(1.0);
        let reach = if transforms.pad == 0 { room(from.0, to.0).min(room(from.1, to.1)) } else { 1.0 };
        Self::new(from, to, (dy, dx), scale / reach, angle, transforms.pad, device)
    }

    fn new(
        from: (usize, usize),
        to: (usize, usize),
        (dy, dx): (f64, f64),
        scale: f64,
        angle: f64,
        pad: usize,
        device: &Device,
    ) -> Result<Self> {
        let (h, w) = from;
        let (sin, cos) = angle.sin_cos();
        let count = to.0 * to.1;
        let mut indices = vec![vec![0u32; count]; 4];
        let mut weights = vec![vec![0f32; count]; 4];
        let mut outside = vec![0f32; count];
        let middle = |n: usize| (n as f64 - 1.0) / 2.0;
        for place in 0..count {
            let v = ((place / to.1) as f64 - middle(to.0)) / scale;
            let u = ((place % to.1) as f64 - middle(to.1)) / scale;
            let mut y = middle(h) + dy + cos * v - sin * u;
            let mut x = middle(w) + dx + sin * v + cos * u;
            if pad == 0 {
                // Nothing lies outside: the border goes on.
                (y, x) = (y.clamp(0.0, (h - 1) as f64), x.clamp(0.0, (w - 1) as f64));
            }
            let mut inside = 0.0;
            for tap in 0..4 {
                let (down, right) = ((tap / 2) as f64, (tap % 2) as f64);
                let (row, column) = (y.floor() + down, x.floor() + right);
                let weight = (1.0 - (y - row).abs()) * (1.0 - (x - column).abs());
                if row >= 0.0 && column >= 0.0 && row < h as f64 && column < w as f64 {
                    indices[tap][place] = (row as usize * w + column as usize) as u32;
                    weights[tap][place] = weight as f32;
                    inside += weight;
                }
            }
            outside[place] = (GREY * (1.0 - inside)) as f32;
        }
        let taps = indices
            .into_iter()
            .zip(weights)
            .map(|(i, w)| Ok((Tensor::from_vec(i, count, device)?, Tensor::from_vec(w, (1, count), device)?)))
            .collect::<Result<_>>()?;
        Ok(Self { taps, outside: Tensor::from_vec(outside, (1, count), device)?, from, to })
    }

    /// Pictures `[N, C, H, W]` through the window `[N, C, H', W']`.
    ///
    /// # Errors
    /// If the pictures have another size.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (n, c, h, w) = x.dims4()?;
        let x = x.contiguous()?.reshape((n * c, h * w))?;
        let mut seen = self.outside.broadcast_as((n * c, self.to.0 * self.to.1))?.contiguous()?;
        for (indices, weights) in &self.taps {
            seen = (seen + x.index_select(indices, 1)?.broadcast_mul(weights)?)?;
        }
        Ok(seen.reshape((n, c, self.to.0, self.to.1))?)
    }

    /// The gradient at the pictures, given the one at what was seen of them.
    ///
    /// # Errors
    /// If the gradient has another size than the window.
    pub fn pull(&self, gradient: &Tensor) -> Result<Tensor> {
        let (n, c, h, w) = gradient.dims4()?;
        let gradient = gradient.contiguous()?.reshape((n * c, h * w))?;
        let (height, width) = self.from;
        let mut pulled = Tensor::zeros((n * c, height * width), gradient.dtype(), gradient.device())?;
        for (indices, weights) in &self.taps {
            pulled = pulled.index_add(indices, &gradient.broadcast_mul(weights)?.contiguous()?, 1)?;
        }
        Ok(pulled.reshape((n, c, height, width))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{noise, step_rng};

    const LUCID: Transforms = Transforms { pad: 12, jitter: 8.0, scale: 0.1, rotate: 8.0 };

    fn total(x: &Tensor) -> Result<f64> {
        Ok(f64::from(x.sum_all()?.to_scalar::<f32>()?))
    }

    #[test]
    fn pull_is_the_adjoint_of_apply() -> Result<()> {
        for (pad, from) in [(0, (9, 11)), (3, (9, 11)), (3, (20, 16))] {
            let transforms = Transforms { pad, ..LUCID };
            let warp = Warp::random(&transforms, from, (12, 12), &mut step_rng(4, 0), &Device::Cpu)?;
            let x = noise(&mut step_rng(4, 1), &[2, 3, from.0, from.1], &Device::Cpu)?;
            let y = noise(&mut step_rng(4, 2), &[2, 3, 12, 12], &Device::Cpu)?;
            let nothing = warp.apply(&x.zeros_like()?)?;
            let there = total(&((warp.apply(&x)? - nothing)? * &y)?)?;
            let back = total(&(warp.pull(&y)? * &x)?)?;
            assert!((there - back).abs() < 1e-3 * there.abs().max(1.0), "{there} {back}");
        }
        Ok(())
    }

    #[test]
    fn nothing_to_do_changes_nothing_and_the_outside_is_grey() -> Result<()> {
        let still = Transforms { pad: 0, jitter: 0.0, scale: 0.0, rotate: 0.0 };
        let x = noise(&mut step_rng(5, 0), &[1, 3, 8, 8], &Device::Cpu)?;
        let same = Warp::random(&still, (8, 8), (8, 8), &mut step_rng(0, 0), &Device::Cpu)?.apply(&x)?;
        assert!((same - &x)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-6);
        let padded = Transforms { pad: 2, ..still };
        let seen = Warp::random(&padded, (8, 8), (12, 12), &mut step_rng(0, 0), &Device::Cpu)?.apply(&x)?;
        let corner = seen.flatten_all()?.to_vec1::<f32>()?[0];
        assert!((corner - 0.5).abs() < 1e-6, "{corner}");
        Ok(())
    }
}
