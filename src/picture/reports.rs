//! Telling what the terminal says of itself from what the person types: both come in on the same line.

/// A control string that has not ended after this many bytes is no report of a terminal.
const LONGEST_STRING: usize = 16 * 1024;
/// No key and no numeric report is longer.
const LONGEST_SEQUENCE: usize = 64;
/// A paste longer than this is cut.
const LONGEST_PASTE: usize = 256 * 1024;

const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// One thing that came in, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// The terminal has read everything up to a status question (`CSI 0 n`).
    Ack,
    /// Something else it says of itself, escape sequence and all.
    Report(Vec<u8>),
    /// A key, a mouse event or a paste, as terminals send them.
    Input(Vec<u8>),
}

/// Cuts what a terminal sends into tokens, however it arrives in pieces.
#[derive(Debug, Default)]
pub struct Splitter {
    rest: Vec<u8>,
}

/// What stands at the beginning of some bytes.
enum Head {
    /// This many bytes are a token.
    Token(usize, Kind),
    /// More has to come.
    Open,
}

#[derive(Clone, Copy)]
enum Kind {
    Input,
    Report,
}

impl Splitter {
    /// Takes bytes and hands out the tokens that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Token> {
        self.rest.extend_from_slice(bytes);
        let mut tokens = vec![];
        let mut at = 0;
        while at < self.rest.len() {
            match head(&self.rest[at..]) {
                Head::Open => break,
                Head::Token(len, kind) => {
                    tokens.push(token(&self.rest[at..at + len], kind));
                    at += len;
                }
            }
        }
        self.rest.drain(..at);
        tokens
    }

    /// Whether something has begun and not ended: the escape key, or a sequence still on its way.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Takes what has begun for what it is now: nothing more came for a while.
    pub fn flush(&mut self) -> Vec<Token> {
        let rest = std::mem::take(&mut self.rest);
        match rest.as_slice() {
            // A control string that never ended is noise; the person pressed none of it.
            [] | [0x1b, b'P' | b']' | b'_' | b'^' | b'X', _, ..] => vec![],
            _ => vec![Token::Input(rest)],
        }
    }
}

fn token(bytes: &[u8], kind: Kind) -> Token {
    match kind {
        Kind::Report if matches!(bytes, b"\x1b[0n" | b"\x1b[n") => Token::Ack,
        Kind::Report => Token::Report(bytes.to_vec()),
        Kind::Input => Token::Input(bytes.to_vec()),
    }
}

fn head(bytes: &[u8]) -> Head {
    match bytes {
        [0x1b] | [0x1b, b'O'] => Head::Open,
        [0x1b, b'[', ..] => sequence(bytes),
        [0x1b, b'O', _, ..] => Head::Token(3, Kind::Input),
        [0x1b, b'P' | b']' | b'_' | b'^' | b'X', ..] => string(bytes),
        // Alt and a character, or escape twice.
        [0x1b, 0x1b, ..] => Head::Token(1, Kind::Input),
        [0x1b, rest @ ..] => character(rest, 1),
        _ => character(bytes, 0),
    }
}

/// A character in UTF-8, behind `before` bytes.
fn character(bytes: &[u8], before: usize) -> Head {
    let len = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let arrived = bytes.iter().take(len).skip(1).take_while(|b| (0x80..0xc0).contains(*b)).count() + 1;
    if arrived < len && bytes.len() < len {
        return Head::Open;
    }
    Head::Token(before + arrived, Kind::Input)
}

/// A control string: up to ST, or BEL.
fn string(bytes: &[u8]) -> Head {
    let mut i = 2;
    while i < bytes.len().min(LONGEST_STRING) {
        match (bytes[i], bytes.get(i + 1)) {
            (0x07, _) => return Head::Token(i + 1, Kind::Report),
            (0x1b, Some(b'\\')) => return Head::Token(i + 2, Kind::Report),
            // Another sequence begins: this one was none.
            (0x1b, Some(_)) => return Head::Token(i, Kind::Report),
            _ => i += 1,
        }
    }
    if bytes.len() > LONGEST_STRING { Head::Token(LONGEST_STRING, Kind::Report) } else { Head::Open }
}

/// A control sequence: parameters, intermediates and a final byte.
fn sequence(bytes: &[u8]) -> Head {
    if bytes.starts_with(PASTE_BEGINS) {
        let end = bytes.windows(PASTE_ENDS.len()).position(|w| w == PASTE_ENDS);
        return match end {
            Some(at) => Head::Token(at + PASTE_ENDS.len(), Kind::Input),
            None if bytes.len() > LONGEST_PASTE => Head::Token(LONGEST_PASTE, Kind::Report),
            None => Head::Open,
        };
    }
    let body = &bytes[2..];
    let parameters = body.iter().take(LONGEST_SEQUENCE).take_while(|b| (0x20..0x40).contains(*b)).count();
    let Some(&last) = body.get(parameters) else { return Head::Open };
    if parameters >= LONGEST_SEQUENCE || !(0x40..0x7f).contains(&last) {
        // No sequence at all: what came so far is dropped, the next byte begins anew.
        return Head::Token(2 + parameters, Kind::Report);
    }
    let len = 2 + parameters + 1;
    // X10 mouse reports have three more bytes; ours are asked for in SGR form.
    let private = matches!(body.first(), Some(b'?' | b'>' | b'='));
    let dollar = body[..parameters].contains(&b'$');
    let report = match last {
        b'c' | b'n' | b't' | b'R' => true,
        b'u' | b'S' => private,
        b'y' => dollar,
        _ => false,
    };
    // F3 with a modifier looks like a cursor report; nothing here is bound to it.
    Head::Token(len, if report { Kind::Report } else { Kind::Input })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn input(bytes: &[u8]) -> Token {
        Token::Input(bytes.to_vec())
    }

    #[test]
    fn keys_and_reports_come_apart() {
        let mut splitter = Splitter::default();
        let all =
            b"a\x1b[0n\x1b[A\x1bP>|kitty(0.35.2)\x1b\\\x1b_Gi=31;OK\x1b\\q\x1b[?62;4c\x1bOP\xc3\xa9\x1b[<0;3;4M";
        let tokens = splitter.push(all);
        assert_eq!(tokens[0], input(b"a"));
        assert_eq!(tokens[1], Token::Ack);
        assert_eq!(tokens[2], input(b"\x1b[A"));
        assert!(matches!(&tokens[3], Token::Report(r) if r.starts_with(b"\x1bP>|kitty")));
        assert!(matches!(&tokens[4], Token::Report(r) if r.starts_with(b"\x1b_G")));
        assert_eq!(tokens[5], input(b"q"));
        assert!(matches!(&tokens[6], Token::Report(r) if r.ends_with(b"c")));
        assert_eq!(tokens[7..], [input(b"\x1bOP"), input("é".as_bytes()), input(b"\x1b[<0;3;4M")]);
        assert!(!splitter.is_open());
    }

    #[test]
    fn escape_alone_is_a_key_once_nothing_follows() {
        let mut splitter = Splitter::default();
        assert!(splitter.push(b"\x1b").is_empty() && splitter.is_open());
        assert_eq!(splitter.flush(), [input(b"\x1b")]);
        assert!(splitter.push(b"\x1bP>|late").is_empty());
        assert!(splitter.flush().is_empty(), "half a report is nobody's key");
    }

    #[test]
    fn a_paste_is_one_token_whatever_is_in_it() {
        let mut splitter = Splitter::default();
        assert!(splitter.push(b"\x1b[200~a\x1b[0n b").is_empty());
        assert_eq!(splitter.push(b"\x1b[201~"), [input(b"\x1b[200~a\x1b[0n b\x1b[201~")]);
    }

    proptest! {
        /// Cut anywhere, the same tokens come out; any bytes at all lose nothing but noise and never panic.
        #[test]
        fn pieces_do_not_matter(bytes in prop::collection::vec(prop_oneof![Just(0x1bu8), Just(b'['), Just(b'n'), Just(b'P'),
            Just(b'0'), Just(b'\\'), Just(0x07), any::<u8>()], 0..200), cut in 0usize..200) {
            let whole = Splitter::default().push(&bytes);
            let mut pieces = Splitter::default();
            let cut = cut.min(bytes.len());
            let mut tokens = pieces.push(&bytes[..cut]);
            tokens.extend(pieces.push(&bytes[cut..]));
            prop_assert_eq!(whole, tokens);
            prop_assert!(pieces.rest.len() <= LONGEST_PASTE);
        }
    }
}
