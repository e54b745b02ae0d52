//! Element by element.

use super::walk::{strides, walk};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::op::{Binary, Unary};

/// A function of one constant.
pub fn unary(function: Unary, x: &Constant, element: Element) -> Result<Constant, Refusal> {
    let number = |v: f32| function.apply(f64::from(v)) as f32;
    let shape = x.shape.clone();
    if let Some(filling) = x.filling() {
        let value = number(filling);
        return Ok(match element {
            Element::Float => Constant::filled(shape, value),
            _ => Constant::filled_int(shape, element, value as i64),
        });
    }
    Ok(match element {
        Element::Float => Constant::floats(shape, x.to_floats()?.iter().map(|v| number(*v)).collect::<Vec<_>>()),
        // Integers beyond 2⁵³ lose their last digits, which no shape has.
        _ => Constant::ints(
            shape,
            element,
            x.to_ints()?.iter().map(|v| function.apply(*v as f64) as i64).collect::<Vec<_>>(),
        ),
    })
}

/// A function of two constants.
pub fn binary(
    function: Binary,
    x: &Constant,
    y: &Constant,
    shape: &[usize],
    element: Element,
) -> Result<Constant, Refusal> {
    let floats = x.element == Element::Float || y.element == Element::Float;
    if let (Some(a), Some(b), true) = (x.filling(), y.filling(), floats) {
        let value = function.apply(f64::from(a), f64::from(b)) as f32;
        return Ok(match element {
            Element::Float => Constant::filled(shape.to_vec(), value),
            _ => Constant::filled_int(shape.to_vec(), element, value as i64),
        });
    }
    let (sx, sy) = (strides(&x.shape, shape.len()), strides(&y.shape, shape.len()));
    let along = [sx.as_slice(), sy.as_slice()];
    if floats {
        let (a, b) = (x.to_floats()?, y.to_floats()?);
        let mut out = Vec::with_capacity(shape.iter().product());
        walk(shape, [0, 0], along, |[i, j]| out.push(function.apply(f64::from(a[i]), f64::from(b[j])) as f32));
        return Ok(match element {
            Element::Float => Constant::floats(shape.to_vec(), out),
            _ => Constant::ints(shape.to_vec(), element, out.iter().map(|v| *v as i64).collect::<Vec<_>>()),
        });
    }
    let (a, b) = (x.to_ints()?, y.to_ints()?);
    let mut out = Vec::with_capacity(shape.iter().product());
    walk(shape, [0, 0], along, |[i, j]| out.push(function.apply_ints(a[i], b[j])));
    Ok(Constant::ints(shape.to_vec(), element, out))
}

/// One of two.
pub fn choose(condition: &Constant, x: &Constant, y: &Constant, shape: &[usize]) -> Result<Constant, Refusal> {
    let along = [condition, x, y].map(|c| strides(&c.shape, shape.len()));
    let along = [along[0].as_slice(), &along[1], &along[2]];
    let truth = condition.to_ints()?;
    if x.element == Element::Float || y.element == Element::Float {
        let (a, b) = (x.to_floats()?, y.to_floats()?);
        let mut out = Vec::with_capacity(shape.iter().product());
        walk(shape, [0; 3], along, |[c, i, j]| out.push(if truth[c] != 0 { a[i] } else { b[j] }));
        return Ok(Constant::floats(shape.to_vec(), out));
    }
    let (a, b) = (x.to_ints()?, y.to_ints()?);
    let mut out = Vec::with_capacity(shape.iter().product());
    walk(shape, [0; 3], along, |[c, i, j]| out.push(if truth[c] != 0 { a[i] } else { b[j] }));
    Ok(Constant::ints(shape.to_vec(), x.element, out))
}
