//! What an attack works on: a photo in pixels, the model, and when it is fooled.

use super::super::classifier::{classify, finite, logits_and_gradient, logits_of, seen_by};
use super::super::optimisation::Seen;
use super::criterion::Criterion;
use super::loss::Loss;
use super::norm::Limit;
use crate::error::{Error, Result};
use crate::graph::{LayerName, class_seed};
use crate::imaging::Picture;
use crate::kernels::ReluRule;
use crate::model::{Model, Output, top_class};
use crate::techniques::api::State;
use candle_core::Tensor;
use std::sync::Arc;

/// Times the threshold of rounding is halved to find the smallest 8-bit change that fools.
const BISECTIONS: usize = 6;

/// A loss at some pixels.
#[derive(Debug, Clone)]
pub(super) struct LossAt {
    pub logits: Vec<f32>,
    pub value: f64,
    /// Its gradient at the pixels, `[1, C, H, W]`.
    pub gradient: Tensor,
}

impl Seen for LossAt {
    fn save(&self, state: State) -> State {
        let state = state.with("gradient", &self.gradient).with_value("logits", &self.logits);
        state.with_value("loss", self.value)
    }

    fn load(state: &State) -> Result<Option<Self>> {
        let Some(gradient) = state.tensors.get("gradient").cloned() else { return Ok(None) };
        Ok(Some(Self { logits: state.value("logits")?, value: state.value("loss")?, gradient }))
    }
}

/// A photo under attack.
pub(super) struct Example {
    pub model: Arc<Model>,
    /// What the model's scores mean.
    pub output: Output,
    /// The photo as the model sees it.
    pub picture: Picture,
    /// Its pixels `[1, C, H, W]` in `[0, 1]`.
    pub original: Tensor,
    /// Its logits.
    pub logits: Vec<f32>,
    pub criterion: Criterion,
    pub seed: u64,
}

impl Example {
    /// Looks at the photo once; `class` is what it shows, by default what the model takes it for.
    pub fn new(
        model: Arc<Model>,
        photo: &Picture,
        class: Option<usize>,
        target: Option<usize>,
        seed: u64,
    ) -> Result<Self> {
        let output = model.info.classes()?.clone();
        let (picture, input) = seen_by(&model, photo)?;
        let logits = finite(&model, logits_of(&model, &input)?)?;
        let source = output.labels.check(class.unwrap_or_else(|| top_class(&logits)))?;
        let original = model.input().pixels_from_picture(&picture, model.device())?;
        let criterion = Criterion::new(&output, &logits, source, target);
        Ok(Self { model, output, picture, original, logits, criterion, seed })
    }

    /// Refuses a target that does not exist or that the photo shows already, in the name of what asked for it.
    pub fn check_target(&self, name: &str, target: Option<usize>) -> Result<()> {
        let Some(target) = target.map(|target| self.output.labels.check(target)).transpose()? else { return Ok(()) };
        let shown = self.output.is_independent() && self.output.shows(&self.logits, target);
        if !shown && target != self.criterion.source {
            return Ok(());
        }
        let reason = "that is what the photo shows already; choose another class";
        Err(Error::bad_value(name, self.output.labels.label(target), reason))
    }

    /// Channels of its pixels.
    pub fn channels(&self) -> usize {
        self.model.input().pixel_channels()
    }

    /// Whether logits are what was wanted.
    pub fn is_met(&self, logits: &[f32]) -> bool {
        self.criterion.is_met(&self.output, logits)
    }

    /// The logits of pixels `[1, C, H, W]`.
    pub fn logits_of(&self, x: &Tensor) -> Result<Vec<f32>> {
        logits_of(&self.model, &self.model.input().input_from_pixels(x)?)
    }

    /// A loss against the example's own criterion at pixels `[1, C, H, W]`.
    pub fn loss_at(&self, x: &Tensor, loss: Loss) -> Result<LossAt> {
        self.loss_for(x, loss, &self.criterion)
    }

    /// The same against another criterion.
    pub fn loss_for(&self, x: &Tensor, loss: Loss, criterion: &Criterion) -> Result<LossAt> {
        let input = self.model.input();
        let mut value = 0.0;
        let (mut logits, gradient) = logits_and_gradient(&self.model, &input.input_from_pixels(x)?, |logits| {
            let (loss, seed) = loss.at(&self.output, &logits[0], criterion);
            value = loss;
            seed
        })?;
        Ok(LossAt { logits: logits.remove(0), value, gradient: input.gradient_at_pixels(&gradient)? })
    }

    /// The gradients of several logits at pixels `[1, C, H, W]`.
    pub fn gradients_of(&self, x: &Tensor, classes: &[usize]) -> Result<Vec<Tensor>> {
        let output: LayerName = LayerName::LOGITS.into();
        let input = self.model.input();
        let activations = self.model.graph.forward(&input.input_from_pixels(x)?, std::slice::from_ref(&output))?;
        let wanted = [LayerName::INPUT.into()];
        let of = |&class: &usize| {
            let seeds = [(output.clone(), class_seed(1, self.logits.len(), class, x.device())?)];
            let gradients = self.model.graph.backward(&activations, &seeds, &wanted, ReluRule::Standard)?;
            input.gradient_at_pixels(gradients.input()?)
        };
        classes.iter().map(of).collect()
    }

    /// Whether an 8-bit picture does what was wanted.
    pub fn is_fooled_by(&self, picture: &Picture) -> Result<bool> {
        Ok(self.is_met(&classify(&self.model, picture)?))
    }

    /// The 8-bit picture to be saved for pixels `x`, and whether it fools. Where plain rounding loses what the pixels
    /// had achieved, changes are rounded up from a lower threshold than a half: the highest that fools.
    pub fn saved(&self, x: &Tensor, limit: Limit) -> Result<(Picture, bool)> {
        let plain = self.plain(x, limit)?;
        if self.is_fooled_by(&plain)? {
            return Ok((plain, true));
        }
        if !self.is_met(&self.logits_of(&x.clamp(0f32, 1f32)?)?) {
            return Ok((plain, false));
        }
        let mut found = None;
        let (mut low, mut high) = (0.0, 0.5);
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            let picture = self.rounded(x, middle, limit)?;
            if self.keeps(limit, &picture) && self.is_fooled_by(&picture)? {
                (low, found) = (middle, Some(picture));
            } else {
                high = middle;
            }
        }
        Ok(found.map_or((plain, false), |picture| (picture, true)))
    }

    /// Pixels as an 8-bit picture, rounded to the nearest byte; where that leaves the budget, fewer changes are
    /// rounded up.
    pub fn plain(&self, x: &Tensor, limit: Limit) -> Result<Picture> {
        let picture = self.rounded(x, 0.5, limit)?;
        if self.keeps(limit, &picture) {
            return Ok(picture);
        }
        let (mut low, mut high) = (0.5, 1.0);
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            if self.keeps(limit, &self.rounded(x, middle, limit)?) {
                high = middle;
            } else {
                low = middle;
            }
        }
        self.rounded(x, high, limit)
    }

    fn keeps(&self, limit: Limit, picture: &Picture) -> bool {
        limit.holds(&self.picture, picture, self.channels())
    }

    /// Pixels as bytes: a change of the photo's byte is rounded up where its fraction is `threshold` or more.
    fn rounded(&self, x: &Tensor, threshold: f64, limit: Limit) -> Result<Picture> {
        let most = if let Limit::Linf(epsilon) = limit { (epsilon * 255.0 + 1e-3).floor() } else { 255.0 };
        let (_, channels, h, w) = x.dims4()?;
        let planes = x.flatten_all()?.to_vec1::<f32>()?;
        let byte = |value: f32, from: u8| {
            let change = f64::from(value).clamp(0.0, 1.0) * 255.0 - f64::from(from);
            // A change smaller than what arithmetic leaves over is none.
            let size = (change.abs() + 1.0 - threshold - 1e-4).floor().clamp(0.0, most);
            (f64::from(from) + size.copysign(change)).clamp(0.0, 255.0) as u8
        };
        let plane = |c: usize| c.min(channels - 1) * h * w;
        let pixels = (0..h * w).flat_map(|p| [0, 1, 2].map(|c| (plane(c) + p, 3 * p + c)));
        let rgb = pixels.map(|(value, at)| byte(planes[value], self.picture.rgb[at])).collect();
        Ok(Picture::new(w as u32, h as u32, rgb))
    }
}
