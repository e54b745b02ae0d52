//! Class visualization: a picture that the model takes for a class, grown from noise.

use super::super::optimisation::OptimisationJob;
use super::super::stopping::{PLATEAU, TARGET_PROBABILITY, steps};
use super::ascent::Ascent;
use super::image::{BASIS, COLOURS, DECAY, ImageOptimisation, PAD, ROTATE, SCALE, Start, TV_WEIGHT};
use super::response::{Response, Unit};
use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::imaging::{Picture, resize};
use crate::techniques::api::{Aim, Context, Group, Job, Need, Needs, ParamSpec, Params, Preset, Technique};

/// Preset `lucid`: Adam on the parameters of a [`crate::optim::Parameterisation`], the picture shifted, scaled and
/// turned at random before each gradient (Olah, Mordvintsev & Schubert 2017). Preset `cs231n`: see [`Ascent`].
pub struct ClassVisualization;

const PARAMS: &[ParamSpec] = &[
    ParamSpec::preset(
        "preset",
        &[
            Preset {
                id: "lucid",
                about: "Adam on waves and decorrelated colours, robust to transformations",
                values: &[],
            },
            Preset {
                id: "cs231n",
                about: "normalised ascent on pixels, with jitter and blur",
                values: &[("steps", "100"), ("step_size", "25"), ("jitter", "16"), ("l2", "1e-3")],
            },
        ],
        "which recipe",
    ),
    steps(256),
    ParamSpec::float(
        "step_size",
        [0.0, 1000.0],
        0.05,
        "Adam's step size; for cs231n the length of an update in the model's input space",
    ),
    ParamSpec::float("jitter", [0.0, 512.0], 16.0, "largest random shift before each gradient").in_unit("px"),
    PAD,
    SCALE,
    ROTATE,
    TV_WEIGHT,
    BASIS,
    DECAY,
    COLOURS,
    ParamSpec::float("l2", [0.0, 10.0], 0.0, "λ, the weight of the penalty on the picture's squared length (cs231n)"),
    ParamSpec::int("blur_every", [0, 10_000], 10, "updates between two blurs; 0 never blurs (cs231n)")
        .in_unit("steps"),
    ParamSpec::float("blur_sigma", [0.0, 10.0], 0.5, "standard deviation of the blur (cs231n)").in_unit("px"),
    ParamSpec::choice(
        "init",
        &["noise", "zero"],
        "what to start from, unless --init gives a picture: noise, or x = 0 (cs231n)",
    )
    .fixed(),
    PLATEAU,
    TARGET_PROBABILITY,
];

impl Technique for ClassVisualization {
    fn id(&self) -> &'static str {
        "class-visualization"
    }
    fn group(&self) -> Group {
        Group::Visualization
    }
    fn about(&self) -> &'static str {
        "what a class looks like to the model: a picture grown by gradient ascent on its score"
    }
    fn definition(&self) -> &'static str {
        "preset `lucid`: Adam on p, maximising z_c of T(sigmoid(colours·waves·p)), T a random shift, scale and turn; preset `cs231n`: ascent on z_c − λ‖x‖², x ← clamp(x + s·g/‖g‖₂), the picture shifted at random before each gradient and blurred every few updates"
    }
    fn reference(&self) -> &'static str {
        "Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007; Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034; Yosinski et al. 2015, arXiv:1506.06579"
    }
    fn needs(&self) -> Needs {
        Needs { class: Need::Required, init: Need::Optional, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn steered(&self) -> &'static [&'static str] {
        &["class"]
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let what = "a class: give --class with a label or an index";
        let class = context.class.ok_or(Error::Missing { technique: self.id(), what })?;
        let aim = context.aim();
        let model = context.model;
        model.info.classes()?.labels.check(class)?;
        let [height, width] = model.input().size;
        let resized = |picture: &Picture| {
            let picture = resize(picture, width as u32, height as u32);
            model.input().pixels_from_picture(&picture, model.device())
        };
        let init = context.init.as_ref().map(resized).transpose()?;
        if params.choice("preset") == "cs231n" {
            let ascent = Ascent::new(model, params, class, context.seed, init)?;
            return Ok(Box::new(OptimisationJob::new(ascent)));
        }
        let info = model.info.clone();
        let responses = move |_: &Params, aim: &Aim| {
            let class = info.classes()?.labels.check(aim.class.unwrap_or(class))?;
            Ok(vec![Response { layer: LayerName::LOGITS.into(), unit: Unit::Class(class), sign: 1.0 }])
        };
        let info = model.info.clone();
        let facts = move |_: &Params, aim: &Aim| {
            let class = aim.class.map(|class| info.class_fact(class));
            serde_json::Map::from_iter([("class".to_owned(), class.into())])
        };
        let start = Start { model, params, aim, seed: context.seed, size: (height, width), init };
        let optimisation = ImageOptimisation::new(start, Box::new(responses), Box::new(facts))?;
        Ok(Box::new(OptimisationJob::new(optimisation)))
    }
}
