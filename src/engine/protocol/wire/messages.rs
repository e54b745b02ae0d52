//! What the two ends say, and how a message becomes bytes.

use crate::engine::protocol::{Command, Event, JobSpec, Snapshot};
use crate::error::{Error, Result};
use crate::model::ModelInfo;
use crate::techniques::Params;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Raised whenever the two ends could not understand each other.
pub const PROTOCOL: u32 = 3;
/// Bytes of a frame from an engine at most.
pub const FROM_ENGINE: usize = 256 << 20;
/// Bytes of a frame from a watcher at most.
pub const FROM_WATCHER: usize = 1 << 20;
/// Bytes that JSON may inflate to.
pub(super) const INFLATED: u64 = 64 << 20;

/// What a watcher says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToEngine {
    /// Before anything else.
    Hello {
        /// Its [`PROTOCOL`].
        protocol: u32,
        /// The program's version.
        version: String,
        /// Whether the line is long.
        thin: bool,
    },
    /// Something to be done.
    Command(Box<Command>),
    /// The last snapshot has arrived: there may be another.
    Seen,
}

/// What an engine says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToWatcher {
    /// In answer to the watcher's own.
    Hello {
        /// Its [`PROTOCOL`].
        protocol: u32,
        /// The program's version.
        version: String,
        /// The socket at which it can be found again.
        door: Option<PathBuf>,
    },
    /// A run is about to begin.
    Started {
        /// Its number.
        run: u64,
        /// What was asked for.
        spec: Box<JobSpec>,
        /// Its parameters, complete.
        params: Params,
        /// The model it runs on, by its number among those that were told of,
        model: usize,
        /// and the model itself the first time.
        info: Option<Arc<ModelInfo>>,
    },
    /// Something else happened.
    Event(Box<Event>),
    /// How the run stands: pictures and maps without their values, curves from where the last one ended.
    Snapshot {
        /// Everything else.
        light: Box<Snapshot>,
        /// How many points of each curve came before; none if the curves are all anew.
        before: Vec<usize>,
        /// Which picture or map stands in each place, in a fixed order.
        blobs: Vec<u64>,
        /// Those that are behind the JSON: which, and how many bytes.
        lengths: Vec<(u64, usize)>,
    },
}

pub(super) fn broken(what: impl std::fmt::Display) -> Error {
    Error::Peer(format!("is no gradlens engine or is damaged: {what}"))
}

/// Makes a frame.
pub fn frame(message: &impl Serialize, blobs: &[u8], thin: bool) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec(message).map_err(|e| candle_core::Error::Msg(e.to_string()))?;
    if thin {
        let mut encoder = ZlibEncoder::new(vec![], flate2::Compression::fast());
        let deflated = encoder.write_all(&json).and_then(|()| encoder.finish());
        json = deflated.map_err(|e| candle_core::Error::Msg(e.to_string()))?;
    }
    let length = |n: usize| u32::try_from(n).map_err(|_| broken("a frame of over 4 GB"));
    let mut bytes = Vec::with_capacity(8 + json.len() + blobs.len());
    bytes.extend_from_slice(&length(4 + json.len() + blobs.len())?.to_le_bytes());
    bytes.extend_from_slice(&length(json.len())?.to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes.extend_from_slice(blobs);
    Ok(bytes)
}

/// Takes a frame's body apart.
pub fn parse<T: DeserializeOwned>(body: &[u8], thin: bool) -> Result<(T, &[u8])> {
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(|| broken("a frame is too short"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let (json, blobs) = rest.split_at_checked(length).ok_or_else(|| broken("a frame is too short"))?;
    let message = if thin {
        let mut text = vec![];
        ZlibDecoder::new(json).take(INFLATED).read_to_end(&mut text).map_err(broken)?;
        serde_json::from_slice(&text)
    } else {
        serde_json::from_slice(json)
    };
    Ok((message.map_err(broken)?, blobs))
}
