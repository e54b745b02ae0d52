//! The budget of attacks that stay within ε, and the steps they make in it.

use crate::techniques::api::{ParamSpec, Preset};

/// ε of attacks in L∞.
pub(super) const EPSILON: ParamSpec = ParamSpec::float(
    "epsilon",
    [0.0, 1.0],
    8.0 / 255.0,
    "ε, the largest change of a value, of 0 to 1; fractions as in 4/255",
);

/// ε of attacks in either norm.
pub(super) const EPSILON_OF_NORM: ParamSpec = ParamSpec::float(
    "epsilon",
    [0.0, 1000.0],
    8.0 / 255.0,
    "ε, the largest size of the change in this norm; fractions as in 4/255",
);

/// α of attacks that go in steps.
pub(super) const STEP_SIZE: ParamSpec = ParamSpec::float(
    "step_size",
    [0.0, 1000.0],
    2.0 / 255.0,
    "α, the size of each update in this norm; fractions as in 1/255",
);

/// The norm ε is measured in, with usual budgets.
pub(super) const NORM: ParamSpec = ParamSpec::preset(
    "norm",
    &[
        Preset { id: "linf", about: "no value changes by more than ε", values: &[] },
        Preset {
            id: "l2",
            about: "the change is no longer than ε",
            values: &[("epsilon", "1"), ("step_size", "0.2")],
        },
    ],
    "the norm that ε and α are measured in; it sets usual ones",
);

/// Whether the first update starts from a random picture within ε.
pub(super) const RANDOM_START: ParamSpec =
    ParamSpec::choice("random_start", &["true", "false"], "whether to start from a random picture within ε").fixed();
