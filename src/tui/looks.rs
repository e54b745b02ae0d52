//! How maps and results are shown.

use super::action::Action;
use super::app::{App, MapView};
use crate::imaging::{HeatMap, Picture};

impl App {
    /// Changes how maps are drawn; the maps themselves stay as they are.
    pub(super) fn change_looks(&mut self, action: &Action) {
        match action {
            Action::NextView => {
                self.view = match self.view {
                    MapView::Overlay => MapView::Map,
                    MapView::Map => MapView::Photo,
                    MapView::Photo => MapView::Overlay,
                }
            }
            Action::NextColorMap => {
                if let Some(heat) = self.shown_heat().cloned() {
                    self.display.next_color_map(&heat);
                }
            }
            Action::MoreOverlay => self.set_opacity(0.1),
            Action::LessOverlay => self.set_opacity(-0.1),
            Action::NextClip => {
                self.display.clip = after(&[0.0, 1.0, 2.0, 5.0], self.display.clip);
                self.say(&format!("{} % of the values beyond each end of the colours", self.display.clip));
            }
            Action::NextThreshold => {
                self.display.threshold = after(&[0.0, 0.25, 0.5, 0.75], self.display.threshold);
                self.say(&format!("masked below {} of the range", self.display.threshold));
            }
            Action::ToggleContour => self.display.contour = !self.display.contour,
            _ => {}
        }
    }

    fn set_opacity(&mut self, by: f32) {
        self.display.opacity = (self.display.opacity + by).clamp(0.0, 1.0);
    }

    /// The map that the display keys are about.
    pub(super) fn shown_heat(&self) -> Option<&HeatMap> {
        self.snapshot.view.heat.as_ref().or_else(|| self.snapshot.view.panels.first().map(|p| &p.heat))
    }

    /// The picture of the result pane: what was made so far, or the map.
    pub(super) fn result_picture(&mut self) -> Option<Picture> {
        if self.snapshot.view.result.is_some() {
            return self.snapshot.view.result.clone();
        }
        let snapshot = self.snapshot.clone();
        let Some(heat) = &snapshot.view.heat else { return snapshot.view.input.clone() };
        Some(self.painted.paint(0, heat, snapshot.view.input.as_ref(), self.view, &self.display))
    }

    /// The picture of one map of a comparison.
    pub(super) fn panel_picture(&mut self, panel: usize) -> Option<Picture> {
        let snapshot = self.snapshot.clone();
        let heat = &snapshot.view.panels.get(panel)?.heat;
        Some(self.painted.paint(panel + 1, heat, snapshot.view.input.as_ref(), self.view, &self.display))
    }
}

/// The choice after `present`, the first one again after the last.
fn after(choices: &[f32], present: f32) -> f32 {
    choices.iter().copied().find(|c| *c > present).unwrap_or(choices[0])
}
