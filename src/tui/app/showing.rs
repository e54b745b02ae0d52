//! How things are shown, whatever they are.

use crate::imaging::Display;
use crate::picture::{Preference, Protocol, Rates};
use crate::tui::map_display::MapDisplay;
use crate::tui::picture_cache::PictureCache;
use crate::tui::theme::Theme;
use crate::tui::zoom::Zoom;

/// Which pane the arrow keys belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) enum Focus {
    Parameters,
    Techniques,
}

pub(in crate::tui) struct Showing {
    pub theme: Theme,
    pub map: MapDisplay,
    pub zoom: Zoom,
    pub cache: PictureCache,
    pub focus: Focus,
    /// The selected parameter's place among those of the technique.
    pub parameter: usize,
    /// Which picture a small screen shows, counted through those there are.
    pub picture: usize,
    /// The share of the result that another picture covers.
    pub swipe: Option<f64>,
    /// What a line that does not carry everything is used for.
    pub preference: Preference,
    /// How pictures get to the terminal.
    pub protocol: Protocol,
    /// How much gets there.
    pub rates: Rates,
}

impl Showing {
    pub fn new(theme: Theme, colors: Display) -> Self {
        Self {
            theme,
            map: MapDisplay::new(colors),
            zoom: Zoom::default(),
            cache: PictureCache::default(),
            focus: Focus::Parameters,
            parameter: 0,
            picture: 0,
            swipe: None,
            preference: Preference::default(),
            protocol: Protocol::Halfblocks,
            rates: Rates::default(),
        }
    }

    /// Hands the arrow keys to the next pane; a small screen shows another picture.
    pub fn next_focus(&mut self) {
        self.picture += 1;
        self.focus = match self.focus {
            Focus::Parameters => Focus::Techniques,
            Focus::Techniques => Focus::Parameters,
        };
    }

    /// Moves the edge between the result and the picture that covers a share of it.
    pub fn move_swipe(&mut self, by: f64) {
        self.swipe = self.swipe.map(|share| (share + by).clamp(0.0, 1.0));
    }
}
