//! Resizing with the modes of ONNX's `Resize`.

use super::separable::{AxisMap, Separable, axis_length};
use candle_core::Result;

/// How values between places are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interpolation {
    /// The nearest place.
    Nearest(Rounding),
    /// A line between the two nearest places.
    Linear,
    /// A cubic through the four nearest places (Keys 1981).
    Cubic {
        /// Its coefficient: −0.75 in PyTorch and ONNX, −0.5 in TensorFlow.
        a: f64,
    },
}

/// Which place is the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// The nearer one, the lower of two (`round_prefer_floor`).
    PreferFloor,
    /// The nearer one, the upper of two (`round_prefer_ceil`).
    PreferCeil,
    /// The one before.
    Floor,
    /// The one behind.
    Ceil,
}

/// Where a place of the output lies in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinates {
    /// (i + ½) / scale − ½.
    HalfPixel,
    /// The same about the centre, where the output is not scale times the input.
    HalfPixelSymmetric,
    /// [`Coordinates::HalfPixel`], but 0 for an output of one place.
    PytorchHalfPixel,
    /// i (input − 1) / (output − 1): corners stay corners.
    AlignCorners,
    /// i / scale.
    Asymmetric,
    /// (i + ½) / scale.
    TfHalfPixelForNn,
}

/// How large the result is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// Height and width; the scales are their quotients.
    Size([usize; 2]),
    /// Scales of height and width; the result is rounded down, the coordinates keep the scales.
    Scale([f32; 2]),
}

/// A change of height and width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resize {
    /// How values between places are found.
    pub interpolation: Interpolation,
    /// Where the output's places lie in the input.
    pub coordinates: Coordinates,
    /// How large the result is.
    pub target: Target,
    /// Whether what lies outside counts nothing, instead of being the outermost place again.
    pub exclude_outside: bool,
    /// Whether a linear or cubic filter is widened where the map shrinks, as in Pillow.
    pub antialias: bool,
}

/// One axis: lengths, and steps in the input for a step in the output.
#[derive(Clone, Copy)]
struct Axis {
    input: usize,
    output: usize,
    scale: Option<f64>,
}

impl Axis {
    fn of_size(input: usize, output: usize) -> Result<Self> {
        Ok(Self { input: axis_length(input as i128)?, output: axis_length(output as i128)?, scale: None })
    }

    fn of_scale(input: usize, scale: f32) -> Result<Self> {
        if !scale.is_finite() || scale <= 0.0 {
            candle_core::bail!("a map cannot be resized by a factor of {scale}");
        }
        // In float32, as other runtimes have it: 10 places times 0.7 are 7.
        let output = axis_length((axis_length(input as i128)? as f32 * scale) as i128)?;
        Ok(Self { input, output, scale: Some(f64::from(scale)) })
    }

    /// v / scale; without a given scale the quotient of the lengths, which is exact wherever it is a whole number.
    fn unscaled(self, v: f64) -> f64 {
        match self.scale {
            Some(scale) => v / scale,
            None => v * self.input as f64 / self.output as f64,
        }
    }

    /// How many places of the input one of the output stands for.
    fn stretch(self) -> f64 {
        self.unscaled(1.0)
    }

    /// Where output `i` lies in the input.
    fn coordinate(self, coordinates: Coordinates, i: usize) -> f64 {
        let (i, input, output) = (i as f64, self.input as f64, self.output as f64);
        let half_pixel = self.unscaled(i + 0.5) - 0.5;
        match coordinates {
            Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if self.output == 1 => 0.0,
            Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => half_pixel,
            Coordinates::HalfPixelSymmetric => 0.5 * input + self.unscaled(i + 0.5 - 0.5 * output) - 0.5,
            Coordinates::AlignCorners => i * (input - 1.0) / (output - 1.0),
            Coordinates::Asymmetric => self.unscaled(i),
            Coordinates::TfHalfPixelForNn => self.unscaled(i + 0.5),
        }
    }
}

impl Interpolation {
    /// How far from a place others count, and the weight of one at `distance`.
    fn filter(self) -> (f64, impl Fn(f64) -> f64) {
        let radius = if matches!(self, Self::Cubic { .. }) { 2.0 } else { 1.0 };
        let weight = move |distance: f64| {
            let d = distance.abs();
            match self {
                _ if d >= radius => 0.0,
                Self::Cubic { a } if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
                Self::Cubic { a } => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
                _ => 1.0 - d,
            }
        };
        (radius, weight)
    }
}

impl Resize {
    /// The resizing of a map `[C, H, W]`.
    ///
    /// # Errors
    /// If a scale is no positive number, nothing would be left, or more than can be held.
    pub fn separable(&self, [c, h, w]: [usize; 3]) -> Result<Separable> {
        let axes = match self.target {
            Target::Size([height, width]) => [Axis::of_size(h, height)?, Axis::of_size(w, width)?],
            Target::Scale([vertical, horizontal]) => [Axis::of_scale(h, vertical)?, Axis::of_scale(w, horizontal)?],
        };
        let [rows, columns] = axes.map(|axis| self.along(axis));
        Separable::new([AxisMap::copied(c, (0..c).map(Some))?, rows?, columns?], 0.0)
    }

    fn along(&self, axis: Axis) -> Result<AxisMap> {
        let at = |i: usize| axis.coordinate(self.coordinates, i);
        match self.interpolation {
            Interpolation::Nearest(rounding) => {
                let nearest = |i: usize| {
                    let x = match rounding {
                        Rounding::PreferFloor => (at(i) - 0.5).ceil(),
                        Rounding::PreferCeil => (at(i) + 0.5).floor(),
                        Rounding::Floor => at(i).floor(),
                        Rounding::Ceil => at(i).ceil(),
                    };
                    Some(x.clamp(0.0, (axis.input - 1) as f64) as usize)
                };
                AxisMap::copied(axis.input, (0..axis.output).map(nearest))
            }
            _ => AxisMap::weighted(axis.input, (0..axis.output).map(|i| self.taps(axis, at(i)))),
        }
    }

    /// What an output at `x` reads, and how much of each.
    fn taps(&self, axis: Axis, x: f64) -> Vec<(usize, f32)> {
        let (radius, weight) = self.interpolation.filter();
        let stretch = if self.antialias { axis.stretch().max(1.0) } else { 1.0 };
        let first = (x - radius * stretch).floor() as i64 + 1;
        let last = (x + radius * stretch).floor() as i64;
        let mut taps: Vec<(usize, f64)> = vec![];
        for at in first..=last {
            let inside = at.clamp(0, axis.input as i64 - 1);
            let weight = weight((at as f64 - x) / stretch);
            if weight == 0.0 || (self.exclude_outside && inside != at) {
                continue;
            }
            match taps.last_mut() {
                Some((index, sum)) if *index as i64 == inside => *sum += weight,
                _ => taps.push((inside as usize, weight)),
            }
        }
        let total: f64 = taps.iter().map(|tap| tap.1).sum();
        let total = if (self.exclude_outside || self.antialias) && total != 0.0 { total } else { 1.0 };
        taps.into_iter().map(|(index, weight)| (index, (weight / total) as f32)).collect()
    }
}
