//! How relevance passes layers with weights.

use super::prelude::*;

/// A layer y = W x + b, of whatever form W is.
pub(super) trait Layer: Operator + Sized {
    /// b.
    fn bias(&self) -> Option<&Tensor>;

    /// The axis of y that b lies along.
    fn axis(&self) -> usize;

    /// The layer of the positive part of W, or of the negative one, without a bias.
    fn part(&self, positive: bool) -> Result<Self>;
}

/// The rules of such a layer.
pub(super) fn rules<L: Layer + Sync>(layer: &L) -> Rules<'_> {
    Rules {
        deeplift: DeepLift::Derivative,
        lrp: Lrp::Own(Box::new(move |at, relevance, rule| share(layer, at, &relevance, rule))),
        biases: Biases::Own(Box::new(move |_, dy| bias_term(layer, dy))),
    }
}

fn bias_term<L: Layer>(layer: &L, dy: &Value) -> Result<Option<Tensor>> {
    let Some(bias) = layer.bias() else { return Ok(None) };
    let dy = dy.to_tensor()?;
    let bias = along(bias, layer.axis(), dy.rank())?.to_device(dy.device())?;
    Ok(Some(dy.broadcast_mul(&bias)?))
}

/// The relevance shared among the inputs, and the sum of what the biases took.
fn share<L: Layer>(layer: &L, at: &Point<'_>, relevance: &Value, rule: LrpRule) -> Result<Shared> {
    let x = at.input(0)?.to_tensor()?;
    let forward = |layer: &L, x: &Tensor| layer.forward(vec![relevance.with(x.clone())])?.to_tensor();
    let back = |layer: &L, s: &Tensor| only(layer.vjp(at, relevance.with(s.clone()))?)?.to_tensor();
    let (z, given) = (at.output()?.to_tensor()?, relevance.to_tensor()?);
    let shared = |inputs: Tensor, biases: f64| Shared { inputs: vec![relevance.with(inputs)], biases };
    if rule.gamma == 0.0 {
        let share = rule.quotient(&given, &z)?;
        return Ok(shared((x * back(layer, &share)?)?, of_biases(layer, &share, |b| b)?));
    }
    let (up, down) = (x.relu()?, x.neg()?.relu()?.neg()?);
    let (positive, negative) = (layer.part(true)?, layer.part(false)?);
    let mut inputs = x.zeros_like()?;
    let mut taken = 0.0;
    for sign in [1.0, -1.0] {
        // The outputs of this sign, and the contributions that have it too.
        let mine = if sign > 0.0 { z.ge(0.0)? } else { z.lt(0.0)? }.to_dtype(DType::F32)?;
        let (with_up, with_down) = if sign > 0.0 { (&positive, &negative) } else { (&negative, &positive) };
        let mut own = (forward(with_up, &up)? + forward(with_down, &down)?)?;
        if let Some(bias) = layer.bias() {
            let bias = along(&((bias * sign)?.relu()? * sign)?, layer.axis(), z.rank())?;
            own = own.broadcast_add(&bias.to_device(z.device())?)?;
        }
        let denominator = (&z + (own * rule.gamma)?)?;
        let share = (rule.quotient(&given, &denominator)? * mine)?;
        let more = ((&up * back(with_up, &share)?)? + (&down * back(with_down, &share)?)?)?;
        inputs = ((inputs + (&x * back(layer, &share)?)?)? + (more * rule.gamma)?)?;
        taken += of_biases(layer, &share, |b| if b * sign > 0.0 { b * (1.0 + rule.gamma) } else { b })?;
    }
    Ok(shared(inputs, taken))
}

/// What the biases, each as it counts, took of the shares.
fn of_biases<L: Layer>(layer: &L, share: &Tensor, counts: impl Fn(f64) -> f64) -> Result<f64> {
    let Some(bias) = layer.bias() else { return Ok(0.0) };
    let others: Vec<usize> = (0..share.rank()).filter(|axis| *axis != layer.axis()).collect();
    let shares = share.sum(others)?.to_vec1::<f32>()?;
    let biases = bias.to_vec1::<f32>()?;
    Ok(biases.into_iter().zip(shares).map(|(b, s)| counts(f64::from(b)) * f64::from(s)).sum())
}

/// A vector to be broadcast along an axis of a value of this rank.
fn along(vector: &Tensor, axis: usize, rank: usize) -> Result<Tensor> {
    let mut shape = vec![1; rank];
    shape[axis] = vector.elem_count();
    vector.reshape(shape)
}
