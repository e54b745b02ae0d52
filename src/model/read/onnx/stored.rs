//! Where a tensor's numbers are in a file, and how they are read from there.

use super::Refusal;
use super::source::ByteSource;
use super::wire::{Cursor, Span, Wire};
use half::{bf16, f16};
use std::sync::Arc;

/// `TensorProto.DataLocation.EXTERNAL`.
pub const EXTERNAL: u64 = 1;
/// The most elements that any tensor may have.
pub const MOST_ELEMENTS: usize = 1 << 28;

/// The most axes of an array; networks have up to eight.
const MOST_AXES: usize = 64;

/// What a `TensorProto` says about its numbers.
#[derive(Debug, Default, Clone)]
pub struct Stored {
    /// Extents as written.
    pub dims: Vec<i64>,
    /// ONNX's number of the element type.
    pub element: i32,
    /// `raw_data`.
    pub raw: Option<Span>,
    /// Whether the numbers are in another file.
    pub outside: bool,
    /// The whole message, for numbers that are written one by one.
    pub message: Option<Span>,
    typed: Option<Typed>,
    location: String,
    offset: u64,
    length: Option<u64>,
    /// What holds the numbers, where that is not for the model to say.
    supplied: Option<Arc<ByteSource>>,
}

#[derive(Debug, Clone, Copy)]
struct Typed {
    field: u32,
    /// The one packed field; `None` where there are several fields.
    packed: Option<Span>,
}

/// Numbers that stay in a file until they are wanted.
#[derive(Debug, Clone)]
pub struct Placed {
    source: Arc<ByteSource>,
    span: Span,
    kind: Kind,
    form: Form,
}

/// Element types that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F32,
    F16,
    Bf16,
    F64,
    U8,
    I8,
    U16,
    I16,
    I32,
    U32,
    I64,
    U64,
    Bool,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// Little-endian bytes, densely.
    Raw,
    /// A packed field with this number.
    Packed(u32),
    /// Fields with this number, one or more elements each, within a message.
    Fields(u32),
}

impl Stored {
    /// A tensor whose numbers, of ONNX's type `element`, are little-endian bytes of `source` from `offset` on.
    #[must_use]
    pub fn supplied(dims: Vec<i64>, element: i32, source: Arc<ByteSource>, offset: u64, length: u64) -> Self {
        let (length, supplied) = (Some(length), Some(source));
        Self { dims, element, outside: true, offset, length, supplied, ..Self::default() }
    }

    /// What holds the numbers of a supplied tensor, and how many bytes they are.
    #[must_use]
    pub fn supply(&self) -> Option<(&Arc<ByteSource>, u64)> {
        Some((self.supplied.as_ref()?, self.length.unwrap_or(0)))
    }

    /// Takes note of a field that holds typed numbers.
    pub fn typed(&mut self, field: u32, wire: Wire) {
        let packed = match (self.typed, wire) {
            (None, Wire::Bytes(span)) => Some(span),
            _ => None,
        };
        self.typed = Some(Typed { field, packed });
    }

    /// Takes note of an entry of `external_data`.
    ///
    /// # Errors
    /// A [`Refusal`] for numbers that are none.
    pub fn external(&mut self, key: &str, value: String) -> Result<(), Refusal> {
        let number =
            |value: &str| value.parse().map_err(|_| Refusal::new("a weight's place in its file is no number"));
        match key {
            "location" => self.location = value,
            "offset" => self.offset = number(&value)?,
            "length" => self.length = Some(number(&value)?),
            _ => {}
        }
        Ok(())
    }

    /// The name of the file that holds the numbers, if they are outside.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        (self.outside && self.supplied.is_none()).then_some(self.location.as_str())
    }

    /// The extents.
    ///
    /// # Errors
    /// A [`Refusal`] for negative extents, or more than 2²⁸ elements.
    pub fn shape(&self) -> Result<Vec<usize>, Refusal> {
        let shape: Vec<usize> = self.dims.iter().filter_map(|d| usize::try_from(*d).ok()).collect();
        if shape.len() != self.dims.len() {
            return Err(Refusal::new("a weight has a negative extent"));
        }
        count(&shape)?;
        Ok(shape)
    }

    /// Where the numbers are; `source` is the file that the numbers are in, which is another one than the model's if
    /// [`Self::location`] says so.
    ///
    /// # Errors
    /// A [`Refusal`] if there are not as many numbers as the shape says, or they are of a type that is not read.
    pub fn place(&self, source: Arc<ByteSource>) -> Result<Placed, Refusal> {
        let kind = Kind::of(self.element)?;
        let len = count(&self.shape()?)?;
        let dense = (len * kind.size()) as u64;
        let mismatch = |found: u64, unit: &str| {
            Refusal(format!("a weight of shape {:?} has {found} {unit} where {len} numbers should be", self.dims))
        };
        if self.outside {
            let found = self.length.unwrap_or(dense);
            let there = source.len().saturating_sub(self.offset);
            if found != dense || there < dense {
                return Err(mismatch(found.min(there), "bytes"));
            }
            return Ok(Placed { source, span: Span { at: self.offset, len: dense }, kind, form: Form::Raw });
        }
        if let Some(span) = self.raw.filter(|_| self.typed.is_none()) {
            if span.len != dense {
                return Err(mismatch(span.len, "bytes"));
            }
            return Ok(Placed { source, span, kind, form: Form::Raw });
        }
        let nothing = Span { at: 0, len: 0 };
        let (span, form) = match self.typed {
            None => (nothing, Form::Raw),
            Some(Typed { field, packed: Some(span) }) => (span, Form::Packed(field)),
            Some(Typed { field, packed: None }) => (self.message.unwrap_or(nothing), Form::Fields(field)),
        };
        // No number takes less than a byte, so this bounds what will be allocated.
        if (len as u64) > span.len {
            return Err(mismatch(span.len, "bytes"));
        }
        Ok(Placed { source, span, kind, form })
    }
}

/// Number of elements of a shape.
///
/// # Errors
/// A [`Refusal`] for more than [`MOST_ELEMENTS`] or 64 axes.
pub fn count(shape: &[usize]) -> Result<usize, Refusal> {
    if shape.len() > MOST_AXES {
        return Err(Refusal(format!("it has an array of {} axes; {MOST_AXES} are allowed", shape.len())));
    }
    // Beside an axis without extent the others are to be counted with, too: steps from one place to the next are their products.
    let product = shape.iter().try_fold(1usize, |product, d| product.checked_mul((*d).max(1)));
    let none = shape.contains(&0);
    product.filter(|n| *n <= MOST_ELEMENTS).map(|n| if none { 0 } else { n }).ok_or_else(|| {
        Refusal(format!("it has an array of shape {shape:?}, more than the 268 million numbers that are allowed"))
    })
}

impl Kind {
    fn of(number: i32) -> Result<Self, Refusal> {
        Ok(match number {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::Bf16,
            _ => {
                return Err(Refusal(format!(
                    "its numbers are of type {}, which is not read; export it in float32 or float16",
                    type_name(number)
                )));
            }
        })
    }

    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::U16 | Self::I16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

/// What ONNX calls an element type.
fn type_name(number: i32) -> String {
    let name = match number {
        0 => "undefined",
        8 => "string",
        14 => "complex64",
        15 => "complex128",
        17..=20 => "float8",
        21 | 22 => "int4",
        23 => "float4",
        _ => return format!("number {number}"),
    };
    name.to_owned()
}

/// What an array's elements are computed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Element {
    /// float32, whatever the file's type was.
    #[default]
    Float,
    /// A 64-bit integer.
    Int,
    /// A truth value, kept as 0 or 1.
    Bool,
}

impl Element {
    /// What ONNX's numbered element type is computed as here; `None` for texts and what has no number.
    #[must_use]
    pub fn of(number: i32) -> Option<Self> {
        match number {
            1 | 10 | 11 | 16 => Some(Self::Float),
            2..=7 | 12 | 13 => Some(Self::Int),
            9 => Some(Self::Bool),
            _ => None,
        }
    }
}

impl Placed {
    /// What the numbers are computed as.
    #[must_use]
    pub fn element(&self) -> Element {
        match self.kind {
            Kind::F32 | Kind::F16 | Kind::Bf16 | Kind::F64 => Element::Float,
            Kind::Bool => Element::Bool,
            _ => Element::Int,
        }
    }

    /// Bits of a number in the file.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.kind.size() * 8
    }

    /// The least and largest number of its type, for integers of at most 16 bits.
    #[must_use]
    pub fn range(&self) -> Option<(i64, i64)> {
        match self.kind {
            Kind::U8 => Some((0, 255)),
            Kind::I8 => Some((-128, 127)),
            Kind::U16 => Some((0, 65_535)),
            Kind::I16 => Some((-32_768, 32_767)),
            _ => None,
        }
    }

    /// Reads `len` numbers of a floating type.
    ///
    /// # Errors
    /// A [`Refusal`] if the file cannot be read, or changed.
    pub fn floats(&self, len: usize) -> Result<Vec<f32>, Refusal> {
        match (self.form, self.kind) {
            (Form::Raw, Kind::F32) => self.raw(len, f32::from_le_bytes),
            (Form::Raw, Kind::F16) => self.raw(len, |b| f16::from_le_bytes(b).to_f32()),
            (Form::Raw, Kind::Bf16) => self.raw(len, |b| bf16::from_le_bytes(b).to_f32()),
            (Form::Raw, Kind::F64) => self.raw(len, |b| f64::from_le_bytes(b) as f32),
            _ => self.listed(len, |bits| match self.kind {
                Kind::F32 => f32::from_bits(bits as u32),
                Kind::F16 => f16::from_bits(bits as u16).to_f32(),
                Kind::Bf16 => bf16::from_bits(bits as u16).to_f32(),
                _ => f64::from_bits(bits) as f32,
            }),
        }
    }

    /// Reads `len` numbers of an integer type, or truth values as 0 and 1.
    ///
    /// # Errors
    /// A [`Refusal`] if the file cannot be read, or changed.
    pub fn ints(&self, len: usize) -> Result<Vec<i64>, Refusal> {
        match (self.form, self.kind) {
            (Form::Raw, Kind::U8) => self.raw(len, |[b]: [u8; 1]| i64::from(b)),
            (Form::Raw, Kind::I8) => self.raw(len, |b| i64::from(i8::from_le_bytes(b))),
            (Form::Raw, Kind::U16) => self.raw(len, |b| i64::from(u16::from_le_bytes(b))),
            (Form::Raw, Kind::I16) => self.raw(len, |b| i64::from(i16::from_le_bytes(b))),
            (Form::Raw, Kind::I32) => self.raw(len, |b| i64::from(i32::from_le_bytes(b))),
            (Form::Raw, Kind::U32) => self.raw(len, |b| i64::from(u32::from_le_bytes(b))),
            (Form::Raw, Kind::Bool) => self.raw(len, |[b]: [u8; 1]| i64::from(b != 0)),
            (Form::Raw, _) => self.raw(len, i64::from_le_bytes),
            (_, Kind::Bool) => self.listed(len, |bits| i64::from(bits != 0)),
            // Narrow signed integers are written sign-extended to the varint's 64 bits.
            _ => self.listed(len, u64::cast_signed),
        }
    }

    fn raw<const N: usize, T>(&self, len: usize, convert: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Refusal> {
        let mut numbers = Vec::with_capacity(len);
        let mut block = vec![0; self.source.block().min(len * N)];
        let mut at = self.span.at;
        while numbers.len() < len {
            let bytes = block.len().min((len - numbers.len()) * N);
            self.source.read_at(at, &mut block[..bytes])?;
            let (whole, _) = block[..bytes].as_chunks::<N>();
            numbers.extend(whole.iter().map(|b| convert(*b)));
            at += bytes as u64;
        }
        Ok(numbers)
    }

    /// Numbers of a typed field, as bits.
    fn listed<T>(&self, len: usize, convert: impl Fn(u64) -> T) -> Result<Vec<T>, Refusal> {
        let mut cursor = Cursor::over(&self.source, self.span);
        let mut numbers = Vec::with_capacity(len);
        let c = &mut cursor;
        match self.form {
            Form::Raw => {}
            Form::Packed(field) => packed(c, field, |bits| numbers.push(convert(bits)))?,
            Form::Fields(field) => {
                while let Some((number, wire)) = c.field()? {
                    match wire {
                        _ if number != field => {}
                        Wire::Varint(bits) | Wire::Fixed64(bits) => numbers.push(convert(bits)),
                        Wire::Fixed32(bits) => numbers.push(convert(u64::from(bits))),
                        Wire::Bytes(span) => {
                            c.enter(span, |c| packed(c, field, |bits| numbers.push(convert(bits))))?;
                        }
                    }
                }
            }
        }
        if numbers.len() == len {
            return Ok(numbers);
        }
        Err(Refusal(format!("a weight has {} numbers where {len} should be", numbers.len())))
    }
}

/// The numbers of a packed field: 4 is float_data, 10 double_data, the others hold varints.
fn packed(c: &mut Cursor, field: u32, mut each: impl FnMut(u64)) -> Result<(), Refusal> {
    while c.more() {
        each(match field {
            4 => u64::from(u32::from_le_bytes(c.bytes()?)),
            10 => u64::from_le_bytes(c.bytes()?),
            _ => c.varint()?,
        });
    }
    Ok(())
}
