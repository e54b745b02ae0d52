//! See run.sh.

#![no_main]

use gradlens_fuzz::allocator::{Counted, within};
use std::path::PathBuf;
use std::sync::LazyLock;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::var_os("GL_FUZZ_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    folder.join(format!("gradlens-fuzz-{}", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| within(bytes.len(), || gradlens_fuzz::wire(bytes, &FILE)));
