//! Weight files: those inside the binary, and those a person brings.

use super::{Provenance, formula};
use crate::error::{Error, Result, one_line};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// The largest weight file that is read, in bytes.
const LARGEST: u64 = 4 << 30;

/// A weight file in memory, in safetensors layout, or a formula in place of one.
#[derive(Debug, Clone)]
pub struct Weights {
    path: PathBuf,
    /// `None` for the formula.
    bytes: Option<Cow<'static, [u8]>>,
    sha256: Option<&'static str>,
}

impl Weights {
    /// Weights that are part of the binary, with their SHA-256; `name` stands for them in messages.
    #[must_use]
    pub fn embedded(name: &str, bytes: &'static [u8], sha256: &'static str) -> Self {
        Self { path: name.into(), bytes: Some(Cow::Borrowed(bytes)), sha256: Some(sha256) }
    }

    /// Reads a weight file.
    ///
    /// # Errors
    /// [`Error::BadWeights`] if it cannot be read or is too large.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|e| Error::bad_weights(path, e))?;
        if !size.is_file() {
            return Err(Error::bad_weights(path, "it is not a file; give a .safetensors file"));
        }
        if size.len() > LARGEST {
            return Err(Error::bad_weights(path, "it is larger than 4 GiB"));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::bad_weights(path, e))?;
        Ok(Self { path: path.to_owned(), bytes: Some(Cow::Owned(bytes)), sha256: None })
    }

    /// Numbers from a formula for a network without batch norms: nothing it says means anything, but it takes as long
    /// as the real one, and its numbers can be checked against another program's.
    #[must_use]
    pub fn formula() -> Self {
        Self { path: "formula".into(), bytes: None, sha256: None }
    }

    /// Where a model of these weights comes from.
    #[must_use]
    pub fn provenance(&self, architecture: &str) -> Provenance {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        Provenance {
            file: name.into_owned(),
            format: if self.bytes.is_some() { "safetensors" } else { "formula" }.to_owned(),
            sha256: self.sha256(),
            architecture: Some(architecture.to_owned()),
            ..Provenance::default()
        }
    }

    /// SHA-256 of the file, in hexadecimal; of nothing for a formula.
    #[must_use]
    pub fn sha256(&self) -> String {
        let computed = || sha256_hex(self.bytes.as_deref().unwrap_or_default());
        self.sha256.map_or_else(computed, str::to_owned)
    }

    /// The tensors by name, read as float32 onto `device`.
    ///
    /// # Errors
    /// [`Error::BadWeights`] if the file is no valid safetensors file.
    pub fn tensors(&self, device: &Device) -> Result<Store<'_>> {
        let Some(bytes) = &self.bytes else {
            let source = Backing::Formula { device: device.clone(), next: Cell::new(0) };
            return Ok(Store { source, path: &self.path });
        };
        // safetensors checks the header, offsets, shapes and dtypes against the file's length.
        safetensors::SafeTensors::deserialize(bytes)
            .map_err(|e| Error::bad_weights(&self.path, format!("it is not a whole safetensors file ({e})")))?;
        let builder = VarBuilder::from_slice_safetensors(bytes, DType::F32, device)
            .map_err(|e| Error::bad_weights(&self.path, e))?;
        Ok(Store { source: Backing::File(builder), path: &self.path })
    }
}

/// SHA-256 of some bytes, in hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits.map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// Named tensors of a weight file.
pub struct Store<'a> {
    source: Backing<'a>,
    path: &'a Path,
}

enum Backing<'a> {
    File(VarBuilder<'a>),
    /// Counts the tensors that were asked for.
    Formula {
        device: Device,
        next: Cell<usize>,
    },
}

impl Store<'_> {
    /// The tensor called `name`, which must have exactly this shape.
    ///
    /// # Errors
    /// [`Error::BadWeights`] that names the tensor.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let builder = match &self.source {
            Backing::File(builder) => builder,
            Backing::Formula { device, next } => {
                let k = next.replace(next.get() + 1);
                return Ok(Tensor::from_vec(formula::tensor(k, shape), shape, device)?);
            }
        };
        builder.get(shape, name).map_err(|e| {
            let reason = if builder.contains_tensor(name) {
                format!("tensor \"{name}\" does not have the shape {shape:?} this model needs")
            } else {
                format!("tensor \"{name}\" {shape:?}, which this model needs, is not there ({})", one_line(e))
            };
            Error::bad_weights(self.path, reason)
        })
    }

    /// A convolution's kernel `[O, I, kH, kW]`, and the batch-norm behind it as scale and bias `[O]` of its outputs, in
    /// PyTorch's own arithmetic.
    ///
    /// # Errors
    /// [`Error::BadWeights`] if a tensor is missing or misshapen.
    pub fn normalised(
        &self,
        conv: &str,
        norm: &str,
        shape: [usize; 4],
        epsilon: f64,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let kernel = self.get(&format!("{conv}.weight"), &shape)?;
        let read = |name: &str| -> Result<Vec<f32>> {
            Ok(self.get(&format!("{norm}.{name}"), &shape[..1])?.to_vec1::<f32>()?)
        };
        let (gamma, variance) = (read("weight")?, read("running_var")?);
        let deviation = |v: f32| (1.0 / (f64::from(v) + epsilon).sqrt()) as f32;
        let scale: Vec<f32> = gamma.iter().zip(variance).map(|(g, v)| deviation(v) * g).collect();
        let shifts = read("bias")?.into_iter().zip(read("running_mean")?).zip(&scale);
        let bias: Vec<f32> = shifts.map(|((beta, mean), scale)| beta - mean * scale).collect();
        let vector = |values| Tensor::from_vec(values, shape[0], kernel.device());
        Ok((kernel.clone(), vector(scale)?, vector(bias)?))
    }
}
