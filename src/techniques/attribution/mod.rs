//! What a model looks at.
//!
//! A method is its formula: one file with a `METHOD`, and one line in [`METHODS`]. What they share stands in
//! `subject` (the photo and its passes), `method` (what a method declares), `estimation` (a map in the making) and `job`.

mod ablationcam;
mod attention;
mod attention_rollout;
mod baseline;
mod cam;
mod channels;
mod coalition;
mod deconvnet;
mod deeplift;
mod eigencam;
mod estimation;
mod fullgrad;
mod gradcam;
mod gradcam_plus_plus;
mod gradient_attention;
mod gradient_shap;
mod guided_backprop;
mod guided_gradcam;
mod hirescam;
mod input_x_gradient;
mod integrated_gradients;
mod job;
mod kernel_shap;
mod layer_activation;
mod layer_conductance;
mod layercam;
mod lime;
mod lrp;
mod method;
mod occlusion;
mod path;
mod rise;
mod saliency;
mod scorecam;
mod smoothgrad;
mod subject;
mod xgradcam;

pub use method::Method;

pub(super) use estimation::Estimation;
pub(super) use method::Attribution;
pub(super) use subject::{BATCH, Passes, Subject};

/// Every attribution method, in the order of the dashboard's arrow keys.
pub static METHODS: &[&Method] = &[
    &gradcam::METHOD,
    &gradcam_plus_plus::METHOD,
    &hirescam::METHOD,
    &layercam::METHOD,
    &xgradcam::METHOD,
    &eigencam::METHOD,
    &scorecam::METHOD,
    &ablationcam::METHOD,
    &fullgrad::METHOD,
    &saliency::METHOD,
    &input_x_gradient::METHOD,
    &smoothgrad::METHOD,
    &integrated_gradients::METHOD,
    &guided_backprop::METHOD,
    &guided_gradcam::METHOD,
    &deconvnet::METHOD,
    &deeplift::METHOD,
    &lrp::METHOD,
    &gradient_shap::METHOD,
    &occlusion::METHOD,
    &rise::METHOD,
    &lime::METHOD,
    &kernel_shap::METHOD,
    &layer_activation::METHOD,
    &layer_conductance::METHOD,
    &attention_rollout::METHOD,
    &gradient_attention::METHOD,
];
