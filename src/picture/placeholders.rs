//! Unicode placeholders: characters that stand for parts of a kitty picture, and so move, scroll and are covered like any
//! other text. They are how pictures get through tmux.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

/// The placeholder itself.
const PLACEHOLDER: char = '\u{10eeee}';

/// The diacritics that stand for 0, 1, 2, …, as runs of code points: the first and how many. Their list is part of kitty's
/// graphics protocol (its documentation's rowcolumn-diacritics.txt).
const RUNS: &[(u32, u32)] = &[
    (0x305, 1),
    (0x30d, 2),
    (0x310, 1),
    (0x312, 1),
    (0x33d, 3),
    (0x346, 1),
    (0x34a, 3),
    (0x350, 3),
    (0x357, 1),
    (0x35b, 1),
    (0x363, 13),
    (0x483, 5),
    (0x592, 4),
    (0x597, 3),
    (0x59c, 6),
    (0x5a8, 2),
    (0x5ab, 2),
    (0x5af, 1),
    (0x5c4, 1),
    (0x610, 8),
    (0x657, 5),
    (0x65d, 2),
    (0x6d6, 7),
    (0x6df, 4),
    (0x6e4, 1),
    (0x6e7, 2),
    (0x6eb, 2),
    (0x730, 1),
    (0x732, 2),
    (0x735, 2),
    (0x73a, 1),
    (0x73d, 1),
    (0x73f, 3),
    (0x743, 1),
    (0x745, 1),
    (0x747, 1),
    (0x749, 2),
    (0x7eb, 7),
    (0x7f3, 1),
    (0x816, 4),
    (0x81b, 9),
    (0x825, 3),
    (0x829, 5),
    (0x951, 1),
    (0x953, 2),
    (0xf82, 2),
    (0xf86, 2),
    (0x135d, 3),
    (0x17dd, 1),
    (0x193a, 1),
    (0x1a17, 1),
    (0x1a75, 8),
    (0x1b6b, 1),
    (0x1b6d, 7),
    (0x1cd0, 3),
    (0x1cda, 2),
    (0x1ce0, 1),
    (0x1dc0, 2),
    (0x1dc3, 7),
    (0x1dcb, 2),
    (0x1dd1, 22),
    (0x1dfe, 1),
    (0x20d0, 2),
    (0x20d4, 4),
    (0x20db, 2),
    (0x20e1, 1),
    (0x20e7, 1),
    (0x20e9, 1),
    (0x20f0, 1),
    (0x2cef, 3),
    (0x2de0, 32),
    (0xa66f, 1),
    (0xa67c, 2),
    (0xa6f0, 2),
    (0xa8e0, 18),
    (0xaab0, 1),
    (0xaab2, 2),
    (0xaab7, 2),
    (0xaabe, 2),
    (0xaac1, 1),
    (0xfe20, 7),
    (0x10a0f, 1),
    (0x10a38, 1),
    (0x1d185, 5),
    (0x1d1aa, 4),
    (0x1d242, 3),
];

/// Rows and columns that placeholders can tell apart.
pub(super) const MOST: u16 = 297;

/// The diacritic that stands for a number.
fn diacritic(number: u16) -> Option<char> {
    let mut left = u32::from(number);
    for &(first, count) in RUNS {
        if left < count {
            return char::from_u32(first + left);
        }
        left -= count;
    }
    None
}

/// Fills an area with the characters that show a picture.
pub(super) fn draw(id: u32, area: Rect, buffer: &mut Buffer) {
    let [_, r, g, b] = id.to_be_bytes();
    for position in area.positions() {
        let symbol = placeholder(position.y - area.y, position.x - area.x);
        if let Some(cell) = buffer.cell_mut(position) {
            cell.set_symbol(&symbol).set_fg(Color::Rgb(r, g, b));
        }
    }
}

/// The character of a cell that shows a part of a picture, by its row and column. The picture's id is the cell's
/// foreground colour.
fn placeholder(row: u16, column: u16) -> String {
    let mut text = String::from(PLACEHOLDER);
    text.extend(diacritic(row));
    text.extend(diacritic(column));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_and_column_has_its_mark() {
        let marks: std::collections::HashSet<char> = (0..MOST).filter_map(diacritic).collect();
        assert_eq!((marks.len(), diacritic(MOST)), (usize::from(MOST), None));
        assert_eq!(placeholder(0, 1), "\u{10eeee}\u{305}\u{30d}");
    }
}
