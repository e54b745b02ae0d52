//! Colour maps.

use crate::error::{Error, Result, did_you_mean};

/// A named map from `[0, 1]` to colours.
#[derive(Clone, Copy)]
pub struct ColorMap {
    /// Its id.
    pub id: &'static str,
    /// Whether it is for signed maps: its middle stands for zero.
    pub diverging: bool,
    /// Whether it runs through the gradient backwards.
    reversed: bool,
    gradient: colorous::Gradient,
}

impl std::fmt::Debug for ColorMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// Every colour map, the default of each kind first; all are perceptually uniform or nearly so.
pub const COLOR_MAPS: &[ColorMap] = &[
    sequential("magma", colorous::MAGMA),
    sequential("viridis", colorous::VIRIDIS),
    sequential("inferno", colorous::INFERNO),
    sequential("plasma", colorous::PLASMA),
    sequential("cividis", colorous::CIVIDIS),
    diverging("blue-red", colorous::RED_BLUE, true),
    diverging("purple-orange", colorous::PURPLE_ORANGE, false),
    diverging("purple-green", colorous::PURPLE_GREEN, false),
];

const fn sequential(id: &'static str, gradient: colorous::Gradient) -> ColorMap {
    ColorMap { id, diverging: false, reversed: false, gradient }
}

const fn diverging(id: &'static str, gradient: colorous::Gradient, reversed: bool) -> ColorMap {
    ColorMap { id, diverging: true, reversed, gradient }
}

impl ColorMap {
    /// The colour of a value in `[0, 1]`; what lies outside takes the nearest end, NaN the lower one.
    #[must_use]
    pub fn color(&self, value: f32) -> [u8; 3] {
        let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        let value = if self.reversed { 1.0 - value } else { value };
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
