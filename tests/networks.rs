//! The networks against PyTorch's reference outputs, on both sets of kernels.

mod support;

use candle_core::{Device, Tensor};
use gradlens::graph::{LayerName, class_seed};
use gradlens::kernels::{KernelSet, ReluRule};
use gradlens::model::Model;
use support::{Golden, golden, model, pixels, relative_error, values, worst_difference};

const PHOTOS: [&str; 3] = ["dog", "chelsea", "hen"];
const BOTH: [KernelSet; 2] = [KernelSet::Fast, KernelSet::Candle];

/// The model on another set of kernels.
fn on_kernels(model: &Model, kernels: KernelSet) -> Model {
    model.with_graph(model.graph.clone().with_kernels(kernels))
}

fn input_gradient(net: &Model, x: &Tensor, class: usize, rule: ReluRule) -> Tensor {
    let logits: LayerName = LayerName::LOGITS.into();
    let acts = net.graph.forward(x, std::slice::from_ref(&logits)).expect("a forward pass");
    let seed = class_seed(1, 1000, class, x.device()).expect("a seed");
    let grads = net.graph.backward(&acts, &[(logits, seed)], &[LayerName::INPUT.into()], rule);
    grads.expect("a backward pass").input().expect("the gradient of the input").clone()
}

#[test]
fn logits_agree() {
    for kernels in BOTH {
        let net = on_kernels(&model("tf_efficientnet_lite0"), kernels);
        for photo in PHOTOS {
            let x = net.input().input_from_pixels(&pixels(&format!("{photo}_224.png"))).expect("an input");
            let logits = values(&net.graph.logits(&x).expect("logits"));
            let worst = worst_difference(&logits, &Golden::open(photo).values("logits"));
            assert!(worst < 1e-3, "{photo} on {kernels:?}: {worst}");
        }
    }
}

#[test]
fn input_gradients_agree_under_every_rule() {
    for kernels in BOTH {
        let net = on_kernels(&model("tf_efficientnet_lite0"), kernels);
        for photo in PHOTOS {
            let golden = Golden::open(photo);
            let x = net.input().input_from_pixels(&pixels(&format!("{photo}_224.png"))).expect("an input");
            let summed = |rule| {
                let g = input_gradient(&net, &x, golden.class(), rule);
                (values(&g.abs().and_then(|g| g.max(1)).expect("a maximum")), values(&g.sum(1).expect("a sum")))
            };
            let (saliency, _) = summed(ReluRule::Standard);
            let checks = [
                ("saliency", saliency),
                ("guided_backprop", summed(ReluRule::Guided).1),
                ("deconvnet", summed(ReluRule::Deconvnet).1),
            ];
            for (name, ours) in checks {
                let error = relative_error(&ours, &golden.values(name));
                assert!(error < 5e-3, "{name} of {photo} on {kernels:?}: {error}");
            }
        }
    }
}

#[test]
fn a_pass_for_some_layers_gives_their_gradients_and_no_others() {
    let net = model("tf_efficientnet_lite0");
    let x = net.input().input_from_pixels(&pixels("dog_224.png")).expect("an input");
    let (input, logits): (LayerName, LayerName) = (LayerName::INPUT.into(), LayerName::LOGITS.into());
    let seeds = [(logits.clone(), class_seed(1, 1000, 7, x.device()).expect("a seed"))];
    let whole = net.graph.forward(&x, std::slice::from_ref(&logits)).expect("a pass");
    let layers = net.graph.layers_before(&logits).expect("layers");
    assert!(layers.len() > 20);
    for layer in layers {
        let wrt = std::slice::from_ref(&layer);
        let gradient = |acts| net.graph.backward(acts, &seeds, wrt, ReluRule::Standard);
        let wanted = values(gradient(&whole).expect("a pass back").get(&layer).expect("a gradient"));
        let part = net.graph.forward_for(&x, std::slice::from_ref(&logits), wrt).expect("a pass");
        let found = values(gradient(&part).expect("a pass back").get(&layer).expect("a gradient"));
        assert_eq!(found, wanted, "{layer}");
        let further = net.graph.backward(&part, &seeds, std::slice::from_ref(&input), ReluRule::Standard);
        assert!(layer == input || further.is_err(), "{layer}: what was not kept is not made up");
    }
}

#[test]
fn activations_inside_the_networks_agree() {
    let net = model("vgg16_hed");
    let golden = Golden::open("style_dog_village");
    let x = net.input().input_from_pixels(&pixels("dog_224.png")).expect("an input");
    let layers = ["relu1_2", "relu2_2", "relu3_2", "relu4_1"].map(LayerName::from);
    let acts = net.graph.infer(&x, &layers).expect("a forward pass");
    for layer in &layers {
        let means = acts.get(layer).and_then(|a| Ok(a.mean((2, 3))?)).expect("means");
        let error = relative_error(&values(&means), &golden.values(&format!("act_mean_content@{layer}")));
        assert!(error < 1e-3, "{layer}: {error}");
    }
    let net = model("tf_efficientnet_lite0");
    for photo in PHOTOS {
        let golden = Golden::open(photo);
        let x = net.input().input_from_pixels(&pixels(&format!("{photo}_224.png"))).expect("an input");
        for layer in golden.layers() {
            let name = LayerName::from(layer.as_str());
            let acts = net.graph.infer(&x, std::slice::from_ref(&name)).expect("a forward pass");
            let mean = acts.get(&name).and_then(|a| Ok(a.mean(1)?)).expect("a mean");
            let error = relative_error(&values(&mean), &golden.values(&format!("activation_mean@{layer}")));
            assert!(error < 1e-3, "{layer} of {photo}: {error}");
        }
    }
}

/// Sizes that are neither square nor multiples of anything: the two sets of kernels, which share no code, agree on
/// outputs and gradients through whole networks.
#[test]
fn odd_and_oblong_inputs_go_through_whole_networks() {
    for (id, layer) in [("tf_efficientnet_lite0", "head"), ("vgg16_hed", "relu4_3")] {
        for (h, w) in [(67, 93), (64, 33), (35, 121)] {
            let rng = &mut gradlens::optim::step_rng(9, h);
            let x = gradlens::optim::noise(rng, &[1, 3, h, w], &Device::Cpu).expect("an input");
            let name = LayerName::from(layer);
            let results = BOTH.map(|kernels| {
                let net = on_kernels(&model(id), kernels);
                let acts = net.graph.forward(&x, std::slice::from_ref(&name)).expect("a forward pass");
                let y = acts.get(&name).expect("a tap");
                let expected = net.graph.layers(h, w).expect("shapes").into_iter().find(|l| l.name == name);
                assert_eq!(y.dims()[1..], expected.expect("the layer").shape, "{id} at {h}×{w}");
                let seeds = [(name.clone(), y.clone())];
                let wrt = [LayerName::INPUT.into()];
                let grads = net.graph.backward(&acts, &seeds, &wrt, ReluRule::Standard).expect("a backward pass");
                (values(&y), values(grads.input().expect("a gradient")))
            });
            let outputs = relative_error(&results[0].0, &results[1].0);
            let gradients = relative_error(&results[0].1, &results[1].1);
            assert!(outputs < 1e-4 && gradients < 1e-3, "{id} at {h}×{w}: {outputs}, {gradients}");
        }
    }
}

/// SqueezeNet with weights and input from a formula, against torchvision's with the same: its 3×3 layers go through
/// Winograd's minimal filtering, its stride and its overlapping pools through theirs.
#[test]
fn squeezenet_of_formula_agrees_with_torchvision() {
    let text = std::fs::read_to_string(golden("squeezenet1_1.json")).expect("a file");
    let reference: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let number = |v: &serde_json::Value| v.as_f64().expect("a number");
    let size = 224;
    let pixels =
        (0..3 * size * size).map(|i| (2.0 * gradlens::model::formula::uniform(i, 1000) - 1.0) as f32).collect();
    let x = Tensor::from_vec(pixels, (1, 3, size, size), &Device::Cpu).expect("an input");
    for kernels in BOTH {
        let net = on_kernels(&model("squeezenet1_1"), kernels);
        let (logits, input): (LayerName, LayerName) = (LayerName::LOGITS.into(), LayerName::INPUT.into());
        let at = net.graph.forward(&x, std::slice::from_ref(&logits)).expect("a pass");
        let z = values(&at.logits().expect("logits"));
        let theirs = reference["logits"].as_array().filter(|list| !list.is_empty()).expect("a list");
        for (ours, theirs) in z.iter().zip(theirs) {
            assert!((f64::from(*ours) - number(theirs)).abs() < 1e-4 * number(theirs).abs().max(1.0), "{kernels:?}");
        }
        let sum: f64 = z.iter().map(|v| f64::from(*v)).sum();
        assert!((sum / number(&reference["logits_sum"]) - 1.0).abs() < 1e-5, "{kernels:?}: {sum}");
        let seed = gradlens::graph::class_seed(1, 1000, 3, &Device::Cpu).expect("a seed");
        let gradients = net.graph.backward(&at, &[(logits, seed)], std::slice::from_ref(&input), ReluRule::Standard);
        let g = values(gradients.expect("gradients").input().expect("a gradient"));
        let size: f64 = g.iter().map(|v| f64::from(v.abs())).sum();
        assert!((size / number(&reference["grad_abs"]) - 1.0).abs() < 1e-3, "{kernels:?}: {size}");
        for (place, theirs) in reference["grad_at"].as_object().filter(|map| !map.is_empty()).expect("places") {
            let ours = f64::from(g[place.parse::<usize>().expect("a place")]);
            assert!((ours - number(theirs)).abs() < 1e-6, "{kernels:?} at {place}: {ours} for {theirs}");
        }
    }
}

/// Threads that use one new network at once all want its weights packed.
#[test]
fn threads_share_a_network() {
    let x = model("tf_efficientnet_lite0").input().input_from_pixels(&pixels("dog_224.png")).expect("an input");
    for _ in 0..6 {
        let net = model("tf_efficientnet_lite0");
        let run = || values(&input_gradient(&net, &x, 235, ReluRule::Standard));
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a gradient")).collect::<Vec<_>>()
        });
        assert!(all.iter().all(|gradient| *gradient == all[0]), "the same bits");
    }
}
