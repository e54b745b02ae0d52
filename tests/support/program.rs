//! The program as a script would use it.

use super::root;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with `args`, in the repository's folder.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradlens"));
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command.env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR")).env_remove("XDG_RUNTIME_DIR");
    command
}

pub fn gradlens(args: &[&str]) -> Output {
    command(args).output().expect("the program runs")
}

/// What it prints with `--json`, if it says nothing else.
pub fn json(args: &[&str]) -> Value {
    let output = gradlens(args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "quiet with --json: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The program must fail with `code` and say all of `words`.
pub fn fails(args: &[&str], code: i32, words: &[&str]) {
    let output = gradlens(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?} should say {word:?}: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// The header and the values of a `.npy` file of float32.
pub fn npy(path: &Path) -> (String, Vec<f32>) {
    let bytes = std::fs::read(path).expect("a .npy file");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[10..10 + header]).into_owned();
    let values = bytes[10 + header..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    (text, values.collect())
}
