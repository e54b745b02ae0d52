//! From a picture to what one protocol writes, within a budget of bytes.

use super::blocks::{CELL_BYTES, Grid, grid};
use super::iterm2::{inline, jpeg};
use super::kitty::{png_of_palette, png_of_rgb, transmission};
use super::palette::{ColorReduction, Reducer};
use super::quality::{Governor, LEVELS};
use super::sixel::{Indexed, strip};
use super::terminal::{Protocol, Terminal};
use crate::imaging::{Picture, resize};
use ratatui::layout::{Rect, Size};

/// A picture is encoded anew this often to keep to its budget.
const ATTEMPTS: usize = 3;
/// Cell rows of one sixel string at most.
const ROWS: usize = 8;

/// What is to be encoded, and for where.
#[derive(Debug, Clone)]
pub(super) struct EncodeTask {
    pub slot: &'static str,
    pub terminal: Terminal,
    pub picture: Picture,
    /// The cells it fills.
    pub area: Rect,
    /// The id of a kitty picture.
    pub id: u32,
    /// Bytes it may take; `None` for everything there is to see.
    pub budget: Option<usize>,
    /// Bytes of a control sequence, about.
    pub piece: usize,
    /// The terminal shows nothing of the slot's last picture any more.
    pub fresh: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Encoded {
    /// Control sequences, which belong together or may be sent in part.
    Pieces { pieces: Vec<Vec<u8>>, whole: bool },
    /// Cells, and how many of them changed.
    Cells { grid: Grid, changed: usize },
}

/// Colours, the index of each pixel, and width and height in pixels.
type Sent = (Vec<[u8; 3]>, Vec<u8>, (usize, usize));

/// What is remembered of the pictures of one slot.
#[derive(Default)]
pub(super) struct Encoder {
    reducer: Reducer,
    governor: Governor,
    /// Colours and their indices, as the terminal shows them: sixel.
    sent: Option<Sent>,
    grid: Option<Grid>,
}

impl Encoder {
    pub fn encode(&mut self, task: &EncodeTask) -> Encoded {
        match task.terminal.protocol {
            Protocol::Kitty => self.kitty(task),
            Protocol::Sixel => self.sixel(task),
            Protocol::Iterm2 => self.iterm2(task),
            Protocol::Halfblocks | Protocol::Quadrants | Protocol::Sextants => self.cells(task),
        }
    }

    /// The picture at its own resolution, or that of its place if that is less, and then smaller by `scale`.
    fn scaled(task: &EncodeTask, scale: f64) -> Picture {
        let (w, h) = (f64::from(task.picture.width), f64::from(task.picture.height));
        let (cell_w, cell_h) = task.terminal.cell;
        let room_w = f64::from(task.area.width) * f64::from(cell_w);
        let room_h = f64::from(task.area.height) * f64::from(cell_h);
        let shrink = (room_w / w).min(room_h / h).min(1.0) * scale;
        let side = |v: f64| ((v * shrink).round() as u32).max(1);
        resize(&task.picture, side(w), side(h))
    }

    /// The best level that keeps to the budget: `make` encodes the picture at a level and says how many bytes that took
    /// for how many pixels; the answer is what it made.
    fn within<T>(
        &mut self,
        budget: usize,
        pixels: usize,
        mut make: impl FnMut(&mut Self, usize) -> (T, usize, usize),
    ) -> T {
        let mut level = self.governor.level(pixels, budget);
        for _ in 1..ATTEMPTS {
            let (made, bytes, coded) = make(self, level);
            self.governor.saw(level, coded, bytes);
            let better = self.governor.level(pixels, budget);
            if bytes <= budget || better <= level {
                return made;
            }
            level = better;
        }
        make(self, level).0
    }

    fn kitty(&mut self, task: &EncodeTask) -> Encoded {
        let full = Self::scaled(task, 1.0);
        let png = match task.budget {
            None => png_of_rgb(&full.rgb, (full.width, full.height)),
            Some(budget) => {
                let pixels = full.rgb.len() / 3;
                self.within(budget, pixels, |own, level| {
                    let chosen = LEVELS[level];
                    let picture = if chosen.scale < 1.0 { Self::scaled(task, chosen.scale) } else { full.clone() };
                    let size = (picture.width, picture.height);
                    let reduced = own.reducer.reduce(&picture.rgb, size, chosen.reduction);
                    tracing::trace!(slot = task.slot, level, error = reduced.error, "a picture in few colours");
                    let png = png_of_palette(&reduced, size);
                    let bytes = png.len() * 4 / 3;
                    (png, bytes, pixels)
                })
            }
        };
        Encoded::Pieces { pieces: transmission(&task.terminal, task.id, &png, task.piece), whole: true }
    }

    fn sixel(&mut self, task: &EncodeTask) -> Encoded {
        let (cell_w, cell_h) = (usize::from(task.terminal.cell.0), usize::from(task.terminal.cell.1));
        let (width, height) = (usize::from(task.area.width) * cell_w, usize::from(task.area.height) * cell_h);
        let picture = resize(&task.picture, width as u32, height as u32);
        if task.fresh {
            self.sent = None;
        }
        let registers = task.terminal.registers;
        let Some(budget) = task.budget else {
            return self.strips(task, &picture, ColorReduction { colors: registers, tolerance: 0 }).0;
        };
        let pixels = width * height;
        let before = self.sent.clone();
        self.within(budget, pixels, |own, level| {
            own.sent.clone_from(&before);
            let reduction = LEVELS[level].reduction;
            let colors = reduction.colors.min(registers);
            let (made, coded) = own.strips(task, &picture, ColorReduction { colors, ..reduction });
            let bytes = match &made {
                Encoded::Pieces { pieces, .. } => pieces.iter().map(Vec::len).sum(),
                Encoded::Cells { .. } => 0,
            };
            (made, bytes, coded)
        })
    }

    /// The cell rows that changed, some of them together in each string, and their pixels.
    fn strips(&mut self, task: &EncodeTask, picture: &Picture, how: ColorReduction) -> (Encoded, usize) {
        let (cell_w, cell_h) = (usize::from(task.terminal.cell.0), usize::from(task.terminal.cell.1));
        let (width, height) = (picture.width as usize, picture.height as usize);
        let reduced = self.reducer.reduce(&picture.rgb, (picture.width, picture.height), how);
        let (colors, indices) = (reduced.colors.to_vec(), reduced.indices.to_vec());
        let same = self.sent.as_ref().filter(|(c, _, size)| *c == colors && *size == (width, height));
        let rows = height / cell_h.max(1);
        let span = |row: usize| row * cell_h * width..(row + 1) * cell_h * width;
        let changed = |row: usize| same.is_none_or(|(_, before, _)| before[span(row)] != indices[span(row)]);
        // About half a byte a pixel, colours beside that.
        let together = (task.piece / (cell_h * width / 2 + 1)).clamp(1, ROWS);
        let halves = if cell_h * width / 2 > task.piece * 2 && task.area.width > 1 { 2 } else { 1 };
        let indexed = Indexed { colors: &colors, indices: &indices, width };
        let (mut pieces, mut coded) = (vec![], 0);
        let mut row = 0;
        while row < rows {
            if !changed(row) {
                row += 1;
                continue;
            }
            let end = (row..rows.min(row + together)).take_while(|r| changed(*r)).last().unwrap_or(row) + 1;
            for half in 0..halves {
                let cells = usize::from(task.area.width);
                let (from, to) = (cells * half / halves, cells * (half + 1) / halves);
                let drawn = strip(&indexed, row * cell_h..end * cell_h, from * cell_w..to * cell_w);
                pieces.push(at(task.area.x + from as u16, task.area.y + row as u16, &task.terminal.through(&drawn)));
            }
            coded += (end - row) * cell_h * width;
            row = end;
        }
        self.sent = Some((colors, indices, (width, height)));
        (Encoded::Pieces { pieces, whole: false }, coded)
    }

    fn iterm2(&mut self, task: &EncodeTask) -> Encoded {
        let full = Self::scaled(task, 1.0);
        let (quality, picture) = match task.budget {
            None => (95, full),
            Some(budget) => {
                let pixels = full.rgb.len() / 3;
                self.within(budget, pixels, |_, level| {
                    let chosen = LEVELS[level];
                    let picture = if chosen.scale < 1.0 { Self::scaled(task, chosen.scale) } else { full.clone() };
                    let bytes = jpeg(&picture.rgb, (picture.width, picture.height), chosen.jpeg).len() * 4 / 3;
                    ((chosen.jpeg, picture), bytes, pixels)
                })
            }
        };
        // A file cannot be interrupted; on a slow line it is cut into strips that can come one by one.
        let bytes = picture.rgb.len() / 6;
        let strips = if task.piece >= 8 * 1024 { 1 } else { bytes.div_ceil(task.piece).clamp(1, 32) };
        let rows = usize::from(task.area.height);
        let strips = strips.min(rows).min(picture.height as usize);
        let pieces = (0..strips)
            .map(|i| {
                let (from, to) = (rows * i / strips, rows * (i + 1) / strips);
                let cut = |row: usize| row * picture.height as usize / rows;
                let width = picture.width as usize * 3;
                let rgb = &picture.rgb[cut(from) * width..cut(to) * width];
                let size = (picture.width, (cut(to) - cut(from)) as u32);
                let (jpeg, png) = (jpeg(rgb, size, quality), png_of_rgb(rgb, size));
                let file = if png.len() < jpeg.len() { png } else { jpeg };
                let cells = Size::new(task.area.width, (to - from) as u16);
                at(task.area.x, task.area.y + from as u16, &inline(&task.terminal, &file, cells))
            })
            .collect();
        Encoded::Pieces { pieces, whole: false }
    }

    fn cells(&mut self, task: &EncodeTask) -> Encoded {
        let most = task.budget.map_or(usize::MAX, |budget| budget / CELL_BYTES);
        let before = self.grid.as_ref().filter(|_| !task.fresh);
        let grid = grid(task.terminal.protocol, &task.picture, task.area.as_size(), before, most);
        let changed =
            before.map_or(usize::from(grid.size.width) * usize::from(grid.size.height), |b| b.differs(&grid));
        self.grid = Some(grid.clone());
        Encoded::Cells { grid, changed }
    }
}

/// Draws a picture at the cursor, outside any dashboard, over about so many cells; the cursor ends up below it.
#[must_use]
pub fn drawn_at_cursor(terminal: &Terminal, picture: &Picture, cells: Size) -> Vec<u8> {
    let size = fitted(picture, cells, terminal.cell);
    let room = "\n".repeat(usize::from(size.height)) + &format!("\x1b[{}A", size.height);
    let mut out = room.into_bytes();
    let (cell_w, cell_h) = (u32::from(terminal.cell.0), u32::from(terminal.cell.1));
    let (width, height) = (u32::from(size.width) * cell_w, u32::from(size.height) * cell_h);
    let area = Rect::new(0, 0, size.width, size.height);
    match terminal.protocol {
        Protocol::Kitty => {
            let id = 0x67_6c00;
            let png = png_of_rgb(&picture.rgb, (picture.width, picture.height));
            out.extend(transmission(terminal, id, &png, 4096).concat());
            if terminal.placeholders {
                out.extend(super::kitty::place(terminal, id, area));
            } else {
                let (c, r) = (size.width, size.height);
                out.extend(format!("\x1b_Ga=p,i={id},c={c},r={r},C=1,q=2\x1b\\").into_bytes());
            }
        }
        Protocol::Sixel => {
            let small = resize(picture, width, height);
            let mut reducer = Reducer::default();
            let how = ColorReduction { colors: terminal.registers, tolerance: 0 };
            let reduced = reducer.reduce(&small.rgb, (width, height), how);
            let (w, h) = (width as usize, height as usize);
            let indexed = Indexed { colors: reduced.colors, indices: reduced.indices, width: w };
            out.extend(b"\x1b7");
            out.extend(strip(&indexed, 0..h, 0..w));
            out.extend(b"\x1b8");
        }
        Protocol::Iterm2 => {
            let png = png_of_rgb(&picture.rgb, (picture.width, picture.height));
            out.extend(b"\x1b7");
            out.extend(inline(terminal, &png, size));
            out.extend(b"\x1b8");
        }
        Protocol::Halfblocks | Protocol::Quadrants | Protocol::Sextants => {}
    }
    if terminal.protocol.is_text() || terminal.placeholders {
        let mut buffer = ratatui::buffer::Buffer::empty(area);
        if terminal.placeholders {
            super::placeholders::draw(0x67_6c00, area, &mut buffer);
        } else {
            let true_color = terminal.environment.true_color;
            grid(terminal.protocol, picture, size, None, usize::MAX).draw(area, true_color, &mut buffer);
        }
        for row in buffer.content().chunks(usize::from(size.width)) {
            row.iter().for_each(|cell| out.extend(super::blocks::written(cell)));
            out.extend(b"\x1b[0m\r\n");
        }
    } else {
        out.extend("\n".repeat(usize::from(size.height)).into_bytes());
    }
    out
}

/// A sequence with the cursor at a cell, back where it was afterwards.
fn at(x: u16, y: u16, sequence: &[u8]) -> Vec<u8> {
    let mut bytes = format!("\x1b7\x1b[{};{}H", y + 1, x + 1).into_bytes();
    bytes.extend_from_slice(sequence);
    bytes.extend_from_slice(b"\x1b8");
    bytes
}

/// The largest size in cells within `area` that has the picture's shape, for cells of the given pixels.
pub(super) fn fitted(picture: &Picture, area: Size, (cell_w, cell_h): (u16, u16)) -> Size {
    let (w, h) = (f64::from(picture.width), f64::from(picture.height));
    let (room_w, room_h) = (f64::from(area.width) * f64::from(cell_w), f64::from(area.height) * f64::from(cell_h));
    let scale = (room_w / w).min(room_h / h);
    let cells =
        |pixels: f64, cell: u16, most: u16| ((pixels * scale / f64::from(cell)).round() as u16).clamp(1, most);
    Size::new(cells(w, cell_w, area.width), cells(h, cell_h, area.height))
}

#[cfg(test)]
mod tests {
    use super::super::palette::tests::waves;
    use super::*;
    use proptest::prelude::*;

    fn task(protocol: Protocol, picture: Picture, area: Size, budget: Option<usize>) -> EncodeTask {
        let terminal = Terminal::plain(protocol);
        let size = fitted(&picture, area, terminal.cell);
        let area = Rect::new(3, 2, size.width, size.height);
        EncodeTask { slot: "result", terminal, picture, area, id: 7, budget, piece: 4096, fresh: true }
    }

    fn pieces(encoded: Encoded) -> Vec<Vec<u8>> {
        let Encoded::Pieces { pieces, .. } = encoded else { panic!("no control sequences") };
        pieces
    }

    /// What a kitty terminal makes of a transmission.
    fn kitty_picture(pieces: &[Vec<u8>]) -> Picture {
        let mut payload = vec![];
        for (i, piece) in pieces.iter().enumerate() {
            let body = piece.strip_prefix(b"\x1b_G").and_then(|p| p.strip_suffix(b"\x1b\\")).expect("a command");
            let split = body.iter().position(|b| *b == b';').expect("a payload");
            let keys = std::str::from_utf8(&body[..split]).expect("keys");
            assert_eq!(keys.contains("m=1"), i + 1 < pieces.len(), "{keys}");
            assert!(body.len() - split - 1 <= 4096 && (i == 0) == keys.contains("i=7"));
            payload.extend_from_slice(&body[split + 1..]);
        }
        let png = base64_simd::STANDARD.decode_to_vec(payload).expect("base64");
        image::load_from_memory(&png).expect("a PNG").to_rgb8().into()
    }

    fn psnr(a: &Picture, b: &Picture) -> f64 {
        let a = resize(a, b.width, b.height);
        let square = |(x, y): (&u8, &u8)| (f64::from(*x) - f64::from(*y)).powi(2);
        let error = a.rgb.iter().zip(b.rgb.iter()).map(square).sum::<f64>() / a.rgb.len() as f64;
        10.0 * (255.0 * 255.0 / error.max(1e-9)).log10()
    }

    #[test]
    fn pictures_keep_their_shape() {
        let square = Picture::new(4, 4, vec![0; 48]);
        assert_eq!(fitted(&square, Size::new(80, 10), (10, 20)), Size::new(20, 10));
        assert_eq!(fitted(&square, Size::new(10, 80), (10, 20)), Size::new(10, 5));
        let sliver = Picture::new(300, 1, vec![0; 900]);
        assert_eq!(fitted(&sliver, Size::new(30, 10), (10, 20)), Size::new(30, 1));
    }

    #[test]
    fn photos_keep_to_their_budgets_and_look_like_themselves() {
        let photo = crate::imaging::samples::find("german_shepherd").expect("a sample");
        let photo = crate::imaging::decode(std::path::Path::new("photo"), photo.bytes).expect("a picture");
        let photo = crate::imaging::Resize::default().apply(&photo, [256, 256], [0; 3]);
        let mut encoder = Encoder::default();
        for _ in 0..3 {
            let sent = pieces(encoder.encode(&task(Protocol::Kitty, photo.clone(), Size::new(60, 30), Some(52_000))));
            let bytes: usize = sent.iter().map(Vec::len).sum();
            let seen = kitty_picture(&sent);
            assert!(bytes <= 55_000, "{bytes} bytes");
            assert!((seen.width, seen.height) == (256, 256) && psnr(&seen, &photo) > 30.0, "{}", psnr(&seen, &photo));
        }
        let all = pieces(encoder.encode(&task(Protocol::Kitty, photo.clone(), Size::new(60, 30), None)));
        assert_eq!(kitty_picture(&all), photo, "nothing is lost of a picture that stands still");
        let mut encoder = Encoder::default();
        let mut job = task(Protocol::Sixel, photo.clone(), Size::new(40, 20), Some(140_000));
        let sent = pieces(encoder.encode(&job));
        assert!(sent.iter().map(Vec::len).sum::<usize>() <= 140_000);
        job.fresh = false;
        assert!(pieces(encoder.encode(&job)).is_empty(), "what did not change is not sent again");
        let mut changed = photo.rgb.to_vec();
        changed.copy_within(256 * 3 * 100..256 * 3 * 120, 0);
        job.picture = Picture::new(256, 256, changed);
        let part = pieces(encoder.encode(&job));
        assert!(!part.is_empty() && part.len() < sent.len());
    }

    #[test]
    fn iterm2_files_are_files() {
        let picture = Picture::new(64, 48, waves(64, 48, 0.0));
        for piece in [1024, 16_384] {
            let mut job = task(Protocol::Iterm2, picture.clone(), Size::new(20, 10), Some(50_000));
            job.piece = piece;
            let sent = pieces(Encoder::default().encode(&job));
            assert_eq!(sent.len() > 1, piece < 8192);
            for sequence in &sent {
                let start = sequence.iter().position(|b| *b == b':').expect("a payload") + 1;
                let end = sequence.iter().position(|b| *b == 7).expect("an end");
                let file = base64_simd::STANDARD.decode_to_vec(&sequence[start..end]).expect("base64");
                assert!(image::load_from_memory(&file).is_ok());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 40,
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn any_picture_arrives(w in 1u32..70, h in 1u32..70, cols in 1u16..40, rows in 1u16..20, phase in 0.0..6.0, tight in any::<bool>()) {
            let picture = Picture::new(w, h, waves(w, h, phase));
            let area = Size::new(cols, rows);
            let budget = if tight { Some(600) } else { None };
            let sent = pieces(Encoder::default().encode(&task(Protocol::Kitty, picture.clone(), area, budget)));
            let seen = kitty_picture(&sent);
            prop_assert!(seen.width <= w.max(1) && seen.height <= h.max(1));
            let job = task(Protocol::Sixel, picture.clone(), area, budget);
            for piece in pieces(Encoder::default().encode(&job)) {
                let start = piece.windows(2).position(|p| p == b"\x1bP").expect("a string");
                let (width, height, pixels) = super::super::sixel::tests::draw(&piece[start..piece.len() - 2]);
                prop_assert!(width <= usize::from(job.area.width) * 10 && height <= usize::from(job.area.height) * 20);
                prop_assert!(pixels.iter().all(Option::is_some));
            }
            for protocol in [Protocol::Halfblocks, Protocol::Quadrants, Protocol::Sextants] {
                let encoded = Encoder::default().encode(&task(protocol, picture.clone(), area, budget));
                let cells = matches!(encoded, Encoded::Cells { .. });
                prop_assert!(cells);
            }
        }
    }
}
