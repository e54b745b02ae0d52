//! A file that stays the same while it is read: a network of half one training step and half the next, or under the
//! checksum of another, would be worse than none.

use crate::error::{Error, Result};
use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

/// How often a file that changes is read anew.
const TRIES: usize = 3;

/// What changes with a file's content: which file it is, its length, and when it was written.
type Stamp = (u64, u64, Option<SystemTime>, i64);

/// Has a file read, once more where it was written or replaced meanwhile. What `read` says then counts for nothing.
///
/// # Errors
/// As `read`; [`Error::BadModel`] if the file changes each time.
pub fn steadily<T>(path: &Path, mut read: impl FnMut() -> Result<T>) -> Result<T> {
    let stamp = || std::fs::metadata(path).ok().map(|about| stamp(&about));
    for _ in 0..TRIES {
        let before = stamp();
        let found = read();
        if before == stamp() {
            return found;
        }
    }
    Err(Error::bad_model(path, "it was changed each time it was read; try again when it is written"))
}

#[cfg(unix)]
fn stamp(about: &Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    (about.ino(), about.len(), about.modified().ok(), about.ctime_nsec().wrapping_add(about.ctime() << 30))
}

#[cfg(not(unix))]
fn stamp(about: &Metadata) -> Stamp {
    (0, about.len(), about.modified().ok(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_while_it_is_read_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, next) = (folder.path().join("best.onnx"), folder.path().join("next"));
        std::fs::write(&path, "a").expect("written");
        let mut reads = 0;
        let found = steadily(&path, || {
            reads += 1;
            let found = std::fs::read_to_string(&path).expect("read");
            if reads == 1 {
                std::fs::write(&next, "b").and_then(|()| std::fs::rename(&next, &path)).expect("replaced");
                return Err(Error::bad_model(&path, "half of it is another"));
            }
            Ok(found)
        });
        assert_eq!((found.expect("the new one").as_str(), reads), ("b", 2));
        let always = steadily(&path, || {
            std::fs::write(&next, "c").and_then(|()| std::fs::rename(&next, &path)).expect("replaced");
            Ok(())
        });
        assert!(always.expect_err("no steady file").to_string().contains("try again"));
        assert!(steadily(&folder.path().join("none"), || Err::<(), _>(Error::bad_model("none", "gone"))).is_err());
    }
}
