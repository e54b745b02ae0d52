//! What kinds of layers there are.

use std::fmt;

/// A kind of layer: in words, for listings, and as what others look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// In words.
    pub words: &'static str,
    /// What others look for.
    pub family: Family,
}

/// Layers that do the same for a network, whatever their formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// It slides kernels over maps.
    Convolution,
    /// It makes maps smaller by their largest values or means.
    Pooling,
    /// A rectifier or one of its smooth relatives.
    Rectifier,
    /// It brings values to a mean or size that later layers are used to.
    Norm,
    /// Probabilities, as attention has them.
    Softmax,
    /// Anything else.
    Other,
}

impl Kind {
    /// One of a family.
    #[must_use]
    pub const fn new(words: &'static str, family: Family) -> Self {
        Self { words, family }
    }

    /// One that nobody looks for.
    #[must_use]
    pub const fn other(words: &'static str) -> Self {
        Self::new(words, Family::Other)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words)
    }
}
