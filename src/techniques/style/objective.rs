//! What style transfer minimises, as a function of the pixels.

use super::losses::{ContentLoss, Style, StyleLoss};
use crate::error::{Error, Result};
use crate::graph::{LayerName, Seed};
use crate::kernels::ReluRule;
use crate::model::Model;
use crate::optim::{Corners, Slope, bilinear, total_variation};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::sync::Arc;

/// For layers: those that serve the model for it.
pub const AUTO: &str = "auto";

/// α, β and γ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossWeights {
    /// α, of the content loss.
    pub content: f64,
    /// β, of the mean style loss.
    pub style: f64,
    /// γ, of the total variation.
    pub tv: f64,
}

/// Where the losses are taken, and which.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The content layers with their shares of the content loss.
    pub content: Vec<(LayerName, f64)>,
    /// The style layers with their shares of the style loss.
    pub style: Vec<(LayerName, f64)>,
    /// Which statistics are the style.
    pub kind: StyleLoss,
}

impl Recipe {
    /// Reads layers with optional weights, as in `relu1_1,relu2_1:0.5`, and checks that the model has them; [`AUTO`] is
    /// those whose role it is.
    ///
    /// # Errors
    /// If there is no such layer, or a weight is no positive number.
    pub fn parse(model: &Model, content: &str, style: &str, kind: StyleLoss) -> Result<Self> {
        let roles = &model.info.roles;
        Ok(Self {
            content: layers(model, "content_layers", content, &roles.content)?,
            style: layers(model, "style_layers", style, &roles.style)?,
            kind,
        })
    }
}

fn layers(model: &Model, name: &str, text: &str, usual: &[LayerName]) -> Result<Vec<(LayerName, f64)>> {
    if text == AUTO {
        if usual.is_empty() {
            let advice = "this model has no layers with places to compare pictures by; use another model";
            return Err(Error::bad_value(name, text, advice));
        }
        return Ok(usual.iter().map(|layer| (layer.clone(), 1.0 / usual.len() as f64)).collect());
    }
    let parts: Vec<(LayerName, f64)> = text
        .split(',')
        .map(|part| {
            let (layer, weight) = part.rsplit_once(':').unwrap_or((part, "1"));
            let weight = weight.trim().parse::<f64>().ok().filter(|w| w.is_finite() && *w >= 0.0);
            let advice = "it takes layers with optional weights, as in relu1_1,relu2_1:0.5, or auto";
            let weight = weight.ok_or_else(|| Error::bad_value(name, text, advice))?;
            Ok((model.layer(layer.trim())?, weight))
        })
        .collect::<Result<_>>()?;
    let total: f64 = parts.iter().map(|(_, w)| w).sum();
    if total <= 0.0 {
        return Err(Error::bad_value(name, text, "at least one layer has to have a weight above 0"));
    }
    Ok(parts.into_iter().filter(|(_, w)| *w > 0.0).map(|(layer, w)| (layer, w / total)).collect())
}

/// The losses at a picture, unweighted, and the gradient of their weighted sum.
#[derive(Debug, Clone)]
pub struct Losses {
    /// mean((F − P)²) / mean(P²).
    pub content: f64,
    /// The mean over layers of ‖G − A‖² / ‖A‖².
    pub style: f64,
    /// Total variation of the pixels.
    pub tv: f64,
    /// α·content + β·style + γ·tv.
    pub total: f64,
    /// ∂total/∂pixels, `[1, C, H, W]`.
    pub gradient: Tensor,
}

impl Slope for Losses {
    fn value(&self) -> f64 {
        self.total
    }
    fn gradient(&self) -> &Tensor {
        &self.gradient
    }
}

/// L(x) = α·content(x) + β·style(x) + γ·TV(x) for one photo and one or several paintings.
#[derive(Debug)]
pub struct Objective {
    model: Arc<Model>,
    content: Vec<(LayerName, f64, ContentLoss)>,
    style: Vec<(LayerName, f64, Style)>,
    /// Where the style counts `[1, 1, H, W]`, by layer.
    masks: BTreeMap<String, Tensor>,
    taps: Vec<LayerName>,
}

impl Objective {
    /// Looks once at the photo `[1, C, H, W]` and the paintings `[1, C, H', W']`, pixels in `[0, 1]`, each painting
    /// with its weight; the style of the result is taken where `mask` `[1, 1, H, W]` is not 0.
    ///
    /// # Errors
    /// If the model lacks a layer or a picture is too small for it.
    pub fn new(
        model: Arc<Model>,
        photo: &Tensor,
        paintings: &[(Tensor, f64)],
        recipe: &Recipe,
        mask: Option<&Tensor>,
    ) -> Result<Self> {
        let see = |pixels: &Tensor, layers: &[(LayerName, f64)]| {
            let layers: Vec<LayerName> = layers.iter().map(|(layer, _)| layer.clone()).collect();
            model.graph.infer(&model.input().input_from_pixels(pixels)?, &layers)
        };
        let seen = see(photo, &recipe.content)?;
        let content = recipe
            .content
            .iter()
            .map(|(layer, share)| Ok((layer.clone(), *share, ContentLoss::new(seen.map(layer)?.clone())?)))
            .collect::<Result<Vec<_>>>()?;
        let mut activations: Vec<Vec<(Tensor, f64)>> = recipe.style.iter().map(|_| vec![]).collect();
        for (painting, weight) in paintings {
            let seen = see(painting, &recipe.style)?;
            for ((layer, _), list) in recipe.style.iter().zip(&mut activations) {
                list.push((seen.get(layer)?, *weight));
            }
        }
        let style = recipe
            .style
            .iter()
            .zip(&activations)
            .map(|((layer, share), pictures)| Ok((layer.clone(), *share, Style::new(recipe.kind, pictures)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut masks = BTreeMap::new();
        if let Some(mask) = mask {
            let (_, _, h, w) = photo.dims4()?;
            for layer in model.graph.layers(h, w)? {
                if style.iter().any(|(l, ..)| *l == layer.name) {
                    let small = bilinear(mask, (layer.shape[1], layer.shape[2]), Corners::Centred)?;
                    masks.insert(layer.name.to_string(), small);
                }
            }
        }
        let mut taps: Vec<LayerName> = vec![];
        for layer in style.iter().map(|(l, ..)| l).chain(content.iter().map(|(l, ..)| l)) {
            if !taps.contains(layer) {
                taps.push(layer.clone());
            }
        }
        Ok(Self { model, content, style, masks, taps })
    }

    /// The losses at pixels `x` `[1, C, H, W]`, which has the photo's size.
    ///
    /// # Errors
    /// If `x` has another size than the photo.
    pub fn evaluate(&self, x: &Tensor, weights: &LossWeights) -> Result<Losses> {
        let preprocess = self.model.input();
        let activations = self.model.graph.forward(&preprocess.input_from_pixels(x)?, &self.taps)?;
        let mut seeds: Vec<(LayerName, Seed)> = Vec::with_capacity(self.taps.len());
        let mut style = 0.0;
        for (layer, share, target) in &self.style {
            let (seen, mask) = (activations.map(layer)?, self.masks.get(layer.as_str()));
            let (loss, seed) = target.loss(&self.model, seen, mask, weights.style * share)?;
            style += loss * share;
            seeds.push((layer.clone(), seed));
        }
        let mut content = 0.0;
        for (layer, share, target) in &self.content {
            let (loss, seed) = target.loss(activations.map(layer)?, weights.content * share)?;
            content += loss * share;
            seeds.push((layer.clone(), seed));
        }
        let input = [LayerName::INPUT.into()];
        let gradients = self.model.graph.backward_from(activations, seeds, &input, ReluRule::Standard)?;
        let (tv, smoothing) = total_variation(x)?;
        let gradient = (preprocess.gradient_at_pixels(gradients.input()?)? + (smoothing * weights.tv)?)?;
        let total = weights.content * content + weights.style * style + weights.tv * tv;
        Ok(Losses { content, style, tv, total, gradient })
    }
}
