//! Heat maps and how they are shown. Display never changes the raw values.

use super::{ColorMap, Picture};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A map of raw, unnormalised values; cloning shares them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Width in cells.
    pub width: u32,
    /// Height in cells.
    pub height: u32,
    /// The values, row by row.
    pub values: Arc<[f32]>,
}

impl HeatMap {
    /// A map from its values.
    ///
    /// # Panics
    /// If there is not one value a cell.
    #[must_use]
    pub fn new(width: u32, height: u32, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), width as usize * height as usize, "one value a cell");
        Self { width, height, values: values.into() }
    }

    /// The smallest and largest finite value, `(0, 0)` where there is none.
    #[must_use]
    pub fn range(&self) -> (f32, f32) {
        let finite = self.values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high { (0.0, 0.0) } else { (low, high) }
    }

    /// The values mapped linearly from [`HeatMap::range`] to `[0, 1]`; a constant map becomes zeros.
    fn normalised(&self) -> Vec<f32> {
        let (low, high) = self.range();
        let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
        self.values.iter().map(|v| (v - low) * scale).collect()
    }

    /// The map in colours, `width` × `height` pixels, interpolated bilinearly between cell centres.
    #[must_use]
    pub fn colored(&self, map: ColorMap, width: u32, height: u32) -> Picture {
        self.painted(width, height, |_, value| map.color(value))
    }

    /// The map's colours laid over `photo` with the given opacity in `[0, 1]`.
    #[must_use]
    pub fn overlay(&self, map: ColorMap, photo: &Picture, opacity: f32) -> Picture {
        let opacity = opacity.clamp(0.0, 1.0);
        self.painted(photo.width, photo.height, |pixel, value| {
            let color = map.color(value);
            std::array::from_fn(|i| {
                let under = f32::from(photo.rgb[pixel * 3 + i]);
                (under + (f32::from(color[i]) - under) * opacity).round() as u8
            })
        })
    }

    fn painted(&self, width: u32, height: u32, color: impl Fn(usize, f32) -> [u8; 3]) -> Picture {
        let values = self.normalised();
        let (w, h) = (self.width as usize, self.height as usize);
        let columns = sampling(w, width as usize);
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        for (y, (y0, y1, fy)) in sampling(h, height as usize).into_iter().enumerate() {
            for (x, &(x0, x1, fx)) in columns.iter().enumerate() {
                let at = |y: usize, x: usize| values[y * w + x];
                let top = at(y0, x0) + (at(y0, x1) - at(y0, x0)) * fx;
                let bottom = at(y1, x0) + (at(y1, x1) - at(y1, x0)) * fx;
                rgb.extend(color(y * width as usize + x, top + (bottom - top) * fy));
            }
        }
        Picture::new(width, height, rgb)
    }
}

/// For each output pixel the two nearest cells and the weight of the second (align_corners = false).
fn sampling(cells: usize, pixels: usize) -> Vec<(usize, usize, f32)> {
    (0..pixels)
        .map(|p| {
            let at = ((p as f32 + 0.5) * cells as f32 / pixels as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
            let low = at.floor() as usize;
            (low, (low + 1).min(cells - 1), at - low as f32)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imaging::COLOR_MAPS;

    #[test]
    fn the_peak_is_brightest() {
        let map = HeatMap::new(3, 3, vec![0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0]);
        let picture = map.colored(COLOR_MAPS[0], 30, 30);
        let light =
            |x: usize, y: usize| picture.rgb[(y * 30 + x) * 3..][..3].iter().map(|&v| u32::from(v)).sum::<u32>();
        assert!(light(15, 15) > light(8, 15) && light(8, 15) > light(1, 1));
    }

    #[test]
    fn broken_values_do_not_spoil_the_range() {
        let map = HeatMap::new(2, 2, vec![1.0, f32::NAN, 3.0, f32::INFINITY]);
        assert_eq!(map.range(), (1.0, 3.0));
        assert_eq!(HeatMap::new(1, 1, vec![f32::NAN]).range(), (0.0, 0.0));
        let _ = map.colored(COLOR_MAPS[0], 5, 5);
    }
}
