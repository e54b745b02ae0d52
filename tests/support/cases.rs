//! How many random cases a property test takes, and which.
#![allow(dead_code, reason = "each test program uses a part")]

use proptest::test_runner::{Config, RngSeed};

/// `count` cases, the same ones every time: what passed once passes tomorrow. `PROPTEST_CASES=20000 cargo test …` draws that
/// many, and new ones.
pub fn cases(count: u32) -> Config {
    let anew = std::env::var_os("PROPTEST_CASES").is_some();
    let (cases, rng_seed) =
        if anew { (Config::default().cases, RngSeed::Random) } else { (count, RngSeed::Fixed(1)) };
    Config { cases, rng_seed, failure_persistence: None, ..Config::default() }
}
