//! Transformers: where their tokens stand, and the methods that read their attention.

mod support;

use gradlens::error::Error;
use gradlens::graph::LayerName;
use gradlens::imaging::Picture;
use gradlens::model::read::ReadOptions;
use gradlens::model::{BUILT_IN, Model, ModelRef, open};
use gradlens::techniques::{Context, TECHNIQUES, find};
use std::sync::Arc;
use support::*;

/// A transformer of one block over 2×2 patches and a class token, and the pixels that tests/data/onnx/make.py shows it.
fn transformer(exported: &str) -> (Arc<Model>, Picture) {
    let file = root().join("tests/data/onnx").join(exported);
    let reading = ReadOptions { mean: Some(vec![0.0; 3]), std: Some(vec![1.0; 3]), ..ReadOptions::default() };
    let which = ModelRef { name: file.to_string_lossy().into_owned(), weights: None, reading };
    let model = open(BUILT_IN, &which, &candle_core::Device::Cpu).expect("a transformer");
    let pixels = (0..256).flat_map(|place| (0..3).map(move |c| ((c * 256 + place) * 37 % 256) as u8));
    (Arc::new(model), Picture::new(16, 16, pixels.collect()))
}

fn reference(name: &str) -> Vec<f32> {
    let text = std::fs::read_to_string(root().join("tests/data/onnx/attention.json")).expect("a file");
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let values = found[name].as_array().cloned().unwrap_or_else(|| vec![found[name].clone()]);
    values.iter().map(|value| value.as_f64().expect("a number") as f32).collect()
}

#[test]
fn attention_is_read_as_pytorch_reads_it() {
    for exported in ["vit_ts17.onnx", "vit_dynamo20.onnx"] {
        let (model, picture) = transformer(exported);
        let output = model.info.classes().expect("classes");
        let yes = output.explained(&[1.0, -1.0]);
        assert_eq!(output.count(), 2);
        let subject = || Context { picture: Some(picture.clone()), class: Some(yes), ..context(&model) };
        let (_, facts) = explained("saliency", subject(), &[]);
        assert!((fact(&facts, "logit") - f64::from(reference("score")[0])).abs() < 1e-5, "{exported}: {facts:?}");
        for heads in ["mean", "max", "min"] {
            let (map, _) = explained("attention-rollout", subject(), &[("heads", heads)]);
            let error = relative_error(&map, &reference(&format!("rollout-{heads}")));
            assert!(error < 1e-5, "{exported}, {heads}: {error}");
        }
        let (map, _) = explained("gradient-attention", subject(), &[]);
        let error = relative_error(&map, &reference("gradient"));
        assert!(error < 1e-4, "{exported}: {error}");
    }
}

#[test]
fn what_has_no_attention_says_so() {
    let net = tiny(16);
    for id in ["attention-rollout", "gradient-attention"] {
        let technique = find(TECHNIQUES, id).expect("a technique");
        let subject = Context { picture: Some(patches(16)), ..context(&net) };
        let refused = technique.start(subject, params(id, &[])).err().expect("no attention");
        assert!(matches!(refused, Error::Missing { .. }), "{refused}");
    }
}

#[test]
fn patches_keep_their_places_behind_attention() {
    let (model, _) = transformer("vit_ts17.onnx");
    let grids: Vec<_> = model.info.layers.iter().filter_map(|layer| layer.grid).collect();
    assert!(grids.len() > 8 && grids.iter().all(|grid| *grid == [2, 2]), "{grids:?}");
    assert_eq!(model.info.roles.cam, Some(LayerName::from("block.norm1")));
    assert_eq!(model.info.roles.attention, [LayerName::from("block.self_attn.Softmax")]);
}
