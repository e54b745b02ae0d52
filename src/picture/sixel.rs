//! DEC sixel graphics, in strips of whole cell rows: those that look as they did are not sent again.

use std::io::Write;
use std::ops::Range;

/// Pixels of a sixel, one above the other.
const BAND: usize = 6;
/// A run from here on is shorter written as a count.
const RUN: usize = 4;

/// A picture in few colours, of which strips are taken.
pub(super) struct Indexed<'a> {
    pub colors: &'a [[u8; 3]],
    /// One a pixel, row by row.
    pub indices: &'a [u8],
    pub width: usize,
}

/// The control string that draws a part of a picture at the cursor.
pub(super) fn strip(picture: &Indexed<'_>, rows: Range<usize>, columns: Range<usize>) -> Vec<u8> {
    let (width, height) = (columns.len(), rows.len());
    let row = |y: usize| &picture.indices[y * picture.width..][columns.clone()];
    // Only the colours that occur, numbered anew.
    let mut number = [u8::MAX; 256];
    let mut used = vec![];
    for index in rows.clone().flat_map(row) {
        let slot = &mut number[usize::from(*index)];
        if *slot == u8::MAX && used.len() < usize::from(u8::MAX) {
            *slot = used.len() as u8;
            used.push(*index);
        }
    }
    let mut out = Vec::with_capacity(width * height / 2 + used.len() * 16);
    // Pixels that are not drawn stay as they are; pixels are square.
    let _ = write!(out, "\x1bP9;1;0q\"1;1;{width};{height}");
    for (n, index) in used.iter().enumerate() {
        let [r, g, b] = picture.colors[usize::from(*index)].map(|v| (u32::from(v) * 100 + 127) / 255);
        let _ = write!(out, "#{n};2;{r};{g};{b}");
    }
    let mut masks = vec![0u8; used.len() * width];
    let mut extent: Vec<Option<(usize, usize)>> = vec![None; used.len()];
    for top in rows.clone().step_by(BAND) {
        masks.fill(0);
        extent.fill(None);
        for (bit, y) in (top..(top + BAND).min(rows.end)).enumerate() {
            for (x, index) in row(y).iter().enumerate() {
                let n = usize::from(number[usize::from(*index)]).min(used.len() - 1);
                masks[n * width + x] |= 1 << bit;
                let (first, last) = extent[n].get_or_insert((x, x));
                (*first, *last) = ((*first).min(x), (*last).max(x));
            }
        }
        let mut begun = false;
        for (n, reach) in extent.iter().enumerate() {
            let Some((first, last)) = *reach else { continue };
            if begun {
                out.push(b'$');
            }
            begun = true;
            let _ = write!(out, "#{n}");
            run(&mut out, b'?', first);
            runs(&mut out, &masks[n * width + first..=n * width + last]);
        }
        if top + BAND < rows.end {
            out.push(b'-');
        }
    }
    out.extend_from_slice(b"\x1b\\");
    out
}

fn runs(out: &mut Vec<u8>, masks: &[u8]) {
    let mut rest = masks;
    while let Some(&mask) = rest.first() {
        let count = rest.iter().take_while(|m| **m == mask).count();
        run(out, b'?' + mask, count);
        rest = &rest[count..];
    }
}

fn run(out: &mut Vec<u8>, sixel: u8, count: usize) {
    if count >= RUN {
        let _ = write!(out, "!{count}");
        out.push(sixel);
    } else {
        out.resize(out.len() + count, sixel);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a terminal draws for a sixel string: size and pixels, `None` where nothing was drawn.
    pub fn draw(bytes: &[u8]) -> (usize, usize, Vec<Option<[u8; 3]>>) {
        let text = std::str::from_utf8(bytes).expect("text");
        let body = text.strip_prefix("\x1bP9;1;0q\"1;1;").and_then(|t| t.strip_suffix("\x1b\\")).expect("a string");
        let end = body.find('#').expect("a colour");
        let (w, h) = body[..end].split_once(';').expect("a size");
        let (w, h): (usize, usize) = (w.parse().expect("width"), h.parse().expect("height"));
        let mut pixels = vec![None; w * h];
        let (mut palette, mut color, mut x, mut y) = (vec![[0u8; 3]; 256], 0, 0, 0);
        let mut chars = body[end..].chars().peekable();
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut n = 0;
            while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
                n = n * 10 + d as usize;
                chars.next();
            }
            n
        };
        while let Some(c) = chars.next() {
            let (count, sixel) = match c {
                '#' => {
                    color = number(&mut chars);
                    if chars.peek() == Some(&';') {
                        let mut values = vec![];
                        while chars.next_if_eq(&';').is_some() {
                            values.push(number(&mut chars));
                        }
                        palette[color] = [1, 2, 3].map(|i| (values[i] * 255).div_ceil(100).min(255) as u8);
                    }
                    continue;
                }
                '$' => {
                    x = 0;
                    continue;
                }
                '-' => {
                    (x, y) = (0, y + BAND);
                    continue;
                }
                '!' => (number(&mut chars), chars.next().expect("a sixel")),
                c => (1, c),
            };
            for _ in 0..count {
                for bit in 0..BAND {
                    if (sixel as u8 - b'?') >> bit & 1 == 1 {
                        assert!(x < w && y + bit < h, "drawn outside");
                        pixels[(y + bit) * w + x] = Some(palette[color]);
                    }
                }
                x += 1;
            }
        }
        (w, h, pixels)
    }

    proptest! {
        #[test]
        fn strips_draw_every_pixel_once(width in 1usize..40, height in 1usize..30, seed in any::<u64>()) {
            let colors: Vec<[u8; 3]> = (0..7u8).map(|i| [i * 36, 255 - i * 30, i * 20]).collect();
            let indices: Vec<u8> = (0..width * height).map(|i| ((seed >> (i % 50)) % 7) as u8).collect();
            let picture = Indexed { colors: &colors, indices: &indices, width };
            let (top, left) = (height / 3, width / 3);
            let (w, h, pixels) = draw(&strip(&picture, top..height, left..width));
            prop_assert_eq!((w, h), (width - left, height - top));
            for (i, pixel) in pixels.into_iter().enumerate() {
                let wanted = colors[usize::from(indices[(top + i / w) * width + left + i % w])];
                let off = pixel.map(|p| (0..3).map(|c| p[c].abs_diff(wanted[c])).max().unwrap_or(0));
                prop_assert!(off.is_some_and(|off| off <= 2), "{off:?}");
            }
        }
    }
}
