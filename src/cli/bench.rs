//! `gradlens bench`.

use super::args::BenchArgs;
use super::exit;
use super::output;
use super::resolve;
use crate::bench::{BENCHMARKS, Benchmark, Timing, find, layers};
use crate::error::Error;
use crate::graph::LayerTiming;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long a quick benchmark is repeated.
const AT_LEAST: Duration = Duration::from_millis(500);

/// Times the benchmarks one after the other.
pub(super) fn bench(args: &BenchArgs) -> anyhow::Result<u8> {
    if args.list {
        for benchmark in BENCHMARKS {
            say!("{:24} {}", benchmark.name, benchmark.about);
        }
        return Ok(exit::DONE);
    }
    let chosen: Vec<&Benchmark> = if args.names.is_empty() {
        BENCHMARKS.iter().collect()
    } else {
        args.names.iter().map(|name| find(name)).collect::<Result<_, _>>()?
    };
    let before = args.compare.as_deref().map(read).transpose()?.unwrap_or_default();
    let device = resolve::computing(&args.on)?;
    if let Some(model) = &args.layers {
        let timings = layers(model, args.size.map(Into::into), args.runs.into(), &device)?;
        if args.json {
            output::json(&timings)?;
        } else {
            print_layers(&timings);
        }
        return Ok(exit::DONE);
    }
    let mut timings = serde_json::Map::new();
    for benchmark in chosen {
        let timing = benchmark.run(&device, args.runs.into(), AT_LEAST)?;
        if args.json {
            timings.insert(benchmark.name.into(), serde_json::to_value(timing)?);
        } else {
            let then = before.get(benchmark.name).map(|then| {
                format!("   was {:8.2} ms: {:.2} times as fast", then.median_ms, then.median_ms / timing.median_ms)
            });
            say!(
                "{:24} {:8.2} ms   {:8.2} to {:8.2}   {:4} runs{}",
                benchmark.name,
                timing.median_ms,
                timing.min_ms,
                timing.max_ms,
                timing.n,
                then.unwrap_or_default()
            );
        }
    }
    if args.json {
        output::json(&timings)?;
    }
    Ok(exit::DONE)
}

fn print_layers(timings: &[LayerTiming]) {
    let rate =
        |macs: usize, ms: f64| if macs == 0 { String::new() } else { format!("{:.0}", macs as f64 * 2e-6 / ms) };
    let head = ["layer", "kind", "output", "MFLOP", "forward", "GFLOP/s", "gradient", "GFLOP/s"];
    say!(
        "{:14} {:22} {:>13} {:>8} {:>11} {:>8} {:>11} {:>8}",
        head[0],
        head[1],
        head[2],
        head[3],
        head[4],
        head[5],
        head[6],
        head[7]
    );
    for t in timings {
        let [c, h, w] = t.shape;
        let (up, down) = (rate(t.macs, t.forward_ms), rate(t.macs, t.gradient_ms));
        say!(
            "{:14} {:22} {:>13} {:>8.1} {:>8.3} ms {up:>8} {:>8.3} ms {down:>8}",
            t.layer,
            t.kind,
            format!("{c}×{h}×{w}"),
            t.macs as f64 * 2e-6,
            t.forward_ms,
            t.gradient_ms
        );
    }
    let total = |f: fn(&LayerTiming) -> f64| timings.iter().map(f).sum::<f64>();
    say!("all: forward {:.2} ms, gradient {:.2} ms", total(|t| t.forward_ms), total(|t| t.gradient_ms));
}

fn read(path: &Path) -> anyhow::Result<BTreeMap<String, Timing>> {
    let advice = "give a file that gradlens bench --json has written";
    let refuse = |e: &dyn std::fmt::Display| Error::bad_value("--compare", path.display(), format!("{e}; {advice}"));
    let text = std::fs::read_to_string(path).map_err(|e| refuse(&e))?;
    Ok(serde_json::from_str(&text).map_err(|e| refuse(&e))?)
}
