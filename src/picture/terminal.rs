//! What is known of the terminal, and how pictures are put on it for that reason.

use super::answers::Answers;

/// The first kitty that knows Unicode placeholders; older ones show them as garbage.
const KITTY_WITH_PLACEHOLDERS: (u32, u32) = (0, 28);
/// Colour registers a sixel terminal has unless it says how many.
const REGISTERS: u16 = 256;

/// A way to put a picture on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// kitty's graphics protocol.
    Kitty,
    /// DEC sixel graphics.
    Sixel,
    /// iTerm2's inline images.
    Iterm2,
    /// Two coloured pixels a cell: every terminal with colours.
    Halfblocks,
    /// Four pixels of two colours a cell: fonts with quadrant blocks.
    Quadrants,
    /// Six pixels of two colours a cell: fonts with sextant blocks.
    Sextants,
}

impl Protocol {
    /// Whether pictures are characters like any other text.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Halfblocks | Self::Quadrants | Self::Sextants)
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kitty => "kitty",
            Self::Sixel => "sixel",
            Self::Iterm2 => "iterm2",
            Self::Halfblocks => "half-blocks",
            Self::Quadrants => "quadrants",
            Self::Sextants => "sextants",
        })
    }
}

/// What the environment says of the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// tmux servers between the program and the terminal.
    pub tmux: u8,
    /// What tmux knows of the terminal it runs in: its XTVERSION, as far as it asked.
    pub behind_tmux: String,
    /// A terminal that speaks iTerm2's protocol.
    pub iterm2: bool,
    /// A terminal that draws block characters itself, whatever the font has.
    pub draws_blocks: bool,
    /// 24-bit colours.
    pub true_color: bool,
    /// Comes over ssh.
    pub ssh: bool,
}

impl Environment {
    /// Reads them from the environment, given what tmux says of the client: its terminal's version and name.
    #[must_use]
    pub fn read(tmux: Option<(String, String)>) -> Self {
        let is = |name: &str| std::env::var(name).unwrap_or_default();
        let (program, term) = (is("TERM_PROGRAM"), is("TERM"));
        let speaks_iterm2 = ["iTerm", "WezTerm", "mintty", "vscode", "Tabby", "Hyper", "rio", "WarpTerminal"];
        let within = term.starts_with("tmux") || program == "tmux" || !is("TMUX").is_empty();
        let (behind_tmux, client) = tmux.unwrap_or_default();
        let nested = client.starts_with("tmux") || client.starts_with("screen");
        let color = is("COLORTERM");
        Self {
            tmux: u8::from(within) + u8::from(within && nested),
            iterm2: speaks_iterm2.iter().any(|name| program.contains(name) || behind_tmux.contains(name))
                || is("LC_TERMINAL").contains("iTerm"),
            behind_tmux,
            draws_blocks: !is("VTE_VERSION").is_empty() || term.starts_with("alacritty"),
            true_color: color == "truecolor"
                || color == "24bit"
                || term.ends_with("-direct")
                || term.contains("kitty"),
            ssh: !is("SSH_CONNECTION").is_empty() || !is("SSH_TTY").is_empty(),
        }
    }
}

/// What is known of the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The protocol to use.
    pub protocol: Protocol,
    /// Why.
    pub reason: String,
    /// Width and height of a cell in pixels.
    pub cell: (u16, u16),
    /// Whether kitty pictures stand in placeholder characters: where something moves text without knowing of pictures.
    pub placeholders: bool,
    /// Colours of a sixel picture at most.
    pub registers: u16,
    /// What it said.
    pub answers: Answers,
    /// What the environment says.
    pub environment: Environment,
    forced: Option<Protocol>,
    window_cell: Option<(u16, u16)>,
}

impl Terminal {
    /// Makes up its mind. `forced` overrides the choice; `window_cell` is the cell's size by the window's.
    #[must_use]
    pub fn new(
        answers: Answers,
        environment: Environment,
        forced: Option<Protocol>,
        window_cell: Option<(u16, u16)>,
    ) -> Self {
        let mut terminal = Self {
            protocol: Protocol::Halfblocks,
            reason: String::new(),
            cell: (10, 20),
            placeholders: false,
            registers: REGISTERS,
            answers,
            environment,
            forced,
            window_cell,
        };
        terminal.decide();
        terminal
    }

    /// A terminal of which nothing is known, with cells of 10×20 pixels.
    #[must_use]
    pub fn plain(protocol: Protocol) -> Self {
        let environment = Environment { true_color: true, ..Environment::default() };
        Self::new(Answers::default(), environment, Some(protocol), None)
    }

    /// Makes up its mind again after a late answer; whether that changed anything.
    pub fn learn(&mut self, token: &super::reports::Token) -> bool {
        let before = (self.protocol, self.cell, self.placeholders, self.registers);
        self.answers.take(token);
        self.decide();
        before != (self.protocol, self.cell, self.placeholders, self.registers)
    }

    /// The size of a window changed: that may be the first that is heard of a cell's size.
    pub fn resized(&mut self, window_cell: Option<(u16, u16)>) -> bool {
        let before = self.cell;
        self.window_cell = window_cell;
        self.decide();
        before != self.cell
    }

    /// What is still to be asked, of a terminal that has sixel graphics alone: its colour registers and largest picture.
    /// Others may take the questions for something else.
    #[must_use]
    pub fn questions(&self) -> &'static [u8] {
        if self.answers.sixel { b"\x1b[?1;1;0S\x1b[?2;1;0S" } else { b"" }
    }

    /// Its name, as far as it is known.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.environment.tmux > 0 && !self.environment.behind_tmux.is_empty() {
            &self.environment.behind_tmux
        } else {
            &self.answers.version
        }
    }

    fn decide(&mut self) {
        let sane = |&(w, h): &(u16, u16)| (2..=200).contains(&w) && (2..=200).contains(&h);
        // Some make numbers up: a cell is about twice as high as wide.
        let likely = |&(w, h): &(u16, u16)| w <= 2 * h && h <= 5 * w;
        let told = self.answers.cell.filter(sane).filter(likely);
        self.cell = told.or(self.window_cell.filter(sane).filter(likely)).unwrap_or((10, 20));
        self.registers = self.answers.sixel_registers.filter(|r| *r >= 2).unwrap_or(REGISTERS).min(256);
        let (protocol, reason) = self.choice();
        match self.forced {
            Some(forced) => {
                (self.protocol, self.reason) = (forced, format!("asked for; by itself it would be {protocol}"));
            }
            None => (self.protocol, self.reason) = (protocol, reason),
        }
        self.placeholders = self.protocol == Protocol::Kitty && self.environment.tmux > 0;
    }

    fn choice(&self) -> (Protocol, String) {
        let (answers, environment, version) = (&self.answers, &self.environment, self.name());
        let old = kitty_version(version).is_some_and(|v| v < KITTY_WITH_PLACEHOLDERS);
        if answers.kitty && environment.tmux > 0 && old {
            let reason = "this kitty is older than 0.28 and cannot keep pictures in place inside tmux";
            return (self.blocks(), reason.into());
        }
        // In tmux a terminal that speaks the protocol may still not know placeholders.
        let places_text = !["WezTerm", "Konsole"].iter().any(|name| version.contains(name));
        if answers.kitty && (environment.tmux == 0 || places_text) {
            return (Protocol::Kitty, "it answered a question in kitty's graphics protocol".into());
        }
        if environment.iterm2 && environment.tmux == 0 {
            return (Protocol::Iterm2, "it is one of the terminals that speak iTerm2's protocol".into());
        }
        if answers.sixel {
            return (Protocol::Sixel, "it counts sixel graphics among its attributes".into());
        }
        let reason = if answers.status || !version.is_empty() {
            "it claims no graphics protocol"
        } else {
            "it answered nothing within 150 ms; should it answer later, that counts"
        };
        (self.blocks(), reason.into())
    }

    fn blocks(&self) -> Protocol {
        if self.environment.draws_blocks && self.environment.tmux == 0 {
            Protocol::Quadrants
        } else {
            Protocol::Halfblocks
        }
    }

    /// Wraps control sequences so that they reach the terminal behind tmux.
    #[must_use]
    pub fn through(&self, sequence: &[u8]) -> Vec<u8> {
        through_tmux(self.environment.tmux, sequence)
    }
}

/// Wraps a sequence once for each tmux on the way.
pub(super) fn through_tmux(times: u8, sequence: &[u8]) -> Vec<u8> {
    let mut wrapped = sequence.to_vec();
    for _ in 0..times {
        let mut outer = b"\x1bPtmux;".to_vec();
        for &byte in &wrapped {
            if byte == 0x1b {
                outer.push(0x1b);
            }
            outer.push(byte);
        }
        outer.extend_from_slice(b"\x1b\\");
        wrapped = outer;
    }
    wrapped
}

fn kitty_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("kitty(")?.split(['.', ')']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::reports::Splitter;
    use super::*;

    const KITTY: &str = "\x1b_Gi=31;OK\x1b\\";

    fn terminal(said: &str, environment: Environment) -> Terminal {
        let mut answers = Answers::default();
        Splitter::default().push(said.as_bytes()).iter().for_each(|token| answers.take(token));
        Terminal::new(answers, environment, None, None)
    }

    fn chosen(said: &str, environment: Environment) -> (Protocol, bool) {
        let found = terminal(said, environment);
        (found.protocol, found.placeholders)
    }

    fn tmux(behind: &str) -> Environment {
        Environment { tmux: 1, behind_tmux: behind.into(), ..Environment::default() }
    }

    #[expect(clippy::too_many_lines, reason = "one line a terminal")]
    #[test]
    fn terminals_are_known_by_their_answers() {
        let plain = Environment::default;
        let cases: [(&str, String, Environment, Protocol, bool); 14] = [
            (
                "kitty 0.35",
                format!("\x1bP>|kitty(0.35.2)\x1b\\{KITTY}\x1b[?62;c\x1b[6;20;10t\x1b[0n"),
                plain(),
                Protocol::Kitty,
                false,
            ),
            (
                "kitty 0.26",
                format!("\x1bP>|kitty(0.26.5)\x1b\\{KITTY}\x1b[?62;c\x1b[6;20;10t\x1b[0n"),
                plain(),
                Protocol::Kitty,
                false,
            ),
            (
                "Ghostty",
                format!("\x1bP>|ghostty 1.1.3\x1b\\{KITTY}\x1b[?62;22c\x1b[6;34;16t\x1b[0n"),
                plain(),
                Protocol::Kitty,
                false,
            ),
            (
                "WezTerm",
                format!("\x1bP>|WezTerm 20240203-110809-5046fc22\x1b\\{KITTY}\x1b[?65;4;6;18;22c\x1b[6;20;9t\x1b[0n"),
                Environment { iterm2: true, ..plain() },
                Protocol::Kitty,
                false,
            ),
            (
                "Konsole",
                format!("\x1bP>|Konsole 24.12.3\x1b\\{KITTY}\x1b[?62;1;4c\x1b[6;19;9t\x1b[0n"),
                plain(),
                Protocol::Kitty,
                false,
            ),
            (
                "foot",
                "\x1bP>|foot(1.16.2)\x1b\\\x1b[?62;4;22;28c\x1b[?1;0;1024S\x1b[6;18;9t\x1b[0n".into(),
                plain(),
                Protocol::Sixel,
                false,
            ),
            (
                "xterm",
                "\x1bP>|XTerm(379)\x1b\\\x1b[?64;1;2;4;6;9;15;18;21;22c\x1b[?1;0;256S\x1b[6;17;8t\x1b[0n".into(),
                plain(),
                Protocol::Sixel,
                false,
            ),
            (
                "xterm without graphics",
                "\x1bP>|XTerm(379)\x1b\\\x1b[?64;1;2;6;9;15;18;21;22c\x1b[0n".into(),
                plain(),
                Protocol::Halfblocks,
                false,
            ),
            (
                "iTerm2",
                "\x1bP>|iTerm2 3.5.10\x1b\\\x1b[?64;1;2;4;6;17;18;21;22c\x1b[6;16;7t\x1b[0n".into(),
                Environment { iterm2: true, ..plain() },
                Protocol::Iterm2,
                false,
            ),
            (
                "Windows Terminal 1.22",
                "\x1b[?61;4;6;7;14;21;22;23;24;28;32;42c\x1b[6;20;10t\x1b[0n".into(),
                plain(),
                Protocol::Sixel,
                false,
            ),
            (
                "Windows Terminal 1.21",
                "\x1b[?61;6;7;14;21;22;23;24;28;32;42c\x1b[0n".into(),
                plain(),
                Protocol::Halfblocks,
                false,
            ),
            (
                "tmux 3.3a in kitty 0.35",
                format!("\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c{KITTY}\x1b[0n"),
                tmux("kitty(0.35.2)"),
                Protocol::Kitty,
                true,
            ),
            (
                "tmux 3.3a in kitty 0.26",
                format!("\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c{KITTY}\x1b[0n"),
                tmux("kitty(0.26.5)"),
                Protocol::Halfblocks,
                false,
            ),
            (
                "tmux 3.5 in foot",
                "\x1bP>|tmux 3.5a\x1b\\\x1b[?1;2;4c\x1b[0n".into(),
                tmux("foot(1.16.2)"),
                Protocol::Sixel,
                false,
            ),
        ];
        for (name, said, environment, protocol, placeholders) in cases {
            assert_eq!(chosen(&said, environment), (protocol, placeholders), "{name}");
        }
        assert_eq!(chosen(&format!("\x1b[?1;2c{KITTY}\x1b[0n"), tmux("WezTerm 2024")).0, Protocol::Halfblocks);
    }

    #[test]
    fn a_mute_terminal_may_still_find_its_voice() {
        let mut late = terminal("", Environment::default());
        assert_eq!(late.protocol, Protocol::Halfblocks);
        let mut splitter = Splitter::default();
        let tokens = splitter.push(format!("{KITTY}\x1b[6;18;9t").as_bytes());
        assert!(late.learn(&tokens[0]) && late.learn(&tokens[1]));
        assert_eq!((late.protocol, late.cell), (Protocol::Kitty, (9, 18)));
        assert!(!late.learn(&tokens[1]), "said twice is said once");
    }

    #[test]
    fn cells_that_cannot_be_are_not_believed() {
        for lie in ["\x1b[6;0;0t", "\x1b[6;1;1t", "\x1b[6;4000;9t", "\x1b[6;20;100t", "\x1b[6;190;10t"] {
            assert_eq!(terminal(lie, Environment::default()).cell, (10, 20), "{lie:?}");
        }
        let found = Terminal::new(Answers::default(), Environment::default(), None, Some((8, 17)));
        assert_eq!(found.cell, (8, 17));
    }

    #[test]
    fn nested_tmux_wraps_twice() {
        assert_eq!(through_tmux(0, b"\x1b_G"), b"\x1b_G");
        assert_eq!(through_tmux(1, b"\x1b_G"), b"\x1bPtmux;\x1b\x1b_G\x1b\\");
        let twice = through_tmux(2, b"\x1b_G");
        assert_eq!(twice, b"\x1bPtmux;\x1b\x1bPtmux;\x1b\x1b\x1b\x1b_G\x1b\x1b\\\x1b\\");
    }
}
