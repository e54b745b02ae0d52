//! Einstein sums of two values, as transpositions and a product of matrices.

use super::call::{Call, Lowers};
use super::matrix::product;
use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::ir::ValueId;
use std::collections::HashMap;

/// Sums over the letters that the result does not have.
pub fn einsum(call: &mut Call) -> Lowers {
    let equation: String = call.text("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
    let unclear = || Refusal(format!("the equation \"{}\" is not understood", equation.escape_debug()));
    let (left, result) = equation.split_once("->").ok_or_else(unclear)?;
    let (a, b) = left.split_once(',').ok_or_else(unclear)?;
    let [a, b, out] = [a, b, result].map(|letters| letters.chars().collect::<Vec<char>>());
    let plain =
        |letters: &[char]| letters.iter().enumerate().all(|(i, c)| c.is_alphabetic() && !letters[..i].contains(c));
    let (x, y) = (call.input(0)?, call.input(1)?);
    let (xs, ys) = (call.shape(x), call.shape(y));
    if !(plain(&a) && plain(&b) && plain(&out)) || a.len() != xs.len() || b.len() != ys.len() {
        return Err(unclear());
    }
    let mut extent: HashMap<char, usize> = HashMap::new();
    for (letter, n) in a.iter().zip(&xs).chain(b.iter().zip(&ys)) {
        if extent.insert(*letter, *n).is_some_and(|before| before != *n) {
            return Err(Refusal(format!(
                "{xs:?} and {ys:?} do not fit the equation \"{}\"",
                equation.escape_debug()
            )));
        }
    }
    let pick =
        |from: &[char], keep: &dyn Fn(&char) -> bool| from.iter().copied().filter(|c| keep(c)).collect::<Vec<_>>();
    let batch = pick(&a, &|c| b.contains(c) && out.contains(c));
    let summed = pick(&a, &|c| b.contains(c) && !out.contains(c));
    let rows = pick(&a, &|c| !b.contains(c));
    let columns = pick(&b, &|c| !a.contains(c));
    let made = [batch.as_slice(), &rows, &columns].concat();
    // A letter of one side alone that the result lacks would be summed beforehand, which nobody writes.
    if made.len() != out.len() || made.iter().any(|c| !out.contains(c)) {
        return Err(unclear());
    }
    let left = arranged(call, x, &a, [&batch, &rows, &summed], &extent)?;
    let right = arranged(call, y, &b, [&batch, &summed, &columns], &extent)?;
    let multiplied = product(call, left, right)?;
    let extents = made.iter().map(|c| extent[c]).collect();
    let apart = call.reshape(multiplied, extents)?;
    let perm = out.iter().map(|c| made.iter().position(|m| m == c).unwrap_or(0)).collect();
    Ok(vec![call.transpose(apart, perm)?])
}

/// A value with its letters in three runs, each run one axis (the first one none, if it is empty).
fn arranged(
    call: &mut Call,
    x: ValueId,
    letters: &[char],
    runs: [&[char]; 3],
    extent: &HashMap<char, usize>,
) -> Result<ValueId, Refusal> {
    let order = runs.concat();
    let perm = order.iter().map(|c| letters.iter().position(|l| l == c).unwrap_or(0)).collect();
    let turned = call.transpose(x, perm)?;
    let size = |run: &[char]| run.iter().map(|c| extent[c]).product::<usize>();
    let mut shape: Vec<usize> = runs.iter().map(|run| size(run)).collect();
    if runs[0].is_empty() {
        shape.remove(0);
    }
    call.reshape(turned, shape)
}
