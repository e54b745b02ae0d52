//! How maps are displayed; the maps themselves stay as they are.

use super::action::Action;
use crate::imaging::{Display, HeatMap};

/// What is shown of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MapView {
    /// The map over the photo.
    #[default]
    Overlay,
    /// The map alone.
    Map,
    /// The photo alone.
    Photo,
}

/// The settings under which maps are displayed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MapDisplay {
    pub view: MapView,
    pub colors: Display,
}

impl MapDisplay {
    pub fn new(colors: Display) -> Self {
        Self { view: MapView::default(), colors }
    }

    /// Carries out an action that is about the display of `heat`; the answer is what to say of it.
    pub fn change(&mut self, action: &Action, heat: Option<&HeatMap>) -> Option<String> {
        match action {
            Action::NextView => {
                self.view = match self.view {
                    MapView::Overlay => MapView::Map,
                    MapView::Map => MapView::Photo,
                    MapView::Photo => MapView::Overlay,
                }
            }
            Action::NextColorMap => self.colors.next_color_map(heat?),
            Action::MoreOverlay => self.change_opacity(0.1),
            Action::LessOverlay => self.change_opacity(-0.1),
            Action::NextClip => {
                self.colors.clip = after(&[0.0, 1.0, 2.0, 5.0], self.colors.clip);
                return Some(format!("{} % of the values beyond each end of the colours", self.colors.clip));
            }
            Action::NextThreshold => {
                self.colors.threshold = after(&[0.0, 0.25, 0.5, 0.75], self.colors.threshold);
                return Some(format!("masked below {} of the range", self.colors.threshold));
            }
            Action::ToggleContour => self.colors.contour = !self.colors.contour,
            _ => {}
        }
        None
    }

    fn change_opacity(&mut self, by: f32) {
        self.colors.opacity = (self.colors.opacity + by).clamp(0.0, 1.0);
    }
}

/// The choice after `present`, the first one again after the last.
fn after(choices: &[f32], present: f32) -> f32 {
    choices.iter().copied().find(|c| *c > present).unwrap_or(choices[0])
}
