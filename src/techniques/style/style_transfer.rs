//! Neural style transfer: a photo repainted in the manner of a painting.

use super::super::{
    Context, Group, Job, Need, Needs, ParamKind, ParamSpec, Params, Progress, Technique, View, picture_from_pixels,
    pixels_from_picture,
};
use super::objective::{CONTENT_LAYER, Objective, STYLE_LAYERS, Weights};
use crate::error::{Error, Result};
use crate::imaging::{Picture, fit_longer_side, resize};
use crate::optim::{Adam, noise, step_rng};
use candle_core::Tensor;

/// Adam on α·content + β·style + γ·TV over the pixels, clamped to `[0, 1]` after each update (Gatys, Ecker &
/// Bethge 2016; losses divided by the size of what they compare with, see `losses`).
pub struct StyleTransfer;

const PARAMS: &[ParamSpec] = &[
    ParamSpec {
        name: "style_weight",
        kind: ParamKind::Float { min: 0.0, max: 1e6, default: 20.0 },
        unit: "",
        help: "β, how much the painting's manner counts",
        live: true,
    },
    ParamSpec {
        name: "content_weight",
        kind: ParamKind::Float { min: 0.0, max: 1e6, default: 1.0 },
        unit: "",
        help: "α, how much the photo's content counts",
        live: true,
    },
    ParamSpec {
        name: "tv_weight",
        kind: ParamKind::Float { min: 0.0, max: 1e6, default: 5.0 },
        unit: "",
        help: "γ, how much smoothness counts (total variation)",
        live: true,
    },
    ParamSpec {
        name: "step_size",
        kind: ParamKind::Float { min: 0.0, max: 10.0, default: 0.03 },
        unit: "",
        help: "Adam's step size, in pixels' range of 0 to 1",
        live: true,
    },
    ParamSpec {
        name: "steps",
        kind: ParamKind::Int { min: 1, max: 100_000, default: 400 },
        unit: "steps",
        help: "updates of the picture",
        live: true,
    },
    ParamSpec {
        name: "size",
        kind: ParamKind::Int { min: 32, max: 2048, default: 256 },
        unit: "px",
        help: "longer side of the result; the photo keeps its shape",
        live: false,
    },
    ParamSpec {
        name: "init",
        kind: ParamKind::Choice { options: &["content", "noise"], default: "content" },
        unit: "",
        help: "what to start from, unless --init gives a picture",
        live: false,
    },
];

impl Technique for StyleTransfer {
    fn id(&self) -> &'static str {
        "style-transfer"
    }
    fn group(&self) -> Group {
        Group::Style
    }
    fn about(&self) -> &'static str {
        "a photo repainted in the manner of a painting"
    }
    fn definition(&self) -> &'static str {
        "Adam on α·mean((F−P)²)/mean(P²) + β·mean_l ‖G_l−A_l‖²/‖A_l‖² + γ·TV over pixels in [0, 1]; G = F·Fᵀ/(C·H·W); content at relu3_2, style at relu1_1, relu2_1, relu3_1, relu4_1"
    }
    fn reference(&self) -> &'static str {
        "Gatys, Ecker & Bethge 2016, arXiv:1508.06576"
    }
    fn needs(&self) -> Needs {
        Needs { picture: Need::Required, style: Need::Required, init: Need::Optional, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn default_model(&self) -> &'static str {
        "vgg16_hed"
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let missing = |what| Error::Missing { technique: self.id(), what };
        let content = context.picture.ok_or(missing("a picture: give an image file"))?;
        let style = context.style.ok_or(missing("a style picture: give --style"))?;
        let network = context.network;
        for layer in STYLE_LAYERS.into_iter().chain([CONTENT_LAYER]) {
            network.layer(layer)?;
        }
        let size = params.count("size") as u32;
        let content = fit_longer_side(&content, size);
        let style = fit_longer_side(&style, size);
        for (picture, which) in [(&content, "photo"), (&style, "style picture")] {
            let fits = network.layers(picture.height as usize, picture.width as usize).is_ok();
            if !fits {
                let so = format!("{}×{} pixels", picture.width, picture.height);
                let advice = format!("the {which} would be {so}, too thin for the network; make it larger");
                return Err(Error::bad_value("size", size, advice));
            }
        }
        let content_pixels = pixels_from_picture(&content, network.device())?;
        let shape = content_pixels.dims().to_vec();
        let x = match (&context.init, params.choice("init")) {
            (Some(init), _) => pixels_from_picture(&resize(init, content.width, content.height), network.device())?,
            (None, "noise") => {
                let grain = noise(&mut step_rng(context.seed, 0), &shape, network.device())?;
                ((grain * 0.2)? + 0.5)?.clamp(0f32, 1f32)?
            }
            (None, _) => content_pixels.clone(),
        };
        let style_pixels = pixels_from_picture(&style, network.device())?;
        let objective = Objective::new(network, &content_pixels, &style_pixels)?;
        Ok(Box::new(Painting { adam: Adam::new(&x)?, objective, params, content, x, gradient: None, step: 0 }))
    }
}

struct Painting {
    objective: Objective,
    params: Params,
    /// The photo at the size of the result.
    content: Picture,
    /// Pixels `[1, 3, H, W]`.
    x: Tensor,
    adam: Adam,
    gradient: Option<Tensor>,
    step: usize,
}

impl Job for Painting {
    fn step(&mut self) -> Result<Progress> {
        if let Some(gradient) = self.gradient.take() {
            let moved = self.adam.step(&self.x, &gradient, self.params.float("step_size"))?;
            self.x = moved.clamp(0f32, 1f32)?;
            self.step += 1;
        }
        let [content, style, tv] = ["content_weight", "style_weight", "tv_weight"].map(|n| self.params.float(n));
        let found = self.objective.evaluate(&self.x, &Weights { content, style, tv })?;
        self.gradient = Some(found.gradient);
        let total = self.params.count("steps");
        Ok(Progress {
            step: self.step,
            total,
            figures: vec![
                ("loss", found.total),
                ("content", found.content),
                ("style", found.style),
                ("tv", found.tv),
            ],
            logits: None,
            done: self.step >= total,
        })
    }

    fn set(&mut self, params: &Params) {
        self.params = params.clone();
    }

    fn view(&self) -> Result<View> {
        let (input, result) = (Some(self.content.clone()), Some(picture_from_pixels(&self.x)?));
        Ok(View { input, result, ..View::default() })
    }
}
