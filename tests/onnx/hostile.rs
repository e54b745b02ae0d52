//! Bytes of any kind: a model or one sentence, soon, without a panic.

use crate::cases::cases;
use crate::writer::{self, Graph, bytes, float, int, ints, number, text};
use crate::{FILES, data, imported, refused, source};
use gradlens::model::read::onnx::{ImportOptions, import, network, operators, read};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(5);

/// Imports it, whatever comes out.
fn survives(content: Vec<u8>) {
    if let Err(refusal) = import(source(content), &ImportOptions::default()) {
        assert!(!refusal.to_string().contains('\n'), "{refusal}");
    }
}

/// Refused soon, with this in the sentence: in milliseconds, but the machine may be busy with other tests.
fn refused_soon(content: Vec<u8>, part: &str) {
    let start = Instant::now();
    let refusal = refused(content);
    assert!(refusal.contains(part), "{refusal}");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn what_is_no_model_is_refused_at_once() {
    refused_soon(Vec::new(), "not an ONNX model");
    refused_soon(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "not an ONNX model");
    refused_soon(vec![0; 1 << 20], "not an ONNX model");
    refused_soon(vec![0xff; 64], "not an ONNX model");
    refused_soon(b"PK\x03\x04archive/data.pkl".to_vec(), "ONNX");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("zeros.onnx");
    std::fs::File::create(&path).and_then(|file| file.set_len(2 << 30)).expect("a file with nothing in it");
    let start = Instant::now();
    let error = read(&path, &ImportOptions::default()).expect_err("a refusal").to_string();
    assert!(error.contains("not an ONNX model") && start.elapsed() < SOON, "{error}");
    let options = gradlens::model::read::ReadOptions::default();
    let opened = gradlens::model::read::open(&path.to_string_lossy(), "zeros", &options, &candle_core::Device::Cpu);
    assert!(opened.expect_err("a refusal").to_string().contains("zeros.onnx"), "the file is named");
    assert!(read(folder.path(), &ImportOptions::default()).is_err(), "a folder");
}

#[test]
fn graphs_inside_each_other_are_counted() {
    let mut graph = Graph { nodes: vec![writer::node("Relu", &["x"], &["y"], &[])], ..Graph::default() }.encode();
    for _ in 0..20_000 {
        let attribute = [bytes(1, "then_branch"), bytes(6, &graph)].concat();
        graph = bytes(1, [bytes(2, "y"), bytes(4, "If"), bytes(5, attribute)].concat());
    }
    refused_soon([bytes(7, graph), bytes(8, number(2, 17))].concat(), "16 deep");
}

#[test]
fn a_chain_of_20_000_nodes_is_read() {
    let mut graph = Graph::new(&[1, 4]);
    for i in 0..20_000 {
        let (from, to) = (format!("v{i}"), format!("v{}", i + 1));
        let from = if i == 0 { "x" } else { &from };
        graph.nodes.push(writer::node("Sin", &[from], &[if i == 19_999 { "y" } else { &to }], &[]));
    }
    let start = Instant::now();
    assert_eq!(imported(graph.file(17)).graph.nodes.len(), 20_000);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn sizes_are_checked_before_they_are_allocated() {
    let of = |dims: &[i64], op: &str, shape: &[i64]| {
        Graph::new(dims).ints("s", shape).node(op, &["x", "s"], "y", &[]).file(17)
    };
    refused_soon(of(&[1, 1, 1, 1], "Expand", &[1000, 1000, 1000]), "268 million");
    refused_soon(of(&[1, 1, 1, 1], "Tile", &[1 << 20, 1 << 20, 1 << 20, 1 << 20]), "268 million");
    refused_soon(of(&[1, 1, 4, 4], "Reshape", &[1 << 40, 1 << 40]), "268 million");
    refused_soon(of(&[1, 3, 1_000_000_000, 4], "Expand", &[1]), "no picture");
    let nothing = Graph::new(&[1, 4])
        .ints("s", &[0, 1 << 40, 1 << 40])
        .node("ConstantOfShape", &["s"], "none", &[])
        .node("Mul", &["none", "none"], "still", &[])
        .node("Add", &["x", "still"], "y", &[]);
    refused_soon(nothing.file(17), "268 million");
    let constant = Graph::new(&[1, 4])
        .ints("s", &[40_000, 1000])
        .node("ConstantOfShape", &["s"], "big", &[])
        .node("Exp", &["big"], "e", &[])
        .node("Range", &["e", "e", "e"], "r", &[])
        .node("Add", &["x", "r"], "y", &[]);
    survives(constant.file(17));
    // Every node doubles an array: the file's size does not bound what it folds to, so something else has to.
    let mut bomb = Graph::new(&[1, 4]).floats("v0", &[2], &[1.0, 2.0]);
    for i in 0..27 {
        let (from, to) = (format!("v{i}"), format!("v{}", i + 1));
        bomb.nodes.push(writer::node("Concat", &[&from, &from], &[&to], &[int("axis", 0)]));
    }
    let bomb = bomb.node("ReduceSum", &["v27"], "sum", &[int("keepdims", 0)]).node("Add", &["x", "sum"], "y", &[]);
    refused_soon(bomb.file(12), "more constants");
}

#[test]
fn weights_that_are_filled_are_bounded() {
    let of = |n: i64| {
        Graph::new(&[1, 3, 4, 4])
            .ints("s", &[n, 3, 4, 4])
            .node("ConstantOfShape", &["s"], "w", &[])
            .node("Conv", &["x", "w"], "maps", &[])
            .node("ReduceMean", &["maps"], "y", &[])
            .file(13)
    };
    assert!(imported(of(16)).graph.nodes.len() > 1);
    let model = network(&imported(of(4 << 20)), None, &candle_core::Device::Cpu);
    assert!(model.is_err_and(|e| e.to_string().contains("more constants")), "268 million numbers out of 200 bytes");
}

#[test]
fn a_window_that_is_said_twice_is_one() {
    let of = |said: &[i64]| {
        let conv = writer::node("Conv", &["x", "w"], &["y"], &[writer::ints("kernel_shape", said)]);
        let mut graph = Graph::new(&[1, 1, 4, 4]).floats("w", &[2, 1, 3, 3], &[0.5; 18]);
        graph.nodes.push(conv);
        graph.file(13)
    };
    assert_eq!(imported(of(&[3, 3])).graph.nodes.len(), 1);
    for wrong in [&[5, 5][..], &[3], &[3, -1], &[3, 3, 3]] {
        let said = refused(of(wrong));
        assert!(said.contains("says that its window is"), "{said}");
    }
}

#[test]
fn what_has_very_many_parts_is_not_slow() {
    let inputs = vec!["x"; 20_000];
    let start = Instant::now();
    let sum = Graph::new(&[1, 4]).node("Sum", &inputs, "y", &[]);
    assert_eq!(imported(sum.file(13)).graph.nodes.len(), 19_999);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let flat = Graph::new(&[1, 4]).ints("s", &vec![1; 1_000_000]).node("Reshape", &["x", "s"], "y", &[]);
    refused_soon(flat.file(13), "1000000 axes");
}

#[test]
fn empty_entries_are_counted() {
    let nodes: Vec<u8> = std::iter::repeat_n([0x0a, 0], 4_000_000).flatten().collect();
    refused_soon(bytes(7, nodes), "more entries than its size");
}

#[test]
fn functions_do_not_grow_without_end() {
    let mut more = Vec::new();
    for i in 0..12 {
        let inner = format!("f{}", i + 1);
        let call = |from: &str, to: &str| [writer::node(&inner, &[from], &[to], &[]), bytes(7, "local")].concat();
        let nodes: Vec<u8> = if i == 11 {
            bytes(7, writer::node("Relu", &["a"], &["b"], &[]))
        } else {
            let steps: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
            let name = |n: usize| {
                if n == 0 {
                    "a"
                } else if n == 8 {
                    "b"
                } else {
                    &steps[n]
                }
            };
            (0..8).flat_map(|n| bytes(7, call(name(n), name(n + 1)))).collect()
        };
        let opset = bytes(9, number(2, 17));
        more.extend(bytes(
            25,
            [bytes(1, format!("f{i}")), bytes(4, "a"), bytes(5, "b"), nodes, bytes(10, "local"), opset].concat(),
        ));
    }
    let call = [writer::node("f0", &["x"], &["y"], &[]), bytes(7, "local")].concat();
    let start = Instant::now();
    assert!(refused(Graph::new(&[1, 4]).push(call).file_with(17, &more)).contains("more than"));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn a_file_cut_off_anywhere_is_no_panic() {
    for file in ["light_bvlc_alexnet.onnx", "plain_int8.onnx"] {
        let whole = std::fs::read(data(file)).expect("a file");
        for len in 0..whole.len() {
            survives(whole[..len].to_vec());
        }
    }
}

/// Which operator, which inputs, which attributes with a number and a list each.
type RandomNode = (usize, Vec<usize>, Vec<(usize, i64, Vec<i64>)>);

/// A node with an operator that is understood, and attributes that may or may not belong to it.
fn random_node() -> impl Strategy<Value = RandomNode> {
    let value = prop_oneof![-4i64..9, Just(i64::MAX), Just(i64::MIN), Just(1 << 33)];
    let list = prop::collection::vec(prop_oneof![8 => -3i64..7, 1 => Just(i64::MAX), 1 => Just(1i64 << 40)], 0..9);
    let attribute = (0..ATTRIBUTES.len(), value, list);
    (0..operators().count(), prop::collection::vec(0usize..32, 0..5), prop::collection::vec(attribute, 0..4))
}

const ATTRIBUTES: [&str; 30] = [
    "axis",
    "axes",
    "perm",
    "pads",
    "strides",
    "dilations",
    "kernel_shape",
    "group",
    "shape",
    "starts",
    "ends",
    "steps",
    "split",
    "keepdims",
    "to",
    "blocksize",
    "num_groups",
    "size",
    "p",
    "scales",
    "output_shape",
    "output_padding",
    "value_ints",
    "auto_pad",
    "mode",
    "equation",
    "ceil_mode",
    "epsilon",
    "training_mode",
    "transA",
];

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn changed_bytes_are_no_panic(
        file in 0..FILES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        moved in prop::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1usize..200)),
    ) {
        let mut content = std::fs::read(data(FILES[file])).expect("a file");
        for (at, to) in changes {
            let at = at.index(content.len());
            content[at] = to;
        }
        if let Some((from, to, len)) = moved {
            let from = from.index(content.len());
            let part = content[from..(from + len).min(content.len())].to_vec();
            let to = to.index(content.len());
            content.splice(to..to, part);
        }
        survives(content);
    }

    #[test]
    fn any_operator_on_anything_is_no_panic(
        dims in prop::collection::vec(1i64..6, 1..5),
        nodes in prop::collection::vec(random_node(), 1..6),
        opset in 6i64..25,
    ) {
        let names: Vec<&str> = operators().collect();
        let mut graph = Graph::new(&[&[1], &dims[..]].concat())
            .weights("kernel", &[2, 2, 3, 3])
            .weights("matrix", &[4, 3])
            .weights("row", &[3])
            .floats("number", &[], &[0.5])
            .floats("empty", &[0], &[])
            .ints("list", &[1, -1, 2])
            .ints("one", &[1]);
        let mut values = vec!["x".to_owned(), "x".to_owned(), "x".to_owned()];
        values.extend(["kernel", "matrix", "row", "number", "empty", "list", "one", ""].map(str::to_owned));
        for (i, (op, inputs, attributes)) in nodes.iter().enumerate() {
            // The newest value is read most often, so that chains come about.
            let read = |n: &usize| values[if *n >= values.len() { values.len() - 1 } else { *n }].clone();
            let inputs: Vec<String> = inputs.iter().map(read).collect();
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let written = attributes.iter().map(|(name, value, list)| match ATTRIBUTES[*name] {
                name @ ("auto_pad" | "mode") => {
                    let words = ["SAME_UPPER", "SAME_LOWER", "VALID", "linear", "cubic", "reflect", "edge", "wrap", "CRD"];
                    text(name, words[value.unsigned_abs() as usize % words.len()])
                }
                "equation" => text("equation", ["ab,bc->ac", "abc,adc->abd", "ij,ij->ij", "a->a"][value.unsigned_abs() as usize % 4]),
                "epsilon" => float("epsilon", *value as f32),
                "scales" => writer::floats("scales", &list.iter().map(|v| *v as f32).collect::<Vec<_>>()),
                name if name.ends_with('s') || matches!(name, "perm" | "pads" | "kernel_shape" | "shape" | "split" | "output_shape" | "output_padding") => ints(name, list),
                name => int(name, *value),
            });
            let written: Vec<Vec<u8>> = written.collect();
            let out = if i + 1 == nodes.len() { "y".to_owned() } else { format!("v{i}") };
            graph.nodes.push(writer::node(names[*op], &inputs, &[&out], &written));
            values.push(out);
        }
        survives(graph.file(opset));
    }
}

#[test]
fn one_number_everywhere_is_not_written_out() {
    let filled = |graph: Graph| graph.ints("s", &[1 << 28]).node("ConstantOfShape", &["s"], "many", &[]);
    for op in ["Gather", "NonZero", "Where"] {
        let graph = filled(Graph::new(&[1, 1]).floats("o", &[1], &[1.0]));
        let graph = match op {
            "Gather" => graph.node("Cast", &["many"], "i", &[int("to", 7)]).node(op, &["o", "i"], "big", &[]),
            "NonZero" => graph.node(op, &["many"], "n", &[]).node("Cast", &["n"], "big", &[int("to", 1)]),
            _ => graph.node("Cast", &["many"], "c", &[int("to", 9)]).node(op, &["c", "o", "o"], "big", &[]),
        };
        refused_soon(
            graph.node("ReduceMax", &["big"], "m", &[]).node("Add", &["x", "m"], "y", &[]).file(13),
            "constants",
        );
    }
}
