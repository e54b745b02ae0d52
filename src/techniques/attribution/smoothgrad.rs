//! SmoothGrad: the gradient without its noise.

use super::method::{Attribution, Estimator, Explain, Method, TOLERANCE, samples};
use super::subject::Subject;
use crate::error::Result;
use crate::graph::LayerName;
use crate::optim::{noise, step_rng};
use crate::techniques::api::{ParamKind, ParamSpec, Params, State};
use candle_core::Tensor;

/// The mean of ∂z_c/∂x over noisy copies x + N(0, σ²), σ = noise·(max − min of x). Variants: `squared`, the mean of
/// the squared gradients, and `variance`, their variance (Hooker et al. 2019, arXiv:1806.10758; Adebayo et al. 2018,
/// arXiv:1810.03307). The map is the largest magnitude over the channels. The signed gradients are averaged, as in
/// the paper; Captum's `NoiseTunnel` over `Saliency` averages magnitudes instead.
pub(super) static METHOD: Method = Method {
    id: "smoothgrad",
    about: "saliency without its noise: gradients averaged over noisy copies of the photo",
    definition: "max over channels of |mean of ∂z_c/∂x over n noisy copies|, σ = 0.15·(max − min); `squared`: mean of \
                 squares; `variance`: their variance",
    reference: "Smilkov et al. 2017, arXiv:1706.03825",
    layer: false,
    params: &[
        samples(25),
        ParamSpec {
            name: "noise",
            kind: ParamKind::Float { min: 0.0, max: 1.0, default: 0.15 },
            unit: "of the range",
            help: "standard deviation of the noise as a share of the input's range",
            live: false,
        },
        ParamSpec {
            name: "variant",
            kind: ParamKind::Choice { options: &["mean", "squared", "variance"], default: "mean" },
            unit: "",
            help: "what is taken of the gradients: their mean, the mean of their squares, or their variance",
            live: false,
        },
        TOLERANCE,
    ],
    explain: Explain::Live(start),
};

struct SmoothGrad {
    samples: usize,
    sigma: f64,
    variant: Variant,
    sum: Tensor,
    squares: Tensor,
    drawn: usize,
}

#[derive(Clone, Copy)]
enum Variant {
    Mean,
    Squared,
    Variance,
}

fn start(subject: &Subject, params: &Params) -> Result<Box<dyn Estimator>> {
    let x = subject.input();
    let range = x.max_all()?.to_scalar::<f32>()? - x.min_all()?.to_scalar::<f32>()?;
    let variant = match params.choice("variant") {
        "squared" => Variant::Squared,
        "variance" => Variant::Variance,
        _ => Variant::Mean,
    };
    Ok(Box::new(SmoothGrad {
        samples: params.count("samples"),
        sigma: params.float("noise") * f64::from(range),
        variant,
        sum: x.zeros_like()?,
        squares: x.zeros_like()?,
        drawn: 0,
    }))
}

impl Estimator for SmoothGrad {
    fn total(&self) -> usize {
        self.samples
    }

    fn update(&mut self, subject: &Subject, number: usize) -> Result<()> {
        let x = subject.input();
        let noise = noise(&mut step_rng(subject.seed, number), x.dims(), x.device())?;
        let noisy = (x + (noise * self.sigma)?)?;
        let (_, gradient) = subject.gradients_of(&noisy, &LayerName::INPUT.into())?;
        self.sum = (&self.sum + &gradient)?;
        self.squares = (&self.squares + gradient.sqr()?)?;
        self.drawn += 1;
        Ok(())
    }

    fn estimate(&self, _: &Subject) -> Result<Attribution> {
        let n = self.drawn as f64;
        let (mean, squares) = ((&self.sum / n)?, (&self.squares / n)?);
        let attribution = match self.variant {
            Variant::Mean => mean,
            Variant::Squared => squares,
            Variant::Variance => (squares - mean.sqr()?)?.relu()?,
        };
        Attribution::with_channels(&attribution, &attribution.abs()?.squeeze(0)?.max(0)?)
    }

    fn save(&self) -> State {
        State::default().with("sum", &self.sum).with("squares", &self.squares).with_value("drawn", self.drawn)
    }

    fn load(&mut self, state: &State) -> Result<()> {
        (self.sum, self.squares, self.drawn) =
            (state.tensor("sum")?, state.tensor("squares")?, state.value("drawn")?);
        Ok(())
    }
}
