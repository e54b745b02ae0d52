//! Layer-wise relevance propagation: the score handed back, layer by layer, to the pixels that made it.

use super::baseline::total;
use super::method::{Attribution, Explain, Method};
use super::subject::Subject;
use crate::error::Result;
use crate::graph::LrpRule;
use crate::techniques::api::{ParamKind, ParamSpec, Params};

/// The relevance of each input value when z_c is handed back through the model: every unit shares its relevance
/// among its inputs in proportion to their contributions x_i·w_ij (ε rule), those of the unit's own sign counting 1 + γ
/// times under the γ rule (Andéol et al. 2021, arXiv:2106.13555, for inputs of either sign). ε is in units of each layer's root mean square and takes relevance from units near zero.
/// `[C, H, W]`, summed over the channels for the map. `completeness_gap` is Σ relevance of inputs and biases − z_c:
/// what ε took.
pub(super) static METHOD: Method = Method {
    id: "lrp",
    about: "the class score handed back layer by layer to the pixels that made it",
    definition: "R_i = Σ_j c_ij·R_j/(Σ_i c_ij ± ε), c_ij = x_i·w_ij; under the γ rule those of the sign of Σ_i c_ij count 1 + γ times; summed \
                 over channels",
    reference: "Bach et al. 2015, doi:10.1371/journal.pone.0130140; Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10",
    layer: false,
    params: &[
        ParamSpec {
            name: "rule",
            kind: ParamKind::Choice { options: &["epsilon", "gamma"], default: "epsilon" },
            unit: "",
            help: "how a unit's relevance is shared: by all contributions alike, or those of its own sign more",
            live: false,
        },
        ParamSpec {
            name: "epsilon",
            kind: ParamKind::Float { min: 0.0, max: 10.0, default: 0.01 },
            unit: "of the layer's rms",
            help: "keeps the division away from zero; more gives calmer maps and loses more relevance",
            live: false,
        },
        ParamSpec {
            name: "gamma",
            kind: ParamKind::Float { min: 0.0, max: 100.0, default: 0.25 },
            unit: "",
            help: "how much more contributions of the unit's own sign count under the γ rule",
            live: false,
        },
    ],
    explain: Explain::Once(lrp),
};

fn lrp(subject: &Subject, params: &Params) -> Result<Attribution> {
    let gamma = if params.choice("rule") == "gamma" { params.float("gamma") } else { 0.0 };
    let rule = LrpRule { epsilon: params.float("epsilon"), gamma };
    let graph = subject.graph();
    let trace = graph.trace(subject.input())?;
    let [(layer, seed)] = subject.logit_seed()?;
    let score = f64::from(subject.score());
    let (relevance, of_biases) = graph.lrp(&trace, &[(layer, (seed * score)?)], rule)?;
    let gap = total(&relevance)? + of_biases - score;
    Ok(Attribution::summed(&relevance)?.with("relevance_of_biases", of_biases).with("completeness_gap", gap))
}
