//! A run between two steps, on the disk: what `resume` goes on from, to the same bits.
//!
//! A checkpoint file is `GLCP`, the format's version, the length of a JSON header, the header, the tensors of the job's
//! [`State`] as little-endian float32, and the SHA-256 of everything before. It is written beside its place and renamed,
//! so that the last good one is there until the next one is.

use crate::engine::protocol::{Course, InputRecord, Origin, ParameterChange};
use crate::error::{Error, Result};
use crate::imaging::{Picture, write_private};
use crate::model::ModelInfo;
use crate::techniques::State;
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"GLCP";
/// Raised whenever an older program could not read what a newer one writes. What an older one wrote is read.
const VERSION: u32 = 2;
/// Bytes before the header.
const PREFIX: usize = 16;
const CHECKSUM: usize = 32;
/// No header is larger.
const LARGEST_HEADER: u64 = 256 << 20;
/// No picture has more bytes.
const LARGEST_PICTURE: u64 = 1 << 32;
/// No checkpoint is larger.
const LARGEST: u64 = 16 << 30;

/// Everything of a run but its job's tensors and its pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Saved {
    /// The program's version.
    pub program: String,
    /// What the run was made from,
    #[serde(flatten)]
    pub origin: Origin,
    /// and the folder that its relative paths start from.
    pub folder: PathBuf,
    /// Changes still to come.
    pub script: Vec<ParameterChange>,
    /// SHA-256 of the weights.
    pub weights: String,
    #[serde(flatten)]
    pub course: Course,
    /// The technique's figures at the end of a run that has come to it.
    pub facts: Option<serde_json::Map<String, serde_json::Value>>,
    /// Steps computed, the first look included.
    pub looked: usize,
    pub computing_seconds: f64,
    pub wall_seconds: f64,
}

impl Saved {
    /// Refuses pictures and a model with which the run would go on otherwise than it began.
    ///
    /// # Errors
    /// [`Error::BadImage`] that names the picture, [`Error::BadValue`] that says what of the model differs.
    pub fn check(&self, folder: &Path, pictures: &[InputRecord], model: &ModelInfo) -> Result<()> {
        if pictures != self.origin.inputs {
            let changed = pictures.iter().find(|input| !self.origin.inputs.contains(input));
            let file = changed.map_or_else(String::new, |input| input.file.clone());
            return Err(Error::bad_image(file, "it is not the picture any more that the run was made from"));
        }
        let differs = match &self.origin.network {
            Some(network) => network.differs(&model.into()),
            None => (self.weights != model.provenance.sha256).then_some("weights"),
        };
        match differs {
            Some(part) => {
                let reason = format!("the run was made with a model of other {part} than this one");
                Err(Error::bad_value("run", folder.display(), reason))
            }
            None => Ok(()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Header<T> {
    saved: T,
    /// Name, shape and place of each tensor, in float32 values from the first, and whether it holds bytes.
    tensors: BTreeMap<String, (Vec<usize>, usize, bool)>,
    values: BTreeMap<String, serde_json::Value>,
    has_state: bool,
}

/// Writes a run and its job's state.
///
/// # Errors
/// [`Error::Output`]; the old file, if any, is then still there.
pub(in crate::engine) fn write(path: &Path, saved: &Saved, state: Option<&State>) -> Result<()> {
    let bytes = encode(saved, state)?;
    write_private(path, &bytes)
}

fn encode<T: Serialize>(saved: &T, state: Option<&State>) -> Result<Vec<u8>> {
    let mut tensors = BTreeMap::new();
    let mut data: Vec<f32> = vec![];
    for (name, tensor) in state.iter().flat_map(|s| &s.tensors) {
        let bytes = match tensor.dtype() {
            DType::F32 => false,
            DType::U8 => true,
            other => return Err(candle_core::Error::Msg(format!("the state has a tensor of {other:?}")).into()),
        };
        tensors.insert(name.clone(), (tensor.dims().to_vec(), data.len(), bytes));
        data.extend(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
    }
    let values = state.map(|s| s.values.clone()).unwrap_or_default();
    let header = Header { saved, tensors, values, has_state: state.is_some() };
    let header = serde_json::to_vec(&header).map_err(|e| candle_core::Error::Msg(e.to_string()))?;
    let mut bytes = Vec::with_capacity(PREFIX + header.len() + data.len() * 4 + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    data.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    Ok(bytes)
}

/// Reads a run and its job's state.
///
/// # Errors
/// [`Error::BadCheckpoint`] if the file is damaged or of another version.
pub(in crate::engine) fn read(path: &Path) -> Result<(Saved, Option<State>)> {
    let damaged = |reason: String| Error::BadCheckpoint { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(|e| damaged(e.to_string()))?;
    let mut bytes = vec![];
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
    decode(&bytes).map_err(damaged)
}

fn decode(bytes: &[u8]) -> std::result::Result<(Saved, Option<State>), String> {
    let short = || "it is not whole".to_owned();
    let (body, checksum) = bytes.split_at_checked(bytes.len().saturating_sub(CHECKSUM)).ok_or_else(short)?;
    let prefix = body.get(..PREFIX).ok_or_else(short)?;
    if &prefix[..4] != MAGIC {
        return Err("it is no checkpoint".into());
    }
    let number = |range: std::ops::Range<usize>| prefix[range].iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    if !(1..=u64::from(VERSION)).contains(&number(4..8)) {
        return Err(format!("it has format {}; this version of gradlens reads formats 1 to {VERSION}", number(4..8)));
    }
    if Sha256::digest(body).as_slice() != checksum {
        return Err("its checksum does not fit".into());
    }
    let header = number(8..16);
    let end = usize::try_from(header).ok().filter(|_| header <= LARGEST_HEADER).map(|n| n + PREFIX);
    let json = end.and_then(|end| body.get(PREFIX..end)).ok_or_else(short)?;
    let header: Header<Saved> = serde_json::from_slice(json).map_err(|e| format!("its header is damaged: {e}"))?;
    let data = &body[PREFIX + json.len()..];
    let mut state = State { values: header.values, ..State::default() };
    for (name, (shape, start, bytes)) in header.tensors {
        let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let range = count.and_then(|n| Some(start.checked_mul(4)?..start.checked_add(n)?.checked_mul(4)?));
        let raw = range.and_then(|range| data.get(range)).ok_or_else(|| format!("its tensor {name} is not whole"))?;
        let values = raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<_>>();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu);
        let tensor =
            tensor.and_then(|t| t.to_dtype(if bytes { DType::U8 } else { DType::F32 })).map_err(|e| e.to_string())?;
        state.tensors.insert(name, tensor);
    }
    Ok((header.saved, header.has_state.then_some(state)))
}

/// The pictures on the way, one record after the other: step, size, checksum, pixels. Only ever appended to; a record that
/// was being written when the program was killed is not whole and counts for nothing.
#[derive(Debug)]
pub(in crate::engine) struct FrameLog {
    file: std::fs::File,
    /// The step of the last record.
    last: Option<usize>,
    /// Records that are there.
    records: usize,
}

const RECORD: usize = 8 + 4 + 4 + 8;

impl FrameLog {
    /// Opens a log for more pictures after those up to `step`.
    pub fn open(path: &Path, step: Option<usize>) -> std::io::Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut log = Self { file: options.open(path)?, last: None, records: 0 };
        let mut end = 0;
        log.walk(|at, picture| {
            let wanted = step.is_some_and(|step| at <= step);
            if wanted {
                end += (RECORD + picture.rgb.len()) as u64;
            }
            wanted.then_some(at)
        })?;
        log.file.set_len(end)?;
        log.file.seek(SeekFrom::Start(end))?;
        Ok(log)
    }

    /// The step of the last picture in it.
    pub fn last(&self) -> Option<usize> {
        self.last
    }

    /// Pictures in it.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Adds a picture.
    pub fn add(&mut self, step: usize, picture: &Picture) -> std::io::Result<()> {
        let mut record = Vec::with_capacity(RECORD + picture.rgb.len());
        record.extend_from_slice(&(step as u64).to_le_bytes());
        record.extend_from_slice(&picture.width.to_le_bytes());
        record.extend_from_slice(&picture.height.to_le_bytes());
        record.extend_from_slice(&sum(step, picture));
        record.extend_from_slice(&picture.rgb);
        self.file.write_all(&record)?;
        (self.last, self.records) = (Some(step), self.records + 1);
        Ok(())
    }

    /// The whole pictures of a log, in order.
    pub fn read(path: &Path) -> Vec<(usize, Picture)> {
        let mut pictures = vec![];
        if let Ok(file) = std::fs::File::open(path) {
            let mut log = Self { file, last: None, records: 0 };
            let _ = log.walk(|step, picture| {
                pictures.push((step, picture));
                Some(step)
            });
        }
        pictures
    }

    /// Goes through the whole records from the first on, as long as `take` says the step of one that counts.
    fn walk(&mut self, mut take: impl FnMut(usize, Picture) -> Option<usize>) -> std::io::Result<()> {
        let length = self.file.metadata()?.len();
        let mut reader = std::io::BufReader::new(&self.file);
        reader.seek(SeekFrom::Start(0))?;
        let mut at = 0u64;
        loop {
            let mut head = [0u8; RECORD];
            if reader.read_exact(&mut head).is_err() {
                break;
            }
            let number = |r: std::ops::Range<usize>| head[r].iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
            let (step, width, height) = (number(0..8), number(8..12), number(12..16));
            let bytes = width.saturating_mul(height).saturating_mul(3);
            // Sizes of a damaged log mean nothing, and need not even fit a number.
            if bytes > LARGEST_PICTURE || at + RECORD as u64 + bytes > length {
                break;
            }
            at += RECORD as u64 + bytes;
            let mut rgb = vec![0; bytes as usize];
            if reader.read_exact(&mut rgb).is_err() {
                break;
            }
            let picture = Picture::new(width as u32, height as u32, rgb);
            if sum(step as usize, &picture) != head[16..24] {
                break;
            }
            match take(step as usize, picture) {
                Some(step) => (self.last, self.records) = (Some(step), self.records + 1),
                None => break,
            }
        }
        Ok(())
    }
}

/// The beginning of a record's SHA-256.
fn sum(step: usize, picture: &Picture) -> [u8; 8] {
    let digest = Sha256::new_with_prefix((step as u64).to_le_bytes()).chain_update(&picture.rgb).finalize();
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::{JobSpec, Phase, Series};
    use crate::techniques::Params;
    use proptest::prelude::*;

    fn saved() -> Saved {
        let series = vec![Series { name: "loss".into(), points: vec![(0, 0.1), (1, 1e-300)].into() }];
        Saved {
            program: "0".into(),
            origin: Origin {
                network: None,
                job: JobSpec { technique: "pgd".into(), ..JobSpec::default() },
                inputs: vec![],
                parameters: Params::default(),
                changes: vec![],
                branched_from: None,
            },
            folder: "/".into(),
            script: vec![],
            weights: String::new(),
            course: Course { phase: Phase::Running, step: 7, total: 9, series, ..Course::default() },
            facts: None,
            looked: 8,
            computing_seconds: 1.5,
            wall_seconds: 2.5,
        }
    }

    fn state() -> State {
        let x = Tensor::new(&[[1.5f32, f32::MIN_POSITIVE], [-0.0, 3e38]], &Device::Cpu).expect("a tensor");
        State::default().with("x", &x).with_value("step", 7usize)
    }

    #[test]
    fn checkpoints_come_back_to_the_bit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoint");
        write(&path, &saved(), Some(&state())).expect("written");
        let (read_saved, read_state) = read(&path).expect("read");
        assert_eq!(read_saved, saved());
        let read_state = read_state.expect("a state");
        let bits = |s: &State| {
            let x = s.tensor("x").and_then(|x| Ok(x.flatten_all()?.to_vec1::<f32>()?)).expect("x");
            x.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(bits(&read_state), bits(&state()));
        assert_eq!(read_state.value::<usize>("step").expect("a step"), 7);
    }

    #[test]
    fn logs_keep_what_is_whole_and_go_on_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("frames");
        let picture = |n: u8| Picture::new(2, 1, vec![n; 6]);
        let mut log = FrameLog::open(&path, None).expect("a log");
        (0..5u8).for_each(|n| log.add(n.into(), &picture(n)).expect("added"));
        let bytes = std::fs::read(&path).expect("bytes");
        std::fs::write(&path, &bytes[..bytes.len() - 3]).expect("cut");
        assert_eq!(FrameLog::read(&path).iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let mut log = FrameLog::open(&path, Some(2)).expect("a log");
        assert_eq!((log.last(), log.len()), (Some(2), 3));
        log.add(3, &picture(9)).expect("added");
        assert_eq!(FrameLog::read(&path).last(), Some(&(3, picture(9))));
    }

    #[test]
    fn sizes_in_a_damaged_log_are_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("frames");
        FrameLog::open(&path, None).expect("a log").add(0, &Picture::new(2, 1, vec![7; 6])).expect("added");
        let mut bytes = std::fs::read(&path).expect("bytes");
        bytes.extend_from_within(..RECORD);
        let end = bytes.len();
        bytes[end - RECORD + 8..end - RECORD + 16].fill(0xff);
        std::fs::write(&path, &bytes).expect("damaged");
        assert_eq!(FrameLog::read(&path).len(), 1);
        let log = FrameLog::open(&path, Some(9)).expect("a log");
        assert_eq!((log.last(), log.len()), (Some(0), 1));
    }

    /// What programs wrote that did not yet know models, shared structures or marks as data.
    #[test]
    fn checkpoints_of_format_1_are_read() {
        let old = serde_json::json!({
            "saved": {
                "program": "0.1.0", "folder": "/work", "script": [], "weights": "abc", "phase": "running",
                "asked": { "technique": "pgd", "class": 3, "target": null, "compare": [], "score": null, "seed": 5 },
                "first_params": { "steps": 9 }, "changes": [{ "step": 2, "name": "class", "value": 4 }],
                "branched_from": null, "inputs": [], "step": 7, "total": 9,
                "marks": [{ "step": 2, "text": "class a → b" }], "series": [{ "name": "loss", "points": [[0, 0.5]] }],
                "top": [], "top_before": [], "failure": null, "facts": null, "looked": 8,
                "computing_seconds": 1.5, "wall_seconds": 2.5,
            },
            "tensors": {}, "values": {}, "has_state": false,
        });
        let header = serde_json::to_vec(&old).expect("JSON");
        let length = (header.len() as u64).to_le_bytes();
        let mut bytes = [MAGIC.as_slice(), &1u32.to_le_bytes(), &length, &header].concat();
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        let (saved, state) = decode(&bytes).expect("read");
        assert!(state.is_none() && saved.origin.network.is_none());
        assert_eq!((saved.origin.job.class, saved.origin.job.seed), (Some(3.into()), 5));
        assert_eq!((saved.origin.changes[0].step, saved.course.step, saved.course.phase), (2, 7, Phase::Running));
        assert_eq!(saved.origin.parameters.get("steps"), Some(&crate::techniques::ParamValue::Int(9)));
        assert_eq!(saved.course.marks[0].kind.to_string(), "class a → b");
        assert_eq!(saved.course.series[0].points.last(), Some(&(0, 0.5)));
        // A program of before refuses what it cannot read, in a sentence.
        bytes[4] = 9;
        assert!(decode(&bytes).expect_err("too new").contains("format 9"));
    }

    proptest! {
        #[test]
        fn damage_is_noticed(at in 0usize..100_000, flip in 1u8..=255, cut in any::<bool>()) {
            let mut bytes = encode(&saved(), Some(&state())).expect("encoded");
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_at_all_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), tail in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(decode(&bytes).is_err());
            // With a checksum that fits, so that what is behind it is looked at.
            let mut made = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &bytes, &tail].concat();
            made.extend_from_slice(&Sha256::digest(&made));
            prop_assert!(decode(&made).is_err());
        }
    }
}
