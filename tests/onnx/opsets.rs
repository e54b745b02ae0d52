//! What one version writes as an attribute and another as an input becomes the same.

use crate::writer::{Graph, float, floats, int, ints, text};
use crate::{imported, operators, refused};
use gradlens::model::read::onnx::network;
use gradlens::model::read::onnx::op::Op;

/// The canonical graph of one node on `x` of this shape, followed by a rectifier.
fn graph(opset: i64, dims: &[i64], op: &str, inputs: &[(&str, Input)], attributes: &[Vec<u8>]) -> String {
    let mut graph = Graph::new(dims);
    let mut names = vec!["x"];
    for (name, input) in inputs {
        names.push(name);
        match input {
            Input::Ints(values) => graph = graph.ints(name, values),
            Input::Floats(values) => graph = graph.floats(name, &[values.len() as i64], values),
            Input::Number(value) => graph = graph.floats(name, &[], &[*value]),
            Input::None => {
                names.pop();
                names.push("");
            }
        }
    }
    let model = imported(graph.node(op, &names, "a", attributes).node("Tanh", &["a"], "y", &[]).file(opset));
    let each = model.graph.nodes.iter().map(|n| format!("{:?} {:?}", n.op, model.graph.shape(n.output)));
    each.collect::<Vec<_>>().join("; ")
}

/// The same node in some version: operator set, inputs behind the first, attributes.
type Version<'a> = (i64, Vec<(&'a str, Input)>, Vec<Vec<u8>>);

enum Input {
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Number(f32),
    None,
}

#[test]
fn attributes_and_inputs_say_the_same() {
    use Input::{Floats, Ints, None, Number};
    let picture = &[1, 2, 4, 6][..];
    let pads = vec![0, 0, 1, 0, 0, 0, 0, 2];
    let same: [(&str, &[i64], Vec<Version>); 10] = [
        (
            "Squeeze",
            &[1, 2, 1, 6],
            vec![(11, vec![], vec![ints("axes", &[2])]), (13, vec![("a1", Ints(vec![-2]))], vec![])],
        ),
        (
            "Unsqueeze",
            &[1, 2, 6],
            vec![(11, vec![], vec![ints("axes", &[2])]), (13, vec![("a1", Ints(vec![-2]))], vec![])],
        ),
        (
            "Clip",
            picture,
            vec![
                (6, vec![], vec![float("min", -1.0), float("max", 2.0)]),
                (13, vec![("low", Number(-1.0)), ("high", Number(2.0))], vec![]),
            ],
        ),
        (
            "Pad",
            picture,
            vec![
                (2, vec![], vec![ints("pads", &pads), float("value", 0.5)]),
                (11, vec![("p", Ints(pads.clone())), ("v", Number(0.5))], vec![text("mode", "constant")]),
                (18, vec![("p", Ints(vec![1, 0, 0, 2])), ("v", Number(0.5)), ("a1", Ints(vec![2, -1]))], vec![]),
            ],
        ),
        (
            "Slice",
            picture,
            vec![
                (9, vec![], vec![ints("starts", &[1, 0]), ints("ends", &[-1, 1 << 40]), ints("axes", &[3, 1])]),
                (10, vec![("s", Ints(vec![1])), ("e", Ints(vec![-1])), ("a1", Ints(vec![-1]))], vec![]),
                (
                    13,
                    vec![
                        ("s", Ints(vec![0, 1])),
                        ("e", Ints(vec![2, 5])),
                        ("a1", Ints(vec![1, 3])),
                        ("t", Ints(vec![1, 1])),
                    ],
                    vec![],
                ),
            ],
        ),
        (
            "ReduceMax",
            picture,
            vec![
                (11, vec![], vec![ints("axes", &[1]), int("keepdims", 0)]),
                (18, vec![("a1", Ints(vec![-3]))], vec![int("keepdims", 0)]),
            ],
        ),
        (
            "Upsample",
            picture,
            vec![
                (7, vec![], vec![floats("scales", &[1.0, 1.0, 2.0, 2.0]), text("mode", "linear")]),
                (9, vec![("s", Floats(vec![1.0, 1.0, 2.0, 2.0]))], vec![text("mode", "linear")]),
            ],
        ),
        (
            "Resize",
            picture,
            vec![
                (11, vec![("r", None), ("s", Floats(vec![1.0, 1.0, 2.0, 2.0]))], vec![text("mode", "nearest")]),
                (13, vec![("r", None), ("s", None), ("z", Ints(vec![1, 2, 8, 12]))], vec![]),
                (18, vec![("r", None), ("s", None), ("z", Ints(vec![8, 12]))], vec![ints("axes", &[2, 3])]),
            ],
        ),
        ("Softmax", &[1, 5], vec![(7, vec![], vec![]), (13, vec![], vec![int("axis", 1)]), (13, vec![], vec![])]),
        (
            "Dropout",
            picture,
            vec![(7, vec![], vec![float("ratio", 0.5)]), (13, vec![("ratio", Number(0.5))], vec![])],
        ),
    ];
    for (op, dims, versions) in same {
        let found: Vec<String> =
            versions.iter().map(|(opset, inputs, a)| graph(*opset, dims, op, inputs, a)).collect();
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{op}: {found:#?}");
    }
}

#[test]
fn old_softmax_is_over_all_axes_from_one_on() {
    let old = graph(11, &[1, 2, 3], "Softmax", &[], &[int("axis", 1)]);
    assert_eq!(
        old,
        "Reshape [1, 6]; Softmax { axis: 1, log: false } [1, 6]; Reshape [1, 2, 3]; Unary(Tanh) [1, 2, 3]"
    );
    let new = graph(13, &[1, 2, 3], "Softmax", &[], &[int("axis", 1)]);
    assert_eq!(new, "Softmax { axis: 1, log: false } [1, 2, 3]; Unary(Tanh) [1, 2, 3]");
}

#[test]
fn automatic_padding_is_worked_out() {
    let conv = |auto: &str, side: i64| {
        let attributes = [text("auto_pad", auto), ints("strides", &[2, 2])];
        let graph =
            Graph::new(&[1, 1, side, side]).weights("w", &[1, 1, 3, 3]).node("Conv", &["x", "w"], "y", &attributes);
        let model = imported(graph.file(11));
        let Op::Conv(conv) = &model.graph.nodes[0].op else { panic!("a convolution") };
        (conv.pads, model.graph.shape(model.graph.output)[2])
    };
    assert_eq!(conv("SAME_UPPER", 8), ([0, 0, 1, 1], 4));
    assert_eq!(conv("SAME_LOWER", 8), ([1, 1, 0, 0], 4));
    assert_eq!(conv("SAME_UPPER", 7), ([1, 1, 1, 1], 4));
    assert_eq!(conv("VALID", 7), ([0; 4], 3));
}

#[test]
fn windows_that_hang_over_start_inside() {
    let pool = |side: i64, pads: &[i64]| {
        let attributes =
            [ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), ints("pads", pads), int("ceil_mode", 1)];
        let graph = Graph::new(&[1, 1, side, side]).node("MaxPool", &["x"], "y", &attributes);
        let model = imported(graph.file(12));
        model.graph.shape(model.graph.output)[2]
    };
    assert_eq!([pool(5, &[0; 4]), pool(4, &[0; 4]), pool(5, &[1; 4]), pool(3, &[1; 4])], [3, 2, 3, 2]);
}

#[test]
fn products_of_rows_are_linear_layers() {
    let linear = |graph: Graph| operators(&imported(graph.file(13)));
    let gemm = |attributes: &[Vec<u8>]| {
        Graph::new(&[1, 3]).weights("w", &[3, 3]).weights("b", &[3]).node("Gemm", &["x", "w", "b"], "y", attributes)
    };
    assert_eq!(linear(gemm(&[])), "Linear 1");
    assert_eq!(linear(gemm(&[int("transB", 1)])), "Linear 1");
    assert_eq!(linear(gemm(&[float("alpha", 0.5)])), "Add 1, Linear 1, Mul 1");
    let added = Graph::new(&[1, 5, 3])
        .weights("w", &[3, 2])
        .weights("b", &[2])
        .node("MatMul", &["x", "w"], "a", &[])
        .node("Add", &["b", "a"], "y", &[]);
    assert_eq!(linear(added), "Linear 1");
}

#[test]
fn attention_is_taken_apart() {
    let attention = |dims: &[i64], attributes: &[Vec<u8>]| {
        let graph = Graph::new(dims).node("Attention", &["x", "x", "x"], "y", attributes);
        let model = imported(graph.file(23));
        let shape: Vec<usize> = dims.iter().map(|d| *d as usize).collect();
        assert_eq!(model.graph.shape(model.graph.output), shape);
        operators(&model)
    };
    assert_eq!(attention(&[1, 2, 3, 5], &[]), "MatMul 2, Mul 1, Softmax 1, Transpose 1");
    let heads = [int("q_num_heads", 2), int("kv_num_heads", 2)];
    assert!(attention(&[1, 3, 8], &heads).starts_with("MatMul 2, Mul 1, Reshape"));
}

#[test]
fn einstein_sums_are_products() {
    let graph = Graph::new(&[1, 2, 3, 4]).node("Relu", &["x"], "a", &[]).node(
        "Einsum",
        &["x", "a"],
        "y",
        &[text("equation", "bhid,bhjd->bhij")],
    );
    let model = imported(graph.file(13));
    assert_eq!(model.graph.shape(model.graph.output), [1, 2, 3, 3]);
    assert!(operators(&model).starts_with("MatMul 1"), "{}", operators(&model));
}

#[test]
fn an_unknown_operator_set_is_said_and_read_as_the_nearest() {
    let of = |opset| {
        let model = imported(Graph::new(&[1, 4]).node("Tanh", &["x"], "y", &[]).file(opset));
        model.assumptions.iter().map(|a| format!("{} ({})", a.what, a.option)).collect::<Vec<_>>().join("; ")
    };
    let known = of(17);
    assert!(!known.contains("operator set"), "{known}");
    for (opset, nearest) in [(0, 6), (999, 28)] {
        let said = of(opset);
        assert!(said.contains(&format!("operator set {opset} means what {nearest} does")), "{said}");
        assert!(said.contains(&format!("opset_version={nearest}")), "{said}");
    }
}

#[test]
fn operator_set_28_orders_blocks_and_gates() {
    let block = || int("blocksize", 2);
    let plain = graph(13, &[1, 3, 4, 4], "SpaceToDepth", &[], &[block()]);
    let turned = graph(28, &[1, 3, 4, 4], "SpaceToDepth", &[], &[block(), text("mode", "CRD")]);
    assert!(plain.contains("crd: false") && turned.contains("crd: true"), "{plain}; {turned}");
    let gated = graph(28, &[1, 3], "SwiGLU", &[("a1", Input::Floats(vec![1.0, 2.0, 3.0]))], &[]);
    let swish = graph(24, &[1, 3], "Swish", &[], &[]);
    let (swish, rest) = (swish.split("; ").next().expect("a node"), gated.split("; ").collect::<Vec<_>>());
    assert_eq!(rest.len(), 3, "{gated}");
    assert!(rest[0] == swish && rest[1].contains("Mul"), "{gated}");
}

#[test]
fn what_is_chosen_by_comparing_is_read_and_what_is_compared_last_is_not() {
    let rectified = graph(22, &[1, 3], "ThresholdedRelu", &[], &[float("alpha", 0.5)]);
    let written = |op: &str| {
        let graph = Graph::new(&[1, 3]).floats("low", &[], &[0.5]).floats("zero", &[], &[0.0]);
        graph.node(op, &["x", "low"], "above", &[]).node("Where", &["above", "x", "zero"], "y", &[])
    };
    assert_eq!(operators(&imported(written("Greater").file(17))), "Greater 1, Where 1");
    assert!(rectified.contains("Greater") && rectified.contains("Where"), "{rectified}");
    let compared = Graph::new(&[1, 3]).floats("low", &[], &[0.5]).node("Less", &["x", "low"], "y", &[]);
    assert!(refused(compared.file(17)).contains("no gradient"));
    let rounded = Graph::new(&[1, 3]).node("Tanh", &["x"], "a", &[]).node("Round", &["a"], "y", &[]);
    assert!(refused(rounded.file(17)).contains("no gradient"));
}

#[test]
fn a_volume_is_pooled_along_its_first_axis() {
    let (kernel, pads) = (ints("kernel_shape", &[3, 1, 1]), ints("pads", &[1, 0, 0, 1, 0, 0]));
    let volume = || Graph::new(&[1, 3, 4, 5]).ints("axes", &[1]).node("Unsqueeze", &["x", "axes"], "v", &[]);
    let pooled = imported(volume().node("AveragePool", &["v"], "y", &[kernel, pads]).file(17));
    assert!(operators(&pooled).contains("AveragePool 1"), "{}", operators(&pooled));
    assert_eq!(pooled.graph.shape(pooled.graph.output), [1, 1, 3, 4, 5]);
    let pooled = volume().node("MaxPool", &["v"], "y", &[ints("kernel_shape", &[2, 2, 2])]);
    assert!(refused(pooled.file(17)).contains("volume"));
}

#[test]
fn slopes_may_be_one_a_place_or_one_of_no_axes() {
    let of = |dims: &[i64], values: &[f32]| {
        let graph = Graph::new(&[1, 3, 2, 2]).floats("slope", dims, values).node("PRelu", &["x", "slope"], "y", &[]);
        let model = imported(graph.file(17));
        network(&model, None, &candle_core::Device::Cpu).expect("a network")
    };
    let x: Vec<f32> = (0..12).map(|i| i as f32 - 6.0).collect();
    let x = candle_core::Tensor::from_vec(x, (1, 3, 2, 2), &candle_core::Device::Cpu).expect("an input");
    let y = |dims: &[i64], values: &[f32]| -> Vec<f32> {
        let graph = of(dims, values);
        let end = graph.layer("y").expect("the output");
        let y = graph.infer(&x, std::slice::from_ref(&end)).and_then(|found| found.get(&end)).expect("a pass");
        y.flatten_all().and_then(|y| y.to_vec1()).expect("numbers")
    };
    let same = y(&[], &[0.25]);
    assert_eq!(same, [-1.5, -1.25, -1.0, -0.75, -0.5, -0.25, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(y(&[3, 1, 1], &[0.25; 3]), same);
    assert_eq!(y(&[3, 2, 2], &[0.25; 12]), same);
    assert_eq!(y(&[2], &[0.5, 0.25])[..4], [-3.0, -1.25, -2.0, -0.75]);
}
