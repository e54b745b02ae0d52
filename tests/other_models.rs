//! Every technique on models of other channels, shapes, scores and architectures than the built-in ones.

mod support;

use candle_core::{Device, Tensor};
use gradlens::graph::LayerName;
use gradlens::imaging::Picture;
use gradlens::model::{ChannelOrder, Input, Model, Resize, Scores};
use gradlens::techniques::evaluation::{Evaluation, METRICS, evaluate};
use gradlens::techniques::{
    Context, Group, Job, Need, Progress, TECHNIQUES, Technique, Variation, View, classify, compare, method,
};
use std::sync::Arc;
use support::{Net, context, fact, model, params, patches, resnet, run, small, start, values};

fn input(channels: ChannelOrder, size: [usize; 2], any_size: bool) -> Input {
    let count = channels.count();
    let (mean, std) = (vec![127.0; count], vec![64.0; count]);
    Input { channels, size, any_size, range: 255.0, mean, std, resize: Resize::default() }
}

/// The models of this test: 3 classes of 1 channel at 96×64, fixed and free; one sigmoid; independent ones of 4 channels;
/// plain numbers in the order blue, green, red.
fn models() -> Vec<(&'static str, Arc<Model>)> {
    let (grey, rgba) = (ChannelOrder::Grey, ChannelOrder::Rgba);
    vec![
        ("grey", small(input(grey, [96, 64], true), Scores::Softmax, 3)),
        ("grey of a fixed size", small(input(grey, [96, 64], false), Scores::Softmax, 3)),
        ("one sigmoid", small(input(ChannelOrder::Rgb, [48, 56], true), Scores::Binary, 2)),
        ("independent sigmoids", small(input(rgba, [40, 64], true), Scores::Sigmoid, 8)),
        ("plain numbers", small(input(ChannelOrder::Bgr, [36, 36], true), Scores::Plain, 5)),
    ]
}

/// Values that make a technique short, of those it has.
fn short(technique: &dyn Technique, net: &Model) -> Vec<(&'static str, &'static str)> {
    let few = [
        ("samples", "9"),
        ("points", "4"),
        ("segments", "6"),
        ("window", "16"),
        ("stride", "16"),
        ("steps", "3"),
        ("octaves", "2"),
        ("octave_steps", "2"),
        ("passes", "2"),
        ("queries", "15"),
        ("targets", "2"),
        ("size", "64"),
    ];
    let has = |name: &str| technique.params().iter().any(|p| p.name == name);
    let sized = |name: &str| name != "size" || net.input().any_size;
    few.into_iter().filter(|(name, _)| has(name) && sized(name)).collect()
}

/// Everything that a technique may need; the target is a class that the photo does not show.
fn everything(technique: &dyn Technique, net: &Arc<Model>) -> Context {
    let photo = wide();
    let needs = technique.needs();
    let logits = classify(net, &photo).expect("logits");
    let output = net.info.output.as_ref().expect("classes");
    let hidden = (0..logits.len()).find(|class| !output.shows(&logits, *class)).expect("a class that is not there");
    let wanted = |need: Need| need != Need::None;
    Context {
        picture: wanted(needs.picture).then(|| photo.clone()),
        others: if needs.together { vec![patches(50)] } else { vec![] },
        styles: if wanted(needs.style) { vec![patches(70)] } else { vec![] },
        class: (needs.class == Need::Required).then_some(1),
        target: (needs.target == Need::Required).then_some(hidden),
        seed: 3,
        ..context(net)
    }
}

/// A photo of another shape than any of the inputs.
fn wide() -> Picture {
    let square = patches(120);
    Picture::new(120, 80, square.rgb[..120 * 80 * 3].to_vec())
}

fn finite(name: &str, rows: &[Progress]) {
    assert!(rows.last().is_some_and(|row| row.done), "{name} ends");
    for row in rows {
        assert!(row.figures.iter().all(|(_, v)| v.is_finite()), "{name}: {:?}", row.figures);
        assert!(row.logits.iter().flatten().all(|z| z.is_finite()), "{name}: {:?}", row.logits);
        assert!(row.step <= row.total, "{name}: step {} of {}", row.step, row.total);
    }
}

/// The shapes of what there is to see.
fn shapes(name: &str, net: &Model, view: &View) {
    let [height, width] = net.input().size;
    for heat in view.heat.iter().chain(view.panels.iter().map(|panel| &panel.heat)) {
        assert!(heat.values.iter().all(|v| v.is_finite()), "{name}: a map of finite values");
        let (columns, rows) = (heat.width as usize, heat.height as usize);
        let fits = [1, 2].iter().any(|n| (columns, rows) == (width / n, height / n));
        assert!(fits, "{name}: a map of {columns}×{rows}");
    }
    if let Some(array) = &view.attribution {
        assert_eq!(array.shape, [net.input().channel_count(), height, width], "{name}");
    }
    if let Some(array) = &view.perturbation_values {
        assert_eq!(array.shape, [net.input().pixel_channels(), height, width], "{name}");
        assert!(array.values.iter().all(|v| v.is_finite()), "{name}");
    }
    let pictures = [&view.input, &view.result, &view.perturbation];
    for picture in pictures.into_iter().flatten() {
        let grey = picture.rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
        let painted = name.contains("style-transfer");
        assert!(grey || painted || net.input().channels != ChannelOrder::Grey, "{name}: grey stays grey");
    }
    if view.perturbation.is_some() {
        let (input, result) = (view.input.as_ref().expect("a photo"), view.result.as_ref().expect("a picture"));
        assert_eq!((input.width as usize, input.height as usize), (width, height), "{name}");
        assert!((result.width, result.height) >= (input.width, input.height), "{name}");
    }
}

#[test]
fn every_technique_runs_on_every_model() {
    for (which, net) in models() {
        for technique in TECHNIQUES {
            let name = format!("{} on {which}", technique.id());
            let set = short(*technique, &net);
            if ["attention-rollout", "gradient-attention"].contains(&technique.id()) {
                let refused = technique.start(everything(*technique, &net), params(technique.id(), &[])).err();
                let refused = refused.expect("no attention in a convolutional network").to_string();
                assert!(refused.contains("attention") && refused.contains("class activation maps"), "{refused}");
                continue;
            }
            let mut job = start(technique.id(), everything(*technique, &net), &set);
            let rows = run(job.as_mut());
            finite(&name, &rows);
            let view = job.view().expect("a view");
            shapes(&name, &net, &view);
            let seen = view.heat.is_some() || view.result.is_some();
            assert!(seen, "{name} shows something");
            let facts = job.facts();
            assert!(!facts.values().any(serde_json::Value::is_null) || technique.group() != Group::Visualization);
            if let Some(state) = job.save_state() {
                start(technique.id(), everything(*technique, &net), &set).load_state(&state).expect(&name);
            }
        }
    }
}

#[test]
fn maps_are_compared_and_scored_on_every_model() {
    for (which, net) in models() {
        let on_photo = || Context { picture: Some(wide()), class: Some(1), ..context(&net) };
        let variation = |id: &str| {
            let technique = gradlens::techniques::find(TECHNIQUES, id).expect("a technique");
            let method = method(technique).expect("a method");
            Variation { method, params: params(id, &short(technique, &net)), class: Some(1), layer: None }
        };
        let maps = ["gradcam", "saliency", "rise", "occlusion"].iter().map(|id| variation(id)).collect();
        let mut job = compare(on_photo(), maps).expect("a comparison");
        finite(which, &run(job.as_mut()));
        let view = job.view().expect("a view");
        assert_eq!(view.panels.len(), 4);
        shapes(which, &net, &view);
        let scored = variation("gradcam");
        let target = Some([20.0, 10.0, 60.0, 50.0]);
        let evaluation =
            Evaluation { method: scored.method, params: scored.params, metrics: vec![], target, known: None };
        let mut job = evaluate(on_photo(), evaluation).expect("a job");
        finite(which, &run(job.as_mut()));
        let scores = job.view().expect("a view").scores;
        assert_eq!(scores.len(), METRICS.iter().map(|metric| metric.scores.len()).sum::<usize>());
        assert!(scores.iter().all(|(_, v)| v.is_finite()), "{which}: {scores:?}");
    }
}

/// Mean over places of Σ_c w_kc·x_c + b_k: a model whose every gradient is known.
fn linear(order: ChannelOrder, scores: Scores, weights: &[&[f32]]) -> Arc<Model> {
    let (channels, size) = (order.count(), [4, 6]);
    let (mut net, x) = Net::new(channels, size);
    let flat: Vec<f32> = weights.iter().flat_map(|row| row.iter().copied()).collect();
    let kernel = Tensor::from_vec(flat, (weights.len(), channels, 1, 1), &Device::Cpu).expect("a kernel");
    let bias = Tensor::zeros(weights.len(), candle_core::DType::F32, &Device::Cpu).expect("biases");
    let y = net.with_weights(x, kernel, bias, 1);
    net.named(y, "map");
    let pooled = net.add(gradlens::graph::ops::GlobalAveragePooling, &[y]);
    let classes = if scores == Scores::Binary { 2 } else { weights.len() };
    net.finished(pooled, input(order, size, true), scores, classes)
}

/// A photo of one colour at the size of the linear model.
fn plain(rgb: [u8; 3]) -> Picture {
    Picture::new(6, 4, rgb.repeat(24))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-4 * b.abs().max(1.0)
}

#[test]
fn one_sigmoid_is_two_opposite_classes() {
    let net = linear(ChannelOrder::Grey, Scores::Binary, &[&[0.8]]);
    let photo = plain([191; 3]);
    // x = (191 − 127)/64 = 1 everywhere: z = 0.8, presented as 0.8 and −0.8.
    let logits = classify(&net, &photo).expect("logits");
    assert!(close(f64::from(logits[0]), 0.8) && close(f64::from(logits[1]), -0.8), "{logits:?}");
    let output = net.info.output.as_ref().expect("classes");
    let top = output.top(&logits, 2);
    assert_eq!((top[0].index, top[1].index, output.explained(&[-0.8, 0.8])), (0, 1, 0));
    assert!(close(f64::from(top[0].probability), 0.689_974) && close(f64::from(top[1].probability), 0.310_026));
    for (class, score) in [(0, 0.8), (1, -0.8)] {
        let explained = Context { picture: Some(photo.clone()), class: Some(class), ..context(&net) };
        let (map, facts) = support::explained("input-x-gradient", explained, &[]);
        assert!(close(fact(&facts, "logit"), score) && map.iter().all(|v| close(f64::from(*v), score / 24.0)));
    }
}

#[test]
fn an_independent_class_is_fooled_when_its_own_probability_crosses_a_half() {
    let weights: [&[f32]; 2] = [&[0.5, 0.25, -0.25, 0.0], &[2.0, 2.0, 2.0, 2.0]];
    let net = linear(ChannelOrder::Rgba, Scores::Sigmoid, &weights);
    let photo = plain([159, 127, 127]);
    // Opacity is 255: x = (0.5, 0, 0, 2), z = (0.25, 5): both are shown.
    let subject = |class, target| Context { picture: Some(photo.clone()), class, target, ..context(&net) };
    let logits = classify(&net, &photo).expect("logits");
    assert!(close(f64::from(logits[0]), 0.25) && close(f64::from(logits[1]), 5.0), "{logits:?}");
    // A step of ε against the gradient's sign lowers z₀ by ε·(255/64)·(0.5 + 0.25 + 0.25); opacity cannot change.
    let rows = run(start("fgsm", subject(Some(0), None), &[("epsilon", "16/255")]).as_mut());
    assert!(close(f64::from(rows[1].logits.as_ref().expect("logits")[0]), 0.0), "{:?}", rows[1].logits);
    let mut job = start("fgsm", subject(Some(0), None), &[("epsilon", "20/255")]);
    let rows = run(job.as_mut());
    let facts = job.facts();
    assert_eq!((&facts["success"], &facts["iterations"]), (&true.into(), &1.into()));
    assert!(rows[1].logits.as_ref().is_some_and(|z| z[1] > z[0]), "another class was higher all the time");
    assert!(rows[1].notes.iter().any(|note| note.starts_with("no class 0")), "{:?}", rows[1].notes);
    assert_eq!(rows[1].figures[0].0, "p_source");
    // DeepFool goes straight to the border: |z|/‖w‖ in input space, 64/255 of that in pixels.
    let mut job = start("deepfool", subject(Some(0), None), &[("overshoot", "0.1")]);
    let rows = run(job.as_mut());
    assert_eq!(job.facts()["success"], true);
    let expected = 1.1 * (0.25 + 1e-4) / (0.375f64.sqrt()) * 24f64.sqrt() * 64.0 / 255.0;
    let l2 = rows.last().expect("rows").figures.iter().find(|(name, _)| *name == "l2").expect("a norm").1;
    assert!(close(l2, expected), "{l2} for {expected}");
    let shown = gradlens::techniques::find(TECHNIQUES, "pgd").expect("a technique");
    let refused = shown.start(subject(Some(0), Some(1)), params("pgd", &[])).err().expect("shown already");
    assert!(refused.to_string().contains("shows already"), "{refused}");
}

#[test]
fn a_model_of_one_size_says_so() {
    let net = small(input(ChannelOrder::Grey, [96, 64], false), Scores::Softmax, 3);
    let refusal = |id: &str, set: &[(&str, &str)], context: Context| {
        let technique = gradlens::techniques::find(TECHNIQUES, id).expect("a technique");
        technique.start(context, params(id, set)).err().expect("refused").to_string()
    };
    let other = refusal("feature-visualization", &[("size", "64")], context(&net));
    assert!(other.contains("only pictures of 64×96 pixels"), "{other}");
    let styled = Context { picture: Some(wide()), styles: vec![patches(70)], ..context(&net) };
    let scaled = refusal("style-transfer", &[("style_scale", "2")], styled.clone());
    assert!(scaled.contains("only pictures of 64×96 pixels"), "{scaled}");
    let mut job = start("style-transfer", styled, &[("steps", "2")]);
    run(job.as_mut());
    let result = job.view().expect("a view").result.expect("a picture");
    assert_eq!((result.width, result.height), (64, 96));
    let mut job = start("deepdream", Context { picture: Some(wide()), ..context(&net) }, &[("octave_steps", "2")]);
    let rows = run(job.as_mut());
    assert_eq!((rows.len(), rows[0].notes.len()), (3, 1), "{:?}", rows[0].notes);
    let mut job = start("feature-visualization", context(&net), &[("steps", "1")]);
    run(job.as_mut());
    let result = job.view().expect("a view").result.expect("a picture");
    assert_eq!((result.width, result.height), (64, 96));
}

#[test]
fn layers_for_every_role_are_found_in_other_architectures() {
    let squeeze = Arc::new(model("squeezenet1_1"));
    for (net, style, content, dream) in [
        (resnet(96), vec!["relu", "layer1.0", "layer2.0", "layer3.0", "layer4.0"], "layer2.0", "layer3.1"),
        (squeeze, vec!["stem", "fire2", "fire4", "fire6"], "fire4", "fire8"),
    ] {
        let dreamt = Context { picture: Some(wide()), ..context(&net) };
        let set = [("octaves", "2"), ("octave_steps", "3"), ("size", "96"), ("jitter", "0")];
        let mut job = start("deepdream", dreamt, &set);
        let rows = run(job.as_mut());
        assert_eq!(job.facts()["layer"], dream);
        assert!(rows[2].figures[0].1 > rows[0].figures[0].1, "{dream}: {:?}", rows[2].figures);
        let still = [("jitter", "0"), ("scale", "0"), ("rotate", "0"), ("pad", "0")];
        let set = [("channels", "0,1,2,3,4,5,6,7"), ("steps", "8"), ("size", "64")].into_iter().chain(still);
        let mut job = start("feature-visualization", context(&net), &set.collect::<Vec<_>>());
        let rows = run(job.as_mut());
        let usual = net.info.roles.cam.as_ref().map(LayerName::as_str);
        assert_eq!(job.facts()["layer"].as_str(), usual);
        assert!(rows[8].figures[0].1 > rows[0].figures[0].1, "{usual:?}: {:?}", rows[8].figures);
        let painted = Context { picture: Some(wide()), styles: vec![patches(90)], ..context(&net) };
        let set = [("size", "96"), ("scales", "1"), ("steps", "6")];
        let mut job = start("style-transfer", painted.clone(), &set);
        let rows = run(job.as_mut());
        let facts = job.facts();
        assert_eq!((&facts["style_layers"], &facts["content_layers"]), (&style.into(), &vec![content].into()));
        assert!(rows[6].figures[0].1 < rows[0].figures[0].1, "{content}: the loss falls");
        let own = [("content_layers", dream), ("style_layers", content)].into_iter().chain(set).collect::<Vec<_>>();
        let mut job = start("style-transfer", painted, &own);
        job.step().expect("a step");
        assert_eq!(job.facts()["content_layers"], serde_json::json!([dream]));
    }
}

#[test]
fn gradients_agree_with_differences_of_the_input() {
    for (which, net) in models() {
        let photo = net.input().seen(&wide());
        let pixels = net.input().pixels_from_picture(&photo, &Device::Cpu).expect("pixels");
        let x = net.input().input_from_pixels(&pixels).expect("an input");
        let (map, facts) =
            support::explained("saliency", Context { picture: Some(wide()), class: Some(1), ..context(&net) }, &[]);
        let logit = |x: &Tensor| f64::from(values(&net.graph.logits(x).expect("logits"))[1]);
        assert!(close(logit(&x), fact(&facts, "logit")), "{which}");
        // Along the input itself, as a whole: Σ x·∂z/∂x is what a small change of its size changes.
        let (products, _) = support::explained(
            "input-x-gradient",
            Context { picture: Some(wide()), class: Some(1), ..context(&net) },
            &[],
        );
        let slope: f64 = products.iter().map(|v| f64::from(*v)).sum();
        let at = |t: f64| logit(&(&x * (1.0 + t)).expect("scaled"));
        let measured = (at(1e-3) - at(-1e-3)) / 2e-3;
        assert!((slope - measured).abs() < 2e-2 * measured.abs().max(0.2), "{which}: {slope} for {measured}");
        assert!(map.iter().any(|v| *v > 0.0), "{which}");
    }
}

#[test]
fn a_model_without_places_still_has_a_gradient() {
    let (net, x) = Net::new(3, [8, 8]);
    let net = net.model(x, 3, input(ChannelOrder::Rgb, [8, 8], true), Scores::Softmax, 2);
    let subject = || Context { picture: Some(wide()), ..context(&net) };
    let (map, _) = support::explained("saliency", subject(), &[]);
    assert!(map.iter().all(|v| *v > 0.0 && close(f64::from(*v), f64::from(map[0]))), "every pixel counts alike");
    let technique = gradlens::techniques::find(TECHNIQUES, "gradcam").expect("a technique");
    let refused = technique.start(subject(), params("gradcam", &[])).err().expect("no layer").to_string();
    assert!(refused.contains("no layer with places"), "{refused}");
}

#[test]
fn a_job_of_another_model_is_no_ones_state() {
    let grey = small(input(ChannelOrder::Grey, [96, 64], true), Scores::Softmax, 3);
    let mut job: Box<dyn Job> =
        start("rise", Context { picture: Some(wide()), ..context(&grey) }, &[("samples", "8")]);
    run(job.as_mut());
    let state = job.save_state().expect("a state");
    let mut lime = start("lime", Context { picture: Some(wide()), ..context(&grey) }, &[("samples", "8")]);
    assert!(lime.load_state(&state).is_err());
}
