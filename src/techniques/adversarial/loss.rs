//! What attacks ascend, as functions of the logits.

use super::criterion::Criterion;
use crate::model::{Output, Scores};

/// What an attack ascends; the larger, the more fooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// −ln p of what the photo is taken for, or ln p of the target: cross-entropy of a softmax, binary cross-entropy of
    /// sigmoids. Of plain numbers, which have no p, the margin.
    CrossEntropy,
    /// The difference of the two logits that decide; of independent classes how far the logit is over the border at 0.
    Margin,
    /// The margin over the spread of the highest logits (Croce & Hein 2020, DLR). Of less than three classes, and of
    /// independent ones, the margin alone.
    Dlr,
    /// The target's logit.
    Logit,
}

impl Loss {
    /// Its value at logits `z`, and its gradient there.
    pub fn at(self, output: &Output, z: &[f32], criterion: &Criterion) -> (f64, Vec<f32>) {
        let alone = criterion.alone(output);
        match self {
            Self::Logit => {
                let class = alone.map_or(criterion.pair(z).0, |(class, _)| class);
                (f64::from(z[class]), one(z, class, 1.0))
            }
            Self::CrossEntropy if output.has_probabilities() => cross_entropy(output, z, criterion),
            Self::Dlr if alone.is_none() && z.len() > 2 => dlr(z, criterion),
            Self::CrossEntropy | Self::Dlr | Self::Margin => match alone {
                Some((class, direction)) => (f64::from(direction * z[class]), one(z, class, direction)),
                None => {
                    let (winner, loser) = criterion.pair(z);
                    let mut seed = one(z, winner, 1.0);
                    seed[loser] = -1.0;
                    (f64::from(z[winner]) - f64::from(z[loser]), seed)
                }
            },
        }
    }
}

/// `value` at one class, zeros elsewhere.
fn one(z: &[f32], class: usize, value: f32) -> Vec<f32> {
    let mut seed = vec![0f32; z.len()];
    seed[class] = value;
    seed
}

fn cross_entropy(output: &Output, z: &[f32], criterion: &Criterion) -> (f64, Vec<f32>) {
    let (class, sign) = criterion.target.map_or((criterion.source, 1.0), |target| (target, -1.0));
    if output.scores == Scores::Softmax {
        let mut seed: Vec<f32> = output.probabilities(z).into_iter().map(|p| sign * p).collect();
        seed[class] -= sign;
        return (f64::from(sign) * -output.log_probability(z, class), seed);
    }
    // One sigmoid decides. Towards a target ln σ(z) is to rise; away from what is shown −ln σ(z), and away from what is
    // not shown −ln σ(−z).
    let direction = criterion.alone(output).map_or(-sign, |(_, direction)| direction);
    let towards = criterion.target.is_some();
    let logit = [if towards { z[class] } else { -direction * z[class] }];
    let p = output.probability(&logit, 0);
    let (value, slope) = (output.log_probability(&logit, 0), 1.0 - p);
    if towards { (value, one(z, class, slope)) } else { (-value, one(z, class, direction * slope)) }
}

fn dlr(z: &[f32], criterion: &Criterion) -> (f64, Vec<f32>) {
    let value = |class: usize| f64::from(z[class]);
    let mut order: Vec<usize> = (0..z.len()).collect();
    order.sort_by(|&a, &b| z[b].total_cmp(&z[a]));
    // Of three classes the last one stands in for the fourth.
    let ranked = |rank: usize| order[rank.min(order.len() - 1)];
    let source = criterion.source;
    let (winner, fourth) = match criterion.target {
        Some(target) => (target, ranked(3)),
        None => (criterion.pair(z).0, ranked(2)),
    };
    let margin = value(winner) - value(source);
    let low = [ranked(2), fourth];
    let spread = value(order[0]) - f64::midpoint(value(low[0]), value(low[1])) + 1e-12;
    let mut seed = vec![0f32; z.len()];
    seed[winner] += (1.0 / spread) as f32;
    seed[source] -= (1.0 / spread) as f32;
    let pull = margin / spread.powi(2);
    seed[order[0]] -= pull as f32;
    for class in low {
        seed[class] += (pull / 2.0) as f32;
    }
    (margin / spread, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    const ALL: [Loss; 4] = [Loss::CrossEntropy, Loss::Margin, Loss::Dlr, Loss::Logit];

    fn output(scores: Scores, classes: usize) -> Output {
        Output { scores, labels: Labels::indices(classes) }
    }

    #[test]
    fn losses_have_the_gradients_of_their_values() {
        let many = [0.3f32, 2.0, -1.0, 1.2, 0.9, 1.9];
        let cases: [(Scores, &[f32]); 6] = [
            (Scores::Softmax, &many),
            (Scores::Softmax, &many[..3]),
            (Scores::Softmax, &many[..2]),
            (Scores::Sigmoid, &many),
            (Scores::Plain, &many),
            (Scores::Binary, &[-0.7, 0.7]),
        ];
        for (scores, z) in cases {
            let output = output(scores, z.len());
            let targets = [None, Some(0), (z.len() > 3).then_some(3)];
            for (loss, target) in ALL.into_iter().flat_map(|loss| targets.map(|target| (loss, target))) {
                for source in [1, z.len() - 1] {
                    let criterion = Criterion::new(&output, z, source, target);
                    let (_, gradient) = loss.at(&output, z, &criterion);
                    for i in 0..z.len() {
                        let at = |d: f32| {
                            let mut z = z.to_vec();
                            z[i] += d;
                            loss.at(&output, &z, &criterion).0
                        };
                        let measured = (at(1e-2) - at(-1e-2)) / 2e-2;
                        let found = f64::from(gradient[i]);
                        assert!((found - measured).abs() < 2e-3, "{scores:?} {loss:?} {criterion:?} {i}: {found}");
                    }
                }
            }
        }
    }

    #[test]
    fn losses_grow_with_success() {
        for scores in [Scores::Softmax, Scores::Sigmoid, Scores::Plain] {
            let output = output(scores, 4);
            let (before, after) = ([3.0, 1.0, -0.1, 0.5], [-1.0, 1.0, 3.0, 0.5]);
            for target in [None, Some(2)] {
                let criterion = Criterion::new(&output, &before, 0, target);
                for loss in ALL.into_iter().filter(|loss| target.is_some() || *loss != Loss::Logit) {
                    let grown = loss.at(&output, &after, &criterion).0 - loss.at(&output, &before, &criterion).0;
                    assert!(grown > 0.0, "{scores:?} {loss:?} {target:?}: {grown}");
                }
                assert!(criterion.is_met(&output, &after) && !criterion.is_met(&output, &before));
            }
        }
    }

    #[test]
    fn a_class_that_is_not_there_is_to_appear() {
        let output = output(Scores::Sigmoid, 2);
        let criterion = Criterion::new(&output, &[-2.0, -3.0], 0, None);
        for loss in [Loss::CrossEntropy, Loss::Margin] {
            let (value, gradient) = loss.at(&output, &[-2.0, -3.0], &criterion);
            assert!(gradient[0] > 0.0 && gradient[1].abs() < 1e-9, "{loss:?}");
            assert!(loss.at(&output, &[1.0, -3.0], &criterion).0 > value, "{loss:?}");
        }
        // −ln(1 − σ(−2)), the binary cross-entropy of "not there".
        let (value, _) = Loss::CrossEntropy.at(&output, &[-2.0, -3.0], &criterion);
        assert!((value - 0.126_928).abs() < 1e-6, "{value}");
    }
}
