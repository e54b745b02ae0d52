//! Neural style transfer: a photo repainted in the manner of a painting.

use super::super::optimisation::OptimisationJob;
use super::super::stopping::PLATEAU;
use super::colours::{grey_matched, matched};
use super::losses::StyleLoss;
use super::objective::{AUTO, Recipe};
use super::transfer::{Transfer, TransferInputs};
use crate::error::{Error, Result};
use crate::graph::refuse_beyond_memory;
use crate::imaging::{Picture, fitted_size};
use crate::model::{Model, Purpose};
use crate::techniques::api::{Context, Group, Job, Need, Needs, ParamSpec, Params, Preset, Technique};

/// The smallest longer side that painting begins at: below it there is nothing to arrange.
const SMALLEST: u32 = 96;
/// How far a mask's shape may be from the photo's.
const SAME_SHAPE: f64 = 0.02;

/// α·content + β·style + γ·TV over the pixels, clamped to `[0, 1]` after each update (Gatys, Ecker & Bethge 2016;
/// losses divided by the size of what they compare with, see `losses`). The schedule from coarse to fine with averaged
/// iterates and moments carried over is that of crowsonkb/style-transfer-pytorch.
pub struct StyleTransfer;

const PARAMS: &[ParamSpec] = &[
    ParamSpec::preset(
        "preset",
        &[
            Preset { id: "fast", about: "two sizes up to 256 pixels, for watching", values: &[] },
            Preset {
                id: "fine",
                about: "from coarse to fine up to 512 pixels",
                values: &[("size", "512"), ("scales", "5"), ("steps", "500"), ("step_size", "0.05")],
            },
            Preset {
                id: "gatys",
                about: "one size, L-BFGS, no averaging, as in the paper",
                values: &[
                    ("optimizer", "lbfgs"),
                    ("scales", "1"),
                    ("steps", "200"),
                    ("average", "0"),
                    ("tv_weight", "1"),
                ],
            },
        ],
        "which recipe",
    ),
    ParamSpec::float("style_weight", [0.0, 1e6], 40.0, "β, how much the painting's manner counts"),
    ParamSpec::float("content_weight", [0.0, 1e6], 1.0, "α, how much the photo's content counts"),
    ParamSpec::float("tv_weight", [0.0, 1e6], 5.0, "γ, how much smoothness counts (total variation)"),
    ParamSpec::float("step_size", [0.0, 10.0], 0.07, "Adam's step size, in pixels' range of 0 to 1"),
    ParamSpec::int("steps", [1, 100_000], 120, "updates of the picture, shared out evenly among the sizes")
        .in_unit("steps"),
    ParamSpec::float(
        "average",
        [0.0, 0.999],
        0.9,
        "how much of the average of the updates before goes on counting; 0 shows each as it is",
    ),
    ParamSpec::int("size", [32, 16_384], 256, "longer side of the result; the photo keeps its shape")
        .in_unit("px")
        .fixed(),
    ParamSpec::int("scales", [1, 10], 2, "sizes on the way, each √2 times the one before").fixed(),
    ParamSpec::choice("optimizer", &["adam", "lbfgs"], "how the picture is moved").fixed(),
    ParamSpec::choice("init", &["content", "noise"], "what to start from, unless --init gives a picture").fixed(),
    ParamSpec::float(
        "style_scale",
        [0.05, 8.0],
        1.0,
        "size of the paintings against the result: larger ones make larger strokes",
    )
    .fixed(),
    ParamSpec::text("style_weights", "1", "a weight for each --style, as in 2,1", "how much each painting counts"),
    ParamSpec::choice("style_loss", &["gram", "wasserstein"], "Gram matrices, or mean and covariance").fixed(),
    ParamSpec::text(
        "style_layers",
        AUTO,
        "layers with optional weights, as in relu1_1,relu2_1:0.5, or auto: the first rectifier after each halving",
        "where the style is compared",
    ),
    ParamSpec::text(
        "content_layers",
        AUTO,
        "layers with optional weights, as in relu3_2,relu4_1:0.5, or auto: one after two halvings",
        "where the content is compared",
    ),
    ParamSpec::choice(
        "colours",
        &["painting", "luminance", "histogram"],
        "the painting's colours, the photo's own under painted light, or the photo's palette",
    )
    .fixed(),
    PLATEAU,
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
        "Adam or L-BFGS on α·mean((F−P)²)/mean(P²) + β·mean_l ‖G_l−A_l‖²/‖A_l‖² + γ·TV over pixels in [0, 1]; G = F·Fᵀ/(C·H·W); style at the first rectifier after each halving of the map, content after two of them; from coarse to fine by √2; or with the Wasserstein-2 distance of mean and covariance as style loss"
    }
    fn reference(&self) -> &'static str {
        "Gatys, Ecker & Bethge 2016, arXiv:1508.06576; colours: arXiv:1606.05897; schedule: crowsonkb/style-transfer-pytorch"
    }
    fn needs(&self) -> Needs {
        let (optional, required) = (Need::Optional, Need::Required);
        Needs { picture: required, style: required, mask: optional, init: optional, ..Needs::NOTHING }
    }
    fn params(&self) -> &'static [ParamSpec] {
        PARAMS
    }
    fn purpose(&self) -> Purpose {
        Purpose::Features
    }
    fn start(&'static self, context: Context, params: Params) -> Result<Box<dyn Job>> {
        let missing = |what| Error::Missing { technique: self.id(), what };
        let photo = context.picture.ok_or(missing("a picture: give an image file"))?;
        if context.styles.is_empty() {
            return Err(missing("a style picture: give --style"));
        }
        let model = context.model;
        let kind =
            if params.choice("style_loss") == "wasserstein" { StyleLoss::Wasserstein } else { StyleLoss::Gram };
        let recipe = Recipe::parse(&model, params.choice("content_layers"), params.choice("style_layers"), kind)?;
        let weights = style_weights(params.choice("style_weights"), context.styles.len())?;
        if let Some(mask) = &context.mask {
            check_mask(mask, &photo)?;
        }
        let size = params.count("size") as u32;
        let input = model.input();
        // A model of one size is shown what it sees of everything, at that size.
        let fit = |picture: &Picture| if input.any_size { picture.clone() } else { input.framed(picture) };
        let own = || vec![input.size[0].max(input.size[1]) as u32];
        let sizes = if input.any_size { sizes(size, params.count("scales")) } else { own() };
        let photo = fit(&photo);
        let prepared = |painting: &Picture| match params.choice("colours") {
            "luminance" => grey_matched(&fit(painting), &photo),
            "histogram" => matched(&fit(painting), &photo),
            _ => fit(painting),
        };
        let paintings: Vec<(Picture, f64)> = context.styles.iter().map(prepared).zip(weights).collect();
        let smallest = f64::from(sizes[0]);
        let style_side = (smallest * params.float("style_scale")).round() as u32;
        let all = std::iter::once(("photo", &photo, sizes[0]))
            .chain(paintings.iter().map(|(painting, _)| ("style picture", painting, style_side)));
        for (which, picture, side) in all {
            let (width, height) = fitted_size(picture, side);
            input.check_size("style_scale", (height as usize, width as usize))?;
            if model.graph.layers(height as usize, width as usize).is_err() {
                let so = format!("{width}×{height} pixels");
                let advice = format!("the {which} would be {so}, too thin for the model; make it larger");
                return Err(Error::bad_value("size", size, advice));
            }
        }
        refuse_what_does_not_fit(&model, fitted_size(&photo, *sizes.last().unwrap_or(&size)))?;
        let mask = context.mask.as_ref().map(fit);
        let init = context.init.as_ref().map(fit);
        let seed = context.seed;
        let transfer =
            Transfer::new(TransferInputs { model, params, recipe, seed, photo, paintings, mask, init, sizes })?;
        Ok(Box::new(OptimisationJob::new(transfer)))
    }
}

/// Longer sides up to `size`, each √2 times the one before, none of them tiny.
fn sizes(size: u32, scales: usize) -> Vec<u32> {
    let side = |below: usize| (f64::from(size) / 2f64.powf(below as f64 / 2.0)).round() as u32;
    let mut sizes: Vec<u32> = (0..scales).rev().map(side).filter(|s| *s >= SMALLEST || *s == size).collect();
    sizes.dedup();
    sizes
}

/// A weight for each of the paintings.
fn style_weights(text: &str, paintings: usize) -> Result<Vec<f64>> {
    let weight = |part: &str| part.trim().parse::<f64>().ok().filter(|w| w.is_finite() && *w >= 0.0);
    let weights: Option<Vec<f64>> = text.split(',').map(weight).collect();
    let mut weights =
        weights.ok_or_else(|| Error::bad_value("style_weights", text, "it takes numbers from 0 on, as in 2,1"))?;
    if weights.len() == 1 {
        weights = vec![weights[0]; paintings];
    }
    if weights.len() != paintings {
        let advice = format!("it takes one weight for each --style: {paintings}");
        return Err(Error::bad_value("style_weights", text, advice));
    }
    if weights.iter().sum::<f64>() <= 0.0 {
        return Err(Error::bad_value("style_weights", text, "at least one of them has to be above 0"));
    }
    Ok(weights)
}

/// A mask may be larger or smaller than the photo, but has to have its shape, and somewhere to paint.
fn check_mask(mask: &Picture, photo: &Picture) -> Result<()> {
    let shape = |p: &Picture| f64::from(p.width) / f64::from(p.height);
    let so = format!("{}×{}", mask.width, mask.height);
    if (shape(mask) / shape(photo) - 1.0).abs() > SAME_SHAPE {
        let advice = format!("it has to have the photo's shape, {}×{}", photo.width, photo.height);
        return Err(Error::bad_value("--mask", so, advice));
    }
    if mask.rgb.iter().all(|v| *v == 0) {
        return Err(Error::bad_value("--mask", so, "it is all black: nothing would be painted"));
    }
    Ok(())
}

/// What a painting of this size would need beyond the memory that is free, as an error.
fn refuse_what_does_not_fit(model: &Model, (width, height): (u32, u32)) -> Result<()> {
    /// Bytes at the peak for each value of all the layers: activations, gradients and what kernels unpack.
    const BYTES_A_VALUE: f64 = 11.0;
    let layers = model.graph.layers(height as usize, width as usize)?;
    let values: f64 = layers.iter().map(|l| l.shape.iter().product::<usize>() as f64).sum();
    let need = values * BYTES_A_VALUE;
    refuse_beyond_memory(need, || format!("a picture of {width}×{height} pixels"), "lower size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_by_the_root_of_two() {
        assert_eq!(sizes(512, 5), [128, 181, 256, 362, 512]);
        assert_eq!(sizes(256, 1), [256]);
        assert_eq!(sizes(100, 3), [100]);
        assert_eq!(sizes(64, 4), [64]);
    }

    #[test]
    fn weights_fit_the_paintings() {
        assert_eq!(style_weights("2", 3).expect("the same for all"), [2.0; 3]);
        assert_eq!(style_weights("2, 1", 2).expect("two"), [2.0, 1.0]);
        for (bad, count) in [("", 1), ("x", 1), ("1,2", 3), ("0,0", 2), ("-1", 1), ("inf", 1)] {
            assert!(style_weights(bad, count).is_err(), "{bad}");
        }
    }
}
