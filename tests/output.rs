//! What the program says: nothing of it steers a terminal, and nothing is lost or broken when nobody can be told.
#![cfg(unix)]

mod support;

use gradlens::tui::steers;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Output, Stdio};
use support::golden;
use support::program::{command, gradlens, json};

/// What would clear a screen, forge a line, colour it, turn it around, or end a string of the terminal's.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;b\u{7}\nc\r\u{9b}31m\u{202e}d\u{2028}e";

fn plain(asked: &[&str], output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let said = String::from_utf8_lossy(bytes);
        let steering = said.chars().find(|&c| steers(c) && !matches!(c, '\n' | '\t'));
        assert_eq!(steering, None, "{asked:?} says {said:?}");
        assert!(!said.contains("panicked"), "{asked:?}: {said}");
    }
}

#[test]
fn no_string_from_outside_steers_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let photo = golden("dog_224.png").to_string_lossy().into_owned();
    let hostile_photo = path(&format!("{HOSTILE}.png"));
    std::fs::copy(&photo, &hostile_photo).expect("copied");
    let hostile_text = path(&format!("{HOSTILE}.txt"));
    std::fs::write(&hostile_text, format!("{HOSTILE}\nb\nc\nd\ne")).expect("written");
    let labels = path("labels.json");
    let names = [HOSTILE, "b", "c", "d", HOSTILE];
    std::fs::write(&labels, serde_json::to_string(&names).expect("JSON")).expect("written");
    let hostile_model = path(&format!("{HOSTILE}.onnx"));
    std::fs::copy("tests/data/onnx/cnn_ts17.onnx", &hostile_model).expect("copied");
    let tensors = path("dtype.safetensors");
    let header =
        serde_json::json!({ HOSTILE: { "dtype": HOSTILE, "shape": [1], "data_offsets": [0, 4] } }).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
    std::fs::write(&tensors, bytes).expect("written");
    let manifest = path("run.json");
    json(&["run", "saliency", &photo, "--json", "--out", &path("made")]);
    let made = std::fs::read_to_string(path("made/run.json")).expect("a manifest");
    let (out, named) = (path("out"), path(HOSTILE));

    // Each place where a string can stand.
    let model = ["--model", &hostile_model, "--labels", &labels];
    let on_model = |words: &[&str]| [words, &model].concat().iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut asked: Vec<Vec<String>> = [
        &["classify", &hostile_photo, &hostile_text, HOSTILE][..],
        &["classify", &hostile_photo, "--json"],
        &["run", "saliency", &hostile_photo, "--out", &out],
        &["run", "saliency", &hostile_photo, "--json"],
        &["run", "saliency", &photo, "--out", &named],
        &["run", "saliency", &photo, "--out", &format!("/proc/{HOSTILE}")],
        &["run", HOSTILE, &photo, "--out", &out],
        &["run", "saliency", &photo, "--out", &out, "--class", HOSTILE],
        &["run", "pgd", &photo, "--out", &out, "--target", HOSTILE],
        &["run", "gradcam", &photo, "--out", &out, "--layer", HOSTILE],
        &["run", "pgd", &photo, "--out", &out, "--set", HOSTILE],
        &["run", "pgd", &photo, "--out", &out, "--set", &format!("steps={HOSTILE}")],
        &["run", "pgd", &photo, "--out", &out, "--set", &format!("{HOSTILE}=1")],
        &["run", "saliency", &photo, "--out", &out, "--device", HOSTILE],
        &["run", "saliency", &photo, "--out", &out, "--threads", HOSTILE],
        &["run", "saliency", &photo, "--out", &out, "--model", HOSTILE],
        &["run", "saliency", &photo, "--out", &out, "--weights", &hostile_text],
        &["run", "saliency", &photo, "--out", &out, "--weights", &tensors],
        &["run", "saliency", &photo, "--out", &out, "--model", &tensors],
        &["run", "saliency", &photo, "--out", &out, "--color-map", HOSTILE],
        &["run", "style-transfer", &photo, "--out", &out, "--style", HOSTILE],
        &["run", "--from", HOSTILE, "--out", &out],
        &["compare", &photo, "--technique", HOSTILE, "--technique", "saliency", "--out", &out],
        &["score", &photo, "--technique", HOSTILE, "--out", &out],
        &["attach", HOSTILE],
        &["stop", HOSTILE],
        &["resume", HOSTILE],
        &["labels", HOSTILE],
        &["techniques", HOSTILE],
        &["layers", HOSTILE],
        &["bench", HOSTILE],
        &["models", HOSTILE],
        &["models", "show", &hostile_model],
        &["models", "show", &hostile_model, "--json"],
        &["models", "add", HOSTILE, &hostile_model],
        &["models", "add", "mine", HOSTILE],
        &["models", "remove", HOSTILE],
        &["models", "check", &hostile_model, "--input", HOSTILE, "--expect", HOSTILE],
        &[HOSTILE],
    ]
    .iter()
    .map(|words| words.iter().map(ToString::to_string).collect())
    .collect();
    asked.push(on_model(&["classify", &photo]));
    asked.push(on_model(&["classify", &photo, "--json"]));
    asked.push(on_model(&["labels"]));
    asked.push(on_model(&["run", "saliency", &photo, "--class", "#0", "--out", &out]));
    asked.push(on_model(&[
        "compare",
        &photo,
        "--technique",
        "saliency",
        "--class",
        "#0",
        "--class",
        "#4",
        "--out",
        &out,
    ]));
    for words in asked {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        plain(&words, &gradlens(&words));
    }
    // Each word of a manifest.
    let whole: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let mut places = vec![];
    strings(&whole, String::new(), &mut places);
    assert!(places.len() > 10, "{places:?}");
    for place in places {
        let mut other = whole.clone();
        *other.pointer_mut(&place).expect("a place") = HOSTILE.into();
        std::fs::write(&manifest, other.to_string()).expect("written");
        let words = ["run", "--from", &manifest, "--out", &out];
        plain(&[&words[..], &[&place]].concat(), &gradlens(&words));
    }
}

/// The place of every string in a value.
fn strings(value: &serde_json::Value, place: String, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(_) => found.push(place),
        serde_json::Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| strings(v, format!("{place}/{i}"), found));
        }
        serde_json::Value::Object(map) => map.iter().for_each(|(key, v)| strings(v, format!("{place}/{key}"), found)),
        _ => {}
    }
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("a full device").into()
}

#[test]
fn what_cannot_be_said_is_no_panic() {
    let photo = golden("dog_224.png").to_string_lossy().into_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out").to_string_lossy().into_owned();
    let all: [(&[&str], i32); 4] = [
        (&["classify", &photo, "--json"], 0),
        (&["run", "saliency", &photo, "--out", &out], 0),
        (&["run", "saliency", "none.png", "--out", &out], 3),
        (&["techniques", "nothing-is-called-this"], 0),
    ];
    for (words, code) in all {
        let without_stderr = command(words).stderr(full()).stdout(Stdio::null()).status().expect("the program runs");
        let expected = gradlens(words).status.code();
        assert_eq!(without_stderr.code(), expected, "{words:?}");
        assert!(code == 0 || expected == Some(code), "{words:?}");
    }
    for words in [&["classify", &photo, "--json"][..], &["run", "saliency", &photo, "--json"], &["labels"]] {
        let output = command(words).stdout(full()).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("cannot write to standard output"), "{said}");
    }
}

/// The end of a pipe that nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_goes_away_ends_a_list_and_no_batch() {
    let status = command(&["labels"]).stdout(unread()).status().expect("the program runs");
    assert_eq!((status.code(), status.signal()), (Some(0), None), "it ends quietly");
    let folder = tempfile::tempdir().expect("a folder");
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).expect("a folder");
    for n in 0..3 {
        std::fs::copy(golden("dog_224.png"), photos.join(format!("{n}.png"))).expect("copied");
    }
    let out = folder.path().join("out");
    let words = ["run", "saliency", &photos.to_string_lossy(), "--out", &out.to_string_lossy()];
    let status = command(&words).stderr(unread()).stdout(unread()).status().expect("the program runs");
    assert_eq!(status.code(), Some(0));
    let made = std::fs::read_dir(&out).expect("listed").flatten();
    assert_eq!(made.filter(|entry| entry.path().join("run.json").exists()).count(), 3);
}

#[test]
fn what_cannot_begin_does_not_go_to_the_background() {
    let photo = golden("dog_224.png").to_string_lossy().into_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("garbage"), [7; 500]).expect("written");
    let out = path("out");
    let all: [(&[&str], i32); 5] = [
        (&["run", "saliency", "none.png"], 3),
        (&["run", "saliency", &photo, "--weights", &path("garbage")], 4),
        (&["run", "saliency", &photo, "--model", &path("garbage")], 4),
        (&["run", "saliency", &photo, "--device", "cuda:99"], 2),
        (&["run", "saliency", &photo, "--class", "no such class"], 2),
    ];
    for (words, code) in all {
        let output = gradlens(&[words, &["--detach", "--out", &out]].concat());
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty(), "nothing goes on: {}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(!Path::new(&out).exists());
}
