//! The canonical operators: what a file's operators of any version become.
//!
//! Everything that ONNX gives as an attribute in one version and as an input in another is a field here, axes are counted
//! from the front, and shapes are those of the values. Feature maps are `[1, C, H, W]`.

pub use super::pointwise::{Binary, Unary};

/// A canonical operator. Inputs are listed as `x`, `y` (computed, or constants) and names in brackets (constants).
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// x, \[kernel `[O, I/groups, kH, kW]`\], optional \[bias `[O]`\] and \[scale `[O]`\] of what is added up before the bias.
    Conv(Convolution),
    /// x, \[kernel `[I, O/groups, kH, kW]`\], optional \[bias `[O]`\] and \[scale `[O]`\]; the output's shape says how much is padded below and
    /// to the right.
    ConvTranspose(Convolution),
    /// x, \[matrix\], optional \[bias `[N]`\]: a product over one axis, which the result has in the same place.
    Linear {
        /// The axis of x that is summed over: the last one, or 1 for a map, where it is a 1×1 convolution.
        axis: usize,
        /// Whether the matrix is `[N, K]`, as in PyTorch, and not `[K, N]`.
        transposed: bool,
    },
    /// x, y of rank 2 or more: products of their last two axes, the others broadcast.
    MatMul,
    /// x, \[scale, bias, mean, variance `[C]`\]: batch normalisation in evaluation mode over axis 1.
    BatchNorm {
        /// Added to the variance.
        epsilon: f32,
    },
    /// x, \[scale, shift\], one number each for every place along an axis: scale · x + shift.
    Affine {
        /// The axis.
        axis: usize,
    },
    /// x, \[scale, bias `[C]`\]: each channel of axis 1 over its places.
    InstanceNorm {
        /// Added to the variance.
        epsilon: f32,
    },
    /// x, \[scale, bias `[C]`\]: groups of axis 1 with their places.
    GroupNorm {
        /// How many groups.
        groups: usize,
        /// Added to the variance.
        epsilon: f32,
    },
    /// x, optional \[scale\], optional \[bias\], both with the extents of the axes.
    LayerNorm {
        /// What the mean and variance are over.
        axes: Vec<usize>,
        /// Added to the variance.
        epsilon: f32,
    },
    /// x, optional \[scale\] as in `LayerNorm`: without a mean.
    RmsNorm {
        /// What the mean of squares is over.
        axes: Vec<usize>,
        /// Added to the mean of squares.
        epsilon: f32,
    },
    /// x: local response normalisation over neighbouring channels.
    Lrn {
        /// How many channels.
        size: usize,
        /// Factor of the mean of squares.
        alpha: f32,
        /// Exponent.
        beta: f32,
        /// Added to it.
        bias: f32,
    },
    /// x over its p-norm along an axis.
    LpNorm {
        /// The axis.
        axis: usize,
        /// 1 or 2.
        p: i64,
    },
    /// x, element by element.
    Unary(Unary),
    /// x, \[slope\]: slope · x where x < 0.
    PRelu,
    /// x, y, broadcast.
    Binary(Binary),
    /// \[condition\], x, y, broadcast.
    Where,
    /// x.
    MaxPool(Window),
    /// x.
    AveragePool {
        /// The window.
        window: Window,
        /// Whether padding counts as zeros in the mean.
        count_padding: bool,
    },
    /// x `[1, C, H, W]` to `[1, C, 1, 1]`.
    GlobalAveragePool,
    /// x `[1, C, H, W]` to `[1, C, 1, 1]`.
    GlobalMaxPool,
    /// x.
    Reduce {
        /// What is computed.
        kind: Reduction,
        /// Over these axes, sorted; all of them for none given.
        axes: Vec<usize>,
        /// Whether they stay as extents of 1.
        keep: bool,
    },
    /// x.
    Softmax {
        /// The axis whose values sum to 1.
        axis: usize,
        /// Whether the logarithm of it is meant.
        log: bool,
    },
    /// x in the output's shape; also Flatten, Squeeze, Unsqueeze.
    Reshape,
    /// x with axis `perm[i]` as its axis i.
    Transpose {
        /// The permutation.
        perm: Vec<usize>,
    },
    /// Two or more values.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// x: elements `starts[a] + i · steps[a]` of every axis, as many as the output has.
    Slice {
        /// First element of every axis.
        starts: Vec<usize>,
        /// Step along every axis; negative ones walk backwards.
        steps: Vec<isize>,
    },
    /// x: these elements of an axis, in this order.
    Gather {
        /// The axis.
        axis: usize,
        /// Which elements, counted from the front.
        indices: Vec<usize>,
    },
    /// x with a frame.
    Pad {
        /// Elements before the first one of every axis; negative ones cut off.
        before: Vec<i64>,
        /// Elements behind the last one of every axis.
        after: Vec<i64>,
        /// What is in it.
        mode: PadMode,
    },
    /// x broadcast to the output's shape.
    Expand,
    /// x repeated along its axes, as often as the output is longer.
    Tile,
    /// x resampled to the output's shape.
    Resize(Resize),
    /// x `[1, C·b², H, W]` to `[1, C, H·b, W·b]`.
    DepthToSpace {
        /// The block's side b.
        block: usize,
        /// Whether channels are column-row-depth (as PyTorch's pixel shuffle) and not depth-column-row.
        crd: bool,
    },
    /// x `[1, C, H, W]` to `[1, C·b², H/b, W/b]`.
    SpaceToDepth {
        /// The block's side b.
        block: usize,
        /// Whether channels become column-row-depth.
        crd: bool,
    },
    /// x, indices, updates: constants only.
    ScatterNd,
    /// x: running sums, constants only.
    CumSum {
        /// Along this axis.
        axis: usize,
    },
}

/// Where a convolution's kernel goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    /// Step down and to the right.
    pub strides: [usize; 2],
    /// Zeros above, left, below, right.
    pub pads: [usize; 4],
    /// Distance of the kernel's elements.
    pub dilations: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

/// Where a pooling window goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its height and width.
    pub kernel: [usize; 2],
    /// Step down and to the right.
    pub strides: [usize; 2],
    /// Padding above, left, below, right; with `ceil_mode` the output's shape may ask for more below and to the right.
    pub pads: [usize; 4],
    /// Distance of its elements.
    pub dilations: [usize; 2],
}

/// A reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Arithmetic mean.
    Mean,
    /// Sum.
    Sum,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Product.
    Prod,
    /// Sum of absolute values.
    L1,
    /// Root of the sum of squares.
    L2,
    /// Sum of squares.
    SumSquare,
    /// Logarithm of the sum.
    LogSum,
    /// Logarithm of the sum of exponentials.
    LogSumExp,
}

/// What a frame is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// This number.
    Constant(f32),
    /// The picture mirrored at its outermost elements.
    Reflect,
    /// The outermost elements.
    Edge,
    /// The other side.
    Wrap,
}

/// How values are resampled; names as in ONNX's Resize.
#[derive(Debug, Clone, PartialEq)]
pub struct Resize {
    /// How neighbours are weighted.
    pub mode: ResizeMode,
    /// How an output's place becomes an input's.
    pub coordinates: Coordinates,
    /// For [`ResizeMode::Nearest`]: how a place between two becomes one of them.
    pub rounding: Rounding,
    /// Output over input of every axis, as the file says, which may not be the ratio of the extents.
    pub scales: Vec<f32>,
    /// For [`ResizeMode::Cubic`]: the coefficient a.
    pub cubic: f32,
    /// Whether weights outside the picture are dropped.
    pub exclude_outside: bool,
    /// Whether shrinking widens the filter.
    pub antialias: bool,
}

/// Interpolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeMode {
    /// The nearest element.
    Nearest,
    /// Linear in every axis.
    Linear,
    /// Cubic in every axis.
    Cubic,
}

/// Where an output element lies in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinates {
    /// (x + ½) / scale − ½.
    HalfPixel,
    /// The same, and 0 where the output has one element.
    PytorchHalfPixel,
    /// The same for the extents before rounding.
    HalfPixelSymmetric,
    /// x · (in − 1) / (out − 1).
    AlignCorners,
    /// x / scale.
    Asymmetric,
}

/// How a place between two elements is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, halves down.
    PreferFloor,
    /// To the nearest, halves up.
    PreferCeil,
    /// Down.
    Floor,
    /// Up.
    Ceil,
}

impl Op {
    /// The operator's name: ONNX's where it has one.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "Conv",
            Self::ConvTranspose(_) => "ConvTranspose",
            Self::Linear { .. } => "Linear",
            Self::MatMul => "MatMul",
            Self::BatchNorm { .. } => "BatchNormalization",
            Self::Affine { .. } => "Affine",
            Self::InstanceNorm { .. } => "InstanceNormalization",
            Self::GroupNorm { .. } => "GroupNormalization",
            Self::LayerNorm { .. } => "LayerNormalization",
            Self::RmsNorm { .. } => "RMSNormalization",
            Self::Lrn { .. } => "LRN",
            Self::LpNorm { .. } => "LpNormalization",
            Self::Unary(unary) => unary.name(),
            Self::PRelu => "PRelu",
            Self::Binary(binary) => binary.name(),
            Self::Where => "Where",
            Self::MaxPool(_) => "MaxPool",
            Self::AveragePool { .. } => "AveragePool",
            Self::GlobalAveragePool => "GlobalAveragePool",
            Self::GlobalMaxPool => "GlobalMaxPool",
            Self::Reduce { kind, .. } => match kind {
                Reduction::Mean => "ReduceMean",
                Reduction::Sum => "ReduceSum",
                Reduction::Max => "ReduceMax",
                Reduction::Min => "ReduceMin",
                Reduction::Prod => "ReduceProd",
                Reduction::L1 => "ReduceL1",
                Reduction::L2 => "ReduceL2",
                Reduction::SumSquare => "ReduceSumSquare",
                Reduction::LogSum => "ReduceLogSum",
                Reduction::LogSumExp => "ReduceLogSumExp",
            },
            Self::Softmax { log: false, .. } => "Softmax",
            Self::Softmax { log: true, .. } => "LogSoftmax",
            Self::Reshape => "Reshape",
            Self::Transpose { .. } => "Transpose",
            Self::Concat { .. } => "Concat",
            Self::Slice { .. } => "Slice",
            Self::Gather { .. } => "Gather",
            Self::Pad { .. } => "Pad",
            Self::Expand => "Expand",
            Self::Tile => "Tile",
            Self::Resize(_) => "Resize",
            Self::DepthToSpace { .. } => "DepthToSpace",
            Self::SpaceToDepth { .. } => "SpaceToDepth",
            Self::ScatterNd => "ScatterND",
            Self::CumSum { .. } => "CumSum",
        }
    }

    /// Whether every output element depends only on input elements in its own place (after broadcasting).
    #[must_use]
    pub fn is_pointwise(&self) -> bool {
        matches!(self, Self::Unary(_) | Self::Binary(_) | Self::PRelu | Self::Where)
    }
}
