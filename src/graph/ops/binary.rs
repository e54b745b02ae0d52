//! Functions of every pair of values of two operands that stretch to each other.

use super::prelude::*;
use crate::kernels::{self, Function, Side};

/// z = f(a, b), axes of length 1 stretched to the other operand's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binary(kernels::Binary);

/// z = f(a, b) with one operand frozen.
#[derive(Debug)]
pub struct BinaryWith {
    function: kernels::Binary,
    constant: Tensor,
    side: Side,
}

impl Binary {
    /// Of two values.
    #[must_use]
    pub fn new(function: kernels::Binary) -> Self {
        Self(function)
    }

    /// Of one value and a constant, float32, which is the operand of `side`.
    #[must_use]
    pub fn with_constant(function: kernels::Binary, constant: Tensor, side: Side) -> BinaryWith {
        BinaryWith { function, constant, side }
    }
}

/// Both operands as shapes of rank 4, and that of the result: neighbouring axes that stretch alike are one where there
/// are more.
fn aligned(a: &[usize], b: &[usize]) -> Result<[Shape; 3]> {
    let out = broadcast_shape(a, b)?;
    let padded = |shape: &[usize]| [vec![1; out.len() - shape.len()], shape.to_vec()].concat();
    let (mut a, mut b) = (padded(a), padded(b));
    let mut axis = 1;
    while a.len() > 4 && axis < a.len() {
        let stretches = |axis: usize| (a[axis] != 1 || b[axis] == 1, b[axis] != 1 || a[axis] == 1);
        if stretches(axis) == stretches(axis - 1) {
            let (lengths_a, lengths_b) = (a.remove(axis), b.remove(axis));
            a[axis - 1] *= lengths_a;
            b[axis - 1] *= lengths_b;
        } else {
            axis += 1;
        }
    }
    if a.len() > 4 {
        bail!("values of shape {a:?} and {b:?} stretch along too many axes");
    }
    let four = |shape: Shape| [vec![1; 4 - shape.len()], shape].concat();
    let (a, b) = (four(a), four(b));
    let out = broadcast_shape(&a, &b)?;
    Ok([a, b, out])
}

/// Two operands as maps of one layout.
struct Operands {
    a: Map,
    b: Map,
    layout: Layout,
    shapes: [Shape; 3],
}

impl Operands {
    fn new(a: Value, b: Value) -> Result<Self> {
        let shapes = aligned(&a.shape(), &b.shape())?;
        let (a, b) = (a.reshaped(&shapes[0])?, b.reshaped(&shapes[1])?);
        let layout = if a.is_map() || b.is_map() { Layout::ChannelsFirst } else { Layout::ChannelsLast };
        Ok(Self { a: a.laid_out(layout)?, b: b.laid_out(layout)?, layout, shapes })
    }
}

fn forward(function: kernels::Binary, a: Value, b: Value) -> Result<Value> {
    let (out, kernels) = (broadcast_shape(&a.shape(), &b.shape())?, a.kernels());
    if function == kernels::Binary::Add && a.shape() == b.shape() {
        return a.accumulate(&b);
    }
    let Operands { a, b, layout, shapes: [_, _, shape] } = Operands::new(a, b)?;
    Value::of_laid_out(function.forward(&a, &b)?, layout, shape, kernels)?.reshaped(&out)
}

/// The gradient at the operand of `side`, of the shapes a and b.
fn gradient(
    function: kernels::Binary,
    side: Side,
    [a, b]: [&[usize]; 2],
    values: Option<[&Value; 2]>,
    dy: &Value,
) -> Result<Value> {
    let left = side == Side::Left;
    let own = if left { a } else { b };
    let kernels = dy.kernels();
    if let Some([a, b]) = values {
        let Operands { a, b, layout, shapes: [shape_a, shape_b, out] } = Operands::new(a.clone(), b.clone())?;
        let dx = function.vjp(side, &a, &b, dy.clone().reshaped(&out)?.laid_out(layout)?)?;
        return Value::of_laid_out(dx, layout, if left { shape_a } else { shape_b }, kernels)?.reshaped(own);
    }
    let [shape_a, shape_b, out] = aligned(a, b)?;
    let shape = if left { shape_a } else { shape_b };
    let dy = dy.clone().reshaped(&out)?;
    let layout = dy.layout();
    let mut dx = dy.laid_out(layout)?.sum_to(layout.map_shape(&shape)?)?;
    if function == kernels::Binary::Sub && !left {
        dx = Function::Neg.forward(dx)?;
    }
    if function.is_comparison() {
        dx = Function::Floor.vjp(&dx.clone(), dx)?;
    }
    Value::of_laid_out(dx, layout, shape, kernels)?.reshaped(own)
}

impl Operator for Binary {
    fn kind(&self) -> Kind {
        kind(self.0)
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        aligned(inputs[0], inputs[1])?;
        broadcast_shape(inputs[0], inputs[1])
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        keeps_batches(inputs, &[])
    }

    fn saves(&self) -> Saves {
        if self.0.reads_operands() { Saves::Inputs } else { Saves::Nothing }
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let [a, b] = exactly(inputs)?;
        forward(self.0, a, b)
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let shapes = [at.input_shape(0), at.input_shape(1)];
        let values = if self.0.reads_operands() { Some([at.input(0)?, at.input(1)?]) } else { None };
        let gradient = |side| gradient(self.0, side, shapes, values, &dy);
        Ok(vec![gradient(Side::Left)?, gradient(Side::Right)?])
    }

    fn rules(&self) -> Rules<'_> {
        let deeplift = DeepLift::Own(Box::new(|at, reference, dy| multipliers(self.0, at, reference, &dy)));
        let output = |at: &Point<'_>, dy: &Value| dy.to_tensor()? * at.output()?.to_tensor()?;
        match self.0 {
            kernels::Binary::Add | kernels::Binary::Sub => Rules::LINEAR,
            kernels::Binary::Mul => Rules {
                deeplift,
                lrp: Lrp::Own(Box::new(|at, relevance, rule| halves(*self, at, &relevance, rule))),
                // Twice both factors is four times the product: once is left.
                biases: Biases::Own(Box::new(move |at, dy| Ok(Some(output(at, dy)?.neg()?)))),
            },
            // Twice both is the same quotient: all of it is left.
            kernels::Binary::Div => Rules {
                deeplift,
                lrp: Lrp::Unknown,
                biases: Biases::Own(Box::new(move |at, dy| Ok(Some(output(at, dy)?)))),
            },
            kernels::Binary::Min | kernels::Binary::Max => Rules { deeplift, ..Rules::MOVING },
            kernels::Binary::Pow => Rules { deeplift, ..Rules::UNKNOWN },
            kernels::Binary::Equal | kernels::Binary::Less | kernels::Binary::LessOrEqual => {
                Rules { deeplift, ..verdicts() }
            }
        }
    }
}

fn kind(function: kernels::Binary) -> Kind {
    Kind::other(match function {
        kernels::Binary::Add => "sum",
        kernels::Binary::Sub => "difference",
        kernels::Binary::Mul => "product",
        kernels::Binary::Div => "quotient",
        kernels::Binary::Pow => "power",
        kernels::Binary::Min => "minimum",
        kernels::Binary::Max => "maximum",
        kernels::Binary::Equal | kernels::Binary::Less | kernels::Binary::LessOrEqual => "comparison",
    })
}

/// Rules of what says 1 or 0: nothing of it comes from how large the operands are, all is left there.
fn verdicts() -> Rules<'static> {
    let absorb = |at: &Point<'_>, relevance: Value, _| {
        let given = relevance.to_tensor()?;
        let zeros = |shape: &[usize]| Ok(relevance.with(Tensor::zeros(shape, DType::F32, given.device())?));
        let inputs = at.input_shapes().map(zeros).collect::<Result<_>>()?;
        Ok(Shared { inputs, biases: f64::from(given.sum_all()?.to_scalar::<f32>()?) })
    };
    Rules {
        deeplift: DeepLift::Unknown,
        lrp: Lrp::Own(Box::new(absorb)),
        biases: Biases::Own(Box::new(|at, dy| Ok(Some((dy.to_tensor()? * at.output()?.to_tensor()?)?)))),
    }
}

/// Every product counts half for each of its factors (Achtibat et al. 2024, arXiv:2402.05602).
fn halves(product: Binary, at: &Point<'_>, relevance: &Value, rule: LrpRule) -> Result<Shared> {
    let share = rule.quotient(&relevance.to_tensor()?, &at.output()?.to_tensor()?)?;
    let back = product.vjp(at, relevance.with(share))?;
    let half = |(k, dx): (usize, Value)| Ok(relevance.with(((at.input(k)?.to_tensor()? * dx.to_tensor()?)? * 0.5)?));
    Ok(Shared { inputs: back.into_iter().enumerate().map(half).collect::<Result<_>>()?, biases: 0.0 })
}

/// What each operand's change makes of the output's, on the mean over both orders in which they may change (the Shapley
/// values of two players, as in Lundberg & Lee 2017, arXiv:1705.07874), divided by that change; nothing where there is none.
fn multipliers(function: kernels::Binary, at: &Point<'_>, reference: &Point<'_>, dy: &Value) -> Result<Vec<Value>> {
    let ([a, b], [a0, b0]) = ([at.input(0)?, at.input(1)?], [reference.input(0)?, reference.input(1)?]);
    let f = |a: &Value, b: &Value| forward(function, a.clone(), b.clone())?.to_tensor();
    let (both, neither, only_a, only_b) = (f(a, b)?, f(a0, b0)?, f(a, b0)?, f(a0, b)?);
    let by_a = (((&only_a - &neither)? + (&both - &only_b)?)? * 0.5)?;
    let by_b = (((&only_b - &neither)? + (&both - &only_a)?)? * 0.5)?;
    let dy_tensor = dy.to_tensor()?;
    let multiplier = |x: &Value, x0: &Value, change: Tensor| -> Result<Value> {
        let difference = (x.to_tensor()? - x0.to_tensor()?)?.broadcast_as(change.shape())?.contiguous()?;
        let shared = (&dy_tensor * change)?;
        let all = rescaled(&shared, &difference, &shared.zeros_like()?)?;
        Ok(dy.with(summed_to(&all, &x.shape())?))
    };
    Ok(vec![multiplier(a, a0, by_a)?, multiplier(b, b0, by_b)?])
}

impl BinaryWith {
    fn operands(&self, x: Value) -> [Value; 2] {
        let constant = x.with(self.constant.clone());
        if self.side == Side::Left { [constant, x] } else { [x, constant] }
    }

    /// Which operand the input is.
    fn input(&self) -> Side {
        if self.side == Side::Left { Side::Right } else { Side::Left }
    }

    /// What the constant adds to a sum or a difference.
    fn bias(&self) -> Result<Tensor> {
        let taken = self.function == kernels::Binary::Sub && self.side == Side::Right;
        if taken { self.constant.neg() } else { Ok(self.constant.clone()) }
    }

    /// The relevance of a sum shared between its input and the constant.
    fn share(&self, at: &Point<'_>, relevance: &Value, rule: LrpRule) -> Result<Shared> {
        let share = rule.quotient(&relevance.to_tensor()?, &at.output()?.to_tensor()?)?;
        let biases = share.broadcast_mul(&self.bias()?)?.sum_all()?.to_scalar::<f32>()?;
        let back = only(self.vjp(at, relevance.with(share))?)?.to_tensor()?;
        let inputs = vec![relevance.with((at.input(0)?.to_tensor()? * back)?)];
        Ok(Shared { inputs, biases: f64::from(biases) })
    }
}

impl Operator for BinaryWith {
    fn kind(&self) -> Kind {
        kind(self.function)
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        aligned(inputs[0], self.constant.dims())?;
        broadcast_shape(inputs[0], self.constant.dims())
    }

    fn any_batch(&self, inputs: &[&[usize]]) -> bool {
        keeps_batches(inputs, &[self.constant.dims()])
    }

    fn parameters(&self) -> usize {
        self.constant.elem_count()
    }

    fn saves(&self) -> Saves {
        if self.function.reads_operands() { Saves::Inputs } else { Saves::Nothing }
    }

    fn forward(&self, inputs: Vec<Value>) -> Result<Value> {
        let [a, b] = self.operands(only(inputs)?);
        forward(self.function, a, b)
    }

    fn vjp(&self, at: &Point<'_>, dy: Value) -> Result<Vec<Value>> {
        let (x, constant) = (at.input_shape(0), self.constant.dims());
        let shapes = if self.side == Side::Left { [constant, x] } else { [x, constant] };
        if self.function.reads_operands() {
            let [a, b] = self.operands(at.input(0)?.clone());
            return Ok(vec![gradient(self.function, self.input(), shapes, Some([&a, &b]), &dy)?]);
        }
        Ok(vec![gradient(self.function, self.input(), shapes, None, &dy)?])
    }

    fn rules(&self) -> Rules<'_> {
        match (self.function, self.side) {
            (kernels::Binary::Add | kernels::Binary::Sub, _) => Rules {
                deeplift: DeepLift::Derivative,
                lrp: Lrp::Own(Box::new(|at, relevance, rule| self.share(at, &relevance, rule))),
                biases: Biases::Own(Box::new(|_, dy| Ok(Some(dy.to_tensor()?.broadcast_mul(&self.bias()?)?)))),
            },
            (kernels::Binary::Mul, _) | (kernels::Binary::Div, Side::Right) => Rules::LINEAR,
            // A function of each value alone, as long as it does not stretch.
            (function, _) if function.is_comparison() => {
                let alone = self.constant.elem_count() == 1;
                Rules { deeplift: if alone { DeepLift::Rescale } else { DeepLift::Unknown }, ..verdicts() }
            }
            _ if self.constant.elem_count() == 1 => Rules::POINTWISE,
            _ => Rules::UNKNOWN,
        }
    }
}
