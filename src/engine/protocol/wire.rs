//! What goes over a socket between a watcher and an engine: frames of JSON with pictures and maps behind it.
//!
//! A frame is its length (four bytes, little-endian), the length of its JSON, the JSON, and blobs whose lengths the JSON
//! tells. Over a long line JSON is deflated and pictures are JPEGs; beside each other both ends share memory enough to
//! send them as they are. Snapshots carry only what the last one did not: new points of curves, and pictures that the
//! other end does not have.

use super::message::{Command, Event, Past, Series, Snapshot};
use crate::error::{Error, Result};
use crate::imaging::{HeatMap, Picture, compress, decompress};
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Raised whenever the two ends could not understand each other.
pub const PROTOCOL: u32 = 1;
/// Bytes of a frame from an engine at most.
pub const FROM_ENGINE: usize = 256 << 20;
/// Bytes of a frame from a watcher at most.
pub const FROM_WATCHER: usize = 1 << 20;
/// Bytes that JSON may inflate to.
const INFLATED: u64 = 64 << 20;
/// Whoever reads nothing for so long is gone.
const UNREAD: Duration = Duration::from_secs(60);
/// Bytes that a picture of up to 256×256 pixels may take on a long line.
const PICTURE: usize = 50_000;

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
    /// Something happened.
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

fn broken(what: impl std::fmt::Display) -> Error {
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

/// Frames as they come in. Waiting for the next one may be given up and taken up again: nothing that came is lost.
#[derive(Debug)]
pub struct Frames<R> {
    from: R,
    came: Vec<u8>,
    most: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Frames of at most `most` bytes.
    pub fn new(from: R, most: usize) -> Self {
        Self { from, came: vec![], most }
    }

    /// The next frame's body; `None` at the end.
    ///
    /// # Errors
    /// If the frame is larger than allowed, or the line breaks inside it.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some((length, rest)) = self.came.split_first_chunk::<4>() {
                let length = u32::from_le_bytes(*length) as usize;
                if length > self.most {
                    return Err(broken(format!("a frame of {length} bytes where {} are the most", self.most)));
                }
                if rest.len() >= length {
                    let body = rest[..length].to_vec();
                    self.came.drain(..4 + length);
                    return Ok(Some(body));
                }
            }
            // Memory grows with what arrives, not with what is promised.
            let read = self.from.read_buf(&mut self.came).await;
            match read.map_err(|e| Error::Peer(format!("is gone: {e}")))? {
                0 if self.came.is_empty() => return Ok(None),
                0 => return Err(Error::Peer("is gone in the middle of a message".into())),
                _ => {}
            }
        }
    }
}

/// Writes a frame.
///
/// # Errors
/// If the other end is gone.
pub async fn write(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<()> {
    let written = async {
        to.write_all(frame).await?;
        to.flush().await
    };
    let written = tokio::time::timeout(UNREAD, written).await;
    written.unwrap_or(Err(std::io::ErrorKind::TimedOut.into())).map_err(|e| Error::Peer(format!("is gone: {e}")))
}

/// A picture or a map.
#[derive(Debug, Clone)]
enum Blob {
    Picture(Picture),
    Heat(HeatMap),
}

impl Blob {
    fn id(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self {
            Self::Picture(p) => (0u8, p.width, p.height, &p.rgb).hash(&mut hasher),
            Self::Heat(h) => {
                (1u8, h.width, h.height).hash(&mut hasher);
                h.values.iter().for_each(|v| v.to_bits().hash(&mut hasher));
            }
        }
        hasher.finish()
    }

    fn bytes(&self, thin: bool) -> Vec<u8> {
        match self {
            Self::Picture(p) if thin => {
                let pixels = (p.width as usize * p.height as usize).max(65_536);
                compress(p, PICTURE * pixels / 65_536)
            }
            Self::Picture(p) => p.rgb.to_vec(),
            Self::Heat(h) => {
                let raw: Vec<u8> = h.values.iter().flat_map(|v| v.to_le_bytes()).collect();
                if !thin {
                    return raw;
                }
                let mut encoder = ZlibEncoder::new(vec![], flate2::Compression::fast());
                // Writing to memory does not fail.
                encoder.write_all(&raw).and_then(|()| encoder.finish()).unwrap_or_default()
            }
        }
    }
}

/// The places of a snapshot's pictures and maps, in order: `visit` may look at them or fill them.
fn places(snapshot: &mut Snapshot, visit: &mut dyn FnMut(Place<'_>) -> Result<()>) -> Result<()> {
    let pictures = [&mut snapshot.input, &mut snapshot.style, &mut snapshot.result, &mut snapshot.perturbation];
    for picture in pictures.into_iter().flatten() {
        visit(Place::Picture(picture))?;
    }
    if let Some(heat) = &mut snapshot.heat {
        visit(Place::Heat(heat))?;
    }
    for panel in &mut snapshot.panels {
        visit(Place::Heat(&mut panel.heat))?;
    }
    let mut past: Vec<Past> = snapshot.past.to_vec();
    for past in &mut past {
        visit(Place::Picture(&mut past.result))?;
    }
    snapshot.past = past.into();
    Ok(())
}

enum Place<'a> {
    Picture(&'a mut Picture),
    Heat(&'a mut HeatMap),
}

/// What the other end of a connection has.
#[derive(Debug, Default)]
pub struct Packer {
    known: Vec<u64>,
    /// The run and the points of its curves.
    curves: Option<(u64, Vec<(String, usize)>)>,
}

impl Packer {
    /// A frame with what is new in a snapshot.
    ///
    /// # Errors
    /// If it cannot be serialised.
    pub fn pack(&mut self, snapshot: &Snapshot, thin: bool) -> Result<Vec<u8>> {
        let mut light = snapshot.clone();
        let (mut blobs, mut lengths, mut data) = (vec![], vec![], vec![]);
        let known = std::mem::take(&mut self.known);
        places(&mut light, &mut |place| {
            let blob = match place {
                Place::Picture(p) => {
                    Blob::Picture(std::mem::replace(p, Picture { width: p.width, height: p.height, rgb: [].into() }))
                }
                Place::Heat(h) => {
                    Blob::Heat(std::mem::replace(h, HeatMap { width: h.width, height: h.height, values: [].into() }))
                }
            };
            let id = blob.id();
            if !known.contains(&id) && !blobs.contains(&id) {
                let bytes = blob.bytes(thin);
                lengths.push((id, bytes.len()));
                data.extend(bytes);
            }
            blobs.push(id);
            Ok(())
        })?;
        self.known.clone_from(&blobs);
        let lengths_now: Vec<(String, usize)> =
            snapshot.series.iter().map(|s| (s.name.clone(), s.points.len())).collect();
        let goes_on = self.curves.take().filter(|(run, curves)| {
            let grown = |((a, before), (b, now)): (&(String, usize), &(String, usize))| a == b && before <= now;
            *run == snapshot.run && curves.len() == lengths_now.len() && curves.iter().zip(&lengths_now).all(grown)
        });
        let before = match &goes_on {
            Some((_, curves)) => curves.iter().map(|(_, n)| *n).collect(),
            None => vec![],
        };
        for (series, n) in light.series.iter_mut().zip(&before) {
            series.points.drain(..*n);
        }
        self.curves = Some((snapshot.run, lengths_now));
        frame(&ToWatcher::Snapshot { light: Box::new(light), before, blobs, lengths }, &data, thin)
    }
}

/// What this end of a connection has.
#[derive(Debug, Default)]
pub struct Unpacker {
    known: HashMap<u64, Blob>,
    series: Vec<Series>,
}

impl Unpacker {
    /// The snapshot that a message tells of.
    ///
    /// # Errors
    /// If the message does not fit what came before it.
    pub fn unpack(
        &mut self,
        mut light: Snapshot,
        before: &[usize],
        blobs: &[u64],
        lengths: &[(u64, usize)],
        data: &[u8],
        thin: bool,
    ) -> Result<Arc<Snapshot>> {
        let mut rest = data;
        let mut fresh = HashMap::new();
        for (id, length) in lengths {
            let (bytes, after) = rest.split_at_checked(*length).ok_or_else(|| broken("a picture is not whole"))?;
            fresh.insert(*id, bytes);
            rest = after;
        }
        let mut order = blobs.iter();
        let mut now = HashMap::new();
        let known = &self.known;
        places(&mut light, &mut |place| {
            let id = *order.next().ok_or_else(|| broken("a picture is missing"))?;
            let had = now.get(&id).or_else(|| known.get(&id)).cloned();
            let bytes = fresh.get(&id).copied();
            let missing = || broken("a picture is missing");
            let blob = match (place, had, bytes) {
                (Place::Picture(p), Some(Blob::Picture(had)), _) => {
                    *p = had;
                    Blob::Picture(p.clone())
                }
                (Place::Heat(h), Some(Blob::Heat(had)), _) => {
                    *h = had;
                    Blob::Heat(h.clone())
                }
                (Place::Picture(p), _, bytes) => {
                    *p = picture(p.width, p.height, bytes.ok_or_else(missing)?, thin)?;
                    Blob::Picture(p.clone())
                }
                (Place::Heat(h), _, bytes) => {
                    *h = heat(h.width, h.height, bytes.ok_or_else(missing)?, thin)?;
                    Blob::Heat(h.clone())
                }
            };
            now.insert(id, blob);
            Ok(())
        })?;
        self.known = now;
        if !before.is_empty() {
            if self.series.len() != light.series.len() {
                return Err(broken("curves that were never begun"));
            }
            for ((whole, new), n) in self.series.iter_mut().zip(&mut light.series).zip(before) {
                whole.points.truncate(*n);
                whole.points.append(&mut new.points);
                new.points.clone_from(&whole.points);
            }
        }
        self.series.clone_from(&light.series);
        Ok(Arc::new(light))
    }
}

fn picture(width: u32, height: u32, bytes: &[u8], thin: bool) -> Result<Picture> {
    let picture = if thin {
        decompress(bytes, (width, height)).ok_or_else(|| broken("a picture cannot be read"))?
    } else {
        let whole = (width as usize).checked_mul(height as usize).and_then(|n| n.checked_mul(3));
        if whole != Some(bytes.len()) {
            return Err(broken("a picture is not whole"));
        }
        Picture { width, height, rgb: bytes.into() }
    };
    Ok(picture)
}

fn heat(width: u32, height: u32, bytes: &[u8], thin: bool) -> Result<HeatMap> {
    let mut raw = vec![];
    let bytes = if thin {
        ZlibDecoder::new(bytes).take(INFLATED).read_to_end(&mut raw).map_err(broken)?;
        &raw
    } else {
        bytes
    };
    if (width as usize).checked_mul(height as usize).and_then(|n| n.checked_mul(4)) != Some(bytes.len()) {
        return Err(broken("a map is not whole"));
    }
    let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok(HeatMap { width, height, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(frame: &[u8]) -> &[u8] {
        &frame[4..]
    }

    fn received(unpacker: &mut Unpacker, frame: &[u8], thin: bool) -> Result<Arc<Snapshot>> {
        let (message, data) = parse::<ToWatcher>(body(frame), thin)?;
        match message {
            ToWatcher::Snapshot { light, before, blobs, lengths } => {
                unpacker.unpack(*light, &before, &blobs, &lengths, data, thin)
            }
            _ => Err(broken("no snapshot")),
        }
    }

    fn snapshot(step: usize) -> Snapshot {
        let picture = |n: usize| Picture::new(16, 8, (0..384).map(|i| (i * n % 253) as u8).collect());
        let points = (0..=step).map(|n| (n, 1.0 / (n as f64 + 0.3))).collect();
        Snapshot {
            run: 1,
            step,
            input: Some(picture(1)),
            result: Some(picture(step + 2)),
            heat: Some(HeatMap::new(2, 1, vec![step as f32, -0.5])),
            series: vec![Series { name: "loss".into(), points }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn snapshots_arrive_whole_and_only_what_is_new_is_sent() {
        let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
        let first = packer.pack(&snapshot(100), false).expect("packed");
        assert_eq!(*received(&mut unpacker, &first, false).expect("whole"), snapshot(100));
        let second = packer.pack(&snapshot(101), false).expect("packed");
        assert_eq!(*received(&mut unpacker, &second, false).expect("whole"), snapshot(101));
        let third = packer.pack(&snapshot(101), false).expect("packed");
        assert_eq!(*received(&mut unpacker, &third, false).expect("whole"), snapshot(101));
        assert!(third.len() < 1500 && second.len() < third.len() + 500, "{} {}", second.len(), third.len());
        // Another run begins its curves anew.
        let other = Snapshot { run: 2, ..snapshot(3) };
        let fourth = packer.pack(&other, false).expect("packed");
        assert_eq!(*received(&mut unpacker, &fourth, false).expect("whole"), other);
    }

    #[test]
    fn pictures_are_small_on_a_thin_line() {
        let photo = crate::imaging::samples::find("german_shepherd").expect("a sample");
        let photo = crate::imaging::decode(std::path::Path::new("photo"), photo.bytes).expect("a picture");
        let photo = crate::imaging::centre_crop(&photo, 256);
        let sent = Snapshot { result: Some(photo.clone()), ..Snapshot::default() };
        let frame = Packer::default().pack(&sent, true).expect("packed");
        assert!(frame.len() < 55_000, "{} bytes", frame.len());
        let seen = received(&mut Unpacker::default(), &frame, true).expect("whole");
        let seen = seen.result.as_ref().expect("a picture");
        let off: u64 = seen.rgb.iter().zip(photo.rgb.iter()).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
        assert!((off as f64 / photo.rgb.len() as f64) < 65.0, "30 dB");
    }

    proptest! {
        #[test]
        fn hostile_frames_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), thin in any::<bool>()) {
            prop_assert!(parse::<ToWatcher>(&bytes, thin).is_err());
            prop_assert!(parse::<ToEngine>(&bytes, thin).is_err());
        }

        #[test]
        fn damaged_snapshots_never_panic(at in 0usize..100_000, to in any::<u8>(), thin in any::<bool>()) {
            let mut frame = Packer::default().pack(&snapshot(5), thin).expect("packed");
            let at = 4 + at % (frame.len() - 4);
            frame[at] = to;
            let _ = received(&mut Unpacker::default(), &frame, thin);
        }
    }
}
