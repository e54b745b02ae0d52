//! Arrays that do not depend on the picture.

use super::Refusal;
pub use super::stored::Element;
use super::stored::{Placed, count};
use std::borrow::Cow;
use std::sync::Arc;

/// The most elements of a constant that is one number everywhere, where its elements are looked at one by one.
const MOST_FILLED: usize = 1 << 20;

/// The most elements of such that become tensors of a network: VGG-19 has 144 million, and files of tests fill them all.
const MOST_WRITTEN: usize = 150_000_000;

/// A typed n-dimensional array in row-major order, shared.
#[derive(Debug, Clone)]
pub struct Constant {
    /// Its extents; none for a scalar.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub element: Element,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    Floats(Arc<[f32]>),
    Ints(Arc<[i64]>),
    /// One number everywhere.
    Float(f32),
    Int(i64),
    /// Still in the file.
    Placed(Arc<Placed>),
}

impl Constant {
    /// An array of numbers; `shape` has as many elements as `values`.
    #[must_use]
    pub fn floats(shape: Vec<usize>, values: impl Into<Arc<[f32]>>) -> Self {
        Self { shape, element: Element::Float, data: Data::Floats(values.into()) }
    }

    /// An array of integers or truth values; `shape` has as many elements as `values`.
    #[must_use]
    pub fn ints(shape: Vec<usize>, element: Element, values: impl Into<Arc<[i64]>>) -> Self {
        Self { shape, element, data: Data::Ints(values.into()) }
    }

    /// A list of integers.
    #[must_use]
    pub fn list(values: Vec<i64>) -> Self {
        Self::ints(vec![values.len()], Element::Int, values)
    }

    /// The same number everywhere, in no memory.
    #[must_use]
    pub fn filled(shape: Vec<usize>, value: f32) -> Self {
        Self { shape, element: Element::Float, data: Data::Float(value) }
    }

    /// The same integer or truth value everywhere, in no memory.
    #[must_use]
    pub fn filled_int(shape: Vec<usize>, element: Element, value: i64) -> Self {
        Self { shape, element, data: Data::Int(value) }
    }

    /// Numbers that stay in the file.
    #[must_use]
    pub fn placed(shape: Vec<usize>, placed: Placed) -> Self {
        Self { shape, element: placed.element(), data: Data::Placed(Arc::new(placed)) }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// A [`Refusal`] if that has another number of elements.
    pub fn reshaped(&self, shape: Vec<usize>) -> Result<Self, Refusal> {
        if count(&shape)? != self.len() {
            return Err(Refusal(format!("{:?} cannot become {shape:?}", self.shape)));
        }
        Ok(Self { shape, ..self.clone() })
    }

    /// Bits of an element in the file, if it still is there.
    #[must_use]
    pub fn stored_bits(&self) -> Option<usize> {
        if let Data::Placed(placed) = &self.data { Some(placed.bits()) } else { None }
    }

    /// The least and largest integer of its type in the file, if it still is there and of at most 16 bits.
    #[must_use]
    pub fn integer_range(&self) -> Option<(i64, i64)> {
        if let Data::Placed(placed) = &self.data { placed.range() } else { None }
    }

    /// The one number that all elements are, if that is known without reading them.
    #[must_use]
    pub fn filling(&self) -> Option<f32> {
        match &self.data {
            Data::Float(value) => Some(*value),
            Data::Int(value) => Some(*value as f32),
            _ => None,
        }
    }

    /// Itself, to be read while a file is looked through.
    ///
    /// # Errors
    /// A [`Refusal`] if it is one number everywhere, in no memory so far, and would take more than files have use for.
    pub fn affordable(&self) -> Result<&Self, Refusal> {
        self.of_at_most(MOST_FILLED, self.len())
    }

    /// Itself, to become a tensor of the network, in which there are so many numbers of this kind with it.
    ///
    /// # Errors
    /// A [`Refusal`] if it is one number everywhere, and they would take more memory than weights that were learnt.
    pub fn writable(&self, together: usize) -> Result<&Self, Refusal> {
        self.of_at_most(MOST_WRITTEN, together)
    }

    fn of_at_most(&self, most: usize, numbers: usize) -> Result<&Self, Refusal> {
        if self.filling().is_some() && numbers > most {
            let reason = "it computes far more constants than the file is large; simplify it before exporting";
            return Err(Refusal::new(reason));
        }
        Ok(self)
    }

    /// The elements as numbers; integers are converted. Reads the file if they are there.
    ///
    /// # Errors
    /// A [`Refusal`] if the file cannot be read.
    pub fn to_floats(&self) -> Result<Cow<'_, [f32]>, Refusal> {
        let len = self.len();
        Ok(match &self.data {
            Data::Floats(values) => Cow::Borrowed(values),
            Data::Float(value) => Cow::Owned(vec![*value; len]),
            Data::Placed(placed) if self.element == Element::Float => Cow::Owned(placed.floats(len)?),
            _ => Cow::Owned(self.to_ints()?.iter().map(|v| *v as f32).collect()),
        })
    }

    /// The elements as integers; numbers are cut towards zero. Reads the file if they are there.
    ///
    /// # Errors
    /// A [`Refusal`] if the file cannot be read.
    pub fn to_ints(&self) -> Result<Cow<'_, [i64]>, Refusal> {
        let len = self.len();
        Ok(match &self.data {
            Data::Ints(values) => Cow::Borrowed(values),
            Data::Int(value) => Cow::Owned(vec![*value; len]),
            Data::Placed(placed) if self.element != Element::Float => Cow::Owned(placed.ints(len)?),
            _ => Cow::Owned(self.to_floats()?.iter().map(|v| *v as i64).collect()),
        })
    }

    /// The number of an array with one element.
    #[must_use]
    pub fn scalar(&self) -> Option<f32> {
        if self.len() != 1 {
            return None;
        }
        self.to_floats().ok()?.first().copied()
    }
}

/// Scale and shift of each channel that a batch norm is in evaluation mode, in PyTorch's own arithmetic.
#[must_use]
pub fn batch_norm(gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32], epsilon: f32) -> [Vec<f32>; 2] {
    let deviation = |v: f32| (1.0 / (f64::from(v) + f64::from(epsilon)).sqrt()) as f32;
    let scale: Vec<f32> = gamma.iter().zip(variance).map(|(g, v)| deviation(*v) * g).collect();
    let shift = beta.iter().zip(mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
    [scale, shift]
}
