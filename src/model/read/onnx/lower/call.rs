//! One use of an operator in the file: its attributes and inputs, asked for in whichever way its version gives them.

use super::Lowering;
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::Op;
use crate::model::read::onnx::proto::{self, AttributeValue};

/// What an operator's handler returns.
pub type Lowers = Result<Vec<ValueId>, Refusal>;

/// A node of the file with its inputs found.
pub struct Call<'c, 'm> {
    /// Where canonical nodes go.
    pub lowering: &'c mut Lowering<'m>,
    /// The node.
    pub node: &'c proto::Node,
    /// Its inputs; `None` where one is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// The version of its operator set.
    pub opset: i64,
}

impl Call<'_, '_> {
    fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.node.attributes.iter().find(|a| a.name == name).map(|a| &a.value)
    }

    /// An integer attribute.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        if let Some(AttributeValue::Int(value)) = self.attribute(name) { *value } else { default }
    }

    /// A number attribute.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        if let Some(AttributeValue::Float(value)) = self.attribute(name) { *value } else { default }
    }

    /// A text attribute.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        if let Some(AttributeValue::Text(value)) = self.attribute(name) { value } else { default }
    }

    /// A list of integers.
    pub fn ints(&self, name: &str) -> Option<Vec<i64>> {
        if let Some(AttributeValue::Ints(values)) = self.attribute(name) { Some(values.clone()) } else { None }
    }

    /// A list of numbers.
    pub fn floats(&self, name: &str) -> Option<Vec<f32>> {
        if let Some(AttributeValue::Floats(values)) = self.attribute(name) { Some(values.clone()) } else { None }
    }

    /// A tensor or a graph.
    pub fn value(&self, name: &str) -> Option<&AttributeValue> {
        self.attribute(name)
    }

    /// An input that has to be there.
    pub fn input(&self, i: usize) -> Result<ValueId, Refusal> {
        self.optional(i).ok_or_else(|| Refusal(format!("it has no input {i}")))
    }

    /// An input that may be left out.
    pub fn optional(&self, i: usize) -> Option<ValueId> {
        self.inputs.get(i).copied().flatten()
    }

    /// The extents of a value.
    pub fn shape(&self, id: ValueId) -> Vec<usize> {
        self.lowering.graph.shape(id).to_vec()
    }

    /// What a value's elements are.
    pub fn element(&self, id: ValueId) -> Element {
        self.lowering.graph.value(id).element
    }

    /// A value that does not depend on the picture.
    pub fn constant(&self, id: ValueId) -> Option<Constant> {
        self.lowering.graph.constant(id).cloned()
    }

    /// Numbers that must not depend on the picture.
    pub fn known_floats(&self, id: ValueId, what: &str) -> Result<Vec<f32>, Refusal> {
        let constant = self.constant(id).ok_or_else(|| depends(what))?;
        Ok(constant.affordable()?.to_floats()?.into_owned())
    }

    /// Integers that must not depend on the picture.
    pub fn known_ints(&self, id: ValueId, what: &str) -> Result<Vec<i64>, Refusal> {
        let constant = self.constant(id).ok_or_else(|| depends(what))?;
        Ok(constant.affordable()?.to_ints()?.into_owned())
    }

    /// Integers that older versions give as an attribute and newer ones as an input.
    pub fn list(&self, name: &str, input: usize) -> Result<Option<Vec<i64>>, Refusal> {
        match (self.optional(input), self.ints(name)) {
            (Some(id), None) => self.known_ints(id, name).map(Some),
            (_, attribute) => Ok(attribute),
        }
    }

    /// A weight: a constant of exactly this shape.
    pub fn weight(&self, i: usize, what: &str, shape: &[usize]) -> Result<ValueId, Refusal> {
        let id = self.input(i)?;
        if self.constant(id).is_none() {
            return Err(depends(what));
        }
        if self.shape(id) != shape {
            return Err(Refusal(format!("its {what} is {:?} where {shape:?} is needed", self.shape(id))));
        }
        Ok(id)
    }

    /// Adds a canonical node whose result is of the first input's type.
    pub fn emit(&mut self, op: Op, inputs: Vec<ValueId>, shape: Vec<usize>) -> Result<ValueId, Refusal> {
        let element = self.element(inputs[0]);
        self.lowering.emit(op, inputs, shape, element)
    }

    /// Adds a canonical node whose result is of this type.
    pub fn emit_as(
        &mut self,
        op: Op,
        inputs: Vec<ValueId>,
        shape: Vec<usize>,
        element: Element,
    ) -> Result<ValueId, Refusal> {
        self.lowering.emit(op, inputs, shape, element)
    }

    /// Adds a constant.
    pub fn add(&mut self, constant: Constant) -> ValueId {
        self.lowering.graph.add_constant(constant)
    }

    /// The value in another shape.
    pub fn reshape(&mut self, x: ValueId, shape: Vec<usize>) -> Result<ValueId, Refusal> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        let (from, to) = (self.shape(x), &shape);
        if from.iter().product::<usize>() != crate::model::read::onnx::stored::count(to)? {
            return Err(Refusal(format!("{from:?} cannot become {to:?}")));
        }
        self.emit(Op::Reshape, vec![x], shape)
    }

    /// The value with its axes in another order.
    pub fn transpose(&mut self, x: ValueId, perm: Vec<usize>) -> Result<ValueId, Refusal> {
        if perm.iter().enumerate().all(|(i, axis)| i == *axis) {
            return Ok(x);
        }
        let from = self.shape(x);
        let shape = perm.iter().map(|axis| from[*axis]).collect();
        self.emit(Op::Transpose { perm }, vec![x], shape)
    }
}

/// An axis counted from the front.
///
/// # Errors
/// A [`Refusal`] if there is no such axis.
pub fn axis(axis: i64, rank: usize) -> Result<usize, Refusal> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_front)
        .ok()
        .filter(|a| *a < rank)
        .ok_or_else(|| Refusal(format!("it wants axis {axis} of a value with {rank} axes")))
}

/// Distinct axes counted from the front, sorted.
///
/// # Errors
/// A [`Refusal`] if there is no such axis or one is named twice.
pub fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, Refusal> {
    let mut axes = list.iter().map(|a| axis(*a, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    if axes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refusal(format!("it names an axis twice ({list:?})")));
    }
    Ok(axes)
}

/// Shape of two values broadcast to each other.
///
/// # Errors
/// A [`Refusal`] if they do not fit.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Refusal> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let extents = (0..rank).map(|i| match (at(a, i), at(b, i)) {
        (x, y) if x == y || y == 1 => Some(x),
        (1, y) => Some(y),
        _ => None,
    });
    extents.collect::<Option<_>>().ok_or_else(|| Refusal(format!("{a:?} and {b:?} do not fit together")))
}

/// What is said of a parameter that should be fixed.
pub fn depends(what: &str) -> Refusal {
    Refusal(format!("its {what} depend on the picture, which is not supported"))
}
