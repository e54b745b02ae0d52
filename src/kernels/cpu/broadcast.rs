//! Functions of two maps with broadcasting: lines along which each operand is either contiguous or one value.

use super::buffer::Buffer;
use super::nhwc::Nhwc;
use super::simd::vectorised;
use crate::kernels::{Binary, Side};
use rayon::prelude::*;

/// Values a task takes at once, about.
const CHUNK: usize = 8 * 1024;

/// How two operands are read along the lines of a result.
struct Lines {
    /// Values of a line.
    length: usize,
    /// Lengths of the axes outside a line, outermost first, with the steps of both operands along each.
    outer: Vec<(usize, [usize; 2])>,
    /// Whether an operand has a value for each place of a line, or one for all of it.
    full: [bool; 2],
}

impl Lines {
    /// For operands of shape `a` and `b` that stretch to `to`, all `[N, H, W, C]`.
    fn new(to: [usize; 4], a: [usize; 4], b: [usize; 4]) -> Self {
        let full = |axis: usize| [a, b].map(|shape| shape[axis] == to[axis]);
        // The innermost axis that says something, and those outside it that say the same.
        let mut along = None;
        let mut first = 4;
        while first > 0 {
            let this = full(first - 1);
            if to[first - 1] != 1 && *along.get_or_insert(this) != this {
                break;
            }
            first -= 1;
        }
        let steps = |shape: [usize; 4], axis: usize| {
            if shape[axis] == 1 { 0 } else { shape[axis + 1..].iter().product() }
        };
        Self {
            length: to[first..].iter().product(),
            outer: (0..first).map(|axis| (to[axis], [steps(a, axis), steps(b, axis)])).collect(),
            full: along.unwrap_or([true; 2]),
        }
    }

    /// Where the operands' values of a line begin.
    #[inline(always)]
    fn starts(&self, mut line: usize) -> [usize; 2] {
        let mut starts = [0; 2];
        for (length, steps) in self.outer.iter().rev() {
            let at = line % length;
            line /= length;
            starts = [starts[0] + at * steps[0], starts[1] + at * steps[1]];
        }
        starts
    }

    /// Calls `work(first line, its values)` for every task's share of `values`.
    fn share(&self, values: &mut [f32], work: impl Fn(usize, &mut [f32]) + Sync) {
        let length = self.length.max(1);
        let lines = (CHUNK / length).max(1);
        values.par_chunks_mut(lines * length).enumerate().for_each(|(task, values)| work(task * lines, values));
    }
}

/// One `$to` = `$expression` of `$a` and `$b` after another, for every line of `$values` from `$first` on.
macro_rules! each {
    ($lines:ident, $first:ident, $values:ident, $from:ident, |$to:ident, $a:ident, $b:ident| $expression:expr) => {{
        let [left, right] = $from;
        for (line, values) in $values.chunks_mut($lines.length).enumerate() {
            let [at_a, at_b] = $lines.starts($first + line);
            let n = values.len();
            match $lines.full {
                [true, true] => {
                    let (left, right) = (&left[at_a..][..n], &right[at_b..][..n]);
                    for (($to, $a), $b) in values.iter_mut().zip(left).zip(right) {
                        let ($a, $b) = (*$a, *$b);
                        *$to = $expression;
                    }
                }
                [true, false] => {
                    let ($b, left) = (right[at_b], &left[at_a..][..n]);
                    for ($to, $a) in values.iter_mut().zip(left) {
                        let $a = *$a;
                        *$to = $expression;
                    }
                }
                _ => {
                    let ($a, right) = (left[at_a], &right[at_b..][..n]);
                    for ($to, $b) in values.iter_mut().zip(right) {
                        let $b = *$b;
                        *$to = $expression;
                    }
                }
            }
        }
    }};
}

/// The table of functions: which, f(a, b), ∂f/∂a and ∂f/∂b.
macro_rules! table {
    ($($binary:pat, |$a:ident, $b:ident| $value:expr, $by_a:expr, $by_b:expr;)*) => {
        vectorised! {
            fn values_of<S>(_s: S, binary: Binary, from: [&[f32]; 2], lines: &Lines, first: usize, values: &mut [f32]) {
                match binary {
                    $($binary => each!(lines, first, values, from, |to, $a, $b| $value),)*
                }
            }
        }
        vectorised! {
            fn times_slope<S>(_s: S,
                binary: Binary,
                side: Side,
                from: [&[f32]; 2],
                lines: &Lines,
                first: usize,
                values: &mut [f32],
            ) {
                match (binary, side) {
                    $(($binary, Side::Left) => each!(lines, first, values, from, |to, $a, $b| {
                        let _ = ($a, $b);
                        *to * $by_a
                    }),
                    ($binary, Side::Right) => each!(lines, first, values, from, |to, $a, $b| {
                        let _ = ($a, $b);
                        *to * $by_b
                    }),)*
                }
            }
        }
    };
}

table! {
    Binary::Add, |a, b| a + b, 1.0, 1.0;
    Binary::Sub, |a, b| a - b, 1.0, -1.0;
    Binary::Mul, |a, b| a * b, b, a;
    Binary::Div, |a, b| a / b, 1.0 / b, -a / (b * b);
    Binary::Pow, |a, b| a.powf(b), power_by_base(a, b), power_by_exponent(a, b);
    Binary::Min, |a, b| if a < b || a.is_nan() { a } else { b }, share_of(b, a), share_of(a, b);
    Binary::Max, |a, b| if a > b || a.is_nan() { a } else { b }, share_of(a, b), share_of(b, a);
    Binary::Equal, |a, b| equal(a, b), 0.0, 0.0;
    Binary::Less, |a, b| f32::from(a < b), 0.0, 0.0;
    Binary::LessOrEqual, |a, b| f32::from(a <= b), 0.0, 0.0;
}

/// What `v` gets of the gradient at the larger of both: all, half, or nothing.
#[inline(always)]
fn share_of(v: f32, other: f32) -> f32 {
    0.5 * (f32::from(v > other) + f32::from(v >= other))
}

#[inline(always)]
#[expect(clippy::float_cmp, reason = "the extreme of many values is one of them, to the bit")]
fn equal(a: f32, b: f32) -> f32 {
    f32::from(a == b)
}

#[inline(always)]
fn power_by_base(a: f32, b: f32) -> f32 {
    if b == 0.0 { 0.0 } else { b * a.powf(b - 1.0) }
}

#[inline(always)]
fn power_by_exponent(a: f32, b: f32) -> f32 {
    if a == 0.0 && b >= 0.0 { 0.0 } else { a.powf(b) * a.ln() }
}

impl Nhwc {
    fn dims(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }

    /// f(self, b), of the shape `[N, C, H, W]` to which both stretch.
    pub(in crate::kernels) fn combined(&self, b: &Self, binary: Binary, [n, c, h, w]: [usize; 4]) -> Self {
        let to = [n, h, w, c];
        let lines = Lines::new(to, self.dims(), b.dims());
        let mut y = Buffer::any(to.iter().product());
        let from = [self.data(), b.data()];
        lines.share(&mut y, |first, values| values_of(binary, from, &lines, first, values));
        Self::new(to, y)
    }

    /// This gradient, of the shape of the result, times ∂f/∂a or ∂f/∂b.
    pub(in crate::kernels) fn times_slope_of(mut self, binary: Binary, side: Side, a: &Self, b: &Self) -> Self {
        let lines = Lines::new(self.dims(), a.dims(), b.dims());
        let passes = matches!((binary, side), (Binary::Add, _) | (Binary::Sub, Side::Left));
        if !passes {
            let from = [a.data(), b.data()];
            let values = self.make_mut().0;
            lines.share(values, |first, values| times_slope(binary, side, from, &lines, first, values));
        }
        self
    }

    /// This map with its axes of length 1 stretched to the shape `[N, C, H, W]`.
    pub(in crate::kernels) fn broadcast_to(&self, [n, c, h, w]: [usize; 4]) -> Self {
        let to = [n, h, w, c];
        if self.dims() == to {
            return self.clone();
        }
        let lines = Lines::new(to, self.dims(), to);
        let mut y = Buffer::any(to.iter().product());
        let full = lines.full[0];
        lines.share(&mut y, |first, values| {
            for (line, values) in values.chunks_mut(lines.length.max(1)).enumerate() {
                let [at, _] = lines.starts(first + line);
                if full {
                    values.copy_from_slice(&self.data()[at..][..values.len()]);
                } else {
                    values.fill(self.data()[at]);
                }
            }
        });
        Self::new(to, y)
    }
}
