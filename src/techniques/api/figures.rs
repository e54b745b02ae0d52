//! The figures that jobs report, for curves, tables and files: what each is, so that nobody guesses from its name.

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
    /// Its name, as in `series.csv` and `run.json`.
    pub name: &'static str,
    /// What it is measured in; empty for a ratio or an index.
    pub unit: &'static str,
    /// How it is drawn.
    pub scale: Scale,
    /// Whether more is better; `None` where neither is.
    pub more_is_better: Option<bool>,
}

impl Figure {
    /// An arrow to the better end, or nothing.
    #[must_use]
    pub fn arrow(&self) -> &'static str {
        match self.more_is_better {
            Some(true) => "↑",
            Some(false) => "↓",
            None => "",
        }
    }
}

const MORE: Option<bool> = Some(true);
const LESS: Option<bool> = Some(false);

const fn declared(name: &'static str, unit: &'static str, scale: Scale, more_is_better: Option<bool>) -> Figure {
    Figure { name, unit, scale, more_is_better }
}

/// The figures that are declared.
static FIGURES: &[Figure] = &[
    // What is optimised, and its parts.
    declared("loss", "", Scale::Log, LESS),
    declared("content", "", Scale::Log, LESS),
    declared("style", "", Scale::Log, LESS),
    declared("tv", "", Scale::Log, LESS),
    declared("penalty", "", Scale::Log, LESS),
    declared("objective", "", Scale::Linear, MORE),
    declared("likeness", "", Scale::Linear, MORE),
    declared("score", "logit", Scale::Linear, None),
    // How far an attack goes, in pixels between 0 and 1, and what it reaches.
    declared("l2", "L2 norm", Scale::Log, LESS),
    declared("fooled", "photos", Scale::Linear, MORE),
    declared("margin", "logit", Scale::Linear, LESS),
    // What the model says.
    declared("p_class", "probability", Scale::Share, None),
    declared("p_target", "probability", Scale::Share, MORE),
    declared("p_other", "probability", Scale::Share, MORE),
    declared("p_source", "probability", Scale::Share, LESS),
    declared("z_target", "logit", Scale::Linear, MORE),
    declared("z_other", "logit", Scale::Linear, MORE),
    declared("z_source", "logit", Scale::Linear, LESS),
    // Of maps: by how much an update changed one, as a share of its length, and how good one is.
    declared("change", "", Scale::Log, LESS),
    declared("p_deletion", "probability", Scale::Share, LESS),
    declared("p_insertion", "probability", Scale::Share, MORE),
    declared("p_road_most", "probability", Scale::Share, LESS),
    declared("p_road_least", "probability", Scale::Share, MORE),
    declared("sparseness", "", Scale::Linear, MORE),
    declared("pointing", "", Scale::Linear, MORE),
    declared("energy_inside", "", Scale::Linear, MORE),
    declared("deletion_auc", "probability", Scale::Linear, LESS),
    declared("insertion_auc", "probability", Scale::Linear, MORE),
    declared("road", "probability", Scale::Linear, MORE),
    declared("infidelity", "", Scale::Log, LESS),
    declared("max_sensitivity", "", Scale::Log, LESS),
    declared("randomisation", "", Scale::Linear, LESS),
];

/// What is declared of the figure called `name`; nothing but a magnitude otherwise.
#[must_use]
pub fn figure(name: &str) -> Figure {
    let known = FIGURES.iter().find(|figure| figure.name == name).copied();
    known.unwrap_or(declared("", "", Scale::Log, None))
}
