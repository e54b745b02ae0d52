//! Devices by name.

use crate::error::{Error, Result};
use candle_core::Device;

/// The device called `cpu`, `cuda`, `cuda:N` or `metal`.
///
/// # Errors
/// [`Error::Device`] if there is none, or this binary was built without it.
pub fn device(name: &str) -> Result<Device> {
    let bad = |reason: String| Error::Device { device: name.to_owned(), reason };
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => {
            (kind, index.parse::<usize>().map_err(|_| bad("after the colon comes a number, as in cuda:0".into()))?)
        }
        None => (name, 0),
    };
    let built_without = |feature: &str| {
        bad(format!("this binary was built without it; build one with `cargo build --release --features {feature}`"))
    };
    match kind {
        "cpu" if index == 0 => Ok(Device::Cpu),
        // On candle's usual device, which works on the default stream of each thread, kernels that run for long read
        // buffers that are freed already: wrong maps, illegal addresses. A stream of its own keeps the order.
        "cuda" if cfg!(feature = "cuda") => Device::new_cuda_with_stream(index).map_err(|e| bad(e.to_string())),
        "cuda" => Err(built_without("cuda")),
        "metal" if cfg!(feature = "metal") => Device::new_metal(index).map_err(|e| bad(e.to_string())),
        "metal" => Err(built_without("metal")),
        _ => Err(bad("it is cpu, cuda:N or metal".into())),
    }
}

/// CPU threads at most: more than any machine has cores.
const MOST_THREADS: usize = 1024;

/// Has this process compute on so many CPU threads; the first word counts.
///
/// # Errors
/// [`Error::BadValue`] if the system does not give as many.
pub fn computing_threads(count: usize) -> Result<()> {
    let bad = |reason: String| Error::bad_value("--threads", count, reason);
    if !(1..=MOST_THREADS).contains(&count) {
        return Err(bad(format!("it takes 1 to {MOST_THREADS}")));
    }
    match rayon::ThreadPoolBuilder::new().num_threads(count).build_global() {
        // Only what the system said has a source; the other error is that there are threads already.
        Err(error) if std::error::Error::source(&error).is_some() => {
            Err(bad("the system does not give as many threads; take fewer".to_owned()))
        }
        _ => Ok(()),
    }
}
