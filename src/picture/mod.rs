//! Putting pictures on a terminal, over a thin line.
//!
//! The dashboard hands [`Pictures`] a picture, a rectangle and an importance; everything about protocols, sizes, colours
//! and rates stays in here. [`detect()`] asks the terminal what it is; [`Input`] takes apart what comes from it; a
//! [`Line`] writes to it, text first, never more than the terminal takes.

mod answers;
mod blocks;
mod detect;
mod encode;
mod input;
mod iterm2;
mod kitty;
mod line;
mod meter;
mod pacing;
mod palette;
mod pictures;
mod placeholders;
mod quality;
mod reports;
mod sixel;
mod terminal;

pub use answers::Answers;
pub use detect::{Detected, detect, window_cell};
pub use encode::drawn_at_cursor;
pub use input::Input;
pub use line::Line;
pub use meter::{FrameWriter, Meter, Rates};
pub use pictures::{FrameEnd, Importance, Pictures, moving_picture};
pub use quality::Preference;
pub use reports::{Splitter, Token};
pub use terminal::{Names, Protocol, Terminal};
