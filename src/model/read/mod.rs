//! Models from outside.

mod labels;
pub mod onnx;
mod options;

pub use options::ReadOptions;

use super::{Assumption, ChannelOrder, Input, Labels, Model, Output, Provenance, Resize, Roles, Scores, sha256_hex};
use crate::error::{Error, Result};
use candle_core::Device;
use std::path::Path;

/// ImageNet's mean and standard deviation of red, green and blue in `[0, 1]`, as torchvision and timm have them.
const USUAL: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// The same of luminance: timm takes the mean of the three.
const USUAL_GREY: (f32, f32) = (0.449, 0.226);

/// Whether a name means a model file and not a model by name: it says so itself, since the file may be on another machine.
#[must_use]
pub fn is_file(name: &str) -> bool {
    let onnx = Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    onnx || name.contains(std::path::is_separator)
}

/// Reads a model file onto `device`. What neither it nor `options` say is assumed, and listed in the model's provenance.
///
/// # Errors
/// [`Error::BadModel`] with what stands in the way and what would help; [`Error::BadValue`] if an option does not fit.
pub fn open(path: &Path, options: &ReadOptions, device: &Device) -> Result<Model> {
    let asked = onnx::Options {
        size: options.input_size,
        channels: options.channels.map(ChannelOrder::count),
        output: options.output.clone(),
    };
    let file = onnx::read(path, &asked)?;
    let mut assumed = file.assumptions.clone();
    let input = input(path, &file.input, options, &mut assumed)?;
    let output = output(path, &file, options, &mut assumed)?;
    let scores = output.as_ref().map(|output| output.scores);
    let graph = onnx::network(&file, scores, device).map_err(|refusal| Error::bad_model(path, refusal))?;
    let provenance = Provenance {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        format: "onnx".to_owned(),
        sha256: hash(path)?,
        architecture: None,
        exporter: Some(file.producer.clone()).filter(|text| !text.is_empty()),
        opset: Some(file.opset),
        assumed,
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Model::new(&name, graph, input, output, Roles::default(), provenance)
}

fn assume(assumed: &mut Vec<Assumption>, what: impl Into<String>, option: &str) {
    assumed.push(Assumption { what: what.into(), option: option.to_owned() });
}

/// How pictures go in.
fn input(path: &Path, file: &onnx::Input, options: &ReadOptions, assumed: &mut Vec<Assumption>) -> Result<Input> {
    let channels = match (file.channels, options.channels) {
        (count, Some(channels)) if channels.count() == count => channels,
        (1, None) => ChannelOrder::Grey,
        (3, None) => {
            assume(assumed, "channels in the order red, green, blue", "--channels");
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
    if let Some(share) = options.crop_pct.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
        return Err(Error::bad_value("--crop-pct", share, "it takes a share above 0 and up to 1"));
    }
    let range = options.range.unwrap_or(if file.bytes { 255.0 } else { 1.0 });
    let count = channels.count();
    // Opacity is left as it is.
    let per_channel = |colours: [f32; 3], luminance: f32, opacity: f32| match channels {
        ChannelOrder::Grey => vec![luminance],
        ChannelOrder::Rgba => colours.into_iter().chain([opacity]).collect(),
        ChannelOrder::Bgr => colours.into_iter().rev().collect(),
        ChannelOrder::Rgb => colours.to_vec(),
    };
    let mut usual = |given: &Option<Vec<f32>>, usual: Vec<f32>, neutral: f32, option: &str| match given {
        Some(given) => given.clone(),
        None if file.bytes => vec![neutral; count],
        None => {
            let numbers = usual.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            assume(assumed, format!("{} {numbers}, ImageNet's", option.trim_start_matches('-')), option);
            usual
        }
    };
    let mean = usual(&options.mean, per_channel(USUAL.0, USUAL_GREY.0, 0.0), 0.0, "--mean");
    let std = usual(&options.std, per_channel(USUAL.1, USUAL_GREY.1, 1.0), 1.0, "--std");
    // Options are in units of pixels in [0, 1]; what is in the file's own units is not scaled again.
    let scaled = |values: Vec<f32>, given: bool| -> Vec<f32> {
        let by = if file.bytes && !given { 1.0 } else { range };
        values.into_iter().map(|v| v * by).collect()
    };
    let resize = Resize {
        crop_share: options.crop_pct.unwrap_or_else(|| {
            assume(assumed, "the whole of the photo's shorter side is seen", "--crop-pct");
            1.0
        }),
        mode: options.crop_mode.unwrap_or(Resize::default().mode),
        interpolation: options.interpolation.unwrap_or(Resize::default().interpolation),
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
    input.check()?;
    Ok(input)
}

/// What the scores mean, if the file ends in a row of them.
fn output(
    path: &Path,
    file: &onnx::Imported,
    options: &ReadOptions,
    assumed: &mut Vec<Assumption>,
) -> Result<Option<Output>> {
    let Some(count) = file.classes() else { return Ok(None) };
    let scores = match (options.scores, file.scores, count) {
        (Some(Scores::Sigmoid | Scores::Binary), _, 1) | (None, Scores::Sigmoid | Scores::Binary, 1) => {
            Scores::Binary
        }
        (Some(asked), _, _) => asked,
        (None, Scores::Plain, 1) => {
            assume(assumed, "the one score is a yes or no (a sigmoid)", "--scores");
            Scores::Binary
        }
        (None, Scores::Plain, _) => {
            assume(assumed, "scores are one of several classes (a softmax)", "--scores");
            Scores::Softmax
        }
        (None, found, _) => found,
    };
    let count = if scores == Scores::Binary { 2 } else { count };
    let names = match &options.labels {
        Some(file) => Some(labels::read(file)?),
        None => file.labels.clone(),
    };
    let labels = match names {
        // One name is that of a yes.
        Some(names) if names.len() == 1 && count == 2 => {
            Labels::new(vec![names[0].clone(), format!("not {}", names[0])])
        }
        // Two are in the order of their indices: no is 0, yes is 1.
        Some(names) if scores == Scores::Binary && names.len() == 2 => {
            Labels::new(vec![names[1].clone(), names[0].clone()])
        }
        Some(names) if names.len() == count => Labels::new(names),
        Some(names) => {
            let reason = format!("it has {count} classes, and there are {} labels", names.len());
            return Err(match &options.labels {
                Some(file) => Error::bad_value("--labels", file.display(), reason),
                None => Error::bad_model(path, format!("{reason} in its metadata; give others with --labels")),
            });
        }
        None if count == Labels::imagenet().len() => {
            assume(assumed, "ImageNet's labels, since there are 1000 classes", "--labels");
            Labels::imagenet()
        }
        None if scores == Scores::Binary => {
            assume(assumed, "the one class is called \"yes\"", "--labels");
            Labels::new(vec!["yes".to_owned(), "no".to_owned()])
        }
        None => {
            assume(assumed, "classes have numbers for names", "--labels");
            Labels::indices(count)
        }
    };
    Ok(Some(Output { scores, labels }))
}

fn hash(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::bad_model(path, e))?;
    Ok(sha256_hex(&bytes))
}
