//! Putting pictures on a terminal, over a thin line.
//!
//! The dashboard hands [`Pictures`] a picture, a rectangle and an importance; everything about protocols, sizes, colours
//! and rates stays in here. [`detect()`] asks the terminal what it is; [`Reader`] takes apart what comes from it; a
//! [`Writer`] writes to it, text first, never more than the terminal takes.

mod answers;
mod blocks;
mod budget;
mod detect;
mod encode;
mod iterm2;
mod kitty;
mod meter;
mod pacing;
mod palette;
mod pictures;
mod placeholders;
mod quality;
mod reader;
mod reports;
mod sixel;
mod slot;
mod terminal;
mod worker;
mod writer;

pub use answers::Answers;
pub use budget::moving_picture;
pub use detect::{Detected, detect, window_cell};
pub use encode::drawn_at_cursor;
pub use meter::{FrameBuffer, Meter, Rates};
pub use pictures::Pictures;
pub use quality::Preference;
pub use reader::Reader;
pub use reports::{Splitter, Token};
pub use slot::Importance;
pub use terminal::{Environment, Protocol, Terminal};
pub use writer::{FrameEnd, Writer};
