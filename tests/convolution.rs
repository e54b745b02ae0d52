//! Convolutions and transposed convolutions: both sets of kernels against PyTorch, finite differences and each other.

mod support {
    pub mod cases;
    pub mod gradients;
    pub mod narrower;
}

use candle_core::{Result, Tensor};
use gradlens::kernels::{
    Activation, Conv2d, ConvShape, ConvTranspose2d, Gate, KernelSet, Map, Padding, ReluRule, add,
};
use proptest::prelude::*;
use support::gradients::{BOTH, alike, check, map, random, tensor, values};

/// (i · step) mod `modulus`, about 0: whole numbers, whose sums are exact.
fn pattern(shape: [usize; 4], step: usize, modulus: usize) -> Tensor {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i * step % modulus) as f32 - (modulus / 2) as f32).collect();
    tensor(shape, &values)
}

fn vector(seed: u64, len: usize) -> Tensor {
    random(seed, [1, len, 1, 1]).flatten_all().expect("a vector")
}

#[rustfmt::skip]
mod pytorch {
    /// `F.conv2d(F.pad(x, (2, 1, 1, 0)), w, b, stride=(2, 1), dilation=(1, 2), groups=2)` of patterns, its gradient.
    pub const CONV: [f32; 48] = [20., 1., -20., 4., -5., -18., -26., 25., 13., -53., 13., 2., -12., 0., 34., 10., 8., -8., 17., -15., 12., 49., -2., 14., 3., 18., -14., 23., -28., -15., -15., 7., 44., -3., -6., -17., 5., -21., 7., -5., -6., -1., 18., -5., -14., 14., 9., 15.];
    pub const CONV_GRADIENT: [f32; 80] = [2., 8., -1., -5., 2., -11., 2., 10., -2., -5., 8., -1., -5., -4., 2., 3., -1., 0., 1., 0., 1., 0., -1., 3., -3., -13., 1., -10., 14., 5., 0., -1., 3., -3., 3., -5., -1., 8., 2., -6., 0., -2., 11., -1., -8., -6., -5., -9., 7., 6., -2., 11., -1., -8., 3., 0., -8., -1., 11., -1., 1., -3., 3., -1., 6., 8., 14., -10., 1., -6., -3., 3., -1., 0., -2., 6., -9., 6., -9., 1.];
    /// `F.conv_transpose2d(x, w, b, stride=(2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(2, 1), groups=2)`.
    pub const TRANSPOSED: [f32; 64] = [-2., -2., -2., -2., -2., -2., -2., -2., 10., -35., 4., -21., 20., -9., -2., -2., -2., -2., -2., -2., -2., -2., -2., -2., 2., -16., 8., -12., 13., 3., -2., -2., 1., 1., 1., 1., 1., 1., 1., 1., 1., 11., 7., 11., 3., 9., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., -16., 11., 3., -12., 3., 11., 1., 1.];
    pub const TRANSPOSED_GRADIENT: [f32; 16] = [-6., -3., -11., 3., -6., 8., 1., 2., -2., 8., -2., 6., 8., -6., -9., 4.];
}

#[test]
fn a_grouped_dilated_convolution_is_pytorchs() {
    let (x, w) = (pattern([1, 4, 4, 5], 7, 11), pattern([4, 2, 3, 2], 5, 7));
    let bias = pattern([1, 4, 1, 1], 3, 5).flatten_all().expect("a bias");
    let shape = ConvShape { stride: [2, 1], padding: Padding::Explicit([1, 2, 0, 1]), dilation: [1, 2], groups: 2 };
    let conv = Conv2d::new(w, Some(bias), shape).expect("a convolution");
    for set in BOTH {
        let y = conv.forward(&map(&x, set), None).expect("forward");
        assert_eq!(values(&y), pytorch::CONV, "{set:?}");
        let dx = conv.vjp((4, 5), &map(&pattern([1, 4, 2, 6], 3, 5), set)).expect("vjp");
        assert_eq!(values(&dx), pytorch::CONV_GRADIENT, "{set:?}");
    }
}

#[test]
fn a_transposed_convolution_is_pytorchs() {
    let (x, w) = (pattern([1, 4, 2, 2], 7, 11), pattern([4, 1, 2, 3], 5, 7));
    let bias = pattern([1, 2, 1, 1], 3, 5).flatten_all().expect("a bias");
    let shape = ConvShape { stride: [2, 3], padding: Padding::symmetric([1, 0]), dilation: [2, 1], groups: 2 };
    let layer = ConvTranspose2d::new(&w, Some(bias), shape, [1, 2]).expect("a transposed convolution");
    assert_eq!(layer.output_shape([4, 2, 2]).expect("a shape"), [2, 4, 8]);
    for set in BOTH {
        let y = layer.forward(&map(&x, set), None).expect("forward");
        assert_eq!(values(&y), pytorch::TRANSPOSED, "{set:?}");
        let dx = layer.vjp((2, 2), &map(&pattern([1, 2, 4, 8], 3, 5), set)).expect("vjp");
        assert_eq!(values(&dx), pytorch::TRANSPOSED_GRADIENT, "{set:?}");
    }
}

fn conv(seed: u64, weight: [usize; 4], stride: usize, padding: Padding, groups: usize) -> Conv2d {
    let shape = ConvShape { stride: [stride; 2], padding, groups, ..ConvShape::default() };
    Conv2d::new(random(seed, weight), Some(vector(seed + 1, weight[0])), shape).expect("a convolution")
}

#[test]
fn layers_of_networks() {
    let (none, same) = (Padding::NONE, Padding::SameUpper);
    let cases = [
        ("3×3", conv(1, [5, 3, 3, 3], 1, Padding::uniform(1), 1)),
        ("3×3 stride 2 SAME (a stem)", conv(2, [6, 3, 3, 3], 2, same, 1)),
        ("1×1", conv(3, [20, 3, 1, 1], 1, none, 1)),
        ("1×1 with a border (SqueezeNet 1.0)", conv(3, [20, 3, 1, 1], 1, Padding::uniform(1), 1)),
        ("1×1 stride 2 (a shortcut)", conv(4, [7, 3, 1, 1], 2, none, 1)),
        ("7×7 stride 2", conv(5, [4, 3, 7, 7], 2, Padding::uniform(3), 1)),
        ("11×11 stride 4", conv(6, [4, 3, 11, 11], 4, Padding::uniform(2), 1)),
        ("3×3 depthwise", conv(7, [3, 1, 3, 3], 1, same, 3)),
        ("5×5 depthwise stride 2 SAME", conv(8, [3, 1, 5, 5], 2, same, 3)),
        ("3×3 stride 2 SAME_LOWER", conv(8, [3, 3, 3, 3], 2, Padding::SameLower, 1)),
        ("3×5, not square", conv(9, [4, 3, 3, 5], 1, same, 1)),
    ];
    for (name, conv) in cases {
        for (h, w) in [(13, 18), (16, 11), (12, 12)] {
            let x = random(40, [2, 3, h, w]);
            check(name, &x, |x| conv.forward(x, None), |_, _, dy| conv.vjp((h, w), &dy));
        }
    }
    let linear = conv(11, [10, 6, 3, 4], 1, none, 1);
    check("linear", &random(42, [2, 6, 3, 4]), |x| linear.forward(x, None), |_, _, dy| linear.vjp((3, 4), &dy));
}

#[test]
fn wrong_inputs_are_errors() {
    let layer = conv(12, [4, 3, 5, 5], 1, Padding::NONE, 1);
    for set in BOTH {
        assert!(layer.forward(&map(&random(1, [1, 2, 9, 9]), set), None).is_err(), "channels");
        assert!(layer.forward(&map(&random(1, [1, 3, 4, 9]), set), None).is_err(), "too small");
        assert!(layer.vjp((9, 9), &map(&random(1, [1, 4, 9, 9]), set)).is_err(), "not the output's size");
        assert!(layer.vjp((usize::MAX, 9), &map(&random(1, [1, 4, 9, 5]), set)).is_err(), "no such size");
    }
}

/// Numbers that overflow or want more memory than there is are refused, before anything is computed.
#[test]
fn huge_numbers_are_errors() {
    let plain = ConvShape::default();
    let refused = |shape: ConvShape, set| {
        let x = map(&random(2, [1, 3, 9, 9]), set);
        let forward = Conv2d::new(random(1, [4, 3, 3, 3]), None, shape).and_then(|conv| conv.forward(&x, None));
        let transposed = ConvTranspose2d::new(&random(1, [3, 4, 3, 3]), None, shape, [0; 2])
            .and_then(|conv| conv.forward(&x, None));
        assert!(forward.is_err() && transposed.is_err(), "{shape:?} on {set:?}");
    };
    for set in BOTH {
        for number in [usize::MAX, usize::MAX / 2 + 1, 1 << 40, (1 << 24) + 1] {
            refused(ConvShape { stride: [number, 1], ..plain }, set);
            refused(ConvShape { padding: Padding::Explicit([0, number, 0, number]), ..plain }, set);
            refused(ConvShape { padding: Padding::uniform(number), ..plain }, set);
            refused(ConvShape { dilation: [1, number], ..plain }, set);
            refused(ConvShape { groups: number, ..plain }, set);
        }
        refused(ConvShape { stride: [0, 1], ..plain }, set);
        refused(ConvShape { groups: 0, ..plain }, set);
        // Larger than any memory, forwards or backwards.
        let (dilation, padding) = ([1 << 22; 2], Padding::uniform(1 << 22));
        refused(ConvShape { dilation, padding, stride: [1; 2], groups: 1 }, set);
    }
}

/// What property tests draw: channels of a group, groups, a size, and how the kernel moves.
#[derive(Debug, Clone)]
struct Case {
    n: usize,
    groups: usize,
    inputs: usize,
    outputs: usize,
    size: (usize, usize),
    kernel: [usize; 2],
    shape: ConvShape,
    seed: u64,
}

prop_compose! {
    fn cases()(
        n in 1usize..3,
        (groups, inputs, outputs) in prop_oneof![
            (Just(1usize), 1usize..40, 1usize..70),
            (2usize..6, 1usize..9, 1usize..40),
            (2usize..40, Just(1usize), 1usize..3),
        ],
        size in (1usize..20, 1usize..40),
        kernel in [1usize..6, 1usize..6],
        stride in [1usize..4, 1usize..4],
        dilation in prop_oneof![3 => Just([1usize, 1]), 2 => [1usize..4, 1usize..4]],
        pads in [0usize..4, 0usize..4, 0usize..4, 0usize..4],
        padding in 0..4,
        seed in 0u64..1000,
    ) -> Case {
        let padding = match padding {
            0 => Padding::SameUpper,
            1 => Padding::SameLower,
            2 => Padding::symmetric([kernel[0] / 2, kernel[1] / 2]),
            _ => Padding::Explicit(pads),
        };
        Case { n, groups, inputs, outputs, size, kernel, shape: ConvShape { stride, padding, dilation, groups }, seed }
    }
}

/// A layer's `forward_onto` and `vjp_through`, with everything that they do on the way, on both sets; on the fast one also step
/// by step.
fn both_ways(
    case: &Case,
    x: &Tensor,
    forward: impl Fn(&Map, Option<&Map>, Option<Activation>) -> Result<Map>,
    vjp: impl Fn(&Map, Option<&Map>, Option<Gate<'_>>) -> Result<Map>,
) -> std::result::Result<(), TestCaseError> {
    let plain = BOTH.map(|set| forward(&map(x, set), None, None));
    let [Ok(fast), Ok(candle)] = &plain else {
        prop_assert!(plain.iter().all(Result::is_err), "both sets refuse a shape, or none");
        return Ok(());
    };
    alike("y", &values(fast), &values(candle));
    let onto = random(case.seed + 2, fast.shape());
    let u = random(case.seed + 3, fast.shape());
    let gate = random(case.seed + 4, map(x, KernelSet::Fast).shape());
    let computed = BOTH.map(|set| {
        let y = forward(&map(x, set), Some(&map(&onto, set)), Some(Activation::Relu6)).expect("forward");
        let rectified = Activation::Relu.forward(map(&gate, set)).expect("a rectifier");
        let through = Gate { y: &rectified, activation: Activation::Relu, rule: ReluRule::Guided };
        let dx = vjp(&map(&u, set), Some(&map(x, set)), Some(through)).expect("vjp");
        [values(&y), values(&dx)]
    });
    alike("y, onto and rectified", &computed[0][0], &computed[1][0]);
    alike("∂x, onto and gated", &computed[0][1], &computed[1][1]);
    // One by one it is the same to the bit.
    let set = KernelSet::Fast;
    let sum = add(fast.clone(), &map(&onto, set)).and_then(|y| Activation::Relu6.forward(y)).expect("a sum");
    prop_assert_eq!(&values(&sum), &computed[0][0]);
    let plain = vjp(&map(&u, set), None, None).expect("vjp");
    let rectified = Activation::Relu.forward(map(&gate, set)).expect("a rectifier");
    let sum = add(plain.clone(), &map(x, set)).and_then(|dx| Activation::Relu.vjp(&rectified, dx, ReluRule::Guided));
    prop_assert_eq!(&values(&sum.expect("a gate")), &computed[0][1]);
    // ⟨J·x, u⟩ = ⟨x, Jᵀ·u⟩ for what is linear in it: the layer less its bias.
    let zero = forward(&map(&x.zeros_like().expect("zeros"), set), None, None).expect("forward");
    let linear: Vec<f32> = values(fast).iter().zip(values(&zero)).map(|(y, bias)| y - bias).collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let (x, u, dx) = (values(&map(x, set)), values(&map(&u, set)), values(&plain));
    let scale = (dot(&x, &x) * dot(&dx, &dx)).sqrt() + (dot(&u, &u) * dot(&linear, &linear)).sqrt();
    let difference = (dot(&linear, &u) - dot(&x, &dx)).abs();
    prop_assert!(difference <= 1e-5 * scale + 1e-6, "{} of {}", difference, scale);
    Ok(())
}

proptest! {
    #![proptest_config(support::cases::cases(256))]

    #[test]
    fn convolutions_of_any_shape(case in cases()) {
        let Case { n, groups, inputs, outputs, size: (h, w), kernel: [kh, kw], shape, seed } = case.clone();
        let o = groups * outputs;
        let layer = Conv2d::new(random(seed, [o, inputs, kh, kw]), Some(vector(seed + 1, o)), shape).expect("a layer");
        let layer = if seed % 2 == 0 { layer } else { layer.scaled(vector(seed + 5, o)).expect("a scale") };
        let x = random(seed + 7, [n, groups * inputs, h, w]);
        let forward = |x: &Map, onto: Option<&Map>, activation| layer.forward_onto(x, onto, activation);
        both_ways(&case, &x, forward, |dy, onto, gate| layer.vjp_through((h, w), dy, onto, gate))?;
        // Without a transform of the weights the numbers are the same.
        let (once, x) = (layer.once(), map(&x, KernelSet::Fast));
        if let Ok(y) = layer.forward(&x, None) {
            alike("y, once", &values(&once.forward(&x, None).expect("as the other")), &values(&y));
            let dy = map(&random(seed + 3, y.shape()), KernelSet::Fast);
            let dx = [&once, &layer].map(|layer| values(&layer.vjp((h, w), &dy).expect("vjp")));
            alike("∂x, once", &dx[0], &dx[1]);
        }
    }

    #[test]
    fn transposed_convolutions_of_any_shape(case in cases(), longer in [0usize..3, 0usize..3]) {
        let Case { n, groups, inputs, outputs, size: (h, w), kernel: [kh, kw], shape, seed } = case.clone();
        let o = groups * outputs;
        let longer = match shape.padding {
            Padding::Explicit(_) => [0, 1].map(|i| longer[i].min(shape.stride[i].max(shape.dilation[i]) - 1)),
            _ => [0; 2],
        };
        let weight = random(seed, [groups * inputs, outputs, kh, kw]);
        let layer = ConvTranspose2d::new(&weight, Some(vector(seed + 1, o)), shape, longer).expect("a layer");
        let layer = if seed % 2 == 0 { layer } else { layer.scaled(vector(seed + 5, o)).expect("a scale") };
        let x = random(seed + 7, [n, groups * inputs, h, w]);
        let forward = |x: &Map, onto: Option<&Map>, activation| layer.forward_onto(x, onto, activation);
        both_ways(&case, &x, forward, |dy, onto, gate| layer.vjp_through((h, w), dy, onto, gate))?;
    }
}

#[test]
fn narrower_vectors_agree_too() {
    support::narrower::all_tests_pass();
}
