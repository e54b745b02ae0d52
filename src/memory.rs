//! How much memory there is to be had.

use std::path::Path;

/// Bytes of memory that are free: what the system says is available, or what is left of this process's control
/// group, whichever is less. `None` where the system does not say.
#[must_use]
pub fn free() -> Option<f64> {
    let system = available(&std::fs::read_to_string("/proc/meminfo").ok()?);
    let number = |name: &str| -> Option<f64> {
        std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?.trim().parse().ok()
    };
    let group = number("memory.max").zip(number("memory.current")).map(|(most, used)| (most - used).max(0.0));
    match (system, group) {
        (Some(system), Some(group)) => Some(system.min(group)),
        (system, group) => system.or(group),
    }
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(meminfo: &str) -> Option<f64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_read() {
        assert_eq!(available("MemTotal: 10 kB\nMemAvailable:    3 kB\n"), Some(3072.0));
        assert_eq!(available("MemTotal: 10 kB\n"), None);
    }
}
