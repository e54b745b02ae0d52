//! Parts of a picture.

use super::Picture;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A rectangle in a picture's pixels; it may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

impl Area {
    /// A whole picture of that size.
    #[must_use]
    pub fn whole(width: u32, height: u32) -> Self {
        Self { x: 0.0, y: 0.0, width: width.into(), height: height.into() }
    }

    /// The same in a picture that is larger by that factor.
    #[must_use]
    pub fn scaled(self, by: f64) -> Self {
        Self { x: self.x * by, y: self.y * by, width: self.width * by, height: self.height * by }
    }

    /// The columns of a picture of that width whose middles lie in it.
    #[must_use]
    pub fn columns(self, width: u32) -> Range<u32> {
        middles(self.x, self.width, width)
    }

    /// The rows of a picture of that height whose middles lie in it.
    #[must_use]
    pub fn rows(self, height: u32) -> Range<u32> {
        middles(self.y, self.height, height)
    }
}

fn middles(from: f64, extent: f64, most: u32) -> Range<u32> {
    let edge = |v: f64| (v - 0.5).ceil().clamp(0.0, most.into()) as u32;
    edge(from)..edge(from + extent)
}

/// A picture with a frame around a part of it, dark and light so that it is seen on anything; none where the part is the
/// whole.
#[must_use]
pub fn framed(picture: &Picture, area: Area) -> Picture {
    let (columns, rows) = (area.columns(picture.width), area.rows(picture.height));
    if columns == (0..picture.width) && rows == (0..picture.height) {
        return picture.clone();
    }
    let line = (picture.width.max(picture.height) / 400).max(1);
    let mut rgb = picture.rgb.to_vec();
    for (distance, value) in [(0, 255u8), (line, 0)] {
        let grown =
            |range: &Range<u32>, by: u32, most: u32| range.start.saturating_sub(by)..(range.end + by).min(most);
        let (inner_x, inner_y) = (grown(&columns, distance, picture.width), grown(&rows, distance, picture.height));
        let (outer_x, outer_y) =
            (grown(&columns, distance + line, picture.width), grown(&rows, distance + line, picture.height));
        for y in outer_y {
            for x in outer_x.clone().filter(|x| !(inner_x.contains(x) && inner_y.contains(&y))) {
                let at = (y as usize * picture.width as usize + x as usize) * 3;
                rgb[at..at + 3].fill(value);
            }
        }
    }
    Picture::new(picture.width, picture.height, rgb)
}

/// A picture that is darker outside a part of it.
#[must_use]
pub fn dimmed_outside(picture: &Picture, area: Area) -> Picture {
    const LEFT: u16 = 45;
    let (columns, rows) = (area.columns(picture.width), area.rows(picture.height));
    let mut rgb = picture.rgb.to_vec();
    for (y, row) in (0..).zip(rgb.chunks_exact_mut(picture.width as usize * 3)) {
        for (x, pixel) in (0..).zip(row.chunks_exact_mut(3)) {
            if !(columns.contains(&x) && rows.contains(&y)) {
                pixel.iter_mut().for_each(|v| *v = (u16::from(*v) * LEFT / 100) as u8);
            }
        }
    }
    Picture::new(picture.width, picture.height, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lies_around_its_part() {
        let picture = Picture::new(12, 8, vec![90; 288]);
        let area = Area { x: 4.0, y: 0.0, width: 4.0, height: 8.0 };
        let row: Vec<u8> = framed(&picture, area).rgb.chunks(3).take(12).map(|p| p[0]).collect();
        assert_eq!(row, [90, 90, 0, 255, 90, 90, 90, 90, 255, 0, 90, 90]);
        assert_eq!(framed(&picture, Area::whole(12, 8)), picture);
        let row: Vec<u8> = dimmed_outside(&picture, area).rgb.chunks(3).take(12).map(|p| p[0]).collect();
        assert_eq!(row, [40, 40, 40, 40, 90, 90, 90, 90, 40, 40, 40, 40]);
        assert_eq!(dimmed_outside(&picture, Area::whole(12, 8)), picture);
        let beyond = Area { x: -3.0, y: 2.0, width: 40.0, height: 2.0 };
        assert_eq!((beyond.columns(12), beyond.rows(8)), (0..12, 2..4));
    }
}
