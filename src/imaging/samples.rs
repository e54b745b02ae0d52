//! The sample pictures inside the binary; samples/SOURCES.md says where they come from.

/// A picture file that is part of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its name, as in `sample:german_shepherd`.
    pub name: &'static str,
    /// The JPEG file.
    pub bytes: &'static [u8],
}

macro_rules! sample {
    ($folder:literal, $name:literal) => {
        Sample { name: $name, bytes: include_bytes!(concat!("../../samples/", $folder, "/", $name, ".jpg")) }
    };
}

/// The photos, the one on the first screen first.
pub static PHOTOS: &[Sample] = &[
    sample!("photos", "coffee"),
    sample!("photos", "german_shepherd"),
    sample!("photos", "chelsea"),
    sample!("photos", "kitten"),
    sample!("photos", "hen"),
];

/// The paintings, the default style first.
pub static PAINTINGS: &[Sample] = &[
    sample!("paintings", "great_wave"),
    sample!("paintings", "village_street_auvers"),
    sample!("paintings", "composition_viii"),
    sample!("paintings", "summertime"),
];

/// The sample called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Sample> {
    PHOTOS.iter().chain(PAINTINGS).find(|s| s.name == name)
}
