//! Files with the names of classes.

use super::onnx::labels::parse;
use crate::error::{Error, Result};
use std::path::Path;

/// The largest such file, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads the names in order: lines of text, a JSON list or map, Keras' class indices, or lines of index and name.
///
/// # Errors
/// [`Error::BadValue`] if it cannot be read or holds no names.
pub fn read(path: &Path) -> Result<Vec<String>> {
    let refused = |reason: String| Error::bad_value("--labels", path.display(), reason);
    let about = std::fs::metadata(path).map_err(|e| refused(format!("it cannot be read ({e})")))?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(refused("it takes a text, JSON or CSV file of at most 16 MB".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|e| refused(format!("it cannot be read ({e})")))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    let of_json = || serde_json::from_str(text).ok().and_then(|config| of_config(&config)).or_else(|| parse(text));
    let names = if text.starts_with(['[', '{', '(']) { of_json() } else { of_lines(text) };
    names
        .filter(|names| !names.is_empty())
        .ok_or_else(|| refused("it holds no list of names, numbered from 0 without gaps if at all".to_owned()))
}

/// The names in a config of Hugging Face's or timm's, where what a name stands for may be said apart from it.
pub fn of_config(config: &serde_json::Value) -> Option<Vec<String>> {
    let names = ["id2label", "label_names"].iter().find_map(|key| parse(&config.get(key)?.to_string()))?;
    let described = |name: String| {
        let about = config.get("label_descriptions").and_then(|all| all.get(&name)?.as_str());
        about.map_or_else(|| name.clone(), str::to_owned)
    };
    Some(names.into_iter().map(described).collect())
}

/// A name a line; where each line begins with its number, that goes. `None` if numbers are missing or twice there.
fn of_lines(text: &str) -> Option<Vec<String>> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let rows: Option<Vec<(usize, String)>> = lines
        .iter()
        .filter(|line| !numbered(line).is_some_and(|(head, _)| head.trim().eq_ignore_ascii_case("index")))
        .map(|line| {
            let (index, name) = numbered(line)?;
            Some((index.trim().parse().ok()?, name.trim().trim_matches('"').to_owned()))
        })
        .collect();
    match rows {
        Some(mut rows) if !rows.is_empty() => {
            rows.sort_by_key(|(index, _)| *index);
            let whole = rows.iter().enumerate().all(|(i, (index, _))| i == *index);
            whole.then(|| rows.into_iter().map(|(_, name)| name).collect())
        }
        _ => Some(lines.into_iter().map(str::to_owned).collect()),
    }
}

/// What stands before and after the first separator of a line.
fn numbered(line: &str) -> Option<(&str, &str)> {
    line.split_once([',', ';', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_be_numbered() {
        let lines = |text: &str| of_lines(text).expect("names");
        assert_eq!(lines("cat\n\n dog \n"), ["cat", "dog"]);
        assert_eq!(lines("index,name\n1,dog\n0,\"cat\"\n"), ["cat", "dog"]);
        assert_eq!(lines("Siberian husky, Arctic dog\nmalamute"), ["Siberian husky, Arctic dog", "malamute"]);
        assert_eq!((of_lines("0,a\n0,b\n2,c"), of_lines("1,a\n2,b")), (None, None));
        let config = serde_json::json!({"id2label": {"0": "a", "1": "b"}, "label_descriptions": {"b": "bee"}});
        assert_eq!(of_config(&config), Some(vec!["a".to_owned(), "bee".to_owned()]));
    }
}
