//! Small pieces of text.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A number in at most about seven characters.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if !(1e-4..1e5).contains(&size) {
        format!("{value:.1e}")
    } else if size < 0.01 {
        format!("{value:.4}")
    } else if size < 1.0 {
        format!("{value:.3}")
    } else if size < 100.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// The text cut to `width` columns, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut cut, _) = split(text, width.saturating_sub(1));
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// What fits into `width` columns, and the rest.
fn split(text: &str, width: usize) -> (String, &str) {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let first: String = text.chars().take_while(fits).collect();
    let rest = &text[first.len()..];
    (first, rest)
}

/// The text in lines of `width` columns at most; words that fit a line are kept whole.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    // The widest character takes two.
    let width = width.max(2);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest = word;
        if let Some(line) = lines.last_mut().filter(|line| line.width() + 1 + rest.width() <= width) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(rest);
            continue;
        }
        while !rest.is_empty() {
            let (part, behind) = split(rest, width);
            match lines.last_mut() {
                Some(line) if line.is_empty() => *line = part,
                _ => lines.push(part),
            }
            rest = behind;
        }
    }
    lines
}

/// Text from outside without what would steer the terminal or turn the line around: control characters, line separators
/// and bidirectional marks.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character steers a terminal or turns a line around.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A bar of `width` cells filled to `share` of `[0, 1]`.
pub(super) fn bar(share: f64, width: usize, plain: bool) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let share = share.clamp(0.0, 1.0);
    if plain {
        let full = (share * width as f64).round() as usize;
        return format!("{}{}", "#".repeat(full), " ".repeat(width - full));
    }
    let eighths = (share * width as f64 * 8.0).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(EIGHTHS[eighths % 8]);
    }
    let blank = width.saturating_sub(text.chars().count());
    text + &" ".repeat(blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_columns_and_lose_nothing() {
        for text in
            ["", "a", "one two three", "日本語のファイル名.onnx は 読めません", "x".repeat(50).as_str(), "a  b"]
        {
            for width in 2..40 {
                let lines = wrapped(text, width);
                assert!(lines.iter().all(|line| line.width() <= width), "{lines:?}");
                let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
                assert_eq!(letters(&lines.concat()), letters(text), "{width}");
                assert!(cut(text, width).width() <= width);
            }
        }
    }

    #[test]
    fn bars_fill_by_eighths() {
        assert_eq!(bar(0.5, 4, false), "██  ");
        assert_eq!(bar(1.0, 3, false), "███");
        assert_eq!(bar(1.0 / 32.0, 4, false), "▏   ");
        assert_eq!(bar(0.5, 4, true), "##  ");
    }

    #[test]
    fn escape_sequences_are_disarmed() {
        assert_eq!(printable("a\x1b[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 0.00712, 0.4123, 12.3456, 12345.6, 3e-7].map(short),
            ["0", "0.0071", "0.412", "12.35", "12346", "3.0e-7"]
        );
    }
}
