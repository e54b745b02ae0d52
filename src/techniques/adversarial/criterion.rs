//! When an attack has succeeded.

use crate::model::Output;

/// What an attack is to achieve: that the photo is mistaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Criterion {
    /// The class the photo shows, or is to show, if classes are independent and it does not yet.
    pub source: usize,
    /// The class it is to be mistaken for; if there is none, any other one, or none at all of independent classes.
    pub target: Option<usize>,
    /// Whether the photo is taken for the source; only of independent classes may it not be.
    pub shown: bool,
}

impl Criterion {
    /// For a photo that shows `source` and has these logits.
    pub fn new(output: &Output, logits: &[f32], source: usize, target: Option<usize>) -> Self {
        Self { source, target, shown: !output.is_independent() || output.shows(logits, source) }
    }

    /// Whether these logits are what was wanted: the target is shown; without one, the source not any more, or, where
    /// classes are independent, its probability has crossed ½.
    pub fn is_met(&self, output: &Output, logits: &[f32]) -> bool {
        match self.target {
            Some(target) => output.shows(logits, target),
            None => output.shows(logits, self.source) != self.shown,
        }
    }

    /// Of independent classes the one that decides alone, and whether its logit has to rise (1) or to fall (−1).
    pub fn alone(&self, output: &Output) -> Option<(usize, f32)> {
        output.is_independent().then_some(match self.target {
            Some(target) => (target, 1.0),
            None => (self.source, if self.shown { -1.0 } else { 1.0 }),
        })
    }

    /// Of classes that exclude each other the one that is to win and the one that is to lose.
    pub fn pair(&self, logits: &[f32]) -> (usize, usize) {
        match self.target {
            Some(target) => (target, rival(logits, target)),
            None => (rival(logits, self.source), self.source),
        }
    }

    /// How probable what is wanted is; none of plain numbers.
    pub fn probability(&self, output: &Output, logits: &[f32]) -> Option<f32> {
        let p = |class| output.probability(logits, class);
        output.has_probabilities().then(|| match self.alone(output) {
            Some((class, direction)) => {
                if direction > 0.0 {
                    p(class)
                } else {
                    1.0 - p(class)
                }
            }
            None => p(self.pair(logits).0),
        })
    }
}

/// The likeliest class other than `class`.
fn rival(logits: &[f32], class: usize) -> usize {
    let others = logits.iter().enumerate().filter(|(i, _)| *i != class);
    others.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Labels, Scores};

    #[test]
    fn each_kind_of_scores_is_fooled_in_its_own_way() {
        let output = |scores| Output { scores, labels: Labels::indices(3) };
        let softmax = output(Scores::Softmax);
        let towards = Criterion::new(&softmax, &[1.0, 0.0, 0.0], 0, Some(2));
        assert!(towards.is_met(&softmax, &[1.0, 0.0, 2.0]) && !towards.is_met(&softmax, &[1.0, 2.0, 0.0]));
        let away = Criterion { target: None, ..towards };
        assert!(away.is_met(&softmax, &[1.0, 2.0, 0.0]) && !away.is_met(&softmax, &[1.0, 0.0, 0.0]));
        let sigmoid = output(Scores::Sigmoid);
        let away = Criterion::new(&sigmoid, &[2.0, 1.0, -1.0], 0, None);
        // Another class is higher, and this one is still shown.
        assert!(!away.is_met(&sigmoid, &[0.1, 3.0, -1.0]) && away.is_met(&sigmoid, &[-0.1, 1.0, -1.0]));
        let towards = Criterion::new(&sigmoid, &[2.0, 1.0, -1.0], 0, Some(2));
        assert!(towards.is_met(&sigmoid, &[9.0, 1.0, 0.1]) && !towards.is_met(&sigmoid, &[-9.0, -9.0, -0.1]));
        let nothing = Criterion::new(&sigmoid, &[-2.0, -1.0, -3.0], 1, None);
        assert!(!nothing.shown && !nothing.is_met(&sigmoid, &[-2.0, -1.0, -3.0]));
        assert!(nothing.is_met(&sigmoid, &[-2.0, 0.1, -3.0]));
        let plain = output(Scores::Plain);
        assert!(Criterion::new(&plain, &[5.0, 1.0, 2.0], 0, None).is_met(&plain, &[-3.0, -2.0, -4.0]));
        let binary = Output { scores: Scores::Binary, labels: Labels::indices(2) };
        let away = Criterion::new(&binary, &[-1.0, 1.0], 1, None);
        assert!(away.is_met(&binary, &[0.1, -0.1]) && !away.is_met(&binary, &[-0.1, 0.1]));
        assert!(away.probability(&binary, &[-2.0, 2.0]).is_some_and(|p| (p - 0.119_203).abs() < 1e-6));
    }
}
