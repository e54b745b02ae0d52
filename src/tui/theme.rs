//! Colours: the terminal's own sixteen, so that light and dark themes both work; none under NO_COLOR.

use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether colours may be used.
    pub color: bool,
    /// Whether only ASCII may be used for curves and bars.
    pub plain: bool,
}

const SERIES: [Color; 6] = [Color::Cyan, Color::Magenta, Color::Yellow, Color::Green, Color::Blue, Color::LightRed];

impl Theme {
    /// What the environment asks for.
    #[must_use]
    pub fn from_environment(plain: bool) -> Self {
        Self { color: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()), plain }
    }

    fn fg(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// The selected thing, and what can be done.
    #[must_use]
    pub fn accent(self) -> Style {
        self.fg(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The border of a pane.
    #[must_use]
    pub fn border(self, focused: bool) -> Style {
        if focused { self.accent() } else { self.fg(Color::DarkGray) }
    }

    /// Less important text.
    #[must_use]
    pub fn dim(self) -> Style {
        if self.color { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    /// Headings and key names.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Something went well.
    #[must_use]
    pub fn good(self) -> Style {
        self.fg(Color::Green)
    }

    /// Something went wrong.
    #[must_use]
    pub fn bad(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Something changed.
    #[must_use]
    pub fn changed(self) -> Style {
        self.fg(Color::Yellow)
    }

    /// The `n`-th curve.
    #[must_use]
    pub fn series(self, n: usize) -> Style {
        self.fg(SERIES[n % SERIES.len()])
    }

    /// A colour of a colour map.
    #[must_use]
    pub fn rgb(self, [r, g, b]: [u8; 3]) -> Style {
        self.fg(Color::Rgb(r, g, b))
    }
}
