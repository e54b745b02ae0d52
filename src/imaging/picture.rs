//! An 8-bit RGB picture as plain data.

use image::RgbImage;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An 8-bit sRGB picture; cloning shares the pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Red, green and blue of each pixel, row by row.
    pub rgb: Arc<[u8]>,
}

impl Picture {
    /// A picture from its bytes.
    ///
    /// # Panics
    /// If there are not three bytes a pixel.
    #[must_use]
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        assert_eq!(rgb.len(), width as usize * height as usize * 3, "three bytes a pixel");
        Self { width, height, rgb: rgb.into() }
    }

    /// The same picture for the `image` crate.
    ///
    /// # Panics
    /// Never for a picture made by [`Picture::new`].
    #[must_use]
    pub fn to_image(&self) -> RgbImage {
        RgbImage::from_raw(self.width, self.height, self.rgb.to_vec()).expect("three bytes a pixel")
    }
}

impl From<RgbImage> for Picture {
    fn from(image: RgbImage) -> Self {
        Self { width: image.width(), height: image.height(), rgb: image.into_raw().into() }
    }
}
