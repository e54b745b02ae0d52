//! The protobuf wire format: a cursor over tagged fields.
//!
//! Reference: <https://protobuf.dev/programming-guides/encoding/>. Nothing is allocated before its length was checked
//! against the message around it, and messages are entered by their reader, never by recursion here.

use super::Refusal;
use super::source::ByteSource;

/// How much is read ahead, in bytes.
const AHEAD: usize = 1 << 16;
/// The most fields that are read of one file: it bounds the time that hostile bytes take.
const MOST_FIELDS: u32 = 1 << 25;
/// What a file's structure may take in memory besides four times its size, in bytes.
const ALLOWANCE: u64 = 1 << 24;
/// The longest name or text, in bytes.
const LONGEST_TEXT: u64 = 1 << 24;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// An integer of up to 64 bits.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64(u64),
    /// Four bytes, little-endian.
    Fixed32(u32),
    /// A message, a text, bytes or packed numbers.
    Bytes(Span),
}

/// A range of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub at: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Span {
    /// The position behind the last byte.
    #[must_use]
    pub fn end(self) -> u64 {
        self.at + self.len
    }
}

/// Reads fields of one message of a source.
pub struct Cursor<'a> {
    source: &'a ByteSource,
    start: u64,
    at: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
    fields: u32,
    spent: u64,
}

impl<'a> Cursor<'a> {
    /// A cursor over a whole source.
    #[must_use]
    pub fn new(source: &'a ByteSource) -> Self {
        Self::over(source, Span { at: 0, len: source.len() })
    }

    /// A cursor over a part of a source.
    #[must_use]
    pub fn over(source: &'a ByteSource, span: Span) -> Self {
        let end = span.end().min(source.len());
        Self {
            source,
            start: span.at.min(end),
            at: span.at.min(end),
            end,
            window: Vec::new(),
            window_at: 0,
            fields: 0,
            spent: 0,
        }
    }

    /// The next field's number and value, or `None` at the message's end. The caller goes into [`Wire::Bytes`] with
    /// [`Self::enter`] or takes them with [`Self::text`]; otherwise they are skipped.
    ///
    /// # Errors
    /// A [`Refusal`] for bytes that are no field.
    pub fn field(&mut self) -> Result<Option<(u32, Wire)>, Refusal> {
        if self.at >= self.end {
            return Ok(None);
        }
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(Refusal::new("it has more than 33 million fields"));
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|n| *n > 0 && *n < 1 << 29).ok_or_else(not_onnx)?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.bytes()?)),
            2 => {
                let len = self.varint()?;
                let span = Span { at: self.at, len };
                if len > self.end - self.at {
                    return Err(Refusal::new("the file is cut off or not an ONNX model; copy or export it again"));
                }
                self.at = span.end();
                Wire::Bytes(span)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.bytes()?)),
            _ => return Err(not_onnx()),
        };
        Ok(Some((number, wire)))
    }

    /// Goes into a message that [`Self::field`] has just given. `read` gets the cursor with the message as its whole world.
    ///
    /// # Errors
    /// What `read` returns.
    pub fn enter<T>(&mut self, span: Span, read: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let outer = (self.start, self.at, self.end);
        (self.start, self.at, self.end) = (span.at, span.at, span.end());
        let result = read(self);
        (self.start, self.at, self.end) = outer;
        result
    }

    /// Counts what is about to be kept of this source. Two bytes can stand for a whole empty node, so a file's size
    /// alone does not bound it.
    ///
    /// # Errors
    /// A [`Refusal`] over four times the source's size (and 16 MB).
    pub fn charge(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.spent += bytes as u64;
        if self.spent > self.source.len().saturating_mul(4).saturating_add(ALLOWANCE) {
            return Err(Refusal::new(
                "it has more entries than its size explains, with hardly anything in them; export it again",
            ));
        }
        Ok(())
    }

    /// Adds an item to a list, counted.
    ///
    /// # Errors
    /// As [`Self::charge`].
    pub fn push<T>(&mut self, list: &mut Vec<T>, item: T) -> Result<(), Refusal> {
        // A list that grows has room for twice what is in it.
        self.charge(2 * size_of::<T>())?;
        list.push(item);
        Ok(())
    }

    /// A text or other short bytes.
    ///
    /// # Errors
    /// A [`Refusal`] if they are longer than anybody writes.
    pub fn raw(&mut self, span: Span) -> Result<Vec<u8>, Refusal> {
        if span.len > LONGEST_TEXT {
            return Err(Refusal::new("it has a text of more than 16 MB"));
        }
        self.charge(span.len as usize)?;
        let mut bytes = vec![0; span.len as usize];
        self.enter(span, |cursor| cursor.copy(&mut bytes))?;
        Ok(bytes)
    }

    /// A text; bytes that are no UTF-8 become replacement characters.
    ///
    /// # Errors
    /// As [`Self::raw`].
    pub fn text(&mut self, span: Span) -> Result<String, Refusal> {
        Ok(String::from_utf8_lossy(&self.raw(span)?).into_owned())
    }

    /// A varint inside packed numbers.
    ///
    /// # Errors
    /// A [`Refusal`] if it does not end within ten bytes or within the message.
    pub fn varint(&mut self) -> Result<u64, Refusal> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.bytes()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(not_onnx())
    }

    /// The whole message that is being read.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { at: self.start, len: self.end - self.start }
    }

    /// Whether the message has more bytes.
    #[must_use]
    pub fn more(&self) -> bool {
        self.at < self.end
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// A [`Refusal`] if the message ends before.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let mut bytes = [0; N];
        self.copy(&mut bytes)?;
        Ok(bytes)
    }

    /// All bytes of a span, which may be long: the caller has checked its length against what it needs.
    fn copy(&mut self, into: &mut [u8]) -> Result<(), Refusal> {
        let wanted = into.len() as u64;
        if wanted > self.end - self.at {
            return Err(Refusal::new("the file is cut off or not an ONNX model; copy or export it again"));
        }
        let inside = self.at.checked_sub(self.window_at).map(|from| from as usize);
        match inside.and_then(|from| self.window.get(from..from + into.len())) {
            Some(part) => into.copy_from_slice(part),
            None if into.len() > AHEAD / 4 => self.source.read_at(self.at, into)?,
            None => {
                let len = (AHEAD as u64).min(self.source.len() - self.at) as usize;
                self.window.resize(len, 0);
                self.window_at = self.at;
                self.source.read_at(self.at, &mut self.window)?;
                into.copy_from_slice(&self.window[..into.len()]);
            }
        }
        self.at += wanted;
        Ok(())
    }
}

fn not_onnx() -> Refusal {
    Refusal::new("it is damaged or not an ONNX model; give a .onnx file, or another copy of this one")
}
