//! The models a program knows by name.

use super::zoo::{efficientnet_lite0, squeezenet1_1, vgg16};
use super::{Model, Output, Provenance, Store, Weights};
use crate::error::{Error, Result};
use candle_core::Device;

/// A weight file inside the binary.
#[derive(Clone, Copy)]
pub struct Embedded {
    /// The file.
    pub bytes: &'static [u8],
    /// Its SHA-256, known beforehand: to compute it would take as long as to load it.
    pub sha256: &'static str,
}

/// A model with a name.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its id on the command line.
    pub id: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// What its scores mean; `None` where it ends in features.
    pub output: Option<fn() -> Output>,
    /// Its weights inside the binary; a formula where there are none.
    pub embedded: Option<Embedded>,
    /// Builds it from named tensors.
    pub build: fn(&Store<'_>, Provenance, &Device) -> Result<Model>,
}

/// Every model inside the binary, the default classifier first. A static: a constant would put the weights into every
/// unit that uses it.
pub static BUILT_IN: &[Entry] = &[
    Entry {
        id: efficientnet_lite0::ID,
        about: "EfficientNet-Lite0, ImageNet-1k classifier, 224×224, 75.1 % top-1",
        output: Some(Output::imagenet),
        embedded: Some(Embedded {
            bytes: include_bytes!("../../weights/tf_efficientnet_lite0.safetensors"),
            sha256: "b5537d24fe123770b1d7770bed0e071ebadefb7d030e90e4ce7e06c939d767ca",
        }),
        build: efficientnet_lite0::build,
    },
    Entry {
        id: vgg16::ID,
        about: "VGG16 features through conv4_3, fine-tuned for edges, any size, for style and features",
        output: None,
        embedded: Some(Embedded {
            bytes: include_bytes!("../../weights/vgg16_hed.safetensors"),
            sha256: "9742459b9768895b8a69b1fd3aa3d3071881ff3e1ab26a528cdfa68250c6ba07",
        }),
        build: vgg16::build,
    },
];

/// Architectures without weights of their own: to time and to check with a formula's, to use with `--weights`.
pub static UNTRAINED: &[Entry] = &[Entry {
    id: squeezenet1_1::ID,
    about: "SqueezeNet 1.1",
    output: Some(Output::imagenet),
    embedded: None,
    build: squeezenet1_1::build,
}];

impl Entry {
    /// The model's weights inside the binary, or a formula in their place.
    #[must_use]
    pub fn weights(&self) -> Weights {
        match self.embedded {
            Some(file) => Weights::embedded(&format!("{}.safetensors (built in)", self.id), file.bytes, file.sha256),
            None => Weights::formula(),
        }
    }

    /// The model with `weights` on `device`.
    ///
    /// # Errors
    /// [`Error::BadWeights`] if the file is broken or belongs to another architecture.
    pub fn build(&self, weights: &Weights, device: &Device) -> Result<Model> {
        (self.build)(&weights.tensors(device)?, weights.provenance(self.id), device)
    }
}

/// What a technique needs a model for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Its classes.
    Classes,
    /// Its layers.
    Features,
}

/// The first model that is made for a purpose; one that ends in classes has layers, too.
///
/// # Errors
/// [`Error::Unknown`] if there is none.
pub fn usual(known: &[Entry], purpose: Purpose) -> Result<&Entry> {
    let made_for_it = known.iter().find(|entry| entry.output.is_some() == (purpose == Purpose::Classes));
    let any = known.first().filter(|_| purpose == Purpose::Features);
    made_for_it.or(any).ok_or_else(|| Error::unknown("classifier", "", "no model here ends in classes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sha256_hex;

    #[test]
    fn the_hashes_are_those_of_the_files() {
        let embedded: Vec<Embedded> = BUILT_IN.iter().filter_map(|entry| entry.embedded).collect();
        assert_eq!(embedded.len(), 2);
        for file in embedded {
            assert_eq!(sha256_hex(file.bytes), file.sha256);
        }
    }
}
