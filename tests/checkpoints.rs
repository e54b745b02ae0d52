//! Checkpoints: every container, and every architecture beside PyTorch's figures.

use candle_core::{Device, Tensor};
use flate2::read::GzDecoder;
use gradlens::graph::LayerName;
use gradlens::kernels::ReluRule;
use gradlens::model::read::checkpoint::{self, Checkpoint};
use gradlens::model::read::onnx;
use gradlens::model::read::onnx::source::ByteSource;
use gradlens::model::read::onnx::stored::Stored;
use gradlens::model::read::{self, ReadOptions};
use gradlens::model::{Model, Scores, architectures, formula};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints").join(name)
}

/// Unpacks a fixture into a folder.
fn unpacked(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let mut bytes = Vec::new();
    let packed = File::open(data(&format!("{name}.gz"))).expect(name);
    GzDecoder::new(packed).read_to_end(&mut bytes).expect(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

fn opened(path: &Path) -> Result<Model, gradlens::Error> {
    let options = ReadOptions { input_size: Some([64, 64]), ..ReadOptions::default() };
    read::open(&path.to_string_lossy(), "net", &options, &Device::Cpu)
}

fn logits(model: &Model) -> Vec<f32> {
    let x: Vec<f32> = (0..3 * 64 * 64).map(|i: i32| f64::from(i).sin() as f32).collect();
    let x = Tensor::from_vec(x, (1, 3, 64, 64), &Device::Cpu).expect("an input");
    model.graph.logits(&x).and_then(|z| Ok(z.flatten_all()?.to_vec1()?)).expect("logits")
}

/// The largest difference, as a share of the largest expected number; infinite if anything is no number.
fn gap(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let off = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs());
    off.fold(0.0, |most: f64, v| if v.is_nan() { f64::INFINITY } else { most.max(v) }) / largest
}

#[test]
fn every_container_holds_the_same_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(data("expected.json")).expect("the reference");
    let expected: Vec<f64> = serde_json::from_str(&text).expect("numbers");
    let names = [
        ("plain.pth", "pytorch"),
        ("legacy.pth", "pytorch"),
        ("protocol4.pth", "pytorch"),
        ("channels_last.pth", "pytorch"),
        ("parallel.pth.tar", "pytorch"),
        ("averaged.pth.tar", "pytorch"),
        ("lightning.ckpt", "pytorch"),
        ("compiled.pt", "pytorch"),
        ("module.pth", "pytorch"),
        ("half.pth", "pytorch"),
        ("model.safetensors", "safetensors"),
        ("arrays.npz", "npz"),
    ];
    for (name, format) in names {
        let model = opened(&unpacked(folder.path(), name)).expect(name);
        let allowed = if name == "half.pth" { 5e-3 } else { 1e-5 };
        let off = gap(&logits(&model), &expected);
        assert!(off <= allowed, "{name}: {off}");
        let from = &model.info.provenance;
        assert_eq!((from.format.as_str(), from.architecture.as_deref()), (format, Some("squeezenet1_1")), "{name}");
        assert_eq!(model.info.output.as_ref().map(gradlens::model::Output::count), Some(10), "{name}");
        let averaged = from.assumed.iter().any(|a| a.what.contains("averaged weights in state_dict_ema"));
        assert_eq!(averaged, name.starts_with("averaged"), "{name}: {:?}", from.assumed);
    }
}

#[test]
fn programs_are_refused_with_what_exports_them() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, hint) in [("scripted.pt", "torch.jit.load(\"scripted.pt\")"), ("exported.pt2", "torch.export.load")] {
        let refused = opened(&unpacked(folder.path(), name)).expect_err(name).to_string();
        assert!(refused.contains(hint) && refused.contains("torch.onnx.export"), "{refused}");
    }
}

#[test]
fn what_fits_no_architecture_is_refused_with_the_closest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = unpacked(folder.path(), "model.safetensors");
    let mut bytes = std::fs::read(&path).expect("the file");
    let at = bytes.windows(15).position(|text| text == b"features.3.sque").expect("a tensor's name");
    bytes[at] = b'F';
    std::fs::write(&path, &bytes).expect("a file");
    let refused = opened(&path).expect_err("another network").to_string();
    assert!(refused.contains("closest is squeezenet1_1") && refused.contains("\"features.3.squeeze"), "{refused}");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
    let refused = opened(&path).expect_err("half a file").to_string();
    assert!(refused.contains("not a whole safetensors file"), "{refused}");
    let options = ReadOptions { arch: Some("squeezenet1_2".to_owned()), ..ReadOptions::default() };
    let path = unpacked(folder.path(), "plain.pth");
    let refused =
        read::open(&path.to_string_lossy(), "net", &options, &Device::Cpu).expect_err("no such architecture");
    assert!(refused.to_string().contains("did you mean \"squeezenet1_0\" or \"squeezenet1_1\""), "{refused}");
    let options = ReadOptions { arch: Some("resnet18".to_owned()), ..ReadOptions::default() };
    let refused = read::open(&path.to_string_lossy(), "net", &options, &Device::Cpu).expect_err("another one");
    assert!(refused.to_string().contains("those of squeezenet1_1; leave --arch out"), "{refused}");
}

#[test]
fn what_is_near_no_architecture_is_not_said_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.safetensors");
    let header = r#"{"mine.0.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16]].concat();
    std::fs::write(&path, bytes).expect("a file");
    let refused = opened(&path).expect_err("no network").to_string();
    assert!(refused.contains("mine.0.weight") && refused.contains("torch.onnx.export"), "{refused}");
    assert!(!refused.contains("closest"), "{refused}");
}

#[test]
fn a_head_behind_a_dropout_is_the_head() {
    let known = |name: &str| architectures::all().iter().find(|a| a.name == name).expect("an architecture");
    let read = |checkpoint: &Checkpoint| checkpoint::network(checkpoint, None, &onnx::ImportOptions::default());
    // As `model.fc = Sequential(Dropout(), Linear(…))`, `model.classifier = Linear(…)` and a sequence in a sequence leave it.
    for (name, from, to) in [
        ("resnet18", "fc.", "fc.1."),
        ("mobilenetv3_small_050", "classifier.", "classifier.1."),
        ("mobilenet_v2", "classifier.1.", "classifier."),
        ("mobilenet_v2", "classifier.1.", "classifier.1.2."),
    ] {
        let mut checkpoint = of_formula(known(name));
        let head: Vec<String> = checkpoint.tensors.keys().filter(|name| name.starts_with(from)).cloned().collect();
        assert_eq!(head.len(), 2, "{head:?}");
        for tensor in head {
            let stored = checkpoint.tensors.remove(&tensor).expect("a tensor");
            checkpoint.tensors.insert(tensor.replace(from, to), stored);
        }
        let network = read(&checkpoint).unwrap_or_else(|refusal| panic!("{name} with {to}: {refusal}"));
        assert_eq!(network.architecture.name, name);
        let said = network.imported.assumptions.iter().any(|a| a.what.contains("is a linear layer alone"));
        assert!(said, "{:?}", network.imported.assumptions);
    }
    // Two layers in its place are another network.
    let mut checkpoint = of_formula(known("resnet18"));
    for leaf in ["weight", "bias"] {
        let stored = checkpoint.tensors.remove(&format!("fc.{leaf}")).expect("a tensor");
        checkpoint.tensors.insert(format!("fc.0.{leaf}"), stored.clone());
        checkpoint.tensors.insert(format!("fc.2.{leaf}"), stored);
    }
    let refused = read(&checkpoint).expect_err("another network").to_string();
    assert!(refused.contains("closest is resnet18") && refused.contains("\"fc.weight\" is not there"), "{refused}");
}

#[test]
fn a_transformer_for_larger_pictures_is_told_as_that() {
    let vit = architectures::all().iter().find(|a| a.name == "vit_tiny_patch16_224").expect("an architecture");
    let mut checkpoint = of_formula(vit);
    let position = checkpoint.tensors.get_mut("pos_embed").expect("a tensor");
    let bytes = Arc::new(ByteSource::Memory(vec![0; 577 * 192 * 4]));
    *position = Stored::supplied(vec![1, 577, 192], 1, bytes, 0, 577 * 192 * 4);
    let refused = checkpoint::network(&checkpoint, None, &onnx::ImportOptions::default())
        .expect_err("another size")
        .to_string();
    assert!(refused.contains("pictures of another size") && refused.contains("1, 3, HEIGHT, WIDTH"), "{refused}");
}

#[test]
fn files_of_other_programs_are_told_as_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |name: &str| opened(&folder.path().join(name)).expect_err(name).to_string();
    std::fs::write(folder.path().join("model.h5"), b"\x89HDF\r\n\x1a\n\0\0").expect("a file");
    assert!(refused("model.h5").contains("a Keras file"), "{}", refused("model.h5"));
    std::fs::create_dir(folder.path().join("saved")).expect("a folder");
    std::fs::write(folder.path().join("saved/saved_model.pb"), b"").expect("a file");
    assert!(refused("saved").contains("--saved-model"), "{}", refused("saved"));
}

#[test]
fn a_folder_with_several_files_says_which_it_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["b.onnx", "a.onnx"] {
        std::fs::copy("tests/data/onnx/cnn_ts17.onnx", folder.path().join(name)).expect("a copy");
    }
    let assumed = |folder: &Path| {
        let folder = folder.to_string_lossy();
        let model = read::open(&folder, "net", &ReadOptions::default(), &Device::Cpu).expect("a model");
        model.info.provenance.assumptions().unwrap_or_default()
    };
    assert!(assumed(folder.path()).contains("of the folder's 2 files of weights a.onnx is meant (--model"));
    std::fs::rename(folder.path().join("b.onnx"), folder.path().join("model.onnx")).expect("a preferred name");
    assert!(!assumed(folder.path()).contains("is meant"));
    for part in ["00001", "00002"] {
        let shard = folder.path().join(format!("parts/model-{part}-of-00002.safetensors"));
        std::fs::create_dir_all(shard.parent().expect("a folder")).expect("a folder");
        std::fs::write(shard, b"").expect("a file");
    }
    let refused = opened(&folder.path().join("parts")).expect_err("parts").to_string();
    assert!(refused.contains("in 2 shards"), "{refused}");
}

#[test]
fn a_damaged_weight_is_told_as_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = unpacked(folder.path(), "plain.pth");
    let mut bytes = std::fs::read(&path).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&path, &bytes).expect("a file");
    let refused = opened(&path).expect_err("a damaged file").to_string();
    assert!(refused.contains("weights of its node") && refused.contains("copy or save the file again"), "{refused}");
    assert!(!refused.contains("--output"), "{refused}");
}

#[test]
fn a_folder_says_what_its_weights_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    unpacked(folder.path(), "model.safetensors");
    let config = r#"{
        // as people leave it
        "architecture": "squeezenet1_1", "label_names": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"],
        "label_descriptions": {"b": "bee"},
        "pretrained_cfg": {"input_size": [3, 64, 64], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2], "crop_pct": 0.9,
                           "interpolation": "bilinear"}
    }"#;
    std::fs::write(folder.path().join("config.json"), config).expect("a file");
    let place = folder.path().to_string_lossy().into_owned();
    let model = read::open(&place, "net", &ReadOptions::default(), &Device::Cpu).expect("a model");
    let input = model.input();
    assert_eq!((input.size, input.mean.as_slice()), ([64, 64], &[0.5, 0.4, 0.3][..]));
    assert!((input.resize.crop_share - 0.9).abs() < 1e-6);
    assert_eq!((model.info.label(0), model.info.label(1)), ("a".to_owned(), "bee".to_owned()));
    let assumed: Vec<&str> = model.info.provenance.assumed.iter().map(|a| a.option.as_str()).collect();
    assert!(!assumed.contains(&"--mean") && !assumed.contains(&"--labels"), "{assumed:?}");
}

/// A checkpoint of a formula's numbers.
fn of_formula(architecture: &architectures::Architecture) -> Checkpoint {
    let tables = TABLES.get_or_init(architectures::tables);
    let stored = architecture.tensors(tables).into_iter().enumerate().map(|(k, (name, shape))| {
        let values = formula::of_checkpoint(name, k, &shape, architecture.figures.gain);
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        let (dims, length) = (shape.iter().map(|extent| *extent as i64).collect(), bytes.len() as u64);
        (name.to_owned(), Stored::supplied(dims, 1, Arc::new(ByteSource::Memory(bytes)), 0, length))
    });
    Checkpoint { tensors: stored.collect(), architecture: None }
}

/// The first logits, and the length of logit 3's gradient at the picture.
fn figures(architecture: &'static architectures::Architecture) -> (Vec<f32>, f64) {
    let [h, w] = architecture.figures.size;
    let options = onnx::ImportOptions { size: Some([h, w]), ..onnx::ImportOptions::default() };
    let checkpoint = of_formula(architecture);
    let network = checkpoint::network(&checkpoint, Some(&architecture.name), &options).expect(&architecture.name);
    let graph = onnx::network(&network.imported, Some(Scores::Softmax), &Device::Cpu).expect(&architecture.name);
    let number = |i: usize| (2.0 * formula::uniform(i % formula::PERIOD, 100_000) - 1.0) as f32;
    let x: Vec<f32> = (0..3 * h * w).map(number).collect();
    let x = Tensor::from_vec(x, (1, 3, h, w), &Device::Cpu).expect("an input");
    let output: LayerName = LayerName::LOGITS.into();
    let pass = graph.forward(&x, std::slice::from_ref(&output)).expect(&architecture.name);
    let logits = pass.logits().and_then(|z| Ok(z.flatten_all()?.to_vec1::<f32>()?)).expect("logits");
    let seed: Vec<f32> = (0..logits.len()).map(|class| f32::from(u8::from(class == 3))).collect();
    let seed = Tensor::from_vec(seed, (1, logits.len(), 1, 1), &Device::Cpu).expect("a seed");
    let gradients = graph.backward(&pass, &[(output, seed)], &[LayerName::INPUT.into()], ReluRule::Standard);
    let gradients = gradients.expect(&architecture.name);
    let gradient = gradients.input().and_then(|g| Ok(g.flatten_all()?.to_vec1::<f32>()?)).expect("a gradient");
    let length = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    (logits[..architecture.figures.logits.len()].to_vec(), length)
}

/// Holds architectures to PyTorch's float64 figures; says how many of them there are.
fn held(wanted: impl Fn(&architectures::Architecture) -> bool) -> usize {
    let (mut all, mut wrong) = (0, vec![]);
    for architecture in architectures::all().iter().filter(|a| wanted(a)) {
        let expected = &architecture.figures;
        let (logits, gradient) = figures(architecture);
        let (logits, slope) =
            (gap(&logits, &expected.logits), (gradient - expected.gradient).abs() / expected.gradient);
        println!("{:<34} logits {logits:.1e} gradient {slope:.1e}", architecture.name);
        all += 1;
        if !(logits <= 1e-3 && slope <= 1e-2) {
            wrong.push(format!("{} {logits:.1e} {slope:.1e}", architecture.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    all
}

static TABLES: std::sync::OnceLock<architectures::Tables> = std::sync::OnceLock::new();

/// Numbers that an architecture has learned, in millions.
fn millions(architecture: &architectures::Architecture) -> f64 {
    let tables = TABLES.get_or_init(architectures::tables);
    let count: usize =
        architecture.tensors(tables).into_iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    count as f64 / 1e6
}

#[test]
fn small_architectures_compute_what_pytorch_does() {
    assert!(architectures::all().len() >= 250);
    assert!(held(|a| millions(a) <= 6.0) >= 50);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test checkpoints -- --ignored --nocapture"]
fn every_architecture_computes_what_pytorch_does() {
    assert_eq!(held(|_| true), architectures::all().len());
}
