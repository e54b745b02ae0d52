//! Functions of one variable, and of two with broadcasting: against PyTorch, finite differences and each other.
#![expect(clippy::unreadable_literal, clippy::approx_constant, reason = "reference figures as they were printed")]

mod support {
    pub mod cases;
    pub mod gradients;
    pub mod narrower;
}

use gradlens::kernels::{Binary, Function, Map, Side};
use proptest::prelude::*;
use support::gradients::{BOTH, alike_beside, check, close, map, norm, random, tensor, values};

#[rustfmt::skip]
mod pytorch {
    use gradlens::kernels::Function;

    pub const X: [f32; 7] = [-4.0, -3.0, -0.7, 0.0, 0.6, 3.0, 7.0];
    pub const P: [f32; 6] = [0.0, 0.01, 0.5, 1.0, 2.0, 9.0];

    /// f, x, f(x), f′(x).
    type Case = (Function, &'static [f32], &'static [f32], &'static [f32]);

    /// The function of that name in `torch` or `torch.nn.functional` (2.15), and its gradient by autograd.
    pub const FUNCTIONS: &[Case] = &[
        (Function::Sigmoid, &X, &[0.01798621, 0.047425874, 0.33181223, 0.5, 0.6456563, 0.95257413, 0.999089], &[0.017662706, 0.04517666, 0.22171287, 0.25, 0.22878425, 0.045176655, 0.00091016747]),
        (Function::HARD_SIGMOID, &X, &[0.0, 0.0, 0.38333333, 0.5, 0.59999996, 1.0, 1.0], &[0.0, 0.0, 0.16666667, 0.16666667, 0.16666667, 0.0, 0.0]),
        (Function::HardSwish, &X, &[-0.0, -0.0, -0.26833332, 0.0, 0.36, 3.0, 7.0], &[0.0, 0.0, 0.26666665, 0.5, 0.7, 1.0, 1.0]),
        (Function::SILU, &X, &[-0.07194484, -0.14227761, -0.23226856, 0.0, 0.3873938, 2.8577225, 6.993623], &[-0.05266461, -0.08810411, 0.17661323, 0.5, 0.7829268, 1.0881041, 1.0054601]),
        (Function::Silu { beta: 1.702 }, &X, &[-0.0044147237, -0.01807131, -0.16310604, 0.0, 0.44112375, 2.9819288, 6.9999533], &[-0.0064018853, -0.024548328, 0.02008684, 0.5, 0.93401146, 1.0245483, 1.0000728]),
        (Function::Gelu, &X, &[-0.00012648106, -0.004050225, -0.16937456, 0.0, 0.43544814, 2.9959497, 7.0], &[-0.00050362945, -0.011945605, 0.023385853, 0.5, 0.9256817, 1.0119456, 1.0]),
        (Function::GeluTanh, &X, &[-7.021427e-05, -0.003637433, -0.16942985, 0.0, 0.43541524, 2.9963627, 7.0], &[-0.00033497208, -0.011584297, 0.023642778, 0.5, 0.9254916, 1.0115843, 1.0]),
        (Function::LeakyRelu { alpha: 0.1 }, &X, &[-0.4, -0.3, -0.07, 0.0, 0.6, 3.0, 7.0], &[0.1, 0.1, 0.1, 0.1, 1.0, 1.0, 1.0]),
        (Function::Elu { alpha: 1.5 }, &X, &[-1.4725266, -1.4253194, -0.75512207, 0.0, 0.6, 3.0, 7.0], &[0.027473459, 0.0746806, 0.74487793, 1.5, 1.0, 1.0, 1.0]),
        (Function::SELU, &X, &[-1.7258986, -1.6705687, -0.88505304, 0.0, 0.6304206, 3.152103, 7.354907], &[0.032200713, 0.087530605, 0.8730463, 1.7580993, 1.050701, 1.050701, 1.050701]),
        (Function::Celu { alpha: 0.7 }, &X, &[-0.697691, -0.6903653, -0.44248438, 0.0, 0.6, 3.0, 7.0], &[0.0032985052, 0.013763788, 0.36787945, 1.0, 1.0, 1.0, 1.0]),
        (Function::Tanh, &X, &[-0.9993293, -0.9950548, -0.6043678, 0.0, 0.5370496, 0.9950548, 0.99999833], &[0.0013408931, 0.0098659815, 0.6347396, 1.0, 0.7115777, 0.0098659815, 3.3378574e-06]),
        (Function::Softplus, &X, &[0.01814993, 0.048587352, 0.40318605, 0.6931472, 1.037488, 3.0485873, 7.0009117], &[0.01798621, 0.047425874, 0.3318122, 0.5, 0.64565635, 0.95257413, 0.99908894]),
        (Function::Softsign, &X, &[-0.8, -0.75, -0.41176468, 0.0, 0.375, 0.75, 0.875], &[0.040000007, 0.0625, 0.34602076, 1.0, 0.390625, 0.0625, 0.015625]),
        (Function::Mish, &X, &[-0.07259175, -0.14564747, -0.26787022, 0.0, 0.46613652, 2.986535, 6.9999886], &[-0.053773206, -0.093393125, 0.18441604, 0.6, 0.9304708, 1.021107, 1.0000217]),
        (Function::Clip { low: -3.0, high: 3.0 }, &X, &[-3.0, -3.0, -0.7, 0.0, 0.6, 3.0, 3.0], &[0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
        (Function::Exp, &X, &[0.01831564, 0.049787067, 0.4965853, 1.0, 1.8221189, 20.085537, 1096.6332], &[0.01831564, 0.049787067, 0.4965853, 1.0, 1.8221189, 20.085537, 1096.6332]),
        (Function::Log, &P, &[f32::NEG_INFINITY, -4.6051702, -0.6931472, 0.0, 0.6931472, 2.1972246], &[f32::INFINITY, 100.0, 2.0, 1.0, 0.5, 0.11111111]),
        (Function::Sqrt, &P, &[0.0, 0.1, 0.70710677, 1.0, 1.4142135, 3.0], &[f32::INFINITY, 5.0, 0.70710677, 0.5, 0.35355338, 0.16666667]),
        (Function::Reciprocal, &[0.01, 0.5, 1.0, 2.0, 9.0], &[100.0, 2.0, 1.0, 0.5, 0.11111111], &[-10000.0, -4.0, -1.0, -0.25, -0.012345679]),
        (Function::Abs, &X, &[4.0, 3.0, 0.7, 0.0, 0.6, 3.0, 7.0], &[-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0]),
        (Function::Neg, &X, &[4.0, 3.0, 0.7, -0.0, -0.6, -3.0, -7.0], &[-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]),
        (Function::Erf, &X, &[-1.0, -0.9999779, -0.6778012, 0.0, 0.6038561, 0.9999779, 1.0], &[1.2698236e-07, 0.00013925305, 0.69127494, 1.1283792, 0.7872434, 0.00013925305, 5.9159635e-22]),
        (Function::Power { exponent: 1.5 }, &P, &[0.0, 0.0009999999, 0.35355338, 1.0, 2.828427, 27.0], &[0.0, 0.15, 1.0606601, 1.5, 2.1213202, 4.5]),
        (Function::Power { exponent: 3.0 }, &X, &[-64.0, -27.0, -0.343, 0.0, 0.21600002, 27.0, 343.0], &[48.0, 27.0, 1.4699999, 0.0, 1.08, 27.0, 147.0]),
        (Function::Power { exponent: 0.0 }, &X, &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (Function::Square, &X, &[16.0, 9.0, 0.48999998, 0.0, 0.36, 9.0, 49.0], &[-8.0, -6.0, -1.4, 0.0, 1.2, 6.0, 14.0]),
        (Function::Sin, &X, &[0.7568025, -0.14112, -0.64421767, 0.0, 0.5646425, 0.14112, 0.6569866], &[-0.6536436, -0.9899925, 0.7648422, 1.0, 0.8253356, -0.9899925, 0.75390226]),
        (Function::Cos, &X, &[-0.6536436, -0.9899925, 0.7648422, 1.0, 0.8253356, -0.9899925, 0.75390226], &[-0.7568025, 0.14112, 0.64421767, -0.0, -0.5646425, -0.14112, -0.6569866]),
        (Function::Floor, &X, &[-4.0, -3.0, -1.0, 0.0, 0.0, 3.0, 7.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (Function::Ceil, &X, &[-4.0, -3.0, -0.0, 0.0, 1.0, 3.0, 7.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (Function::Round, &[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.6], &[-2.0, -2.0, -0.0, 0.0, 2.0, 2.0, 3.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (Function::Sign, &X, &[-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ];
}

#[test]
fn functions_are_those_of_pytorch() {
    for &(function, x, y, slope) in pytorch::FUNCTIONS {
        let x = tensor([1, 1, 1, x.len()], x);
        for set in BOTH {
            let name = format!("{function:?} on {set:?}");
            close(&name, &values(&function.forward(map(&x, set)).expect("forward")), y, 2e-6);
            let ones = map(&x.ones_like().expect("ones"), set);
            close(&format!("{name}, ∂x"), &values(&function.vjp(&map(&x, set), ones).expect("vjp")), slope, 2e-6);
        }
    }
}

/// Where each function is smooth: away from its kinks, and where it is defined.
#[test]
fn derivatives_of_functions() {
    for &(function, ..) in pytorch::FUNCTIONS {
        let (scale, shift) = match function {
            Function::Log | Function::Sqrt | Function::Reciprocal | Function::Power { .. } => (0.1, 2.0),
            Function::Clip { .. } | Function::HardSwish | Function::HardSigmoid { .. } => (0.2, 0.5),
            Function::Floor | Function::Ceil | Function::Round | Function::Sign => (0.01, 0.3),
            _ => (0.2, 1.2),
        };
        for sign in [1.0, -1.0] {
            let x = random(3, [2, 5, 6, 7]).affine(scale, shift).expect("x");
            let smooth_below = !matches!(function, Function::Log | Function::Sqrt | Function::Power { .. });
            let x = if smooth_below { (x * sign).expect("x") } else { x };
            check(&format!("{function:?}"), &x, |x| function.forward(x.clone()), |x, _, dy| function.vjp(x, dy));
        }
    }
}

#[test]
fn functions_pass_on_what_is_not_a_number() {
    let x = tensor([1, 1, 1, 3], &[f32::NAN, 1.0, f32::NAN]);
    for &(function, ..) in pytorch::FUNCTIONS {
        if function == (Function::Power { exponent: 0.0 }) {
            continue;
        }
        for set in BOTH {
            let y = values(&function.forward(map(&x, set)).expect("forward"));
            assert!(y[0].is_nan() && y[1].is_finite() && y[2].is_nan(), "{function:?} on {set:?}: {y:?}");
        }
    }
}

/// Infinities, the smallest and the largest numbers: what the library's functions give.
#[test]
fn functions_at_the_ends_of_the_line() {
    let x = [f32::NEG_INFINITY, -3e38, -100.0, -1e-30, 1e-30, 100.0, 3e38, f32::INFINITY];
    let of =
        |function: Function, set| values(&function.forward(map(&tensor([1, 1, 1, 8], &x), set)).expect("forward"));
    for set in BOTH {
        close("sigmoid", &of(Function::Sigmoid, set), &[0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.0], 1e-30);
        close("tanh", &of(Function::Tanh, set), &[-1.0, -1.0, -1.0, -1e-30, 1e-30, 1.0, 1.0, 1.0], 1e-30);
        let above = [100.0, 3e38, f32::INFINITY];
        let ln2 = std::f32::consts::LN_2;
        let softplus = [0.0, 0.0, 0.0, ln2, ln2, above[0], above[1], above[2]];
        close("softplus", &of(Function::Softplus, set), &softplus, 1e-7);
        let elu = [-1.0, -1.0, -1.0, -1e-30, 1e-30, above[0], above[1], above[2]];
        close("elu", &of(Function::Elu { alpha: 1.0 }, set), &elu, 1e-30);
    }
}

#[test]
fn wrong_gradients_are_errors() {
    for set in BOTH {
        let (x, dy) = (map(&random(1, [1, 2, 3, 4]), set), map(&random(2, [1, 2, 4, 3]), set));
        assert!(Function::Gelu.vjp(&x, dy).is_err(), "another shape");
    }
    let [fast, candle] = BOTH.map(|set| map(&random(1, [1, 2, 3, 4]), set));
    assert!(Function::Gelu.vjp(&fast, candle).is_err(), "another set of kernels");
}

/// a `[1, 1, 2, 3]`, b `[1, 1, 1, 3]`.
const A: [f32; 6] = [0.0, 1.5, -2.0, 3.0, 2.0, 0.5];
const B: [f32; 3] = [0.0, 2.0, 3.0];

#[test]
fn functions_of_two_maps_are_those_of_pytorch() {
    type Case = (Binary, &'static [f32], &'static [f32], &'static [f32]);
    // y, ∂a and ∂b for ∂y = 1, 2, …, 6: torch.add, …, torch.maximum (2.15).
    #[rustfmt::skip]
    let cases: [Case; 7] = [
        (Binary::Add, &[0.0, 3.5, 1.0, 3.0, 4.0, 3.5], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[5.0, 7.0, 9.0]),
        (Binary::Sub, &[0.0, -0.5, -5.0, 3.0, 0.0, -2.5], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[-5.0, -7.0, -9.0]),
        (Binary::Mul, &[0.0, 3.0, -6.0, 0.0, 4.0, 1.5], &[0.0, 4.0, 9.0, 0.0, 10.0, 18.0], &[12.0, 13.0, -3.0]),
        (Binary::Div, &[f32::NAN, 0.75, -0.6666667, f32::INFINITY, 1.0, 0.16666667], &[f32::INFINITY, 1.0, 1.0, f32::INFINITY, 2.5, 2.0], &[f32::NAN, -3.25, 0.33333334]),
        (Binary::Pow, &[1.0, 2.25, -8.0, 1.0, 4.0, 0.125], &[0.0, 6.0, 36.0, 0.0, 20.0, 4.5], &[4.394449, 15.687536, f32::NAN]),
        (Binary::Min, &[0.0, 1.5, -2.0, 0.0, 2.0, 0.5], &[0.5, 2.0, 3.0, 0.0, 2.5, 6.0], &[4.5, 2.5, 0.0]),
        (Binary::Max, &[0.0, 2.0, 3.0, 3.0, 2.0, 3.0], &[0.5, 0.0, 0.0, 4.0, 2.5, 0.0], &[0.5, 4.5, 9.0]),
    ];
    for set in BOTH {
        let [a, b] = [map(&tensor([1, 1, 2, 3], &A), set), map(&tensor([1, 1, 1, 3], &B), set)];
        let dy = map(&tensor([1, 1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), set);
        for (binary, y, by_a, by_b) in cases {
            let name = format!("{binary:?} on {set:?}");
            close(&name, &values(&binary.forward(&a, &b).expect("forward")), y, 1e-6);
            let by = |side| values(&binary.vjp(side, &a, &b, dy.clone()).expect("vjp"));
            close(&format!("{name}, ∂a"), &by(Side::Left), by_a, 1e-6);
            close(&format!("{name}, ∂b"), &by(Side::Right), by_b, 1e-6);
        }
        let says = |binary: Binary| values(&binary.forward(&a, &b).expect("forward"));
        let (equal, less, up_to) = (says(Binary::Equal), says(Binary::Less), says(Binary::LessOrEqual));
        assert_eq!(equal, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let is = |holds: fn(&f32, &f32) -> bool| {
            let pairs = A.iter().zip(B.iter().cycle());
            pairs.map(|(a, b)| f32::from(holds(a, b))).collect::<Vec<f32>>()
        };
        assert_eq!(less, is(f32::lt));
        assert_eq!(up_to, is(f32::le));
    }
}

const ALL: [Binary; 10] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Pow,
    Binary::Min,
    Binary::Max,
    Binary::Equal,
    Binary::Less,
    Binary::LessOrEqual,
];

#[test]
fn gradients_of_functions_of_two_maps() {
    let shapes = [
        ([2, 5, 6, 7], [2, 5, 6, 7]),
        // Squeeze and excitation, both ways round; a constant a channel; a number; a map for all channels.
        ([2, 5, 6, 7], [2, 5, 1, 1]),
        ([2, 5, 1, 1], [2, 5, 6, 7]),
        ([2, 5, 6, 7], [1, 5, 1, 1]),
        ([2, 5, 6, 7], [1, 1, 1, 1]),
        ([2, 5, 6, 7], [2, 1, 6, 7]),
        ([1, 5, 6, 1], [2, 1, 6, 7]),
        ([1, 1, 6, 1], [1, 5, 1, 7]),
    ];
    for (a, b) in shapes {
        // Positive, and never so near to each other that a step goes past a tie.
        let a = random(5, a).affine(0.1, 1.5).expect("a");
        let b = random(6, b).affine(0.1, 3.0).expect("b");
        for binary in ALL {
            let name = format!("{binary:?} of {:?} and {:?}", a.dims(), b.dims());
            for (side, x, other) in [(Side::Left, &a, &b), (Side::Right, &b, &a)] {
                let pair = |x: &Map| {
                    let other = map(other, if matches!(x, Map::Cpu(_)) { BOTH[0] } else { BOTH[1] });
                    if side == Side::Left { (x.clone(), other) } else { (other, x.clone()) }
                };
                let forward = |x: &Map| {
                    let (a, b) = pair(x);
                    binary.forward(&a, &b)
                };
                check(&format!("{name}, {side:?}"), x, forward, |x, _, dy| {
                    let (a, b) = pair(x);
                    binary.vjp(side, &a, &b, dy)
                });
            }
        }
    }
}

#[test]
fn extremes_of_what_is_not_a_number() {
    let [a, b] = [[f32::NAN, 1.0, f32::NAN], [1.0, f32::NAN, f32::NAN]].map(|v| tensor([1, 1, 1, 3], &v));
    for set in BOTH {
        for binary in [Binary::Min, Binary::Max] {
            let y = values(&binary.forward(&map(&a, set), &map(&b, set)).expect("forward"));
            assert!(y.iter().all(|v| v.is_nan()), "{binary:?} on {set:?}: {y:?}");
        }
    }
}

#[test]
fn shapes_that_do_not_stretch_are_errors() {
    for set in BOTH {
        let [a, b] = [[1, 2, 3, 4], [1, 3, 3, 4]].map(|shape| map(&random(1, shape), set));
        assert!(Binary::Add.forward(&a, &b).is_err(), "two and three channels");
        assert!(a.broadcast_to([1, 2, 1, 4]).is_err(), "three rows into one");
        assert!(a.clone().sum_to([1, 2, 3, 2]).is_err(), "four columns into two");
        let one = map(&random(1, [1, 1, 1, 1]), set);
        assert!(one.broadcast_to([1 << 20, 1 << 20, 1 << 20, 1 << 20]).is_err(), "more than there is memory");
    }
}

proptest! {
    #![proptest_config(support::cases::cases(64))]

    /// Both sets, over shapes and over axes that are stretched on either side.
    #[test]
    fn functions_of_two_maps_agree(
        shape in [1usize..4, 1usize..40, 1usize..9, 1usize..9], stretch: [[bool; 4]; 2], which in 0usize..8, seed in 0u64..1000,
    ) {
        let of = |stretch: [bool; 4]| std::array::from_fn(|i| if stretch[i] { 1 } else { shape[i] });
        let a = random(seed, of(stretch[0])).abs().expect("a");
        let b = random(seed + 1, of(stretch[1])).abs().and_then(|b| b + 0.1).expect("b");
        let [fast, candle] = BOTH.map(|set| {
            let [a, b] = [map(&a, set), map(&b, set)];
            let y = ALL[which].forward(&a, &b).expect("forward");
            let dy = map(&random(seed + 2, y.shape()), set);
            let [by_a, by_b] = [Side::Left, Side::Right].map(|side| ALL[which].vjp(side, &a, &b, dy.clone()).expect("vjp"));
            assert_eq!([by_a.shape(), by_b.shape()], [a.shape(), b.shape()]);
            // A gradient by what was stretched is a sum, which may cancel: rounding follows what is summed.
            let [whole_a, whole_b] = [&a, &b].map(|map| map.broadcast_to(y.shape()).expect("stretched"));
            let summed = [(Side::Left, &a), (Side::Right, &b)].map(|(side, map)| {
                let terms = ALL[which].vjp(side, &whole_a, &whole_b, dy.clone()).expect("vjp");
                let sizes = terms.to_tensor().and_then(|terms| terms.abs()).expect("sizes");
                norm(&values(&Map::from_tensor(&sizes, set).and_then(|sizes| sizes.sum_to(map.shape())).expect("sums")))
            });
            ([y, by_a, by_b].map(|map| values(&map)), summed)
        });
        let sizes = [norm(&candle.0[0]), candle.1[0], candle.1[1]];
        for (i, part) in ["y", "∂a", "∂b"].iter().enumerate() {
            alike_beside(part, &fast.0[i], &candle.0[i], sizes[i]);
        }
    }
}

#[test]
fn narrower_vectors_agree_too() {
    support::narrower::all_tests_pass();
}
