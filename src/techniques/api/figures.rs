//! The figures that jobs report, for curves and `series.csv`: what each is, so that nobody guesses from its name.

/// How a figure's values are best drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A share or a probability, from 0 to 1, on an axis of its own.
    Share,
    /// A number of either sign, on a linear axis.
    Linear,
    /// A magnitude, on a logarithmic axis once it goes through several of them.
    Log,
}

/// A figure by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Its name, as in `series.csv`.
    pub name: &'static str,
    /// How it is drawn.
    pub scale: Scale,
}

const fn declared(name: &'static str, scale: Scale) -> Figure {
    Figure { name, scale }
}

/// The figures that are declared.
static FIGURES: &[Figure] = &[
    declared("loss", Scale::Log),
    declared("content", Scale::Log),
    declared("style", Scale::Log),
    declared("tv", Scale::Log),
    declared("penalty", Scale::Log),
    declared("l2", Scale::Log),
    declared("change", Scale::Log),
    declared("infidelity", Scale::Log),
    declared("max_sensitivity", Scale::Log),
    declared("randomisation", Scale::Linear),
    declared("fooled", Scale::Linear),
    declared("score", Scale::Linear),
    declared("objective", Scale::Linear),
    declared("likeness", Scale::Linear),
    declared("margin", Scale::Linear),
    declared("p_class", Scale::Share),
    declared("p_target", Scale::Share),
    declared("p_other", Scale::Share),
    declared("p_source", Scale::Share),
    declared("z_target", Scale::Linear),
    declared("z_other", Scale::Linear),
    declared("z_source", Scale::Linear),
    declared("p_deletion", Scale::Share),
    declared("p_insertion", Scale::Share),
    declared("p_road_most", Scale::Share),
    declared("p_road_least", Scale::Share),
];

/// What is declared of the figure called `name`; nothing but a magnitude otherwise.
#[must_use]
pub fn figure(name: &str) -> Figure {
    let known = FIGURES.iter().find(|figure| figure.name == name).copied();
    known.unwrap_or(declared("", Scale::Log))
}
