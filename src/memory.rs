//! How much memory there is to be had, and how large arrays are put there.

use std::path::Path;

/// Bytes of memory that are free: what the system says is available, what is left of this process's control group, or of
/// the addresses that it may use (`ulimit -v`), whichever is least. `None` where the system says none of it.
#[must_use]
pub fn free() -> Option<f64> {
    let system = available(&std::fs::read_to_string("/proc/meminfo").ok()?);
    let number = |name: &str| -> Option<f64> {
        std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?.trim().parse().ok()
    };
    let group = number("memory.max").zip(number("memory.current")).map(|(most, used)| {
        let stat = std::fs::read_to_string("/sys/fs/cgroup/memory.stat").unwrap_or_default();
        (most - used + cached(&stat)).clamp(0.0, most)
    });
    [system, group, addresses()].into_iter().flatten().reduce(f64::min)
}

/// Does `load`, whose large arrays get pages of their own where the C library can be told so: they go back to the system one
/// by one when they are dropped, while an allocator would keep the gaps between those that stay.
pub fn in_own_pages<T>(load: impl FnOnce() -> T) -> T {
    pages_from(OWN_PAGES);
    let loaded = load();
    pages_from(USUAL);
    loaded
}

/// Bytes from which on an array has pages of its own while weights are loaded.
const OWN_PAGES: i32 = 256 << 10;
/// The same otherwise: what the C library comes to by itself in a program that frees large arrays.
const USUAL: i32 = 32 << 20;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn pages_from(bytes: i32) {
    // SAFETY: both only set a number that later allocations are decided by.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * USUAL);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn pages_from(_: i32) {}

/// What is left of the addresses that this process may use, in bytes; `None` without a limit.
#[cfg(unix)]
fn addresses() -> Option<f64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes to the place it is given.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } == 0;
    let most = Some(limit.rlim_cur).filter(|most| known && *most != libc::RLIM_INFINITY)?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some((most as f64 - kilobytes(&status, "VmSize:")?).max(0.0))
}

#[cfg(not(unix))]
fn addresses() -> Option<f64> {
    None
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(meminfo: &str) -> Option<f64> {
    kilobytes(meminfo, "MemAvailable:")
}

/// What a control group's `memory.stat` counts of files: used, but given back as soon as somebody wants it. In bytes.
fn cached(stat: &str) -> f64 {
    let of = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    of("inactive_file ").unwrap_or(0.0) + of("active_file ").unwrap_or(0.0)
}

/// The number of kilobytes in the line that begins with `name`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_read() {
        assert_eq!(available("MemTotal: 10 kB\nMemAvailable:    3 kB\n"), Some(3072.0));
        assert_eq!(available("MemTotal: 10 kB\n"), None);
        assert_eq!(Some(cached("anon 7\ninactive_file 30\nactive_file 12\n")), Some(42.0));
        assert_eq!(Some(cached("")), Some(0.0));
    }
}
