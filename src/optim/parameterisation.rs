//! What an optimiser moves instead of pixels: an image is `sigmoid(colours · basis(p))` of parameters `p`.
//!
//! Frequencies and colours of natural pictures are correlated; in a space where they are not, gradient steps reach
//! all of them alike (Olah, Mordvintsev & Schubert 2017, "Feature Visualization", distill.pub; lucid's `param`).

use super::random::noise;
use crate::error::Result;
use candle_core::{Device, Tensor};
use candle_nn::ops::sigmoid;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::{PI, SQRT_2};

/// Standard deviation of the parameters at the start, as in lucid.
const DEVIATION: f64 = 0.01;
/// lucid divides the Fourier image by it so that a start looks like a faint natural picture.
const FOURIER_SCALE: f64 = 4.0;
/// Pixels are kept this far from black and white before the sigmoid is undone.
const MARGIN: f32 = 0.02;
/// Square root of the covariance of photos' colours over its largest column's length; figures from lucid.
const COLOURS: [[f32; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]];

/// What a parameter stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Basis {
    /// One pixel.
    Pixels,
    /// One wave over the whole image, of size 1/frequency to the power of `decay`; lucid has 1.
    Fourier {
        /// How much weaker finer waves are.
        decay: f64,
    },
}

/// The way from parameters `[N, C, H, W]` to pixels `[N, C, H, W]` in `(0, 1)`, and of gradients back.
#[derive(Debug, Clone)]
pub struct Parameterisation {
    /// Of the Fourier basis: waves of rows `[H, H]`, waves of columns `[W, W]`, sizes `[H, W]`.
    waves: Option<(Tensor, Tensor, Tensor)>,
    /// `[3, 3]`: which red, green and blue a unit of each colour parameter makes.
    colours: Option<[[f32; 3]; 3]>,
    channels: usize,
    size: (usize, usize),
    device: Device,
}

impl Parameterisation {
    /// For images of so many channels and `height` × `width` pixels; with `decorrelated` colours, if there are three of
    /// them, or plain ones.
    ///
    /// # Errors
    /// If candle cannot allocate the basis.
    pub fn new(
        basis: Basis,
        decorrelated: bool,
        channels: usize,
        size: (usize, usize),
        device: &Device,
    ) -> Result<Self> {
        let (height, width) = size;
        let waves = match basis {
            Basis::Pixels => None,
            Basis::Fourier { decay } => {
                let longest = 1.0 / height.max(width) as f64;
                let frequency = |k: usize, n: usize| k.div_ceil(2) as f64 / n as f64;
                let sizes = (0..height * width).map(|i| {
                    let f = frequency(i / width, height).hypot(frequency(i % width, width));
                    // The longest wave has the same size whatever the decay.
                    (SQRT_2 / FOURIER_SCALE / longest * (longest / f.max(longest)).powf(decay)) as f32
                });
                let sizes = Tensor::from_iter(sizes, device)?.reshape((height, width))?;
                Some((waves(height, device)?, waves(width, device)?, sizes))
            }
        };
        let largest =
            (0..3).map(|c| COLOURS.iter().map(|row| row[c].powi(2)).sum::<f32>().sqrt()).fold(0.0, f32::max);
        let colours = (decorrelated && channels == 3).then(|| COLOURS.map(|row| row.map(|v| v / largest)));
        Ok(Self { waves, colours, channels, size, device: device.clone() })
    }

    /// Parameters of `count` faint random images.
    ///
    /// # Errors
    /// If candle cannot allocate them.
    pub fn random(&self, count: usize, rng: &mut ChaCha8Rng) -> Result<Tensor> {
        Ok((noise(rng, &[count, self.channels, self.size.0, self.size.1], &self.device)? * DEVIATION)?)
    }

    /// The parameters of given pixels, which are first brought a little away from black and white.
    ///
    /// # Errors
    /// If the pixels have another size.
    pub fn parameters(&self, pixels: &Tensor) -> Result<Tensor> {
        let pixels = pixels.clamp(MARGIN, 1.0 - MARGIN)?;
        let before = (&pixels / (1.0 - &pixels)?)?.log()?;
        let before = match self.colours {
            Some(matrix) => mixed(&before, &inverse(matrix))?,
            None => before,
        };
        match &self.waves {
            Some((rows, columns, sizes)) => {
                let spectrum = between(rows, &before, &columns.t()?)?;
                Ok(spectrum.broadcast_div(sizes)?)
            }
            None => Ok(before),
        }
    }

    /// The pixels of parameters.
    ///
    /// # Errors
    /// If the parameters have another size.
    pub fn pixels(&self, parameters: &Tensor) -> Result<Tensor> {
        let image = match &self.waves {
            Some((rows, columns, sizes)) => between(&rows.t()?, &parameters.broadcast_mul(sizes)?, columns)?,
            None => parameters.clone(),
        };
        let image = match &self.colours {
            Some(matrix) => mixed(&image, matrix)?,
            None => image,
        };
        Ok(sigmoid(&image)?)
    }

    /// The gradient at the parameters, given the pixels they make and the gradient there.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn pull(&self, pixels: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let gradient = ((gradient * pixels)? * (1.0 - pixels)?)?;
        let gradient = match &self.colours {
            Some(matrix) => mixed(&gradient, &transposed(matrix))?,
            None => gradient,
        };
        match &self.waves {
            Some((rows, columns, sizes)) => Ok(between(rows, &gradient, &columns.t()?)?.broadcast_mul(sizes)?),
            None => Ok(gradient),
        }
    }
}

/// The real Fourier basis of `n` samples as orthonormal rows: constant, cosine and sine of each frequency in turn.
fn waves(n: usize, device: &Device) -> Result<Tensor> {
    let value = |i: usize| {
        let (k, at) = (i / n, i % n);
        let angle = 2.0 * PI * (k.div_ceil(2) * at) as f64 / n as f64;
        let alone = k == 0 || (n.is_multiple_of(2) && k == n - 1);
        let length = if alone { 1.0 } else { 2.0 } / n as f64;
        (length.sqrt() * if k % 2 == 1 || k == 0 { angle.cos() } else { angle.sin() }) as f32
    };
    Ok(Tensor::from_iter((0..n * n).map(value), device)?.reshape((n, n))?)
}

/// `left · x · right` for each image and channel.
fn between(left: &Tensor, x: &Tensor, right: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let right = x.contiguous()?.reshape((n * c * h, w))?.matmul(&right.contiguous()?)?.reshape((n * c, h, w))?;
    Ok(left.contiguous()?.broadcast_left(n * c)?.contiguous()?.matmul(&right)?.reshape((n, c, h, w))?)
}

/// Each pixel's colour times a matrix.
fn mixed(x: &Tensor, matrix: &[[f32; 3]; 3]) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let matrix = Tensor::new(matrix, x.device())?.broadcast_left(n)?.contiguous()?;
    Ok(matrix.matmul(&x.contiguous()?.reshape((n, c, h * w))?)?.reshape((n, c, h, w))?)
}

fn transposed(m: &[[f32; 3]; 3]) -> [[f32; 3]; 3] {
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| m[c][r]))
}

fn inverse(m: [[f32; 3]; 3]) -> [[f32; 3]; 3] {
    let minor = |r: usize, c: usize| {
        let at = |i: usize, j: usize| f64::from(m[(r + i) % 3][(c + j) % 3]);
        at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)
    };
    let determinant: f64 = (0..3).map(|c| f64::from(m[0][c]) * minor(0, c)).sum();
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| (minor(c, r) / determinant) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::step_rng;

    fn total(x: &Tensor) -> Result<f64> {
        Ok(f64::from(x.sum_all()?.to_scalar::<f32>()?))
    }

    #[test]
    fn pixels_have_parameters_and_back() -> Result<()> {
        let fourier = Basis::Fourier { decay: 1.0 };
        for (basis, decorrelated, channels) in
            [(Basis::Pixels, false, 3), (Basis::Pixels, true, 3), (fourier, true, 3), (fourier, true, 1)]
        {
            for size in [(6, 8), (7, 5)] {
                let p = Parameterisation::new(basis, decorrelated, channels, size, &Device::Cpu)?;
                let pixels = sigmoid(&noise(&mut step_rng(3, 0), &[2, channels, size.0, size.1], &Device::Cpu)?)?;
                let back = p.pixels(&p.parameters(&pixels)?)?;
                let worst = (back - &pixels)?.abs()?.max_all()?.to_scalar::<f32>()?;
                assert!(worst < 2e-2, "{basis:?} {decorrelated} {size:?}: {worst}");
            }
        }
        Ok(())
    }

    #[test]
    fn gradients_come_back_as_they_should() -> Result<()> {
        let fourier = |decay| Basis::Fourier { decay };
        for (basis, decorrelated, channels) in
            [(Basis::Pixels, true, 3), (fourier(1.0), false, 3), (fourier(1.5), true, 3), (fourier(1.5), true, 1)]
        {
            let p = Parameterisation::new(basis, decorrelated, channels, (6, 5), &Device::Cpu)?;
            let x = (p.random(1, &mut step_rng(1, 0))? * 20.0)?;
            let seed = noise(&mut step_rng(1, 1), &[1, channels, 6, 5], &Device::Cpu)?;
            let direction = noise(&mut step_rng(1, 2), &[1, channels, 6, 5], &Device::Cpu)?;
            let slope = total(&(p.pull(&p.pixels(&x)?, &seed)? * &direction)?)?;
            let at = |t: f64| -> Result<f64> { total(&(p.pixels(&(&x + (&direction * t)?)?)? * &seed)?) };
            let measured = (at(1e-2)? - at(-1e-2)?) / 2e-2;
            assert!((slope - measured).abs() < 1e-2 * measured.abs().max(0.1), "{basis:?}: {slope} {measured}");
        }
        Ok(())
    }
}
