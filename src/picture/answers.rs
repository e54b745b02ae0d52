//! What a terminal says of itself.

use super::reports::Token;
use ratatui_image::picker::cap_parser::{Parser, Response};

/// What a terminal has said so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// It draws kitty's graphics protocol.
    pub kitty: bool,
    /// It draws sixel graphics (primary device attribute 4).
    pub sixel: bool,
    /// Colour registers it has for them (XTSMGRAPHICS).
    pub sixel_registers: Option<u16>,
    /// The largest sixel picture in pixels (XTSMGRAPHICS).
    pub sixel_size: Option<(u32, u32)>,
    /// Width and height of a cell in pixels.
    pub cell: Option<(u16, u16)>,
    /// Its name and version, as it puts them (XTVERSION): `kitty(0.35.2)`.
    pub version: String,
    /// It holds frames back until they are whole (DECRPM of mode 2026).
    pub synchronized: bool,
    /// It answers status questions, so that its pace can be told.
    pub status: bool,
}

impl Answers {
    /// Takes in what came from the terminal; input is somebody else's.
    pub fn take(&mut self, token: &Token) {
        match token {
            Token::Ack => self.status = true,
            Token::Report(bytes) => self.report(bytes),
            Token::Input(_) => {}
        }
    }

    fn report(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if let Some(version) = text.strip_prefix("\x1bP>|") {
            self.version = version.chars().take_while(|c| !c.is_control()).take(80).collect();
            return;
        }
        if let Some(state) = text.strip_prefix("\x1b[?2026;").and_then(|t| t.strip_suffix("$y")) {
            // 1 and 2 are set and reset, 3 and 4 the same for good, 0 is unknown.
            self.synchronized = matches!(state, "1" | "2" | "3");
            return;
        }
        if let Some(graphics) = text.strip_prefix("\x1b[?").and_then(|t| t.strip_suffix('S')) {
            let numbers: Vec<u32> = graphics.split(';').filter_map(|n| n.parse().ok()).collect();
            match numbers.as_slice() {
                [1, 0, registers] => self.sixel_registers = Some((*registers).min(1024) as u16),
                [2, 0, width, height] => self.sixel_size = Some((*width, *height)),
                _ => {}
            }
            return;
        }
        let mut parser = Parser::new();
        for response in text.chars().flat_map(|c| parser.push(c)) {
            match response {
                Response::Kitty => self.kitty = true,
                Response::Sixel => self.sixel = true,
                Response::CellSize(cell) if text.starts_with("\x1b[6;") => self.cell = cell,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::reports::Splitter;
    use proptest::prelude::*;

    fn heard(bytes: &[u8]) -> Answers {
        let mut answers = Answers::default();
        Splitter::default().push(bytes).iter().for_each(|token| answers.take(token));
        answers
    }

    #[test]
    fn everything_a_terminal_says_is_understood() {
        let said =
            "\x1bP>|XTerm(379)\x1b\\\x1b[?62;4;22c\x1b[?1;0;256S\x1b[?2;0;1000;800S\x1b[6;17;8t\x1b[?2026;0$y\x1b[0n";
        let answers = heard(said.as_bytes());
        let wanted = Answers {
            sixel: true,
            sixel_registers: Some(256),
            sixel_size: Some((1000, 800)),
            cell: Some((8, 17)),
            version: "XTerm(379)".into(),
            status: true,
            ..Answers::default()
        };
        assert_eq!(answers, wanted);
        assert!(heard(b"\x1b[?2026;2$y").synchronized);
        assert!(heard(b"\x1b_Gi=31;OK\x1b\\").kitty && !heard(b"\x1b_Gi=31;ENOENT:no\x1b\\").kitty);
    }

    proptest! {
        #[test]
        fn nothing_a_terminal_sends_breaks_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let answers = heard(&bytes);
            prop_assert!(answers.version.len() <= 400 && !answers.version.chars().any(char::is_control));
        }
    }
}
