//! How pictures go into a network: size, channels, values.

use crate::error::{Error, Result};
use crate::imaging::{Picture, Resize};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The smallest share of a photo's shorter side that may be seen: the photo is resized to what that is a share of.
pub const LEAST_SHARE: f32 = 0.05;

/// The channels of a network's input, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Luminance alone, as Pillow's mode L: (299·R + 587·G + 114·B) / 1000.
    Grey,
    /// Red, green, blue and opacity, which is 1.
    Rgba,
}

impl ChannelOrder {
    /// How many there are.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba => 4,
        }
    }
}

/// How a network wants its pictures: `x = (range·p − mean) / std` per channel, p in `[0, 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its channels.
    pub channels: ChannelOrder,
    /// Height and width that it is shown unless told otherwise, in pixels.
    pub size: [usize; 2],
    /// Whether it takes pictures of other sizes, too.
    pub any_size: bool,
    /// What white is before the mean is subtracted: 1 or 255.
    pub range: f32,
    /// Subtracted per channel, in units of the range, in the network's channel order.
    pub mean: Vec<f32>,
    /// Divided by per channel, in units of the range, in the network's channel order.
    pub std: Vec<f32>,
    /// How a photo comes to the size.
    pub resize: Resize,
}

impl Input {
    /// Number of channels.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.channels.count()
    }

    /// Channels of pixels: one of grey, three of colour. Opacity is none of them, since pictures have none: it is 1.
    #[must_use]
    pub fn pixel_channels(&self) -> usize {
        if self.channels == ChannelOrder::Grey { 1 } else { 3 }
    }

    /// What the network sees of a photo: its part at the usual size, in grey where the network sees no colours.
    #[must_use]
    pub fn seen(&self, photo: &Picture) -> Picture {
        self.coloured(&self.framed(photo))
    }

    /// A picture in the colours that the network sees.
    #[must_use]
    pub fn coloured(&self, picture: &Picture) -> Picture {
        if self.channels != ChannelOrder::Grey {
            return picture.clone();
        }
        let rgb = picture.rgb.chunks_exact(3).flat_map(|rgb| [luminance(rgb); 3]).collect();
        Picture::new(picture.width, picture.height, rgb)
    }

    /// The part of a photo that goes in, at the usual size and in its own colours.
    #[must_use]
    pub fn framed(&self, photo: &Picture) -> Picture {
        self.resize.apply(photo, self.size, self.middle())
    }

    /// The colour that the network takes for nothing.
    fn middle(&self) -> [u8; 3] {
        let mut means: Vec<u8> = self.mean.iter().map(|m| (m / self.range * 255.0).round() as u8).collect();
        match self.channels {
            ChannelOrder::Grey => [means[0]; 3],
            ChannelOrder::Bgr => {
                means.reverse();
                [means[0], means[1], means[2]]
            }
            ChannelOrder::Rgb | ChannelOrder::Rgba => [means[0], means[1], means[2]],
        }
    }

    /// A picture's pixels `[1, C, H, W]` in `[0, 1]`, in the order red, green, blue, or grey alone.
    ///
    /// # Errors
    /// If candle cannot allocate the tensor.
    pub fn pixels_from_picture(&self, picture: &Picture, device: &Device) -> Result<Tensor> {
        let (h, w) = (picture.height as usize, picture.width as usize);
        let channels = self.pixel_channels();
        let mut planes = vec![0f32; channels * h * w];
        for (p, rgb) in picture.rgb.chunks_exact(3).enumerate() {
            if channels == 1 {
                planes[p] = f32::from(luminance(rgb)) / 255.0;
                continue;
            }
            for (c, &v) in rgb.iter().enumerate() {
                planes[c * h * w + p] = f32::from(v) / 255.0;
            }
        }
        Ok(Tensor::from_vec(planes, (1, channels, h, w), device)?)
    }

    /// Pixels `[1, C, H, W]` as an 8-bit picture: clamped to `[0, 1]` and rounded.
    ///
    /// # Errors
    /// If the tensor has another shape or cannot be read back.
    pub fn picture_from_pixels(&self, pixels: &Tensor) -> Result<Picture> {
        let (_, _, h, w) = pixels.dims4()?;
        let planes = pixels.flatten_all()?.to_vec1::<f32>()?;
        let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
        let last = self.pixel_channels() - 1;
        let rgb = (0..h * w).flat_map(|p| [0, 1, 2].map(|c| byte(planes[last.min(c) * h * w + p]))).collect();
        Ok(Picture::new(w as u32, h as u32, rgb))
    }

    /// Pixels `[N, C, H, W]` (in `[0, 1]`, as [`Input::pixels_from_picture`] makes them) to the network's input space.
    ///
    /// # Errors
    /// If the tensor has another number of channels.
    pub fn input_from_pixels(&self, pixels: &Tensor) -> Result<Tensor> {
        let scaled = (self.with_opacity(pixels, 1.0)? * f64::from(self.range))?;
        Ok(scaled.broadcast_sub(&self.mean(pixels.device())?)?.broadcast_div(&self.std(pixels.device())?)?)
    }

    /// The network's input space to pixels `[N, C, H, W]`; valid pictures lie in `[0, 1]`.
    ///
    /// # Errors
    /// If the tensor has another number of channels.
    pub fn pixels_from_input(&self, input: &Tensor) -> Result<Tensor> {
        let scaled = input.broadcast_mul(&self.std(input.device())?)?.broadcast_add(&self.mean(input.device())?)?;
        Ok((self.without_opacity(&scaled)? / f64::from(self.range))?)
    }

    /// The gradient at the network's input as the gradient at the pixels (the chain rule of
    /// [`Input::input_from_pixels`]).
    ///
    /// # Errors
    /// If the tensor has another number of channels.
    pub fn gradient_at_pixels(&self, gradient: &Tensor) -> Result<Tensor> {
        let scaled = (gradient.broadcast_div(&self.std(gradient.device())?)? * f64::from(self.range))?;
        self.without_opacity(&scaled)
    }

    /// The gradient at the pixels as the gradient at the network's input: the other way round.
    ///
    /// # Errors
    /// If the tensor has another number of channels.
    pub fn gradient_at_input(&self, gradient: &Tensor) -> Result<Tensor> {
        let ordered = self.with_opacity(gradient, 0.0)?;
        Ok((ordered.broadcast_mul(&self.std(gradient.device())?)? / f64::from(self.range))?)
    }

    /// The input space's values clamped to those of valid pixels; opacity is 1.
    ///
    /// # Errors
    /// If the tensor has another number of channels.
    pub fn clamp_input(&self, input: &Tensor) -> Result<Tensor> {
        let bound = |pixel: f32| -> Result<Tensor> {
            let of = |(c, (m, s)): (usize, (&f32, &f32))| {
                let pixel = if c < 3 { pixel } else { 1.0 };
                (self.range * pixel - m) / s
            };
            let v: Vec<f32> = self.mean.iter().zip(&self.std).enumerate().map(of).collect();
            Ok(Tensor::from_vec(v, (1, self.channel_count(), 1, 1), input.device())?)
        };
        Ok(input.broadcast_maximum(&bound(0.0)?)?.broadcast_minimum(&bound(1.0)?)?)
    }

    /// Input space's values with an opacity of 1, where that is one of them.
    ///
    /// # Errors
    /// If the tensor has another number of channels.
    pub fn opaque(&self, input: &Tensor) -> Result<Tensor> {
        match self.channels {
            ChannelOrder::Rgba => self.input_from_pixels(&self.pixels_from_input(input)?),
            _ => Ok(input.clone()),
        }
    }

    /// Refuses pictures of another size than the network takes, in the name of what asked for them.
    ///
    /// # Errors
    /// [`Error::BadValue`] that says which size it is.
    pub fn check_size(&self, name: &str, (height, width): (usize, usize)) -> Result<()> {
        let [own_height, own_width] = self.size;
        if self.any_size || (height, width) == (own_height, own_width) {
            return Ok(());
        }
        let own = format!("this model takes only pictures of {own_width}×{own_height} pixels");
        Err(Error::bad_value(name, format!("{width}×{height}"), own))
    }

    /// Refuses facts that contradict each other.
    ///
    /// # Errors
    /// [`Error::BadValue`] that names the fact.
    pub fn check(&self) -> Result<()> {
        let channels = self.channel_count();
        let wrong = |name: &str, values: &[f32], expected: &str| {
            Error::bad_value(name, format!("{values:?}"), format!("it takes {channels} {expected}"))
        };
        if self.mean.len() != channels || !self.mean.iter().all(|v| v.is_finite()) {
            return Err(wrong("mean", &self.mean, "numbers, one a channel"));
        }
        if self.std.len() != channels || !self.std.iter().all(|v| v.is_finite() && *v > 0.0) {
            return Err(wrong("std", &self.std, "positive numbers, one a channel"));
        }
        let [height, width] = self.size;
        if height == 0 || width == 0 {
            return Err(Error::bad_value("input size", format!("{height}x{width}"), "both sides need a pixel"));
        }
        let share = self.resize.crop_share;
        if !(LEAST_SHARE..=1.0).contains(&share) {
            let reason = format!("it takes a number from {LEAST_SHARE} to 1");
            return Err(Error::bad_value("crop share", share, reason));
        }
        Ok(())
    }

    /// Pixels, or something as they are ordered, in the network's order, with `opacity` where it has such a channel.
    fn with_opacity(&self, pixels: &Tensor, opacity: f64) -> Result<Tensor> {
        Ok(match self.channels {
            ChannelOrder::Bgr => pixels.flip(&[1])?,
            ChannelOrder::Rgba => {
                let channel = (pixels.narrow(1, 0, 1)?.ones_like()? * opacity)?;
                Tensor::cat(&[pixels, &channel], 1)?
            }
            ChannelOrder::Rgb | ChannelOrder::Grey => pixels.clone(),
        })
    }

    /// The other way round.
    fn without_opacity(&self, tensor: &Tensor) -> Result<Tensor> {
        Ok(match self.channels {
            ChannelOrder::Bgr => tensor.flip(&[1])?,
            ChannelOrder::Rgba => tensor.narrow(1, 0, 3)?,
            ChannelOrder::Rgb | ChannelOrder::Grey => tensor.clone(),
        })
    }

    fn mean(&self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::new(self.mean.as_slice(), device)?.reshape((1, self.channel_count(), 1, 1))?)
    }

    fn std(&self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::new(self.std.as_slice(), device)?.reshape((1, self.channel_count(), 1, 1))?)
    }
}

/// Pillow's conversion to mode L, in its own integers.
fn luminance(rgb: &[u8]) -> u8 {
    let weighted: u32 = rgb.iter().zip([19_595u32, 38_470, 7_471]).map(|(v, weight)| u32::from(*v) * weight).sum();
    ((weighted + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(channels: ChannelOrder, mean: &[f32], std: &[f32]) -> Input {
        let (mean, std) = (mean.to_vec(), std.to_vec());
        Input { channels, size: [8, 8], any_size: true, range: 255.0, mean, std, resize: Resize::default() }
    }

    fn bgr() -> Input {
        input(ChannelOrder::Bgr, &[103.939, 116.779, 123.68], &[1.0; 3])
    }

    #[test]
    fn pixels_survive_the_round_trip() -> Result<()> {
        for input in [bgr(), input(ChannelOrder::Grey, &[100.0], &[50.0]), rgba()] {
            let pixels = Tensor::rand(0f32, 1f32, (1, input.pixel_channels(), 4, 5), &Device::Cpu)?;
            let back = input.pixels_from_input(&input.input_from_pixels(&pixels)?)?;
            let worst = (back - pixels)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(worst < 1e-6, "{worst}");
        }
        Ok(())
    }

    fn rgba() -> Input {
        input(ChannelOrder::Rgba, &[127.0; 4], &[128.0; 4])
    }

    #[test]
    fn opacity_is_one_and_stays_so() -> Result<()> {
        let picture = Picture::new(1, 1, vec![0, 255, 51]);
        let pixels = rgba().pixels_from_picture(&picture, &Device::Cpu)?;
        let x = rgba().input_from_pixels(&pixels)?.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(x, [-127.0 / 128.0, 1.0, -76.0 / 128.0, 1.0]);
        assert_eq!(rgba().picture_from_pixels(&pixels)?, picture);
        let moved = Tensor::new(&[-9f32, 9.0, 0.5, 0.5], &Device::Cpu)?.reshape((1, 4, 1, 1))?;
        let clamped = rgba().clamp_input(&moved)?.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(clamped, [-127.0 / 128.0, 1.0, 0.5, 1.0]);
        let gradient = rgba().gradient_at_input(&rgba().gradient_at_pixels(&moved)?)?.flatten_all()?;
        assert!(gradient.to_vec1::<f32>()?[3].abs() < 1e-9, "what cannot change has no gradient");
        Ok(())
    }

    #[test]
    fn what_sees_no_colours_is_shown_none() {
        let seen = input(ChannelOrder::Grey, &[0.0], &[1.0]).seen(&Picture::new(8, 8, [200, 30, 90].repeat(64)));
        assert!(seen.rgb.iter().all(|v| *v == 88));
        assert_eq!(bgr().seen(&Picture::new(8, 8, [200, 30, 90].repeat(64))).rgb[..3], [200, 30, 90]);
    }

    #[test]
    fn a_fixed_size_is_told() {
        let fixed = Input { size: [96, 64], any_size: false, ..bgr() };
        assert!(fixed.check_size("size", (96, 64)).is_ok() && bgr().check_size("size", (1, 2)).is_ok());
        let text = fixed.check_size("size", (64, 96)).expect_err("another size").to_string();
        assert!(text.contains("64×96 pixels") && text.contains("96×64"), "{text}");
    }

    #[test]
    fn red_goes_last_in_bgr() -> Result<()> {
        let red = Tensor::new(&[1f32, 0.0, 0.0], &Device::Cpu)?.reshape((1, 3, 1, 1))?;
        let x = bgr().input_from_pixels(&red)?.flatten_all()?.to_vec1::<f32>()?;
        assert!((x[2] - (255.0 - 123.68)).abs() < 1e-4 && (x[0] + 103.939).abs() < 1e-4);
        Ok(())
    }

    #[test]
    fn grey_is_pillows_luminance() -> Result<()> {
        // Image.new("RGB", (1, 1), (200, 30, 90)).convert("L").getpixel((0, 0)) is 88.
        let picture = Picture::new(1, 1, vec![200, 30, 90]);
        let grey = input(ChannelOrder::Grey, &[0.0], &[1.0]).pixels_from_picture(&picture, &Device::Cpu)?;
        assert_eq!(grey.dims(), [1, 1, 1, 1]);
        assert!((grey.flatten_all()?.to_vec1::<f32>()?[0] - 88.0 / 255.0).abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(bgr().check().is_ok());
        assert!(input(ChannelOrder::Bgr, &[1.0], &[1.0]).check().is_err());
        assert!(input(ChannelOrder::Grey, &[1.0], &[0.0]).check().is_err());
        assert!(Input { size: [0, 3], ..bgr() }.check().is_err());
    }
}
