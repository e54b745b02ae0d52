//! The whole program in a pseudo-terminal that answers as kitty, a sixel terminal or a plain one would.

mod support;

use gradlens::imaging::{Area, Picture, decode, dimmed_outside, samples};
use portable_pty::PtySize;
use std::path::Path;
use support::pty::{Kind, SIZE, Session, find, strings};

/// The pictures that were handed over, in order; never more of them are known to the terminal than `most`, and none in
/// the end.
fn kitty_pictures(output: &[u8], most: usize) -> Vec<Picture> {
    let (pictures, alive) = kitty_pictures_so_far(output, most);
    assert_eq!(alive, 0, "pictures are left behind");
    pictures
}

/// The same before the end, and how many are known to the terminal.
fn kitty_pictures_so_far(output: &[u8], most: usize) -> (Vec<Picture>, usize) {
    let mut pictures = vec![];
    let mut open: Option<Vec<u8>> = None;
    let mut alive = std::collections::BTreeSet::new();
    for body in strings(output, b"\x1b_G") {
        let text = String::from_utf8_lossy(body);
        let (keys, payload) = text.split_once(';').unwrap_or((&text, ""));
        let key = |name: &str| keys.split(',').find_map(|k| k.strip_prefix(name)?.strip_prefix('='));
        match key("a") {
            Some("q") => continue,
            Some("d") => {
                if key("d") == Some("I") {
                    alive.remove(key("i").expect("an id"));
                }
                continue;
            }
            Some("p") => {
                assert!(alive.contains(key("i").expect("an id")), "a picture is placed that is not there");
                continue;
            }
            Some("t") => {
                assert!(open.is_none() && key("f") == Some("100"), "one PNG after the other");
                alive.insert(key("i").expect("an id").to_owned());
                assert!(alive.len() <= most, "{alive:?} are alive");
                open = Some(vec![]);
            }
            _ => {}
        }
        let data = open.as_mut().expect("a transmission");
        data.extend_from_slice(payload.as_bytes());
        if key("m") == Some("0") {
            let png = base64_simd::STANDARD.decode_to_vec(open.take().expect("open")).expect("base64");
            pictures.push(image::load_from_memory(&png).expect("a PNG").to_rgb8().into());
        }
    }
    (pictures, alive.len())
}

/// The pictures that were drawn: strips below each other belong together.
fn sixel_pictures(output: &[u8]) -> Vec<Picture> {
    let mut pictures: Vec<(String, usize, Picture)> = vec![];
    let mut rest = output;
    while let Some(at) = find(rest, b"\x1bP9;1;0q") {
        let place = String::from_utf8_lossy(&rest[at.saturating_sub(12)..at]).into_owned();
        let (row, column) =
            place.rsplit_once('[').and_then(|(_, p)| p.strip_suffix('H')?.split_once(';')).expect("a place");
        let top = (row.parse::<usize>().expect("a row") - 1) * 20;
        let body = &rest[at + 8..];
        let end = find(body, b"\x1b\\").expect("an end");
        let strip = sixel(&String::from_utf8_lossy(&body[..end])).expect("a strip");
        match pictures.last_mut() {
            Some((x, bottom, above)) if *x == column && *bottom == top && above.width == strip.width => {
                let rgb = [&*above.rgb, &*strip.rgb].concat();
                *bottom += strip.height as usize;
                *above = Picture::new(strip.width, above.height + strip.height, rgb);
            }
            _ => pictures.push((column.to_owned(), top + strip.height as usize, strip)),
        }
        rest = &body[end..];
    }
    pictures.into_iter().map(|(_, _, picture)| picture).collect()
}

fn sixel(text: &str) -> Option<Picture> {
    let mut chars = text.chars().peekable();
    let numbers = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        let mut list = vec![0usize];
        while let Some(c) = chars.next_if(|c| c.is_ascii_digit() || *c == ';') {
            match c.to_digit(10) {
                Some(d) => *list.last_mut().expect("one") = list[list.len() - 1] * 10 + d as usize,
                None => list.push(0),
            }
        }
        list
    };
    let (mut width, mut height, mut x, mut y, mut repeat) = (0, 0, 0, 0, 1);
    let mut palette = std::collections::HashMap::new();
    let mut color = [0u8; 3];
    let mut rgb: Vec<u8> = vec![];
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let n = numbers(&mut chars);
                (width, height) = (n[2], n[3]);
                rgb = vec![0; width * height * 3];
            }
            '#' => {
                let n = numbers(&mut chars);
                if n.len() == 5 {
                    palette.insert(n[0], [n[2], n[3], n[4]].map(|v| (v * 255 / 100) as u8));
                }
                color = palette.get(&n[0]).copied().unwrap_or_default();
            }
            '!' => repeat = numbers(&mut chars)[0],
            '$' => x = 0,
            '-' => (x, y) = (0, y + 6),
            '?'..='~' => {
                let bits = c as u8 - b'?';
                for bit in (0..6).filter(|b| bits >> b & 1 == 1 && y + b < height) {
                    for column in x..(x + repeat).min(width) {
                        rgb[((y + bit) * width + column) * 3..][..3].copy_from_slice(&color);
                    }
                }
                x += repeat;
                repeat = 1;
            }
            _ => {}
        }
    }
    (width > 0).then(|| Picture::new(width as u32, height as u32, rgb))
}

/// Mean difference of two pictures in levels of 0–255, both brought to 16 × 16 pixels.
fn difference(a: &Picture, b: &Picture) -> f64 {
    let small = |p: &Picture| gradlens::imaging::resize(p, 16, 16);
    let (a, b) = (small(a), small(b));
    a.rgb.iter().zip(&*b.rgb).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.rgb.len() as f64
}

/// The photo that is shown first, with what the network does not see of it darker.
fn photo() -> Picture {
    let photo = decode(Path::new("sample"), samples::PHOTOS[0].bytes).expect("the sample");
    let side = photo.width.min(photo.height);
    let middle = |side_of: u32| f64::from(side_of - side) / 2.0;
    let (x, y, side) = (middle(photo.width), middle(photo.height), f64::from(side));
    dimmed_outside(&photo, Area { x, y, width: side, height: side })
}

fn restored(output: &[u8]) {
    let last = |on: &[u8], off: &[u8]| {
        let at = |what: &[u8]| output.windows(what.len()).rposition(|w| w == what);
        assert!(at(on).is_some() && at(off) > at(on), "{} is still on", String::from_utf8_lossy(on).escape_debug());
    };
    last(b"\x1b[?1049h", b"\x1b[?1049l");
    last(b"\x1b[?25l", b"\x1b[?25h");
    last(b"\x1b[?2004h", b"\x1b[?2004l");
    last(b"\x1b[?1003h", b"\x1b[?1003l");
}

/// From technique to technique with the keyboard. Waits for pictures as `pictures` finds them in what was written.
fn walk(kind: Kind, pictures: impl Fn(&[u8]) -> Vec<Picture>, tolerance: f64) -> Vec<u8> {
    // What has not been written to its end yet is left out.
    let whole = |output: &[u8]| {
        let end = output.windows(2).rposition(|w| w == b"\x1b\\").map_or(0, |at| at + 2);
        pictures(&output[..end])
    };
    let session = Session::start(kind, &[]);
    session.wait_for("Grad-CAM of the cup", |s| s.contains("done step 1/1") && s.contains("over photo · espresso"));
    session.wait_for_output("the photo", |output| shows_the_photo(&whole(output), tolerance).is_ok());
    session.press("2");
    session.wait_for("gradcam++", |s| s.contains("gradcam++  tf_eff") && s.contains("done step 1/1"));
    let before = whole(&session.output()).len();
    session.press("/fooling\r");
    session.wait_for("fooling", |s| s.contains("fooling  tf_eff") && s.contains("p_target") && s.contains("done"));
    session.wait_for_output("its pictures", |output| whole(output).len() > before);
    session.press("q");
    let (code, output) = session.end();
    assert_eq!(code, 0);
    restored(&output);
    let tail = String::from_utf8_lossy(&output);
    let tail = &tail[tail.rfind("\x1b[?1049l").expect("the end")..];
    for words in ["gradcam finished after 1 step", "fooling finished after"] {
        assert!(tail.contains(words), "{words:?} stays in the scrollback: {tail}");
    }
    output
}

/// The photo itself (the input pane) and a map over it (the result pane) must be among the pictures.
fn shows_the_photo(pictures: &[Picture], tolerance: f64) -> Result<(), String> {
    let photo = photo();
    let off: Vec<f64> = pictures.iter().map(|p| difference(p, &photo)).collect();
    let nearest = off.iter().copied().fold(f64::INFINITY, f64::min);
    if nearest >= tolerance {
        return Err(format!("none of {} pictures is the photo: {nearest}", pictures.len()));
    }
    let has_map = off.iter().any(|d| (12.0..90.0).contains(d));
    has_map.then_some(()).ok_or_else(|| format!("no picture is the photo under a map: {off:?}"))
}

#[test]
fn kitty_gets_pictures_and_its_screen_back() {
    // Photo, perturbation and result, and one on its way.
    let output = walk(Kind::Kitty, |output| kitty_pictures_so_far(output, 4).0, 3.0);
    shows_the_photo(&kitty_pictures(&output, 4), 3.0).expect("the photo");
}

#[test]
fn sixel_terminals_get_pictures() {
    let output = walk(Kind::Sixel, sixel_pictures, 8.0);
    shows_the_photo(&sixel_pictures(&output), 8.0).expect("the photo");
}

/// How far the input pane's picture, two pixels a cell, is from the photo.
fn half_blocks_off(screen: &vt100::Screen) -> f64 {
    let is_block = |x, y| {
        screen
            .cell(y, x)
            .is_some_and(|c| ["▀", "▄", "█", " "].contains(&c.contents()) && c.bgcolor() != vt100::Color::Default)
    };
    let columns: Vec<u16> = (1..40).filter(|&x| (1..38).any(|y| is_block(x, y))).collect();
    let rows: Vec<u16> = (1..38).filter(|&y| (1..30).any(|x| is_block(x, y))).collect();
    let (Some(&left), Some(&top)) = (columns.first(), rows.first()) else { return f64::INFINITY };
    let width = columns.iter().zip(left..).take_while(|(a, b)| **a == *b).count() as u16;
    let height = rows.len() as u16;
    let color = |c: vt100::Color| if let vt100::Color::Rgb(r, g, b) = c { [r, g, b] } else { [0; 3] };
    let mut rgb = vec![];
    for y in top..top + height {
        for half in 0..2 {
            for x in left..left + width {
                let cell = screen.cell(y, x).expect("a cell");
                let upper_is_fg = cell.contents() != "▄";
                let fg = (half == 0) == upper_is_fg;
                rgb.extend(color(if fg && cell.contents() != " " { cell.fgcolor() } else { cell.bgcolor() }));
            }
        }
    }
    difference(&Picture::new(width.into(), u32::from(height) * 2, rgb), &photo())
}

#[test]
fn every_other_terminal_gets_half_blocks() {
    let session = Session::start(Kind::Plain, &["--technique", "gradcam++"]);
    session.wait_for("the map", |s| s.contains("done step 1/1") && s.contains('▀'));
    session.wait("the photo", |session| half_blocks_off(&session.screen()) < 12.0);
    session.press("\x03");
    let (code, output) = session.end();
    assert_eq!(code, 0, "ctrl-c quits");
    restored(&output);
}

#[test]
fn a_mute_terminal_costs_neither_time_nor_keys() {
    let session = Session::start(Kind::Mute, &[]);
    session.wait_for("the dashboard", |s| s.contains("done step 1/1") && s.contains("half-blocks"));
    session.press("2");
    session.wait_for("gradcam++", |s| s.contains("gradcam++  tf_eff"));
    session.press("q");
    assert_eq!(session.end().0, 0);
}

#[test]
fn a_running_job_can_be_steered_and_saved() {
    let session = Session::start(
        Kind::Plain,
        &["--technique", "class-visualization", "--class", "flamingo", "--set", "steps=100000"],
    );
    session.wait_for_step(3);
    session.press(" ");
    session.wait_for("the pause", |s| s.contains("paused"));
    session.press("\x1b[B");
    session.press("\x1b[B");
    session.press("+");
    session.wait_for("the new step size", |s| s.contains("step size") && s.contains("0.07 ◂"));
    session.press("c292\r");
    session.wait_for("the other class", |s| s.contains("class flamingo → tiger"));
    session.press(" ");
    session.wait_for_step(0);
    session.press("s");
    session.wait_for("the folder", |s| s.contains("saved result.png"));
    let state = session.state.path().join("gradlens/runs");
    let runs: Vec<_> = std::fs::read_dir(&state).expect("saved runs").flatten().collect();
    assert_eq!(runs.len(), 1);
    let run = std::fs::read(runs[0].path().join("run.json")).expect("run.json");
    let run: serde_json::Value = serde_json::from_slice(&run).expect("JSON");
    assert_eq!(run["changes"][0]["name"], "step_size");
    assert_eq!(run["changes"][0]["value"], 0.07);
    assert_eq!(run["changes"][1]["value"], 292);
    session.press("q");
    assert_eq!(session.end().0, 0);
}

#[test]
fn a_painting_is_steered_scrubbed_branched_and_saved() {
    let args = ["--technique", "style-transfer", "--set", "size=128", "--set", "scales=1", "--set", "steps=5000"];
    let session = Session::start(Kind::Plain, &args);
    session.wait_for_step(10);
    session.press("\x1b[B\r40\r");
    session.wait_for("the new weight", |s| s.contains("style weight") && s.contains("40 ◂"));
    session.wait_for_step(25);
    session.press("{[[");
    session.wait_for("an earlier step", |s| s.contains("looking at step") && s.contains("paused"));
    session.press("b");
    session.wait_for("a branch beside its run", |s| s.contains("run 1 · style-transfer") && s.contains("branched"));
    session.press("d+ ");
    session.wait_for("the branch going on", |s| s.contains("▶") && !s.contains("run 1 ·"));
    session.press("a");
    session.wait_for("the folder", |s| s.contains("recording.gif"));
    let runs = session.state.path().join("gradlens/runs");
    let saved = std::fs::read_dir(&runs).expect("saved runs").flatten().next().expect("one");
    let run = std::fs::read(saved.path().join("run.json")).expect("run.json");
    let run: serde_json::Value = serde_json::from_slice(&run).expect("JSON");
    assert_eq!(run["branched_from"]["run"], 1);
    assert!(run["changes"].as_array().is_some_and(|c| c.iter().any(|c| c["name"] == "style_weight")), "{run}");
    session.press("q");
    assert_eq!(session.end().0, 0);
}

/// Pictures that move stay small on every kind of line.
#[test]
fn moving_pictures_are_small() {
    let args = ["samples/photos/german_shepherd.jpg", "--technique", "style-transfer", "--set", "size=256"];
    let args = [&args[..], &["--set", "scales=1", "--set", "steps=100000"]].concat();
    for kind in [Kind::Kitty, Kind::Sixel, Kind::Plain] {
        let session = Session::start(kind, &args);
        let first = session.wait_for_step(3);
        let (before, began) = (session.written(), std::time::Instant::now());
        session.wait_for_step(first + 6);
        let bytes = session.written() - before;
        let steps = session.wait_for_step(0) - first;
        let rate = bytes as f64 / began.elapsed().as_secs_f64();
        // Each step had one picture at most.
        println!("{kind:?}: {:.0} kB a step, {:.0} kB/s", bytes as f64 / steps as f64 / 1e3, rate / 1e3);
        let most = match kind {
            Kind::Kitty => 70_000,
            Kind::Sixel => 400_000,
            _ => 50_000,
        };
        assert!(bytes < (steps + 2) * most, "{kind:?}: {bytes} bytes for {steps} steps");
        session.press("q");
        let (code, output) = session.end();
        assert_eq!(code, 0);
        if matches!(kind, Kind::Kitty) {
            // Photo, painting and result, and one on its way.
            assert!(kitty_pictures(&output, 4).len() > 6);
        }
    }
}

#[test]
fn the_screen_follows_the_terminal() {
    let session = Session::start(Kind::Plain, &[]);
    session.wait_for("the dashboard", |s| s.contains("techniques"));
    session.master.resize(PtySize { rows: 12, cols: 50, ..SIZE }).expect("resized");
    session.wait_for("the plain message", |s| s.contains("needs 60×18"));
    session.master.resize(SIZE).expect("resized");
    session.wait_for("the dashboard again", |s| s.contains("heat map over photo"));
    session.press("q");
    assert_eq!(session.end().0, 0);
}

#[cfg(unix)]
#[test]
fn signals_give_the_terminal_back() {
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        let session = Session::start(Kind::Plain, &["--technique", "style-transfer"]);
        session.wait_for_step(1);
        let pid = session.child.process_id().and_then(|p| i32::try_from(p).ok()).expect("a process id");
        // SAFETY: sends a signal to the child this test started and has not yet waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        let (code, output) = session.end();
        assert_eq!(code, 130, "signal {signal}");
        restored(&output);
    }
}
