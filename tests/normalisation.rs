//! Normalisations, reductions, softmax and what has parameters for each channel: against PyTorch, finite differences and
//! each other.
#![expect(clippy::unreadable_literal, reason = "reference figures as they were printed")]

mod support {
    pub mod cases;
    pub mod gradients;
    pub mod narrower;
}

use candle_core::{Device, Result, Tensor};
use gradlens::kernels::{
    Axes, ChannelAffine, DivideByNorm, Function, KernelSet, LocalResponseNorm, Map, Norm, Normalise, NormalisedOver,
    ParametricRelu, Reduction, Softmax,
};
use proptest::prelude::*;
use support::gradients::{BOTH, alike, alike_beside, check, close, map, norm, random, tensor, values};

type Forward = Box<dyn Fn(&Map) -> Result<Map>>;
/// From x, y and ∂y.
type Vjp = Box<dyn Fn(&Map, &Map, Map) -> Result<Map>>;
/// Name, layer, output and ∂x.
type Case = (&'static str, (Forward, Vjp), &'static [f32], &'static [f32]);

fn vector(values: &[f32]) -> Tensor {
    Tensor::new(values, &Device::Cpu).expect("a vector")
}

fn channels() -> ChannelAffine {
    ChannelAffine::new(Some(&vector(&[1.0, 2.0, 0.5, -1.0])), Some(&vector(&[0.1, 0.0, -0.2, 0.3]))).expect("fits")
}

fn normalise(over: NormalisedOver, epsilon: f64) -> (Forward, Vjp) {
    let norm = Normalise::new(over, epsilon, Some(channels()));
    let same = norm.clone();
    (Box::new(move |x| norm.forward(x.clone())), Box::new(move |x, _, dy| same.vjp(x, dy)))
}

fn responses(size: usize) -> (Forward, Vjp) {
    let norm = LocalResponseNorm { size, alpha: 0.3, beta: 0.75, bias: 1.5 };
    (Box::new(move |x| norm.forward(x.clone())), Box::new(move |x, _, dy| norm.vjp(x, dy)))
}

fn divide(norm: Norm) -> (Forward, Vjp) {
    let norm = DivideByNorm { norm, axes: Axes::CHANNELS, epsilon: 1e-12 };
    (Box::new(move |x| norm.forward(x)), Box::new(move |x, _, dy| norm.vjp(x, &dy)))
}

fn softmax(axes: Axes, log: bool) -> (Forward, Vjp) {
    let softmax = Softmax { axes, log };
    (Box::new(move |x| softmax.forward(x)), Box::new(move |_, y, dy| softmax.vjp(y, &dy)))
}

fn reduce(reduction: Reduction, axes: Axes) -> (Forward, Vjp) {
    (Box::new(move |x| reduction.forward(x, axes)), Box::new(move |x, y, dy| reduction.vjp(x, y, dy, axes)))
}

fn parametric() -> (Forward, Vjp) {
    let relu = ParametricRelu::new(&vector(&[0.25, 0.5, 0.125, -0.25])).expect("slopes");
    let same = relu.clone();
    (Box::new(move |x| relu.forward(x.clone())), Box::new(move |x, _, dy| same.vjp(x, dy)))
}

fn affine() -> (Forward, Vjp) {
    (Box::new(move |x| channels().forward(x.clone())), Box::new(move |_, _, dy| channels().vjp(dy)))
}

/// `[1, 4, 2, 2]`.
const X: [f32; 16] = [0.5, -1.0, 2.0, 0.25, 1.5, 1.5, -0.5, 3.0, -2.0, 0.75, 1.0, -1.25, 0.3, 2.5, -0.8, 1.1];

/// Outputs for X, and ∂x for ∂y = −1, −½, 0, ½, 1, −1, …: by PyTorch 2.15, with the call before each.
#[rustfmt::skip]
fn pytorch() -> Vec<Case> {
    vec![
        // F.layer_norm over the channels of each place, ε 1e-6
        ("layer norm", normalise(NormalisedOver::Channels, 1e-6), &[0.4316796, -1.4144486, 1.4857031, -0.24188173, 2.2242043, 0.8793573, -1.6276511, 2.897854, -1.0096885, -0.2732798, 0.052945808, -0.8593433, 0.12440491, -0.92132956, 1.377769, 0.08835897], &[-1.1205764, -0.14084625, 0.050439477, 0.14271499, 0.99417007, -1.0055128, -0.036605775, -0.2908667, 0.4212557, 0.8562715, -0.0723598, -0.28678918, -0.29484943, 0.2900875, 0.05852616, 0.43494093]),
        // F.group_norm(x, 2), ε 1e-5
        ("group norm", normalise(NormalisedOver::Groups(2), 1e-5), &[-0.22510055, -1.425472, 0.97527087, -0.42516243, 0.9502941, 0.9502941, -2.2506964, 3.351037, -1.0034583, 0.00086453557, 0.0921666, -0.72955203, 0.22695836, -1.379958, 1.0304166, -0.35737488], &[-0.5367518, 0.09758933, 0.029278427, 0.7026558, 1.7078462, -1.4931443, -0.38060695, -0.12686646, 0.27513894, 0.39913836, -0.33660588, -0.10605243, 0.04351995, -0.3685721, -0.6634547, 0.7568878]),
        // F.instance_norm, ε 1e-5
        ("instance norm", normalise(NormalisedOver::EachChannel, 1e-5), &[0.15862077, -1.2482779, 1.5655196, -0.07586235, 0.20100701, 0.20100701, -3.0151038, 2.61309, -0.8343331, 0.23915368, 0.33674338, -0.541564, 0.6948904, -1.1340758, 1.6093735, 0.029811786], &[-0.7107014, -0.06768731, 0.05318332, 0.72520536, 1.7786069, -1.4375038, -0.14618975, -0.19491328, 0.13476712, 0.43218273, -0.33924073, -0.22770913, 0.17470834, -0.56883436, -0.4927056, 0.88683164]),
        // F.local_response_norm(x, 3, 0.3, 0.75, 1.5)
        ("local response norm", responses(3), &[0.3286181, -0.636873, 1.2237902, 0.12940006, 0.8448165, 0.9338054, -0.2945447, 1.4812329, -1.1327503, 0.38820016, 0.67495954, -0.59723234, 0.18472125, 1.392871, -0.5460407, 0.7146301], &[-0.6726229, -0.3667199, -0.021818124, 0.2577918, 0.57676715, -0.5864111, -0.31906176, -0.062292032, 0.3214473, 0.5193735, -0.5767031, -0.29337302, 0.011943243, 0.098344445, 0.59521836, -0.6017212]),
        // F.normalize(x, dim=1)
        ("division by L2", divide(Norm::L2), &[0.19477235, -0.31524417, 0.8240857, 0.072670124, 0.584317, 0.47286624, -0.20602143, 0.87204146, -0.7790894, 0.23643312, 0.41204286, -0.3633506, 0.11686341, 0.7881104, -0.32963428, 0.31974855], &[-0.3895447, -0.12629348, 0.21686469, 0.14748934, 0.3895447, -0.3622371, -0.2602376, 0.02578915, 0.19477233, 0.29174772, -0.3036105, -0.15608573, 1.7414005e-09, 0.07930056, 0.325297, -0.2812245]),
        // F.normalize(x, p=1, dim=1)
        ("division by L1", divide(Norm::L1), &[0.116279066, -0.17391305, 0.46511626, 0.04464286, 0.3488372, 0.26086956, -0.116279066, 0.53571427, -0.46511626, 0.13043478, 0.23255813, -0.22321428, 0.06976744, 0.4347826, -0.18604651, 0.19642858], &[-0.23255813, -0.05671078, 0.08382909, 0.10044643, 0.23255813, -0.2041588, -0.20010816, 0.011160716, 0.116279066, 0.1436673, -0.14872904, -0.10044643, 3.7252903e-09, 0.05671078, 0.14872904, -0.16741072]),
        // F.softmax(x, 1)
        ("softmax", softmax(Axes::CHANNELS, false), &[0.21649252, 0.019211356, 0.6619121, 0.05206866, 0.5884877, 0.23404223, 0.054333054, 0.8144909, 0.017770788, 0.11055372, 0.24350385, 0.011618089, 0.17724906, 0.6361927, 0.04025092, 0.121822275], &[-0.2989503, -0.01315982, 0.15251742, 0.03132435, 0.36434418, -0.27734053, -0.014647134, 0.08274982, 0.0021168466, 0.09010104, -0.18739583, -0.0046286816, -0.06751072, 0.20039932, 0.049525514, -0.1094455]),
        // F.log_softmax(x, 1)
        ("logarithm of softmax", softmax(Axes::CHANNELS, true), &[-1.5301993, -3.9522538, -0.4126225, -2.955192, -0.5301993, -1.4522538, -2.9126225, -0.20519201, -4.030199, -2.2022538, -1.4126225, -4.455192, -1.7301993, -0.45225376, -3.2126224, -2.105192], &[-1.1082462, -0.5, 0.33095604, 0.55206865, 0.7057562, -1.0, -0.47283348, 0.8144909, 0.49111462, 1.0, -0.8782481, -0.48838192, -0.08862454, 0.5, 1.0201255, -0.8781777]),
        // F.softmax(x.flatten(), 0)
        ("softmax of all", softmax(Axes::IMAGE, false), &[0.026342409, 0.005877786, 0.11805849, 0.020515488, 0.07160609, 0.07160609, 0.0096908305, 0.32091624, 0.0021623166, 0.03382432, 0.04343129, 0.004577624, 0.02156734, 0.19464554, 0.007179145, 0.047999], &[-0.026917184, -0.003067142, -0.0025759558, 0.009810111, 0.0700437, -0.073168494, -0.0050568623, -0.007002174, 0.001033978, 0.0330863, -0.044378933, -0.0023886927, -0.00047058467, 0.09307574, 0.007022501, -0.049046304]),
        // x.amax((2, 3))
        ("largest of places", reduce(Reduction::Max, Axes::PLACES), &[2.0, 3.0, 1.0, 2.5], &[-0.0, -0.0, -1.0, -0.0, -0.0, -0.0, -0.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0]),
        // x.amin(1)
        ("least of channels", reduce(Reduction::Min, Axes::CHANNELS), &[-2.0, -1.0, -0.8, -1.25], &[-0.0, -0.5, 0.0, 0.0, -0.0, -0.0, 0.0, 0.0, -1.0, -0.0, 0.0, 0.5, -0.0, -0.0, 0.0, 0.0]),
        // torch.linalg.vector_norm(x, dim=(2, 3))
        ("L2 of places", reduce(Reduction::L2, Axes::PLACES), &[2.304886, 3.7080991, 2.6692696, 2.8618176], &[-0.21693046, 0.43386093, -0.86772186, -0.10846523, -0.20225996, -0.20225996, 0.06741999, -0.40451992, -0.0, 0.0, 0.0, -0.0, 0.052414242, 0.43678534, -0.13977131, 0.19218555]),
        // x.mean(2)
        ("mean of rows", reduce(Reduction::Mean, Axes { rows: true, ..Axes::NONE }), &[1.25, -0.375, 0.5, 2.25, -0.5, -0.25, -0.25, 1.8], &[-0.5, -0.25, -0.5, -0.25, 0.0, 0.25, 0.0, 0.25, 0.5, -0.5, 0.5, -0.5, -0.25, 0.0, -0.25, 0.0]),
        // x.sum((1, 2, 3))
        ("sum of an image", reduce(Reduction::Sum, Axes::IMAGE), &[8.85], &[-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]),
        // F.prelu(x, slope)
        ("parametric ReLU", parametric(), &[0.5, -0.25, 2.0, 0.25, 1.5, 1.5, -0.25, 3.0, -0.25, 0.75, 1.0, -0.15625, 0.3, 2.5, 0.2, 1.1], &[-1.0, -0.125, 0.0, 0.5, 1.0, -1.0, -0.25, 0.0, 0.0625, 1.0, -1.0, -0.0625, 0.0, 0.5, -0.25, -1.0]),
        // x * scale + shift
        ("affine", affine(), &[0.6, -0.9, 2.1, 0.35, 3.0, 3.0, -1.0, 6.0, -1.2, 0.175, 0.3, -0.825, 0.0, -2.2, 1.1, -0.8], &[-1.0, -0.5, 0.0, 0.5, 2.0, -2.0, -1.0, 0.0, 0.25, 0.5, -0.5, -0.25, -0.0, -0.5, -1.0, 1.0]),
    ]
}

#[test]
fn layers_are_those_of_pytorch() {
    for (name, (forward, vjp), expected, slope) in pytorch() {
        let x = tensor([1, 4, 2, 2], &X);
        for set in BOTH {
            let x = map(&x, set);
            let y = forward(&x).expect("forward");
            close(&format!("{name} on {set:?}"), &values(&y), expected, 3e-6);
            let dy: Vec<f32> = (0..expected.len()).map(|i| (i % 5) as f32 * 0.5 - 1.0).collect();
            let dx = vjp(&x, &y, map(&tensor(y.shape(), &dy), set)).expect("vjp");
            close(&format!("{name} on {set:?}, ∂x"), &values(&dx), slope, 3e-6);
        }
    }
}

#[test]
fn gradients_of_layers() {
    for (name, (forward, vjp), ..) in pytorch() {
        for (seed, shape) in [(1, [2, 4, 5, 7]), (2, [1, 4, 1, 3]), (3, [3, 4, 40, 9])] {
            check(name, &random(seed, shape), &forward, &vjp);
        }
    }
}

/// Shapes with many channels and places, where sums are cut into blocks.
#[test]
fn large_maps_are_reduced_in_blocks() {
    for set in BOTH {
        let ones = map(&Tensor::ones((1, 3, 150, 160), candle_core::DType::F32, &Device::Cpu).expect("ones"), set);
        for (axes, count) in [(Axes::PLACES, 24_000.0), (Axes::IMAGE, 72_000.0), (Axes::CHANNELS, 3.0)] {
            let sum = Reduction::Sum.forward(&ones, axes).expect("a sum");
            assert!(values(&sum).iter().all(|v| (v - count).abs() < 1e-3 * count), "{axes:?} on {set:?}");
        }
    }
}

#[test]
fn reductions_pass_on_what_is_not_a_number() {
    let x = tensor([1, 2, 1, 3], &[1.0, f32::NAN, 2.0, 3.0, 4.0, f32::INFINITY]);
    for set in BOTH {
        for reduction in [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::Min, Reduction::L2] {
            let y = values(&reduction.forward(&map(&x, set), Axes::PLACES).expect("reduced"));
            assert!(y[0].is_nan() && !y[1].is_nan(), "{reduction:?} on {set:?}: {y:?}");
        }
    }
}

#[test]
fn the_gradient_of_a_norm_of_nothing_is_nothing() {
    let zeros = tensor([1, 2, 1, 2], &[0.0; 4]);
    for set in BOTH {
        let x = map(&zeros, set);
        let y = Reduction::L2.forward(&x, Axes::PLACES).expect("a norm");
        let dx = Reduction::L2.vjp(&x, &y, map(&tensor([1, 2, 1, 1], &[1.0; 2]), set), Axes::PLACES);
        assert_eq!(values(&dx.expect("vjp")), [0.0; 4]);
    }
}

#[test]
fn softmax_of_large_scores() {
    let x = tensor([1, 3, 1, 1], &[1e4, 1e4, -3e38]);
    for set in BOTH {
        let of = |log| values(&Softmax { axes: Axes::IMAGE, log }.forward(&map(&x, set)).expect("forward"));
        close("softmax", &of(false), &[0.5, 0.5, 0.0], 1e-7);
        let half = std::f32::consts::LN_2;
        close("its logarithm", &of(true), &[-half, -half, -3e38], 1e-7);
    }
}

#[test]
fn nothing_comes_from_a_norm_of_nothing() {
    let x = tensor([1, 2, 1, 2], &[0.0, 3.0, 0.0, 4.0]);
    for set in BOTH {
        for (norm, y) in [(Norm::L1, [0.0, 3.0 / 7.0, 0.0, 4.0 / 7.0]), (Norm::L2, [0.0, 0.6, 0.0, 0.8])] {
            let (forward, vjp) = divide(norm);
            let (x, dy) = (map(&x, set), map(&tensor([1, 2, 1, 2], &[1.0, 1.0, 1.0, 0.0]), set));
            let found = forward(&x).expect("forward");
            close("y", &values(&found), &y, 1e-6);
            let dx = values(&vjp(&x, &found, dy).expect("vjp"));
            assert!(dx[0].abs() + dx[2].abs() < 1e-30 && dx[1] > 0.01, "{dx:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    for set in BOTH {
        let x = map(&random(1, [1, 6, 2, 3]), set);
        let other = map(&random(1, [1, 6, 3, 2]), set);
        assert!(channels().forward(x.clone()).is_err(), "four channels for six");
        assert!(channels().vjp(x.clone()).is_err(), "four channels for six");
        assert!(
            Normalise::new(NormalisedOver::Groups(4), 1e-5, None).forward(x.clone()).is_err(),
            "four groups of six"
        );
        assert!(Normalise::new(NormalisedOver::Groups(0), 1e-5, None).forward(x.clone()).is_err(), "no groups");
        assert!(Normalise::new(NormalisedOver::Channels, 1e-5, None).vjp(&x, other.clone()).is_err(), "shapes");
        assert!(Reduction::Max.vjp(&x, &x, x.clone(), Axes::PLACES).is_err(), "not reduced");
        assert!(Softmax { axes: Axes::IMAGE, log: true }.vjp(&x, &other).is_err(), "shapes");
        let empty = map(&Tensor::zeros((1, 0, 2, 2), candle_core::DType::F32, &Device::Cpu).expect("empty"), set);
        assert!(Reduction::Max.forward(&empty, Axes::CHANNELS).is_err(), "nothing to reduce");
        assert!(Normalise::new(NormalisedOver::Channels, 1e-5, None).forward(empty).is_err(), "nothing to reduce");
        let none = LocalResponseNorm { size: 0, alpha: 1.0, beta: 1.0, bias: 1.0 };
        assert!(none.forward(x.clone()).is_err(), "no window");
        let vast = LocalResponseNorm { size: usize::MAX, alpha: 1.0, beta: 1.0, bias: 1.0 };
        assert!(vast.forward(x).is_ok_and(|y| values(&y).iter().all(|v| v.is_finite())), "a window of everything");
    }
    assert!(ChannelAffine::new(None, None).is_err());
    assert!(ChannelAffine::new(Some(&vector(&[1.0])), Some(&vector(&[1.0, 2.0]))).is_err());
}

proptest! {
    #![proptest_config(support::cases::cases(48))]

    /// Both sets, over all sets of axes and shapes.
    #[test]
    fn reductions_agree(
        n in 1usize..4, c in 1usize..40, h in 1usize..12, w in 1usize..12, seed in 0u64..1000,
        (batch, channels, rows, columns) in any::<(bool, bool, bool, bool)>(), which in 0usize..5,
    ) {
        let axes = Axes { batch, channels, rows, columns };
        let reduction = [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::Min, Reduction::L2][which];
        let x = random(seed, [n, c, h, w]);
        // A sum that cancels has the rounding of what was added.
        let sizes = map(&x.abs().expect("sizes"), KernelSet::Candle);
        let size = norm(&values(&reduction.forward(&sizes, axes).expect("reduced")));
        let [fast, candle] = BOTH.map(|set| {
            let x = map(&x, set);
            let y = reduction.forward(&x, axes).expect("reduced");
            assert_eq!(y.shape(), axes.reduced([n, c, h, w]));
            let dy = map(&random(seed + 1, y.shape()), set);
            [values(&y), values(&reduction.vjp(&x, &y, dy, axes).expect("vjp"))]
        });
        alike_beside("y", &fast[0], &candle[0], size);
        alike("∂x", &fast[1], &candle[1]);
    }

    /// Both sets, over shapes and groups.
    #[test]
    fn normalisations_agree(
        n in 1usize..3, groups in 1usize..5, each in 1usize..12, h in 1usize..9, w in 2usize..9, which in 0usize..4,
        size in 1usize..8, seed in 0u64..1000,
    ) {
        let c = groups * each;
        let affine = ChannelAffine::new(Some(&random(seed + 3, [1, 1, 1, c]).flatten_all().expect("a vector")), None);
        let over = [NormalisedOver::Channels, NormalisedOver::Groups(groups), NormalisedOver::EachChannel];
        let x = random(seed, [n, c, h, w]);
        let [fast, candle] = BOTH.map(|set| {
            let (x, dy) = (map(&x, set), map(&random(seed + 1, [n, c, h, w]), set));
            if let Some(over) = over.get(which) {
                let norm = Normalise::new(*over, 1e-2, Some(affine.as_ref().expect("fits").clone()));
                [norm.forward(x.clone()), norm.vjp(&x, dy)].map(|y| values(&y.expect("normalised")))
            } else {
                let norm = LocalResponseNorm { size, alpha: 0.5, beta: 0.75, bias: 2.0 };
                [norm.forward(x.clone()), norm.vjp(&x, dy)].map(|y| values(&y.expect("normalised")))
            }
        });
        alike("y", &fast[0], &candle[0]);
        // Of two values that are normalised next to nothing is left of a gradient, divided by at least √ε before.
        let given = norm(&values(&map(&random(seed + 1, [n, c, h, w]), KernelSet::Candle)));
        alike_beside("∂x", &fast[1], &candle[1], given * 10.0);
    }
}

#[test]
fn a_reduction_keeps_its_bits_for_any_number_of_threads() {
    let x = random(4, [1, 24, 90, 110]);
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let x = map(&x, BOTH[0]);
            let norm = Normalise::new(NormalisedOver::Groups(3), 1e-5, None);
            let y = Function::Gelu.forward(norm.forward(x.clone()).expect("normalised")).expect("forward");
            [
                values(&Reduction::Sum.forward(&y, Axes::PLACES).expect("a sum")),
                values(&norm.vjp(&x, y).expect("vjp")),
            ]
        })
    };
    assert_eq!(of(1), of(3));
}

#[test]
fn narrower_vectors_agree_too() {
    support::narrower::all_tests_pass();
}
