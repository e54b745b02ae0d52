//! How large a change of a picture is.

use crate::imaging::Picture;
use crate::techniques::api::Finding;
use serde_json::{Value, json};

/// Norms of a change, of values in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Norms {
    pub linf: f64,
    pub l2: f64,
    /// Values that changed, of as many a pixel as the model sees.
    pub l0: usize,
    /// Pixels that changed.
    pub pixels: usize,
    values: usize,
}

impl Norms {
    /// Of the change from one picture to another of its size, seen in one channel of grey or three of colour.
    pub fn of(from: &Picture, to: &Picture, channels: usize) -> Self {
        let pixels = || from.rgb.chunks_exact(3).zip(to.rgb.chunks_exact(3));
        let differences = || pixels().flat_map(|(a, b)| a.iter().zip(b).take(channels).map(|(a, b)| a.abs_diff(*b)));
        Self {
            linf: f64::from(differences().max().unwrap_or(0)) / 255.0,
            l2: differences().map(|d| (f64::from(d) / 255.0).powi(2)).sum::<f64>().sqrt(),
            l0: differences().filter(|d| *d > 0).count(),
            pixels: pixels().filter(|(a, b)| a != b).count(),
            values: from.rgb.len() / 3 * channels,
        }
    }

    pub fn fact(&self) -> Value {
        json!({ "linf": self.linf, "l2": self.l2, "l0": self.l0, "pixels": self.pixels })
    }

    pub fn findings(&self) -> Vec<Finding> {
        let share = 100.0 * self.l0 as f64 / self.values.max(1) as f64;
        vec![
            Finding::new("L∞", format!("{:.0}/255", self.linf * 255.0)),
            Finding::new("L2", format!("{:.3}", self.l2)),
            Finding::new("L0", format!("{} ({share:.1} %)", self.l0)),
        ]
    }
}

/// The change around grey, magnified by the largest power of two that shows all of it, and that power.
pub(super) fn magnified(from: &Picture, to: &Picture) -> (Picture, i32) {
    let largest = from.rgb.iter().zip(&*to.rgb).map(|(&a, &b)| a.abs_diff(b)).max().unwrap_or(0);
    let mut factor = 1;
    while largest > 0 && i32::from(largest) * factor * 2 <= 127 {
        factor *= 2;
    }
    let shown = |(&a, &b): (&u8, &u8)| (128 + (i32::from(b) - i32::from(a)) * factor).clamp(0, 255) as u8;
    (Picture::new(from.width, from.height, from.rgb.iter().zip(&*to.rgb).map(shown).collect()), factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_measured_and_shown() {
        let from = Picture::new(2, 1, vec![100, 100, 100, 0, 255, 7]);
        let to = Picture::new(2, 1, vec![104, 100, 97, 0, 255, 7]);
        let norms = Norms::of(&from, &to, 3);
        assert_eq!((norms.l0, norms.pixels), (2, 1));
        assert!((norms.linf - 4.0 / 255.0).abs() < 1e-12 && (norms.l2 - 5.0 / 255.0).abs() < 1e-12);
        let (shown, factor) = magnified(&from, &to);
        assert_eq!(factor, 16);
        assert_eq!(&shown.rgb[..], [128 + 64, 128, 128 - 48, 128, 128, 128]);
        assert_eq!(magnified(&from, &from).1, 1);
    }

    #[test]
    fn grey_counts_once() {
        let (from, to) = (Picture::new(2, 1, vec![50; 6]), Picture::new(2, 1, vec![54, 54, 54, 47, 47, 47]));
        let norms = Norms::of(&from, &to, 1);
        assert_eq!((norms.l0, norms.pixels), (2, 2));
        assert!((norms.l2 - 5.0 / 255.0).abs() < 1e-12);
    }
}
