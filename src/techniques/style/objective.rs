//! What style transfer minimises, as a function of the pixels.

use super::losses::{Content, Style};
use crate::error::Result;
use crate::kernels::ReluRule;
use crate::nets::{LayerName, Network};
use crate::optim::total_variation;
use candle_core::Tensor;
use std::sync::Arc;

/// Where the photo's content is compared.
pub const CONTENT_LAYER: &str = "relu3_2";
/// Where the painting's style is compared.
pub const STYLE_LAYERS: [&str; 4] = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"];

/// α, β and γ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// α, of the content loss.
    pub content: f64,
    /// β, of the mean style loss.
    pub style: f64,
    /// γ, of the total variation.
    pub tv: f64,
}

/// The losses at a picture, unweighted, and the gradient of their weighted sum.
#[derive(Debug)]
pub struct Losses {
    /// mean((F − P)²) / mean(P²).
    pub content: f64,
    /// The mean over layers of ‖G − A‖² / ‖A‖².
    pub style: f64,
    /// Total variation of the pixels.
    pub tv: f64,
    /// α·content + β·style + γ·tv.
    pub total: f64,
    /// ∂total/∂pixels, `[1, 3, H, W]`.
    pub gradient: Tensor,
}

/// L(x) = α·content(x) + β·style(x) + γ·TV(x) for one photo and one painting.
#[derive(Debug)]
pub struct Objective {
    network: Arc<Network>,
    /// The style layers, then the content layer.
    layers: Vec<LayerName>,
    content: Content,
    styles: Vec<Style>,
}

impl Objective {
    /// Looks once at the photo `[1, 3, H, W]` and the painting `[1, 3, H', W']`, pixels in `[0, 1]`.
    ///
    /// # Errors
    /// If the network lacks a layer or a picture is too small for it.
    pub fn new(network: Arc<Network>, photo: &Tensor, painting: &Tensor) -> Result<Self> {
        let layers: Vec<LayerName> = STYLE_LAYERS.iter().chain([&CONTENT_LAYER]).map(|&l| l.into()).collect();
        let (style_layers, content_layer) = layers.split_at(STYLE_LAYERS.len());
        let see = |pixels: &Tensor, layers: &[LayerName]| {
            network.infer(&network.preprocess().input_from_pixels(pixels)?, layers)
        };
        let content = Content::new(see(photo, content_layer)?.get(&content_layer[0])?)?;
        let seen = see(painting, style_layers)?;
        let styles = style_layers.iter().map(|l| Style::new(&seen.get(l)?)).collect::<Result<_>>()?;
        Ok(Self { network, layers, content, styles })
    }

    /// The losses at pixels `x` `[1, 3, H, W]`, which has the photo's size.
    ///
    /// # Errors
    /// If `x` has another size than the photo.
    pub fn evaluate(&self, x: &Tensor, weights: &Weights) -> Result<Losses> {
        let preprocess = self.network.preprocess();
        let activations = self.network.forward(&preprocess.input_from_pixels(x)?, &self.layers)?;
        let (style_layers, content_layer) = self.layers.split_at(self.styles.len());
        let mut seeds = Vec::with_capacity(self.layers.len());
        let mut style = 0.0;
        let share = 1.0 / self.styles.len() as f64;
        for (layer, target) in style_layers.iter().zip(&self.styles) {
            let (loss, gradient) = target.loss(&activations.get(layer)?)?;
            style += loss * share;
            seeds.push((layer.clone(), (gradient * (weights.style * share))?));
        }
        let (content, gradient) = self.content.loss(&activations.get(&content_layer[0])?)?;
        seeds.push((content_layer[0].clone(), (gradient * weights.content)?));
        let input = [LayerName::INPUT.into()];
        let gradients = self.network.backward(&activations, &seeds, &input, ReluRule::Standard)?;
        let (tv, smoothing) = total_variation(x)?;
        let gradient = (preprocess.gradient_at_pixels(gradients.input()?)? + (smoothing * weights.tv)?)?;
        let total = weights.content * content + weights.style * style + weights.tv * tv;
        Ok(Losses { content, style, tv, total, gradient })
    }
}
