//! What fuzzing has found (`fuzz/run.sh`) is read again: without a panic, with one line for every refusal, soon, and in memory
//! that the file's size is worth.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use fuzz::allocator::{Counted, within};
use std::io::{Cursor, Read};
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Bytes that an unpacked corpus has at most.
const LARGEST: u64 = 256 << 20;

/// The files of a fuzzer's corpus.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/corpus/{target}.zip.gz"));
    let packed = std::fs::read(&path).expect("a corpus");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).take(LARGEST).read_to_end(&mut bytes).expect("an archive");
    let archive = zip::ZipArchive::new(Cursor::new(&bytes[..])).expect("an archive");
    let mut files = Vec::new();
    let mut archive = archive;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("a file");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its bytes");
        files.push((entry.name().expect("a name").into_owned(), content));
    }
    files
}

// One test, since what is allocated is counted for the whole program.
#[test]
fn what_fuzzing_found_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    for (target, read) in fuzz::TARGETS {
        let files = corpus(target);
        assert!(files.len() > 100, "{target}: {} files", files.len());
        for (name, content) in files {
            let result = std::panic::catch_unwind(|| within(content.len(), || read(&content, &path)));
            assert!(result.is_ok(), "{target}: {name}");
        }
    }
}
