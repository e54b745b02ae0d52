//! Colour maps.

use crate::error::{Error, Result, did_you_mean};

/// A named map from `[0, 1]` to colours.
#[derive(Clone, Copy)]
pub struct ColorMap {
    /// Its id.
    pub id: &'static str,
    gradient: colorous::Gradient,
}

impl std::fmt::Debug for ColorMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// Every colour map, the default first; all but `turbo` are perceptually uniform.
pub const COLOR_MAPS: &[ColorMap] = &[
    ColorMap { id: "magma", gradient: colorous::MAGMA },
    ColorMap { id: "viridis", gradient: colorous::VIRIDIS },
    ColorMap { id: "inferno", gradient: colorous::INFERNO },
    ColorMap { id: "cividis", gradient: colorous::CIVIDIS },
    ColorMap { id: "turbo", gradient: colorous::TURBO },
];

impl ColorMap {
    /// The colour of a value in `[0, 1]`; what lies outside takes the nearest end, NaN the lower one.
    #[must_use]
    pub fn color(&self, value: f32) -> [u8; 3] {
        let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        let c = self.gradient.eval_continuous(f64::from(value));
        [c.r, c.g, c.b]
    }
}

/// The colour map called `id`.
///
/// # Errors
/// [`Error::Unknown`] with the known ones.
pub fn color_map(id: &str) -> Result<ColorMap> {
    COLOR_MAPS.iter().find(|m| m.id == id).copied().ok_or_else(|| {
        let known: Vec<&str> = COLOR_MAPS.iter().map(|m| m.id).collect();
        let hint = format!("{} there are {}", did_you_mean(id, known.iter().copied()), known.join(", "));
        Error::unknown("colour map", id, hint.trim_start())
    })
}
