//! Which protocol a terminal speaks, and how large its cells are.

use ratatui_image::picker::cap_parser::QueryStdioOptions;
use ratatui_image::picker::{Picker, ProtocolType};
use std::time::Duration;

/// How long a terminal may keep silent before it is taken to draw half-blocks only.
const PATIENCE: Duration = Duration::from_millis(400);

/// A way to put a picture on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's graphics protocol, with Unicode placeholders.
    Kitty,
    /// DEC sixel graphics.
    Sixel,
    /// iTerm2's inline images.
    Iterm2,
    /// Two coloured pixels a cell: every terminal with colours.
    Halfblocks,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kitty => "kitty",
            Self::Sixel => "sixel",
            Self::Iterm2 => "iterm2",
            Self::Halfblocks => "half-blocks",
        })
    }
}

/// What is known of the terminal.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// The protocol to use.
    pub protocol: Protocol,
    /// Width and height of a cell in pixels.
    pub cell: (u16, u16),
    /// Whether everything goes through tmux.
    pub tmux: bool,
}

impl Terminal {
    /// Asks the terminal what it can do; `forced` overrides the answer. Must be called in raw mode and before
    /// anything else reads the keyboard.
    #[must_use]
    pub fn detect(forced: Option<Protocol>) -> Self {
        if forced == Some(Protocol::Halfblocks) {
            return Self::halfblocks();
        }
        let options = QueryStdioOptions { timeout: PATIENCE, ..QueryStdioOptions::default() };
        let picker = Picker::from_query_stdio_with_options(options).unwrap_or_else(|error| {
            tracing::warn!(%error, "the terminal could not be asked for its protocol");
            Picker::halfblocks()
        });
        let font = picker.font_size();
        let found = match picker.protocol_type() {
            ProtocolType::Kitty => Protocol::Kitty,
            ProtocolType::Sixel => Protocol::Sixel,
            ProtocolType::Iterm2 => Protocol::Iterm2,
            ProtocolType::Halfblocks => Protocol::Halfblocks,
        };
        let sane = |n: u16, usual: u16| if (2..=200).contains(&n) { n } else { usual };
        Self {
            protocol: forced.unwrap_or(found),
            cell: (sane(font.width, 10), sane(font.height, 20)),
            tmux: picker.tmux_detected(),
        }
    }

    /// A terminal that only has half-blocks.
    #[must_use]
    pub fn halfblocks() -> Self {
        Self { protocol: Protocol::Halfblocks, cell: (10, 20), tmux: false }
    }

    /// What makes the terminal give up the picture with this id.
    pub(super) fn forget(&self, id: u32) -> String {
        if self.protocol != Protocol::Kitty {
            return String::new();
        }
        if self.tmux {
            format!("\x1bPtmux;\x1b\x1b_Ga=d,d=I,i={id},q=2\x1b\x1b\\\x1b\\")
        } else {
            format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\")
        }
    }
}
