//! What a picture is optimised for: the response of a part of the model, and where its gradient starts.

use crate::error::{Error, Result};
use crate::graph::LayerName;
use crate::kernels::ReluRule;
use crate::model::Model;
use candle_core::Tensor;

/// Whose response it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unit {
    /// The logit of a class.
    Class(usize),
    /// The mean of a channel over all places.
    Channel(usize),
    /// A channel at the middle place.
    Neuron(usize),
    /// The mean projection on a direction: channels with their weights.
    Direction(Vec<(usize, f32)>),
    /// The mean square of the whole layer.
    Layer,
}

/// The response of one unit at a layer, to become as large (`sign` 1) or as negative (−1) as it can.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub layer: LayerName,
    pub unit: Unit,
    pub sign: f64,
}

/// What was found at a batch of pictures.
pub(super) struct Measured {
    /// The signed response to each picture.
    pub scores: Vec<f64>,
    /// The gradient of their sum, less the penalty, at the input.
    pub gradient: Tensor,
    /// How alike the pictures of a group are to the layer, the mean of all pairs' cosine of Gram matrices.
    pub alike: f64,
    /// The logits of the first picture, if it is classes that were looked at.
    pub logits: Option<Vec<f32>>,
}

impl Response {
    /// Refuses pictures of this size that the model does not take, and channels that the layer does not have.
    pub fn check(&self, model: &Model, (height, width): (usize, usize)) -> Result<()> {
        model.input().check_size("size", (height, width))?;
        let layers = model.graph.layers(height, width).map_err(|_| {
            let advice = "that is too small for this model; make it larger";
            Error::bad_value("size", format!("{width}×{height}"), advice)
        })?;
        model.layer(self.layer.as_str())?;
        let Some(layer) = layers.iter().find(|l| l.name == self.layer) else { return Ok(()) };
        let channels = layer.shape[0];
        let last = match &self.unit {
            Unit::Channel(c) | Unit::Neuron(c) => *c,
            Unit::Direction(weights) => weights.iter().map(|(c, _)| *c).max().unwrap_or(0),
            Unit::Class(_) | Unit::Layer => 0,
        };
        if last < channels {
            return Ok(());
        }
        let range = format!("{} has channels 0 to {}", self.layer, channels - 1);
        Err(Error::bad_value("channel", last, range))
    }

    /// The response of activations `[C, H, W]`, and its gradient there.
    fn at(&self, activations: &Tensor) -> Result<(f64, Tensor)> {
        let shape = activations.dims().to_vec();
        let (c, places) = (shape[0], shape[1..].iter().product::<usize>());
        let mut seed = vec![0f32; c * places];
        let one = |seed: &mut [f32], channel: usize, weight: f32| {
            seed[channel * places..][..places].fill(weight / places as f32);
        };
        match &self.unit {
            Unit::Layer => {
                let count = (c * places) as f64;
                let value = f64::from(activations.sqr()?.sum_all()?.to_scalar::<f32>()?) / count;
                return Ok((self.sign * value, (activations * (2.0 * self.sign / count))?));
            }
            Unit::Class(class) => seed[*class] = 1.0,
            Unit::Channel(channel) => one(&mut seed, *channel, 1.0),
            Unit::Neuron(channel) => {
                let (h, w) = (shape[1], shape[2]);
                seed[channel * places + h / 2 * w + w / 2] = 1.0;
            }
            Unit::Direction(weights) => {
                let length = weights.iter().map(|(_, w)| w * w).sum::<f32>().sqrt().max(1e-12);
                for (channel, weight) in weights {
                    one(&mut seed, *channel, weight / length);
                }
            }
        }
        let seed = (Tensor::from_vec(seed, shape, activations.device())? * self.sign)?;
        Ok((f64::from((&seed * activations)?.sum_all()?.to_scalar::<f32>()?), seed))
    }
}

/// Looks at inputs `[N, C, H, W]`, each for its response. Inputs for the same response are a group; `diversity` is the weight
/// of the penalty on how alike those of a group are.
pub(super) fn look(model: &Model, inputs: &Tensor, responses: &[Response], diversity: f64) -> Result<Measured> {
    let layer = &responses[0].layer;
    let activations = model.graph.forward(inputs, std::slice::from_ref(layer))?;
    let at_layer = activations.get(layer)?;
    let mut scores = Vec::with_capacity(responses.len());
    let mut seeds = Vec::with_capacity(responses.len());
    for (i, response) in responses.iter().enumerate() {
        let (score, seed) = response.at(&at_layer.get(i)?)?;
        scores.push(score);
        seeds.push(seed);
    }
    let mut alike = 0.0;
    if diversity > 0.0 {
        let (value, gradients) = likeness(&at_layer, responses)?;
        alike = value;
        for (seed, gradient) in seeds.iter_mut().zip(gradients) {
            *seed = (&*seed - (gradient * diversity)?)?;
        }
    }
    let classes = matches!(responses[0].unit, Unit::Class(_));
    let logits = if classes { Some(at_layer.get(0)?.flatten_all()?.to_vec1::<f32>()?) } else { None };
    let seed = Tensor::stack(&seeds, 0)?;
    let input = [LayerName::INPUT.into()];
    let seeds = [(layer.clone(), seed)];
    let mut gradient = model.graph.backward(&activations, &seeds, &input, ReluRule::Standard)?.input()?.clone();
    if gradient.abs()?.max_all()?.to_scalar::<f32>()? == 0.0 {
        // A unit that is off hears nothing: its gradient is passed through what is off until it is on (as lucid's
        // redirected gradients do).
        gradient = model.graph.backward(&activations, &seeds, &input, ReluRule::Deconvnet)?.input()?.clone();
    }
    Ok(Measured { scores, gradient, alike, logits })
}

/// The mean cosine between the Gram matrices of pictures for the same response (lucid's `diversity`), and the gradient of
/// the sum over pairs at each picture's activations.
fn likeness(activations: &Tensor, responses: &[Response]) -> Result<(f64, Vec<Tensor>)> {
    let (n, c, h, w) = activations.dims4()?;
    let features: Vec<Tensor> =
        (0..n).map(|i| Ok(activations.get(i)?.reshape((c, h * w))?)).collect::<Result<_>>()?;
    let grams: Vec<Tensor> = features.iter().map(|f| Ok(f.matmul(&f.t()?)?)).collect::<Result<_>>()?;
    let dot = |a: &Tensor, b: &Tensor| -> Result<f64> { Ok(f64::from((a * b)?.sum_all()?.to_scalar::<f32>()?)) };
    let lengths: Vec<f64> = grams.iter().map(|g| Ok(dot(g, g)?.sqrt().max(1e-12))).collect::<Result<_>>()?;
    let mut gradients: Vec<Tensor> = features.iter().map(Tensor::zeros_like).collect::<Result<_, _>>()?;
    let (mut total, mut pairs) = (0.0, 0);
    for i in 0..n {
        for j in 0..n {
            if i == j || responses[i].unit != responses[j].unit {
                continue;
            }
            let cosine = dot(&grams[i], &grams[j])? / (lengths[i] * lengths[j]);
            // ∂cos/∂G_i; G = F·Fᵀ is symmetric, so F gets twice its product with F.
            let pull = ((&grams[j] / (lengths[i] * lengths[j]))? - (&grams[i] * (cosine / lengths[i].powi(2)))?)?;
            gradients[i] = (&gradients[i] + (pull.matmul(&features[i])? * 2.0)?)?;
            total += cosine;
            pairs += 1;
        }
    }
    let gradients = gradients.into_iter().map(|g| Ok(g.reshape((c, h, w))?)).collect::<Result<_>>()?;
    Ok((total / f64::from(pairs.max(1)), gradients))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{noise, step_rng};
    use candle_core::Device;

    #[test]
    fn likeness_has_the_gradient_of_its_value() -> Result<()> {
        let responses: Vec<Response> =
            [0, 0, 1].map(|c| Response { layer: "l".into(), unit: Unit::Channel(c), sign: 1.0 }).to_vec();
        let x = noise(&mut step_rng(2, 0), &[3, 4, 2, 3], &Device::Cpu)?;
        let direction = noise(&mut step_rng(2, 1), &[3, 4, 2, 3], &Device::Cpu)?;
        let (_, gradients) = likeness(&x, &responses)?;
        let slope = f64::from((Tensor::stack(&gradients, 0)? * &direction)?.sum_all()?.to_scalar::<f32>()?);
        // The sum runs over ordered pairs, of which each picture's gradient holds one half: two pairs, value × 2 / 2.
        let at = |t: f64| -> Result<f64> { Ok(likeness(&(&x + (&direction * t)?)?, &responses)?.0) };
        let measured = (at(1e-2)? - at(-1e-2)?) / 2e-2;
        assert!((slope - measured).abs() < 1e-2 * measured.abs().max(0.1), "{slope} {measured}");
        let alone = x.get(2)?.zeros_like()?;
        assert!((gradients[2].clone() - alone)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-9);
        Ok(())
    }
}
