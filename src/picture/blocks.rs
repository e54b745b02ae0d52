//! Pictures in block characters: two, four or six pixels a cell, in two colours. Cells whose change nobody would see stay
//! as they are, and where the line is thin those that are furthest off go first.

use super::palette::distance;
use super::terminal::Protocol;
use crate::imaging::{Picture, resize};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;

/// Bytes that a changed cell costs about, colours and all.
pub(super) const CELL_BYTES: usize = 34;
/// Squared error of a cell below which nobody sees a change: more than 30 dB.
const UNSEEN: u32 = 2 * 3 * 6 * 6;

/// One cell: a character in two colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    symbol: char,
    fg: [u8; 3],
    bg: [u8; 3],
}

/// A picture in cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    pub size: Size,
    cells: Vec<Cell>,
}

/// Columns and rows of pixels in a cell.
fn split(protocol: Protocol) -> (usize, usize) {
    match protocol {
        Protocol::Quadrants => (2, 2),
        Protocol::Sextants => (2, 3),
        _ => (1, 2),
    }
}

/// `picture` in `size` cells, `before` having been shown last; at most `most` cells differ from it.
pub(super) fn grid(protocol: Protocol, picture: &Picture, size: Size, before: Option<&Grid>, most: usize) -> Grid {
    let (across, down) = split(protocol);
    let (columns, rows) = (usize::from(size.width), usize::from(size.height));
    let small = resize(picture, (columns * across) as u32, (rows * down) as u32);
    let pixel = |x: usize, y: usize| {
        let at = (y * columns * across + x) * 3;
        [small.rgb[at], small.rgb[at + 1], small.rgb[at + 2]]
    };
    let pixels = |cell: usize| {
        let (left, top) = (cell % columns * across, cell / columns * down);
        (0..across * down).map(move |i| (left + i % across, top + i / across)).map(|(x, y)| pixel(x, y))
    };
    let before = before.filter(|b| b.size == size);
    let Some(before) = before else {
        let cells = (0..columns * rows).map(|i| fitted(protocol, &pixels(i).collect::<Vec<_>>())).collect();
        return Grid { size, cells };
    };
    let mut grid = before.clone();
    let unseen = if most == usize::MAX { 0 } else { UNSEEN };
    let error =
        |cell: &Cell, i: usize| pixels(i).zip(shown(protocol, cell)).map(|(p, q)| distance(p, q)).sum::<u32>();
    let mut off: Vec<(u32, usize, Cell)> = (0..columns * rows)
        .filter_map(|i| {
            let now = error(&grid.cells[i], i);
            if now <= unseen && most != usize::MAX {
                return None;
            }
            // Two colours may never come nearer than they are.
            let cell = fitted(protocol, &pixels(i).collect::<Vec<_>>());
            let better = now.saturating_sub(error(&cell, i));
            (better > unseen || (most == usize::MAX && cell != grid.cells[i])).then_some((better, i, cell))
        })
        .collect();
    if off.len() > most {
        off.sort_unstable_by_key(|(better, _, _)| std::cmp::Reverse(*better));
        off.truncate(most);
    }
    for (_, i, cell) in off {
        grid.cells[i] = cell;
    }
    grid
}

/// The character and colours that come nearest to a cell's pixels.
fn fitted(protocol: Protocol, pixels: &[[u8; 3]]) -> Cell {
    if protocol == Protocol::Halfblocks {
        return Cell { symbol: '▀', fg: pixels[0], bg: pixels[1] };
    }
    let mut best: Option<(u32, Cell)> = None;
    // The last pixel is background: the other half of the patterns are these with colours exchanged.
    for pattern in 0..1usize << (pixels.len() - 1) {
        let is_fg = |i: usize| pattern >> i & 1 == 1;
        let mean = |fg: bool| {
            let mut sum = [0u32; 4];
            for (_, p) in pixels.iter().enumerate().filter(|(i, _)| is_fg(*i) == fg) {
                (0..3).for_each(|c| sum[c] += u32::from(p[c]));
                sum[3] += 1;
            }
            [0, 1, 2].map(|c| (sum[c] / sum[3].max(1)) as u8)
        };
        let (fg, bg) = (mean(true), mean(false));
        let error = pixels.iter().enumerate().map(|(i, p)| distance(*p, if is_fg(i) { fg } else { bg })).sum();
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            let fg = if pattern == 0 { bg } else { fg };
            best = Some((error, Cell { symbol: symbol(protocol, pattern), fg, bg }));
        }
    }
    best.map_or(Cell { symbol: ' ', fg: [0; 3], bg: [0; 3] }, |(_, cell)| cell)
}

/// The character whose foreground covers a pattern: bit 0 is the pixel at the upper left, row by row.
fn symbol(protocol: Protocol, pattern: usize) -> char {
    if protocol == Protocol::Quadrants {
        return [' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█'][pattern];
    }
    match pattern {
        0 => ' ',
        0b01_0101 => '▌',
        0b10_1010 => '▐',
        0b11_1111 => '█',
        // The block of sextants leaves out the halves, which have characters already.
        p => {
            let before = p - 1 - usize::from(p > 0b01_0101) - usize::from(p > 0b10_1010);
            char::from_u32(0x1fb00 + before as u32).unwrap_or('?')
        }
    }
}

/// The pixels that a cell shows.
fn shown(protocol: Protocol, cell: &Cell) -> impl Iterator<Item = [u8; 3]> {
    let (across, down) = split(protocol);
    let (fg, bg) = (cell.fg, cell.bg);
    let pattern = match protocol {
        Protocol::Halfblocks => 0b01,
        _ => (0..1usize << (across * down)).find(|p| symbol(protocol, *p) == cell.symbol).unwrap_or(0),
    };
    (0..across * down).map(move |i| if pattern >> i & 1 == 1 { fg } else { bg })
}

impl Grid {
    /// Cells in which another grid of this size differs.
    pub fn differs(&self, other: &Self) -> usize {
        self.cells.iter().zip(&other.cells).filter(|(a, b)| a != b).count()
    }

    /// Writes the cells at the upper left of `area`, in 24-bit colours or in the 256 of xterm's palette.
    pub fn draw(&self, area: Rect, true_color: bool, buffer: &mut Buffer) {
        let color =
            |[r, g, b]: [u8; 3]| if true_color { Color::Rgb(r, g, b) } else { Color::Indexed(indexed([r, g, b])) };
        let columns = usize::from(self.size.width);
        for (i, cell) in self.cells.iter().enumerate() {
            let (x, y) = (area.x + (i % columns) as u16, area.y + (i / columns) as u16);
            if let Some(to) = buffer.cell_mut((x, y)) {
                to.set_char(cell.symbol).set_fg(color(cell.fg)).set_bg(color(cell.bg));
            }
        }
    }
}

/// A cell as a terminal wants it, colours and all, outside any dashboard.
pub(super) fn written(cell: &ratatui::buffer::Cell) -> Vec<u8> {
    let color = |ground: u8, color: Color| match color {
        Color::Rgb(r, g, b) => format!("\x1b[{ground};2;{r};{g};{b}m"),
        Color::Indexed(n) => format!("\x1b[{ground};5;{n}m"),
        _ => String::new(),
    };
    (color(38, cell.fg) + &color(48, cell.bg) + cell.symbol()).into_bytes()
}

/// The nearest colour of xterm's cube of 6³ and ramp of 24 greys.
fn indexed(color: [u8; 3]) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |v: u8| (0..6).min_by_key(|i| STEPS[*i].abs_diff(v)).unwrap_or(0);
    let [r, g, b] = color.map(step);
    let cube = ([STEPS[r], STEPS[g], STEPS[b]], 16 + 36 * r + 6 * g + b);
    let mean = color.iter().map(|v| u32::from(*v)).sum::<u32>() / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23);
    let ramp = ([(8 + 10 * grey) as u8; 3], 232 + grey as usize);
    if distance(ramp.0, color) < distance(cube.0, color) { ramp.1 as u8 } else { cube.1 as u8 }
}

#[cfg(test)]
mod tests {
    use super::super::palette::tests::waves;
    use super::*;

    const KINDS: [Protocol; 3] = [Protocol::Halfblocks, Protocol::Quadrants, Protocol::Sextants];

    #[test]
    fn cells_show_what_they_were_made_of() {
        for protocol in KINDS {
            let (across, down) = split(protocol);
            let (fg, bg) = ([200, 10, 30], [0, 90, 250]);
            for pattern in 0..1usize << (across * down) {
                let pixels: Vec<[u8; 3]> =
                    (0..across * down).map(|i| if pattern >> i & 1 == 1 { fg } else { bg }).collect();
                let cell = fitted(protocol, &pixels);
                assert_eq!(shown(protocol, &cell).collect::<Vec<_>>(), pixels, "{protocol} {pattern:b}");
            }
        }
        let sextants: std::collections::HashSet<char> = (0..64).map(|p| symbol(Protocol::Sextants, p)).collect();
        assert_eq!(sextants.len(), 64);
        assert_eq!(symbol(Protocol::Sextants, 62), '\u{1fb3b}');
    }

    #[test]
    fn small_changes_wait_and_budgets_hold() {
        let size = Size::new(30, 12);
        for protocol in KINDS {
            let first = Picture::new(60, 48, waves(60, 48, 0.0));
            let before = grid(protocol, &first, size, None, 0);
            let slightly = Picture::new(60, 48, first.rgb.iter().map(|v| v.saturating_add(2)).collect());
            let differ = |a: &Grid, b: &Grid| a.differs(b);
            assert!(differ(&grid(protocol, &slightly, size, Some(&before), 1000), &before) < 60, "{protocol}");
            let other = Picture::new(60, 48, waves(60, 48, 2.0));
            assert!(differ(&grid(protocol, &other, size, Some(&before), 50), &before) <= 50);
            assert_eq!(
                grid(protocol, &other, size, Some(&before), usize::MAX),
                grid(protocol, &other, size, None, 0)
            );
        }
    }

    #[test]
    fn the_palette_of_256_has_its_own_colours() {
        assert_eq!([[0; 3], [255; 3], [95, 135, 175], [128; 3]].map(indexed), [16, 231, 67, 244]);
    }
}
