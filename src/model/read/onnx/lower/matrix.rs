//! Products of matrices.

use super::call::{Call, Lowers, broadcast};
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::Constant;
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op};

/// alpha · A·B + beta · C, with either matrix transposed.
pub fn gemm(call: &mut Call) -> Lowers {
    let (mut a, b) = (call.input(0)?, call.input(1)?);
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    let (trans_a, trans_b) = (call.int("transA", 0) != 0, call.int("transB", 0) != 0);
    if call.shape(a).len() != 2 || call.shape(b).len() != 2 {
        return Err(Refusal(format!("it multiplies {:?} by {:?}", call.shape(a), call.shape(b))));
    }
    if trans_a {
        a = call.transpose(a, vec![1, 0])?;
    }
    let (m, k) = (call.shape(a)[0], call.shape(a)[1]);
    let (kb, n) = if trans_b { (call.shape(b)[1], call.shape(b)[0]) } else { (call.shape(b)[0], call.shape(b)[1]) };
    if k != kb {
        return Err(Refusal(format!("{k} numbers do not fit a matrix for {kb}")));
    }
    let mut added = call.optional(2);
    if let Some(c) = added.filter(|_| (beta - 1.0).abs() > 0.0) {
        added = Some(scaled(call, c, beta)?);
    }
    let whole = (alpha - 1.0).abs() <= 0.0;
    let known = call.constant(b).is_some();
    let bias = added.filter(|c| whole && known && is_bias(call, *c, n));
    let mut inputs = vec![a, b];
    if let Some(bias) = bias {
        let flat = call.reshape(bias, vec![n])?;
        inputs.push(flat);
        added = None;
    }
    let mut out = if known {
        call.emit(Op::Linear { axis: 1, transposed: trans_b }, inputs, vec![m, n])?
    } else {
        let b = if trans_b { call.transpose(b, vec![1, 0])? } else { b };
        call.emit(Op::MatMul, vec![a, b], vec![m, n])?
    };
    if !whole {
        out = scaled(call, out, alpha)?;
    }
    if let Some(c) = added {
        let shape = broadcast(&[m, n], &call.shape(c))?;
        out = call.emit(Op::Binary(Binary::Add), vec![out, c], shape)?;
    }
    Ok(vec![out])
}

fn is_bias(call: &Call, id: ValueId, n: usize) -> bool {
    let shape = call.shape(id);
    call.constant(id).is_some() && (shape == [n] || shape == [1, n])
}

fn scaled(call: &mut Call, x: ValueId, factor: f32) -> Result<ValueId, Refusal> {
    let factor = call.add(Constant::filled(Vec::new(), factor));
    let shape = call.shape(x);
    call.emit(Op::Binary(Binary::Mul), vec![x, factor], shape)
}

/// Products of the last two axes. A constant matrix on the right makes a linear layer.
pub fn matmul(call: &mut Call) -> Lowers {
    let (a, b) = (call.input(0)?, call.input(1)?);
    product(call, a, b).map(|id| vec![id])
}

/// The product of two values.
pub fn product(call: &mut Call, mut a: ValueId, mut b: ValueId) -> Result<ValueId, Refusal> {
    let (row, column) = (call.shape(a).len() == 1, call.shape(b).len() == 1);
    if row {
        let k = call.shape(a)[0];
        a = call.reshape(a, vec![1, k])?;
    }
    if column {
        let k = call.shape(b)[0];
        b = call.reshape(b, vec![k, 1])?;
    }
    let (sa, sb) = (call.shape(a), call.shape(b));
    if sa.len() < 2 || sb.len() < 2 || sa[sa.len() - 1] != sb[sb.len() - 2] {
        return Err(Refusal(format!("it multiplies {sa:?} by {sb:?}")));
    }
    let (m, n) = (sa[sa.len() - 2], sb[sb.len() - 1]);
    let mut shape = broadcast(&sa[..sa.len() - 2], &sb[..sb.len() - 2])?;
    shape.extend([m, n]);
    let linear = call.constant(b).is_some() && sb.len() == 2 && call.constant(a).is_none();
    let op = if linear { Op::Linear { axis: sa.len() - 1, transposed: false } } else { Op::MatMul };
    let out = call.emit(op, vec![a, b], shape.clone())?;
    if !row && !column {
        return Ok(out);
    }
    if column {
        shape.pop();
    }
    if row {
        shape.remove(shape.len() - if column { 1 } else { 2 });
    }
    call.reshape(out, shape)
}
