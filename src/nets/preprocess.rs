//! From pixels to a network's input space and back.

use crate::error::Result;
use candle_core::{Device, Tensor};

/// How a network wants its pictures: `x = (255·p − mean) / std` per channel, p in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocess {
    /// Whether the channels go in as blue, green, red.
    pub bgr: bool,
    /// Subtracted per channel, on the 0–255 scale, in the network's channel order.
    pub mean: [f32; 3],
    /// Divided by per channel, on the 0–255 scale, in the network's channel order.
    pub std: [f32; 3],
    /// The square input a classifier was trained on, in pixels; `None` where any size will do.
    pub size: Option<usize>,
}

impl Preprocess {
    /// Pixels `[N, 3, H, W]` (RGB, `[0, 1]`) to the network's input space.
    ///
    /// # Errors
    /// If the tensor does not have three channels.
    pub fn input_from_pixels(&self, pixels: &Tensor) -> Result<Tensor> {
        let scaled = (self.swap(pixels)? * 255.0)?;
        Ok(scaled.broadcast_sub(&self.mean(pixels.device())?)?.broadcast_div(&self.std(pixels.device())?)?)
    }

    /// The network's input space to pixels `[N, 3, H, W]` (RGB); valid pictures lie in `[0, 1]`.
    ///
    /// # Errors
    /// If the tensor does not have three channels.
    pub fn pixels_from_input(&self, input: &Tensor) -> Result<Tensor> {
        let scaled = input.broadcast_mul(&self.std(input.device())?)?.broadcast_add(&self.mean(input.device())?)?;
        Ok((self.swap(&scaled)? / 255.0)?)
    }

    /// The gradient at the network's input as the gradient at the pixels (the chain rule of
    /// [`Preprocess::input_from_pixels`]).
    ///
    /// # Errors
    /// If the tensor does not have three channels.
    pub fn gradient_at_pixels(&self, gradient: &Tensor) -> Result<Tensor> {
        let scaled = (gradient.broadcast_div(&self.std(gradient.device())?)? * 255.0)?;
        self.swap(&scaled)
    }

    /// The gradient at the pixels as the gradient at the network's input: the other way round.
    ///
    /// # Errors
    /// If the tensor does not have three channels.
    pub fn gradient_at_input(&self, gradient: &Tensor) -> Result<Tensor> {
        Ok((self.swap(gradient)?.broadcast_mul(&self.std(gradient.device())?)? / 255.0)?)
    }

    /// The input space's values clamped to those of valid pixels.
    ///
    /// # Errors
    /// If the tensor does not have three channels.
    pub fn clamp_input(&self, input: &Tensor) -> Result<Tensor> {
        let bound = |pixel: f32| -> Result<Tensor> {
            let v: Vec<f32> = self.mean.iter().zip(self.std).map(|(m, s)| (255.0 * pixel - m) / s).collect();
            Ok(Tensor::from_vec(v, (1, 3, 1, 1), input.device())?)
        };
        Ok(input.broadcast_maximum(&bound(0.0)?)?.broadcast_minimum(&bound(1.0)?)?)
    }

    fn swap(&self, tensor: &Tensor) -> Result<Tensor> {
        if !self.bgr {
            return Ok(tensor.clone());
        }
        Ok(tensor.flip(&[1])?)
    }

    fn mean(&self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::new(&self.mean, device)?.reshape((1, 3, 1, 1))?)
    }

    fn std(&self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::new(&self.std, device)?.reshape((1, 3, 1, 1))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BGR: Preprocess =
        Preprocess { bgr: true, mean: [103.939, 116.779, 123.68], std: [1.0, 1.0, 1.0], size: None };

    #[test]
    fn pixels_survive_the_round_trip() -> Result<()> {
        let pixels = Tensor::rand(0f32, 1f32, (1, 3, 4, 5), &Device::Cpu)?;
        let back = BGR.pixels_from_input(&BGR.input_from_pixels(&pixels)?)?;
        let worst = (back - pixels)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(worst < 1e-6, "{worst}");
        Ok(())
    }

    #[test]
    fn red_goes_last_in_bgr() -> Result<()> {
        let red = Tensor::new(&[1f32, 0.0, 0.0], &Device::Cpu)?.reshape((1, 3, 1, 1))?;
        let x = BGR.input_from_pixels(&red)?.flatten_all()?.to_vec1::<f32>()?;
        assert!((x[2] - (255.0 - 123.68)).abs() < 1e-4 && (x[0] + 103.939).abs() < 1e-4);
        Ok(())
    }
}
