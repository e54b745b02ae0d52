//! The operators of the file that are understood, by name.

use super::call::{Call, Lowers};
use super::{
    attention, constants, convolution, einsum, indexing, is_standard, matrix, movement, norms, pointwise, pooling,
    quantised,
};
use super::{reduce, resize};
use crate::model::read::onnx::Refusal;

/// What lowers an operator.
pub type Handler = fn(&mut Call) -> Lowers;

/// Operators of the standard domain, sorted.
const STANDARD: &[(&str, Handler)] = &[
    ("Abs", pointwise::unary),
    ("Add", pointwise::binary),
    ("And", pointwise::binary),
    ("Attention", attention::attention),
    ("AveragePool", pooling::average),
    ("BatchNormalization", norms::batch),
    ("Cast", movement::cast),
    ("CastLike", movement::cast_like),
    ("Ceil", pointwise::unary),
    ("Celu", pointwise::unary),
    ("Clip", pointwise::clip),
    ("Concat", movement::concat),
    ("Constant", constants::constant),
    ("ConstantOfShape", constants::of_shape),
    ("Conv", convolution::conv),
    ("ConvTranspose", convolution::transposed),
    ("Cos", pointwise::unary),
    ("CumSum", constants::cumulative),
    ("DepthToSpace", movement::depth_to_space),
    ("DequantizeLinear", quantised::dequantize),
    ("Div", pointwise::binary),
    ("Dropout", movement::same),
    ("Einsum", einsum::einsum),
    ("Elu", pointwise::unary),
    ("Equal", pointwise::binary),
    ("Erf", pointwise::unary),
    ("Exp", pointwise::unary),
    ("Expand", movement::expand),
    ("Flatten", movement::flatten),
    ("Floor", pointwise::unary),
    ("Gather", indexing::gather),
    ("GatherND", indexing::gather_nd),
    ("Gelu", pointwise::unary),
    ("Gemm", matrix::gemm),
    ("GlobalAveragePool", pooling::global_average),
    ("GlobalMaxPool", pooling::global_max),
    ("Greater", pointwise::binary),
    ("GreaterOrEqual", pointwise::binary),
    ("GroupNormalization", norms::group),
    ("HardSigmoid", pointwise::unary),
    ("HardSwish", pointwise::unary),
    ("Identity", movement::same),
    ("InstanceNormalization", norms::instance),
    ("LRN", norms::local_response),
    ("LayerNormalization", norms::layer),
    ("LeakyRelu", pointwise::unary),
    ("Less", pointwise::binary),
    ("LessOrEqual", pointwise::binary),
    ("Log", pointwise::unary),
    ("LogSoftmax", reduce::softmax),
    ("LpNormalization", norms::lp),
    ("MatMul", matrix::matmul),
    ("Max", pointwise::variadic),
    ("MaxPool", pooling::max),
    ("Mean", pointwise::variadic),
    ("Min", pointwise::variadic),
    ("Mish", pointwise::unary),
    ("Mod", pointwise::binary),
    ("Mul", pointwise::binary),
    ("Neg", pointwise::unary),
    ("NonZero", constants::non_zero),
    ("Not", pointwise::unary),
    ("Or", pointwise::binary),
    ("PRelu", pointwise::prelu),
    ("Pad", indexing::pad),
    ("Pow", pointwise::binary),
    ("QuantizeLinear", quantised::quantize),
    ("RMSNormalization", norms::rms),
    ("Range", constants::range),
    ("Reciprocal", pointwise::unary),
    ("ReduceL1", reduce::reduce),
    ("ReduceL2", reduce::reduce),
    ("ReduceLogSum", reduce::reduce),
    ("ReduceLogSumExp", reduce::reduce),
    ("ReduceMax", reduce::reduce),
    ("ReduceMean", reduce::reduce),
    ("ReduceMin", reduce::reduce),
    ("ReduceProd", reduce::reduce),
    ("ReduceSum", reduce::reduce),
    ("ReduceSumSquare", reduce::reduce),
    ("Relu", pointwise::unary),
    ("Reshape", movement::reshape),
    ("Resize", resize::resize),
    ("Round", pointwise::unary),
    ("ScatterND", constants::scatter),
    ("Selu", pointwise::unary),
    ("Shape", constants::shape),
    ("Shrink", pointwise::shrink),
    ("Sigmoid", pointwise::unary),
    ("Sign", pointwise::unary),
    ("Sin", pointwise::unary),
    ("Size", constants::size),
    ("Slice", indexing::slice),
    ("Softmax", reduce::softmax),
    ("Softplus", pointwise::unary),
    ("Softsign", pointwise::unary),
    ("SpaceToDepth", movement::space_to_depth),
    ("Split", indexing::split),
    ("Sqrt", pointwise::unary),
    ("Squeeze", movement::squeeze),
    ("Sub", pointwise::binary),
    ("Sum", pointwise::variadic),
    ("SwiGLU", pointwise::gated),
    ("Swish", pointwise::unary),
    ("Tanh", pointwise::unary),
    ("ThresholdedRelu", pointwise::thresholded),
    ("Tile", movement::tile),
    ("Transpose", movement::transpose),
    ("Unsqueeze", movement::unsqueeze),
    ("Upsample", resize::resize),
    ("Where", pointwise::choose),
    ("Xor", pointwise::binary),
];

/// Operators that ONNX Runtime's optimiser leaves in files, of its own domain.
const MICROSOFT: &[(&str, Handler)] =
    &[("FusedConv", convolution::fused), ("Gelu", pointwise::unary), ("QuickGelu", pointwise::unary), RMS];

/// ONNX Runtime writes this one into the standard domain.
const RMS: (&str, Handler) = ("SimplifiedLayerNormalization", norms::rms);

/// Names of the standard operators that are understood; besides them `If` with a known condition, and the file's own
/// functions.
pub fn operators() -> impl Iterator<Item = &'static str> {
    STANDARD.iter().map(|(name, _)| *name)
}

/// What lowers an operator of a domain.
pub fn handler(domain: &str, op: &str) -> Option<Handler> {
    let find = |table: &[(&str, Handler)]| table.iter().find(|(name, _)| *name == op).map(|(_, handler)| *handler);
    match domain {
        _ if is_standard(domain) => find(STANDARD).or_else(|| find(&[RMS])),
        "com.microsoft" => find(MICROSOFT),
        _ => None,
    }
}

/// Why an operator is not understood, and what would help.
pub fn unsupported(domain: &str, op: &str) -> Refusal {
    let help = match (domain, op) {
        ("com.microsoft" | "com.microsoft.nchwc", _) => {
            "it comes from ONNX Runtime's optimiser; give the file from before that"
        }
        ("ai.onnx.ml", _) => "it is no layer of a network; take the scores before it with --output {before}",
        (_, "NonMaxSuppression" | "TopK" | "ArgMax" | "ArgMin" | "RoiAlign" | "GatherElements") => {
            "it belongs to what follows a network; take the scores before it with --output {before}"
        }
        (_, "Loop" | "Scan" | "LSTM" | "GRU" | "RNN" | "SequenceAt" | "SequenceConstruct" | "SplitToSequence") => {
            "recurrent networks are not read"
        }
        (_, "ConvInteger" | "MatMulInteger" | "QLinearConv" | "QLinearMatMul" | "DynamicQuantizeLinear") => {
            "it computes in integers; give the float model, or quantise in the QDQ format"
        }
        (
            _,
            "RandomNormal" | "RandomUniform" | "RandomNormalLike" | "RandomUniformLike" | "Bernoulli" | "Multinomial",
        ) => "it draws lots; export the model in evaluation mode",
        _ => {
            "this operator is not understood; export with opset 17 or 18, or take what goes into it with --output {before}"
        }
    };
    Refusal::new(help)
}
