//! The pictures of what slots show, kept until something about them changes.

use super::content::Content;
use crate::imaging::Picture;
use std::collections::HashMap;

/// The newest picture of each slot.
#[derive(Default)]
pub(super) struct PictureCache(HashMap<&'static str, Cached>);

struct Cached {
    content: Content,
    part: [u32; 4],
    most: (u32, u32),
    picture: Picture,
}

impl PictureCache {
    /// A part of what a slot shows, as [`Content::render`] makes it.
    pub fn picture(&mut self, slot: &'static str, content: &Content, part: [u32; 4], most: (u32, u32)) -> Picture {
        if let Some(cached) = self.0.get(slot)
            && cached.content == *content
            && (cached.part, cached.most) == (part, most)
        {
            return cached.picture.clone();
        }
        let picture = content.render(part, most);
        self.0.insert(slot, Cached { content: content.clone(), part, most, picture: picture.clone() });
        picture
    }

    /// The colour at a place in a slot's newest picture, given as shares of its width and height.
    pub fn color(&self, slot: &str, (x, y): (f64, f64)) -> Option<[u8; 3]> {
        let picture = &self.0.get(slot)?.picture;
        let at = |share: f64, len: u32| ((share * f64::from(len)) as usize).min(len as usize - 1);
        let first = (at(y, picture.height) * picture.width as usize + at(x, picture.width)) * 3;
        let rgb = picture.rgb.get(first..first + 3)?;
        Some([rgb[0], rgb[1], rgb[2]])
    }
}
