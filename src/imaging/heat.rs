//! Heat maps.

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

    /// The map at another size, interpolated bilinearly between cell centres.
    #[must_use]
    pub fn resized(&self, width: u32, height: u32) -> Self {
        if (self.width, self.height) == (width, height) {
            return self.clone();
        }
        let (w, h) = (self.width as usize, self.height as usize);
        let columns = sampling(w, width as usize);
        let mut values = Vec::with_capacity(width as usize * height as usize);
        for (y0, y1, fy) in sampling(h, height as usize) {
            let at = |y: usize, x: usize| self.values[y * w + x];
            values.extend(columns.iter().map(|&(x0, x1, fx)| {
                let top = at(y0, x0) + (at(y0, x1) - at(y0, x0)) * fx;
                let bottom = at(y1, x0) + (at(y1, x1) - at(y1, x0)) * fx;
                top + (bottom - top) * fy
            }));
        }
        Self::new(width, height, values)
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
    #[test]
    fn broken_values_do_not_spoil_the_range() {
        let map = HeatMap::new(2, 2, vec![1.0, f32::NAN, 3.0, f32::INFINITY]);
        assert_eq!(map.range(), (1.0, 3.0));
        assert_eq!(HeatMap::new(1, 1, vec![f32::NAN]).range(), (0.0, 0.0));
    }
}
