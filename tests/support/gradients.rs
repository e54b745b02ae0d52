//! What the tests of kernels share: both kernel sets, random maps, and gradients held against finite differences.
#![allow(dead_code, reason = "each test program uses a part")]

use candle_core::{Device, Result, Tensor};
use gradlens::kernels::{KernelSet, Map};

pub const BOTH: [KernelSet; 2] = [KernelSet::Fast, KernelSet::Candle];

pub fn random(seed: u64, shape: [usize; 4]) -> Tensor {
    gradlens::optim::noise(&mut gradlens::optim::step_rng(seed, 0), &shape, &Device::Cpu).expect("noise")
}

pub fn tensor(shape: [usize; 4], values: &[f32]) -> Tensor {
    Tensor::from_slice(values, shape.to_vec(), &Device::Cpu).expect("as many values as the shape has")
}

/// 0, 1, 2, … of a shape.
pub fn counted(shape: [usize; 4]) -> Tensor {
    tensor(shape, &(0..shape.iter().product::<usize>()).map(|v| v as f32).collect::<Vec<_>>())
}

pub fn map(x: &Tensor, set: KernelSet) -> Map {
    Map::from_tensor(x, set).expect("a map")
}

pub fn values(x: &Map) -> Vec<f32> {
    x.to_tensor().and_then(|t| t.flatten_all()?.to_vec1::<f32>()).expect("float32 values")
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Every value within `tolerance` of the expected one, absolutely or relatively; what is not finite exactly.
pub fn close(name: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{name}: {found:?} for {expected:?}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        assert!(same || (a - b).abs() <= tolerance * b.abs().max(1.0), "{name}[{i}]: {a} for {b} ({found:?})");
    }
}

/// ⟨J·v, u⟩ measured by central differences against ⟨v, Jᵀ·u⟩ from the vjp, on both sets of kernels; and what the two sets
/// compute against each other, both ways.
pub fn check(
    name: &str,
    x: &Tensor,
    forward: impl Fn(&Map) -> Result<Map>,
    vjp: impl Fn(&Map, &Map, Map) -> Result<Map>,
) {
    let mut computed = vec![];
    for set in BOTH {
        let y = forward(&map(x, set)).expect("forward");
        let u = random(77, y.shape());
        let dx = vjp(&map(x, set), &y, map(&u, set)).expect("vjp");
        assert_eq!(dx.shape().as_slice(), x.dims(), "{name} on {set:?}");
        let (u, claimed) = (values(&map(&u, set)), values(&dx));
        let v = random(78, dx.shape());
        let at = |t: f64| {
            let moved = (x + (&v * t).expect("scaled")).expect("moved");
            dot(&values(&forward(&map(&moved, set)).expect("forward")), &u)
        };
        // Richardson's extrapolation: the third derivative falls out, and the step is wide enough for float32.
        let slope = |step: f64| (at(step) - at(-step)) / (2.0 * step);
        let measured = (4.0 * slope(4e-3) - slope(8e-3)) / 3.0;
        let v = values(&map(&v, set));
        let scale = (dot(&v, &v) * dot(&claimed, &claimed)).sqrt();
        let error = (measured - dot(&v, &claimed)).abs();
        assert!(error < 2e-3 * scale + 1e-4, "{name} on {set:?}: {} for {measured}", dot(&v, &claimed));
        computed.push([values(&y), claimed]);
    }
    for (part, fast) in ["y", "∂x"].iter().zip(0..) {
        alike(&format!("{name}: {part}"), &computed[0][fast], &computed[1][fast]);
    }
}

pub fn norm(a: &[f32]) -> f64 {
    dot(a, a).sqrt()
}

/// What the two sets have computed: the same up to rounding.
pub fn alike(name: &str, a: &[f32], b: &[f32]) {
    alike_beside(name, a, b, norm(b));
}

/// The same up to the rounding of values with this norm: of what was added, where sums may cancel.
pub fn alike_beside(name: &str, a: &[f32], b: &[f32], size: f64) {
    assert_eq!(a.len(), b.len(), "{name}");
    let difference: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let error = norm(&difference);
    assert!(error <= 1e-5 * size + 1e-7, "{name}: the two sets differ by {error} of {size}");
}
