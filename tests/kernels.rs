//! Rectifiers, joins and products: the two sets of kernels against each other, and gradients against finite differences.

mod support {
    pub mod cases;
    pub mod gradients;
    pub mod narrower;
}

use candle_core::Result;
use gradlens::kernels::{Activation, KernelSet, ReluRule, add, concat, concat_vjp};
use proptest::prelude::*;
use support::gradients::{BOTH, alike, check, map, random, tensor, values};

#[test]
fn rectifiers() {
    // Away from the kinks, where there is no derivative to compare with.
    let x = (random(43, [2, 5, 6, 7]) * 4.0).and_then(|x| x.round()).and_then(|x| x + 0.5).expect("half numbers");
    for activation in [Activation::Relu, Activation::Relu6] {
        check(
            "rectifier",
            &x,
            |x| activation.forward(x.clone()),
            |_, y, dy| activation.vjp(y, dy, ReluRule::Standard),
        );
    }
}

#[test]
fn rules_of_rectifiers() {
    let row = |v: [f32; 6]| tensor([1, 1, 1, 6], &v);
    let (x, dy) = (row([-1.0, 0.0, 3.0, 3.0, 6.0, 7.0]), row([1.0, 1.0, 1.0, -1.0, 1.0, 1.0]));
    let cases = [
        (ReluRule::Standard, [0.0, 0.0, 1.0, -1.0, 0.0, 0.0]),
        (ReluRule::Guided, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
        (ReluRule::Deconvnet, [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]),
    ];
    for set in BOTH {
        let y = Activation::Relu6.forward(map(&x, set)).expect("forward");
        for (rule, expected) in cases {
            let dx = Activation::Relu6.vjp(&y, map(&dy, set), rule).expect("vjp");
            assert_eq!(values(&dx), expected, "{rule:?} on {set:?}");
        }
    }
}

#[test]
fn joins() {
    let (a, b) = (random(46, [2, 3, 4, 5]), random(47, [2, 4, 4, 5]));
    for set in BOTH {
        let (ma, mb) = (map(&a, set), map(&b, set));
        let joined = concat(&[&ma, &mb]).expect("joined");
        assert_eq!(joined.shape(), [2, 7, 4, 5]);
        let parts = concat_vjp(&joined, &[3, 4]).expect("parts");
        assert_eq!(values(&parts[0]), values(&ma));
        assert_eq!(values(&parts[1]), values(&mb));
        let sum = add(ma.clone(), &ma).expect("a sum");
        assert_eq!(values(&sum), values(&map(&(&a * 2.0).expect("doubled"), set)));
        assert!(concat_vjp(&joined, &[3, 5]).is_err() && concat_vjp(&joined, &[3, 3]).is_err(), "other widths");
        assert!(concat_vjp(&joined, &[usize::MAX, 8]).is_err(), "widths that overflow");
        assert!(concat(&[]).is_err(), "nothing to join");
        assert!(add(ma, &mb).is_err(), "maps of different shapes cannot be added");
    }
}

proptest! {
    #![proptest_config(support::cases::cases(64))]

    /// The distance of two maps, and their difference, against candle's.
    #[test]
    fn squared_differences_agree_with_candle(n in 1usize..3, c in 1usize..40, h in 1usize..40, w in 1usize..40, seed in 0u64..1000) {
        let (x, y) = (random(seed, [n, c, h, w]), random(seed + 1, [n, c, h, w]));
        let run = |set| -> Result<(f64, Vec<f32>)> {
            let (sum, difference) = map(&x, set).squared_difference(&map(&y, set), 0.3)?;
            Ok((sum, values(&difference)))
        };
        let (fast, candle) = (run(KernelSet::Fast).expect("computed"), run(KernelSet::Candle).expect("computed"));
        prop_assert!((fast.0 - candle.0).abs() <= 1e-5 * candle.0);
        alike("differences", &fast.1, &candle.1);
    }

    /// F Fᵀ and M F against candle's matrix products.
    #[test]
    fn products_of_channels_agree_with_candle(c in 1usize..80, h in 1usize..60, w in 1usize..60, seed in 0u64..1000) {
        let x = random(seed, [1, c, h, w]);
        let run = |set| -> Result<[Vec<f32>; 2]> {
            let x = map(&x, set);
            let gram = x.channel_products()?;
            let mixed = x.mixed_channels(&gram)?;
            Ok([gram.flatten_all()?.to_vec1()?, values(&mixed)])
        };
        let (fast, candle) = (run(KernelSet::Fast).expect("computed"), run(KernelSet::Candle).expect("computed"));
        alike("F Fᵀ", &fast[0], &candle[0]);
        alike("M F", &fast[1], &candle[1]);
    }
}

#[test]
fn narrower_vectors_agree_too() {
    support::narrower::all_tests_pass();
}
