//! What a slot of the screen is to show, and how a part of it becomes a picture.

use super::map_display::{MapDisplay, MapView};
use crate::imaging::{Area, HeatMap, Picture, crop, dimmed_outside, framed, resize, swipe};
use std::sync::Arc;

/// What a slot shows, whole.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A picture that has nothing to do with the photo.
    Alone(Picture),
    /// What was made of the part of the photo that the network sees.
    Part(Picture),
    /// A photo of which the network sees a part.
    Photo { photo: Picture, seen: Area },
    /// A map of the part of a photo that the network sees.
    Map { heat: HeatMap, photo: Picture, seen: Area, display: MapDisplay },
    /// Something whose left `share` is covered by another picture.
    Swipe { below: Box<Content>, above: Picture, share: f64 },
}

impl Content {
    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Alone(picture)
            | Self::Part(picture)
            | Self::Photo { photo: picture, .. }
            | Self::Map { photo: picture, .. } => (picture.width, picture.height),
            Self::Swipe { below, .. } => below.size(),
        }
    }

    /// Width and height in words.
    pub fn size_in_words(&self) -> String {
        let (width, height) = self.size();
        format!("{width}×{height}")
    }

    /// Whether a map is shown, in colours.
    pub fn is_coloured_map(&self) -> bool {
        match self {
            Self::Map { display, .. } => display.view != MapView::Photo,
            Self::Swipe { below, .. } => below.is_coloured_map(),
            _ => false,
        }
    }

    /// Whether it is of the part of the photo that the network sees, and not of the whole.
    pub fn is_of_seen(&self) -> bool {
        match self {
            Self::Part(_) => true,
            Self::Map { display, .. } => display.colors.crop,
            Self::Swipe { below, .. } => below.is_of_seen(),
            _ => false,
        }
    }

    /// Its part `[x, y, width, height]` as a picture. What has to be computed is computed for `most` pixels, and never for
    /// more than there are; pictures come as they are.
    pub fn render(&self, part: [u32; 4], most: (u32, u32)) -> Picture {
        let [x, y, width, height] = part.map(f64::from);
        let shrink = (f64::from(most.0) / width).min(f64::from(most.1) / height).min(1.0);
        let side = |v: f64| ((v * shrink).round() as u32).max(1);
        let (columns, rows) = (side(width), side(height));
        let scaled = |picture: &Picture| resize(&part_of(picture, part), columns, rows);
        let (across, down) = (f64::from(columns) / width, f64::from(rows) / height);
        let within = |seen: Area| Area {
            x: (seen.x - x) * across,
            y: (seen.y - y) * down,
            width: seen.width * across,
            height: seen.height * down,
        };
        match self {
            Self::Alone(picture) | Self::Part(picture) => part_of(picture, part),
            Self::Photo { photo, seen } => {
                let seen = within(*seen);
                framed(&dimmed_outside(&scaled(photo), seen), seen)
            }
            Self::Map { photo, display: MapDisplay { view: MapView::Photo, .. }, .. } => scaled(photo),
            Self::Map { heat, photo, seen, display } => match display.view {
                MapView::Map => display.colors.map_at(heat, (columns, rows), within(*seen)),
                _ => {
                    let seen = within(*seen);
                    framed(&display.colors.overlay_at(heat, &scaled(photo), seen), seen)
                }
            },
            Self::Swipe { below, above, share } => {
                let (whole_width, whole_height) = below.size();
                let above = resize(above, whole_width, whole_height);
                let above = Self::Alone(above).render(part, most);
                let edge = (share * f64::from(whole_width) - x) / width;
                swipe(&below.render(part, most), &above, edge)
            }
        }
    }
}

/// A part of a picture; all of it as it is.
fn part_of(picture: &Picture, part: [u32; 4]) -> Picture {
    if part == [0, 0, picture.width, picture.height] { picture.clone() } else { crop(picture, part) }
}

impl PartialEq for Content {
    /// Pictures and maps are the same if they share their values.
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Picture, b: &Picture| Arc::ptr_eq(&a.rgb, &b.rgb);
        match (self, other) {
            (Self::Alone(a), Self::Alone(b)) | (Self::Part(a), Self::Part(b)) => same(a, b),
            (Self::Photo { photo: a, seen }, Self::Photo { photo: b, seen: other }) => same(a, b) && seen == other,
            (
                Self::Map { heat, photo, seen, display },
                Self::Map { heat: heat_b, photo: photo_b, seen: seen_b, display: display_b },
            ) => {
                Arc::ptr_eq(&heat.values, &heat_b.values)
                    && same(photo, photo_b)
                    && (seen, display) == (seen_b, display_b)
            }
            (Self::Swipe { below, above, share }, Self::Swipe { below: below_b, above: above_b, share: share_b }) => {
                same(above, above_b) && below == below_b && share == share_b
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imaging::Display;

    fn photo() -> Picture {
        Picture::new(40, 20, (0..2400).map(|i| (i % 199) as u8).collect())
    }

    fn map(view: MapView) -> Content {
        let heat = HeatMap::new(2, 2, vec![0.0, 1.0, 0.5, 0.2]);
        let seen = Area { x: 10.0, y: 0.0, width: 20.0, height: 20.0 };
        let display = MapDisplay { view, colors: Display::default() };
        Content::Map { heat, photo: photo(), seen, display }
    }

    #[test]
    fn a_part_is_the_same_as_the_part_of_the_whole() {
        for view in [MapView::Overlay, MapView::Map, MapView::Photo] {
            let whole = map(view).render([0, 0, 40, 20], (1000, 1000));
            assert_eq!((whole.width, whole.height), (40, 20), "no more pixels than there are");
            let part = [6, 4, 12, 9];
            assert_eq!(map(view).render(part, (1000, 1000)), crop(&whole, part), "{view:?}");
        }
        let small = map(MapView::Overlay).render([0, 0, 40, 20], (10, 10));
        assert_eq!((small.width, small.height), (10, 5), "and no more than there is room for");
    }

    #[test]
    fn a_map_leaves_what_is_not_seen_as_it_is_but_for_a_frame() {
        let overlay = map(MapView::Overlay).render([0, 0, 40, 20], (40, 20));
        let changed = |columns: std::ops::Range<usize>| {
            let differs = |x: usize| {
                (0..20).any(|y| overlay.rgb[(y * 40 + x) * 3..][..3] != photo().rgb[(y * 40 + x) * 3..][..3])
            };
            columns.filter(|x| differs(*x)).count()
        };
        assert_eq!((changed(0..8), changed(10..30), changed(32..40)), (0, 20, 0));
    }

    #[test]
    fn the_edge_of_a_swipe_stays_where_it_is_when_looked_at_closely() {
        let [dark, light] = [10, 200].map(|v| Picture::new(8, 4, vec![v; 96]));
        let swipe = Content::Swipe { below: Box::new(Content::Part(dark)), above: light, share: 0.5 };
        let row = |part: [u32; 4]| {
            let picture = swipe.render(part, (100, 100));
            picture.rgb.chunks(3).take(part[2] as usize).map(|p| p[0]).collect::<Vec<_>>()
        };
        assert_eq!(row([0, 0, 8, 4]), [200, 200, 200, 200, 255, 10, 10, 10]);
        assert_eq!(row([2, 0, 4, 4]), [200, 200, 255, 10]);
    }
}
