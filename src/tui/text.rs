//! Small pieces of text.

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

/// The text cut to `width` characters, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// The text in lines of `width` characters at most; words that fit a line are kept whole.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        for (i, part) in letters.chunks(width).enumerate() {
            let used = lines.last().map_or(0, |line| line.chars().count());
            let goes_on = i == 0 && used > 0 && used + 1 + part.len() <= width;
            match lines.last_mut() {
                Some(line) if goes_on => line.extend(std::iter::once(' ').chain(part.iter().copied())),
                Some(line) if used == 0 => line.extend(part),
                _ => lines.push(part.iter().collect()),
            }
        }
    }
    lines
}

/// Text from outside without what would steer the terminal or turn the line around: control characters, line separators
/// and bidirectional marks.
#[must_use]
pub fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
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
