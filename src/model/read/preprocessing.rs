//! How pictures go in: what options and the file say, else what is usual.

use super::onnx;
use super::options::ReadOptions;
use crate::error::{Error, Result};
use crate::model::input::LEAST_SHARE;
use crate::model::zoo::architectures::Preprocessing;
use crate::model::{Assumption, ChannelOrder, CropMode, Input, Interpolation, Resize};
use std::path::Path;

/// How pictures go in unless something is said.
#[derive(Debug, Clone)]
pub(super) struct Usual {
    pub preprocessing: Preprocessing,
    /// Whose way that is; `None` if it is the model's own and not an assumption.
    pub whose: Option<String>,
}

impl Usual {
    /// Photos as torchvision and timm feed ImageNet's networks; the whole of the shorter side is seen.
    pub fn photos() -> Self {
        let preprocessing = Preprocessing {
            size: [224; 2],
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
            crop_pct: 1.0,
            interpolation: "bicubic".to_owned(),
            crop_mode: "center".to_owned(),
        };
        Self { preprocessing, whose: Some("ImageNet's".to_owned()) }
    }
}

/// How pictures go in.
///
/// # Errors
/// [`Error::BadModel`] if the file's channels are not those of a picture, [`Error::BadValue`] if an option does not fit.
pub fn input(
    path: &Path,
    file: &onnx::Input,
    usual: &Usual,
    options: &ReadOptions,
    assumed: &mut Vec<Assumption>,
) -> Result<Input> {
    let channels = match (file.channels, options.channels) {
        (count, Some(channels)) if channels.count() == count => channels,
        (1, None) => ChannelOrder::Grey,
        (3, None) => {
            Assumption::note(assumed, "channels in the order red, green, blue", "--channels");
            ChannelOrder::Rgb
        }
        (4, None) => ChannelOrder::Rgba,
        (count, _) => {
            let reason = format!("its input has {count} channels, and pictures have 1, 3 or 4");
            return Err(Error::bad_model(path, reason));
        }
    };
    for (option, given) in [("--mean", &options.mean), ("--std", &options.std)] {
        if let Some(given) = given.as_ref().filter(|given| given.len() != channels.count()) {
            let expected = format!("the network has {} channels, so it takes as many numbers", channels.count());
            return Err(Error::bad_value(option, given.len(), expected));
        }
    }
    if let Some(share) = options.crop_pct.filter(|share| !(LEAST_SHARE..=1.0).contains(share)) {
        return Err(Error::bad_value("--crop-pct", share, format!("it takes a share from {LEAST_SHARE} to 1")));
    }
    let range = options.range.unwrap_or(if file.bytes { 255.0 } else { 1.0 });
    let count = channels.count();
    let own = &usual.preprocessing;
    let mut numbers = |given: &Option<Vec<f32>>, colours: &[f32], neutral: f32, option: &str| match given {
        Some(given) => given.clone(),
        None if file.bytes => vec![neutral; count],
        None => {
            let values = per_channel(channels, colours, neutral);
            if let Some(whose) = &usual.whose {
                let numbers = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Assumption::note(assumed, format!("{} {numbers}, {whose}", option.trim_start_matches('-')), option);
            }
            values
        }
    };
    let mean = numbers(&options.mean, &own.mean, 0.0, "--mean");
    let std = numbers(&options.std, &own.std, 1.0, "--std");
    // Options are in units of pixels in [0, 1]; what is in the file's own units is not scaled again.
    let scaled = |values: Vec<f32>, given: bool| -> Vec<f32> {
        let by = if file.bytes && !given { 1.0 } else { range };
        values.into_iter().map(|v| v * by).collect()
    };
    let crop_share = options.crop_pct.unwrap_or_else(|| {
        if usual.whose.is_some() {
            let what = if own.crop_pct >= 1.0 {
                "the whole of the photo's shorter side is seen".to_owned()
            } else {
                format!("the middle {} of the photo's shorter side is seen", own.crop_pct)
            };
            Assumption::note(assumed, what, "--crop-pct");
        }
        own.crop_pct
    });
    let resize = Resize {
        crop_share,
        mode: options.crop_mode.unwrap_or(match own.crop_mode.as_str() {
            "squash" => CropMode::Squash,
            "border" => CropMode::Border,
            _ => CropMode::Center,
        }),
        interpolation: options.interpolation.unwrap_or(match own.interpolation.as_str() {
            "bilinear" => Interpolation::Bilinear,
            "nearest" => Interpolation::Nearest,
            _ => Interpolation::Bicubic,
        }),
    };
    let input = Input {
        channels,
        size: file.size,
        any_size: false,
        range,
        mean: scaled(mean, options.mean.is_some()),
        std: scaled(std, options.std.is_some()),
        resize,
    };
    // What no option says comes from the file beside the weights.
    let own = usual.whose.is_none() && options.mean.is_none() && options.std.is_none() && options.crop_pct.is_none();
    input.check().map_err(|e| if own { Error::bad_model(path, format!("of its config.json: {e}")) } else { e })?;
    Ok(input)
}

/// The numbers of red, green and blue in a network's order; of luminance their mean, as timm has it. Opacity is left as it
/// is.
fn per_channel(channels: ChannelOrder, colours: &[f32], neutral: f32) -> Vec<f32> {
    if colours.len() == channels.count() && channels != ChannelOrder::Bgr {
        return colours.to_vec();
    }
    let of = |k: usize| colours.get(k).or(colours.first()).copied().unwrap_or(neutral);
    let luminance = ((of(0) + of(1) + of(2)) / 3.0 * 1e6).round() / 1e6;
    match channels {
        ChannelOrder::Grey => vec![luminance],
        ChannelOrder::Rgba => vec![of(0), of(1), of(2), neutral],
        ChannelOrder::Bgr => vec![of(2), of(1), of(0)],
        ChannelOrder::Rgb => vec![of(0), of(1), of(2)],
    }
}
