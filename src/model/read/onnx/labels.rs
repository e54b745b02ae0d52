//! Names of classes that a file carries in its metadata.

use serde_json::Value;
use std::collections::BTreeMap;

/// Keys under which programs write them, the likeliest first.
const KEYS: [&str; 9] = [
    "names",
    "class_names",
    "classes",
    "labels",
    "label_names",
    "id2label",
    "categories",
    "character",
    "class_labels",
];

/// The first list of names among key–value pairs.
#[must_use]
pub fn find(metadata: &[(String, String)]) -> Option<Vec<String>> {
    KEYS.iter().find_map(|wanted| {
        let (_, text) = metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted))?;
        parse(text)
    })
}

/// Names in order: a JSON list or map, a Python list or dictionary, lines, or parts between commas.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text.starts_with(['[', '{', '(']) {
        return serde_json::from_str(text).ok().as_ref().and_then(of_json).or_else(|| Python(text).names());
    }
    let separator = if text.contains('\n') { '\n' } else { ',' };
    let names: Vec<String> = text.split(separator).map(|name| name.trim().to_owned()).collect();
    (names.len() > 1).then_some(names)
}

fn of_json(value: &Value) -> Option<Vec<String>> {
    let name = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        // Keras' class_indices: index to [synset, name].
        Value::Array(list) => list.last().and_then(Value::as_str).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(list) => list.iter().map(name).collect::<Option<Vec<_>>>().filter(|names| !names.is_empty()),
        Value::Object(map) => {
            let by_index = map.iter().map(|(key, v)| Some((key.parse().ok()?, name(v)?))).collect::<Option<_>>();
            // Name to index, the other way round.
            let by_name =
                || map.iter().map(|(key, v)| Some((usize::try_from(v.as_u64()?).ok()?, key.clone()))).collect();
            in_order(by_index.or_else(by_name)?)
        }
        _ => None,
    }
}

/// Names by index, if the indices are 0, 1, 2 and so on.
fn in_order(names: BTreeMap<usize, String>) -> Option<Vec<String>> {
    let whole = !names.is_empty() && names.keys().copied().eq(0..names.len());
    whole.then(|| names.into_values().collect())
}

/// A Python literal of texts: ultralytics writes `{0: 'person', 1: "goat's"}`.
struct Python<'a>(&'a str);

impl Python<'_> {
    fn names(mut self) -> Option<Vec<String>> {
        let close = match self.take()? {
            '{' => '}',
            '[' => ']',
            _ => ')',
        };
        let (mut list, mut map) = (Vec::new(), BTreeMap::new());
        loop {
            self.0 = self.0.trim_start();
            if self.0.starts_with(close) {
                break;
            }
            if close == '}' {
                let (index, rest) = self.0.split_once(':')?;
                self.0 = rest.trim_start();
                map.insert(index.trim().trim_matches(['\'', '"']).parse().ok()?, self.text()?);
            } else {
                list.push(self.text()?);
            }
            self.0 = self.0.trim_start().trim_start_matches(',');
        }
        if close == '}' { in_order(map) } else { Some(list).filter(|names| !names.is_empty()) }
    }

    fn take(&mut self) -> Option<char> {
        let c = self.0.chars().next()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.take().filter(|c| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        loop {
            match self.take()? {
                c if c == quote => return Some(text),
                '\\' => text.push(match self.take()? {
                    'n' => '\n',
                    't' => '\t',
                    c => c,
                }),
                c => text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_names_is_read() {
        let expect = |text: &str, names: &[&str]| assert_eq!(parse(text).unwrap(), names, "{text}");
        expect("{0: 'person', 1: \"goat's\", 2: 'it\\'s'}", &["person", "goat's", "it's"]);
        expect("{1: 'b', 0: 'a'}", &["a", "b"]);
        expect("['a', 'b, c']", &["a", "b, c"]);
        expect("(\"a\", 'b',)", &["a", "b"]);
        expect("[\"a\", \"b\"]", &["a", "b"]);
        expect("{\"0\": \"a\", \"1\": \"b\"}", &["a", "b"]);
        expect("{\"b\": 1, \"a\": 0}", &["a", "b"]);
        expect("{\"0\": [\"n01\", \"tench\"]}", &["tench"]);
        expect("0\n90\n180\n270", &["0", "90", "180", "270"]);
        expect("cat, dog", &["cat", "dog"]);
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in ["", "one", "{0: 'a', 2: 'b'}", "{0: 'a'", "['a", "{", "[1.5, {}]", "{'a': 'b'}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
