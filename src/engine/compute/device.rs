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
