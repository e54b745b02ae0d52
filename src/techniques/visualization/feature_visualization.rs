//! Feature visualization: pictures that a channel, a neuron or a direction of a layer responds to most.

use super::super::optimisation::OptimisationJob;
use super::super::stopping::{PLATEAU, steps};
use super::image::{BASIS, COLOURS, DECAY, ImageOptimisation, PAD, ROTATE, SCALE, Start, TV_WEIGHT};
use super::response::{Response, Unit};
use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::imaging::{Picture, resize};
use crate::model::Model;
use crate::techniques::api::{Aim, Context, Group, Job, Need, Needs, ParamSpec, Params, Technique};
use serde_json::{Map, Value, json};

/// Most pictures that grow together.
const PICTURES: usize = 16;
/// Side of each picture, in pixels, of a model that takes any.
const SIDE: i64 = 160;

/// The recipe of class visualization's preset `lucid` on any layer; the diversity term is lucid's.
pub struct FeatureVisualization;

const PARAMS: &[ParamSpec] = &[
    ParamSpec::text(
        "channels",
        "0",
        "channel indices with commas between them, each a picture; for unit=direction each may have a weight, as in 3:1,17:-0.5",
        "which channels",
    ),
    ParamSpec::choice(
        "unit",
        &["channel", "neuron", "direction"],
        "a channel's mean, its middle neuron, or all the channels together as one direction",
    )
    .fixed(),
    ParamSpec::choice("sign", &["positive", "negative"], "the strongest or the most negative response").fixed(),
    ParamSpec::int("copies", [1, 9], 1, "pictures of each channel").fixed(),
    ParamSpec::float("diversity", [0.0, 1e6], 1.0, "weight of the penalty on how alike the copies are"),
    ParamSpec::int("size", [32, 512], SIDE, "side of each picture").in_unit("px").fixed(),
    steps(256),
    ParamSpec::float("step_size", [0.0, 10.0], 0.05, "Adam's step size"),
    ParamSpec::float("jitter", [0.0, 512.0], 16.0, "largest random shift before each gradient").in_unit("px"),
    PAD,
    SCALE,
    ROTATE,
    TV_WEIGHT,
    BASIS,
    DECAY,
    COLOURS,
    PLATEAU,
];

impl Technique for FeatureVisualization {
    fn id(&self) -> &'static str {
        "feature-visualization"
    }
    fn group(&self) -> Group {
        Group::Visualization
    }
    fn about(&self) -> &'static str {
        "what a layer's channel, neuron or direction responds to: pictures grown by gradient ascent on it"
    }
    fn definition(&self) -> &'static str {
        "Adam on p, maximising ± the mean of A_k, its middle value, or A·d/‖d‖ of T(sigmoid(colours·waves·p)), less diversity · the mean cosine between the copies' Gram matrices"
    }
    fn reference(&self) -> &'static str {
        "Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007"
    }
    fn needs(&self) -> Needs {
        Needs { layer: Need::Optional, init: Need::Optional, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn steered(&self) -> &'static [&'static str] {
        &["layer"]
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let aim = context.aim();
        let model = context.model;
        let (height, width) = size(&model, params.count("size"))?;
        let resized = |picture: &Picture| {
            let picture = resize(picture, width as u32, height as u32);
            model.input().pixels_from_picture(&picture, model.device())
        };
        let init = context.init.as_ref().map(resized).transpose()?;
        let usual = model.layer_or_usual(None)?;
        let responses = move |params: &Params, aim: &Aim| responses(params, aim.layer.as_ref().unwrap_or(&usual));
        let start = Start { model, params, aim, seed: context.seed, size: (height, width), init };
        let optimisation = ImageOptimisation::new(start, Box::new(responses), Box::new(facts))?;
        Ok(Box::new(OptimisationJob::new(optimisation)))
    }
}

/// Height and width of the pictures: as asked for, or the only ones that the model takes.
fn size(model: &Model, side: usize) -> Result<(usize, usize)> {
    let input = model.input();
    if input.any_size {
        return Ok((side, side));
    }
    if side as i64 != SIDE {
        input.check_size("size", (side, side))?;
    }
    Ok(input.size.into())
}

fn responses(params: &Params, layer: &LayerName) -> Result<Vec<Response>> {
    let text = params.choice("channels");
    let weights = channels(text)?;
    let unit = params.choice("unit");
    if unit != "direction" && text.contains(':') {
        return Err(Error::bad_value("channels", text, "only unit=direction takes weights"));
    }
    let units: Vec<Unit> = match unit {
        "direction" => vec![Unit::Direction(weights)],
        "neuron" => weights.into_iter().map(|(c, _)| Unit::Neuron(c)).collect(),
        _ => weights.into_iter().map(|(c, _)| Unit::Channel(c)).collect(),
    };
    let copies = params.count("copies");
    let count = units.len() * copies;
    if count > PICTURES {
        let advice = format!("with copies that makes {count} pictures, and at most {PICTURES} grow together");
        return Err(Error::bad_value("channels", text, advice));
    }
    let sign = if params.choice("sign") == "negative" { -1.0 } else { 1.0 };
    let response = |unit: &Unit| Response { layer: layer.clone(), unit: unit.clone(), sign };
    Ok(units.iter().flat_map(|unit| (0..copies).map(move |_| response(unit))).collect())
}

/// `3, 17:-0.5` as channels with their weights.
fn channels(text: &str) -> Result<Vec<(usize, f32)>> {
    let one = |part: &str| -> Option<(usize, f32)> {
        let (channel, weight) = part.split_once(':').unwrap_or((part, "1"));
        let weight = weight.trim().parse::<f32>().ok().filter(|w| w.is_finite())?;
        Some((channel.trim().parse().ok()?, weight))
    };
    let parsed: Option<Vec<_>> = text.split(',').map(one).collect();
    parsed.ok_or_else(|| Error::bad_value("channels", text, "it takes channel indices such as 3 or 3,17,40"))
}

fn facts(params: &Params, _: &Aim) -> Map<String, Value> {
    Map::from_iter([("channels".to_owned(), json!(params.choice("channels")))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_read_or_refused() {
        assert_eq!(channels("3, 17:-0.5").expect("two"), [(3, 1.0), (17, -0.5)]);
        for bad in ["", "x", "3,,4", "3:x", "-1", "3:nan"] {
            assert!(channels(bad).is_err(), "{bad}");
        }
    }
}
