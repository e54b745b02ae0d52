//! Padding, slices, gathers, depth to space and resizing: against PyTorch and ONNX, as transposes, and each other.
#![expect(clippy::unreadable_literal, reason = "reference figures as they were printed")]

mod support {
    pub mod cases;
    pub mod gradients;
    pub mod narrower;
}

use gradlens::kernels::{
    BlockOrder, Coordinates, DepthToSpace, Interpolation, Map, Pad, PadMode, Resize, Rounding, Separable, Slice,
    Steps, Target, gather_channels, shuffled_channels,
};
use proptest::prelude::*;
use support::gradients::{BOTH, alike, close, counted, map, random, tensor, values};

/// `[1, 1, 4, 4]`.
const X: [f32; 16] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -3.0, 8.0, 9.0, 20.0, 11.0, 12.0, 13.0, 14.0, 15.0, 0.5];

/// Excluding what is outside and antialiasing.
type Case = (Interpolation, Coordinates, Target, [bool; 2], &'static [f32]);

/// PyTorch 2.15, with the call before each.
#[rustfmt::skip]
fn pytorch() -> Vec<Case> {
    vec![
        // F.interpolate(x, (3, 5))
        (Interpolation::Nearest(Rounding::Floor), Coordinates::Asymmetric, Target::Size([3, 5]), [false, false], &[1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 6.0, -3.0, 8.0, 9.0, 9.0, 20.0, 11.0, 12.0]),
        // F.interpolate(x, (3, 5), mode='nearest-exact')
        (Interpolation::Nearest(Rounding::PreferCeil), Coordinates::HalfPixel, Target::Size([3, 5]), [false, false], &[1.0, 2.0, 3.0, 3.0, 4.0, 9.0, 20.0, 11.0, 11.0, 12.0, 13.0, 14.0, 15.0, 15.0, 0.5]),
        // F.interpolate(x, (3, 5), mode='bilinear')
        (Interpolation::Linear, Coordinates::PytorchHalfPixel, Target::Size([3, 5]), [false, false], &[1.6666667, 2.3666668, 2.3333333, 2.7999997, 4.666667, 7.0, 11.200001, 8.5, 5.7999997, 10.0, 12.333334, 14.2, 14.666666, 10.758334, 2.4166648]),
        // …, align_corners=True
        (Interpolation::Linear, Coordinates::AlignCorners, Target::Size([3, 5]), [false, false], &[1.0, 1.75, 2.5, 3.25, 4.0, 7.0, 11.5, 8.5, 5.5, 10.0, 13.0, 13.75, 14.5, 11.375, 0.5]),
        // F.interpolate(x, (2, 3), mode='bilinear', antialias=True)
        (Interpolation::Linear, Coordinates::HalfPixel, Target::Size([2, 3]), [true, true], &[4.5857143, 3.9285715, 5.271429, 11.728571, 13.071428, 7.764285]),
        // F.interpolate(x, (3, 5), mode='bicubic')
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixel, Target::Size([3, 5]), [false, false], &[1.4544268, 2.1484354, 1.9463248, 2.5757084, 4.663114, 6.578548, 13.200907, 8.36377, 4.2045183, 11.962854, 12.33689, 14.424296, 16.298248, 11.147714, 1.4636279]),
        // F.interpolate(x, scale_factor=(0.7, 1.5), mode='bilinear')
        (Interpolation::Linear, Coordinates::HalfPixel, Target::Scale([0.7, 1.5]), [false, false], &[1.8571429, 2.357143, 2.6666667, 1.9047616, 3.2857144, 4.857143, 7.571429, 11.285715, 13.5, 7.5, 8.285715, 10.571428]),
        // F.interpolate(x, (2, 3), mode='bicubic', antialias=True), whose coefficient is -0.5
        (Interpolation::Cubic { a: -0.5 }, Coordinates::HalfPixel, Target::Size([2, 3]), [true, true], &[4.1641545, 3.0133245, 5.12663, 12.307355, 14.216646, 7.483382]),
    ]
}

/// `Resize` of ONNX's reference evaluator (onnx 1.23, opset 19).
#[rustfmt::skip]
fn onnx() -> Vec<Case> {
    vec![
        (Interpolation::Nearest(Rounding::PreferFloor), Coordinates::HalfPixel, Target::Size([3, 5]), [false, false], &[1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0, -3.0, 8.0, 13.0, 14.0, 14.0, 15.0, 0.5]),
        (Interpolation::Nearest(Rounding::PreferCeil), Coordinates::HalfPixel, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.0, 4.0, 9.0, 20.0, 12.0]),
        (Interpolation::Nearest(Rounding::Floor), Coordinates::HalfPixel, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.0, 3.0, 5.0, 6.0, -3.0]),
        (Interpolation::Linear, Coordinates::HalfPixel, Target::Scale([2.0, 1.3]), [false, false], &[1.0, 1.6538461, 2.423077, 3.1923077, 3.9615386, 2.0, 2.6538463, 2.3653846, 2.1730773, 4.865385, 4.0, 4.6538463, 2.2499995, 0.13461623, 6.673078, 6.0, 8.288462, 5.692307, 2.1346161, 8.673078, 8.0, 13.557693, 12.692307, 8.173078, 10.865385, 10.0, 15.557693, 15.75, 11.447115, 9.235577, 12.0, 14.288462, 14.865384, 11.95673, 3.7836525, 13.0, 13.653846, 14.423077, 12.211537, 1.0576905]),
        (Interpolation::Linear, Coordinates::HalfPixel, Target::Scale([0.6, 0.8]), [false, true], &[2.7307692, 2.3541667, 3.5208333, 10.51282, 12.731482, 8.648148]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixel, Target::Size([3, 5]), [false, false], &[1.4544305, 2.1484435, 1.9463321, 2.575713, 4.6631203, 6.578548, 13.200907, 8.36377, 4.204519, 11.962857, 12.33689, 14.424298, 16.29825, 11.147714, 1.4636307]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixel, Target::Scale([0.6, 0.8]), [false, true], &[2.6497993, 1.4436218, 3.262088, 11.1515465, 13.579984, 8.235963]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixel, Target::Scale([0.6, 0.8]), [true, false], &[1.9996237, 1.5419825, 3.4174979, 10.158548, 17.899424, 11.140786]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixel, Target::Scale([0.6, 0.8]), [true, true], &[2.7556686, 1.3950629, 3.3781097, 11.207501, 13.550933, 8.067043]),
        (Interpolation::Nearest(Rounding::PreferFloor), Coordinates::HalfPixelSymmetric, Target::Scale([0.6, 0.8]), [false, false], &[5.0, 6.0, 8.0, 9.0, 20.0, 12.0]),
        (Interpolation::Nearest(Rounding::PreferCeil), Coordinates::HalfPixelSymmetric, Target::Scale([0.6, 0.8]), [false, false], &[5.0, -3.0, 8.0, 9.0, 11.0, 12.0]),
        (Interpolation::Nearest(Rounding::Floor), Coordinates::HalfPixelSymmetric, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.0, 3.0, 9.0, 20.0, 11.0]),
        (Interpolation::Nearest(Rounding::Ceil), Coordinates::HalfPixelSymmetric, Target::Scale([0.6, 0.8]), [false, false], &[6.0, -3.0, 8.0, 14.0, 15.0, 0.5]),
        (Interpolation::Linear, Coordinates::HalfPixelSymmetric, Target::Scale([0.6, 0.8]), [false, false], &[3.9166667, 1.8333333, 4.75, 12.25, 15.166667, 9.208334]),
        (Interpolation::Linear, Coordinates::HalfPixelSymmetric, Target::Scale([0.6, 0.8]), [false, true], &[4.75, 3.625, 5.0, 12.0, 13.375, 8.375]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixelSymmetric, Target::Size([3, 5]), [false, false], &[1.4544305, 2.1484435, 1.9463321, 2.575713, 4.6631203, 6.578548, 13.200907, 8.36377, 4.204519, 11.962857, 12.33689, 14.424298, 16.29825, 11.147714, 1.4636307]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixelSymmetric, Target::Size([3, 5]), [true, false], &[1.4087214, 2.0765672, 1.990554, 2.7229695, 4.628464, 6.5409007, 12.92113, 8.36377, 4.531562, 12.008387, 12.371535, 14.27703, 16.270678, 10.732376, 1.2478616]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixelSymmetric, Target::Scale([0.6, 0.8]), [false, true], &[4.5192037, 2.320108, 4.781443, 12.942562, 15.067752, 8.136776]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::HalfPixelSymmetric, Target::Scale([0.6, 0.8]), [true, true], &[4.360644, 2.3275862, 4.788488, 12.910563, 15.093715, 7.9790244]),
        (Interpolation::Nearest(Rounding::PreferFloor), Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.0, 4.0, 9.0, 20.0, 12.0]),
        (Interpolation::Nearest(Rounding::PreferCeil), Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.0, 4.0, 9.0, 20.0, 12.0]),
        (Interpolation::Nearest(Rounding::Floor), Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.0, 3.0, 5.0, 6.0, -3.0]),
        (Interpolation::Nearest(Rounding::Ceil), Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [false, false], &[6.0, -3.0, 8.0, 20.0, 11.0, 12.0]),
        (Interpolation::Linear, Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [false, false], &[2.4583333, 2.4583335, 3.708333, 10.374999, 16.624998, 11.624999]),
        (Interpolation::Linear, Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [false, true], &[2.7307692, 2.3541667, 3.5208333, 10.51282, 12.731482, 8.648148]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::PytorchHalfPixel, Target::Scale([2.0, 1.3]), [false, false], &[0.51040494, 1.0213324, 2.5379758, 3.8169317, 3.5819526, 1.7217126, 2.3413641, 1.6788223, 1.6385304, 4.6560216, 3.6755779, 4.3826118, 0.067318276, -2.1022415, 6.3717313, 5.942543, 9.770546, 5.0813975, 0.15966338, 9.412049, 7.149584, 15.538455, 13.923702, 7.100666, 12.278978, 9.665209, 17.646542, 18.64132, 12.148544, 9.915942, 11.989417, 14.802908, 16.588276, 12.557093, 3.584102, 13.425576, 13.157119, 15.461045, 12.8979225, -0.22784127]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [false, true], &[2.6497993, 1.4436218, 3.262088, 11.1515465, 13.579984, 8.235963]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [true, false], &[1.9996237, 1.5419825, 3.4174979, 10.158548, 17.899424, 11.140786]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::PytorchHalfPixel, Target::Scale([0.6, 0.8]), [true, true], &[2.7556686, 1.3950629, 3.3781097, 11.207501, 13.550933, 8.067043]),
        (Interpolation::Nearest(Rounding::PreferFloor), Coordinates::AlignCorners, Target::Size([3, 5]), [false, false], &[1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0, -3.0, 8.0, 13.0, 14.0, 14.0, 15.0, 0.5]),
        (Interpolation::Nearest(Rounding::PreferCeil), Coordinates::AlignCorners, Target::Size([3, 5]), [false, false], &[1.0, 2.0, 3.0, 3.0, 4.0, 9.0, 20.0, 11.0, 11.0, 12.0, 13.0, 14.0, 15.0, 15.0, 0.5]),
        (Interpolation::Nearest(Rounding::Floor), Coordinates::AlignCorners, Target::Size([3, 5]), [false, false], &[1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 6.0, -3.0, 8.0, 13.0, 13.0, 14.0, 15.0, 0.5]),
        (Interpolation::Nearest(Rounding::Ceil), Coordinates::AlignCorners, Target::Size([3, 5]), [false, false], &[1.0, 2.0, 3.0, 4.0, 4.0, 9.0, 20.0, 11.0, 12.0, 12.0, 13.0, 14.0, 15.0, 0.5, 0.5]),
        (Interpolation::Linear, Coordinates::AlignCorners, Target::Size([3, 5]), [false, false], &[1.0, 1.75, 2.5, 3.25, 4.0, 7.0, 11.5, 8.5, 5.5, 10.0, 13.0, 13.75, 14.5, 11.375, 0.5]),
        (Interpolation::Linear, Coordinates::AlignCorners, Target::Size([3, 5]), [false, true], &[1.6666666, 2.4166667, 2.3333333, 2.6666667, 4.6666665, 7.0, 11.5, 8.5, 5.5, 10.0, 12.333333, 14.333333, 14.666667, 11.354167, 2.4166667]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::AlignCorners, Target::Size([3, 5]), [false, false], &[1.0, 1.6679688, 2.5, 3.3320312, 4.0, 7.0, 13.512695, 8.36377, 3.8165283, 11.453125, 13.0, 13.667969, 15.953125, 11.8203125, 0.5]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::AlignCorners, Target::Size([3, 5]), [false, true], &[1.2222222, 1.4800347, 1.1423612, 1.9064327, 4.2222223, 7.0000005, 13.194727, 8.410708, 4.0210633, 10.952451, 12.777778, 15.093567, 17.128061, 12.449779, 2.2266083]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::AlignCorners, Target::Size([3, 5]), [true, false], &[1.0, 1.645283, 2.5, 3.354717, 4.0, 7.0, 13.29151, 8.36377, 4.0758843, 11.453125, 13.0, 13.645283, 15.953125, 11.435849, 0.5]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::AlignCorners, Target::Size([3, 5]), [true, true], &[1.2541806, 1.4462548, 0.94711536, 1.7881113, 4.2541804, 7.0, 12.903562, 8.423052, 4.303958, 10.8207855, 12.745819, 15.211888, 17.297031, 12.198461, 2.4749165]),
        (Interpolation::Nearest(Rounding::PreferFloor), Coordinates::Asymmetric, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.0, 3.0, 9.0, 20.0, 11.0]),
        (Interpolation::Nearest(Rounding::PreferCeil), Coordinates::Asymmetric, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.0, 3.0, 9.0, 20.0, 11.0]),
        (Interpolation::Linear, Coordinates::Asymmetric, Target::Scale([2.0, 1.3]), [false, false], &[1.0, 1.7692308, 2.5384617, 3.3076923, 4.0, 3.0, 3.7692308, 1.8461536, 1.8461543, 6.0, 5.0, 5.769231, 1.1538457, 0.38461632, 8.0, 7.0, 11.615385, 8.153846, 5.846154, 10.0, 9.0, 17.461538, 15.153846, 11.307693, 12.0, 11.0, 15.615385, 14.846153, 10.923077, 6.25, 13.0, 13.769231, 14.538462, 10.538461, 0.5, 13.0, 13.769231, 14.538462, 10.538461, 0.5]),
        (Interpolation::Linear, Coordinates::Asymmetric, Target::Scale([0.6, 0.8]), [false, true], &[2.031746, 2.4814816, 3.2777777, 8.857142, 11.416666, 7.6562495]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::Asymmetric, Target::Scale([0.6, 0.8]), [false, false], &[1.0, 2.296875, 3.5937498, 7.5185175, 14.784214, 8.027775]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::Asymmetric, Target::Scale([0.6, 0.8]), [false, true], &[1.5772194, 1.2317646, 2.6185877, 9.009468, 11.609687, 7.052497]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::Asymmetric, Target::Scale([0.6, 0.8]), [true, false], &[1.0, 2.296875, 3.6285713, 7.51852, 14.784218, 8.388889]),
        (Interpolation::Cubic { a: -0.75 }, Coordinates::Asymmetric, Target::Scale([0.6, 0.8]), [true, true], &[1.72681, 0.9937244, 2.55309, 9.055504, 11.405695, 7.120726]),
    ]
}

#[test]
fn resizing_is_that_of_pytorch_and_onnx() {
    for (interpolation, coordinates, target, [exclude_outside, antialias], expected) in
        pytorch().into_iter().chain(onnx())
    {
        let resize = Resize { interpolation, coordinates, target, exclude_outside, antialias };
        let resized = resize.separable([1, 4, 4]).expect("a size");
        for set in BOTH {
            let y = resized.forward(&map(&tensor([1, 1, 4, 4], &X), set)).expect("forward");
            close(&format!("{resize:?} on {set:?}"), &values(&y), expected, 1e-5);
        }
    }
}

/// TensorFlow's nearest with half pixel centres: (i + ½) / scale, rounded down.
#[test]
fn tensorflows_nearest_looks_at_centres() {
    let resize = Resize {
        interpolation: Interpolation::Nearest(Rounding::Floor),
        coordinates: Coordinates::TfHalfPixelForNn,
        target: Target::Size([1, 3]),
        exclude_outside: false,
        antialias: false,
    };
    let resized = resize.separable([1, 1, 5]).expect("a size");
    for set in BOTH {
        let y = resized.forward(&map(&counted([1, 1, 1, 5]), set)).expect("forward");
        assert_eq!(values(&y), [0.0, 2.0, 4.0], "0.83, 2.5, 4.17");
    }
}

#[test]
fn padding_is_that_of_pytorch() {
    // The mode and the pads above, below, left and right of `[[0, 1, 2], [3, 4, 5]]`.
    #[rustfmt::skip]
    let cases: [(PadMode, [isize; 4], &[f32]); 6] = [
        // F.pad(x, (2, 1, 1, 1), mode='constant')
        (PadMode::Constant(7.0), [1, 1, 2, 1], &[7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 0.0, 1.0, 2.0, 7.0, 7.0, 7.0, 3.0, 4.0, 5.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0]),
        // F.pad(x, (2, 1, 1, 1), mode='reflect')
        (PadMode::Reflect, [1, 1, 2, 1], &[5.0, 4.0, 3.0, 4.0, 5.0, 4.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 5.0, 4.0, 3.0, 4.0, 5.0, 4.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0]),
        // F.pad(x, (2, 1, 1, 1), mode='replicate')
        (PadMode::Edge, [1, 1, 2, 1], &[0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0, 5.0, 3.0, 3.0, 3.0, 4.0, 5.0, 5.0]),
        // F.pad(x, (2, 1, 1, 1), mode='circular')
        (PadMode::Wrap, [1, 1, 2, 1], &[4.0, 5.0, 3.0, 4.0, 5.0, 3.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 4.0, 5.0, 3.0, 4.0, 5.0, 3.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0]),
        // F.pad(x, (-1, 2, 1, -1), value=7)
        (PadMode::Constant(7.0), [1, -1, -1, 2], &[7.0, 7.0, 7.0, 7.0, 1.0, 2.0, 7.0, 7.0]),
        // F.pad(x, (-1, 1, 1, 0), mode='reflect')
        (PadMode::Reflect, [1, 0, -1, 1], &[4.0, 5.0, 4.0, 1.0, 2.0, 1.0, 4.0, 5.0, 4.0]),
    ];
    for (mode, [above, below, left, right], expected) in cases {
        let pad = Pad { pads: [[0, 0], [above, below], [left, right]], mode };
        for set in BOTH {
            let y = pad.separable([1, 2, 3]).and_then(|pad| pad.forward(&map(&counted([1, 1, 2, 3]), set)));
            assert_eq!(values(&y.expect("padded")), expected, "{pad:?} on {set:?}");
        }
    }
    // numpy.pad([0, 1, 2], 5, 'reflect'): there and back as often as it takes.
    let far = Pad { pads: [[0, 0], [0, 0], [5, 5]], mode: PadMode::Reflect };
    let y = far.separable([1, 1, 3]).and_then(|far| far.forward(&map(&counted([1, 1, 1, 3]), BOTH[0])));
    assert_eq!(values(&y.expect("padded")), [1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0]);
}

#[test]
fn padding_keeps_what_is_not_finite_where_it_is() {
    let x = tensor([1, 1, 1, 3], &[f32::INFINITY, 1.0, f32::NAN]);
    let pad =
        Pad { pads: [[0, 0], [0, 0], [1, 1]], mode: PadMode::Constant(0.0) }.separable([1, 1, 3]).expect("pads");
    for set in BOTH {
        let y = values(&pad.forward(&map(&x, set)).expect("padded"));
        close("padded", &y, &[0.0, f32::INFINITY, 1.0, f32::NAN, 0.0], 0.0);
    }
}

#[test]
fn slices_count_as_python_does() {
    let steps = |start, end, step| Steps { start, end, step };
    // list(range(6))[start:end:step]
    let cases: [(Steps, &[f32]); 7] = [
        (steps(1, 4, 1), &[1.0, 2.0, 3.0]),
        (steps(-2, i64::MAX, 1), &[4.0, 5.0]),
        (steps(0, 100, 2), &[0.0, 2.0, 4.0]),
        (steps(1, -1, 3), &[1.0, 4.0]),
        (steps(-1, i64::MIN, -1), &[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]),
        (steps(100, 1, -2), &[5.0, 3.0]),
        (steps(-100, 2, 1), &[0.0, 1.0]),
    ];
    for (steps, expected) in cases {
        for axis in 0..3 {
            let mut slice = Slice { steps: [Steps::ALL; 3] };
            slice.steps[axis] = steps;
            let mut shape = [1; 4];
            shape[axis + 1] = 6;
            let [_, c, h, w] = shape;
            for set in BOTH {
                let y = slice.separable([c, h, w]).and_then(|slice| slice.forward(&map(&counted(shape), set)));
                assert_eq!(values(&y.expect("a part")), expected, "{steps:?} of axis {axis} on {set:?}");
            }
        }
    }
}

#[test]
fn channels_move() {
    // F.channel_shuffle(x, 3) of six channels.
    let order = shuffled_channels(6, 3).expect("groups");
    for set in BOTH {
        let of =
            |separable: Separable| values(&separable.forward(&map(&counted([1, 6, 1, 2]), set)).expect("forward"));
        let shuffled = of(gather_channels([6, 1, 2], &order).expect("channels"));
        assert_eq!(shuffled, [0.0, 1.0, 4.0, 5.0, 8.0, 9.0, 2.0, 3.0, 6.0, 7.0, 10.0, 11.0]);
        assert_eq!(of(gather_channels([6, 1, 2], &[5, 5]).expect("channels")), [10.0, 11.0, 10.0, 11.0]);
        assert_eq!(of(Slice::channels(2, 2).separable([6, 1, 2]).expect("channels")), [4.0, 5.0, 6.0, 7.0]);
    }
}

#[test]
fn channels_become_blocks() {
    // F.pixel_shuffle(x, 2) of `[1, 8, 1, 2]`, and numpy's transposition by ONNX's definition of DCR.
    let crd = [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0, 8.0, 10.0, 9.0, 11.0, 12.0, 14.0, 13.0, 15.0];
    let dcr = [0.0, 4.0, 1.0, 5.0, 8.0, 12.0, 9.0, 13.0, 2.0, 6.0, 3.0, 7.0, 10.0, 14.0, 11.0, 15.0];
    for (order, expected) in [(BlockOrder::ChannelFirst, crd), (BlockOrder::PlaceFirst, dcr)] {
        let blocks = DepthToSpace { block: 2, order };
        for set in BOTH {
            let x = map(&counted([1, 8, 1, 2]), set);
            let y = blocks.forward(&x).expect("forward");
            assert_eq!((y.shape(), values(&y)), ([1, 2, 2, 4], expected.to_vec()), "{order:?} on {set:?}");
            assert_eq!(values(&blocks.inverse(&y).expect("back")), values(&x));
        }
    }
}

#[test]
fn what_cannot_be_is_an_error() {
    let resize = |target| Resize {
        interpolation: Interpolation::Linear,
        coordinates: Coordinates::HalfPixel,
        target,
        exclude_outside: false,
        antialias: true,
    };
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-9, 1e30] {
        assert!(resize(Target::Scale([1.0, scale])).separable([1, 4, 4]).is_err(), "{scale}");
    }
    assert!(resize(Target::Size([0, 4])).separable([1, 4, 4]).is_err(), "no rows");
    assert!(resize(Target::Size([4, usize::MAX])).separable([1, 4, 4]).is_err(), "too many columns");
    assert!(resize(Target::Size([4, 4])).separable([1, 0, 4]).is_err(), "nothing to resize");
    let pad = |pads| Pad { pads: [[0, 0], pads, [0, 0]], mode: PadMode::Reflect };
    for pads in [[-2, -2], [isize::MIN, isize::MIN], [isize::MAX, isize::MAX]] {
        assert!(pad(pads).separable([1, 4, 4]).is_err(), "{pads:?}");
    }
    let nothing = Steps { start: 3, end: 3, step: 1 };
    let still = Steps { start: 0, end: 3, step: 0 };
    for steps in [nothing, still] {
        assert!(Slice { steps: [steps, Steps::ALL, Steps::ALL] }.separable([4, 4, 4]).is_err(), "{steps:?}");
    }
    assert!(gather_channels([4, 1, 1], &[0, 4]).is_err(), "no such channel");
    assert!(gather_channels([4, 1, 1], &[]).is_err(), "no channel");
    assert!(shuffled_channels(4, 3).is_err() && shuffled_channels(4, 0).is_err(), "no such groups");
    let large = resize(Target::Size([1 << 20, 1 << 20])).separable([1, 4, 4]).expect("each axis can be");
    for set in BOTH {
        let x = map(&random(1, [1, 4, 4, 4]), set);
        assert!(large.forward(&map(&random(1, [1, 1, 4, 4]), set)).is_err(), "more than there is memory");
        assert!(
            Slice::channels(0, 2).separable([5, 4, 4]).and_then(|part| part.forward(&x)).is_err(),
            "another size"
        );
        for block in [0, 3, usize::MAX] {
            let blocks = DepthToSpace { block, order: BlockOrder::PlaceFirst };
            assert!(blocks.forward(&x).is_err() && blocks.inverse(&x).is_err(), "blocks of {block}");
        }
    }
}

/// ⟨Ax, u⟩ = ⟨x, Aᵀu⟩, and both sets compute the same.
fn transposes(separable: &Separable, shape: [usize; 4], seed: u64) {
    let [n, c, h, w] = shape;
    let to = separable.output_shape();
    let (x, u) = (random(seed, [n, c, h, w]), random(seed + 1, [n, to[0], to[1], to[2]]));
    let [fast, candle] = BOTH.map(|set| {
        let (x, u) = (map(&x, set), map(&u, set));
        let (y, dx) = (separable.forward(&x).expect("forward"), separable.vjp(&u).expect("vjp"));
        assert_eq!((y.shape(), dx.shape()), (u.shape(), x.shape()));
        let dot = |a: &Map, b: &Map| -> f64 {
            values(a).iter().zip(values(b)).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()
        };
        let scale = (dot(&y, &y) * dot(&u, &u)).sqrt();
        assert!((dot(&y, &u) - dot(&x, &dx)).abs() <= 1e-5 * scale + 1e-5, "{separable:?} on {set:?}");
        [values(&y), values(&dx)]
    });
    alike("y", &fast[0], &candle[0]);
    alike("∂x", &fast[1], &candle[1]);
}

proptest! {
    #![proptest_config(support::cases::cases(64))]

    #[test]
    fn resizing_is_linear_and_transposes(
        shape in [1usize..3, 1usize..9, 1usize..20, 1usize..20], size in [1usize..40, 1usize..40], which in 0usize..6,
        coordinates in 0usize..6, exclude_outside: bool, antialias: bool, scaled: bool, seed in 0u64..1000,
    ) {
        let nearest = [Rounding::PreferFloor, Rounding::PreferCeil, Rounding::Floor, Rounding::Ceil];
        let interpolation = match which {
            4 => Interpolation::Linear,
            5 => Interpolation::Cubic { a: -0.75 },
            which => Interpolation::Nearest(nearest[which]),
        };
        let coordinates = [
            Coordinates::HalfPixel, Coordinates::HalfPixelSymmetric, Coordinates::PytorchHalfPixel,
            Coordinates::AlignCorners, Coordinates::Asymmetric, Coordinates::TfHalfPixelForNn,
        ][coordinates];
        let [_, c, h, w] = shape;
        let scales = [size[0] as f32 / h as f32 * 1.01, size[1] as f32 / w as f32 * 1.01];
        let target = if scaled { Target::Scale(scales) } else { Target::Size(size) };
        let resize = Resize { interpolation, coordinates, target, exclude_outside, antialias };
        transposes(&resize.separable([c, h, w]).expect("a size"), shape, seed);
        // What is the same everywhere stays so, unless a filter has everything outside.
        if !exclude_outside {
            let ones = map(&random(1, shape).ones_like().expect("ones"), BOTH[0]);
            let y = values(&resize.separable([c, h, w]).and_then(|resize| resize.forward(&ones)).expect("forward"));
            prop_assert!(y.iter().all(|v| (v - 1.0).abs() < 1e-5), "{resize:?}: {y:?}");
        }
    }

    #[test]
    fn padding_and_slices_transpose(
        shape in [1usize..3, 1usize..20, 1usize..20, 1usize..20], pads in [[-3isize..9, -3isize..9], [-3isize..9, -3isize..9], [-3isize..9, -3isize..9]],
        mode in 0usize..4, starts in [-12i64..12, -12i64..12, -12i64..12], steps in [-3i64..4, -3i64..4, -3i64..4], seed in 0u64..1000,
    ) {
        let [_, c, h, w] = shape;
        let mode = [PadMode::Constant(0.0), PadMode::Reflect, PadMode::Edge, PadMode::Wrap][mode];
        if let Ok(pad) = (Pad { pads, mode }).separable([c, h, w]) {
            transposes(&pad, shape, seed);
        }
        let steps = [0, 1, 2].map(|axis| {
            let end = if steps[axis] < 0 { i64::MIN } else { i64::MAX };
            Steps { start: starts[axis], end, step: steps[axis] }
        });
        if let Ok(slice) = (Slice { steps }).separable([c, h, w]) {
            transposes(&slice, shape, seed);
        }
    }

    #[test]
    fn gathers_and_blocks_transpose(
        n in 1usize..3, c in 1usize..9, h in 1usize..9, w in 1usize..9, block in 1usize..4, place_first: bool,
        picks in prop::collection::vec(0usize..100, 1..30), seed in 0u64..1000,
    ) {
        let indices: Vec<usize> = picks.iter().map(|pick| pick % c).collect();
        transposes(&gather_channels([c, h, w], &indices).expect("channels"), [n, c, h, w], seed);
        let order = if place_first { BlockOrder::PlaceFirst } else { BlockOrder::ChannelFirst };
        let blocks = DepthToSpace { block, order };
        let x = random(seed, [n, c * block * block, h, w]);
        let [fast, candle] = BOTH.map(|set| {
            let y = blocks.forward(&map(&x, set)).expect("forward");
            assert_eq!(values(&blocks.inverse(&y).expect("back")), values(&map(&x, set)));
            values(&y)
        });
        prop_assert_eq!(fast, candle);
    }
}

#[test]
fn narrower_vectors_agree_too() {
    support::narrower::all_tests_pass();
}
