//! Which input pixels an output pixel reads.

use candle_core::Result;
use std::ops::Range;

/// The largest kernel, step, dilation or padding, in pixels: products of two of them stay far from overflowing.
const LARGEST: usize = 1 << 24;
/// The most floats of one map, 64 GiB: a layer that wants more was not meant so.
const MOST: usize = 1 << 34;

/// Padding of a convolution or pooling layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Pixels at the top, the left, the bottom and the right.
    Explicit([usize; 4]),
    /// TensorFlow's "SAME", ONNX's `SAME_UPPER`: output ⌈n / stride⌉, the odd pixel of padding at the bottom and right.
    SameUpper,
    /// ONNX's `SAME_LOWER`: output ⌈n / stride⌉, the odd pixel of padding at the top and left.
    SameLower,
}

impl Padding {
    /// No padding: ONNX's `VALID`.
    pub const NONE: Self = Self::uniform(0);

    /// The same number of pixels on every side, as PyTorch's `padding`.
    #[must_use]
    pub const fn uniform(pixels: usize) -> Self {
        Self::Explicit([pixels; 4])
    }

    /// The same number of pixels at both ends of an axis: `[vertical, horizontal]`, as PyTorch's `padding`.
    #[must_use]
    pub const fn symmetric([vertical, horizontal]: [usize; 2]) -> Self {
        Self::Explicit([vertical, horizontal, vertical, horizontal])
    }
}

/// How a layer's window lies on a map; each pair is `[vertical, horizontal]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowShape {
    /// Taps of the window.
    pub kernel: [usize; 2],
    /// Pixels between a window and the next one, at least 1.
    pub stride: [usize; 2],
    /// What lies around the map.
    pub padding: Padding,
    /// Pixels between a tap and the next one, at least 1.
    pub dilation: [usize; 2],
    /// Whether a last, partial window counts, as in PyTorch's `ceil_mode`: unless it would start in the padding.
    pub ceil: bool,
}

impl WindowShape {
    /// A square window without padding and dilation, partial windows left out.
    #[must_use]
    pub const fn square(kernel: usize, stride: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: Padding::NONE, dilation: [1; 2], ceil: false }
    }

    /// Over a map of height and width `input`.
    ///
    /// # Errors
    /// If a number is out of range, or the padded map is smaller than the window.
    pub(super) fn over(&self, input: (usize, usize)) -> Result<Window> {
        let (y, x) = (self.axis(0, input.0)?, self.axis(1, input.1)?);
        if y.output == 0 || x.output == 0 {
            candle_core::bail!(
                "a map of {}×{} pixels is smaller than a window of {}×{}, give a larger input",
                input.1,
                input.0,
                x.extent(),
                y.extent()
            );
        }
        Ok(Window { y, x })
    }

    /// Pixels of padding before and after an input of axis 0 (vertical) or 1.
    pub(super) fn sides(&self, axis: usize, input: usize) -> [usize; 2] {
        let extent = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
        let stride = self.stride[axis];
        let total = || ((input.div_ceil(stride).max(1) - 1) * stride + extent).saturating_sub(input);
        match self.padding {
            Padding::Explicit(pads) => [pads[axis], pads[axis + 2]],
            Padding::SameUpper => [total() / 2, total().div_ceil(2)],
            Padding::SameLower => [total().div_ceil(2), total() / 2],
        }
    }

    /// Checks what does not depend on the map.
    ///
    /// # Errors
    /// If a number is out of range.
    pub(super) fn check(&self) -> Result<()> {
        for (name, values) in [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            if let Some(value) = values.iter().find(|v| !(1..=LARGEST).contains(*v)) {
                candle_core::bail!("a {name} of {value} pixels is not between 1 and {LARGEST}");
            }
        }
        if let Padding::Explicit(pads) = self.padding
            && let Some(pad) = pads.iter().find(|pad| **pad > LARGEST)
        {
            candle_core::bail!("a padding of {pad} pixels is more than {LARGEST}");
        }
        Ok(())
    }

    fn axis(&self, axis: usize, input: usize) -> Result<Axis> {
        self.check()?;
        if !(1..=LARGEST).contains(&input) {
            candle_core::bail!("a side of {input} pixels is not between 1 and {LARGEST}");
        }
        let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        let [before, after] = self.sides(axis, input);
        let extent = (kernel - 1) * dilation + 1;
        let room = (before + input + after).checked_sub(extent);
        let output = match (self.padding, room) {
            (_, None) => 0,
            (Padding::SameUpper | Padding::SameLower, _) => input.div_ceil(stride),
            (Padding::Explicit(_), Some(room)) if self.ceil => {
                let output = room.div_ceil(stride) + 1;
                if (output - 1) * stride >= input + before { output - 1 } else { output }
            }
            (Padding::Explicit(_), Some(room)) => room / stride + 1,
        };
        Ok(Axis { kernel, stride, dilation, spread: 1, pad: before.cast_signed(), input, output })
    }

    /// The axis of the layer that leads from an input of unknown length to `output` pixels: the shortest such input, and
    /// `longer` pixels at its end.
    ///
    /// # Errors
    /// If a number is out of range, or the paddings leave nothing of the input.
    pub(super) fn reversed(&self, axis: usize, output: usize, longer: usize) -> Result<Axis> {
        self.check()?;
        let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        if !(1..=LARGEST).contains(&output) {
            candle_core::bail!("a side of {output} pixels is not between 1 and {LARGEST}");
        }
        let [before, after] = self.sides(axis, output * stride);
        let length = match self.padding {
            Padding::Explicit(_) => {
                ((output - 1) * stride + (kernel - 1) * dilation + 1 + longer).checked_sub(before + after)
            }
            Padding::SameUpper | Padding::SameLower => Some(output * stride),
        };
        let Some(input @ 1..) = length else {
            candle_core::bail!(
                "paddings of {before} and {after} pixels leave nothing of a transposed convolution's output"
            );
        };
        Ok(Axis { kernel, stride, dilation, spread: 1, pad: before.cast_signed(), input, output })
    }
}

/// One axis of a sliding window: output `o` and tap `k` read input `(o·stride + k·dilation − pad) / spread`, where that
/// division is exact and inside the input.
///
/// `spread > 1` stands for zeros between the input's pixels: the gradient of a strided layer reads ∂y that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    pub spread: usize,
    pub pad: isize,
    pub input: usize,
    pub output: usize,
}

impl Axis {
    /// From the first tap to the last, in (spread) pixels.
    pub fn extent(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// The axis that carries ∂y back to ∂x, to be used with the kernel rotated by 180°.
    pub fn transposed(&self) -> Self {
        Self {
            stride: self.spread,
            spread: self.stride,
            pad: self.extent().cast_signed() - 1 - self.pad,
            input: self.output,
            output: self.input,
            ..*self
        }
    }

    /// The input index that output `o` reads through tap `k`, if it reads one.
    #[inline]
    pub fn source(&self, o: usize, k: usize) -> Option<usize> {
        let v = (o * self.stride + k * self.dilation).cast_signed() - self.pad;
        if v < 0 {
            return None;
        }
        let v = v.cast_unsigned();
        let i = v / self.spread;
        (i * self.spread == v && i < self.input).then_some(i)
    }

    /// The taps by which output `o` of an axis that does not spread reads the input or what lies up to `before` pixels before
    /// it and `after` behind it.
    pub fn taps_within(&self, o: usize, before: usize, after: usize) -> Range<usize> {
        let start = (o * self.stride).cast_signed() - self.pad;
        let from = (-before.cast_signed() - start).max(0).cast_unsigned().div_ceil(self.dilation);
        let room = ((self.input + after).cast_signed() - start).max(0).cast_unsigned();
        let to = room.div_ceil(self.dilation).min(self.kernel);
        from.min(to)..to
    }

    /// Pixels of zero padding that the last window needs behind the (spread) input.
    pub fn pad_after(&self) -> isize {
        let spread_input = (self.input - 1) * self.spread + 1;
        ((self.output - 1) * self.stride + self.extent()).cast_signed() - self.pad - spread_input.cast_signed()
    }

    /// Pixels of the (spread) input with all padding.
    fn padded(&self) -> usize {
        let spread_input = (self.input - 1) * self.spread + 1;
        spread_input + self.pad.max(0).cast_unsigned() + self.pad_after().max(0).cast_unsigned()
    }
}

/// Both axes (vertical, horizontal) of a sliding window. Every side is at least one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub y: Axis,
    pub x: Axis,
}

impl Window {
    pub fn transposed(&self) -> Self {
        Self { y: self.y.transposed(), x: self.x.transposed() }
    }

    /// Whether every output pixel is exactly one input pixel: a matrix product without gathering.
    pub fn is_pointwise(&self) -> bool {
        let one = |a: &Axis| a.kernel == 1 && a.stride == 1 && a.spread == 1 && a.pad == 0 && a.output == a.input;
        one(&self.y) && one(&self.x)
    }

    /// Checks that `n` images of `inputs` channels with their padding, of `outputs` channels, and what one is gathered to
    /// for the other can be held.
    ///
    /// # Errors
    /// If one of them is too large.
    pub fn fits(&self, n: usize, inputs: usize, outputs: usize) -> Result<()> {
        let product = |factors: [usize; 4]| factors.iter().try_fold(1usize, |product, f| product.checked_mul(*f));
        let padded = product([n, self.y.padded(), self.x.padded(), inputs.max(outputs)]);
        let output = product([n, self.y.output, self.x.output, inputs.max(outputs)]);
        let taps = product([self.y.kernel, self.x.kernel, inputs, outputs]);
        if [padded, output, taps].iter().any(|floats| floats.is_none_or(|floats| floats > MOST)) {
            candle_core::bail!(
                "a layer of {outputs} channels, {}×{} pixels with its padding, would not fit into memory",
                self.x.padded(),
                self.y.padded()
            );
        }
        Ok(())
    }
}

/// The greatest common divisor.
#[inline]
pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(input: usize, kernel: usize, stride: usize, padding: Padding, ceil: bool) -> Axis {
        let shape = WindowShape { padding, ceil, ..WindowShape::square(kernel, stride) };
        shape.axis(0, input).expect("numbers in range")
    }

    #[test]
    fn same_padding_puts_the_odd_pixel_last_or_first() {
        let a = axis(224, 3, 2, Padding::SameUpper, false);
        assert_eq!((a.output, a.pad, a.pad_after()), (112, 0, 1));
        let a = axis(224, 3, 2, Padding::SameLower, false);
        assert_eq!((a.output, a.pad, a.pad_after()), (112, 1, 0));
        let a = axis(7, 5, 2, Padding::SameUpper, false);
        assert_eq!((a.output, a.pad, a.pad_after()), (4, 2, 2));
    }

    #[test]
    fn ceil_mode_follows_pytorch() {
        // torch.nn.MaxPool2d(3, 2, ceil_mode=True) on 111 gives 55, on 112 gives 56.
        assert_eq!(axis(111, 3, 2, Padding::NONE, true).output, 55);
        assert_eq!(axis(112, 3, 2, Padding::NONE, true).output, 56);
        // MaxPool2d(2, 2, padding=1, ceil_mode=True) on 3 gives 2: a third window would start in the padding.
        assert_eq!(axis(3, 2, 2, Padding::uniform(1), true).output, 2);
    }

    #[test]
    fn transposing_inverts_the_relation() {
        for (input, kernel, stride, dilation, pad) in
            [(9, 3, 2, 1, 1), (8, 5, 1, 1, 2), (7, 4, 3, 1, 0), (19, 3, 2, 4, 5)]
        {
            let shape = WindowShape {
                padding: Padding::uniform(pad),
                dilation: [dilation; 2],
                ..WindowShape::square(kernel, stride)
            };
            let a = shape.axis(1, input).expect("numbers in range");
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

    #[test]
    fn numbers_out_of_range_are_errors() {
        let square = WindowShape::square(3, 2);
        let wrong = [
            WindowShape { kernel: [0, 3], ..square },
            WindowShape { stride: [2, 0], ..square },
            WindowShape { dilation: [0, 1], ..square },
            WindowShape { kernel: [usize::MAX, 3], ..square },
            WindowShape { stride: [2, usize::MAX], ..square },
            WindowShape { dilation: [usize::MAX, 1], ..square },
            WindowShape { padding: Padding::Explicit([0, 0, 0, usize::MAX]), ..square },
        ];
        for shape in wrong {
            assert!(shape.over((9, 9)).is_err(), "{shape:?}");
        }
        assert!(square.over((0, 9)).is_err());
        assert!(square.over((9, usize::MAX)).is_err());
        let wide = WindowShape { padding: Padding::uniform(LARGEST), ..square };
        assert!(wide.over((9, 9)).and_then(|w| w.fits(1, 1, 1)).is_err(), "larger than any memory");
    }
}
