//! The metrics on maps that are known to be good or bad.

mod support;

use gradlens::imaging::HeatMap;
use gradlens::techniques::evaluation::{Evaluation, METRICS, evaluate};
use gradlens::techniques::{Context, TECHNIQUES, find};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use support::*;

fn dog() -> Context {
    static NETWORK: OnceLock<Arc<gradlens::model::Model>> = OnceLock::new();
    let network = NETWORK.get_or_init(|| Arc::new(model("tf_efficientnet_lite0")));
    Context { picture: Some(picture("dog_224.png")), class: Some(235), ..context(network) }
}

fn scores(
    technique: &str,
    metrics: &[&str],
    known: Option<HeatMap>,
    target: Option<[f64; 4]>,
) -> BTreeMap<String, f64> {
    let evaluation = Evaluation {
        method: gradlens::techniques::method(find(TECHNIQUES, technique).expect("a technique")).expect("a method"),
        params: params(technique, &[]),
        metrics: metrics.iter().map(|m| (*m).to_owned()).collect(),
        target,
        known,
    };
    let mut job = evaluate(dog(), evaluation).expect("a job");
    run(job.as_mut());
    let view = job.view().expect("a view");
    assert_eq!(job.facts()["scores"].as_object().map(serde_json::Map::len), Some(view.scores.len()));
    view.scores.into_iter().collect()
}

/// A map that is high in the middle (where the dog's head is), or low there.
fn blob(sign: f32) -> HeatMap {
    let value = |p: usize| {
        let (x, y) = ((p % 28) as f32 - 13.5, (p / 28) as f32 - 13.5);
        sign * (-(x * x + y * y) / 60.0).exp()
    };
    HeatMap::new(28, 28, (0..28 * 28).map(value).collect())
}

#[test]
fn a_good_map_beats_its_opposite() {
    let metrics = ["deletion-insertion", "road"];
    let good = scores("gradcam", &metrics, None, None);
    let mut job = start("gradcam", dog(), &[]);
    run(job.as_mut());
    let heat = job.view().expect("a view").heat.expect("a map");
    let opposite = HeatMap::new(heat.width, heat.height, heat.values.iter().map(|v| -v).collect());
    let bad = scores("gradcam", &metrics, Some(opposite), None);
    assert!(good["deletion_auc"] < bad["deletion_auc"], "{good:?} {bad:?}");
    assert!(good["insertion_auc"] > bad["insertion_auc"], "{good:?} {bad:?}");
    assert!(good["road"] > bad["road"], "{good:?} {bad:?}");
    assert!(good.values().all(|v| (-1.0..=1.0).contains(v)));
}

#[test]
fn pointing_needs_a_box_and_hits_it() {
    assert!(scores("gradcam", &["pointing"], Some(blob(1.0)), None).is_empty());
    let hit = scores("gradcam", &["pointing"], Some(blob(1.0)), Some([80.0, 80.0, 64.0, 64.0]));
    assert!(hit["pointing"] > 0.5);
    assert!((0.2..0.4).contains(&hit["energy_inside"]), "{hit:?}");
    let missed = scores("gradcam", &["pointing"], Some(blob(1.0)), Some([0.0, 0.0, 40.0, 40.0]));
    assert!(missed["pointing"] < 0.5);
    assert!(missed["energy_inside"] < 0.1);
}

#[test]
fn a_map_of_the_network_changes_with_it() {
    let found = scores("gradcam", &["randomisation", "max-sensitivity"], None, None);
    assert!(found["randomisation"] < 0.7, "{found:?}");
    assert!((0.0..1.0).contains(&found["max_sensitivity"]), "{found:?}");
    assert!(found["max_sensitivity"] > 0.0);
}

#[test]
fn what_occlusion_finds_foretells_what_occlusion_costs() {
    let occlusion = scores("occlusion", &["infidelity"], None, None)["infidelity"];
    let opposite = scores("gradcam", &["infidelity"], Some(blob(-1.0)), None)["infidelity"];
    assert!(occlusion < opposite && (0.0..=1.0).contains(&occlusion), "{occlusion} {opposite}");
}

#[test]
fn every_metric_says_what_it_is() {
    assert!(METRICS.len() >= 7);
    for metric in METRICS {
        assert!(!metric.scores.is_empty() && !metric.about.ends_with('.') && !metric.reference.is_empty());
    }
    let evaluation = Evaluation {
        method: gradlens::techniques::method(find(TECHNIQUES, "gradcam").expect("a technique")).expect("a method"),
        params: params("gradcam", &[]),
        metrics: vec!["deletions".into()],
        target: None,
        known: None,
    };
    let error = evaluate(dog(), evaluation).err().expect("refused").to_string();
    assert!(error.contains("deletion-insertion"), "{error}");
}
