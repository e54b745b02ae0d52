//! What an adversarial picture survives.

use super::example::Example;
use crate::error::Result;
use crate::imaging::Picture;
use crate::techniques::api::Finding;
use image::codecs::jpeg::JpegEncoder;
use serde_json::Value;

/// Quality of the JPEG that a result has to survive.
const JPEG_QUALITY: u8 = 90;
/// Pixels it has to survive being shifted by.
const SHIFT: u32 = 3;

/// What a result survives: each by name, whether it still fools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Robustness(Vec<(&'static str, bool)>);

impl Robustness {
    /// Looks at the result as it is saved, as a JPEG, and shifted.
    pub fn of(result: &Picture, example: &Example) -> Result<Self> {
        let mut found = vec![("8-bit", example.is_fooled_by(result)?)];
        if let Some(jpeg) = through_jpeg(result) {
            found.push(("JPEG 90", example.is_fooled_by(&jpeg)?));
        }
        found.push(("3 px shift", example.is_fooled_by(&shifted(result))?));
        Ok(Self(found))
    }

    pub fn fact(&self) -> Value {
        self.0
            .iter()
            .map(|(name, survived)| ((*name).to_owned(), Value::from(*survived)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    pub fn findings(&self) -> Vec<Finding> {
        self.0.iter().map(|(name, survived)| fooling(name, *survived)).collect()
    }
}

/// What is said of a picture that fools, or does not.
pub(super) fn fooling(name: &str, fools: bool) -> Finding {
    let value = if fools { "fools" } else { "does not fool" };
    Finding { success: Some(fools), ..Finding::new(name, value) }
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
    fn a_shift_moves_by_three() {
        let picture = Picture::new(8, 1, (0..8).flat_map(|v| [v, v, v]).collect());
        let first: Vec<u8> = shifted(&picture).rgb.iter().step_by(3).copied().collect();
        assert_eq!(first, [0, 0, 0, 0, 1, 2, 3, 4]);
    }
}
