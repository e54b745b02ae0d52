//! From a picture to what one protocol writes.

use super::detect::{Protocol, Terminal};
use crate::imaging::{Picture, resize};
use image::DynamicImage;
use ratatui::layout::Size;
use ratatui_image::errors::Errors;
use ratatui_image::protocol::{self, halfblocks::Halfblocks, iterm2::Iterm2, kitty::Kitty, sixel::Sixel};

/// A picture to be encoded for an area.
pub(super) struct Job {
    pub slot: &'static str,
    pub id: u32,
    pub picture: Picture,
    /// The area to fill, in cells.
    pub area: Size,
    pub terminal: Terminal,
}

/// A picture ready to be drawn.
pub(super) struct Encoded {
    pub protocol: protocol::Protocol,
    /// The cells it covers.
    pub size: Size,
    /// The area it was made for.
    pub area: Size,
    picture: Picture,
}

impl Encoded {
    pub fn is_of(&self, picture: &Picture, area: Size) -> bool {
        self.area == area && (std::sync::Arc::ptr_eq(&self.picture.rgb, &picture.rgb) || self.picture == *picture)
    }
}

pub(super) fn encode(job: Job) -> Result<Encoded, Errors> {
    let Job { id, picture, area, terminal, .. } = job;
    let (cell_w, cell_h) = match terminal.protocol {
        // Two pixels a cell, one above the other.
        Protocol::Halfblocks => (1, 2),
        _ => terminal.cell,
    };
    let size = fitted(&picture, area, terminal.cell);
    let (w, h) = (u32::from(size.width) * u32::from(cell_w), u32::from(size.height) * u32::from(cell_h));
    let image = DynamicImage::ImageRgb8(resize(&picture, w, h).to_image());
    let tmux = terminal.tmux;
    let protocol = match terminal.protocol {
        Protocol::Kitty => protocol::Protocol::Kitty(Kitty::new(image, size, id, tmux, false)?),
        Protocol::Sixel => protocol::Protocol::Sixel(Sixel::new(image, size, tmux)?),
        Protocol::Iterm2 => protocol::Protocol::ITerm2(Iterm2::new(image, size, tmux)?),
        Protocol::Halfblocks => protocol::Protocol::Halfblocks(Halfblocks::new(image, size)?),
    };
    Ok(Encoded { protocol, size, area, picture })
}

/// The largest size in cells within `area` that has the picture's shape, for cells of the given pixels.
fn fitted(picture: &Picture, area: Size, (cell_w, cell_h): (u16, u16)) -> Size {
    let (w, h) = (f64::from(picture.width), f64::from(picture.height));
    let (room_w, room_h) = (f64::from(area.width) * f64::from(cell_w), f64::from(area.height) * f64::from(cell_h));
    let scale = (room_w / w).min(room_h / h);
    let cells =
        |pixels: f64, cell: u16, most: u16| ((pixels * scale / f64::from(cell)).round() as u16).clamp(1, most);
    Size::new(cells(w, cell_w, area.width), cells(h, cell_h, area.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_shape() {
        let square = Picture::new(4, 4, vec![0; 48]);
        assert_eq!(fitted(&square, Size::new(80, 10), (10, 20)), Size::new(20, 10));
        assert_eq!(fitted(&square, Size::new(10, 80), (10, 20)), Size::new(10, 5));
        let sliver = Picture::new(300, 1, vec![0; 900]);
        assert_eq!(fitted(&sliver, Size::new(30, 10), (10, 20)), Size::new(30, 1));
    }
}
