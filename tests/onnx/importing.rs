//! Whole files, and what is done to them: choice of input and output, folding, layouts, patterns, names.

use crate::writer::{self, FLOAT, Graph, INT8, UINT8, bytes, float, int, ints, number, text};
use crate::{FILES, data, imported, operators, reference, refused, source};
use candle_core::{Device, Tensor};
use gradlens::model::Scores;
use gradlens::model::read::onnx::op::{Op, Unary};
use gradlens::model::read::onnx::{ImportOptions, Imported, import, network, read};
use std::collections::HashMap;

#[test]
fn files_of_every_exporter_compute_what_onnxruntime_computes() {
    let expected = std::fs::read_to_string(data("expected.json")).expect("a file");
    let expected: HashMap<String, Vec<f64>> = serde_json::from_str(&expected).expect("numbers");
    for file in FILES.iter().filter(|file| !file.starts_with("light_")) {
        let model =
            read(&data(file), &sized(16)).or_else(|_| read(&data(file), &ImportOptions::default())).expect(file);
        let logits = reference::output(&model.graph, model.input.channels_last).data;
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        // A file of bytes rounds its numbers, which here stay as they are; one of halves rounds less.
        let tolerance = if file.contains("int8") {
            0.02
        } else if file.contains("half") {
            2e-3
        } else {
            1e-5
        };
        for (z, wanted) in logits.iter().zip(&expected[*file]) {
            let found = if model.scores == Scores::Softmax { z.exp() / sum } else { 1.0 / (1.0 + (-z).exp()) };
            assert!((found - wanted).abs() < tolerance, "{file}: {found}, not {wanted}");
        }
    }
}

fn sized(side: usize) -> ImportOptions {
    ImportOptions { size: Some([side, side]), ..ImportOptions::default() }
}

#[test]
fn only_layers_remain() {
    let cnn = "Add 4, Conv 9, Gather 2, Gelu 2, GlobalAveragePool 3, GroupNormalization 1, HardSigmoid 2, HardSwish 1, \
               LayerNormalization 2, Linear 5, Mul 2, Relu 2, Reshape 1, Silu 4";
    let vit = "Add 3, Concat 1, Conv 1, Gelu 1, LayerNormalization 3, Linear 5, MatMul 2, Mul 2, Reshape 9, Slice 4, \
               Softmax 1, Transpose 6";
    for (file, wanted) in [
        ("cnn_ts11.onnx", cnn),
        ("cnn_ts17.onnx", cnn),
        ("cnn_dynamo18.onnx", cnn),
        ("vit_ts17.onnx", vit),
        ("vit_dynamo20.onnx", vit),
        ("plain_int8.onnx", "Clip 5, Conv 2, GlobalAveragePool 1, Linear 1, MaxPool 1, Reshape 1"),
        ("light_squeezenet.onnx", "Concat 8, Conv 26, GlobalAveragePool 1, MaxPool 3, Relu 26, Reshape 1"),
        ("light_bvlc_alexnet.onnx", "Conv 5, LRN 2, Linear 3, MaxPool 3, Relu 7, Reshape 1"),
    ] {
        let model = read(&data(file), &ImportOptions::default()).expect(file);
        assert_eq!(operators(&model), wanted, "{file}");
        let first = |id| model.graph.shape(id).first() == Some(&1);
        assert!(model.graph.nodes.iter().all(|node| first(node.output)), "{file}: pictures of a batch stay apart");
    }
    assert_eq!(read(&data("cnn_half.onnx"), &ImportOptions::default()).expect("halves").weight_bits, 16);
}

#[test]
fn a_batch_norm_is_its_convolutions_scale_and_bias() {
    let conv = |out: &str| {
        let graph = Graph::new(&[1, 2, 4, 4]).weights("w", &[3, 2, 1, 1]).weights("b", &[3]);
        graph.push(writer::named_node("stem", "Conv", &["x", "w", "b"], &[out], &[]))
    };
    let row = |values: [f32; 3]| move |graph: Graph, name: &str| graph.floats(name, &[3, 1, 1], &values);
    let (gamma, beta, mean, variance) = ([2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [1.0, 2.0, -3.0], [0.25f32, 4.0, 1.0]);
    let named = [("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)];
    let normed = |graph: Graph, from: &str, out: &str| {
        let graph = named.iter().fold(graph, |graph, (name, values)| graph.floats(name, &[3], values));
        graph.node("BatchNormalization", &[from, "gamma", "beta", "mean", "variance"], out, &[float("epsilon", 0.0)])
    };
    let plain = reference::output(&imported(conv("y").file(17)).graph, false);
    let expected = |z: f64, c: usize| {
        let [g, b, m, v] = [gamma[c], beta[c], mean[c], variance[c]].map(f64::from);
        (z - m) / v.sqrt() * g + b
    };
    let check = |graph: Graph, then: &dyn Fn(f64, usize) -> f64, wanted: &str| {
        let model = imported(graph.file(17));
        assert_eq!(operators(&model), wanted);
        assert_eq!(model.graph.nodes[0].name, "stem");
        let found = reference::output(&model.graph, false);
        for (i, (found, z)) in found.data.iter().zip(&plain.data).enumerate() {
            let wanted = then(*z, i / 16);
            assert!((found - wanted).abs() < 1e-5, "{found}, not {wanted}");
        }
    };
    check(normed(conv("c"), "c", "y"), &expected, "Conv 1");
    // Caffe's own scale behind it, and Keras' arithmetic.
    let scale = row([3.0, 2.0, -1.0])(row([-0.5, 0.25, 1.0])(conv("c"), "more"), "by");
    let arithmetic =
        |from: &str, graph: Graph| graph.node("Mul", &[from, "by"], "m", &[]).node("Add", &["m", "more"], "y", &[]);
    let twice = |z: f64, c: usize| z * [3.0, 2.0, -1.0][c] + [-0.5, 0.25, 1.0][c];
    check(arithmetic("c", scale.clone()), &twice, "Conv 1");
    check(arithmetic("n", normed(scale, "c", "n")), &|z, c| twice(expected(z, c), c), "Conv 1");
    // What somebody else reads stays as it is.
    let shared = normed(conv("c"), "c", "n").node("Sub", &["n", "c"], "y", &[]);
    check(shared, &|z, c| expected(z, c) - z, "BatchNormalization 1, Conv 1, Sub 1");
}

#[test]
fn layers_have_the_names_that_a_person_looks_for() {
    let names = |file: &str| {
        let model = read(&data(file), &ImportOptions::default()).expect(file);
        model.graph.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>()
    };
    for (file, wanted) in [
        ("cnn_ts17.onnx", &["stem", "act", "layer1.0.act", "layer1.0.gate.down", "layer1.1.act_1", "fc"][..]),
        ("cnn_dynamo18.onnx", &["stem", "act", "layer1.0.act", "layer1.0.gate.down", "layer1.1.act_1", "fc"]),
        ("vit_ts17.onnx", &["patch", "block.norm1", "block.linear1", "norm", "head"]),
        ("keras.onnx", &["re_lu_1", "p_re_lu_1", "max_pooling2d_1", "dense_1"]),
    ] {
        let names = names(file);
        for name in wanted {
            assert!(names.iter().any(|n| n == name), "{file}: {name} is not among {names:?}");
        }
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len(), "{file}: {names:?}");
    }
}

#[test]
fn a_channels_last_picture_goes_in_channels_first() {
    let model = read(&data("keras.onnx"), &ImportOptions::default()).expect("a model");
    assert!(model.input.channels_last && model.input.fixed == [true, true]);
    assert_eq!((model.input.channels, model.input.size), (3, [64, 64]));
    assert_eq!(model.graph.shape(model.graph.input), [1, 3, 64, 64]);
    // The one change of layout that is left is where the map becomes a row.
    let turns: Vec<&str> = model.graph.nodes.iter().map(|n| n.op.name()).filter(|op| *op == "Transpose").collect();
    assert_eq!(turns.len(), 1);
    let row = |graph: Graph| operators(&imported(graph.file(17)));
    let turn = |perm: &[i64]| [ints("perm", perm)];
    let (last, first) = (turn(&[0, 2, 3, 1]), turn(&[0, 3, 1, 2]));
    let graph = Graph::new(&[-1, -1, -1, 3])
        .node("Transpose", &["x"], "a", &first)
        .weights("w", &[4, 3, 1, 1])
        .node("Conv", &["a", "w"], "b", &[])
        .node("Transpose", &["b"], "c", &last)
        .weights("bias", &[4])
        .node("Add", &["c", "bias"], "d", &[])
        .node("Softmax", &["d"], "e", &[int("axis", -1)])
        .node("Concat", &["e", "c"], "f", &[int("axis", 3)])
        .node("ReduceMean", &["f"], "g", &[ints("axes", &[1, 2]), int("keepdims", 0)])
        .node("Relu", &["g"], "y", &[]);
    assert_eq!(row(graph), "Add 1, Concat 1, Conv 1, GlobalAveragePool 1, Relu 1, Reshape 1, Softmax 1");
}

#[test]
fn scores_are_those_before_the_last_softmax_or_sigmoid() {
    let ending = |classes: i64, nodes: &[(&str, &[Vec<u8>])]| -> Imported {
        let mut graph = Graph::new(&[1, 2]).weights("w", &[2, classes]).node("MatMul", &["x", "w"], "v0", &[]);
        for (i, (op, attributes)) in nodes.iter().enumerate() {
            let out = if i + 1 == nodes.len() { "y".to_owned() } else { format!("v{}", i + 1) };
            graph = graph.node(op, &[&format!("v{i}")], &out, attributes);
        }
        imported(graph.file(17))
    };
    let axis = [int("axis", 1)];
    for (classes, nodes, scores) in [
        (4, &[("Softmax", &axis[..])][..], Scores::Softmax),
        (4, &[("LogSoftmax", &axis[..])], Scores::Softmax),
        (4, &[("Softmax", &axis), ("Identity", &[]), ("Flatten", &[])], Scores::Softmax),
        (4, &[("Sigmoid", &[])], Scores::Sigmoid),
        (1, &[("Sigmoid", &[])], Scores::Binary),
        (4, &[("Identity", &[])], Scores::Plain),
        (4, &[("Relu", &[])], Scores::Plain),
    ] {
        let model = ending(classes, nodes);
        assert_eq!(model.scores, scores, "{nodes:?}");
        let rest = if nodes[0].0 == "Relu" { "Linear 1, Relu 1" } else { "Linear 1" };
        assert_eq!(operators(&model), rest);
    }
    let map = Graph::new(&[1, 2, 3, 3]).node("Relu", &["x"], "a", &[]).node("Softmax", &["a"], "y", &axis);
    assert_eq!(imported(map.file(17)).scores, Scores::Plain, "a softmax at each place is no end");
}

#[test]
fn what_the_file_leaves_open_is_asked_for_or_assumed() {
    let graph = || Graph::new(&[-1, -1, -1, -1]).weights("w", &[2, 3, 1, 1]).node("Conv", &["x", "w"], "y", &[]);
    let open = imported(graph().file(17));
    assert_eq!((open.input.channels, open.input.size, open.input.fixed), (3, [224, 224], [false, false]));
    assert_eq!(open.assumptions.len(), 1, "{:?}", open.assumptions);
    let asked = import(source(graph().file(17)), &sized(32)).expect("a model");
    assert_eq!((asked.input.size, asked.assumptions.len()), ([32, 32], 0));
    let fixed = Graph::new(&[1, 3, 8, 8]).node("Relu", &["x"], "y", &[]).file(17);
    let refusal = import(source(fixed), &sized(32)).expect_err("a refusal").to_string();
    assert!(refusal.contains("fixed at 8×8, not 32×32"), "{refusal}");
}

#[test]
fn any_value_can_be_the_output() {
    let mut graph = Graph::new(&[1, 1, 4, 4]).node("Relu", &["x"], "middle", &[]);
    graph.nodes.push(writer::named_node("last/node", "Exp", &["middle"], &["y"], &[]));
    graph.nodes.push(writer::node("NonMaxSuppression", &["y"], &["z"], &[]));
    graph.outputs.push(writer::info("z", FLOAT, &[]));
    let with = |output: &str| {
        let options = ImportOptions { output: Some(output.to_owned()), ..ImportOptions::default() };
        import(source(graph.file(17)), &options)
    };
    assert_eq!(operators(&with("middle").expect("a model")), "Relu 1");
    assert_eq!(operators(&with("last/node").expect("a model")), "Exp 1, Relu 1");
    let refusal = with("nowhere").expect_err("a refusal").to_string();
    assert!(refusal.contains("\"nowhere\"") && refusal.contains("\"y\", \"z\""), "{refusal}");
    let refusal = with("z").expect_err("a refusal").to_string();
    for part in ["\"z\"", "NonMaxSuppression", "opset 17", "--output"] {
        assert!(refusal.contains(part), "{refusal}");
    }
}

#[test]
fn shapes_that_are_computed_vanish() {
    let graph = Graph::new(&[-1, 3, 8, 8])
        .ints("zero", &[0])
        .ints("minus", &[-1])
        .node("Shape", &["x"], "s", &[])
        .node("Gather", &["s", "zero"], "n", &[])
        .node("Concat", &["n", "minus"], "target", &[int("axis", 0)])
        .node("Cast", &["target"], "t32", &[int("to", 6)])
        .node("Cast", &["t32"], "t64", &[int("to", 7)])
        .node("Reshape", &["x", "t64"], "y", &[]);
    assert_eq!(operators(&imported(graph.file(13))), "Reshape 1");
}

#[test]
fn weights_may_be_constant_nodes() {
    let kernel = writer::raw_floats("", &[2, 3, 1, 1], &[0.5; 6]);
    let graph = Graph::new(&[1, 3, 8, 8]).node("Constant", &[], "w", &[writer::tensor("value", &kernel)]).node(
        "Conv",
        &["x", "w"],
        "y",
        &[],
    );
    assert_eq!(operators(&imported(graph.file(11))), "Conv 1");
}

/// The output of a file's network for a picture, in reading order of `[C, H, W]`.
fn computed(file: Vec<u8>, picture: &[f32]) -> Vec<f32> {
    let model = imported(file);
    let graph = network(&model, None, &Device::Cpu).expect("a network");
    let ([h, w], c) = (model.input.size, model.input.channels);
    let x = Tensor::from_slice(picture, (1, c, h, w), &Device::Cpu).expect("a picture");
    let end = graph.layer("y").or_else(|_| graph.layer("logits")).expect("the output");
    let output = graph.infer(&x, std::slice::from_ref(&end)).and_then(|seen| seen.get(&end));
    output.and_then(|y| Ok(y.flatten_all()?.to_vec1()?)).expect("numbers")
}

#[test]
fn a_picture_without_a_batch_axis_gets_one() {
    let picture: Vec<f32> = (0..3 * 6 * 7).map(|i| (i as f32 * 0.3).sin()).collect();
    let rest = |graph: Graph, from: &str| {
        let graph = graph.weights("k", &[2, 3, 3, 3]).node("Conv", &[from, "k"], "c", &[]);
        graph.node("GlobalAveragePool", &["c"], "g", &[]).node("Flatten", &["g"], "y", &[]).file(17)
    };
    let whole = computed(rest(Graph::new(&[1, 3, 6, 7]), "x"), &picture);
    let front = Graph::new(&[3, 6, 7]).ints("axis", &[0]).node("Unsqueeze", &["x", "axis"], "b", &[]);
    assert_eq!(computed(rest(front, "b"), &picture), whole);
    // As OpenCV has it: channels behind, which are brought to the front.
    let behind = Graph::new(&[6, 7, 3]).node("Transpose", &["x"], "t", &[ints("perm", &[2, 0, 1])]);
    let behind = behind.ints("axis", &[0]).node("Unsqueeze", &["t", "axis"], "b", &[]);
    assert_eq!(computed(rest(behind, "b"), &picture), whole);
}

#[test]
fn a_row_of_numbers_goes_into_a_linear_layer() {
    let row = [0.5, -1.0, 2.0, 0.25];
    let graph = Graph::new(&[1, 4]).floats("w", &[4, 2], &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 1.0]);
    assert_eq!(computed(graph.node("Gemm", &["x", "w"], "y", &[]).file(17), &row), [5.5, 0.25]);
}

#[test]
fn a_refusal_names_what_goes_into_the_node() {
    let graph = Graph::new(&[1, 3, 8, 8]).node("Relu", &["x"], "scores", &[]).node("ArgMax", &["scores"], "y", &[]);
    assert!(refused(graph.file(17)).ends_with("with --output scores"));
    let rounded = Graph::new(&[1, 4]).node("Exp", &["x"], "z", &[]).node("Greater", &["z", "x"], "y", &[]);
    assert!(refused(rounded.file(17)).ends_with("with --output z"));
}

#[test]
fn nodes_come_in_any_order_but_not_in_a_circle() {
    let unsorted = Graph::new(&[1, 4]).node("Exp", &["a"], "y", &[]).node("Relu", &["x"], "a", &[]);
    assert_eq!(operators(&imported(unsorted.file(17))), "Exp 1, Relu 1");
    let circle = Graph::new(&[1, 4]).node("Add", &["x", "y"], "a", &[]).node("Relu", &["a"], "y", &[]);
    assert!(refused(circle.file(17)).contains("in a circle"));
    let twice = Graph::new(&[1, 4]).node("Exp", &["x"], "y", &[]).node("Relu", &["x"], "y", &[]);
    assert!(refused(twice.file(17)).contains("two of its nodes"));
    let lost = Graph::new(&[1, 4]).node("Exp", &["nobody"], "y", &[]);
    assert!(refused(lost.file(17)).contains("\"nobody\""));
    let mut second = Graph::new(&[1, 1, 4, 4]).node("Add", &["x", "scale"], "y", &[]);
    second.inputs.push(writer::info("scale", FLOAT, &[1, 2]));
    assert!(refused(second.file(17)).contains("second input, \"scale\""));
}

#[test]
fn a_branch_whose_condition_is_known_is_taken() {
    let branch = |op: &str| Graph {
        nodes: vec![writer::node(op, &["x"], &["r"], &[])],
        outputs: vec![writer::info("r", FLOAT, &[])],
        ..Graph::default()
    };
    let graph = |value: i64| {
        let mut graph = Graph::new(&[1, 4]);
        graph.weights.push(writer::raw("c", 9, &[], &[value as u8]));
        let branches =
            [writer::graph("then_branch", &branch("Relu")), writer::graph("else_branch", &branch("Unknown"))];
        graph.node("If", &["c"], "y", &branches)
    };
    assert_eq!(operators(&imported(graph(1).file(17))), "Relu 1");
    let refusal = refused(graph(0).file(17));
    assert!(refusal.contains("Unknown"), "{refusal}");
}

#[test]
fn functions_of_the_file_are_put_in_their_place() {
    let function = |name: &str, nodes: &[Vec<u8>]| {
        let each: Vec<u8> = nodes.iter().flat_map(|n| bytes(7, n)).collect();
        let opset = bytes(9, number(2, 17));
        bytes(25, [bytes(1, name), bytes(4, "a"), bytes(5, "b"), each, bytes(10, "local"), opset].concat())
    };
    let call =
        |op: &str, attributes: &[Vec<u8>]| [writer::node(op, &["x"], &["y"], attributes), bytes(7, "local")].concat();
    let body = writer::node("LeakyRelu", &["a"], &["b"], &[writer::reference("alpha", "slope")]);
    let file =
        Graph::new(&[1, 4]).push(call("leaky", &[float("slope", 0.25)])).file_with(17, &function("leaky", &[body]));
    let model = imported(file);
    assert_eq!(model.graph.nodes[0].op, Op::Unary(Unary::LeakyRelu(0.25)));
    let own = [writer::node("again", &["a"], &["b"], &[]), bytes(7, "local")].concat();
    let file = Graph::new(&[1, 4]).push(call("again", &[])).file_with(17, &function("again", &[own]));
    let refusal = refused(file);
    assert!(refusal.contains("more than 16 deep"), "{refusal}");
}

#[test]
fn a_picture_of_bytes_is_numbers_from_0_to_255() {
    let mut graph = Graph::new(&[]).node("Cast", &["x"], "a", &[int("to", 1)]).node("Sqrt", &["a"], "y", &[]);
    graph.inputs = vec![writer::info("x", UINT8, &[1, 3, 4, 4])];
    let model = imported(graph.file(17));
    assert!(model.input.bytes);
    assert_eq!(operators(&model), "Sqrt 1");
}

#[test]
fn weights_of_integers_get_their_scales_channel_by_channel() {
    let mut graph = Graph::new(&[1, 1, 2, 2])
        .floats("scale", &[2], &[0.5, 0.25])
        .node("DequantizeLinear", &["q", "scale", "zero"], "w", &[int("axis", 0)])
        .node("Conv", &["x", "w"], "y", &[]);
    graph.weights.push(writer::raw("q", INT8, &[2, 1, 1, 2], &[4, 252, 8, 0]));
    graph.weights.push(writer::raw("zero", INT8, &[2], &[0, 4]));
    let model = imported(graph.file(17));
    let kernel = model.graph.constant(model.graph.nodes[0].inputs[1]).expect("a kernel");
    assert_eq!(kernel.to_floats().expect("numbers")[..], [2.0, -2.0, 1.0, -1.0]);
}

#[test]
fn labels_come_from_the_metadata() {
    let more = [writer::metadata("author", "nobody"), writer::metadata("names", "{0: 'cat', 1: \"dog's\"}")].concat();
    let model = imported(Graph::new(&[1, 2]).node("Relu", &["x"], "y", &[]).file_with(17, &more));
    assert_eq!(model.labels.expect("labels"), ["cat", "dog's"]);
    assert_eq!(model.metadata.len(), 2);
}

#[test]
fn a_refusal_says_which_node_and_what_would_help() {
    let of = |node: Vec<u8>| refused(Graph::new(&[1, 2, 4, 4]).push(node).file(12));
    for (node, parts) in [
        (writer::named_node("nms", "TopK", &["x"], &["y"], &[]), &["\"nms\"", "TopK", "opset 12", "--output"][..]),
        (writer::node("LSTM", &["x"], &["y"], &[]), &["LSTM", "recurrent"]),
        (writer::node("QLinearConv", &["x"], &["y"], &[]), &["QDQ"]),
        (
            [writer::node("FusedX", &["x"], &["y"], &[]), bytes(7, "com.microsoft")].concat(),
            &["com.microsoft.FusedX", "optimiser"],
        ),
        (writer::node("Cast", &["x"], &["y"], &[int("to", 7)]), &["no gradient", "--output"]),
        (writer::node("Greater", &["x", "x"], &["y"], &[]), &["no gradient"]),
        (writer::node("Conv", &["x", "x"], &["y"], &[]), &["kernels depend on the picture"]),
        (writer::node("MaxPool", &["x"], &["y"], &[ints("kernel_shape", &[9, 9])]), &["--input-size"]),
        (writer::node("Transpose", &["x"], &["y"], &[ints("perm", &[0, 1])]), &["2 axes for 4"]),
        (writer::node("Resize", &["x"], &["y"], &[text("mode", "odd")]), &["how large"]),
    ] {
        let refusal = of(node);
        for part in parts {
            assert!(refusal.contains(part), "{refusal}");
        }
    }
}
