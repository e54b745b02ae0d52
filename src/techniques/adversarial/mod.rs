//! How a model is fooled.

mod apgd;
mod attack;
mod auto;
mod budget;
mod change;
mod criterion;
mod cw;
mod deepfool;
mod example;
mod fgsm;
mod fooling;
mod jsma;
mod loss;
mod mi_fgsm;
mod norm;
mod pgd;
mod robustness;
mod square;
mod universal;

use crate::techniques::api::Technique;

/// Every attack, in the order of the menus.
pub(super) const ATTACKS: [&dyn Technique; 10] = [
    &fooling::FOOLING,
    &fgsm::FGSM,
    &pgd::BIM,
    &pgd::PGD,
    &mi_fgsm::MI_FGSM,
    &deepfool::DEEPFOOL,
    &cw::CW,
    &jsma::JSMA,
    &universal::Universal,
    &auto::AUTO,
];
