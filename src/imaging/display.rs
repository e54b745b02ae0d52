//! How a heat map is shown. Display never changes the raw values.

use super::colormap::color_map;
use super::{Area, COLOR_MAPS, ColorMap, HeatMap, Picture};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How much of the photo is left where the map lies below the threshold.
const DIMMED: f32 = 0.25;
/// Where contour lines run, as shares of the range.
const LEVELS: [f32; 3] = [0.25, 0.5, 0.75];
/// Cells a side that contour lines are drawn around.
const FINEST: u32 = 28;

/// The settings under which a map becomes a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Display {
    /// Colour map of maps without negative values.
    pub sequential: String,
    /// Colour map of signed maps; its middle is zero.
    pub diverging: String,
    /// How strongly the map covers the photo, in `[0, 1]`; a signed map covers it in proportion to its magnitude, and
    /// wholly from magnitude 1/2 on at opacity 1.
    pub opacity: f32,
    /// Percent of the values that may lie beyond each end of the colour map, in `[0, 50)`.
    pub clip: f32,
    /// Values below this share of the range are masked, in `[0, 1]`; of a signed map their magnitude counts.
    pub threshold: f32,
    /// Whether contour lines are drawn at a quarter, half and three quarters of the range.
    pub contour: bool,
    /// Whether only the part of the photo that the network sees is shown.
    #[serde(default)]
    pub crop: bool,
}

impl Default for Display {
    fn default() -> Self {
        let first = |diverging| COLOR_MAPS.iter().find(|m| m.diverging == diverging).map_or("", |m| m.id).to_owned();
        let (sequential, diverging) = (first(false), first(true));
        Self { sequential, diverging, opacity: 0.5, clip: 1.0, threshold: 0.0, contour: false, crop: false }
    }
}

/// Whether a map has negative values worth a colour of their own.
fn is_signed(heat: &HeatMap) -> bool {
    heat.range().0 < 0.0
}

impl Display {
    /// Takes the colour map called `id` for the maps it is made for.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the known ones.
    pub fn set_color_map(&mut self, id: &str) -> Result<()> {
        let map = color_map(id)?;
        map.id.clone_into(if map.diverging { &mut self.diverging } else { &mut self.sequential });
        Ok(())
    }

    /// Takes the next colour map of the kind `heat` is shown in.
    pub fn next_color_map(&mut self, heat: &HeatMap) {
        let present = self.color_map(heat);
        let same: Vec<&ColorMap> = COLOR_MAPS.iter().filter(|m| m.diverging == present.diverging).collect();
        let at = same.iter().position(|m| m.id == present.id).unwrap_or(0);
        let next = same[(at + 1) % same.len()].id.to_owned();
        *(if present.diverging { &mut self.diverging } else { &mut self.sequential }) = next;
    }

    /// The settings if they are in range.
    ///
    /// # Errors
    /// [`Error::BadValue`] with the range.
    pub fn checked(self) -> Result<Self> {
        let share = |name: &str, value: f32| {
            let fits = (0.0..=1.0).contains(&value);
            if fits { Ok(()) } else { Err(Error::bad_value(name, value, "it takes a number from 0 to 1")) }
        };
        share("--opacity", self.opacity)?;
        share("--threshold", self.threshold)?;
        if !(0.0..50.0).contains(&self.clip) {
            return Err(Error::bad_value("--clip", self.clip, "it takes percent from 0 to just under 50"));
        }
        Ok(self)
    }

    /// The colour map `heat` is shown in.
    #[must_use]
    pub fn color_map(&self, heat: &HeatMap) -> ColorMap {
        let signed = is_signed(heat);
        let id = if signed { &self.diverging } else { &self.sequential };
        let fallback = || COLOR_MAPS.iter().find(|m| m.diverging == signed).copied();
        color_map(id).ok().or_else(fallback).unwrap_or(COLOR_MAPS[0])
    }

    /// The values at the ends of the colour map: the range of the map, clipped; the same on both sides of zero for a
    /// signed map.
    #[must_use]
    pub fn range(&self, heat: &HeatMap) -> (f32, f32) {
        let (low, high) = heat.range();
        let signed = is_signed(heat);
        if self.clip <= 0.0 {
            let most = high.max(-low);
            return if signed { (-most, most) } else { (low, high) };
        }
        let finite = heat.values.iter().copied().filter(|v| v.is_finite());
        let mut values: Vec<f32> = if signed { finite.map(f32::abs).collect() } else { finite.collect() };
        values.sort_by(f32::total_cmp);
        let at = |percent: f32| {
            let last = values.len().saturating_sub(1);
            values.get((percent / 100.0 * last as f32).round() as usize).copied().unwrap_or(0.0)
        };
        let most = at(100.0 - self.clip);
        if signed { (-most, most) } else { (at(self.clip), most) }
    }

    /// The map alone in colours, `width` × `height` pixels.
    #[must_use]
    pub fn map(&self, heat: &HeatMap, width: u32, height: u32) -> Picture {
        let resized = |map: &HeatMap| map.resized(width, height);
        self.painted(heat, resized, |_, color, _, masked| if masked { [0; 3] } else { color })
    }

    /// The map laid over the whole of `photo`.
    #[must_use]
    pub fn overlay(&self, heat: &HeatMap, photo: &Picture) -> Picture {
        self.painted(heat, |map| map.resized(photo.width, photo.height), self.over(heat, photo, 0, photo.width, 0))
    }

    /// The map alone in colours on a part of a black picture of `width` × `height` pixels, which it may reach beyond.
    #[must_use]
    pub fn map_at(&self, heat: &HeatMap, (width, height): (u32, u32), area: Area) -> Picture {
        let black = Picture::new(width, height, vec![0; width as usize * height as usize * 3]);
        self.laid(heat, &black, area, |_, color, _, masked| if masked { [0; 3] } else { color })
    }

    /// The map laid over a part of `photo`, which may reach beyond it; the rest stays as it is.
    #[must_use]
    pub fn overlay_at(&self, heat: &HeatMap, photo: &Picture, area: Area) -> Picture {
        let (columns, rows) = (area.columns(photo.width), area.rows(photo.height));
        self.laid(heat, photo, area, self.over(heat, photo, columns.start, columns.len() as u32, rows.start))
    }

    /// The map, as [`Display::painted`] paints it, on a part of a picture.
    fn laid(
        &self,
        heat: &HeatMap,
        ground: &Picture,
        area: Area,
        color: impl Fn(usize, [u8; 3], f32, bool) -> [u8; 3],
    ) -> Picture {
        let (columns, rows) = (area.columns(ground.width), area.rows(ground.height));
        if columns.is_empty() || rows.is_empty() {
            return ground.clone();
        }
        let laid = |map: &HeatMap| map.laid_over(area, columns.clone(), rows.clone());
        let inside = self.painted(heat, laid, color);
        let mut rgb = ground.rgb.to_vec();
        let (row, from) = (ground.width as usize * 3, columns.start as usize * 3);
        for (line, painted) in inside.rgb.chunks_exact(columns.len() * 3).enumerate() {
            rgb[(rows.start as usize + line) * row + from..][..painted.len()].copy_from_slice(painted);
        }
        Picture::new(ground.width, ground.height, rgb)
    }

    /// The colour of a pixel of the map over the photo, where the map's first pixel is the photo's at `x`, `y`.
    fn over<'a>(
        &'a self,
        heat: &HeatMap,
        photo: &'a Picture,
        x: u32,
        width: u32,
        y: u32,
    ) -> impl Fn(usize, [u8; 3], f32, bool) -> [u8; 3] + 'a {
        let signed = is_signed(heat);
        let (x, y, width) = (x as usize, y as usize, width as usize);
        move |pixel, color, magnitude, masked| {
            let cover = match (masked, signed) {
                (true, _) => 0.0,
                (false, true) => 2.0 * self.opacity * magnitude,
                (false, false) => self.opacity,
            };
            let below = ((y + pixel / width) * photo.width as usize + x + pixel % width) * 3;
            std::array::from_fn(|i| {
                let under = f32::from(photo.rgb[below + i]) * if masked { DIMMED } else { 1.0 };
                (under + (f32::from(color[i]) - under) * cover.clamp(0.0, 1.0)).round() as u8
            })
        }
    }

    /// Calls `color(pixel, colour of the value, magnitude in [0, 1], masked)` for each pixel of the map as `enlarged` gives it
    /// and draws the contours.
    fn painted(
        &self,
        heat: &HeatMap,
        enlarged: impl Fn(&HeatMap) -> HeatMap,
        color: impl Fn(usize, [u8; 3], f32, bool) -> [u8; 3],
    ) -> Picture {
        let (low, high) = self.range(heat);
        let map = self.color_map(heat);
        let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
        let large = enlarged(heat);
        // Where on the colour map, and how far from "nothing".
        let place = |v: f32| if scale > 0.0 { ((v - low) * scale).clamp(0.0, 1.0) } else { 0.0 };
        let magnitude = |v: f32| if map.diverging { (place(v) * 2.0 - 1.0).abs() } else { place(v) };
        let mut rgb = Vec::with_capacity(large.values.len() * 3);
        for (pixel, &v) in large.values.iter().enumerate() {
            let size = magnitude(v);
            rgb.extend(color(pixel, map.color(place(v)), size, size < self.threshold));
        }
        if self.contour {
            let line = if map.diverging { [0; 3] } else { [255; 3] };
            let sizes = HeatMap::new(heat.width, heat.height, heat.values.iter().map(|v| magnitude(*v)).collect());
            let coarse = averaged(&sizes, FINEST);
            for pixel in contours(&enlarged(&coarse), coarse.range().1) {
                rgb[pixel * 3..pixel * 3 + 3].copy_from_slice(&line);
            }
        }
        Picture::new(large.width, large.height, rgb)
    }
}

/// The pixels on the contour lines of magnitudes that were averaged first, since lines around every pixel say nothing; at
/// [`LEVELS`] of the largest.
fn contours(large: &HeatMap, most: f32) -> Vec<usize> {
    let w = large.width as usize;
    let crosses = |a: f32, b: f32| LEVELS.iter().any(|level| (a < level * most) != (b < level * most));
    let on_line = |&pixel: &usize| {
        let here = large.values[pixel];
        let right = !(pixel + 1).is_multiple_of(w) && crosses(here, large.values[pixel + 1]);
        right || large.values.get(pixel + w).is_some_and(|below| crosses(here, *below))
    };
    (0..large.values.len()).filter(on_line).collect()
}

/// The map in cells of equal size, at most `most` a side, each the mean of its values.
fn averaged(heat: &HeatMap, most: u32) -> HeatMap {
    let (w, h) = (heat.width.min(most) as usize, heat.height.min(most) as usize);
    let (full_w, full_h) = (heat.width as usize, heat.height as usize);
    let span = |i: usize, cells: usize, full: usize| i * full / cells..(i + 1) * full / cells;
    let mean = |cell: usize| {
        let (rows, columns) = (span(cell / w, h, full_h), span(cell % w, w, full_w));
        let count = (rows.len() * columns.len()) as f32;
        rows.map(|y| heat.values[y * full_w..][columns.clone()].iter().sum::<f32>()).sum::<f32>() / count
    };
    HeatMap::new(w as u32, h as u32, (0..w * h).map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn light(picture: &Picture, x: usize, y: usize) -> u32 {
        picture.rgb[(y * picture.width as usize + x) * 3..][..3].iter().map(|&v| u32::from(v)).sum()
    }

    fn peak() -> HeatMap {
        HeatMap::new(3, 3, vec![0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0])
    }

    #[test]
    fn the_peak_is_brightest() {
        let picture = Display::default().map(&peak(), 30, 30);
        assert!(light(&picture, 15, 15) > light(&picture, 8, 15) && light(&picture, 8, 15) > light(&picture, 1, 1));
    }

    #[test]
    fn zero_is_the_middle_of_a_signed_map() {
        let heat = HeatMap::new(3, 1, vec![-1.0, 0.0, 4.0]);
        let display = Display::default();
        assert_eq!(display.range(&heat), (-4.0, 4.0));
        assert!(display.color_map(&heat).diverging);
        let picture = display.map(&heat, 3, 1);
        assert!(light(&picture, 1, 0) > light(&picture, 2, 0), "the middle is light");
        assert!(picture.rgb[6] > picture.rgb[8], "positive is red");
        let photo = Picture::new(3, 1, vec![10; 9]);
        assert_eq!(display.overlay(&heat, &photo).rgb[3..6], [10; 3], "nothing covers nothing");
    }

    #[test]
    fn a_map_can_lie_on_a_part_of_a_photo() {
        let photo = Picture::new(20, 10, vec![100; 600]);
        let display = Display { clip: 0.0, opacity: 1.0, ..Display::default() };
        let area = Area { x: 5.0, y: 1.0, width: 8.0, height: 8.0 };
        let part = display.overlay_at(&peak(), &photo, area);
        let whole = display.overlay(&peak(), &Picture::new(8, 8, vec![100; 192]));
        let pixel =
            |picture: &Picture, x: u32, y: u32| picture.rgb[((y * picture.width + x) * 3) as usize..][..3].to_vec();
        for (x, y) in [(0, 0), (3, 4), (7, 7)] {
            let (a, b) = (pixel(&part, x + 5, y + 1), pixel(&whole, x, y));
            assert!(a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 1), "{a:?} {b:?}");
        }
        assert_eq!([pixel(&part, 4, 5), pixel(&part, 13, 5), pixel(&part, 8, 9)], [[100; 3]; 3], "nothing outside");
        // A border lies beyond the photo: what is left of the map is its middle.
        let beyond = display.overlay_at(&peak(), &photo, Area { x: 0.0, y: -5.0, width: 20.0, height: 20.0 });
        assert!(light(&beyond, 10, 5) > light(&beyond, 1, 5) && pixel(&beyond, 1, 0) != [100; 3]);
        let alone = display.map_at(&peak(), (20, 10), area);
        assert_eq!(
            (pixel(&alone, 4, 5), pixel(&alone, 8, 4)),
            (vec![0; 3], pixel(&display.map(&peak(), 8, 8), 3, 3))
        );
        let elsewhere = Area { x: 30.0, y: 0.0, width: 5.0, height: 5.0 };
        assert_eq!(display.overlay_at(&peak(), &photo, elsewhere), photo);
    }

    #[test]
    fn outliers_can_be_clipped() {
        let mut values = vec![1.0; 99];
        values[0] = 0.0;
        values.push(1000.0);
        let heat = HeatMap::new(10, 10, values);
        assert_eq!(Display { clip: 2.0, ..Display::default() }.range(&heat), (1.0, 1.0));
        assert_eq!(Display { clip: 0.0, ..Display::default() }.range(&heat), (0.0, 1000.0));
    }

    #[test]
    fn the_threshold_leaves_the_photo_where_the_map_is_high() {
        let photo = Picture::new(30, 30, vec![200; 2700]);
        let display = Display { threshold: 0.5, opacity: 0.0, ..Display::default() };
        let picture = display.overlay(&peak(), &photo);
        assert_eq!((light(&picture, 15, 15), light(&picture, 1, 1)), (600, 150));
    }

    #[test]
    fn contours_are_lines() {
        let plain = Display::default().map(&peak(), 30, 30);
        let lined = Display { contour: true, ..Display::default() }.map(&peak(), 30, 30);
        let drawn = plain.rgb.chunks(3).zip(lined.rgb.chunks(3)).filter(|(a, b)| a != b).count();
        assert!((20..200).contains(&drawn), "{drawn}");
    }

    #[test]
    fn broken_maps_are_shown_too() {
        for values in [vec![f32::NAN; 4], vec![0.0; 4], vec![1.0, f32::NAN, f32::INFINITY, -1.0]] {
            let display = Display { contour: true, clip: 1.0, threshold: 0.3, ..Display::default() };
            let _ = display.map(&HeatMap::new(2, 2, values), 5, 5);
        }
    }
}
