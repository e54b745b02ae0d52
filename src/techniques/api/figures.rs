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
    /// Whether more is better; `None` where neither is.
    pub more_is_better: Option<bool>,
    /// How it is drawn.
    pub scale: Scale,
}

const fn declared(name: &'static str, more_is_better: Option<bool>, scale: Scale) -> Figure {
    Figure { name, more_is_better, scale }
}

const MORE: Option<bool> = Some(true);
const LESS: Option<bool> = Some(false);

/// The figures that are declared.
pub static FIGURES: &[Figure] = &[
    declared("loss", LESS, Scale::Log),
    declared("content", LESS, Scale::Log),
    declared("style", LESS, Scale::Log),
    declared("tv", LESS, Scale::Log),
    declared("penalty", LESS, Scale::Log),
    declared("l2", LESS, Scale::Log),
    declared("change", LESS, Scale::Log),
    declared("infidelity", LESS, Scale::Log),
    declared("max_sensitivity", LESS, Scale::Log),
    declared("randomisation", LESS, Scale::Linear),
    declared("fooled", MORE, Scale::Linear),
    declared("likeness", None, Scale::Linear),
    declared("margin", None, Scale::Linear),
    declared("p_class", MORE, Scale::Share),
    declared("p_target", MORE, Scale::Share),
    declared("p_other", MORE, Scale::Share),
    declared("p_source", LESS, Scale::Share),
    declared("z_target", MORE, Scale::Linear),
    declared("z_other", MORE, Scale::Linear),
    declared("z_source", LESS, Scale::Linear),
    declared("p_deletion", LESS, Scale::Share),
    declared("p_insertion", MORE, Scale::Share),
    declared("p_road_most", LESS, Scale::Share),
    declared("p_road_least", MORE, Scale::Share),
];

/// What is declared of the figure called `name`; nothing but a magnitude otherwise.
#[must_use]
pub fn figure(name: &str) -> Figure {
    let known = FIGURES.iter().find(|figure| figure.name == name).copied();
    known.unwrap_or(declared("", None, Scale::Log))
}
