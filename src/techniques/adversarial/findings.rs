//! What is found out about an adversarial picture: how large the change is and what it survives.

use super::scene::Scene;
use crate::error::Result;
use crate::imaging::Picture;
use image::codecs::jpeg::JpegEncoder;
use serde_json::{Value, json};

/// Quality of the JPEG that a result has to survive.
const JPEG_QUALITY: u8 = 90;
/// Pixels it has to survive being shifted by.
const SHIFT: u32 = 3;

/// Norms of a change, of values in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Norms {
    pub linf: f64,
    pub l2: f64,
    /// Values that changed, of three a pixel.
    pub l0: usize,
    /// Pixels that changed.
    pub pixels: usize,
    values: usize,
}

/// The norms of the change from one picture to another of its size.
pub(super) fn norms(from: &Picture, to: &Picture) -> Norms {
    let differences = || from.rgb.iter().zip(&*to.rgb).map(|(&a, &b)| a.abs_diff(b));
    let pixels = from.rgb.chunks_exact(3).zip(to.rgb.chunks_exact(3)).filter(|(a, b)| a != b).count();
    Norms {
        linf: f64::from(differences().max().unwrap_or(0)) / 255.0,
        l2: differences().map(|d| (f64::from(d) / 255.0).powi(2)).sum::<f64>().sqrt(),
        l0: differences().filter(|d| *d > 0).count(),
        pixels,
        values: from.rgb.len(),
    }
}

impl Norms {
    pub fn fact(&self) -> Value {
        json!({ "linf": self.linf, "l2": self.l2, "l0": self.l0, "pixels": self.pixels })
    }

    pub fn in_words(&self) -> Vec<(String, String)> {
        let share = 100.0 * self.l0 as f64 / self.values.max(1) as f64;
        vec![
            ("L∞".into(), format!("{:.0}/255", self.linf * 255.0)),
            ("L2".into(), format!("{:.3}", self.l2)),
            ("L0".into(), format!("{} ({share:.1} %)", self.l0)),
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

/// What a result survives: each by name, whether it still fools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Findings(Vec<(&'static str, bool)>);

/// Looks at the result as it is saved, as a JPEG, and shifted.
pub(super) fn examine(scene: &Scene, result: &Picture) -> Result<Findings> {
    let mut found = vec![("8-bit", scene.is_fooled_by(result)?)];
    if let Some(jpeg) = through_jpeg(result) {
        found.push(("JPEG 90", scene.is_fooled_by(&jpeg)?));
    }
    found.push(("3 px shift", scene.is_fooled_by(&shifted(result))?));
    Ok(Findings(found))
}

impl Findings {
    pub fn fact(&self) -> Value {
        self.0
            .iter()
            .map(|(name, survived)| ((*name).to_owned(), Value::from(*survived)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    pub fn in_words(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(name, survived)| ((*name).to_owned(), verdict(*survived).to_owned())).collect()
    }
}

/// What is said of a picture that fools, or does not.
pub(super) fn verdict(fools: bool) -> &'static str {
    if fools { "fools" } else { "does not fool" }
}

fn through_jpeg(picture: &Picture) -> Option<Picture> {
    let mut bytes = vec![];
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(&picture.to_image()).ok()?;
    Some(image::load_from_memory(&bytes).ok()?.into_rgb8().into())
}

/// The picture moved right and down; the border goes on where something came free.
fn shifted(picture: &Picture) -> Picture {
    let (w, h) = (picture.width, picture.height);
    let at = |x: u32, y: u32| {
        let (x, y) = (x.saturating_sub(SHIFT), y.saturating_sub(SHIFT));
        let i = ((y * w + x) * 3) as usize;
        [picture.rgb[i], picture.rgb[i + 1], picture.rgb[i + 2]]
    };
    Picture::new(w, h, (0..h).flat_map(|y| (0..w).flat_map(move |x| at(x, y))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_measured_and_shown() {
        let from = Picture::new(2, 1, vec![100, 100, 100, 0, 255, 7]);
        let to = Picture::new(2, 1, vec![104, 100, 97, 0, 255, 7]);
        let norms = norms(&from, &to);
        assert_eq!((norms.l0, norms.pixels), (2, 1));
        assert!((norms.linf - 4.0 / 255.0).abs() < 1e-12 && (norms.l2 - 5.0 / 255.0).abs() < 1e-12);
        let (shown, factor) = magnified(&from, &to);
        assert_eq!(factor, 16);
        assert_eq!(&shown.rgb[..], [128 + 64, 128, 128 - 48, 128, 128, 128]);
        assert_eq!(magnified(&from, &from).1, 1);
    }

    #[test]
    fn a_shift_moves_by_three() {
        let picture = Picture::new(8, 1, (0..8).flat_map(|v| [v, v, v]).collect());
        let first: Vec<u8> = shifted(&picture).rgb.iter().step_by(3).copied().collect();
        assert_eq!(first, [0, 0, 0, 0, 1, 2, 3, 4]);
    }
}
