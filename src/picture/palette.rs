//! Pictures in few colours: the palette stays while it serves, and pixels keep their colour while it is near enough, so
//! that what does not change does not flicker and little has to be sent.

use quantette::PaletteSize;
use quantette::deps::palette::Srgb;
use quantette::wu::{BinnerU8x3, WuU8x3};

/// Bits of a channel that the table of nearest colours tells apart.
const BITS: u32 = 6;
/// A palette that has become worse than a new one by this factor (of the mean squared error) is given up.
const WORN: f64 = 1.3;
/// Mean squared errors of a channel below this are not worth a new palette.
const UNSEEN: f64 = 12.0;
/// No colour of the table has been looked up yet.
const UNKNOWN: u16 = u16::MAX;

/// A set of colours with a table of which one is nearest.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    pub colors: Vec<[u8; 3]>,
    table: Vec<u16>,
}

impl Palette {
    /// At most `size` colours for these pixels, by Wu's method.
    pub fn of(rgb: &[u8], size: u16) -> Self {
        let pixels: Vec<Srgb<u8>> = rgb.chunks_exact(3).map(|p| Srgb::new(p[0], p[1], p[2])).collect();
        let found = WuU8x3::run_slice(&pixels, BinnerU8x3::<32, 32, 32>::new());
        let colors = found.map_or_else(
            |_| vec![[0; 3]],
            |wu| wu.palette(PaletteSize::from_u16_clamped(size)).iter().map(|c| [c.red, c.green, c.blue]).collect(),
        );
        Self { colors, table: vec![UNKNOWN; 1 << (3 * BITS)] }
    }

    /// The index of the nearest colour.
    fn nearest(&mut self, [r, g, b]: [u8; 3]) -> u8 {
        let cut = |v: u8| usize::from(v >> (8 - BITS));
        let at = (cut(r) << (2 * BITS)) | (cut(g) << BITS) | cut(b);
        if self.table[at] == UNKNOWN {
            let distances = self.colors.iter().map(|c| distance(*c, [r, g, b]));
            let nearest = distances.enumerate().min_by_key(|(_, d)| *d).map_or(0, |(i, _)| i);
            self.table[at] = nearest as u16;
        }
        self.table[at] as u8
    }
}

/// The squared distance of two colours.
pub(super) fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let square = |i: usize| (i32::from(a[i]) - i32::from(b[i])).pow(2).cast_unsigned();
    square(0) + square(1) + square(2)
}

/// How a picture is brought to few colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColorReduction {
    /// Colours at most, 2 to 256.
    pub colors: u16,
    /// By how much a pixel's squared error may exceed the smallest if its neighbour's colour, or its own of the frame
    /// before, is taken instead.
    pub tolerance: u32,
}

/// Brings the pictures of one place on the screen to few colours, one after the other.
#[derive(Debug, Default)]
pub(super) struct Reducer {
    palette: Option<(u16, Palette, f64)>,
    size: (u32, u32),
    indices: Vec<u8>,
}

/// A picture in few colours.
pub(super) struct Reduced<'a> {
    pub colors: &'a [[u8; 3]],
    /// One a pixel, row by row.
    pub indices: &'a [u8],
    /// Mean squared error of a channel.
    pub error: f64,
}

impl Reducer {
    /// Reduces `rgb`, `width` × `height` pixels.
    pub fn reduce(&mut self, rgb: &[u8], (width, height): (u32, u32), how: ColorReduction) -> Reduced<'_> {
        if self.size != (width, height) {
            self.indices.clear();
            self.size = (width, height);
        }
        let usable = self.palette.take().filter(|(colors, _, _)| *colors == how.colors);
        let (mut palette, mut promised) = match usable {
            Some((_, palette, promised)) => (palette, promised),
            None => {
                self.indices.clear();
                (Palette::of(rgb, how.colors), f64::INFINITY)
            }
        };
        let mut before = std::mem::take(&mut self.indices);
        let (mut indices, mut error, mut least) = assign(&mut palette, rgb, width, &before, how.tolerance);
        if least > UNSEEN && least > promised * WORN {
            palette = Palette::of(rgb, how.colors);
            before.clear();
            (indices, error, least) = assign(&mut palette, rgb, width, &before, how.tolerance);
            promised = f64::INFINITY;
        }
        self.indices = indices;
        let (_, palette, _) = self.palette.insert((how.colors, palette, promised.min(least)));
        Reduced { colors: &palette.colors, indices: &self.indices, error }
    }
}

/// The colour of each pixel; the mean squared error of a channel, and what it would be with the nearest colours.
fn assign(palette: &mut Palette, rgb: &[u8], width: u32, before: &[u8], tolerance: u32) -> (Vec<u8>, f64, f64) {
    let width = width as usize;
    let mut indices: Vec<u8> = Vec::with_capacity(rgb.len() / 3);
    let (mut total, mut least) = (0u64, 0u64);
    for (i, p) in rgb.chunks_exact(3).enumerate() {
        let color = [p[0], p[1], p[2]];
        let nearest = palette.nearest(color);
        let smallest = distance(palette.colors[usize::from(nearest)], color);
        let left = if i % width > 0 { indices.last().copied() } else { None };
        let above = i.checked_sub(width).map(|j| indices[j]);
        let (mut taken, mut off) = (nearest, smallest);
        for candidate in [before.get(i).copied(), left, above].into_iter().flatten() {
            let error = distance(palette.colors[usize::from(candidate)], color);
            if error <= smallest + tolerance {
                (taken, off) = (candidate, error);
                break;
            }
        }
        indices.push(taken);
        total += u64::from(off);
        least += u64::from(smallest);
    }
    let channels = (rgb.len() as f64).max(1.0);
    (indices, total as f64 / channels, least as f64 / channels)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A picture of waves in all colours.
    pub fn waves(width: u32, height: u32, phase: f64) -> Vec<u8> {
        let wave = |v: f64, length: f64| (127.5 + 120.0 * (v * std::f64::consts::TAU / length + phase).sin()) as u8;
        (0..width * height)
            .flat_map(|p| {
                let (x, y) = (f64::from(p % width), f64::from(p / width));
                [wave(x, 37.0), wave(y, 53.0), wave(x + y, 91.0)]
            })
            .collect()
    }

    #[test]
    fn few_colours_are_near_and_what_stands_still_stays() {
        let mut reducer = Reducer::default();
        let how = ColorReduction { colors: 128, tolerance: 24 };
        let first = waves(96, 64, 0.0);
        let reduced = reducer.reduce(&first, (96, 64), how);
        assert!(reduced.colors.len() <= 128 && reduced.error < 200.0, "{}", reduced.error);
        let before = reduced.indices.to_vec();
        let slightly: Vec<u8> = first.iter().map(|v| v.saturating_add(1)).collect();
        let after = reducer.reduce(&slightly, (96, 64), how).indices;
        let moved = before.iter().zip(after).filter(|(a, b)| a != b).count();
        assert!(moved < before.len() / 50, "{moved} of {} moved", before.len());
    }

    #[test]
    fn a_palette_that_does_not_serve_any_more_is_replaced() {
        let mut reducer = Reducer::default();
        let how = ColorReduction { colors: 16, tolerance: 0 };
        reducer.reduce(&[10; 3 * 64], (8, 8), how);
        let reduced = reducer.reduce(&[200; 3 * 64], (8, 8), how);
        assert!(reduced.error < 1.0);
    }
}
