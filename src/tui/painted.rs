//! Heat maps in colours, kept until something about them changes.

use super::app::MapView;
use crate::imaging::{Display, HeatMap, Picture};
use std::collections::HashMap;
use std::sync::Arc;

/// The newest picture of each map on the screen, by its place.
#[derive(Default)]
pub(super) struct Painted(HashMap<usize, Kept>);

struct Kept {
    heat: HeatMap,
    photo: Option<Picture>,
    view: MapView,
    display: Display,
    picture: Picture,
}

impl Painted {
    /// The map over its photo, alone, or the photo alone.
    pub fn paint(
        &mut self,
        place: usize,
        heat: &HeatMap,
        photo: Option<&Picture>,
        view: MapView,
        display: &Display,
    ) -> Picture {
        if let Some(kept) = self.0.get(&place)
            && Arc::ptr_eq(&kept.heat.values, &heat.values)
            && kept.photo.as_ref().map(|p| Arc::as_ptr(&p.rgb)) == photo.map(|p| Arc::as_ptr(&p.rgb))
            && (kept.view, &kept.display) == (view, display)
        {
            return kept.picture.clone();
        }
        let picture = match (photo, view) {
            (Some(photo), MapView::Photo) => photo.clone(),
            (Some(photo), MapView::Overlay) => display.overlay(heat, photo),
            (Some(photo), MapView::Map) => display.map(heat, photo.width, photo.height),
            (None, _) => display.map(heat, heat.width, heat.height),
        };
        let (heat, photo, display) = (heat.clone(), photo.cloned(), display.clone());
        self.0.insert(place, Kept { heat, photo, view, display, picture: picture.clone() });
        picture
    }
}
