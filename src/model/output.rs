//! What a network's scores mean.

use super::labels::Labels;
use serde::{Deserialize, Serialize};

/// How logits become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scores {
    /// One of n ≥ 2 classes: a softmax over the logits.
    Softmax,
    /// Any number of n classes at once: a sigmoid of each logit.
    Sigmoid,
    /// Yes or no: the network has one logit z. It is presented as two classes with the logits −z and z, so that either
    /// can be explained (pytorch-grad-cam's `BinaryClassifierOutputTarget`), and the probabilities σ(−z) and σ(z).
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

    /// How many classes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// The probability of each class, in `[0, 1]`; the logits themselves where they are plain numbers.
    #[must_use]
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        match self.scores {
            Scores::Softmax => {
                let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let total: f64 = logits.iter().map(|z| f64::from(z - highest).exp()).sum();
                logits.iter().map(|z| (f64::from(z - highest).exp() / total) as f32).collect()
            }
            Scores::Sigmoid | Scores::Binary => logits.iter().map(|z| sigmoid(*z)).collect(),
            Scores::Plain => logits.to_vec(),
        }
    }

    /// The probability of one class.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn probability(&self, logits: &[f32], class: usize) -> f32 {
        match self.scores {
            Scores::Softmax => self.probabilities(logits)[class],
            Scores::Sigmoid | Scores::Binary => sigmoid(logits[class]),
            Scores::Plain => logits[class],
        }
    }

    /// The `count` likeliest classes, likeliest first.
    #[must_use]
    pub fn top(&self, logits: &[f32], count: usize) -> Vec<Prediction> {
        let probabilities = self.probabilities(logits);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
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

fn sigmoid(z: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(z)).exp())) as f32
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
        let binary = Output { scores: Scores::Binary, ..output };
        assert!((binary.probabilities(&[-2.0, 2.0]).iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
