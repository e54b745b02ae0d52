//! Why a file cannot be used.

use crate::error::without_backtrace;
use std::fmt::{Display, Write};

/// Characters of a reason that are shown.
const LONGEST: usize = 600;

/// Why a file cannot be used: the second half of a sentence, without the file's name; shown as
/// one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

/// Stands in a [`Refusal`] about a node for the name of what goes into it.
pub const BEFORE: &str = "{before}";

impl Refusal {
    /// A reason.
    pub fn new(reason: impl Display) -> Self {
        Self(without_backtrace(reason))
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What a file calls its things, and what libraries say of them, may have lines and be as long as the file.
        let mut rest = self.0.chars();
        rest.by_ref().take(LONGEST).try_for_each(|c| f.write_char(if c.is_control() { ' ' } else { c }))?;
        if rest.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_long_refusal_is_cut() {
        let shown = super::Refusal::new("a".repeat(1 << 20)).to_string();
        assert_eq!(shown, "a".repeat(super::LONGEST) + "…");
    }

    #[test]
    fn a_refusal_is_one_line() {
        assert_eq!(
            super::Refusal::new("its entry \"\n\x1b[2J\u{9b}b\" is none").to_string(),
            "its entry \"  [2J b\" is none"
        );
    }
}
