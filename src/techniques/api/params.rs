//! Declared parameters: what the command line, the menus, the help and the documentation are derived from.

use crate::error::{Error, Result, did_you_mean};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A parameter a technique declares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParamSpec {
    /// Its name, as in `--set name=value`.
    pub name: &'static str,
    /// Its type, range and default.
    pub kind: ParamKind,
    /// Its unit, empty for a plain number.
    pub unit: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Whether it takes effect in a running job; the others start the job anew.
    pub live: bool,
}

/// Type, range and default of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParamKind {
    /// A whole number in `min..=max`.
    Int {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Value unless set.
        default: i64,
    },
    /// A number in `min..=max`; fractions such as `8/255` are understood.
    Float {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// Value unless set.
        default: f64,
    },
    /// One of several words.
    Choice {
        /// The words.
        options: &'static [&'static str],
        /// Value unless set.
        default: &'static str,
    },
    /// One of several recipes: it sets other parameters, each of which can still be set on its own.
    Preset {
        /// The recipes.
        options: &'static [Preset],
        /// The recipe unless set.
        default: &'static str,
    },
    /// Words or numbers in a row.
    Text {
        /// Value unless set.
        default: &'static str,
        /// What it takes, in words.
        takes: &'static str,
    },
}

/// A recipe: values for several parameters at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub id: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// The values it sets, as they would be typed.
    pub values: &'static [(&'static str, &'static str)],
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A word.
    Text(String),
}

/// A change of a few bytes is written as one: 8/255 says more than 0.03137254901960784.
fn bytes(value: f64) -> Option<u8> {
    let bytes = value * 255.0;
    ((1.0..=32.0).contains(&bytes) && (bytes - bytes.round()).abs() < 1e-9).then_some(bytes.round() as u8)
}

impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(v) => v.fmt(f),
            Self::Float(v) if bytes(*v).is_some() => write!(f, "{}/255", bytes(*v).unwrap_or_default()),
            Self::Float(v) if *v != 0.0 && (v.abs() < 1e-3 || v.abs() >= 1e5) => write!(f, "{v:e}"),
            Self::Float(v) => {
                let (exact, short) = (v.to_string(), format!("{v:.6}"));
                f.write_str(if exact.len() > short.len() { short.trim_end_matches('0') } else { &exact })
            }
            Self::Text(v) => v.fmt(f),
        }
    }
}

impl ParamSpec {
    const fn new(name: &'static str, kind: ParamKind, help: &'static str) -> Self {
        Self { name, kind, unit: "", help, live: true }
    }

    /// A live number in `min..=max`.
    #[must_use]
    pub const fn float(name: &'static str, [min, max]: [f64; 2], default: f64, help: &'static str) -> Self {
        Self::new(name, ParamKind::Float { min, max, default }, help)
    }

    /// A live whole number in `min..=max`.
    #[must_use]
    pub const fn int(name: &'static str, [min, max]: [i64; 2], default: i64, help: &'static str) -> Self {
        Self::new(name, ParamKind::Int { min, max, default }, help)
    }

    /// A live choice among words, the first of which is the default.
    #[must_use]
    pub const fn choice(name: &'static str, options: &'static [&'static str], help: &'static str) -> Self {
        Self::new(name, ParamKind::Choice { options, default: options[0] }, help)
    }

    /// A choice among recipes, the first of which is the default; a new one starts the job anew.
    #[must_use]
    pub const fn preset(name: &'static str, options: &'static [Preset], help: &'static str) -> Self {
        Self::new(name, ParamKind::Preset { options, default: options[0].id }, help).fixed()
    }

    /// A row of words or numbers; a new one starts the job anew.
    #[must_use]
    pub const fn text(name: &'static str, default: &'static str, takes: &'static str, help: &'static str) -> Self {
        Self::new(name, ParamKind::Text { default, takes }, help).fixed()
    }

    /// The same in a unit.
    #[must_use]
    pub const fn in_unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// The same, but a new value starts the job anew.
    #[must_use]
    pub const fn fixed(mut self) -> Self {
        self.live = false;
        self
    }

    /// The value unless set.
    #[must_use]
    pub fn default_value(&self) -> ParamValue {
        match self.kind {
            ParamKind::Int { default, .. } => ParamValue::Int(default),
            ParamKind::Float { default, .. } => ParamValue::Float(default),
            ParamKind::Choice { default, .. }
            | ParamKind::Preset { default, .. }
            | ParamKind::Text { default, .. } => ParamValue::Text(default.to_owned()),
        }
    }

    /// What values it takes, in words.
    #[must_use]
    pub fn range(&self) -> String {
        match self.kind {
            ParamKind::Int { min, max, .. } => format!("a whole number from {min} to {max}"),
            ParamKind::Float { min, max, .. } => {
                format!("a number from {} to {}", ParamValue::Float(min), ParamValue::Float(max))
            }
            ParamKind::Choice { .. } | ParamKind::Preset { .. } => format!("one of {}", self.words().join(", ")),
            ParamKind::Text { takes, .. } => takes.to_owned(),
        }
    }

    /// The words it takes; none if it is no choice.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        match self.kind {
            ParamKind::Choice { options, .. } => options.to_vec(),
            ParamKind::Preset { options, .. } => options.iter().map(|p| p.id).collect(),
            _ => vec![],
        }
    }

    /// Reads a value typed by a person.
    ///
    /// # Errors
    /// [`Error::BadValue`] with the range.
    pub fn parse(&self, text: &str) -> Result<ParamValue> {
        let text = text.trim();
        let value = match self.kind {
            ParamKind::Int { .. } => text.parse().ok().map(ParamValue::Int),
            ParamKind::Float { .. } => parse_number(text).map(ParamValue::Float),
            ParamKind::Choice { .. } | ParamKind::Preset { .. } | ParamKind::Text { .. } => {
                Some(ParamValue::Text(text.to_owned()))
            }
        };
        self.check(value.unwrap_or_else(|| ParamValue::Text(text.to_owned())))
    }

    /// The value if it is one this parameter takes.
    ///
    /// # Errors
    /// [`Error::BadValue`] with the range.
    pub fn check(&self, value: ParamValue) -> Result<ParamValue> {
        let fits = match (&self.kind, &value) {
            (ParamKind::Int { min, max, .. }, ParamValue::Int(v)) => (min..=max).contains(&v),
            (ParamKind::Float { min, max, .. }, ParamValue::Float(v)) => (*min..=*max).contains(v),
            (ParamKind::Float { min, max, .. }, ParamValue::Int(v)) => {
                let v = *v as f64;
                return if (*min..=*max).contains(&v) {
                    Ok(ParamValue::Float(v))
                } else {
                    Err(Error::bad_value(self.name, value, format!("it takes {}", self.range())))
                };
            }
            (ParamKind::Choice { .. } | ParamKind::Preset { .. }, ParamValue::Text(v)) => {
                self.words().contains(&v.as_str())
            }
            (ParamKind::Text { .. }, ParamValue::Text(_)) => true,
            _ => false,
        };
        if fits { Ok(value) } else { Err(Error::bad_value(self.name, value, format!("it takes {}", self.range()))) }
    }

    /// The value one notch up or down: the next round number, whole number or word; the ends stop it.
    #[must_use]
    pub fn nudged(&self, value: &ParamValue, up: bool) -> ParamValue {
        match (&self.kind, value) {
            (ParamKind::Int { min, max, .. }, ParamValue::Int(v)) => {
                let notch = (v.abs() / 10).max(1);
                ParamValue::Int((if up { v + notch } else { v - notch }).clamp(*min, *max))
            }
            (ParamKind::Float { min, max, default }, ParamValue::Float(v)) => {
                ParamValue::Float(notch(*v, *default, up).clamp(*min, *max))
            }
            (ParamKind::Choice { .. } | ParamKind::Preset { .. }, ParamValue::Text(v)) => {
                let options = self.words();
                let at = options.iter().position(|o| o == v).unwrap_or(0);
                let next = if up { at + 1 } else { at + options.len() - 1 };
                ParamValue::Text(options[next % options.len()].to_owned())
            }
            _ => value.clone(),
        }
    }
}

/// The neighbour of `value` in 1, 1.5, 2, 3, 5, 7 × powers of ten; zero lies below the smallest of them.
fn notch(value: f64, default: f64, up: bool) -> f64 {
    const MANTISSAS: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0];
    let smallest = if default > 0.0 { default / 1000.0 } else { 1e-3 };
    if value < smallest {
        return if up { smallest } else { 0.0 };
    }
    let decade = value.log10().floor();
    let steps = (-1..=1).flat_map(|d| MANTISSAS.map(|m| m * 10f64.powf(decade + f64::from(d))));
    // Rounded so that 3 × 0.01 is shown as 0.03.
    let steps: Vec<f64> = steps.map(|s| format!("{s:.3e}").parse().unwrap_or(s)).collect();
    let next = if up {
        steps.iter().copied().find(|s| *s > value * 1.0001)
    } else {
        steps.iter().copied().rev().find(|s| *s < value * 0.9999)
    };
    next.filter(|n| *n >= smallest).unwrap_or(0.0)
}

fn parse_number(text: &str) -> Option<f64> {
    let number = match text.split_once('/') {
        Some((a, b)) => a.trim().parse::<f64>().ok()? / b.trim().parse::<f64>().ok()?,
        None => text.parse().ok()?,
    };
    number.is_finite().then_some(number)
}

/// The parameters of a job, complete and checked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(BTreeMap<String, ParamValue>);

impl Params {
    /// The defaults of `specs`, changed by the presets that `given` names or that are the default, changed by the
    /// rest of `given`.
    ///
    /// # Errors
    /// [`Error::Unknown`] or [`Error::BadValue`] for a given value that does not fit.
    pub fn new(specs: &[ParamSpec], given: &BTreeMap<String, ParamValue>) -> Result<Self> {
        let mut params = Self(specs.iter().map(|s| (s.name.to_owned(), s.default_value())).collect());
        for recipe in specs {
            let ParamKind::Preset { options, default } = recipe.kind else { continue };
            let chosen = match given.get(recipe.name).cloned().map(|v| recipe.check(v)).transpose()? {
                Some(ParamValue::Text(id)) => id,
                _ => default.to_owned(),
            };
            for (name, text) in options.iter().filter(|p| p.id == chosen).flat_map(|p| p.values) {
                let value = spec(specs, name)?.parse(text)?;
                params.0.insert((*name).to_owned(), value);
            }
        }
        for (name, value) in given {
            params.set(specs, name, value.clone())?;
        }
        Ok(params)
    }

    /// Changes one value.
    ///
    /// # Errors
    /// [`Error::Unknown`] or [`Error::BadValue`].
    pub fn set(&mut self, specs: &[ParamSpec], name: &str, value: ParamValue) -> Result<()> {
        let value = spec(specs, name)?.check(value)?;
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// A value by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ParamValue> {
        self.0.get(name)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ParamValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A declared number.
    ///
    /// # Panics
    /// If the technique did not declare it: a mistake in the technique, not in anything a person typed.
    #[must_use]
    pub fn float(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(ParamValue::Float(v)) => *v,
            Some(ParamValue::Int(v)) => *v as f64,
            other => panic!("parameter {name} is not a declared number but {other:?}"),
        }
    }

    /// A declared whole number that is not negative.
    ///
    /// # Panics
    /// As [`Params::float`].
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        match self.get(name) {
            Some(ParamValue::Int(v)) => usize::try_from(*v).unwrap_or(0),
            other => panic!("parameter {name} is not a declared whole number but {other:?}"),
        }
    }

    /// A declared choice, preset or row of words.
    ///
    /// # Panics
    /// As [`Params::float`].
    #[must_use]
    pub fn choice(&self, name: &str) -> &str {
        match self.get(name) {
            Some(ParamValue::Text(v)) => v,
            other => panic!("parameter {name} is not a declared choice but {other:?}"),
        }
    }
}

/// The declaration of the parameter called `name`.
///
/// # Errors
/// [`Error::Unknown`] with the known names.
pub fn spec<'a>(specs: &'a [ParamSpec], name: &str) -> Result<&'a ParamSpec> {
    specs.iter().find(|s| s.name == name).ok_or_else(|| {
        let names: Vec<&str> = specs.iter().map(|s| s.name).collect();
        let hint = if names.is_empty() {
            "this technique has none".to_owned()
        } else {
            format!("{} it has {}", did_you_mean(name, names.iter().copied()), names.join(", "))
        };
        Error::unknown("parameter", name, hint.trim_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPSILON: ParamSpec = ParamSpec {
        name: "epsilon",
        kind: ParamKind::Float { min: 0.0, max: 1.0, default: 0.03 },
        unit: "",
        help: "",
        live: true,
    };

    #[test]
    fn fractions_are_numbers_and_ranges_hold() {
        assert_eq!(EPSILON.parse("8/255").ok(), Some(ParamValue::Float(8.0 / 255.0)));
        for bad in ["1.5", "-1", "nan", "inf", "1/0", "x", ""] {
            let error = EPSILON.parse(bad).expect_err(bad).to_string();
            assert!(error.contains("epsilon") && error.contains("0 to 1"), "{error}");
        }
    }

    #[test]
    fn budgets_are_written_in_bytes() {
        let shown = |v: f64| ParamValue::Float(v).to_string();
        assert_eq!((shown(8.0 / 255.0), shown(0.2), shown(1.0)), ("8/255".into(), "0.2".into(), "1".into()));
        assert_eq!(EPSILON.parse(&shown(3.0 / 255.0)).ok(), Some(ParamValue::Float(3.0 / 255.0)));
    }

    #[test]
    fn notches_are_round_and_come_back() {
        let mut value = ParamValue::Float(0.03);
        let mut seen = vec![];
        for _ in 0..4 {
            value = EPSILON.nudged(&value, true);
            seen.push(value.to_string());
        }
        assert_eq!(seen, ["0.05", "0.07", "0.1", "0.15"]);
        for _ in 0..4 {
            value = EPSILON.nudged(&value, false);
        }
        assert_eq!(value, ParamValue::Float(0.03));
        for _ in 0..100 {
            value = EPSILON.nudged(&value, false);
        }
        assert_eq!(value, ParamValue::Float(0.0));
        assert!(matches!(EPSILON.nudged(&value, true), ParamValue::Float(v) if v > 0.0));
    }

    #[test]
    fn unknown_names_are_told() {
        let given = BTreeMap::from([("epsilo".to_owned(), ParamValue::Int(1))]);
        let error = Params::new(&[EPSILON], &given).expect_err("unknown").to_string();
        assert!(error.contains("did you mean \"epsilon\""), "{error}");
    }
}
