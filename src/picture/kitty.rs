//! kitty's graphics protocol: a PNG at the picture's own resolution, scaled by the terminal.
//!
//! A picture is sent first, in chunks between which text may go, and put in its place when it is whole; then the one it
//! replaces is deleted. So nothing flickers, and there is never more than one picture beside those on the screen.

use super::palette::Reduced;
use super::terminal::Terminal;
use image::ImageEncoder;
use ratatui::layout::Rect;

/// Bytes of a chunk's payload that the protocol allows.
const LARGEST_CHUNK: usize = 4096;

/// A PNG with a palette.
pub(super) fn png_of_palette(reduced: &Reduced<'_>, (width, height): (u32, u32)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    let depth = match reduced.colors.len() {
        0..=2 => png::BitDepth::One,
        3..=4 => png::BitDepth::Two,
        5..=16 => png::BitDepth::Four,
        _ => png::BitDepth::Eight,
    };
    encoder.set_depth(depth);
    encoder.set_palette(reduced.colors.concat());
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::NoFilter);
    let bits = depth as usize;
    let data: Vec<u8> = if bits == 8 {
        reduced.indices.to_vec()
    } else {
        let pack = |pixels: &[u8]| pixels.iter().enumerate().fold(0, |sum, (i, p)| sum | p << (8 - bits * (i + 1)));
        reduced.indices.chunks(width as usize).flat_map(|row| row.chunks(8 / bits).map(pack)).collect()
    };
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&data));
    // Writing to memory does not fail.
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// A PNG with every colour.
pub(super) fn png_of_rgb(rgb: &[u8], (width, height): (u32, u32)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    let written = encoder.write_image(rgb, width, height, image::ExtendedColorType::Rgb8);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// The control sequences that hand a PNG over, to be sent one after the other: of at most about `piece` bytes each.
pub(super) fn transmission(terminal: &Terminal, id: u32, png: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let payload = base64_simd::STANDARD.encode_to_string(png).into_bytes();
    let size = (piece.saturating_sub(64) / 4 * 4).clamp(512, LARGEST_CHUNK);
    let count = payload.chunks(size).len();
    let chunk = |(i, chunk): (usize, &[u8])| {
        let more = u8::from(i + 1 < count);
        let mut sequence = if i == 0 {
            format!("\x1b_Ga=t,f=100,t=d,i={id},q=2,m={more};").into_bytes()
        } else {
            format!("\x1b_Gm={more},q=2;").into_bytes()
        };
        sequence.extend_from_slice(chunk);
        sequence.extend_from_slice(b"\x1b\\");
        terminal.through(&sequence)
    };
    payload.chunks(size).enumerate().map(chunk).collect()
}

/// Puts a picture that was sent into a rectangle of cells. In placeholders it only makes the picture known: the cells'
/// characters show it.
pub(super) fn place(terminal: &Terminal, id: u32, area: Rect) -> Vec<u8> {
    let (columns, rows) = (area.width, area.height);
    if terminal.placeholders {
        return terminal.through(format!("\x1b_Ga=p,U=1,i={id},c={columns},r={rows},q=2\x1b\\").as_bytes());
    }
    let (x, y) = (area.x + 1, area.y + 1);
    // In front of the text, whose cells are blank there: kitty 0.26 does not clear what lies before pictures behind it.
    let keys = format!("a=p,i={id},p=1,c={columns},r={rows},C=1,q=2");
    let sequence = format!("\x1b7\x1b[{y};{x}H\x1b_G{keys}\x1b\\\x1b8");
    sequence.into_bytes()
}

/// Takes a picture off the screen; the terminal keeps it.
pub(super) fn hide(terminal: &Terminal, id: u32) -> Vec<u8> {
    terminal.through(format!("\x1b_Ga=d,d=i,i={id},q=2\x1b\\").as_bytes())
}

/// Makes the terminal give a picture up.
pub(super) fn delete(terminal: &Terminal, id: u32) -> Vec<u8> {
    terminal.through(format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\").as_bytes())
}
