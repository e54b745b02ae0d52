//! What several test programs share: the reference outputs and how to compare with them.
#![allow(dead_code, reason = "each test program uses a part")]

use candle_core::{Device, Tensor};
use gradlens::nets::{Network, model};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A file of reference outputs: tensors by name, and its metadata.
pub struct Golden {
    pub tensors: HashMap<String, Tensor>,
    pub meta: HashMap<String, String>,
}

impl Golden {
    pub fn open(name: &str) -> Self {
        let path = golden(&format!("{name}.safetensors"));
        let bytes = std::fs::read(&path).expect("the reference file");
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("its header");
        let meta = header.metadata().clone().unwrap_or_default();
        Self { tensors: candle_core::safetensors::load(&path, &Device::Cpu).expect("its tensors"), meta }
    }

    pub fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("no reference for {name}"))
    }

    pub fn values(&self, name: &str) -> Vec<f32> {
        values(self.get(name))
    }

    pub fn scalar(&self, name: &str) -> f32 {
        self.values(name)[0]
    }

    pub fn class(&self) -> usize {
        self.meta["class"].parse().expect("a class index")
    }

    pub fn layers(&self) -> Vec<String> {
        self.meta["layers"].split(',').map(str::to_owned).collect()
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub fn golden(file: &str) -> PathBuf {
    root().join("tests/golden").join(file)
}

pub fn network(id: &str) -> Network {
    let model = model(id).expect("a known model");
    model.build(&model.weights(), &Device::Cpu).expect("its own weights")
}

/// A picture's pixels `[1, 3, H, W]` in `[0, 1]`.
pub fn pixels(file: &str) -> Tensor {
    let picture = image::open(golden(file)).expect("a reference picture").to_rgb8();
    let (w, h) = picture.dimensions();
    let data: Vec<f32> = picture.into_raw().iter().map(|&v| f32::from(v) / 255.0).collect();
    Tensor::from_vec(data, (1, h as usize, w as usize, 3), &Device::Cpu)
        .and_then(|t| t.permute((0, 3, 1, 2)))
        .and_then(|t| t.contiguous())
        .expect("a tensor of pixels")
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("float32 values")
}

/// ‖a − b‖ / ‖b‖.
pub fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "the outputs differ in size");
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    difference / norm(&mut b.iter().map(|b| f64::from(*b))).max(1e-30)
}

pub fn worst_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "the outputs differ in size");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
