//! What a network's scores mean.

use super::labels::Labels;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How logits become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scores {
    /// One of n ≥ 2 classes: a softmax over the logits.
    Softmax,
    /// Any number of n classes at once: a sigmoid of each logit.
    Sigmoid,
    /// Yes or no: the network has one logit z. It is presented as two classes, yes and no, with the logits z and −z, so that
    /// either can be explained (as pytorch-grad-cam's `BinaryClassifierOutputTarget` does), and the probabilities σ(z)
    /// and σ(−z).
    Binary,
    /// Plain numbers without probabilities.
    Plain,
}

/// A model's scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// How logits become probabilities.
    pub scores: Scores,
    /// A name for each class.
    pub labels: Labels,
}

/// A class with its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The class's index.
    pub index: usize,
    /// The class's label.
    pub label: String,
    /// Its probability in `[0, 1]`; its score where the scores are plain numbers.
    pub probability: f32,
    /// Its logit.
    pub logit: f32,
}

impl Output {
    /// ImageNet-1k's classes under a softmax.
    #[must_use]
    pub fn imagenet() -> Self {
        Self { scores: Scores::Softmax, labels: Labels::imagenet() }
    }

    /// Refuses a network with another number of logits than there are classes.
    ///
    /// # Errors
    /// [`Error::BadValue`] that says how many it has.
    pub fn check(&self, logits: usize) -> Result<()> {
        let classes = self.count();
        if logits == classes && (self.scores != Scores::Binary || classes == 2) {
            return Ok(());
        }
        Err(Error::bad_value("labels", format!("{classes} names"), format!("the network has {logits} scores")))
    }

    /// How many classes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// Whether each class is there or not by itself, so that a picture may show several, or none.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        self.scores == Scores::Sigmoid
    }

    /// Whether scores are, or can become, probabilities.
    #[must_use]
    pub fn has_probabilities(&self) -> bool {
        self.scores != Scores::Plain
    }

    /// Whether a picture with these logits is taken for one of `class`: the class with the largest logit; where classes
    /// are independent, each one whose probability is above ½.
    #[must_use]
    pub fn shows(&self, logits: &[f32], class: usize) -> bool {
        if self.is_independent() { logits[class] > 0.0 } else { top_class(logits) == class }
    }

    /// The probability of each class, in `[0, 1]`; the logits themselves where they are plain numbers.
    #[must_use]
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        match self.scores {
            Scores::Softmax => softmax(logits),
            Scores::Sigmoid | Scores::Binary => logits.iter().map(|z| sigmoid(*z)).collect(),
            Scores::Plain => logits.to_vec(),
        }
    }

    /// The probability of one class, in single precision all the way: a point of a curve. Of the scores that are plain
    /// numbers, the logit.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn probability(&self, logits: &[f32], class: usize) -> f32 {
        match self.scores {
            Scores::Softmax => {
                let highest = highest(logits);
                (logits[class] - highest).exp() / logits.iter().map(|z| (z - highest).exp()).sum::<f32>()
            }
            Scores::Sigmoid | Scores::Binary => sigmoid(logits[class]),
            Scores::Plain => logits[class],
        }
    }

    /// ln p of one class; of the scores that are plain numbers, the logit.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn log_probability(&self, logits: &[f32], class: usize) -> f64 {
        match self.scores {
            Scores::Softmax => {
                let highest = highest(logits);
                f64::from(logits[class] - highest) - total(logits, highest).ln()
            }
            Scores::Sigmoid | Scores::Binary => log_sigmoid(f64::from(logits[class])),
            Scores::Plain => f64::from(logits[class]),
        }
    }

    /// The class that is explained unless another one is asked for: the top one; of a yes or no, the yes.
    #[must_use]
    pub fn explained(&self, logits: &[f32]) -> usize {
        if self.scores == Scores::Binary { 0 } else { top_class(logits) }
    }

    /// The `count` likeliest classes, likeliest first; of a yes or no, the yes first.
    #[must_use]
    pub fn top(&self, logits: &[f32], count: usize) -> Vec<Prediction> {
        let probabilities = self.probabilities(logits);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        if self.scores != Scores::Binary {
            order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        }
        let prediction = |index: usize| Prediction {
            index,
            label: self.labels.label(index),
            probability: probabilities[index],
            logit: logits[index],
        };
        order.into_iter().take(count).map(prediction).collect()
    }
}

/// The class with the largest logit.
#[must_use]
pub fn top_class(logits: &[f32]) -> usize {
    logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i)
}

/// eᶻ of each value over the sum of all.
#[must_use]
pub fn softmax(values: &[f32]) -> Vec<f32> {
    let highest = highest(values);
    let total = total(values, highest);
    values.iter().map(|z| (f64::from(z - highest).exp() / total) as f32).collect()
}

fn highest(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

fn total(values: &[f32], highest: f32) -> f64 {
    values.iter().map(|z| f64::from(z - highest).exp()).sum()
}

fn sigmoid(z: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(z)).exp())) as f32
}

/// ln σ(z), without an overflow on either side.
fn log_sigmoid(z: f64) -> f64 {
    z.min(0.0) - (-z.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_a_softmax_in_order() {
        let output = Output { scores: Scores::Softmax, labels: Labels::indices(3) };
        let top = output.top(&[0.0, 3.0, 1.0], 2);
        assert_eq!(top.iter().map(|p| p.index).collect::<Vec<_>>(), [1, 2]);
        assert!((top[0].probability - 0.84379).abs() < 1e-4);
    }

    #[test]
    fn sigmoids_are_each_their_own() {
        let output = Output { scores: Scores::Sigmoid, labels: Labels::indices(2) };
        let p = output.probabilities(&[0.0, 2.0]);
        assert!((p[0] - 0.5).abs() < 1e-6 && (p[1] - 0.880_797).abs() < 1e-6);
        assert!(output.shows(&[1.0, 2.0], 0) && output.shows(&[1.0, 2.0], 1) && !output.shows(&[-1.0, -2.0], 0));
        let binary = Output { scores: Scores::Binary, ..output };
        assert!((binary.probabilities(&[-2.0, 2.0]).iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(binary.shows(&[-2.0, 2.0], 1) && !binary.shows(&[-2.0, 2.0], 0));
    }

    #[test]
    fn one_class_and_all_of_them_agree() {
        let z = [0.3, 80.0, -60.0, 79.0];
        for scores in [Scores::Softmax, Scores::Sigmoid, Scores::Binary, Scores::Plain] {
            let output = Output { scores, labels: Labels::indices(4) };
            for (class, p) in output.probabilities(&z).into_iter().enumerate() {
                assert!((output.probability(&z, class) - p).abs() < 1e-6, "{scores:?} {class}");
                let log = output.log_probability(&z, class);
                let from_log = if scores == Scores::Plain { log } else { log.exp() };
                assert!((from_log - f64::from(p)).abs() < 1e-6 && log.is_finite(), "{scores:?} {class}: {log}");
            }
        }
    }

    #[test]
    fn labels_have_to_fit_the_network() {
        let output = |scores, count| Output { scores, labels: Labels::indices(count) };
        assert!(output(Scores::Softmax, 3).check(3).is_ok() && output(Scores::Binary, 2).check(2).is_ok());
        assert!(output(Scores::Softmax, 3).check(4).is_err() && output(Scores::Binary, 3).check(3).is_err());
    }
}
