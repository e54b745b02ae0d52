//! How many bytes pictures may take.

use super::encode::{EncodeTask, Encoded, Encoder, fitted};
use super::terminal::{Protocol, Terminal};
use crate::imaging::Picture;
use ratatui::layout::{Rect, Size};

/// Bytes a picture of up to 256×256 pixels may take while it moves.
const STEADY: usize = 52_000;
/// The same of a sixel picture, a pixel of the screen.
const STEADY_SIXEL: f64 = 0.8;

/// Bytes a second that go out on a line of which nothing is known but the protocol.
pub(super) fn usual(protocol: Protocol) -> f64 {
    match protocol {
        Protocol::Kitty | Protocol::Iterm2 => 450e3,
        Protocol::Sixel => 800e3,
        _ => 220e3,
    }
}

/// Bytes that a moving picture may take on a good line.
pub(super) fn steady(terminal: &Terminal, picture: &Picture, area: Rect) -> usize {
    let cells = usize::from(area.width) * usize::from(area.height);
    let of_screen = cells * usize::from(terminal.cell.0) * usize::from(terminal.cell.1);
    match terminal.protocol {
        Protocol::Sixel => ((of_screen as f64 * STEADY_SIXEL) as usize).max(2000),
        Protocol::Kitty | Protocol::Iterm2 => {
            let pixels = of_screen.min(picture.rgb.len() / 3);
            STEADY * pixels.max(65_536) / 65_536
        }
        _ => usize::MAX,
    }
}

/// What encodes a picture that moves for `protocol`, again and again, for `area` of cells of 10×20 pixels and within its
/// usual budget: to time it. Each call takes the next of the pictures and gives its size in bytes.
///
/// # Panics
/// If there are no pictures.
pub fn moving_picture(protocol: Protocol, pictures: Vec<Picture>, area: Size) -> impl FnMut() -> usize {
    let terminal = Terminal::plain(protocol);
    let mut encoder = Encoder::default();
    let mut made = 0;
    move || {
        let picture = pictures[made % pictures.len()].clone();
        let size = fitted(&picture, area, terminal.cell);
        let area = Rect::new(0, 0, size.width, size.height);
        let budget = Some(steady(&terminal, &picture, area));
        let terminal = terminal.clone();
        let task =
            EncodeTask { slot: "moving", terminal, picture, area, id: 1, budget, piece: 4096, fresh: made == 0 };
        made += 1;
        match encoder.encode(&task) {
            Encoded::Pieces { pieces, .. } => pieces.iter().map(Vec::len).sum(),
            Encoded::Cells { changed, .. } => changed * super::blocks::CELL_BYTES,
        }
    }
}
