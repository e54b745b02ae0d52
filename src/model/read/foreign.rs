//! Files of models that are not read, known by their first bytes, and what makes ones of them that are.

use super::onnx::Refusal;
use std::path::Path;

/// A kind of file that is not read.
struct Foreign {
    what: &'static str,
    /// Where in the file its mark stands, and the mark.
    mark: (usize, &'static [u8]),
    /// How its names end.
    endings: &'static [&'static str],
    /// Whether only the name tells it from files of others.
    by_name: bool,
    /// What makes a file of it that is read; `{}` is its place.
    help: &'static str,
}

/// The file that makes a folder a SavedModel of TensorFlow's.
const SAVED_MODEL: &str = "saved_model.pb";

const FOREIGN: &[Foreign] = &[
    Foreign {
        what: "a Keras file (HDF5)",
        mark: (0, b"\x89HDF\r\n\x1a\n"),
        endings: &["h5", "hdf5"],
        by_name: false,
        help: "in Python: keras.models.load_model(\"{}\").export(\"model.onnx\", format=\"onnx\")",
    },
    Foreign {
        what: "a Keras file",
        mark: (0, b"PK\x03\x04"),
        endings: &["keras"],
        by_name: true,
        help: "in Python: keras.models.load_model(\"{}\").export(\"model.onnx\", format=\"onnx\")",
    },
    Foreign {
        what: "a TensorFlow Lite file",
        mark: (4, b"TFL3"),
        endings: &["tflite"],
        by_name: false,
        help: "python -m tf2onnx.convert --tflite {} --output model.onnx",
    },
];

/// How names of such files end.
pub(super) fn endings() -> impl Iterator<Item = &'static &'static str> {
    FOREIGN.iter().flat_map(|kind| kind.endings).chain(&["pb"])
}

/// A place as it is put into a command; a word for it where a shell or Python would read something else.
fn quoted(place: &str) -> &str {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=@".contains(c);
    if place.chars().all(plain) { place } else { "FILE" }
}

/// What lies in a model's place where a download went wrong; `None` if it may be one.
pub(super) fn instead(head: &[u8]) -> Option<Refusal> {
    if head.starts_with(b"version https://git-lfs.") {
        return Some(Refusal::new(
            "it is a pointer of Git LFS to the file and not the file itself; fetch it: git lfs pull",
        ));
    }
    let start = head.trim_ascii_start();
    let page = [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|mark| start.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark)));
    page.then(|| Refusal::new("it is a web page, as a download leaves that was refused; download the file itself"))
}

/// What such a file is and what to do with it; `None` if it is none.
pub(super) fn refusal(path: &Path, head: &[u8]) -> Option<Refusal> {
    let place = path.display().to_string();
    let is = |kind: &&Foreign| {
        let (at, mark) = kind.mark;
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        let named = || kind.endings.iter().any(|own| ending == *own);
        head.get(at..).is_some_and(|rest| rest.starts_with(mark)) && (!kind.by_name || named())
    };
    if let Some(kind) = FOREIGN.iter().find(is) {
        let help = kind.help.replace("{}", quoted(&place));
        return Some(Refusal(format!("it is {}, which is not read; make an ONNX file of it: {help}", kind.what)));
    }
    if path.file_name().is_some_and(|name| name == SAVED_MODEL) {
        return folder(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    }
    let picture = image::guess_format(head).is_ok();
    picture.then(|| Refusal::new("it is a picture; give the file of a network, as best.onnx"))
}

/// The same for a folder.
pub(super) fn folder(path: &Path) -> Option<Refusal> {
    let place = path.display().to_string();
    let help = format!("python -m tf2onnx.convert --saved-model {} --output model.onnx", quoted(&place));
    let is = path.join(SAVED_MODEL).is_file();
    is.then(|| Refusal(format!("it is a TensorFlow SavedModel, which is not read; make an ONNX file of it: {help}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_known_by_their_first_bytes() {
        let said = |name: &str, head: &[u8]| refusal(Path::new(name), head).map(|refusal| refusal.to_string());
        assert!(
            said("a.h5", b"\x89HDF\r\n\x1a\n\0").is_some_and(|text| text.contains("load_model(\"a.h5\").export"))
        );
        assert!(said("a.tflite", b"\x1c\0\0\0TFL3").is_some_and(|text| text.contains("--tflite a.tflite")));
        assert!(said("$(x) y.tflite", b"\x1c\0\0\0TFL3").is_some_and(|text| text.contains("--tflite FILE ")));
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
        assert!(instead(pointer).is_some_and(|refusal| refusal.to_string().contains("git lfs pull")));
        assert!(instead(b"\n <!DOCTYPE HTML>").is_some_and(|refusal| refusal.to_string().contains("web page")));
        assert!(instead(b"\x08\x07\x12\x07pytorch").is_none());
        assert!(said("a.keras", b"PK\x03\x04\0").is_some_and(|text| text.contains("Keras")));
        assert!(said("a.onnx", b"\x89PNG\r\n\x1a\n").is_some_and(|text| text.contains("a picture")));
        assert_eq!(
            [said("a.zip", b"PK\x03\x04\0"), said("a.onnx", b"\x08\x07\x12"), said("a.h5", b"")],
            [None, None, None]
        );
    }
}
