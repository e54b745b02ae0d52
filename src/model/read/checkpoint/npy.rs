//! NumPy's format of an array: a header of text, then the numbers. Reference:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use crate::model::read::onnx::Refusal;
use crate::model::read::onnx::source::ByteSource;
use crate::model::read::onnx::stored::{Element, Stored};
use candle_core::{Device, Tensor};
use std::path::Path;
use std::sync::Arc;

/// The longest header that is read, in bytes: it is a line of text.
const LONGEST: usize = 1 << 16;

/// Finds an array in `size` bytes of a source from `at` on: nothing of its numbers is read.
///
/// # Errors
/// A [`Refusal`] if there is none, or it is not laid out row by row in little-endian numbers.
pub fn find(source: &Arc<ByteSource>, at: u64, size: u64) -> Result<Stored, Refusal> {
    let mut head = vec![0; size.min(LONGEST as u64) as usize];
    source.read_at(at, &mut head)?;
    let whole = || Refusal::new("it is no whole NumPy array");
    let (version, rest) =
        head.strip_prefix(b"\x93NUMPY").and_then(|rest| rest.split_at_checked(2)).ok_or_else(whole)?;
    let (length, start): (usize, usize) = match (version[0], rest) {
        (1, [a, b, ..]) => (usize::from(u16::from_le_bytes([*a, *b])), 10),
        (2.., [a, b, c, d, ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 12),
        _ => return Err(whole()),
    };
    let text = start.checked_add(length).and_then(|end| head.get(start..end)).ok_or_else(whole)?;
    let text = String::from_utf8_lossy(text);
    let after = |key: &str| text.split_once(key).map(|(_, rest)| rest.trim_start_matches(['\'', '"', ':', ' ']));
    let kind = after("descr").and_then(|rest| rest.split(['\'', '"']).next()).ok_or_else(whole)?;
    let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(whole)?.0;
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let dims = extents.map(|extent| extent.trim_end_matches('L').parse().ok().filter(|extent: &i64| *extent >= 0));
    let dims: Vec<i64> = dims.collect::<Option<_>>().ok_or_else(whole)?;
    let element = element(kind).ok_or_else(|| {
        Refusal(format!("its numbers are of the kind \"{}\", which is not read; use float32", kind.escape_debug()))
    })?;
    let by_columns = after("fortran_order").is_some_and(|rest| rest.starts_with("True"));
    if by_columns && dims.iter().filter(|extent| **extent > 1).count() > 1 {
        return Err(Refusal::new("it is laid out column by column; save numpy.ascontiguousarray of it"));
    }
    let start = (start + length) as u64;
    Ok(Stored::supplied(dims, element, Arc::clone(source), at + start, size - start))
}

/// ONNX's number of an element type.
fn element(kind: &str) -> Option<i32> {
    Some(match kind.strip_prefix(['<', '|', '='])? {
        "f4" => 1,
        "u1" => 2,
        "i1" => 3,
        "u2" => 4,
        "i2" => 5,
        "i4" => 6,
        "i8" => 7,
        "b1" => 9,
        "f2" => 10,
        "f8" => 11,
        "u4" => 12,
        "u8" => 13,
        _ => return None,
    })
}

/// The array of a file as float32 on the CPU.
///
/// # Errors
/// As [`find`], and if the file holds fewer numbers than its header says, or more.
pub fn read(path: &Path) -> Result<Tensor, Refusal> {
    let source = Arc::new(ByteSource::open(path)?);
    let stored = find(&source, 0, source.len())?;
    let shape = stored.shape()?;
    let count = shape.iter().product();
    let placed = stored.place(source)?;
    let values = match placed.element() {
        Element::Float => placed.floats(count)?,
        Element::Int | Element::Bool => placed.ints(count)?.into_iter().map(|v| v as f32).collect(),
    };
    Tensor::from_vec(values, shape, &Device::Cpu).map_err(Refusal::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str, numbers: &[u8]) -> Vec<u8> {
        let length = (header.len() as u32).to_le_bytes();
        let length = &length[..if version == 1 { 2 } else { 4 }];
        [b"\x93NUMPY", &[version, 0][..], length, header.as_bytes(), numbers].concat()
    }

    fn found(bytes: Vec<u8>) -> Result<Stored, Refusal> {
        let source = Arc::new(ByteSource::Memory(bytes));
        let stored = find(&source, 0, source.len())?;
        stored.place(source).map(|_| stored)
    }

    #[test]
    fn headers_say_where_the_numbers_are() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n";
        for version in [1, 2, 3] {
            assert_eq!(found(file(version, header, &[0; 8])).expect("an array").dims, [2, 1]);
            assert!(found(file(version, header, &[0; 7])).is_err(), "cut off");
        }
        let columns = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': True, 'shape': {shape}, }}\n");
        assert!(found(file(1, &columns("(2, 1)"), &[0; 8])).is_ok(), "one column is one row");
        assert!(found(file(1, &columns("(2, 2)"), &[0; 16])).is_err());
        let scalar = "{\"descr\":\"|u1\",\"fortran_order\":False,\"shape\":()}";
        assert!(found(file(1, scalar, &[7])).expect("a scalar").dims.is_empty());
    }

    #[test]
    fn what_is_none_is_refused() {
        let shape = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        for header in [shape("(-1,)"), shape("no"), shape("(99999999999, 99999999999)"), shape("(1000000,)")] {
            assert!(found(file(1, &header, &[0; 4])).is_err(), "{header}");
        }
        assert!(found(file(1, &shape("(1,)").replace("<f4", ">f4"), &[0; 4])).is_err(), "big-endian");
        let mut longer = file(2, &shape("(1,)"), &[0; 4]);
        longer[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(found(longer).is_err(), "a header of 4 GB");
        assert!(found(b"\x93NUMPY".to_vec()).is_err() && found(vec![]).is_err());
    }
}
