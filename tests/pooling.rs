//! Pooling: both sets of kernels against PyTorch, finite differences and each other.

mod support {
    pub mod cases;
    pub mod gradients;
    pub mod narrower;
}

use candle_core::Tensor;
use gradlens::kernels::{
    Activation, AvgPool, Gate, GlobalAvgPool, KernelSet, Map, MaxPool, Padding, ReluRule, WindowShape, add,
};
use proptest::prelude::*;
use support::gradients::{BOTH, alike, check, close, map, random, tensor, values};

/// (i · 5) mod 7 − 3: whole numbers with ties.
fn pattern(shape: [usize; 4]) -> Tensor {
    let count = shape.iter().product::<usize>();
    tensor(shape, &(0..count).map(|i| (i * 5 % 7) as f32 - 3.0).collect::<Vec<_>>())
}

/// (i · 3) mod 5 + 1.
fn gradient(shape: [usize; 4]) -> Tensor {
    let count = shape.iter().product::<usize>();
    tensor(shape, &(0..count).map(|i| (i * 3 % 5) as f32 + 1.0).collect::<Vec<_>>())
}

#[rustfmt::skip]
mod pytorch {
    /// `F.max_pool2d(x, (3, 2), stride=(2, 3), padding=(1, 1), dilation=(1, 2), ceil_mode=True)`, its gradient.
    pub const MAX: [f32; 12] = [2., 3., 1., 2., 3., 1., 2., 3., 1., 2., 3., 1.];
    pub const MAX_GRADIENT: [f32; 42] = [0., 1., 0., 0., 4., 2., 0., 0., 5., 0., 0., 3., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 4., 0., 0., 2., 5., 0., 0., 0., 0., 0., 0., 0., 0., 0., 3., 0., 0., 1., 4., 0.];
    /// `F.avg_pool2d(x, (3, 2), stride=(2, 3), padding=(1, 1), ceil_mode=True, count_include_pad=…)`, its gradient;
    /// twelve times.
    pub const MEAN_WITH_PADDING: [f32; 12] = [-8., 0., 8., 6., -6., 2., 2., 0., -2., 0., 12., -9.];
    pub const MEAN_WITH_PADDING_GRADIENT: [f32; 36] = [2., 0., 8., 8., 0., 4., 12., 0., 14., 14., 0., 6., 10., 0., 6., 6., 0., 2., 18., 0., 10., 10., 0., 12., 8., 0., 4., 4., 0., 10., 17., 0., 7., 7., 0., 22.];
    pub const MEAN: [f32; 12] = [-24., 0., 24., 12., -6., 4., 4., 0., -4., 0., 24., -36.];
    pub const MEAN_GRADIENT: [f32; 36] = [6., 0., 12., 12., 0., 12., 26., 0., 18., 18., 0., 16., 20., 0., 6., 6., 0., 4., 36., 0., 10., 10., 0., 24., 16., 0., 4., 4., 0., 20., 52., 0., 10., 10., 0., 68.];
}

#[test]
fn pooling_is_pytorchs() {
    let window =
        WindowShape { kernel: [3, 2], stride: [2, 3], padding: Padding::uniform(1), dilation: [1, 2], ceil: true };
    let means = WindowShape { dilation: [1, 1], ..window };
    let with = (AvgPool { window: means, count_include_pad: true }, pytorch::MEAN_WITH_PADDING);
    let without = (AvgPool { window: means, count_include_pad: false }, pytorch::MEAN);
    for set in BOTH {
        let (pool, x, u) = (MaxPool { window }, map(&pattern([1, 1, 6, 7]), set), gradient([1, 1, 4, 3]));
        assert_eq!(values(&pool.forward(&x).expect("forward")), pytorch::MAX, "{set:?}");
        let dx = pool.vjp(&x, &map(&u, set)).expect("vjp");
        assert_eq!(values(&dx), pytorch::MAX_GRADIENT, "{set:?}");
        let gradients = [pytorch::MEAN_WITH_PADDING_GRADIENT, pytorch::MEAN_GRADIENT];
        for ((pool, mean), gradient) in [with, without].into_iter().zip(gradients) {
            let x = map(&pattern([1, 1, 6, 6]), set);
            let twelve = |v: &Map| values(v).iter().map(|v| v * 12.0).collect::<Vec<_>>();
            close("mean", &twelve(&pool.forward(&x).expect("forward")), &mean, 2e-6);
            let dx = pool.vjp((6, 6), &map(&u, set)).expect("vjp");
            close("its gradient", &twelve(&dx), &gradient, 2e-6);
        }
    }
}

#[test]
fn layers_of_networks() {
    let windows = [
        WindowShape::square(2, 2),
        WindowShape { ceil: true, ..WindowShape::square(3, 2) },
        WindowShape { padding: Padding::uniform(1), ..WindowShape::square(3, 2) },
        WindowShape { padding: Padding::SameUpper, ..WindowShape::square(3, 2) },
        WindowShape { padding: Padding::SameLower, ..WindowShape::square(2, 1) },
        WindowShape { padding: Padding::uniform(1), ..WindowShape::square(3, 1) },
    ];
    for window in windows {
        for (h, w) in [(8, 8), (9, 12), (7, 5)] {
            // Values so far apart that finite differences do not change which is the largest.
            let count = 2 * 3 * h * w;
            let x: Vec<f32> = (0..count).map(|i| (i * 37 % count) as f32 * 0.2).collect();
            let x = tensor([2, 3, h, w], &x);
            let (max, mean) = (MaxPool { window }, AvgPool { window, count_include_pad: h % 2 == 0 });
            let name = format!("{window:?} on {h}×{w}");
            check(&format!("max, {name}"), &x, |x| max.forward(x), |x, _, dy| max.vjp(x, &dy));
            check(&format!("mean, {name}"), &x, |x| mean.forward(x), |_, _, dy| mean.vjp((h, w), &dy));
        }
    }
    let x = random(45, [3, 4, 5, 6]);
    check("global mean", &x, |x| GlobalAvgPool.forward(x), |_, _, dy| GlobalAvgPool.vjp((5, 6), &dy));
}

#[test]
fn ties_go_to_the_first_pixel() {
    let x = tensor([1, 1, 2, 2], &[1.0; 4]);
    let pool = MaxPool { window: WindowShape::square(2, 2) };
    for set in BOTH {
        let dx = pool.vjp(&map(&x, set), &map(&tensor([1, 1, 1, 1], &[5.0]), set)).expect("vjp");
        assert_eq!(values(&dx), [5.0, 0.0, 0.0, 0.0], "{set:?}");
    }
}

/// Windows that overflow, read nothing or want more memory than there is are refused.
#[test]
fn huge_numbers_are_errors() {
    let plain = WindowShape::square(2, 1);
    for number in [usize::MAX, usize::MAX / 2 + 1, 1 << 40, (1 << 24) + 1] {
        let windows = [
            WindowShape { kernel: [number, 2], ..plain },
            WindowShape { stride: [2, number], ..plain },
            WindowShape { dilation: [number, 1], ..plain },
            WindowShape { padding: Padding::Explicit([0, 0, number, 0]), ..plain },
            WindowShape { kernel: [number; 2], padding: Padding::uniform(number), ceil: true, ..plain },
            WindowShape { kernel: [0, 2], ..plain },
            WindowShape { padding: Padding::uniform(2), ..plain },
        ];
        for window in windows {
            for set in BOTH {
                let x = map(&random(1, [1, 2, 9, 9]), set);
                let (max, mean) = (MaxPool { window }, AvgPool { window, count_include_pad: true });
                assert!(max.forward(&x).is_err() && max.vjp(&x, &x).is_err(), "{window:?} on {set:?}");
                assert!(mean.forward(&x).is_err() && mean.vjp((9, 9), &x).is_err(), "{window:?} on {set:?}");
            }
        }
    }
    let pixel = map(&random(1, [1, 2, 1, 1]), KernelSet::Fast);
    assert!(GlobalAvgPool.vjp((usize::MAX, 2), &pixel).is_err());
    assert!(GlobalAvgPool.vjp((0, 2), &pixel).is_err());
}

prop_compose! {
    fn windows()(
        kernel in [1usize..5, 1usize..5],
        stride in [1usize..5, 1usize..5],
        dilation in prop_oneof![Just([1usize, 1]), [1usize..4, 1usize..4]],
        pads in [0usize..8, 0usize..8, 0usize..8, 0usize..8],
        padding in 0..4,
        ceil: bool,
    ) -> WindowShape {
        let extent = |i: usize| (kernel[i % 2] - 1) * dilation[i % 2] + 1;
        let padding = match padding {
            0 => Padding::SameUpper,
            1 => Padding::SameLower,
            2 => Padding::NONE,
            _ => Padding::Explicit(std::array::from_fn(|i| pads[i] % extent(i))),
        };
        WindowShape { kernel, stride, padding, dilation, ceil }
    }
}

proptest! {
    #![proptest_config(support::cases::cases(256))]

    /// Both pools with what is added and gated on the way, on both sets; on the fast one also step by step.
    #[test]
    fn windows_of_any_shape(
        window in windows(), count_include_pad: bool, c in 1usize..40, h in 1usize..20, w in 1usize..20, seed in 0u64..1000,
    ) {
        let (max, mean) = (MaxPool { window }, AvgPool { window, count_include_pad });
        // Whole numbers: there are ties.
        let x = (random(seed, [2, c, h, w]) * 3.0).and_then(|x| x.round()).expect("rounded");
        let onto = random(seed + 1, [2, c, h, w]);
        let Ok([_, out_h, out_w]) = max.output_shape([c, h, w]) else {
            prop_assert!(BOTH.iter().all(|set| max.forward(&map(&x, *set)).is_err()));
            return Ok(());
        };
        let u = random(seed + 2, [2, c, out_h, out_w]);
        let run = |set| {
            let (x, u, onto) = (map(&x, set), map(&u, set), map(&onto, set));
            let rectified = Activation::Relu.forward(x.clone()).expect("a rectifier");
            let gate = Gate { y: &rectified, activation: Activation::Relu, rule: ReluRule::Standard };
            let apart = |dx| {
                let sum = add(dx, &onto).and_then(|dx| Activation::Relu.vjp(&rectified, dx, ReluRule::Standard));
                values(&sum.expect("a sum"))
            };
            [
                values(&max.forward(&x).expect("forward")),
                values(&max.vjp_through(&x, &u, Some(&onto), Some(gate)).expect("vjp")),
                values(&mean.forward(&x).expect("forward")),
                values(&mean.vjp_through((h, w), &u, Some(&onto), Some(gate)).expect("vjp")),
                apart(max.vjp(&x, &u).expect("vjp")),
                apart(mean.vjp((h, w), &u).expect("vjp")),
            ]
        };
        let (fast, candle) = (run(KernelSet::Fast), run(KernelSet::Candle));
        prop_assert_eq!(&fast[0], &candle[0]);
        for (a, b) in fast.iter().zip(&candle).skip(1) {
            alike("a pool", a, b);
        }
        prop_assert_eq!(&fast[1], &fast[4]);
        prop_assert_eq!(&fast[3], &fast[5]);
    }
}

#[test]
fn narrower_vectors_agree_too() {
    support::narrower::all_tests_pass();
}
