//! iTerm2's inline images: a file in the escape sequence, JPEG or PNG, whichever is smaller.

use super::terminal::Terminal;
use image::ImageEncoder;
use ratatui::layout::Size;

/// A JPEG of this quality, 1 to 100.
pub(super) fn jpeg(rgb: &[u8], (width, height): (u32, u32), quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
    let written = encoder.write_image(rgb, width, height, image::ExtendedColorType::Rgb8);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// The control string that draws a file at the cursor, over so many cells.
pub(super) fn inline(terminal: &Terminal, file: &[u8], cells: Size) -> Vec<u8> {
    let head = format!(
        "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=0;doNotMoveCursor=1:",
        file.len(),
        cells.width,
        cells.height
    );
    let mut sequence = head.into_bytes();
    sequence.extend_from_slice(base64_simd::STANDARD.encode_to_string(file).as_bytes());
    sequence.push(0x07);
    terminal.through(&sequence)
}
