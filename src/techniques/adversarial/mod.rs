//! How a model is fooled.

mod apgd;
mod attack;
mod auto;
mod budget;
mod cw;
mod deepfool;
mod fgsm;
mod findings;
mod fooling;
mod jsma;
mod mi_fgsm;
mod pgd;
mod scene;
mod square;
mod universal;

use super::Technique;

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
