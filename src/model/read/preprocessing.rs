//! How pictures go in: what options and the file say, else what is usual.

use super::onnx;
use super::options::ReadOptions;
use crate::error::{Error, Result};
use crate::model::input::LEAST_SHARE;
use crate::model::zoo::architectures::Preprocessing;
use crate::model::{Assumption, ChannelOrder, CropMode, Input, Interpolation, Resize};
use std::path::Path;

/// No network subtracts more from pixels in `[0, 1]`, or divides them by more.
const MOST_OF_ONE: f32 = 10.0;

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

/// How pictures go in, and whether the numbers that pixels become are a guess.
///
/// # Errors
/// [`Error::BadModel`] if the file's channels are not those of a picture, [`Error::BadValue`] if an option does not fit.
pub fn input(
    path: &Path,
    file: &onnx::FileInput,
    usual: &Usual,
    options: &ReadOptions,
    assumed: &mut Vec<Assumption>,
) -> Result<(Input, bool)> {
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
    let count = channels.count();
    let given_mean = stated("--mean", options.mean.as_deref(), count, options.range)?;
    let given_std = stated("--std", options.std.as_deref(), count, options.range)?;
    if let Some(share) = options.crop_pct.filter(|share| !(LEAST_SHARE..=1.0).contains(share)) {
        return Err(Error::bad_value("--crop-pct", share, format!("it takes a share from {LEAST_SHARE} to 1")));
    }
    let range = options.range.unwrap_or(if file.bytes { 255.0 } else { 1.0 });
    let own = &usual.preprocessing;
    let mut numbers = |given: Option<&Vec<f32>>, colours: &[f32], neutral: f32, option: &str| match given {
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
    let mean = numbers(given_mean.as_ref(), &own.mean, 0.0, "--mean");
    let std = numbers(given_std.as_ref(), &own.std, 1.0, "--std");
    // What is in the file's own units, or in those of a range that was said, is not scaled again.
    let scaled = |values: Vec<f32>, given: bool| -> Vec<f32> {
        let whole = if given { options.range.is_some() } else { file.bytes };
        let by = if whole { 1.0 } else { range };
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
        mode: options.crop_mode.unwrap_or_else(|| match own.crop_mode.as_str() {
            "squash" => CropMode::Squash,
            "border" => CropMode::Border,
            "center" => CropMode::Center,
            other => {
                let what = format!("crop mode center, since {} is not known", other.escape_debug());
                Assumption::note(assumed, what, "--crop-mode");
                CropMode::Center
            }
        }),
        interpolation: options.interpolation.unwrap_or_else(|| match own.interpolation.as_str() {
            "bilinear" => Interpolation::Bilinear,
            "nearest" => Interpolation::Nearest,
            "bicubic" => Interpolation::Bicubic,
            other => {
                let what = format!("bicubic interpolation, since {} is not known", other.escape_debug());
                Assumption::note(assumed, what, "--interpolation");
                Interpolation::Bicubic
            }
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
    let guessed = usual.whose.is_some() && !file.bytes && (options.mean.is_none() || options.std.is_none());
    // What no option says comes from the file beside the weights.
    let own = usual.whose.is_none() && options.mean.is_none() && options.std.is_none() && options.crop_pct.is_none();
    input.check().map_err(|e| if own { Error::bad_model(path, format!("of its config.json: {e}")) } else { e })?;
    Ok((input, guessed))
}

/// The numbers that were given, one a channel; one alone is that of all. They are in the units of the range that was said
/// with them, else of pixels in `[0, 1]`.
///
/// # Errors
/// [`Error::BadValue`] if there are too few or too many, or they are in other units.
fn stated(option: &str, given: Option<&[f32]>, count: usize, range: Option<f32>) -> Result<Option<Vec<f32>>> {
    let Some(given) = given else { return Ok(None) };
    let text = || given.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let numbers = match given {
        [one] => vec![*one; count],
        _ if given.len() == count => given.to_vec(),
        _ => {
            let expected = format!("the network has {count} channels, so it takes as many numbers, or one for all");
            return Err(Error::bad_value(option, text(), expected));
        }
    };
    let whole = range.is_some_and(|range| range > 1.0);
    let expected = if option == "--std" && numbers.iter().any(|v| !v.is_normal()) {
        "pixels are divided by it, so it takes numbers other than 0"
    } else if !whole && numbers.iter().any(|v| v.abs() > MOST_OF_ONE) {
        "pixels go from 0 to 1 unless --range 255 is given with it"
    } else if whole && numbers.iter().all(|v| v.abs() < 1.0) && numbers.iter().any(|v| *v != 0.0) {
        "with --range 255 it is in units from 0 to 255, as 123.7,116.3,103.5"
    } else {
        return Ok(Some(numbers));
    };
    Err(Error::bad_value(option, text(), expected))
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
