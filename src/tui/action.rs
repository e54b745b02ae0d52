//! What a person can do.

use crate::engine::{Compared, Source};
use crate::model::ModelRef;
use crate::techniques::ParamValue;

/// Something a key or a dialog asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The next technique.
    NextTechnique,
    /// The technique before.
    PreviousTechnique,
    /// The technique at this place, counted from 0.
    Technique(usize),
    /// Pause, or go on.
    TogglePause,
    /// One step of a paused run.
    Step,
    /// From the beginning.
    Restart,
    /// End the run and keep what it has.
    Stop,
    /// Write the files.
    Save,
    /// Write the files and an animation of the run.
    Record,
    /// Look at another of the kept steps, so many places away.
    Scrub(i8),
    /// A new run from the step that is looked at.
    Branch,
    /// Choose an earlier run to compare with, or end the comparison.
    PickReference,
    /// Type the selected parameter's value.
    TypeValue,
    /// Any class but the photo's own will do.
    ClearTarget,
    /// Open the picker of techniques.
    PickTechnique,
    /// Open the picker of the layer.
    PickLayer,
    /// Open the choice of what to compare; if maps are compared already, back to one.
    PickComparison,
    /// Open the picker of the methods, classes or layers to compare.
    PickCompared(Comparable),
    /// Score the map that is shown.
    Score,
    /// Open the class picker.
    PickClass,
    /// Open the picker of the model.
    PickModel,
    /// Show what is known of the model.
    ShowModel,
    /// Open the picker of the photo.
    PickPicture,
    /// Open the picker of the style picture.
    PickStyle,
    /// The next pane takes the arrow keys.
    NextFocus,
    /// The parameter or technique above.
    Up,
    /// The parameter or technique below.
    Down,
    /// A larger value.
    Increase,
    /// A smaller value.
    Decrease,
    /// Photo with map, map alone, photo alone.
    NextView,
    /// The next colour map.
    NextColorMap,
    /// More of the map over the photo.
    MoreOverlay,
    /// Less of the map over the photo.
    LessOverlay,
    /// More of the values beyond the ends of the colours, or none again.
    NextClip,
    /// A higher threshold below which the map is masked, or none again.
    NextThreshold,
    /// Contour lines, or none.
    ToggleContour,
    /// Closer, or further away again.
    Zoom(bool),
    /// Look further right and down, in eighths of what is seen.
    Pan(i8, i8),
    /// Lay the photo, or the run compared with, over a part of the result; or none again.
    ToggleSwipe,
    /// Move the line between the two.
    MoveSwipe(i8),
    /// What a slow line is used for: sharp pictures or many.
    NextPreference,
    /// The keys.
    Help,
    /// Close the dialog or the message.
    Dismiss,
    /// To the shell and back.
    Suspend,
    /// Leave the run to itself.
    Leave,
    /// Leave.
    Quit,
    /// Explain or show this class.
    SetClass(usize),
    /// Be mistaken for this class.
    SetTarget(usize),
    /// Look at the photo with this model's eyes.
    SetModel(Box<ModelRef>),
    /// Look at this photo.
    SetPicture(Source),
    /// Paint in this style.
    SetStyle(Source),
    /// Look at this layer.
    SetLayer(String),
    /// Give a parameter this value.
    SetValue(&'static str, ParamValue),
    /// Show this run beside the present one.
    SetReference(u64),
    /// Make these maps side by side.
    Compare(Vec<Compared>),
}

/// What maps that are compared may differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparable {
    /// The method.
    Methods,
    /// The class.
    Classes,
    /// The layer.
    Layers,
}
