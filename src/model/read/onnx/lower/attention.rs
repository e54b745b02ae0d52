//! Attention as one operator (opset 23), taken apart into products and a softmax.

use super::call::{Call, Lowers, broadcast};
use super::matrix::product;
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::constant::{Constant, Element};
use crate::model::read::onnx::ir::ValueId;
use crate::model::read::onnx::op::{Binary, Op};

/// softmax(scale · Q·Kᵀ + mask) · V, for heads as an axis or side by side.
pub fn attention(call: &mut Call) -> Lowers {
    let ids = [call.input(0)?, call.input(1)?, call.input(2)?];
    let window = ["left_window_size", "right_window_size"].iter().any(|name| call.int(name, -1) >= 0);
    let other = window || ["is_causal", "qk_matmul_output_mode"].iter().any(|name| call.int(name, 0) != 0);
    if other || call.float("softcap", 0.0) != 0.0 || call.inputs.len() > 4 {
        return Err(Refusal::new("causal, windowed or cached attention is not supported"));
    }
    let shape = call.shape(ids[0]);
    let [q, k, v] = match shape.len() {
        4 => ids,
        3 => {
            let count = ["q_num_heads", "kv_num_heads", "kv_num_heads"].map(|name| call.int(name, 0));
            let mut apart = ids;
            for (id, count) in apart.iter_mut().zip(count) {
                *id = heads(call, *id, count)?;
            }
            apart
        }
        rank => return Err(Refusal(format!("it works on values of {rank} axes, and 3 and 4 are understood"))),
    };
    let (of_q, of_k) = (call.shape(q), call.shape(k));
    if of_k.len() != 4 || of_q[1] != of_k[1] {
        return Err(Refusal(format!("queries {of_q:?} and keys {of_k:?} have different numbers of heads")));
    }
    let scale = call.float("scale", 1.0 / (of_q[3] as f32).sqrt());
    let scale = call.add(Constant::filled(Vec::new(), scale));
    let q = call.emit(Op::Binary(Binary::Mul), vec![q, scale], of_q)?;
    let k = call.transpose(k, vec![0, 1, 3, 2])?;
    let mut weights = product(call, q, k)?;
    if let Some(mask) = call.optional(3) {
        if call.element(mask) != Element::Float {
            return Err(Refusal::new("its mask is of truth values, which is not supported"));
        }
        let shape = broadcast(&call.shape(weights), &call.shape(mask))?;
        weights = call.emit(Op::Binary(Binary::Add), vec![weights, mask], shape)?;
    }
    let among = call.shape(weights);
    let weights = call.emit(Op::Softmax { axis: 3, log: false }, vec![weights], among)?;
    let out = product(call, weights, v)?;
    if shape.len() == 4 {
        return Ok(vec![out]);
    }
    let of_out = call.shape(out);
    let turned = call.transpose(out, vec![0, 2, 1, 3])?;
    Ok(vec![call.reshape(turned, vec![of_out[0], of_out[2], of_out[1] * of_out[3]])?])
}

/// Heads that lie side by side, as an axis: `[N, T, H·D]` to `[N, H, T, D]`.
fn heads(call: &mut Call, x: ValueId, count: i64) -> Result<ValueId, Refusal> {
    let shape = call.shape(x);
    let count = usize::try_from(count).ok().filter(|n| *n > 0 && shape.len() == 3 && shape[2].is_multiple_of(*n));
    let count = count.ok_or_else(|| Refusal(format!("{shape:?} does not divide into heads")))?;
    let apart = call.reshape(x, vec![shape[0], shape[1], count, shape[2] / count])?;
    call.transpose(apart, vec![0, 2, 1, 3])
}
