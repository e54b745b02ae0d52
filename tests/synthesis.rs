//! Attacks, visualizations and style transfer: against the references, within their budgets, kept and taken up again.

mod support;

use gradlens::imaging::{Picture, resize};
use gradlens::model::Model;
use gradlens::techniques::{Aim, Context, Group, Job, Need, TECHNIQUES, Variation, classify, compare, find};
use std::sync::Arc;
use support::{Golden, context, model, params, picture, relative_error, run, start};

const DOG: &str = "dog_224.png";

fn on_dog(net: &Arc<Model>) -> Context {
    Context { picture: Some(picture(DOG)), ..context(net) }
}

fn top(net: &Model, picture: &Picture) -> usize {
    let logits = classify(net, picture).expect("logits");
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).expect("classes")
}

/// The largest change of a byte, and the length of the change.
fn change(from: &Picture, to: &Picture) -> (u8, f64) {
    let differences: Vec<u8> = from.rgb.iter().zip(&*to.rgb).map(|(&a, &b)| a.abs_diff(b)).collect();
    let l2 = differences.iter().map(|d| (f64::from(*d) / 255.0).powi(2)).sum::<f64>().sqrt();
    (differences.into_iter().max().unwrap_or(0), l2)
}

#[test]
fn fgsm_and_targeted_pgd_end_at_the_references_logits() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    for (photo, first) in [
        ("dog", [1.172_254e-5, 9.914_696e-4, 8.468_846e-3, 2.346_429e-2]),
        ("chelsea", [1.499_339e-4, 3.786_768e-3, 1.700_155e-2, 4.985_001e-2]),
        ("hen", [2.555_979e-5, 7.819_312e-4, 7.845_978e-3, 2.324_882e-1]),
    ] {
        let golden = Golden::open(photo);
        let subject = || Context {
            picture: Some(picture(&format!("{photo}_224.png"))),
            class: Some(golden.class()),
            ..context(&net)
        };
        let rows = run(start("fgsm", subject(), &[("epsilon", "2/255")]).as_mut());
        assert_eq!(rows.len(), 2, "the start and the only update");
        let logits = rows[1].logits.as_ref().expect("logits");
        let error = relative_error(logits, &golden.values("fgsm_logits"));
        assert!(error < 1e-3, "FGSM on {photo}: {error}");
        let target: usize = golden.meta["pgd_target"].parse().expect("a class");
        let set = [("epsilon", "4/255"), ("step_size", "1/255"), ("steps", "20"), ("random_start", "false")];
        let mut job = start("pgd", Context { target: Some(target), ..subject() }, &set);
        let rows = run(job.as_mut());
        assert_eq!((rows.len(), &job.facts()["success"]), (21, &true.into()));
        let logits = rows[20].logits.as_ref().expect("logits");
        let error = relative_error(logits, &golden.values("pgd_targeted_logits"));
        // Twenty signs of gradients are chaotic: PyTorch itself ends 0.33 to 0.50 from its reference with one thread
        // instead of two, 0.29 to 0.70 in float64. The probabilities of its first looks are held to instead.
        assert!(error < 0.8, "PGD on {photo}: {error}");
        let best = |z: &[f32]| (0..z.len()).max_by(|&a, &b| z[a].total_cmp(&z[b]));
        assert_eq!(best(logits), Some(target));
        for (row, theirs) in rows.iter().zip(first) {
            assert!((row.figures[0].1 - theirs).abs() < 1e-3 * theirs, "{photo}: {:?} for {theirs}", row.figures[0]);
        }
    }
}

#[test]
fn every_attack_fools_with_the_8_bit_picture_within_its_budget() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    let photo = picture(DOG);
    for (id, set, most, longest) in [
        ("fgsm", vec![("epsilon", "0.03")], 7, f64::MAX),
        ("bim", vec![("epsilon", "2/255"), ("step_size", "0.5/255")], 2, f64::MAX),
        ("pgd", vec![("epsilon", "3/255")], 3, f64::MAX),
        ("pgd", vec![("norm", "l2")], 255, 1.0001),
        ("mi-fgsm", vec![("epsilon", "4/255")], 4, f64::MAX),
        ("deepfool", vec![], 255, 0.8),
        ("cw", vec![], 255, 1.5),
        ("jsma", vec![("gamma", "0.02")], 255, f64::MAX),
        ("auto", vec![("epsilon", "1/255"), ("steps", "20")], 1, f64::MAX),
        ("auto", vec![("norm", "l2"), ("epsilon", "0.5"), ("steps", "20")], 255, 0.5001),
    ] {
        let mut job = start(id, on_dog(&net), &set);
        let rows = run(job.as_mut());
        let facts = job.facts();
        let result = job.view().expect("a view").result.expect("a picture");
        assert_eq!(facts["success"], true, "{id} {set:?}: {facts:?}");
        assert_ne!(top(&net, &result), 235, "{id} {set:?}");
        let (largest, l2) = change(&photo, &result);
        assert!(largest <= most && l2 <= longest, "{id} {set:?}: {largest}/255, {l2}");
        assert!((facts["norms"]["l2"].as_f64().expect("a norm") - l2).abs() < 1e-9);
        assert_eq!(facts["survives"]["8-bit"], true);
        assert!(rows.last().expect("rows").done && facts["iterations"].as_u64().is_some_and(|n| n > 0));
    }
}

#[test]
fn the_ensemble_goes_through_its_stages_and_admits_defeat() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    let set = [("epsilon", "0.05/255"), ("steps", "3"), ("targets", "2"), ("queries", "25")];
    let mut job = start("auto", on_dog(&net), &set);
    let rows = run(job.as_mut());
    let notes: Vec<&str> = rows.iter().flat_map(|r| r.notes.iter().map(String::as_str)).collect();
    assert_eq!(notes, ["APGD on cross-entropy", "APGD on DLR, target 1", "APGD on DLR, target 2", "Square Attack"]);
    let facts = job.facts();
    assert_eq!((&facts["success"], &facts["stopped_by"]), (&false.into(), &"exhausted".into()));
    let result = job.view().expect("a view").result.expect("a picture");
    assert_eq!(change(&picture(DOG), &result).0, 0, "less than a byte cannot be saved");
}

#[test]
fn the_ensemble_knows_how_many_updates_it_has_to_make() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    for (target, queries, attacks) in [(None, "25", 5), (Some(1), "25", 2), (Some(1), "0", 2)] {
        let set = [("epsilon", "0.05/255"), ("steps", "3"), ("targets", "4"), ("queries", queries)];
        let rows = run(start("auto", Context { target, ..on_dog(&net) }, &set).as_mut());
        let last = rows.last().expect("rows");
        // Each APGD begins with an update of its own, so does the Square Attack; the last finds nothing left.
        let total = attacks * 4 + if queries == "0" { 0 } else { 4 } + 1;
        assert_eq!((last.step, last.total), (total, total), "target {target:?}");
    }
}

#[test]
fn square_attack_needs_no_gradient() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    // So small a step of APGD does not fool: the Square Attack gets its turn.
    let set = [("epsilon", "1/255"), ("steps", "1"), ("targets", "0"), ("queries", "400")];
    let mut job = start("auto", Context { target: None, class: Some(235), ..on_dog(&net) }, &set);
    let rows = run(job.as_mut());
    let first = rows.iter().position(|r| r.notes.iter().any(|n| n == "Square Attack")).expect("its turn");
    // The last row is about the best picture of all attacks.
    let margins: Vec<f64> = rows[first..rows.len() - 1]
        .iter()
        .map(|row| row.figures.iter().find(|(name, _)| *name == "objective").expect("a curve").1)
        .collect();
    assert!(margins.len() > 30 && margins.is_sorted(), "only what helps is kept: {margins:?}");
    assert!(margins[margins.len() - 1] > margins[0] + 0.5, "the margin grows: {margins:?}");
}

#[test]
fn a_universal_perturbation_fools_on_several_photos() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    let others = vec![picture("chelsea_224.png"), picture("hen_224.png")];
    let mut job = start("universal", Context { others, ..on_dog(&net) }, &[("epsilon", "6/255"), ("passes", "30")]);
    run(job.as_mut());
    let (facts, view) = (job.facts(), job.view().expect("a view"));
    assert_eq!(facts["photos"], 3);
    assert!(facts["fooling_rate"].as_f64().expect("a share") > 0.6, "{facts:?}");
    let values = view.perturbation_values.expect("the perturbation");
    assert_eq!(values.shape, [3, 224, 224]);
    assert!(values.values.iter().all(|v| v.abs() <= 6.0 / 255.0 + 1e-6));
}

#[test]
fn an_attack_can_be_turned_to_another_target_and_refuses_the_photos_own_class() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    let technique = find(TECHNIQUES, "pgd").expect("a technique");
    let own = technique.start(Context { target: Some(235), ..on_dog(&net) }, params("pgd", &[]));
    assert!(own.err().is_some_and(|e| e.to_string().contains("shows already")));
    let set = [("steps", "12"), ("random_start", "false")];
    let mut job = start("pgd", Context { target: Some(1), ..on_dog(&net) }, &set);
    for _ in 0..4 {
        job.step().expect("a step");
    }
    let aim = Aim { target: Some(963), ..Aim::default() };
    job.set(&params("pgd", &set), &aim).expect("another target");
    run(job.as_mut());
    let facts = job.facts();
    assert_eq!((&facts["target"]["index"], &facts["success"]), (&963.into(), &true.into()));
    let refused = job.set(&params("pgd", &set), &Aim { target: Some(235), ..Aim::default() });
    assert!(refused.is_err());
}

/// A short run of a technique, with everything it needs.
fn short(id: &str, net: &Arc<Model>) -> (Context, Vec<(&'static str, &'static str)>) {
    let base = Context { seed: 7, ..context(net) };
    let small = |file: &str| resize(&picture(file), 96, 72);
    let set = match id {
        "feature-visualization" => vec![("steps", "7"), ("size", "64"), ("channels", "3,5"), ("copies", "2")],
        "deepdream" => vec![("octaves", "3"), ("octave_steps", "3"), ("size", "128")],
        "style-transfer" => vec![("size", "136"), ("steps", "7"), ("scales", "2")],
        "universal" => vec![("passes", "7"), ("epsilon", "1/255")],
        "auto" => vec![("steps", "2"), ("targets", "2"), ("queries", "20"), ("epsilon", "0.1/255")],
        "fgsm" => vec![],
        _ => vec![("steps", "7")],
    };
    let needs = find(TECHNIQUES, id).expect("a technique").needs();
    let context = Context {
        picture: (needs.picture != Need::None).then(|| picture(DOG)),
        styles: if needs.style == Need::None { vec![] } else { vec![small("village_street_224.png")] },
        class: (needs.class == Need::Required).then_some(130),
        target: (needs.target == Need::Required).then_some(1),
        ..base
    };
    (context, set)
}

#[test]
fn every_optimisation_goes_on_from_a_kept_state_as_if_nothing_had_happened() {
    let (lite, vgg) = (Arc::new(model("tf_efficientnet_lite0")), Arc::new(model("vgg16_hed")));
    let others = TECHNIQUES.iter().filter(|t| t.group() != Group::Attribution).map(|t| (t.id(), vec![]));
    let more = [
        ("class-visualization", vec![("preset", "cs231n")]),
        ("style-transfer", vec![("optimizer", "lbfgs")]),
        ("pgd", vec![("norm", "l2")]),
    ];
    for (id, extra) in others.chain(more) {
        let net = if id == "style-transfer" { &vgg } else { &lite };
        let (context, mut set) = short(id, net);
        set.extend(extra);
        goes_on(&format!("{id} {set:?}"), &|| start(id, context.clone(), &set));
    }
}

#[test]
fn every_live_attribution_goes_on_from_a_kept_state_too() {
    let lite = Arc::new(model("tf_efficientnet_lite0"));
    let mut live = 0;
    // This network has no attention to read; what does is done at once.
    let attends = |id: &str| ["attention-rollout", "gradient-attention"].contains(&id);
    for technique in TECHNIQUES.iter().filter(|t| t.group() == Group::Attribution && !attends(t.id())) {
        let has = |name: &str| technique.params().iter().any(|p| p.name == name);
        let few = [("samples", "20"), ("points", "10"), ("window", "56"), ("stride", "56")];
        let set: Vec<_> = few.into_iter().filter(|(name, _)| has(name)).collect();
        let layer = (technique.needs().layer != Need::None).then(|| lite.layer("blocks.1.1").expect("a layer"));
        let context = Context { picture: Some(picture(DOG)), layer, class: Some(235), seed: 7, ..context(&lite) };
        let make = || start(technique.id(), context.clone(), &set);
        if make().save_state().is_some() {
            goes_on(technique.id(), &make);
            live += 1;
        }
    }
    assert!(live >= 10, "{live} methods are live");
    let variation = |id: &str, set: &[(&str, &str)]| {
        let method = gradlens::techniques::method(find(TECHNIQUES, id).expect("a technique")).expect("a method");
        Variation { method, params: params(id, set), class: Some(235), layer: None }
    };
    let make = || {
        let few = [("samples", "20")];
        let maps = vec![variation("gradcam", &[]), variation("smoothgrad", &few), variation("rise", &few)];
        compare(on_dog(&lite), maps).expect("a comparison")
    };
    goes_on("a comparison", &make);
}

/// What there is to see, to the bit.
fn seen(job: &dyn Job) -> (Option<Picture>, Vec<Vec<u32>>) {
    let view = job.view().expect("a view");
    let heats = view.heat.into_iter().chain(view.panels.into_iter().map(|panel| panel.heat));
    (view.result, heats.map(|heat| heat.values.iter().map(|v| v.to_bits()).collect()).collect())
}

fn goes_on(id: &str, make: &dyn Fn() -> Box<dyn Job>) {
    let mut job = make();
    let mut states = vec![];
    let mut rows = vec![];
    loop {
        let progress = job.step().expect(id);
        states.push(job.save_state().unwrap_or_else(|| panic!("{id} keeps no state")));
        let done = progress.done;
        rows.push(progress);
        if done {
            break;
        }
    }
    let wanted = seen(job.as_ref());
    for at in [0, rows.len() / 2] {
        let mut again = make();
        again.load_state(&states[at]).expect(id);
        let rest: Vec<_> = if at + 1 < rows.len() { run(again.as_mut()) } else { vec![] };
        for (ours, theirs) in rest.iter().zip(&rows[at + 1..]) {
            let (ours, theirs) = ((ours.step, ours.done, &ours.figures), (theirs.step, theirs.done, &theirs.figures));
            assert_eq!(ours, theirs, "{id} from {at}");
        }
        assert!(seen(again.as_ref()) == wanted, "{id} from {at}: another picture");
    }
    let mut stranger = make();
    assert!(stranger.load_state(&gradlens::techniques::State::default()).is_err(), "{id} takes anything");
}

#[test]
fn visualizations_raise_what_they_are_after() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    let score = |row: &gradlens::techniques::Progress| row.figures[0].1;
    let class = Context { class: Some(985), ..context(&net) };
    let rows = run(start("class-visualization", class.clone(), &[("steps", "40")]).as_mut());
    assert!(score(rows.last().expect("rows")) > score(&rows[0]) + 10.0);
    let probable = [("steps", "200"), ("target_probability", "0.9")];
    let mut job = start("class-visualization", class, &probable);
    let rows = run(job.as_mut());
    assert!(rows.len() < 100 && job.facts()["stopped_by"] == "target probability");
    for (layer, set) in [
        ("blocks.3.2", vec![("channels", "4"), ("steps", "12"), ("size", "64")]),
        ("blocks.3.2", vec![("channels", "4"), ("sign", "negative"), ("steps", "12"), ("size", "64")]),
        ("blocks.2.1", vec![("channels", "4:1,7:-2"), ("unit", "direction"), ("steps", "12"), ("size", "64")]),
        ("head", vec![("channels", "9"), ("unit", "neuron"), ("steps", "30"), ("size", "96"), ("scale", "0.1")]),
    ] {
        let subject = Context { layer: Some(layer.into()), ..context(&net) };
        let rows = run(start("feature-visualization", subject, &set).as_mut());
        assert!(score(rows.last().expect("rows")) > score(&rows[0]), "{layer} {set:?}");
    }
    let rows = run(start("deepdream", on_dog(&net), &[("octaves", "1"), ("size", "128")]).as_mut());
    assert!(score(rows.last().expect("rows")) > 2.0 * score(&rows[0]));
}

#[test]
fn a_layer_or_class_can_be_changed_on_the_way_and_a_wrong_one_is_refused() {
    let net = Arc::new(model("tf_efficientnet_lite0"));
    let set = [("channels", "30"), ("size", "64"), ("steps", "6")];
    let subject = Context { layer: Some("blocks.3.2".into()), ..context(&net) };
    let mut job = start("feature-visualization", subject, &set);
    job.step().expect("a step");
    let turn = |layer: &str| Aim { layer: Some(layer.into()), ..Aim::default() };
    let given = params("feature-visualization", &set);
    let missing = job.set(&given, &turn("blocks.9.9")).expect_err("no such layer").to_string();
    assert!(missing.contains("blocks.9.9"), "{missing}");
    let few = job.set(&given, &turn("blocks.1.1")).expect_err("24 channels").to_string();
    assert!(few.contains("channels 0 to 23"), "{few}");
    job.set(&given, &turn("blocks.4.2")).expect("another layer");
    run(job.as_mut());
    assert_eq!(job.facts()["layer"], "blocks.4.2");
}

#[test]
fn paintings_can_be_mixed_masked_and_given_the_photos_colours() {
    let net = Arc::new(model("vgg16_hed"));
    let (photo, village) = (resize(&picture(DOG), 120, 90), picture("village_street_224.png"));
    let other = resize(&picture("hen_224.png"), 101, 57);
    let base = Context { picture: Some(photo), styles: vec![village.clone()], ..context(&net) };
    let plain = [("size", "120"), ("scales", "1"), ("steps", "6")];
    let paint = |context: Context, more: &[(&'static str, &'static str)]| {
        let set: Vec<_> = plain.iter().chain(more).copied().collect();
        let mut job = start("style-transfer", context, &set);
        let rows = run(job.as_mut());
        let style = |row: usize| rows[row].figures[2].1;
        assert!(style(rows.len() - 1) < style(0), "{more:?}: the style loss falls");
        let view = job.view().expect("a view");
        (view.input.expect("the photo"), view.result.expect("a picture"))
    };
    let (seen, alone) = paint(base.clone(), &[]);
    let both = Context { styles: vec![village, other], ..base.clone() };
    let (_, mixed) = paint(both.clone(), &[("style_weights", "1,3")]);
    let (_, first) = paint(both, &[("style_weights", "1,0")]);
    assert!(mixed != alone && first == alone, "a weight of 0 leaves a painting out");
    for more in [("style_loss", "wasserstein"), ("style_scale", "0.5"), ("colours", "histogram"), ("init", "noise")] {
        assert!(paint(base.clone(), &[more]).1 != alone, "{more:?} changes something");
    }
    let half = |x: u32| if x < 60 { 255 } else { 0 };
    let mask = Picture::new(240, 180, (0..240 * 180).flat_map(|i| [half(i % 240 / 2); 3]).collect());
    let (_, masked) = paint(Context { mask: Some(mask), ..base.clone() }, &[]);
    let column = |p: &Picture, x: usize| p.rgb[(50 * 120 + x) * 3];
    assert!((90..118).all(|x| column(&masked, x).abs_diff(column(&seen, x)) <= 1), "what is black stays");
    assert!((5..50).any(|x| column(&masked, x) != column(&seen, x)));
    let (_, grey) = paint(base, &[("colours", "luminance")]);
    let tint = |p: &Picture, i: usize| i32::from(p.rgb[i * 3]) - i32::from(p.rgb[i * 3 + 2]);
    let inside = |p: &Picture, i: usize| p.rgb[i * 3..][..3].iter().all(|v| (1..255).contains(v));
    let kept = (0..120 * 90).filter(|&i| inside(&grey, i)).all(|i| (tint(&grey, i) - tint(&seen, i)).abs() <= 2);
    assert!(kept, "the photo's colours stay");
}

#[test]
fn what_cannot_be_painted_is_refused_with_a_way_out() {
    let net = Arc::new(model("vgg16_hed"));
    let base = Context { picture: Some(picture(DOG)), styles: vec![picture("hen_224.png")], ..context(&net) };
    let refusal = |context: Context, set: &[(&str, &str)]| {
        let technique = find(TECHNIQUES, "style-transfer").expect("a technique");
        technique.start(context, params("style-transfer", set)).err().expect("a refusal").to_string()
    };
    let wide = Picture::new(200, 50, vec![255; 30_000]);
    let black = Picture::new(224, 224, vec![0; 224 * 224 * 3]);
    for (context, set, word) in [
        (Context { mask: Some(wide), ..base.clone() }, vec![], "photo's shape"),
        (Context { mask: Some(black), ..base.clone() }, vec![], "all black"),
        (base.clone(), vec![("style_weights", "0")], "above 0"),
        (base.clone(), vec![("style_layers", "relu9_9")], "relu9_9"),
        (base.clone(), vec![("content_layers", "relu3_2:0")], "above 0"),
    ] {
        let text = refusal(context, &set);
        assert!(text.contains(word), "{text}");
    }
    let set = [("step_size", "10"), ("size", "64"), ("init", "noise"), ("content_weight", "0")];
    let mut job = start("style-transfer", base, &set);
    let lost = loop {
        match job.step() {
            Ok(progress) => assert!(!progress.done, "so long a step loses the picture"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(lost.contains("lower the step size"), "{lost}");
}
