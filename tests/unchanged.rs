//! Runs on the built-in models give what they gave before, to the bit: `tests/golden/before/` is what the program of commit
//! ef6b4ab wrote for the command lines in `commands`, as checksums for each vector width and, where they are small, as
//! files. A processor of another width adds in another order; it is held to the small files within a tolerance (what is
//! large is held to PyTorch's figures in `attribution.rs`).

mod support;

use gradlens::imaging::decode;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use support::program::{command, npy};
use support::{golden, relative_error, skipped};

/// Pictures with the map on them and descriptions of runs may gain things.
const FREE: [&str; 3] = ["overlay.png", "run.json", "summary.json"];

/// The widest vectors of this processor, as the kernels choose them.
fn widest() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if avx2 {
            return if avx512 { "avx512" } else { "avx2" };
        }
    }
    "baseline"
}

/// Every case that was run before, made again under `folder` with vectors of that width.
fn run_all(folder: &Path, level: &str) {
    let commands = std::fs::read_to_string(golden("before/commands")).expect("the command lines");
    assert!(commands.lines().count() > 20);
    for line in commands.lines() {
        let (name, words) = line.split_once(' ').expect("a name and a command line");
        let out = folder.join(name).display().to_string();
        let words: Vec<&str> = words.split(' ').chain(["--threads", "2", "--seed", "7", "--out", &out]).collect();
        let output = command(&words).env("GRADLENS_SIMD", level).output().expect("the program runs");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// All files under a folder by their path from there.
fn files(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("inside").display().to_string().replace('\\', "/");
                found.insert(name, path);
            }
        }
    }
    found
}

/// Style transfer resizes with candle's products of matrices, which sum in blocks that follow the sizes of the processor's
/// caches: between two processors of the same vectors its files may differ in the last bits.
const BY_CACHES: &str = "style-transfer";

/// By how many of 255 levels a picture may be off in the mean; the widest vectors and none differ by 0.003.
const LEVELS: f64 = 0.1;

/// Holds all files to the checksums called `sums`.
fn to_the_bit(level: &str, sums: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    run_all(folder.path(), level);
    let sums = std::fs::read_to_string(golden(&format!("before/{sums}.sha256"))).expect("checksums");
    let before: BTreeMap<&str, &str> =
        sums.lines().map(|line| line.split_once("  ").expect("a checksum and a name")).map(|(s, n)| (n, s)).collect();
    assert!(before.len() > 70);
    let mut wrong = String::new();
    let mut now = files(folder.path());
    now.retain(|name, _| !FREE.iter().any(|free| name.ends_with(free)));
    for (name, sum) in &before {
        let bytes = now.remove(*name).map(|path| std::fs::read(path).expect("a file"));
        match bytes.map(|bytes| hex(&Sha256::digest(bytes))) {
            Some(found) if found == *sum => {}
            // What the caches decide is held as other vectors are.
            Some(_) if name.starts_with(BY_CACHES) => {
                let held = close(name, &golden("before").join(name), &folder.path().join(name), level);
                assert!(held, "{name} is not held");
            }
            Some(_) => writeln!(wrong, "{name} differs").expect("text"),
            None => writeln!(wrong, "{name} is missing").expect("text"),
        }
    }
    now.keys().for_each(|name| writeln!(wrong, "{name} is new").expect("text"));
    assert!(wrong.is_empty(), "with {level}:\n{wrong}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Holds a file to the one from before within a tolerance; whether it is of a kind that can be.
fn close(name: &str, before: &Path, now: &Path, level: &str) -> bool {
    let read = |path: &Path| std::fs::read_to_string(path).expect("a table");
    match before.extension().and_then(|ending| ending.to_str()) {
        Some("npy") => {
            let ((_, theirs), (_, ours)) = (npy(before), npy(now));
            let error = relative_error(&ours, &theirs);
            assert!(error < 1e-4, "{name} with {level}: {error}");
        }
        Some("csv") => {
            let (theirs, ours) = (read(before), read(now));
            // Names, and where it starts; what follows is chaotic where signs of gradients are followed.
            assert_eq!(ours.lines().next(), theirs.lines().next(), "{name}");
            let first = |text: &str| -> Vec<f64> {
                let row = text.lines().nth(1).expect("a row");
                row.split(',').map(|cell| cell.parse().unwrap_or(f64::NAN)).collect()
            };
            for (ours, theirs) in first(&ours).iter().zip(first(&theirs)) {
                let close = (ours - theirs).abs() <= 1e-3 * theirs.abs() + 1e-6;
                assert!(close || (ours.is_nan() && theirs.is_nan()), "{name} with {level}: {ours} for {theirs}");
            }
        }
        Some("png") => {
            let picture = |path: &Path| decode(path, &std::fs::read(path).expect("a picture")).expect("a picture");
            let (theirs, ours) = (picture(before), picture(now));
            assert_eq!((ours.width, ours.height), (theirs.width, theirs.height), "{name}");
            let off = ours.rgb.iter().zip(theirs.rgb.iter()).map(|(a, b)| f64::from(a.abs_diff(*b)));
            let mean = off.sum::<f64>() / theirs.rgb.len() as f64;
            assert!(mean < LEVELS, "{name} with {level}: {mean} levels off");
        }
        _ => return false,
    }
    true
}

fn within_a_tolerance(level: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    run_all(folder.path(), level);
    let before = files(&golden("before"));
    let held = before.iter().filter(|(name, path)| close(name, path, &folder.path().join(name), level)).count();
    assert!(held > 25, "{held} files are compared");
}

#[test]
fn runs_are_what_they_were() {
    match widest() {
        "baseline" => within_a_tolerance("baseline"),
        level => to_the_bit(level, level),
    }
}

#[test]
fn narrower_vectors_come_close() {
    within_a_tolerance("baseline");
}

#[test]
fn vectors_of_eight_are_what_they_were() {
    match widest() {
        "avx512" => to_the_bit("avx2", "avx2-on-avx512"),
        "avx2" => {} // That is the test above.
        _ => skipped("this processor has no AVX2"),
    }
}
