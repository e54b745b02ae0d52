//! A folder as timm and Hugging Face's hub have it: `config.json` beside a file of weights. Which file, and which fields:
//! as timm 1.0 reads them (`timm/models/_hub.py`).

use super::foreign;
use super::format::{Hints, ReadFile, endings, read as read_file};
use super::labels::of_config;
use super::onnx::{self, Refusal};
use super::options::ReadOptions;
use super::preprocessing::Usual;
use crate::model::Assumption;
use crate::model::zoo::architectures::Preprocessing;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Files that are taken first, in this order.
const PREFERRED: [&str; 9] = [
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.onnx",
];
/// Endings of what is taken else: as timm orders them, and then those that it does not know.
const ENDINGS: [&str; 5] = ["safetensors", "pth", "pth.tar", "bin", "onnx"];
/// The largest config that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// The file of weights in a folder.
///
/// # Errors
/// A [`Refusal`] if there is none.
pub fn weights(folder: &Path) -> Result<PathBuf, Refusal> {
    Ok(chosen(folder)?.0)
}

/// The file of weights, and what is assumed where there are several and none is preferred.
fn chosen(folder: &Path) -> Result<(PathBuf, Option<Assumption>), Refusal> {
    let mut files = candidates(folder)?;
    let shards = files.iter().filter(|file| is_shard(file)).count();
    if shards > 1 && shards == files.len() {
        return Err(Refusal(format!(
            "its weights are in {shards} shards; join them, in Python: model.save_pretrained(\"joined\", max_shard_size=\"100GB\")"
        )));
    }
    if files.is_empty() {
        let none =
            || format!("the folder holds no file of weights; it takes one called {} or the like", PREFERRED[0]);
        return Err(foreign::folder(folder).unwrap_or_else(|| Refusal(none())));
    }
    let count = files.len();
    let file = files.swap_remove(0);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let assumption = (count > 1).then(|| Assumption {
        what: format!("of the folder's {count} files of weights {name} is meant"),
        option: "--model FOLDER/FILE".to_owned(),
    });
    Ok((file, assumption))
}

/// The files that are the folder's weights equally well: one under a name that says so, or all with the best ending.
fn candidates(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    if let Some(found) = PREFERRED.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(vec![found]);
    }
    let entries = std::fs::read_dir(folder).map_err(Refusal::new)?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort();
    let ends = |ending: &str, path: &Path| {
        path.to_string_lossy().to_ascii_lowercase().strip_suffix(ending).is_some_and(|rest| rest.ends_with('.'))
    };
    let others = endings().filter(|ending| !ENDINGS.contains(ending));
    if let Some(ending) = ENDINGS.iter().chain(others).find(|ending| files.iter().any(|path| ends(ending, path))) {
        files.retain(|path| ends(ending, path));
    } else {
        files.clear();
    }
    Ok(files)
}

/// Whether a file holds a part of the weights: `model-00001-of-00002.safetensors`.
fn is_shard(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let words: Vec<&str> = name.rsplit('-').take(3).collect();
    let is_number = |word: &str| word.len() == 5 && word.bytes().all(|b| b.is_ascii_digit());
    matches!(words[..], [of, "of", number] if is_number(of) && is_number(number))
}

/// Reads a folder.
///
/// # Errors
/// A [`Refusal`] if the config is broken, or as for the file of weights in it.
pub fn read(folder: &Path, options: &ReadOptions, asked: onnx::ImportOptions) -> Result<ReadFile, Refusal> {
    let (file, assumption) = chosen(folder)?;
    let mut found = read_with_config(&file, folder, options, asked)?;
    found.imported.assumptions.extend(assumption);
    Ok(found)
}

fn read_with_config(
    file: &Path,
    folder: &Path,
    options: &ReadOptions,
    mut asked: onnx::ImportOptions,
) -> Result<ReadFile, Refusal> {
    let inside = |refusal: Refusal| {
        Refusal(format!("of its file {}: {refusal}", file.file_name().unwrap_or_default().to_string_lossy()))
    };
    let Some(text) = config(folder)? else {
        return read_file(file, options.arch.as_deref(), &Hints::default(), &asked).map_err(inside);
    };
    let config: Value = serde_json::from_str(&text)
        .map_err(|e| Refusal(format!("its config.json is no JSON ({e}); take the folder as timm wrote it")))?;
    let fields = config.get("pretrained_cfg").unwrap_or(&config);
    let size = numbers(fields, "input_size").filter(|size| size.len() == 3);
    asked.size = asked.size.or_else(|| size.map(|size| [size[1] as usize, size[2] as usize]));
    let architecture = config.get("architecture").and_then(Value::as_str).map(str::to_owned);
    let mut found = read_file(file, options.arch.as_deref(), &Hints { architecture }, &asked).map_err(inside)?;
    let Usual { preprocessing: own, whose } = found.usual;
    let (mean, std) = (numbers(fields, "mean"), numbers(fields, "std"));
    let text = |key: &str, usual: String| fields.get(key).and_then(Value::as_str).map_or(usual, str::to_owned);
    found.usual = Usual {
        whose: whose.filter(|_| mean.is_none() || std.is_none()),
        preprocessing: Preprocessing {
            size: own.size,
            mean: mean.unwrap_or(own.mean),
            std: std.unwrap_or(own.std),
            crop_pct: fields.get("crop_pct").and_then(Value::as_f64).map_or(own.crop_pct, |share| share as f32),
            interpolation: text("interpolation", own.interpolation),
            crop_mode: text("crop_mode", own.crop_mode),
        },
    };
    found.labels = of_config(&config).or_else(|| of_config(fields)).or(found.labels);
    Ok(found)
}

/// The config's text without lines of comment, which people leave in it; `None` if there is none.
fn config(folder: &Path) -> Result<Option<String>, Refusal> {
    let path = folder.join("config.json");
    let Ok(about) = std::fs::metadata(&path) else { return Ok(None) };
    let unreadable = |reason: &str| Refusal(format!("its config.json cannot be read ({reason})"));
    if !about.is_file() || about.len() > LARGEST {
        return Err(unreadable("it is no file of at most 16 MB"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(&e.to_string()))?;
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    Ok(Some(lines.collect::<Vec<_>>().join("\n")))
}

fn numbers(fields: &Value, key: &str) -> Option<Vec<f32>> {
    let list = fields.get(key)?.as_array()?;
    list.iter().map(|number| number.as_f64().map(|number| number as f32)).collect()
}
