//! Pictures without tensors: decoding, resizing, colour maps, overlays, files.

mod area;
mod colormap;
mod compress;
mod decode;
mod display;
mod fit;
mod heat;
mod montage;
mod output;
mod picture;
mod resize;
pub mod samples;
mod superpixels;

pub use area::{Area, dimmed_outside, framed};
pub use colormap::{COLOR_MAPS, ColorMap, color_map};
pub use compress::{compress, decompress};
pub use decode::{MAX_PIXELS, decode, names_a_picture, read_bytes};
pub use display::Display;
pub use fit::{CropMode, Resize};
pub use heat::HeatMap;
pub use montage::{columns, montage};
pub use output::{Array, write_atomically, write_csv, write_gif, write_json, write_npy, write_png, write_private};
pub use picture::Picture;
pub use resize::{Interpolation, crop, fit_longer_side, fitted_size, resize, swipe};
pub use superpixels::superpixels;
