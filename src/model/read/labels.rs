//! Files with the names of classes.

use super::onnx::labels::parse;
use crate::error::{Error, Result};
use std::path::Path;

/// The largest such file, in bytes.
const LARGEST: u64 = 16 << 20;

/// What stands between a name and its number.
const SEPARATORS: [char; 4] = [',', ';', '\t', ':'];

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
    let bytes = std::fs::read(path).map_err(|e| refused(format!("it cannot be read ({e})")))?;
    let text = text_of(&bytes).ok_or_else(|| refused("it is no text; save it as UTF-8".to_owned()))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    let of_json = || serde_json::from_str(text).ok().and_then(|config| of_config(&config)).or_else(|| parse(text));
    let names = if text.starts_with(['[', '{', '(']) { of_json() } else { of_lines(text) };
    names
        .filter(|names| !names.is_empty())
        .ok_or_else(|| refused("it holds no list of names, numbered from 0 without gaps if at all".to_owned()))
}

/// Text in UTF-8, or in the UTF-16 that PowerShell writes.
fn text_of(bytes: &[u8]) -> Option<String> {
    let wide = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
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
            // "50 euros" is a name as it is.
            let plain = || lines.iter().all(|line| !line.contains(SEPARATORS)).then(|| owned(&lines));
            if whole { Some(rows.into_iter().map(|(_, name)| name).collect()) } else { plain() }
        }
        _ => Some(owned(&lines)),
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

/// What stands before and after the first separator of a line: `0,cat`, `0: cat`, `0 cat` or, the other way round, `cat,0`.
fn numbered(line: &str) -> Option<(&str, &str)> {
    let is_number = |part: &str| part.trim().parse::<usize>().is_ok();
    let (head, rest) = line.split_once(SEPARATORS).or_else(|| line.split_once(' '))?;
    match line.rsplit_once([',', ';', '\t']) {
        Some((name, index)) if !is_number(head) && is_number(index) => Some((index, name)),
        _ => Some((head, rest)),
    }
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
        assert_eq!(lines("1: dog\n0: cat\n"), ["cat", "dog"]);
        assert_eq!(lines("0 house cat\n1 dog\n"), ["house cat", "dog"]);
        assert_eq!(lines("dog,1\ncat,0\n"), ["cat", "dog"]);
        assert_eq!(lines("50 euros\n100 euros"), ["50 euros", "100 euros"]);
        assert_eq!(lines("wild: cat\ntame: dog"), ["wild: cat", "tame: dog"]);
        assert_eq!(text_of(b"\xff\xfea\0b\0").as_deref(), Some("ab"));
        assert_eq!((of_lines("0,a\n0,b\n2,c"), of_lines("1,a\n2,b")), (None, None));
        let config = serde_json::json!({"id2label": {"0": "a", "1": "b"}, "label_descriptions": {"b": "bee"}});
        assert_eq!(of_config(&config), Some(vec!["a".to_owned(), "bee".to_owned()]));
    }
}
