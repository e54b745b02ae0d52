//! What is new in a snapshot or an event, and the whole again from what is new.

use super::messages::{INFLATED, ToWatcher, broken, frame};
use crate::engine::protocol::{Event, Past, Series, Snapshot};
use crate::error::Result;
use crate::imaging::{HeatMap, Picture, compress, decompress};
use crate::model::ModelInfo;
use crate::techniques::Artefact;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;

/// Bytes that a picture of up to 256×256 pixels may take on a long line,
const PICTURE: usize = 50_000;
/// and those of any picture.
const LARGEST: usize = 250_000;

/// A picture or a map.
#[derive(Debug, Clone)]
enum Blob {
    Picture(Picture),
    Heat(HeatMap),
}

impl Blob {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Picture(a), Self::Picture(b)) => Arc::ptr_eq(&a.rgb, &b.rgb) || a == b,
            (Self::Heat(a), Self::Heat(b)) => {
                let bits = |map: &HeatMap| map.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                Arc::ptr_eq(&a.values, &b.values)
                    || ((a.width, a.height) == (b.width, b.height) && bits(a) == bits(b))
            }
            _ => false,
        }
    }

    fn bytes(&self, thin: bool) -> Vec<u8> {
        match self {
            Self::Picture(p) if thin => {
                let pixels = (p.width as usize * p.height as usize).max(65_536);
                compress(p, (PICTURE * pixels / 65_536).min(LARGEST))
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
fn places(snapshot: &mut Snapshot, visit: &mut dyn FnMut(Packed<'_>) -> Result<()>) -> Result<()> {
    let photo = snapshot.photo.iter_mut().map(|photo| &mut photo.picture);
    for picture in photo.chain(&mut snapshot.style) {
        visit(Packed::Picture(picture))?;
    }
    for (_, artefact) in snapshot.view.artefacts() {
        match artefact {
            Artefact::Picture(picture) => visit(Packed::Picture(picture))?,
            Artefact::Map(map) => visit(Packed::Heat(map))?,
            // Nobody looks at an array.
            Artefact::Array(_) => {}
        }
    }
    let mut past: Vec<Past> = snapshot.past.to_vec();
    for past in &mut past {
        visit(Packed::Picture(&mut past.result))?;
    }
    snapshot.past = past.into();
    Ok(())
}

enum Packed<'a> {
    Picture(&'a mut Picture),
    Heat(&'a mut HeatMap),
}

/// What the other end of a connection has.
#[derive(Debug, Default)]
pub struct Packer {
    /// The pictures and maps of the last snapshot, by number.
    known: Vec<(u64, Blob)>,
    /// How many there were in all.
    count: u64,
    /// The run and the points of its curves.
    curves: Option<(u64, Vec<(String, usize)>)>,
    /// The models that were told of.
    models: Vec<Arc<ModelInfo>>,
}

impl Packer {
    /// A frame with an event.
    ///
    /// # Errors
    /// If it cannot be serialised.
    pub fn event(&mut self, event: Event, thin: bool) -> Result<Vec<u8>> {
        let Event::Started { run, spec, model, params } = event else {
            return frame(&ToWatcher::Event(Box::new(event)), &[], thin);
        };
        let known = self.models.iter().position(|other| Arc::ptr_eq(other, &model) || *other == model);
        let (number, info) = match known {
            Some(number) => (number, None),
            None => {
                self.models.push(model.clone());
                (self.models.len() - 1, Some(model))
            }
        };
        frame(&ToWatcher::Started { run, spec, params, model: number, info }, &[], thin)
    }

    /// A frame with what is new in a snapshot.
    ///
    /// # Errors
    /// If it cannot be serialised.
    pub fn pack(&mut self, snapshot: &Snapshot, thin: bool) -> Result<Vec<u8>> {
        let mut light = snapshot.clone();
        let (mut lengths, mut data) = (vec![], vec![]);
        let mut now: Vec<(u64, Blob)> = vec![];
        let (known, count) = (std::mem::take(&mut self.known), &mut self.count);
        places(&mut light, &mut |place| {
            let blob = match place {
                Packed::Picture(p) => {
                    Blob::Picture(std::mem::replace(p, Picture { width: p.width, height: p.height, rgb: [].into() }))
                }
                Packed::Heat(h) => {
                    Blob::Heat(std::mem::replace(h, HeatMap { width: h.width, height: h.height, values: [].into() }))
                }
            };
            let same = now.iter().chain(&known).find(|(_, other)| other.is(&blob)).map(|(id, _)| *id);
            let id = same.unwrap_or_else(|| {
                *count += 1;
                let bytes = blob.bytes(thin);
                lengths.push((*count, bytes.len()));
                data.extend(bytes);
                *count
            });
            now.push((id, blob));
            Ok(())
        })?;
        let blobs = now.iter().map(|(id, _)| *id).collect();
        self.known = now;
        let lengths_now: Vec<(String, usize)> =
            snapshot.course.series.iter().map(|s| (s.name.clone(), s.points.len())).collect();
        let goes_on = self.curves.take().filter(|(run, curves)| {
            let grown = |((a, before), (b, now)): (&(String, usize), &(String, usize))| a == b && before <= now;
            *run == snapshot.run && curves.len() == lengths_now.len() && curves.iter().zip(&lengths_now).all(grown)
        });
        let before = match &goes_on {
            Some((_, curves)) => curves.iter().map(|(_, n)| *n).collect(),
            None => vec![],
        };
        for (series, n) in light.course.series.iter_mut().zip(&before) {
            series.points = series.points.since(*n);
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
    models: Vec<Arc<ModelInfo>>,
}

impl Unpacker {
    /// The model with a number; `info` is it if it has not been told of before.
    ///
    /// # Errors
    /// If it never was.
    pub fn model(&mut self, number: usize, info: Option<Arc<ModelInfo>>) -> Result<Arc<ModelInfo>> {
        self.models.extend(info);
        self.models.get(number).cloned().ok_or_else(|| broken("a model that was never told of"))
    }

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
                (Packed::Picture(p), Some(Blob::Picture(had)), _) => {
                    *p = had;
                    Blob::Picture(p.clone())
                }
                (Packed::Heat(h), Some(Blob::Heat(had)), _) => {
                    *h = had;
                    Blob::Heat(h.clone())
                }
                (Packed::Picture(p), _, bytes) => {
                    *p = picture(p.width, p.height, bytes.ok_or_else(missing)?, thin)?;
                    Blob::Picture(p.clone())
                }
                (Packed::Heat(h), _, bytes) => {
                    *h = heat(h.width, h.height, bytes.ok_or_else(missing)?, thin)?;
                    Blob::Heat(h.clone())
                }
            };
            now.insert(id, blob);
            Ok(())
        })?;
        self.known = now;
        let series = &mut light.course.series;
        if !before.is_empty() {
            if self.series.len() != series.len() {
                return Err(broken("curves that were never begun"));
            }
            for ((whole, new), n) in self.series.iter_mut().zip(series.iter_mut()).zip(before) {
                if whole.points.len() != *n {
                    return Err(broken("a piece of a curve is missing"));
                }
                whole.points.extend(new.points.iter().copied());
                new.points.clone_from(&whole.points);
            }
        }
        self.series.clone_from(series);
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
    use super::super::messages::{ToEngine, parse};
    use super::*;
    use crate::engine::protocol::{Course, JobSpec};
    use crate::model::{ChannelOrder, Input, Output, Provenance, Resize, Roles};
    use crate::techniques::{Params, View};
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
        let series = vec![Series { name: "loss".into(), points }];
        let view = View {
            input: Some(picture(1)),
            result: Some(picture(step + 2)),
            heat: Some(HeatMap::new(2, 1, vec![step as f32, -0.5])),
            ..View::default()
        };
        Snapshot { run: 1, view, course: Course { step, series, ..Course::default() }, ..Snapshot::default() }
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
    fn a_model_goes_over_the_line_once() {
        let model = |id: &str| {
            let (mean, std) = (vec![0.5; 3], vec![0.5; 3]);
            let (channels, resize) = (ChannelOrder::Rgb, Resize::default());
            let input = Input { channels, size: [8, 8], any_size: true, range: 1.0, mean, std, resize };
            let (output, roles) = (Some(Output::imagenet()), Roles::default());
            let provenance = Provenance::default();
            Arc::new(ModelInfo { id: id.into(), input, output, roles, layers: vec![], provenance })
        };
        let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
        for (id, new) in [("a", true), ("b", true), ("a", false), ("a", false), ("b", false)] {
            let (spec, params) = (Box::new(JobSpec::default()), Params::default());
            let frame =
                packer.event(Event::Started { run: 1, spec, model: model(id), params }, true).expect("packed");
            assert_eq!(frame.len() > 1000, new, "{id}: {} bytes", frame.len());
            let (message, _) = parse::<ToWatcher>(body(&frame), true).expect("a message");
            let ToWatcher::Started { model: number, info, .. } = message else { panic!("{message:?}") };
            assert_eq!(unpacker.model(number, info).expect("known"), model(id));
        }
        assert!(unpacker.model(9, None).is_err());
    }

    #[test]
    fn pictures_are_small_on_a_thin_line() {
        let photo = crate::imaging::samples::find("german_shepherd").expect("a sample");
        let photo = crate::imaging::decode(std::path::Path::new("photo"), photo.bytes).expect("a picture");
        let photo = Resize::default().apply(&photo, [256, 256], [0; 3]);
        let sent = Snapshot { view: View { result: Some(photo.clone()), ..View::default() }, ..Snapshot::default() };
        let frame = Packer::default().pack(&sent, true).expect("packed");
        assert!(frame.len() < 55_000, "{} bytes", frame.len());
        let seen = received(&mut Unpacker::default(), &frame, true).expect("whole");
        let seen = seen.view.result.as_ref().expect("a picture");
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
