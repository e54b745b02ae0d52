//! The wire format: against another reader, in every way that numbers are written, and weights in other files.

use crate::writer::{self, Graph, bytes, number};
use crate::{FILES, data, source};
use gradlens::model::read::onnx::constant::{Constant, Element};
use gradlens::model::read::onnx::proto::{self, AttributeValue};
use gradlens::model::read::onnx::source::ByteSource;
use gradlens::model::read::onnx::{ImportOptions, read};
use std::path::Path;
use std::sync::Arc;

#[test]
fn every_file_reads_as_onnx_rs_reads_it() {
    for file in FILES {
        let content = std::fs::read(data(file)).expect("a file");
        let theirs = onnx_rs::parse(&content).expect("their model");
        let source = source(content.clone());
        let ours = proto::read(&source).expect("our model");
        let opsets: Vec<_> = theirs.opset_import.iter().map(|o| (o.domain.to_owned(), o.version)).collect();
        assert_eq!(ours.opsets, opsets);
        assert_eq!(ours.producer, [theirs.producer_name, theirs.producer_version]);
        let (ours, theirs) = (ours.graph.expect("our graph"), theirs.graph.expect("their graph"));
        assert_eq!(
            ours.inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(),
            theirs.input.iter().map(|i| i.name).collect::<Vec<_>>()
        );
        assert_eq!(ours.outputs.len(), theirs.output.len());
        assert_eq!(ours.nodes.len(), theirs.node.len());
        for (a, b) in ours.nodes.iter().zip(&theirs.node) {
            assert_eq!((a.op.as_str(), a.name.as_str(), a.domain.as_str()), (b.op_type.as_str(), b.name, b.domain));
            assert_eq!((&a.inputs[..], &a.outputs[..]), (&owned(&b.input)[..], &owned(&b.output)[..]));
            assert_eq!(a.attributes.len(), b.attribute.len());
            a.attributes.iter().zip(&b.attribute).for_each(|(a, b)| same_attribute(&source, a, b));
        }
        assert_eq!(ours.initializers.len(), theirs.initializer.len());
        ours.initializers.iter().zip(&theirs.initializer).for_each(|(a, b)| same_tensor(&source, a, b));
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn same_attribute(source: &Arc<ByteSource>, a: &proto::Attribute, b: &onnx_rs::ast::Attribute) {
    assert_eq!(a.name, b.name);
    match &a.value {
        AttributeValue::Int(v) => assert_eq!(*v, b.i),
        AttributeValue::Float(v) => assert_eq!(v.to_bits(), b.f.to_bits()),
        AttributeValue::Text(v) => assert_eq!(v.as_bytes(), b.s),
        AttributeValue::Ints(v) => assert_eq!(*v, b.ints),
        AttributeValue::Floats(v) => assert_eq!(*v, b.floats),
        AttributeValue::Texts(v) => assert_eq!(v.len(), b.strings.len()),
        AttributeValue::Tensor(v) => same_tensor(source, v, b.t.as_ref().expect("their tensor")),
        AttributeValue::Graph(v) => assert_eq!(v.nodes.len(), b.g.as_ref().expect("their graph").node.len()),
        AttributeValue::None => panic!("{} has a value", b.name),
    }
}

fn same_tensor(source: &Arc<ByteSource>, a: &proto::Tensor, b: &onnx_rs::ast::TensorProto) {
    assert_eq!((a.name.as_str(), &a.stored.dims[..]), (b.name(), b.dims()));
    let constant = placed(source, a);
    if let Some(numbers) = b.as_f32() {
        assert_eq!(constant.to_floats().expect("numbers"), numbers);
    } else if let Some(numbers) = b.as_i64() {
        assert_eq!(constant.to_ints().expect("integers"), numbers);
    } else if let Some(bytes) = b.as_raw() {
        assert_eq!(bytes.len(), constant.len() * constant.stored_bits().expect("a width") / 8);
    }
}

fn placed(source: &Arc<ByteSource>, tensor: &proto::Tensor) -> Constant {
    let shape = tensor.stored.shape().expect("a shape");
    Constant::placed(shape, tensor.stored.place(Arc::clone(source)).expect("its numbers"))
}

/// The constant of a file whose only weight is this tensor.
fn weight(tensor: &[u8]) -> Constant {
    let source = source(bytes(7, bytes(5, tensor)));
    let model = proto::read(&source).expect("a model");
    placed(&source, &model.graph.expect("a graph").initializers[0])
}

#[test]
fn numbers_read_the_same_however_they_are_written() {
    let values = [1.5f32, -2.0, 0.25];
    let dims = writer::packed(1, &[3]);
    let four = |v: f32| v.to_le_bytes();
    let dense: Vec<u8> = values.iter().flat_map(|v| four(*v)).collect();
    let one_by_one: Vec<u8> = values.iter().flat_map(|v| writer::four(4, *v)).collect();
    let halves: Vec<u8> = values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
    let brains: Vec<u8> = values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect();
    let doubles: Vec<u8> = values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
    let half_bits = values.map(|v| i64::from(half::f16::from_f32(v).to_bits()));
    let mixed = [bytes(4, four(1.5)), writer::four(4, -2.0), bytes(4, four(0.25))].concat();
    for (element, content) in [
        (1, bytes(9, &dense)),
        (1, bytes(4, &dense)),
        (1, one_by_one),
        (1, mixed),
        (10, bytes(9, &halves)),
        (10, writer::packed(5, &half_bits)),
        (16, bytes(9, &brains)),
        (11, bytes(9, &doubles)),
        (11, bytes(10, &doubles)),
    ] {
        // Fields in another order than their numbers' are as good.
        let constant = weight(&[content.clone(), number(2, element), dims.clone()].concat());
        assert_eq!(constant.element, Element::Float);
        assert_eq!(constant.to_floats().expect("numbers")[..], values, "type {element}: {content:?}");
    }
    let integers = [3i64, -1, 100];
    let narrow = |width: usize| integers.iter().flat_map(|v| v.to_le_bytes()[..width].to_vec()).collect::<Vec<u8>>();
    for (element, content) in [
        (7, bytes(9, narrow(8))),
        (7, writer::packed(7, &integers)),
        (7, integers.iter().flat_map(|v| number(7, *v)).collect()),
        (6, bytes(9, narrow(4))),
        (6, writer::packed(5, &integers)),
        (5, bytes(9, narrow(2))),
        (3, bytes(9, narrow(1))),
        (3, writer::packed(5, &integers)),
    ] {
        let constant = weight(&[dims.clone(), number(2, element), content].concat());
        assert_eq!(constant.element, Element::Int);
        assert_eq!(constant.to_ints().expect("integers")[..], integers, "type {element}");
    }
    let unsigned = weight(&[dims.clone(), number(2, 2), bytes(9, [3, 255, 100])].concat());
    assert_eq!(unsigned.to_ints().expect("integers")[..], [3, 255, 100]);
    let truths = weight(&[dims, number(2, 9), bytes(9, [1, 0, 2])].concat());
    assert_eq!((truths.element, &truths.to_ints().expect("truths")[..]), (Element::Bool, &[1, 0, 1][..]));
}

#[test]
fn a_weight_has_as_many_numbers_as_its_shape_says() {
    let refusal = |tensor: Vec<u8>| {
        let source = source(bytes(7, bytes(5, tensor)));
        let model = proto::read(&source).expect("a model");
        model.graph.expect("a graph").initializers[0].stored.place(source).expect_err("a refusal").to_string()
    };
    let told = |tensor, part: &str| {
        let refusal = refusal(tensor);
        assert!(refusal.contains(part), "{refusal}");
    };
    told(writer::raw("w", 1, &[3], &[0; 8]), "8 bytes where 3 numbers should be");
    told(writer::raw("w", 1, &[-3], &[0; 12]), "negative");
    told(writer::raw("w", 1, &[1_000_000_000], &[0; 4]), "268 million");
    told(writer::raw("w", 1, &[1 << 40, 1 << 40], &[0; 4]), "268 million");
    told(writer::raw("w", 8, &[1], &[0; 4]), "string");
    told([writer::packed(1, &[9]), number(2, 1), bytes(4, [0; 8])].concat(), "9 numbers");
}

#[test]
fn a_field_that_nobody_knows_is_skipped_and_a_group_refused() {
    let mut file = Graph::new(&[1, 2, 4, 4]).node("Relu", &["x"], "y", &[]).file(17);
    file.extend([number(900, 5), bytes(901, [1, 2, 3]), writer::four(902, 1.0)].concat());
    let model = proto::read(&source(file.clone())).expect("a model");
    assert_eq!(model.graph.expect("a graph").nodes.len(), 1);
    // Wire types 3 and 4 begin and end a group, which protobuf has given up.
    file.extend([900u64 << 3 | 3, 900 << 3 | 4].iter().flat_map(|tag| {
        let mut out = Vec::new();
        writer::varint(*tag, &mut out);
        out
    }));
    assert!(proto::read(&source(file)).is_err());
}

/// A model with one convolution whose kernel lies at `place`.
fn with_outside_weights(folder: &Path, place: &str, offset: i64, length: i64) -> std::path::PathBuf {
    let entry = |key: &str, value: String| bytes(13, [bytes(1, key), bytes(2, value)].concat());
    let kernel = [
        writer::packed(1, &[1, 1, 1, 1]),
        number(2, 1),
        bytes(8, "w"),
        entry("location", place.to_owned()),
        entry("offset", offset.to_string()),
        entry("length", length.to_string()),
        number(14, 1),
    ];
    let mut graph = Graph::new(&[1, 1, 2, 2]).node("Conv", &["x", "w"], "y", &[]);
    graph.weights.push(kernel.concat());
    let path = folder.join("model.onnx");
    std::fs::write(&path, graph.file(17)).expect("a file");
    path
}

#[test]
fn weights_in_another_file_are_read_from_the_models_own_folder_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("model");
    std::fs::create_dir_all(inner.join("weights")).expect("a folder");
    let content: Vec<u8> = [7.0f32, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(inner.join("model.onnx.data"), &content).expect("a file");
    std::fs::write(inner.join("weights/deep.bin"), &content).expect("a file");
    std::fs::write(folder.path().join("outside.bin"), &content).expect("a file");
    for place in ["model.onnx.data", "./model.onnx.data", "weights/deep.bin"] {
        let model = read(&with_outside_weights(&inner, place, 4, 4), &ImportOptions::default()).expect("a model");
        let kernel = model.graph.constant(model.graph.nodes[0].inputs[1]).expect("a kernel");
        assert_eq!(kernel.to_floats().expect("its numbers")[..], [0.5]);
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("outside.bin"), inner.join("link.bin")).expect("a link");
    let outside = folder.path().join("outside.bin").display().to_string();
    for (place, offset, length, part) in [
        ("../outside.bin", 0, 4, "outside its own folder"),
        ("weights/../../outside.bin", 0, 4, "outside its own folder"),
        (outside.as_str(), 0, 4, "outside its own folder"),
        ("/etc/passwd", 0, 4, "outside its own folder"),
        #[cfg(unix)]
        ("link.bin", 0, 4, "outside its own folder"),
        ("", 0, 4, "outside its own folder"),
        ("missing.bin", 0, 4, "not beside it"),
        ("model.onnx.data", 6, 4, "bytes where 1 numbers"),
        ("model.onnx.data", i64::MAX, 4, "bytes where 1 numbers"),
        ("model.onnx.data", 0, 8, "bytes where 1 numbers"),
        ("model.onnx.data", -4, 4, "no number"),
        ("weights", 0, 4, "not a file"),
    ] {
        let path = with_outside_weights(&inner, place, offset, length).to_string_lossy().into_owned();
        let options = gradlens::model::read::ReadOptions::default();
        let error = gradlens::model::read::open(&path, "model", &options, &candle_core::Device::Cpu);
        let error = error.expect_err("a refusal").to_string();
        assert!(error.contains(part) && error.contains("model.onnx"), "{place}: {error}");
    }
}
