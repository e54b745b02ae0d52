//! Operators whose result does not depend on the picture: constants, shapes, ranges.

use super::call::{Call, Lowers, axis, depends};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::op::Op;
use crate::model::read::onnx::proto::AttributeValue;
use crate::model::read::onnx::stored::count;

/// What the file says.
pub fn constant(call: &mut Call) -> Lowers {
    for attribute in &call.node.attributes {
        let constant = match (attribute.name.as_str(), &attribute.value) {
            ("value", AttributeValue::Tensor(tensor)) => call.lowering.stored(tensor)?,
            ("value_float", AttributeValue::Float(v)) => Constant::filled(Vec::new(), *v),
            ("value_int", AttributeValue::Int(v)) => Constant::filled_int(Vec::new(), Element::Int, *v),
            ("value_floats", AttributeValue::Floats(list)) => Constant::floats(vec![list.len()], list.clone()),
            ("value_ints", AttributeValue::Ints(list)) => Constant::list(list.clone()),
            _ => continue,
        };
        return Ok(vec![call.add(constant)]);
    }
    Err(Refusal::new("it has no value, or one that is no array of numbers"))
}

/// One number everywhere; it takes no memory.
pub fn of_shape(call: &mut Call) -> Lowers {
    let given = call.input(0)?;
    let extents = call.known_ints(given, "extents")?;
    let shape: Option<Vec<usize>> = extents.iter().map(|n| usize::try_from(*n).ok()).collect();
    let shape = shape.ok_or_else(|| Refusal(format!("it has the shape {extents:?}")))?;
    count(&shape)?;
    let filling = match call.value("value") {
        Some(AttributeValue::Tensor(tensor)) => Some(tensor.clone()),
        _ => None,
    };
    let constant = match filling {
        None => Constant::filled(shape, 0.0),
        Some(tensor) => {
            let value = call.lowering.stored(&tensor)?;
            match value.element {
                Element::Float => Constant::filled(shape, value.to_floats()?.first().copied().unwrap_or(0.0)),
                element => Constant::filled_int(shape, element, value.to_ints()?.first().copied().unwrap_or(0)),
            }
        }
    };
    Ok(vec![call.add(constant)])
}

/// Extents of a value; from opset 15 on possibly some of them.
pub fn shape(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let shape = call.shape(x);
    let rank = shape.len() as i64;
    let at = |n: i64| (if n < 0 { n + rank } else { n }).clamp(0, rank) as usize;
    let (start, end) = (at(call.int("start", 0)), at(call.int("end", rank)));
    let list = shape.get(start..end).unwrap_or_default().iter().map(|n| *n as i64).collect();
    Ok(vec![call.add(Constant::list(list))])
}

/// How many elements a value has.
pub fn size(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let len = call.shape(x).iter().product::<usize>() as i64;
    Ok(vec![call.add(Constant::filled_int(Vec::new(), Element::Int, len))])
}

/// Numbers from one to another.
pub fn range(call: &mut Call) -> Lowers {
    let ids = [call.input(0)?, call.input(1)?, call.input(2)?];
    let element = call.element(ids[0]);
    let too_long = || Refusal::new("it counts too far");
    let constant = if element == Element::Float {
        let mut bounds = [0.0; 3];
        for (bound, id) in bounds.iter_mut().zip(ids) {
            *bound = call.known_floats(id, "bounds")?.first().copied().unwrap_or(0.0);
        }
        let [start, limit, delta] = bounds;
        let len = ((limit - start) / delta).ceil().max(0.0);
        if len.is_nan() || len > 1e6 {
            return Err(too_long());
        }
        let values: Vec<f32> = (0..len as usize).map(|i| start + i as f32 * delta).collect();
        Constant::floats(vec![values.len()], values)
    } else {
        let mut bounds = [0; 3];
        for (bound, id) in bounds.iter_mut().zip(ids) {
            *bound = call.known_ints(id, "bounds")?.first().copied().unwrap_or(0);
        }
        let [start, limit, delta] = bounds.map(i128::from);
        let way = if delta < 0 { start - limit } else { limit - start };
        let len = if delta == 0 { i128::MAX } else { (way.max(0) + delta.abs() - 1) / delta.abs() };
        if len > 1 << 20 {
            return Err(too_long());
        }
        Constant::list((0..len).map(|i| (start + i * delta) as i64).collect())
    };
    Ok(vec![call.add(constant)])
}

/// Running sums.
pub fn cumulative(call: &mut Call) -> Lowers {
    let (x, along) = (call.input(0)?, call.input(1)?);
    let shape = call.shape(x);
    let axis = axis(call.known_ints(along, "axis")?.first().copied().unwrap_or(0), shape.len())?;
    if call.int("exclusive", 0) != 0 || call.int("reverse", 0) != 0 {
        return Err(Refusal::new("it sums exclusively or from the end, which is not supported"));
    }
    Ok(vec![call.emit(Op::CumSum { axis }, vec![x], shape)?])
}

/// Places of what is not zero, one column each.
pub fn non_zero(call: &mut Call) -> Lowers {
    let x = call.input(0)?;
    let Some(constant) = call.constant(x) else { return Err(depends("places")) };
    let values = constant.affordable()?.to_floats()?;
    let found: Vec<usize> = (0..values.len()).filter(|i| values[*i] != 0.0).collect();
    let rank = constant.shape.len();
    count(&[rank, found.len()])?;
    let mut places = vec![0; rank * found.len()];
    for (column, flat) in found.iter().enumerate() {
        let mut rest = *flat;
        for a in (0..rank).rev() {
            places[a * found.len() + column] = (rest % constant.shape[a]) as i64;
            rest /= constant.shape[a];
        }
    }
    Ok(vec![call.add(Constant::ints(vec![rank, found.len()], Element::Int, places))])
}

/// Elements replaced at some places.
pub fn scatter(call: &mut Call) -> Lowers {
    let ids = [call.input(0)?, call.input(1)?, call.input(2)?];
    if call.text("reduction", "none") != "none" {
        return Err(Refusal::new("it adds to what is there, which is not supported"));
    }
    let shape = call.shape(ids[0]);
    Ok(vec![call.emit(Op::ScatterNd, ids.to_vec(), shape)?])
}
