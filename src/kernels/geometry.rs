//! Which input pixels an output pixel reads.

/// Zero padding of a convolution or pooling layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// The same number of pixels on both sides of each axis, as PyTorch's `padding`.
    Explicit(usize),
    /// TensorFlow's "SAME": output ⌈n / stride⌉, the odd pixel of padding at the bottom and right.
    Same,
}

/// One axis of a sliding window: output `o` and tap `k` read input `(o·stride + k − pad) / spread`, where that
/// division is exact and inside the input.
///
/// `spread > 1` stands for zeros between the input's pixels: the gradient of a strided layer reads ∂y that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    pub kernel: usize,
    pub stride: usize,
    pub spread: usize,
    pub pad: isize,
    pub input: usize,
    pub output: usize,
}

impl Axis {
    /// The forward axis of a layer over `input` pixels; `ceil` rounds the output size up as PyTorch's `ceil_mode`.
    pub fn forward(input: usize, kernel: usize, stride: usize, padding: Padding, ceil: bool) -> Self {
        let (pad, output) = match padding {
            Padding::Same => {
                let output = input.div_ceil(stride);
                let total = ((output - 1) * stride + kernel).saturating_sub(input);
                (total / 2, output)
            }
            Padding::Explicit(pad) => {
                let room = (input + 2 * pad).saturating_sub(kernel);
                if input + 2 * pad < kernel {
                    (pad, 0)
                } else if ceil {
                    let output = room.div_ceil(stride) + 1;
                    // PyTorch drops a last window that would start in the padding.
                    (pad, if (output - 1) * stride >= input + pad { output - 1 } else { output })
                } else {
                    (pad, room / stride + 1)
                }
            }
        };
        Self { kernel, stride, spread: 1, pad: pad.cast_signed(), input, output }
    }

    /// The axis that carries ∂y back to ∂x, to be used with the kernel rotated by 180°.
    pub fn transposed(&self) -> Self {
        Self {
            kernel: self.kernel,
            stride: self.spread,
            spread: self.stride,
            pad: self.kernel.cast_signed() - 1 - self.pad,
            input: self.output,
            output: self.input,
        }
    }

    /// The input index that output `o` reads through tap `k`, if it reads one.
    #[inline]
    pub fn source(&self, o: usize, k: usize) -> Option<usize> {
        let v = (o * self.stride + k).cast_signed() - self.pad;
        if v < 0 {
            return None;
        }
        let v = v.cast_unsigned();
        let i = v / self.spread;
        (i * self.spread == v && i < self.input).then_some(i)
    }

    /// Pixels of zero padding that the last window needs behind the (spread) input.
    pub fn pad_after(&self) -> isize {
        let spread_input = if self.input == 0 { 0 } else { (self.input - 1) * self.spread + 1 };
        ((self.output.max(1) - 1) * self.stride + self.kernel).cast_signed() - self.pad - spread_input.cast_signed()
    }
}

/// Both axes (vertical, horizontal) of a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub y: Axis,
    pub x: Axis,
}

impl Window {
    pub fn forward(
        (h, w): (usize, usize),
        (kh, kw): (usize, usize),
        stride: usize,
        padding: Padding,
        ceil: bool,
    ) -> Self {
        Self { y: Axis::forward(h, kh, stride, padding, ceil), x: Axis::forward(w, kw, stride, padding, ceil) }
    }

    pub fn transposed(&self) -> Self {
        Self { y: self.y.transposed(), x: self.x.transposed() }
    }

    /// Whether every output pixel is exactly one input pixel: a matrix product without gathering.
    pub fn is_pointwise(&self) -> bool {
        [self.y, self.x].iter().all(|a| a.kernel == 1 && a.stride == 1 && a.spread == 1 && a.pad == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_pixel_last() {
        let a = Axis::forward(224, 3, 2, Padding::Same, false);
        assert_eq!((a.output, a.pad, a.pad_after()), (112, 0, 1));
        let a = Axis::forward(7, 5, 2, Padding::Same, false);
        assert_eq!((a.output, a.pad, a.pad_after()), (4, 2, 2));
    }

    #[test]
    fn ceil_mode_follows_pytorch() {
        // torch.nn.MaxPool2d(3, 2, ceil_mode=True) on 111 gives 55, on 112 gives 56.
        assert_eq!(Axis::forward(111, 3, 2, Padding::Explicit(0), true).output, 55);
        assert_eq!(Axis::forward(112, 3, 2, Padding::Explicit(0), true).output, 56);
    }

    #[test]
    fn transposing_inverts_the_relation() {
        for (input, kernel, stride, pad) in [(9, 3, 2, 1), (8, 5, 1, 2), (7, 4, 3, 0)] {
            let a = Axis::forward(input, kernel, stride, Padding::Explicit(pad), false);
            let t = a.transposed();
            for o in 0..a.output {
                for k in 0..kernel {
                    if let Some(i) = a.source(o, k) {
                        assert_eq!(t.source(i, kernel - 1 - k), Some(o));
                    }
                }
            }
        }
    }
}
