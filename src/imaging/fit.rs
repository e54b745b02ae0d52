//! How a photo comes to the size of a network's input, in timm's words and by its rules.

use super::resize::{Interpolation, crop, resize_by};
use super::{Area, Picture};
use serde::{Deserialize, Serialize};

/// A picture longer than so many times its width is no photo: only what is kept of it is resized.
const THINNEST: u64 = 64;

/// What becomes of a picture of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CropMode {
    /// Its middle is kept.
    Center,
    /// It is squashed.
    Squash,
    /// It is shown whole, with a border.
    Border,
}

/// How a photo comes to the input's size, in timm's words. A photo that has that size already is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resize {
    /// The share of the resized picture that is kept, a side, in (0, 1].
    pub crop_share: f32,
    /// What becomes of a picture of another shape.
    pub mode: CropMode,
    /// How it is resampled.
    pub interpolation: Interpolation,
}

impl Default for Resize {
    /// The middle, whole along the shorter side, bicubic.
    fn default() -> Self {
        Self { crop_share: 1.0, mode: CropMode::Center, interpolation: Interpolation::Bicubic }
    }
}

/// Where a photo's pixels go: resized, then cut out from a corner that may lie outside.
struct Placement {
    /// Width and height of the resized photo.
    resized: [u32; 2],
    /// Pixels of the input per pixel of the photo, along x and y.
    scale: [f64; 2],
    /// Where in the resized photo the input begins, along x and y.
    corner: [f64; 2],
}

impl Resize {
    /// What a network whose input is `[height, width]` sees of a photo; `fill` is the border's colour.
    #[must_use]
    pub fn apply(self, photo: &Picture, [height, width]: [usize; 2], fill: [u8; 3]) -> Picture {
        let size = [width as u32, height as u32];
        if [photo.width, photo.height] == size {
            return photo.clone();
        }
        let short = photo.width.min(photo.height);
        if self.mode == CropMode::Center
            && u64::from(photo.width.max(photo.height)) > THINNEST * u64::from(short)
            && height.max(width) < THINNEST as usize * height.min(width)
        {
            // It would grow without bound.
            let shape = height.max(width).div_ceil(height.min(width).max(1)) as u32;
            let kept = short.saturating_mul(shape);
            let middle = window(photo, [photo.width.min(kept), photo.height.min(kept)], fill);
            return self.apply(&middle, [height, width], fill);
        }
        let [wide, high] = self.placement([photo.width, photo.height], size).resized;
        window(&resize_by(photo, wide, high, self.interpolation), size, fill)
    }

    /// The part of a photo of that width and height that a network whose input is `[height, width]` sees, in the photo's
    /// pixels; a border lies beyond the photo.
    #[must_use]
    pub fn area(self, (wide, high): (u32, u32), [height, width]: [usize; 2]) -> Area {
        let Placement { scale, corner, .. } = self.placement([wide, high], [width as u32, height as u32]);
        Area {
            x: corner[0] / scale[0],
            y: corner[1] / scale[1],
            width: width as f64 / scale[0],
            height: height as f64 / scale[1],
        }
    }

    /// Where a box `[x, y, width, height]` of a photo of that width and height lies in an input of `[height, width]`, as
    /// `[left, top, right, bottom]` in pixels of the input, cut at its edges.
    #[must_use]
    pub fn seen_box(self, (wide, high): (u32, u32), [height, width]: [usize; 2], [x, y, w, h]: [f64; 4]) -> [f64; 4] {
        let Placement { scale, corner, .. } = self.placement([wide, high], [width as u32, height as u32]);
        let across = |v: f64| (v * scale[0] - corner[0]).clamp(0.0, width as f64);
        let down = |v: f64| (v * scale[1] - corner[1]).clamp(0.0, height as f64);
        [across(x), down(y), across(x + w), down(y + h)]
    }

    fn placement(self, photo: [u32; 2], size: [u32; 2]) -> Placement {
        if photo == size {
            return Placement { resized: size, scale: [1.0; 2], corner: [0.0; 2] };
        }
        // As it is written: 0.8 in float32 is a little more than that, and a side of 8 would no longer come from 10.
        let share = (f64::from(self.crop_share) * 1e6).round() / 1e6;
        let target = size.map(|side| (f64::from(side) / share).floor());
        let ratio = [target[0] / f64::from(photo[0]), target[1] / f64::from(photo[1])];
        let scale = match self.mode {
            CropMode::Squash => ratio,
            CropMode::Center => [ratio[0].max(ratio[1]); 2],
            CropMode::Border => [ratio[0].min(ratio[1]); 2],
        };
        // torchvision rounds the longer side of a square down; timm rounds those of other shapes.
        let square = size[0] == size[1] && self.mode == CropMode::Center;
        let side = |i: usize| {
            let exact = if square {
                f64::from(photo[i]) * target[0] / f64::from(photo[0].min(photo[1]))
            } else {
                f64::from(photo[i]) * scale[i]
            };
            if square { exact.floor() } else { exact.round().max(1.0) }
        };
        let sides = [side(0), side(1)];
        let corner = [0, 1].map(|i| margin(sides[i], size[i].into()));
        Placement { resized: sides.map(|side| side as u32), scale, corner }
    }
}

/// What is left of the middle, half to even as torchvision rounds it.
fn margin(side: f64, keep: f64) -> f64 {
    ((side - keep) / 2.0).round_ties_even()
}

/// The middle of a picture at exactly that width and height, with a border where it is smaller.
fn window(picture: &Picture, [width, height]: [u32; 2], fill: [u8; 3]) -> Picture {
    let left = margin(picture.width.into(), width.into());
    let top = margin(picture.height.into(), height.into());
    let (inner_width, inner_height) = (picture.width.min(width), picture.height.min(height));
    let inner = crop(picture, [left.max(0.0) as u32, top.max(0.0) as u32, inner_width, inner_height]);
    if (inner_width, inner_height) == (width, height) {
        return inner;
    }
    let mut rgb = fill.repeat(width as usize * height as usize);
    let (x, y) = ((-left).max(0.0) as usize, (-top).max(0.0) as usize);
    let row = inner_width as usize * 3;
    for (line, from) in inner.rgb.chunks_exact(row).enumerate() {
        rgb[((y + line) * width as usize + x) * 3..][..row].copy_from_slice(from);
    }
    Picture::new(width, height, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENTER: Resize = Resize { crop_share: 1.0, mode: CropMode::Center, interpolation: Interpolation::Bicubic };

    /// Red tells the column, green the row.
    fn ramp(width: u32, height: u32) -> Picture {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [(x % 256) as u8, (y % 256) as u8, 0]));
        Picture::new(width, height, rgb.collect())
    }

    fn seen(resize: Resize, photo: &Picture, size: [usize; 2]) -> Picture {
        let seen = resize.apply(photo, size, [9, 9, 9]);
        assert_eq!([seen.height as usize, seen.width as usize], size);
        seen
    }

    #[test]
    fn the_right_size_is_left_alone() {
        let picture = ramp(224, 224);
        assert_eq!(seen(Resize { crop_share: 0.875, ..CENTER }, &picture, [224, 224]), picture);
    }

    #[test]
    fn any_shape_fills_the_input() {
        for (w, h) in [(1, 1), (1, 5000), (5000, 1), (300, 451), (223, 224), (2000, 30)] {
            for mode in [CropMode::Center, CropMode::Squash, CropMode::Border] {
                for size in [[224, 224], [96, 64], [1, 7]] {
                    seen(Resize { mode, crop_share: 0.9, ..CENTER }, &ramp(w, h), size);
                }
            }
        }
    }

    /// Along a ramp the colour tells which place of the photo is seen: it has to be the one that the area says.
    #[test]
    fn the_area_is_what_is_seen() {
        let photo = ramp(250, 120);
        for mode in [CropMode::Center, CropMode::Squash, CropMode::Border] {
            for (size, crop_share) in [([60, 60], 1.0), ([60, 60], 0.875), ([96, 64], 1.0), ([40, 110], 0.9)] {
                let resize = Resize { crop_share, mode, ..CENTER };
                let (seen, area) = (seen(resize, &photo, size), resize.area((250, 120), size));
                let at = |x: usize, y: usize| &seen.rgb[(y * size[1] + x) * 3..][..3];
                for (x, y) in [(0.25, 0.5), (0.5, 0.4), (0.75, 0.6)] {
                    let (column, row) = ((x * size[1] as f64) as usize, (y * size[0] as f64) as usize);
                    let px = area.x + (column as f64 + 0.5) / size[1] as f64 * area.width - 0.5;
                    let py = area.y + (row as f64 + 0.5) / size[0] as f64 * area.height - 0.5;
                    let pixel = at(column, row);
                    if (0.0..250.0).contains(&px) && (0.0..120.0).contains(&py) {
                        let off = (f64::from(pixel[0]) - px).abs().max((f64::from(pixel[1]) - py).abs());
                        assert!(off < 2.5, "{mode:?} {size:?} {crop_share}: {pixel:?} at {px} {py}");
                    } else {
                        assert_eq!(pixel, [9, 9, 9], "a border");
                    }
                }
            }
        }
    }

    #[test]
    fn shares_and_modes_are_timms() {
        let eighty = Resize { crop_share: 0.8, ..CENTER };
        assert_eq!(eighty.placement([560, 560], [224, 224]).resized, [280, 280]);
        let area = |resize: Resize, photo, size| {
            let Area { x, y, width, height } = resize.area(photo, size);
            [x, y, width, height].map(|v| v.round() as i32)
        };
        assert_eq!(area(CENTER, (448, 224), [224, 224]), [112, 0, 224, 224]);
        assert_eq!(area(Resize { crop_share: 0.875, ..CENTER }, (512, 512), [224, 224]), [32, 32, 448, 448]);
        assert_eq!(area(CENTER, (200, 60), [96, 64]), [80, 0, 40, 60]);
        let squash = Resize { mode: CropMode::Squash, ..CENTER };
        assert_eq!(area(squash, (448, 224), [224, 224]), [0, 0, 448, 224]);
        assert_eq!(area(Resize { crop_share: 0.5, ..squash }, (448, 224), [224, 224]), [112, 56, 224, 112]);
        let border = Resize { mode: CropMode::Border, ..CENTER };
        assert_eq!(area(border, (448, 224), [224, 224]), [0, -112, 448, 448]);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "all of them are whole numbers")]
    fn a_box_follows_the_crop() {
        let seen = |photo, size, target| CENTER.seen_box(photo, size, target);
        assert_eq!(seen((448, 224), [224, 224], [112.0, 0.0, 224.0, 224.0]), [0.0, 0.0, 224.0, 224.0]);
        assert_eq!(seen((224, 448), [224, 224], [0.0, 212.0, 24.0, 24.0]), [0.0, 100.0, 24.0, 124.0]);
        assert_eq!(seen((224, 224), [224, 224], [200.0, 200.0, 100.0, 10.0]), [200.0, 200.0, 224.0, 210.0]);
        assert_eq!(seen((200, 60), [96, 64], [80.0, 0.0, 20.0, 60.0]), [0.0, 0.0, 32.0, 96.0]);
    }
}
