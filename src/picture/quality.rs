//! How good a picture may be: as good as its budget of bytes allows, learned from the pictures before it.

use super::palette::ColorReduction;
use serde::{Deserialize, Serialize};

/// What the person would rather have of a line that does not carry both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Preference {
    /// Good pictures, however few.
    Sharp,
    /// Some of both.
    #[default]
    Balanced,
    /// Many pictures, however coarse.
    Smooth,
}

impl Preference {
    /// Pictures a second that a slow line should carry.
    pub(super) fn pictures_a_second(self) -> f64 {
        match self {
            Self::Sharp => 0.7,
            Self::Balanced => 2.0,
            Self::Smooth => 5.0,
        }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Sharp => Self::Balanced,
            Self::Balanced => Self::Smooth,
            Self::Smooth => Self::Sharp,
        }
    }
}

impl std::fmt::Display for Preference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sharp => "sharp pictures, fewer a second",
            Self::Balanced => "balanced between sharp and smooth",
            Self::Smooth => "smooth: more pictures a second, coarser",
        })
    }
}

/// A step down in quality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub reduction: ColorReduction,
    /// Of the width and height, where the terminal scales pictures.
    pub scale: f64,
    /// Of a JPEG.
    pub jpeg: u8,
    /// Bytes it takes, compared with the first level.
    weight: f64,
}

const fn level(colors: u16, tolerance: u32, scale: f64, jpeg: u8, weight: f64) -> Level {
    Level { reduction: ColorReduction { colors, tolerance }, scale, jpeg, weight }
}

/// From the best to the coarsest.
pub(super) const LEVELS: [Level; 11] = [
    level(256, 4, 1.0, 92, 1.0),
    level(192, 10, 1.0, 90, 0.9),
    level(128, 20, 1.0, 88, 0.8),
    level(96, 40, 1.0, 84, 0.7),
    level(64, 70, 1.0, 80, 0.58),
    level(48, 110, 1.0, 72, 0.48),
    level(32, 150, 1.0, 64, 0.38),
    level(32, 150, 0.75, 60, 0.24),
    level(24, 200, 0.6, 55, 0.15),
    level(16, 300, 0.5, 50, 0.09),
    level(16, 500, 0.35, 40, 0.05),
];

/// Bytes a pixel at the first level, before anything is known.
const FIRST: f64 = 1.05;
/// A better level is taken if it would fit with so much to spare.
const MARGIN: f64 = 1.15;

/// Chooses the level for the pictures of one place on the screen.
#[derive(Debug, Clone)]
pub(super) struct Governor {
    /// Bytes a pixel at the first level.
    bytes: f64,
    /// The level of the picture before.
    before: usize,
}

impl Default for Governor {
    fn default() -> Self {
        Self { bytes: FIRST, before: 0 }
    }
}

impl Governor {
    /// The best level at which a picture of so many pixels keeps to its budget.
    pub fn level(&self, pixels: usize, budget: usize) -> usize {
        let takes = |l: &Level| self.bytes * pixels as f64 * l.weight;
        // A change of level changes every colour, so it has to be worth it.
        let margin = |i: usize| if i < self.before { MARGIN } else { 1.0 };
        let fits = |(i, l): (usize, &Level)| takes(l) * margin(i) <= budget as f64;
        LEVELS.iter().enumerate().position(fits).unwrap_or(LEVELS.len() - 1)
    }

    /// Learns what a picture took.
    pub fn saw(&mut self, level: usize, pixels: usize, bytes: usize) {
        self.before = level;
        if pixels == 0 {
            return;
        }
        let seen = bytes as f64 / (pixels as f64 * LEVELS[level].weight).max(1.0);
        // What is larger than thought is believed at once.
        self.bytes = if seen > self.bytes { seen } else { self.bytes * 0.8 + seen * 0.2 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_learned() {
        let mut governor = Governor::default();
        let pixels = 65536;
        // This kind of picture takes half as much again as was thought.
        let truth = |level: usize| (1.6 * pixels as f64 * LEVELS[level].weight) as usize;
        let budget = 52_000;
        for _ in 0..3 {
            let level = governor.level(pixels, budget);
            governor.saw(level, pixels, truth(level));
        }
        let level = governor.level(pixels, budget);
        assert!(truth(level) <= budget && truth(level - 1) as f64 * MARGIN > budget as f64, "{level}");
        assert_eq!(governor.level(pixels, 1), LEVELS.len() - 1);
        assert_eq!(governor.level(10, budget), 0);
    }

    #[test]
    fn levels_go_down() {
        assert!(LEVELS.windows(2).all(|l| l[0].weight > l[1].weight && l[0].scale >= l[1].scale));
    }
}
