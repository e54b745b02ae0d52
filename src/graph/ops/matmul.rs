//! Products of matrices.

use super::prelude::*;

/// The matrix product of the last two axes of two values of rank 2 or more; the axes before stretch to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatMul;

/// A·B. candle multiplies up to four axes as they lie in memory; more are made one first.
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.rank().max(b.rank()) <= 4 {
        return a.broadcast_matmul(b);
    }
    let (rows, inner, columns) = (a.dim(a.rank() - 2)?, a.dim(a.rank() - 1)?, b.dim(b.rank() - 1)?);
    let outer = broadcast_shape(&a.dims()[..a.rank() - 2], &b.dims()[..b.rank() - 2])?;
    let count: usize = outer.iter().product();
    let together = |x: &Tensor, matrix: [usize; 2]| {
        let whole = [outer.as_slice(), &matrix].concat();
        x.broadcast_as(whole)?.contiguous()?.reshape((count, matrix[0], matrix[1]))
    };
    let y = together(a, [rows, inner])?.matmul(&together(b, [inner, columns])?)?;
    y.reshape([outer.as_slice(), &[rows, columns]].concat())
}

/// ∂A and ∂B of A·B, in the shapes of a and b.
fn gradients(a: &Tensor, b: &Tensor, dy: &Tensor) -> Result<[Tensor; 2]> {
    let da = product(dy, &b.t()?)?;
    let db = product(&a.t()?, dy)?;
    Ok([summed_to(&da, a.dims())?, summed_to(&db, b.dims())?])
}

fn operands(at: &Point<'_>) -> Result<[Tensor; 2]> {
    Ok([at.input(0)?.to_tensor()?, at.input(1)?.to_tensor()?])
}

/// Every product counts half for each of its factors (Achtibat et al. 2024, arXiv:2402.05602).
fn share(at: &Point<'_>, relevance: &Value, rule: LrpRule) -> Result<Shared> {
    let [a, b] = operands(at)?;
    let share = rule.quotient(&relevance.to_tensor()?, &at.output()?.to_tensor()?)?;
    let [da, db] = gradients(&a, &b, &share)?;
    let half = |x: &Tensor, dx: &Tensor| (x * dx)? * 0.5;
    Ok(Shared { inputs: vec![relevance.with(half(&a, &da)?), relevance.with(half(&b, &db)?)], biases: 0.0 })
}

/// A·B − A′·B′ = ΔA·(B + B′)/2 + (A + A′)/2·ΔB: the means over both orders in which A and B may change.
fn multipliers(at: &Point<'_>, reference: &Point<'_>, dy: &Value) -> Result<Vec<Value>> {
    let ([a, b], [a0, b0]) = (operands(at)?, operands(reference)?);
    let gradients = gradients(&((a + a0)? * 0.5)?, &((b + b0)? * 0.5)?, &dy.to_tensor()?)?;
    Ok(gradients.into_iter().map(|gradient| dy.with(gradient)).collect())
}

impl Operator for MatMul {
    fn kind(&self) -> Kind {
        Kind::other("matrix product")
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        let ([.., m, k], [.., inner, n]) = (inputs[0], inputs[1]) else {
            bail!("values of shape {:?} and {:?} are not both matrices", inputs[0], inputs[1]);
        };
        if k != inner {
            bail!("matrices of shape {:?} and {:?} cannot be multiplied", inputs[0], inputs[1]);
        }
        let outer = |shape: &[usize]| shape[..shape.len() - 2].to_vec();
        let mut shape = broadcast_shape(&outer(inputs[0]), &outer(inputs[1]))?;
        shape.extend([*m, *n]);
        Ok(shape)
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        inputs[0].len() >= 3 && inputs[0].len() == inputs[1].len() && inputs.iter().all(|shape| shape[0] == 1)
    }

    fn macs(&self, inputs: &[&[usize]]) -> usize {
        let products = self.output_shape(inputs).map_or(0, |shape| shape.iter().product());
        products * inputs[0].last().copied().unwrap_or_default()
    }

    fn saves(&self) -> Saves {
        Saves::Inputs
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let [a, b] = exactly(inputs)?;
        Ok(a.with(product(&a.to_tensor()?, &b.to_tensor()?)?))
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let [a, b] = operands(at)?;
        Ok(gradients(&a, &b, &dy.to_tensor()?)?.into_iter().map(|gradient| dy.with(gradient)).collect())
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            deeplift: DeepLift::Own(Box::new(|at, reference, dy| multipliers(at, reference, &dy))),
            lrp: Lrp::Own(Box::new(|at, relevance, rule| share(at, &relevance, rule))),
            // Twice both inputs is four times the output: once is left.
            biases: Biases::Own(Box::new(|at, dy| Ok(Some((dy.to_tensor()? * at.output()?.to_tensor()?)?.neg()?)))),
        }
    }
}
