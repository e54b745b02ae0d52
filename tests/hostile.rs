//! Bytes from outside, whatever they are: an answer or a refusal in one sentence, never a panic, never an escape sequence on
//! the terminal. The parsers of checkpoints, messages and terminal answers are held to the same beside their code.

#[path = "support/cases.rs"]
mod cases;
mod support;

use gradlens::error::Error;
use gradlens::imaging::decode;
use gradlens::model::{BUILT_IN, Labels, Weights, find};
use gradlens::tui::printable;
use proptest::prelude::*;
use std::io::Write;
use std::path::Path;

fn png() -> Vec<u8> {
    std::fs::read(support::golden("dog_224.png")).expect("a picture")
}

fn jpeg() -> Vec<u8> {
    std::fs::read(support::root().join("samples/photos/chelsea.jpg")).expect("a picture")
}

/// Bytes with some of them changed, and perhaps an end missing.
fn damaged(mut bytes: Vec<u8>, changes: &[(usize, u8)], keep: f64) -> Vec<u8> {
    for &(at, to) in changes {
        let at = at % bytes.len();
        bytes[at] = to;
    }
    let length = (bytes.len() as f64 * keep) as usize;
    bytes.truncate(length);
    bytes
}

fn one_sentence(error: &Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.lines().count() == 1 && text.len() < 2000, "{text}");
}

proptest! {
    #![proptest_config(cases::cases(48))]

    #[test]
    fn pictures(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6), near in prop::collection::vec((0usize..200, any::<u8>()), 0..4), keep in 0.0f64..1.0, photo in any::<bool>()) {
        let bytes = if photo { jpeg() } else { png() };
        let bytes = damaged(damaged(bytes, &near, 1.0), &changes, if keep > 0.5 { 1.0 } else { keep * 2.0 });
        if let Err(error) = decode(Path::new("a\x1b[31mb.png"), &bytes) {
            one_sentence(&error);
        }
    }

    #[test]
    fn noise_as_a_picture(bytes in prop::collection::vec(any::<u8>(), 0..600), magic in 0usize..6) {
        let magic: &[u8] = [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\x20\0\0\0WEBP", b"BM", b"II*\0"][magic];
        prop_assert!(decode(Path::new("noise"), &[magic, &bytes].concat()).is_err());
    }

    #[test]
    fn weights(header in prop::collection::vec((0usize..4000, any::<u8>()), 0..4), keep in 0.0f64..1.2) {
        let bytes = std::fs::read(support::root().join("weights/tf_efficientnet_lite0.safetensors")).expect("weights");
        let bytes = damaged(bytes, &header, keep.min(1.0));
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&bytes).expect("written");
        let read = Weights::read(file.path()).and_then(|weights| {
            find(BUILT_IN, "tf_efficientnet_lite0")?.build(&weights, &candle_core::Device::Cpu).map(drop)
        });
        if let Err(error) = read {
            one_sentence(&error);
            prop_assert!(matches!(error, Error::BadWeights { .. }), "{error}");
        }
    }

    #[test]
    fn weights_that_promise_much(length in any::<u64>(), json in "[ -~]{0,200}") {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&length.to_le_bytes()).and_then(|()| file.write_all(json.as_bytes())).expect("written");
        let read = Weights::read(file.path()).and_then(|w| w.tensors(&candle_core::Device::Cpu).map(drop));
        let empty = json.trim() == "{}";
        prop_assert!(read.is_err() || empty);
    }

    #[test]
    fn class_names(text in "\\PC{0,40}") {
        if let Err(error) = Labels::imagenet().find(&text) {
            one_sentence(&error);
        }
    }

    #[test]
    fn whatever_is_shown_steers_nothing(text in any::<String>()) {
        prop_assert!(!printable(&text).chars().any(char::is_control));
    }
}

/// A JPEG whose first segment claims to be longer than it is: the decoder tells of it in two lines.
#[test]
fn a_picture_that_is_told_of_in_two_lines() {
    let error = decode(Path::new("a.jpg"), &damaged(jpeg(), &[(4, 121)], 1.0)).expect_err("damaged");
    one_sentence(&error);
}

#[test]
fn manifests() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let huge = "[".repeat(200_000);
    let texts = ["", "{", "null", "[]", "{\"job\":{}}", "{\"version\":\"\\u001b[2J\"}", &huge];
    for text in texts {
        std::fs::write(&file, text).expect("written");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gradlens"));
        command
            .env("XDG_STATE_HOME", folder.path())
            .args(["run", "--from"])
            .arg(&file)
            .arg("--out")
            .arg(folder.path());
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("gradlens: ") && said.trim_end().lines().count() == 1, "{said}");
        assert!(!said.trim_end().chars().any(char::is_control), "{said:?}");
    }
}
