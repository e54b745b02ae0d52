//! `gradlens models`: what there is, and `add`, `remove`, `show` and `check`.

use super::args::{ModelArgs, ModelsAction, ModelsArgs};
use super::output;
use super::{exit, listing, resolve};
use crate::error::{Error, Result};
use crate::graph::LayerTotals;
use crate::model::read::checkpoint::npy;
use crate::model::{self, Added, Adding, Assumption, BUILT_IN, Model, Purpose, architectures};
use crate::tui::printable;
use candle_core::{Device, Tensor};
use serde_json::json;

/// The largest difference from what was expected that counts as float32's rounding: a share of the largest expected number.
const EXACT: f64 = 1e-3;
/// The same of a gradient beside finite differences, which are themselves only so good.
const SMOOTH: f64 = 5e-2;
/// Up to how many times what differences differ among themselves a gap shows nothing.
const UNSURE: f64 = 3.0;
/// Random directions along which gradients are held against differences.
const DIRECTIONS: usize = 8;

pub(super) fn models(args: &ModelsArgs) -> anyhow::Result<u8> {
    match &args.action {
        None if args.architectures => architectures(args),
        None => list(args),
        Some(ModelsAction::Add { name, place, copy, replace, reading }) => {
            let how = Adding { copy: *copy, replace: *replace };
            let (added, model) = model::add(name, place, reading.options()?, how)?;
            say!("{} is {}", printable(&added.name), printable(&added.place));
            // What has to be said of it is best said now.
            for Assumption { what, option } in &model.info.provenance.assumed {
                say!("  assumed: {} ({option})", printable(what));
            }
            if let Some(doubt) = &model.info.provenance.doubt {
                say!("  doubtful: {}", printable(doubt));
            }
            Ok(exit::DONE)
        }
        Some(ModelsAction::Remove { name }) => {
            model::remove(name)?;
            say!("{} is forgotten", printable(name));
            Ok(exit::DONE)
        }
        Some(ModelsAction::Show { model, options, json }) => show(&opened(model, options)?, *json),
        Some(ModelsAction::Check { model, options, input, expect, json }) => {
            let model = opened(model, options)?;
            match (input, expect) {
                (Some(input), Some(expect)) => compared(&model, &array(input)?, &array(expect)?, *json),
                (input, _) => differentiated(&model, input.as_deref().map(array).transpose()?, *json),
            }
        }
    }
}

/// The models by name.
fn list(args: &ModelsArgs) -> anyhow::Result<u8> {
    let query = args.list.query.as_ref();
    let found: Vec<_> = BUILT_IN.iter().filter(|m| listing::matches(query, &[m.id, m.about])).collect();
    let added: Vec<Added> =
        model::added()?.into_iter().filter(|added| listing::matches(query, &[&added.name, &added.place])).collect();
    if args.list.json {
        let built_in = found.iter().map(|m| {
            let sha256 = m.weights().sha256();
            json!({ "id": m.id, "about": m.about, "classifier": m.output.is_some(), "weights_sha256": sha256 })
        });
        let added = added.iter().map(|m| json!({ "id": m.name, "place": m.place, "options": m.reading }));
        output::json(&built_in.chain(added).collect::<Vec<_>>())?;
    } else {
        for m in &found {
            say!("{:<24} {}", m.id, m.about);
        }
        for m in &added {
            say!("{:<24} added: {}", printable(&m.name), printable(&m.place));
        }
        if query.is_none() {
            say!(
                "\n--model also takes a file (best.onnx, checkpoint.pth, model.safetensors), a folder of timm's, or"
            );
            say!(
                "hf:OWNER/NAME from the cache; checkpoints may be of {} architectures (--architectures)",
                architectures::all().len()
            );
        }
    }
    Ok(listing::outcome(found.len() + added.len(), query, "model"))
}

/// The architectures whose checkpoints can be read.
fn architectures(args: &ModelsArgs) -> anyhow::Result<u8> {
    let query = args.list.query.as_ref();
    let fits = |a: &&architectures::Architecture| {
        let texts: Vec<&str> = [&a.name, &a.library].into_iter().chain(&a.aliases).map(String::as_str).collect();
        listing::matches(query, &texts)
    };
    let found: Vec<_> = architectures::all().iter().filter(fits).collect();
    if args.list.json {
        let tables = architectures::tables();
        let list = found.iter().map(|a| {
            json!({ "name": a.name, "aliases": a.aliases, "library": a.library, "size": a.input.size, "tensors": a.tensors(&tables).len() })
        });
        output::json(&list.collect::<Vec<_>>())?;
    } else {
        for a in &found {
            let [height, width] = a.input.size;
            let also = if a.aliases.is_empty() { String::new() } else { format!("  also {}", a.aliases.join(", ")) };
            say!("{:<34} {:<12} {height}×{width}{also}", a.name, a.library);
        }
    }
    Ok(listing::outcome(found.len(), query, "architecture"))
}

fn opened(name: &str, reading: &super::args::ReadArgs) -> Result<Model> {
    let args = ModelArgs { names: vec![name.to_owned()], weights: None, reading: reading.clone() };
    model::open(BUILT_IN, &resolve::model(&args, Purpose::Classes)?, &Device::Cpu)
}

/// Everything that is known of a model.
fn show(model: &Model, json: bool) -> anyhow::Result<u8> {
    let info = &model.info;
    let [height, width] = info.input.size;
    let totals = model.graph.totals(height, width)?;
    let sum = |of: fn(&LayerTotals) -> usize| totals.iter().map(of).sum::<usize>();
    let (parameters, macs) = (sum(|t| t.parameters), sum(|t| t.macs));
    if json {
        let value = json!({ "model": info.as_ref(), "layers": totals, "parameters": parameters, "macs": macs });
        output::json(&value)?;
        return Ok(exit::DONE);
    }
    for (heading, text) in info.card() {
        say!("{heading:<12} {}", printable(&text));
    }
    let widest = totals.iter().map(|t| t.layer.chars().count()).max().unwrap_or(0).clamp(5, 48);
    say!("\n{:<widest$}  {:<20} {:>18} {:>12} {:>10}", "layer", "kind", "shape", "parameters", "MACs (M)");
    for t in &totals {
        let [c, h, w] = t.shape;
        let shape = format!("{c}×{h}×{w}");
        let (layer, macs) = (printable(&t.layer), t.macs as f64 / 1e6);
        say!("{layer:<widest$}  {:<20} {shape:>18} {:>12} {macs:>10.2}", t.kind, t.parameters);
    }
    say!("{parameters} parameters, {:.3} billion multiply–accumulates", macs as f64 / 1e9);
    Ok(exit::DONE)
}

/// An array of numbers from a .npy file.
fn array(path: &std::path::Path) -> Result<Tensor> {
    npy::read(path)
        .map_err(|refusal| Error::bad_value("array", path.display(), format!("it takes a .npy file ({refusal})")))
}

/// A network input as the model takes it: `[1, C, H, W]` of its usual size.
fn fitting(model: &Model, x: &Tensor) -> Result<Tensor> {
    let [height, width] = model.input().size;
    let shape = [1, model.input().channel_count(), height, width];
    let x = match x.rank() {
        3 => x.unsqueeze(0)?,
        // A row of numbers.
        2 if x.elem_count() == shape.iter().product::<usize>() => x.reshape(&shape)?,
        _ => x.clone(),
    };
    // Channels last, as Keras' networks have them.
    let last = [shape[0], shape[2], shape[3], shape[1]];
    let x = if x.dims() != shape && x.dims() == last { x.permute((0, 3, 1, 2))?.contiguous()? } else { x };
    if x.dims() != shape {
        return Err(Error::bad_value("--input", format!("{:?}", x.dims()), format!("the network takes {shape:?}")));
    }
    Ok(x)
}

/// Holds the logits (or the probabilities, whichever was expected) against what another program computed.
fn compared(model: &Model, x: &Tensor, expected: &Tensor, json: bool) -> anyhow::Result<u8> {
    let last = [model::last_layer(model)?];
    let mut values = model.graph.infer(&fitting(model, x)?, &last)?.get(&last[0])?;
    // What is no map is one of one column here, its last axis the channels.
    if let (&[1, c, _, 1], shape) = (values.dims(), expected.dims())
        && shape != values.dims()
        && shape.last() == Some(&c)
    {
        values = values.permute((0, 2, 3, 1))?;
    }
    let logits = values.flatten_all()?.to_vec1::<f32>()?;
    let expected = expected.flatten_all()?.to_vec1::<f32>()?;
    let output = model.info.output.as_ref();
    // A last sigmoid is cut off of maps, too.
    let sigmoid = || logits.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect();
    let probabilities = output.map_or_else(sigmoid, |output| output.probabilities(&logits));
    // So is the logarithm of a softmax, which its training wants.
    let most = logits.iter().fold(f32::NEG_INFINITY, |most, z| most.max(*z));
    let log_sum = most + logits.iter().map(|z| (z - most).exp()).sum::<f32>().ln();
    let logarithms: Vec<f32> = logits.iter().map(|z| z - log_sum).collect();
    let one = output.is_some_and(|output| output.scores == model::Scores::Binary) && expected.len() == 1;
    if !one && expected.len() != logits.len() {
        let reason = format!("the network computes {} numbers", logits.len());
        return Err(Error::bad_value("--expect", format!("{} numbers", expected.len()), reason).into());
    }
    // Of a single score the network has a second one, its opposite, that nobody expects.
    let gap = |found: &[f32]| {
        let largest = expected.iter().fold(1e-6_f64, |most, v| most.max(f64::from(v.abs())));
        let off = found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        off.fold(0.0, |most: f64, v| if v.is_nan() { f64::INFINITY } else { most.max(v) }) / largest
    };
    let (of_logits, of_probabilities) = (gap(&logits), gap(&probabilities));
    let of_logarithms = output.filter(|output| output.scores == model::Scores::Softmax).map(|_| gap(&logarithms));
    let (what, worst) = match (output, of_logarithms) {
        (None, _) => ("values", of_probabilities.min(of_logits)),
        (_, Some(gap)) if gap < of_logits.min(of_probabilities) => ("logarithms of probabilities", gap),
        _ if of_probabilities < of_logits => ("probabilities", of_probabilities),
        _ => ("logits", of_logits),
    };
    let agrees = worst <= EXACT;
    if json {
        say!("{}", json!({ "compared": what, "largest_difference": worst, "tolerance": EXACT, "agrees": agrees }));
    } else {
        let verdict = if agrees { "agree" } else { "do not agree" };
        say!("{} {what} {verdict}: largest difference {worst:.1e} of the largest, {EXACT:.0e} allowed", logits.len());
    }
    Ok(if agrees { exit::DONE } else { exit::FAILED })
}

/// Holds the gradient against differences of the output along random directions.
fn differentiated(model: &Model, x: Option<Tensor>, json: bool) -> anyhow::Result<u8> {
    let [height, width] = model.input().size;
    let x = match x {
        Some(x) => fitting(model, &x)?,
        // Pixels from black to white, as the network takes them.
        None => {
            let shape = [1, model.input().pixel_channels(), height, width];
            let noise = model::formula::picture(0, &shape, &Device::Cpu)?;
            model.input().input_from_pixels(&(noise.affine(1.0 / 12f64.sqrt(), 0.5)?))?
        }
    };
    let Some(found) = model::gradient_gap(model, &x, DIRECTIONS)? else {
        let reason = "its largest score is the same whatever the picture, so nothing can be checked; say how pixels go in (--range, --mean, --std), or look at its weights";
        return Err(Error::bad_model(model.id(), reason).into());
    };
    let (worst, agrees) = (found.gap, found.gap <= SMOOTH);
    // Kinks of rectifiers, or float32's rounding, are larger than what they would show.
    let decided = agrees || found.gap.is_nan() || found.gap > UNSURE * found.unsure;
    if json {
        let agrees = decided.then_some(agrees);
        say!(
            "{}",
            json!({ "directions": DIRECTIONS, "largest_difference": worst, "tolerance": SMOOTH, "agrees": agrees })
        );
    } else {
        let verdict = match (agrees, decided) {
            (true, _) => "agrees with",
            (false, true) => "does not agree with",
            (false, false) => "cannot be told from",
        };
        let help = if worst.is_nan() {
            ", since the scores or the gradient are no finite numbers"
        } else if decided {
            ""
        } else {
            ", and longer and shorter steps differ as much; say how pixels go in (--range, --mean, --std), or use --expect"
        };
        say!(
            "the gradient {verdict} differences along {DIRECTIONS} random directions: {worst:.1e} of its length, {SMOOTH:.0e} allowed{help}"
        );
    }
    Ok(if agrees { exit::DONE } else { exit::FAILED })
}
