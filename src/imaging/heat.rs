//! Heat maps.

use super::Area;
use serde::{Deserialize, Serialize};
use std::ops::Range;
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

    /// Whether it is the same everywhere, and so says nothing of where.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.values.windows(2).all(|pair| pair[0].total_cmp(&pair[1]).is_eq())
    }

    /// The map at another size, interpolated bilinearly between cell centres.
    #[must_use]
    pub fn resized(&self, width: u32, height: u32) -> Self {
        if (self.width, self.height) == (width, height) {
            return self.clone();
        }
        self.sampled(
            &sampling(self.width, 0..width, 0.0, width.into()),
            &sampling(self.height, 0..height, 0.0, height.into()),
        )
    }

    /// The map laid over `area` of a picture, at the picture's pixels `columns` × `rows`, interpolated in the same way.
    ///
    /// # Panics
    /// If there are no such pixels.
    #[must_use]
    pub fn laid_over(&self, area: Area, columns: Range<u32>, rows: Range<u32>) -> Self {
        let across = sampling(self.width, columns, area.x, area.width);
        self.sampled(&across, &sampling(self.height, rows, area.y, area.height))
    }

    fn sampled(&self, columns: &[Sample], rows: &[Sample]) -> Self {
        let w = self.width as usize;
        let mut values = Vec::with_capacity(columns.len() * rows.len());
        for &(y0, y1, fy) in rows {
            let at = |y: usize, x: usize| self.values[y * w + x];
            values.extend(columns.iter().map(|&(x0, x1, fx)| {
                let top = at(y0, x0) + (at(y0, x1) - at(y0, x0)) * fx;
                let bottom = at(y1, x0) + (at(y1, x1) - at(y1, x0)) * fx;
                top + (bottom - top) * fy
            }));
        }
        Self::new(columns.len() as u32, rows.len() as u32, values)
    }
}

/// The two nearest cells and the weight of the second.
type Sample = (usize, usize, f32);

/// For each pixel where in `cells` cells it lies that cover `extent` pixels from `origin` on (align_corners = false).
fn sampling(cells: u32, pixels: Range<u32>, origin: f64, extent: f64) -> Vec<Sample> {
    let last = cells as usize - 1;
    pixels
        .map(|p| {
            let place = if origin == 0.0 { p as f32 + 0.5 } else { (f64::from(p) + 0.5 - origin) as f32 };
            let at = (place * cells as f32 / extent as f32 - 0.5).clamp(0.0, last as f32);
            let low = at.floor() as usize;
            (low, (low + 1).min(last), at - low as f32)
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
