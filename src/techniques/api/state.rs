//! A job between two steps, kept: what history, branches and checkpoints are made of.

use crate::error::Result;
use crate::optim::Adam;
use candle_core::{Device, Tensor};
use serde_json::Value;
use std::collections::BTreeMap;

/// Tensors and numbers by name. Tensors are shared, not copied.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The tensors.
    pub tensors: BTreeMap<String, Tensor>,
    /// Everything else.
    pub values: BTreeMap<String, Value>,
}

impl State {
    /// The same with a tensor more.
    #[must_use]
    pub fn with(mut self, name: &str, tensor: &Tensor) -> Self {
        self.tensors.insert(name.to_owned(), tensor.clone());
        self
    }

    /// The same with a tensor more, if there is one.
    #[must_use]
    pub fn with_some(self, name: &str, tensor: Option<&Tensor>) -> Self {
        match tensor {
            Some(tensor) => self.with(name, tensor),
            None => self,
        }
    }

    /// The same with a value more.
    ///
    /// # Panics
    /// If the value cannot be JSON: a map with keys that are no words.
    #[must_use]
    pub fn with_value(mut self, name: &str, value: impl serde::Serialize) -> Self {
        self.values.insert(name.to_owned(), serde_json::to_value(value).expect("plain data"));
        self
    }

    /// The same with a list of numbers more.
    #[must_use]
    pub fn with_numbers(self, name: &str, numbers: &[f64]) -> Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
        let length = bytes.len();
        match Tensor::from_vec(bytes, length, &Device::Cpu) {
            Ok(tensor) => self.with(name, &tensor),
            Err(_) => self,
        }
    }

    /// The same with the moments of Adam.
    #[must_use]
    pub fn with_adam(self, adam: &Adam) -> Self {
        let (mean, variance, updates) = adam.moments();
        self.with("mean", mean).with("variance", variance).with_value("updates", updates)
    }

    /// Adam with its moments.
    ///
    /// # Errors
    /// If there are none.
    pub fn adam(&self) -> Result<Adam> {
        Ok(Adam::resumed(self.tensor("mean")?, self.tensor("variance")?, self.value("updates")?))
    }

    /// A list of numbers by name.
    ///
    /// # Errors
    /// If there is none.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let bytes = self.tensor(name)?.to_vec1::<u8>()?;
        let number = |b: &[u8]| f64::from_le_bytes(std::array::from_fn(|i| b[i]));
        Ok(bytes.chunks_exact(size_of::<f64>()).map(number).collect())
    }

    /// A tensor by name.
    ///
    /// # Errors
    /// If there is none.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.tensors.get(name).cloned().ok_or_else(Self::foreign)
    }

    /// A value by name.
    ///
    /// # Errors
    /// If there is none of this type.
    pub fn value<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let value = self.values.get(name).cloned().ok_or_else(Self::foreign)?;
        serde_json::from_value(value).map_err(|_| Self::foreign())
    }

    /// A list of a certain length by name.
    ///
    /// # Errors
    /// If there is none of this type and length.
    pub fn list<T: serde::de::DeserializeOwned>(&self, name: &str, length: usize) -> Result<Vec<T>> {
        let list: Vec<T> = self.value(name)?;
        if list.len() == length { Ok(list) } else { Err(Self::foreign()) }
    }

    /// The same with its names behind a prefix, to be part of a larger state.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        let name = |name: String| format!("{prefix}.{name}");
        Self {
            tensors: self.tensors.into_iter().map(|(n, t)| (name(n), t)).collect(),
            values: self.values.into_iter().map(|(n, v)| (name(n), v)).collect(),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.tensors.extend(other.tensors);
        self.values.extend(other.values);
        self
    }

    /// The part whose names begin with a prefix.
    #[must_use]
    pub fn part(&self, prefix: &str) -> Self {
        let within = |name: &String| Some(name.strip_prefix(prefix)?.strip_prefix('.')?.to_owned());
        Self {
            tensors: self.tensors.iter().filter_map(|(n, t)| Some((within(n)?, t.clone()))).collect(),
            values: self.values.iter().filter_map(|(n, v)| Some((within(n)?, v.clone()))).collect(),
        }
    }

    /// Bytes its tensors hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tensors.values().map(|t| t.elem_count() * t.dtype().size_in_bytes()).sum()
    }

    /// What is said of a state that is not the job's own.
    pub(in crate::techniques) fn foreign() -> crate::Error {
        candle_core::Error::Msg("this state belongs to another kind of run".into()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::DType;

    #[test]
    fn parts_come_back_whole() -> Result<()> {
        let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?;
        let inner = State::default().with("x", &x).with_value("step", 7usize);
        let whole = State::default().with("x", &x).and(inner.under("adam"));
        assert_eq!(whole.bytes(), 48);
        assert_eq!(whole.part("adam").value::<usize>("step")?, 7);
        assert!(whole.value::<usize>("step").is_err() && whole.tensor("y").is_err());
        let numbers = [0.1, -0.0, f64::MIN_POSITIVE, 1e300];
        let read = State::default().with_numbers("n", &numbers).numbers("n")?;
        assert_eq!(read.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), numbers.map(f64::to_bits));
        assert!(whole.part("ada").tensors.is_empty());
        Ok(())
    }
}
