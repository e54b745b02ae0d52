//! Whether pictures go in as a network expects them, judged by what it says of a few photos.

use super::input::Input;
use super::output::{Output, Scores, softmax};
use crate::error::Result;
use crate::graph::Graph;
use crate::imaging::decode;
use crate::imaging::samples::{self, Sample};
use candle_core::Tensor;
use std::path::Path;

/// Multiply–accumulates that a doubt is worth: about a sixth of a second on two cores.
const EFFORT: usize = 15_000_000_000;
/// Photos that are looked at.
const PHOTOS: std::ops::RangeInclusive<usize> = 2..=4;
/// A probability that no photo of a strange thing gets from a network that sees it as it was trained to.
const CERTAIN: f32 = 0.999_99;
/// What differences between photos are of those between classes, at least, where a network tells things apart: EfficientNet-Lite0
/// has 1.4 for these photos, 0.4 where it is given a hundredth of the contrast that it expects.
const TELLING: f64 = 0.6;
/// Entropy of the probabilities, as a share of the most there can be, above which a network has no idea: Lite0 has 0.36, and
/// 0.87 without contrast.
const VAGUE: f64 = 0.8;

/// What makes it doubtful that pictures go in as the network expects them, in a clause; `None` if nothing does, or if
/// it would take long to find out.
pub(super) fn of_input(graph: &Graph, input: &Input, output: &Output) -> Option<String> {
    let [height, width] = input.size;
    let count = (EFFORT / graph.macs(height, width).ok()?.max(1)).min(*PHOTOS.end());
    if !PHOTOS.contains(&count) {
        return None;
    }
    let graph = graph.once();
    let photos = samples::PHOTOS.iter().take(count);
    let logits = photos.map(|photo| logits(&graph, input, photo)).collect::<Result<Vec<_>>>().ok()?;
    let what = match verdict(&logits, output.scores)? {
        Verdict::Broken => "are no finite numbers",
        Verdict::Certain => "are as certain as can be of each",
        Verdict::Flat => "are nearly the same for all",
    };
    Some(format!(
        "its scores of {count} sample photos {what}, so it may expect pixels otherwise (--range, --mean, --std), or not be trained"
    ))
}

fn logits(graph: &Graph, input: &Input, photo: &Sample) -> Result<Vec<f32>> {
    let seen = input.seen(&decode(Path::new(photo.name), photo.bytes)?);
    let x: Tensor = input.input_from_pixels(&input.pixels_from_picture(&seen, graph.device())?)?;
    Ok(graph.logits(&x)?.flatten_all()?.to_vec1()?)
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Broken,
    Certain,
    Flat,
}

/// What the logits of several photos say.
fn verdict(logits: &[Vec<f32>], scores: Scores) -> Option<Verdict> {
    if logits.iter().flatten().any(|z| !z.is_finite()) {
        return Some(Verdict::Broken);
    }
    let (photos, classes) = (logits.len() as f64, logits.first()?.len());
    let certain = |z: &Vec<f32>| softmax(z).into_iter().any(|p| p > CERTAIN);
    if scores == Scores::Softmax && logits.iter().all(certain) {
        return Some(Verdict::Certain);
    }
    let mean: Vec<f64> = (0..classes).map(|c| logits.iter().map(|z| f64::from(z[c])).sum::<f64>() / photos).collect();
    let middle = mean.iter().sum::<f64>() / classes as f64;
    let between_classes = mean.iter().map(|m| (m - middle).powi(2)).sum::<f64>() / classes as f64;
    let square = |z: &Vec<f32>| z.iter().zip(&mean).map(|(z, m)| (f64::from(*z) - m).powi(2)).sum::<f64>();
    let between_photos = logits.iter().map(square).sum::<f64>() / (photos * classes as f64);
    let vague = logits.iter().map(|z| entropy(z)).sum::<f64>() / photos > VAGUE;
    (vague && between_photos < TELLING.powi(2) * between_classes).then_some(Verdict::Flat)
}

/// Entropy of a softmax's probabilities, as a share of that of even ones.
fn entropy(logits: &[f32]) -> f64 {
    let terms = softmax(logits).into_iter().filter(|p| *p > 0.0).map(|p| -f64::from(p) * f64::from(p).ln());
    terms.sum::<f64>() / (logits.len() as f64).ln().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_tell_when_pixels_are_wrong() {
        let seen = [vec![1.0, 5.0, -2.0], vec![4.0, 0.0, -1.0], vec![0.0, 1.0, 3.0]];
        assert_eq!(verdict(&seen, Scores::Softmax), None);
        let certain: Vec<Vec<f32>> = seen.iter().map(|z| z.iter().map(|z| z * 50.0).collect()).collect();
        assert_eq!(verdict(&certain, Scores::Softmax), Some(Verdict::Certain));
        assert_eq!(verdict(&certain, Scores::Plain), None);
        let flat: Vec<Vec<f32>> = (0..3).map(|k| vec![0.1 + 0.01 * k as f32, 0.5, -0.2]).collect();
        assert_eq!(verdict(&flat, Scores::Softmax), Some(Verdict::Flat));
        // Sure of the same thing each time: that may be how the photos are.
        assert_eq!(verdict(&[vec![9.0, 0.0], vec![9.1, 0.0]], Scores::Softmax), None);
        assert_eq!(verdict(&[vec![f32::NAN], vec![0.0]], Scores::Plain), Some(Verdict::Broken));
    }
}
