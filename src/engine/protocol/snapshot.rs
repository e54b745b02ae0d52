//! The present state of a run.

use super::course::Course;
use super::curve::Series;
use crate::imaging::{Area, Picture, fit_longer_side};
use crate::model::Scores;
use crate::techniques::{Params, View};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A run that came before the present one, to compare with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Its number.
    pub run: u64,
    /// The technique's id.
    pub technique: String,
    /// Updates it made.
    pub step: usize,
    /// Its last picture.
    pub result: Picture,
    /// Its curves.
    pub series: Vec<Series>,
    /// Its parameters at its end.
    pub params: Params,
}

/// What a run is computed with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// The device.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// The photo of a run, and where in it the network looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Photo {
    /// The whole photo, its longer side at most [`Photo::SIDE`] pixels.
    pub picture: Picture,
    /// Its own width and height in pixels.
    pub size: [u32; 2],
    /// The part that the network sees, in the photo's own pixels.
    pub seen: Area,
}

impl Photo {
    /// Pixels of the longer side at most.
    pub const SIDE: u32 = 1024;

    /// A photo that is seen as a whole.
    #[must_use]
    pub fn new(photo: &Picture) -> Self {
        let large = photo.width.max(photo.height) > Self::SIDE;
        let picture = if large { fit_longer_side(photo, Self::SIDE) } else { photo.clone() };
        Self { picture, size: [photo.width, photo.height], seen: Area::whole(photo.width, photo.height) }
    }
}

/// The present state of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The run's number, 0 before the first.
    pub run: u64,
    /// The technique's id.
    pub technique: String,
    /// The model's id.
    pub model: String,
    /// What it is computed with.
    pub machine: Machine,
    /// How far it is and what happened on its way.
    pub course: Course,
    /// Mean milliseconds of the last steps.
    pub ms_per_step: f64,
    /// Milliseconds the step or loading under way has taken so far, if that is long.
    pub busy_ms: u64,
    /// The whole photo.
    pub photo: Option<Photo>,
    /// The style picture, or the first of them.
    pub style: Option<Picture>,
    /// What there is to see of it, now or at the step that is looked at.
    pub view: View,
    /// What the probabilities of the likeliest classes are: those of the run's model, or of the classifier that was asked
    /// about its picture.
    pub top_scores: Option<Scores>,
    /// The parameters as they are now.
    pub params: Params,
    /// The class or, for an attack, the target it is about now, where that was chosen.
    pub about: Option<usize>,
    /// The steps that can be gone back to.
    pub history: Arc<[usize]>,
    /// The step that is looked at, if it is not the present one.
    pub shown: Option<usize>,
    /// Whether the run can be branched.
    pub branches: bool,
    /// The runs before it, the newest last.
    pub past: Arc<[Past]>,
    /// Its name in `gradlens runs`, once it is kept on the disk.
    pub kept: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_survive_serialisation() {
        let view = View { result: Some(Picture::new(1, 1, vec![1, 2, 3])), ..View::default() };
        let snapshot = Snapshot { view, ..Snapshot::default() };
        let text = serde_json::to_string(&snapshot).expect("JSON");
        assert_eq!(serde_json::from_str::<Snapshot>(&text).expect("a snapshot"), snapshot);
    }
}
