//! Transformations of pictures `[N, C, H, W]` between and during steps.

use crate::error::Result;
use candle_core::{Device, Tensor};

/// The picture rolled down by `dy` and right by `dx` pixels, wrapping around; negative amounts undo it.
///
/// # Errors
/// If the tensor does not have four dimensions.
pub fn jitter(x: &Tensor, dy: i32, dx: i32) -> Result<Tensor> {
    Ok(x.roll(dy, 2)?.roll(dx, 3)?)
}

/// Gaussian blur of standard deviation `sigma` pixels, as `scipy.ndimage.gaussian_filter1d` along both axes:
/// the kernel is cut off at 4 σ, the border mirrored.
///
/// # Errors
/// If the tensor does not have four dimensions.
pub fn gaussian_blur(x: &Tensor, sigma: f64) -> Result<Tensor> {
    let radius = (4.0 * sigma + 0.5) as i64;
    let weights: Vec<f64> = (-radius..=radius).map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut x = x.clone();
    for dim in [2, 3] {
        let n = x.dim(dim)? as i64;
        let mut sum: Option<Tensor> = None;
        for (offset, weight) in (-radius..=radius).zip(&weights) {
            let tap = (x.index_select(&mirrored(n, offset, x.device())?, dim)? * (weight / total))?;
            sum = Some(match sum {
                Some(sum) => (sum + tap)?,
                None => tap,
            });
        }
        x = sum.unwrap_or(x);
    }
    Ok(x)
}

/// The indices `0..n` moved by `offset`, mirrored at both ends (d c b a | a b c d | d c b a).
fn mirrored(n: i64, offset: i64, device: &Device) -> Result<Tensor> {
    let indices: Vec<u32> = (0..n)
        .map(|i| {
            let at = (i + offset).rem_euclid(2 * n);
            u32::try_from(if at < n { at } else { 2 * n - 1 - at }).unwrap_or_default()
        })
        .collect();
    Ok(Tensor::new(indices, device)?)
}

/// Total variation: mean of squared vertical differences plus mean of squared horizontal ones, and its gradient.
/// An axis of one pixel has no differences and adds nothing.
///
/// # Errors
/// If the tensor does not have four dimensions.
pub fn total_variation(x: &Tensor) -> Result<(f64, Tensor)> {
    let mut value = 0.0;
    let mut gradient = x.zeros_like()?;
    for dim in [2, 3] {
        let n = x.dim(dim)?;
        if n < 2 {
            continue;
        }
        let difference = (x.narrow(dim, 1, n - 1)? - x.narrow(dim, 0, n - 1)?)?;
        let count = difference.elem_count() as f64;
        value += f64::from(difference.sqr()?.sum_all()?.to_scalar::<f32>()?) / count;
        let slope = (difference * (2.0 / count))?;
        let later = slope.pad_with_zeros(dim, 1, 0)?;
        let earlier = slope.pad_with_zeros(dim, 0, 1)?;
        gradient = ((gradient + later)? - earlier)?;
    }
    Ok((value, gradient))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{noise, step_rng};

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().and_then(|x| x.to_vec1()).expect("values")
    }

    #[test]
    fn jitter_is_undone_by_its_opposite() -> Result<()> {
        let x = noise(&mut step_rng(1, 2), &[1, 3, 5, 7], &Device::Cpu)?;
        assert_eq!(values(&jitter(&jitter(&x, 3, -2)?, -3, 2)?), values(&x));
        assert_ne!(values(&jitter(&x, 3, -2)?), values(&x));
        Ok(())
    }

    #[test]
    fn blur_agrees_with_scipy() -> Result<()> {
        // scipy.ndimage.gaussian_filter1d([0, 0, 1, 0, 0, 0, 2], 0.5)
        let x = Tensor::new(&[0f32, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0], &Device::Cpu)?.reshape((1, 1, 1, 7))?;
        let expected = [0.000_264, 0.106_451, 0.786_571, 0.106_451, 0.000_792, 0.213_429, 1.786_043];
        for (ours, theirs) in values(&gaussian_blur(&x, 0.5)?).iter().zip(expected) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
        }
        Ok(())
    }

    #[test]
    fn total_variation_has_the_gradient_of_its_value() -> Result<()> {
        let x = noise(&mut step_rng(5, 0), &[1, 3, 6, 4], &Device::Cpu)?;
        let direction = noise(&mut step_rng(5, 1), &[1, 3, 6, 4], &Device::Cpu)?;
        let (_, gradient) = total_variation(&x)?;
        let slope = f64::from((gradient * &direction)?.sum_all()?.to_scalar::<f32>()?);
        let at = |t: f64| -> Result<f64> { Ok(total_variation(&(&x + (&direction * t)?)?)?.0) };
        let measured = (at(1e-2)? - at(-1e-2)?) / 2e-2;
        assert!((slope - measured).abs() < 1e-3 * measured.abs().max(1.0), "{slope} {measured}");
        Ok(())
    }

    #[test]
    fn a_step_draws_the_same_every_time() -> Result<()> {
        let draw = |seed, step| noise(&mut step_rng(seed, step), &[4], &Device::Cpu);
        assert_eq!(values(&draw(3, 9)?), values(&draw(3, 9)?));
        assert_ne!(values(&draw(3, 9)?), values(&draw(3, 10)?));
        assert_ne!(values(&draw(3, 9)?), values(&draw(4, 9)?));
        Ok(())
    }
}
