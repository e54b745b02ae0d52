//! What an attack works on: a photo in pixels, the model, and who is to be fooled into what.

use super::super::classifier::{classify, seen_by, top_class};
use super::super::pixels::pixels_from_picture;
use super::findings::norms;
use crate::error::Result;
use crate::graph::{LayerName, class_seed};
use crate::imaging::Picture;
use crate::kernels::ReluRule;
use crate::model::Model;
use crate::techniques::api::Params;
use candle_core::Tensor;
use std::sync::Arc;

/// Times the threshold of rounding is halved to find the smallest 8-bit change that fools.
const BISECTIONS: usize = 6;

/// What an attack is to achieve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Goal {
    /// The class the photo shows.
    pub source: usize,
    /// The class it is to be mistaken for; any other one if there is none.
    pub target: Option<usize>,
}

impl Goal {
    /// Whether these logits are what was wanted.
    pub fn is_met(&self, logits: &[f32]) -> bool {
        let top = top_class(logits);
        self.target.map_or(top != self.source, |target| top == target)
    }

    /// The likeliest class other than `class`.
    pub fn rival(logits: &[f32], class: usize) -> usize {
        let others = logits.iter().enumerate().filter(|(i, _)| *i != class);
        others.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i)
    }

    /// The class that is to win and the one that is to lose.
    fn pair(&self, logits: &[f32]) -> (usize, usize) {
        match self.target {
            Some(target) => (target, Self::rival(logits, target)),
            None => (Self::rival(logits, self.source), self.source),
        }
    }
}

/// What an attack ascends; the larger, the more fooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Cross-entropy of the source class, or minus that of the target.
    CrossEntropy,
    /// The difference of the two logits that decide.
    Margin,
    /// The margin over the spread of the highest logits (Croce & Hein 2020, DLR).
    Dlr,
    /// The target's logit.
    Logit,
}

impl Loss {
    /// Its value at logits `z`, and its gradient there.
    pub fn at(self, z: &[f32], goal: &Goal) -> (f64, Vec<f32>) {
        let mut seed = vec![0f32; z.len()];
        let (winner, loser) = goal.pair(z);
        let value = |class: usize| f64::from(z[class]);
        match self {
            Self::Logit => {
                let class = goal.target.unwrap_or(winner);
                seed[class] = 1.0;
                (value(class), seed)
            }
            Self::Margin => {
                (seed[winner], seed[loser]) = (1.0, -1.0);
                (value(winner) - value(loser), seed)
            }
            Self::CrossEntropy => {
                let highest = z[top_class(z)];
                let total: f64 = z.iter().map(|v| f64::from(v - highest).exp()).sum();
                let (class, sign) = goal.target.map_or((goal.source, 1.0), |target| (target, -1.0));
                for (s, v) in seed.iter_mut().zip(z) {
                    *s = (sign * f64::from(v - highest).exp() / total) as f32;
                }
                seed[class] -= sign as f32;
                (sign * (total.ln() - f64::from(z[class] - highest)), seed)
            }
            Self::Dlr => {
                let mut order: Vec<usize> = (0..z.len()).collect();
                order.sort_by(|&a, &b| z[b].total_cmp(&z[a]));
                // Of a model with hardly any classes the last one stands in for those that are missing.
                let ranked = |rank: usize| order[rank.min(order.len() - 1)];
                let margin = match goal.target {
                    Some(target) => value(target) - value(goal.source),
                    None => value(winner) - value(goal.source),
                };
                let low = [ranked(2), if goal.target.is_some() { ranked(3) } else { ranked(2) }];
                let spread = value(order[0]) - f64::midpoint(value(low[0]), value(low[1])) + 1e-12;
                seed[goal.target.unwrap_or(winner)] += (1.0 / spread) as f32;
                seed[goal.source] -= (1.0 / spread) as f32;
                let pull = margin / spread.powi(2);
                seed[order[0]] -= pull as f32;
                for class in low {
                    seed[class] += (pull / 2.0) as f32;
                }
                (margin / spread, seed)
            }
        }
    }
}

/// What was seen of a picture.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    pub logits: Vec<f32>,
    /// The loss that was asked for.
    pub loss: f64,
    /// Its gradient at the pixels, `[1, 3, H, W]`.
    pub gradient: Tensor,
}

/// A photo under attack.
pub(super) struct Scene {
    pub model: Arc<Model>,
    /// The photo as the model sees it.
    pub picture: Picture,
    /// Its pixels `[1, 3, H, W]` in `[0, 1]`.
    pub original: Tensor,
    pub goal: Goal,
    pub seed: u64,
}

impl Scene {
    /// Looks at the photo once; `class` is what it shows, by default what the model takes it for.
    pub fn new(
        model: Arc<Model>,
        photo: &Picture,
        class: Option<usize>,
        target: Option<usize>,
        seed: u64,
    ) -> Result<Self> {
        let (picture, input) = seen_by(&model, photo)?;
        let source = match class {
            Some(class) => class,
            None => top_class(&model.graph.logits(&input)?.flatten_all()?.to_vec1::<f32>()?),
        };
        let original = pixels_from_picture(&picture, model.device())?;
        Ok(Self { model, picture, original, goal: Goal { source, target }, seed })
    }

    /// The logits of pixels `[1, 3, H, W]`.
    pub fn logits(&self, x: &Tensor) -> Result<Vec<f32>> {
        let input = self.model.input().input_from_pixels(x)?;
        Ok(self.model.graph.logits(&input)?.flatten_all()?.to_vec1::<f32>()?)
    }

    /// The logits of pixels `[1, 3, H, W]` and the gradient of a loss there.
    pub fn look(&self, x: &Tensor, loss: Loss) -> Result<Sight> {
        self.look_for(x, loss, &self.goal)
    }

    /// The same for another goal.
    pub fn look_for(&self, x: &Tensor, loss: Loss, goal: &Goal) -> Result<Sight> {
        let output: LayerName = LayerName::LOGITS.into();
        let preprocess = self.model.input();
        let activations =
            self.model.graph.forward(&preprocess.input_from_pixels(x)?, std::slice::from_ref(&output))?;
        let logits = activations.logits()?.flatten_all()?.to_vec1::<f32>()?;
        let (value, seed) = loss.at(&logits, goal);
        let seed = Tensor::from_vec(seed, (1, logits.len(), 1, 1), x.device())?;
        let input = [LayerName::INPUT.into()];
        let gradients = self.model.graph.backward(&activations, &[(output, seed)], &input, ReluRule::Standard)?;
        Ok(Sight { logits, loss: value, gradient: preprocess.gradient_at_pixels(gradients.input()?)? })
    }

    /// The gradients of several logits at pixels `[1, 3, H, W]`.
    pub fn gradients_of(&self, x: &Tensor, classes: &[usize]) -> Result<Vec<Tensor>> {
        let output: LayerName = LayerName::LOGITS.into();
        let preprocess = self.model.input();
        let activations =
            self.model.graph.forward(&preprocess.input_from_pixels(x)?, std::slice::from_ref(&output))?;
        let count = activations.logits()?.elem_count();
        let input = [LayerName::INPUT.into()];
        let of = |&class: &usize| {
            let seed = class_seed(1, count, class, x.device())?;
            let seeds = [(output.clone(), seed)];
            let gradients = self.model.graph.backward(&activations, &seeds, &input, ReluRule::Standard)?;
            preprocess.gradient_at_pixels(gradients.input()?)
        };
        classes.iter().map(of).collect()
    }

    /// Whether an 8-bit picture does what was wanted.
    pub fn is_fooled_by(&self, picture: &Picture) -> Result<bool> {
        Ok(self.goal.is_met(&classify(&self.model, picture)?))
    }

    /// The 8-bit picture to be saved for pixels `x`, and whether it fools. Where plain rounding loses what the pixels
    /// had achieved, changes are rounded up from a lower threshold than a half: the highest that fools.
    pub fn saved(&self, x: &Tensor, limit: Limit) -> Result<(Picture, bool)> {
        let plain = self.plain(x, limit)?;
        if self.is_fooled_by(&plain)? {
            return Ok((plain, true));
        }
        if !self.goal.is_met(&self.logits(&x.clamp(0f32, 1f32)?)?) {
            return Ok((plain, false));
        }
        let mut found = None;
        let (mut low, mut high) = (0.0, 0.5);
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            let picture = self.rounded(x, middle, limit)?;
            if limit.holds(&self.picture, &picture) && self.is_fooled_by(&picture)? {
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
        if limit.holds(&self.picture, &picture) {
            return Ok(picture);
        }
        let (mut low, mut high) = (0.5, 1.0);
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            if limit.holds(&self.picture, &self.rounded(x, middle, limit)?) {
                high = middle;
            } else {
                low = middle;
            }
        }
        self.rounded(x, high, limit)
    }

    /// Pixels as bytes: a change of the photo's byte is rounded up where its fraction is `threshold` or more.
    fn rounded(&self, x: &Tensor, threshold: f64, limit: Limit) -> Result<Picture> {
        let most = if let Limit::Linf(epsilon) = limit { (epsilon * 255.0 + 1e-3).floor() } else { 255.0 };
        let (_, _, h, w) = x.dims4()?;
        let planes = x.flatten_all()?.to_vec1::<f32>()?;
        let byte = |value: f32, from: u8| {
            let change = f64::from(value).clamp(0.0, 1.0) * 255.0 - f64::from(from);
            // A change smaller than what arithmetic leaves over is none.
            let size = (change.abs() + 1.0 - threshold - 1e-4).floor().clamp(0.0, most);
            (f64::from(from) + size.copysign(change)).clamp(0.0, 255.0) as u8
        };
        let pixels = (0..h * w).flat_map(|p| [0, 1, 2].map(|c| (c * h * w + p, 3 * p + c)));
        let rgb = pixels.map(|(plane, at)| byte(planes[plane], self.picture.rgb[at])).collect();
        Ok(Picture::new(w as u32, h as u32, rgb))
    }
}

/// The norm a budget is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Norm {
    Linf,
    L2,
}

impl Norm {
    pub fn of(params: &Params) -> Self {
        if params.choice("norm") == "l2" { Self::L2 } else { Self::Linf }
    }

    /// The steepest direction of unit size against this norm.
    pub fn direction(self, gradient: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linf => Ok(gradient.sign()?),
            Self::L2 => crate::optim::unit(gradient),
        }
    }

    /// `x` brought back to within ε of the original, and to valid pixels.
    pub fn project(self, x: &Tensor, original: &Tensor, epsilon: f64) -> Result<Tensor> {
        let change = (x - original)?;
        let change = match self {
            Self::Linf => change.clamp(-epsilon as f32, epsilon as f32)?,
            Self::L2 => {
                let length = length(&change)?;
                if length > epsilon { (change * (epsilon / length))? } else { change }
            }
        };
        Ok((original + change)?.clamp(0f32, 1f32)?)
    }

    /// The budget ε as 8-bit pictures have to keep it.
    pub fn limit(self, epsilon: f64) -> Limit {
        match self {
            Self::Linf => Limit::Linf(epsilon),
            Self::L2 => Limit::L2(epsilon),
        }
    }
}

/// How far a saved picture may be from the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Limit {
    None,
    Linf(f64),
    L2(f64),
}

impl Limit {
    /// Whether a picture keeps to it. Of the largest change, rounding takes care itself.
    fn holds(self, from: &Picture, to: &Picture) -> bool {
        match self {
            Self::L2(epsilon) => norms(from, to).l2 <= epsilon + 1e-6,
            Self::None | Self::Linf(_) => true,
        }
    }
}

/// ‖x‖₂.
pub(super) fn length(x: &Tensor) -> Result<f64> {
    Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_have_the_gradients_of_their_values() {
        let z = [0.3f32, 2.0, -1.0, 1.2, 0.9, 1.9];
        for loss in [Loss::CrossEntropy, Loss::Margin, Loss::Dlr] {
            for target in [None, Some(3), Some(0)] {
                let goal = Goal { source: 1, target };
                let (_, gradient) = loss.at(&z, &goal);
                for i in 0..z.len() {
                    let at = |d: f32| {
                        let mut z = z;
                        z[i] += d;
                        loss.at(&z, &goal).0
                    };
                    let measured = (at(1e-2) - at(-1e-2)) / 2e-2;
                    assert!((f64::from(gradient[i]) - measured).abs() < 2e-3, "{loss:?} {target:?} {i}");
                }
            }
        }
    }

    #[test]
    fn losses_grow_with_success() {
        let goal = Goal { source: 0, target: Some(2) };
        for loss in [Loss::CrossEntropy, Loss::Margin, Loss::Dlr, Loss::Logit] {
            let (before, _) = loss.at(&[3.0, 1.0, 0.0, 0.5], &goal);
            let (after, _) = loss.at(&[1.0, 1.0, 3.0, 0.5], &goal);
            assert!(after > before, "{loss:?}");
        }
        assert!(goal.is_met(&[1.0, 0.0, 2.0]) && !goal.is_met(&[1.0, 2.0, 0.0]));
        assert!(Goal { source: 0, target: None }.is_met(&[1.0, 2.0, 0.0]));
    }
}
