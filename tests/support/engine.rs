//! An engine for a test, and what is waited for at its link.
#![allow(dead_code, reason = "each test program uses a part")]

#[path = "counting.rs"]
pub mod counting;

use counting::Counting;
use gradlens::engine::{Engine, Event, FailureKind, JobSpec, Link, Options};
use gradlens::techniques::{ParamValue, TECHNIQUES, Technique, find};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

pub static KNOWN: &[&dyn Technique] = &[&Counting];
pub static WITH_GRADCAM: LazyLock<Vec<&dyn Technique>> =
    LazyLock::new(|| vec![&Counting, find(TECHNIQUES, "gradcam").expect("a technique")]);

pub fn job(set: &[(&str, ParamValue)]) -> JobSpec {
    let set: BTreeMap<String, ParamValue> = set.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    JobSpec { technique: "counting".into(), set, ..JobSpec::default() }
}

pub fn int(value: i64) -> ParamValue {
    ParamValue::Int(value)
}

/// Runs `test` on a fresh engine; a test that hangs fails.
pub fn with_engine<F: std::future::Future<Output = ()>>(
    known: &'static [&'static dyn Technique],
    test: impl FnOnce(Engine) -> F,
) {
    with_options(Options { techniques: known, ..Options::default() }, test);
}

pub fn with_options<F: std::future::Future<Output = ()>>(options: Options, test: impl FnOnce(Engine) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let engine = Engine::start(options).expect("an engine");
        tokio::time::timeout(Duration::from_secs(120), test(engine)).await.expect("the test takes too long");
    });
}

/// Waits for the first event that `wanted` accepts; the others are let pass.
pub async fn wait<T>(link: &mut Link, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = link.event().await.expect("the engine lives");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

pub async fn wait_for_step(link: &mut Link, step: usize) {
    while link.snapshot().course.step < step {
        assert!(link.changed().await, "the engine lives");
    }
}

pub fn finished(event: &Event) -> Option<usize> {
    if let Event::Finished { step, .. } = event { Some(*step) } else { None }
}

pub fn refused(event: &Event) -> Option<(FailureKind, String)> {
    if let Event::Refused { kind, message } = event { Some((*kind, message.clone())) } else { None }
}

pub fn failed(event: &Event) -> Option<(u64, String)> {
    if let Event::Failed { run, message, .. } = event { Some((*run, message.clone())) } else { None }
}

pub fn how(word: &str) -> (&'static str, ParamValue) {
    ("how", ParamValue::Text(word.into()))
}
