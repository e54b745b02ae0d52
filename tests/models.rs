//! Models from files: what the documentation promises, and what the command line makes of them.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use support::{golden, root, values, worst_difference};

/// Runs the program on a model file of the tests.
fn gradlens(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradlens"));
    command.args(args).output().expect("the program")
}

fn data(file: &str) -> String {
    root().join("tests/data/onnx").join(file).to_string_lossy().into_owned()
}

#[test]
fn the_documented_operators_are_those_that_are_read() {
    let page = std::fs::read_to_string(root().join("docs/models.md")).expect("the page");
    let section = page.split("## Operators").nth(1).and_then(|s| s.split("\n## ").next()).expect("its section");
    let listed: BTreeSet<&str> = section.split('`').skip(1).step_by(2).collect();
    let known: BTreeSet<&str> = gradlens::model::read::onnx::operators().collect();
    assert!(known.len() > 80, "{}", known.len());
    assert_eq!(listed, known, "docs/models.md lists other operators than the reader knows");
}

#[test]
fn a_file_that_is_no_model_is_refused_in_a_sentence() {
    let photo = golden("dog_224.png").to_string_lossy().into_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("wrong.onnx");
    std::fs::copy(&photo, &wrong).expect("a copy");
    let missing = folder.path().join("missing.onnx");
    for file in [&wrong, &missing] {
        let file = file.to_string_lossy().into_owned();
        let done = gradlens(&["classify", &photo, "--model", &file]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(4), "{said}");
        assert!(said.starts_with("gradlens: cannot use the model") && said.trim().lines().count() == 1, "{said}");
    }
    let done = gradlens(&["classify", &photo, "--model", "tf_efficientnet_lite0", "--mean", "0,0,0"]);
    assert_eq!(done.status.code(), Some(2), "{}", String::from_utf8_lossy(&done.stderr));
}

/// What ONNX Runtime makes of x[i] = sin(i), in the order in which the file wants the numbers.
#[test]
fn networks_from_files_compute_what_onnx_runtime_does() {
    use candle_core::{Device, Tensor};
    use gradlens::model::read::onnx;
    use gradlens::model::{Labels, Output, Scores};
    let text = std::fs::read_to_string(data("expected.json")).expect("the references");
    let expected: BTreeMap<String, Vec<f32>> = serde_json::from_str(&text).expect("numbers by file");
    assert!(expected.len() >= 8, "{:?}", expected.keys());
    for (name, expected) in expected {
        // Some files leave the size open, and some of another size take no other.
        let fixed = ["keras.onnx", "light_bvlc_alexnet.onnx", "light_squeezenet.onnx"].contains(&name.as_str());
        let size = Some([16, 16]).filter(|_| !fixed);
        let path = data(&name);
        let file = onnx::read(Path::new(&path), &onnx::ImportOptions { size, ..onnx::ImportOptions::default() })
            .expect(&name);
        let classes = file.classes().expect(&name);
        let graph = onnx::network(&file, Some(file.scores), &Device::Cpu).expect(&name);
        let count: usize = file.input.file_shape.iter().product();
        let x: Vec<f32> = (0..count).map(|i| (i as f64).sin() as f32).collect();
        let x = Tensor::from_vec(x, file.input.file_shape.as_slice(), &Device::Cpu).expect("an input");
        let [h, w] = file.input.size;
        let x = if file.input.channels_last { x.permute((0, 3, 1, 2)).expect("a permutation") } else { x };
        let x = x.contiguous().and_then(|x| x.reshape((1, file.input.channels, h, w))).expect("maps");
        let logits = values(&graph.logits(&x).expect(&name));
        assert_eq!(logits.len(), if file.scores == Scores::Binary { 2 } else { classes }, "{name}");
        let found = Output { scores: file.scores, labels: Labels::indices(classes) }.probabilities(&logits);
        assert!(found.len() >= expected.len(), "{name}");
        // A file of bytes rounds its numbers, which here stay as they are; one of halves rounds less.
        let tolerance = if name.contains("int8") {
            0.02
        } else if name.contains("half") {
            2e-3
        } else {
            1e-5
        };
        let worst = worst_difference(&found[..expected.len()], &expected);
        assert!(worst < tolerance, "{name}: {worst}");
    }
}

#[test]
fn the_page_lists_every_architecture() {
    use gradlens::model::architectures;
    let page = std::fs::read_to_string(root().join("docs/models.md")).expect("the page");
    let (_, part) = page.split_once("transformers their own.").expect("the list's beginning");
    let (part, _) = part.split_once("A checkpoint of none of them").expect("the list's end");
    let listed: Vec<&str> = part.split('`').skip(1).step_by(2).collect();
    let names = |a: &'static architectures::Architecture| std::iter::once(&a.name).chain(&a.aliases);
    let of = |library: &str| {
        let mut names: Vec<&str> = architectures::all()
            .iter()
            .filter(|a| a.library == library)
            .flat_map(names)
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names
    };
    let known: Vec<&str> = of("timm").into_iter().chain(of("torchvision")).collect();
    assert_eq!(listed, known, "docs/models.md lists other architectures than there are");
}

fn json(args: &[&str]) -> serde_json::Value {
    let done = gradlens(args);
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("JSON")
}

#[test]
fn several_models_are_compared_on_several_photos() {
    let photos = ["dog_224.png", "hen_224.png"].map(|photo| golden(photo).to_string_lossy().into_owned());
    let [first, second] = ["cnn_ts17.onnx", "vit_ts17.onnx"].map(data);
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_string_lossy().into_owned();
    let both = ["--model", &first, "--model", &second, "--threads", "2"];
    let run = [&["run", "gradcam", &photos[0], &photos[1], "--out", &out, "--json"], &both[..]].concat();
    let said = json(&run);
    assert_eq!(said["runs"].as_array().map(Vec::len), Some(4));
    let found: Vec<_> = said["across"]["photos"].as_array().expect("photos").clone();
    let alike: Vec<f64> = found.iter().map(|p| p["rank_correlation"].as_f64().expect("a figure")).collect();
    assert!(alike[0] <= alike[1] && alike.iter().all(|r| (-1.0..=1.0).contains(r)), "{alike:?}");
    for photo in ["dog_224", "hen_224"] {
        let folder = folder.path().join(photo);
        assert!(folder.join("models.png").is_file());
        assert!(["cnn_ts17", "vit_ts17"].iter().all(|model| folder.join(model).join("map.npy").is_file()));
    }
    assert!(folder.path().join("models.json").is_file());
    let places: Vec<&str> = found
        .iter()
        .flat_map(|p| p["answers"].as_array().expect("answers"))
        .filter_map(|a| a["folder"].as_str())
        .collect();
    assert!(places.contains(&"dog_224/vit_ts17") && places.len() == 4, "{places:?}");
    let attacks = folder.path().join("attacks").to_string_lossy().into_owned();
    let attack = ["run", "fgsm", &photos[0], &photos[1], "--out", &attacks, "--json"];
    json(&[&attack[..], &both[..]].concat());
    let summary = std::fs::read_to_string(Path::new(&attacks).join("summary.json")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    for model in ["cnn_ts17", "vit_ts17"] {
        assert_eq!(summary[model]["photos"], 2, "{summary}");
    }

    let classified = |models: &[&str]| -> Vec<Option<f64>> {
        let classified = json(&[&["classify", &photos[0], &photos[1], "--json"], models].concat());
        classified.as_array().expect("photos").iter().map(|p| p["difference"].as_f64()).collect()
    };
    assert_eq!(classified(&both), [None, None], "they have no class in common");
    // One that cannot be used does not silence the other.
    let bad = folder.path().join("bad.onnx");
    std::fs::write(&bad, b"no network").expect("a file");
    let bad = bad.to_string_lossy();
    let done = gradlens(&["classify", &photos[0], "--json", "--model", &first, "--model", &bad]);
    let list: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((done.status.code(), list[0]["models"].as_array().map(Vec::len)), (Some(4), Some(2)), "{list}");
    assert!(list[0]["models"][0]["top"].is_array() && list[0]["models"][1]["error"].is_string(), "{list}");
    let half = data("cnn_half.onnx");
    let differences = classified(&["--model", &first, "--model", &half]);
    assert!(differences[0].is_some() && differences[0] >= differences[1], "{differences:?}");

    let measured = ["score", &photos[0], "--technique", "gradcam", "--metric", "sparseness", "--json"];
    let scored = json(&[&measured[..], &both[..]].concat());
    let models: Vec<&str> =
        scored["images"].as_array().expect("a list").iter().filter_map(|s| s["model"].as_str()).collect();
    assert_eq!(models, ["cnn_ts17", "vit_ts17"]);

    let once = gradlens(&["layers", "--model", &first, "--model", &second]);
    let told = String::from_utf8_lossy(&once.stderr).into_owned();
    assert!(once.status.code() == Some(2) && told.contains("one model is enough"), "{told}");
}

#[test]
fn a_model_is_shown_and_checked() {
    for file in ["cnn_dynamo18.onnx", "vit_dynamo20.onnx"].map(data) {
        let shown = json(&["models", "show", &file, "--json"]);
        let layers = shown["layers"].as_array().expect("layers");
        assert!(layers.len() > 10 && shown["parameters"].as_u64() > Some(100), "{shown}");
        assert!(shown["model"]["provenance"]["assumed"].as_array().is_some_and(|list| !list.is_empty()));
        let checked = gradlens(&["models", "check", &file]);
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// The program with a data folder of its own.
fn with_data(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradlens"));
    command.args(args).env("XDG_DATA_HOME", folder).output().expect("the program")
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn a_damaged_list_removes_no_folder_but_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (own, precious) = (folder.path().join("gradlens"), folder.path().join("precious"));
    std::fs::create_dir_all(own.join("models")).and_then(|()| std::fs::create_dir(&precious)).expect("folders");
    for name in [precious.to_string_lossy().as_ref(), "../../precious"] {
        let list = serde_json::json!([{ "name": name, "place": "x.onnx", "reading": {} }]).to_string();
        std::fs::write(own.join("models.json"), list).expect("a list");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradlens"));
        let done = command.args(["models", "remove", name]).env("XDG_DATA_HOME", folder.path()).output();
        assert!(done.expect("the program").status.success() && precious.is_dir(), "{name}");
    }
}

#[test]
fn a_photo_is_not_blown_up_to_see_a_speck_of_it() {
    let model = data("cnn_ts17.onnx");
    for share in ["1e-9", "0.001", "0", "nan", "1.5"] {
        let done = gradlens(&["models", "show", &model, "--crop-pct", share]);
        assert!(done.status.code() == Some(2) && said(&done).lines().count() == 1, "{share}: {}", said(&done));
    }
}

#[test]
fn names_that_were_given_are_never_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let add = |name: &str, more: &[&str]| {
        let place = data("vit_ts17.onnx");
        with_data(folder.path(), &[&["models", "add", name, &place], more].concat())
    };
    let names: Vec<String> = (0..6).map(|n| format!("bird-{n}")).collect();
    std::thread::scope(|scope| {
        names.iter().for_each(|name| drop(scope.spawn(|| assert!(add(name, &[]).status.success()))));
    });
    let listed = |folder: &Path| String::from_utf8(with_data(folder, &["models"]).stdout).expect("text");
    let all = listed(folder.path());
    assert!(names.iter().all(|name| all.contains(name)), "{all}");
    let long = add(&"x".repeat(300), &[]);
    assert!(long.status.code() == Some(2), "{}", said(&long));

    // A list that cannot be read is left alone.
    let list = folder.path().join("gradlens/models.json");
    let damaged = std::fs::read_to_string(&list).expect("the list") + ",";
    std::fs::write(&list, &damaged).expect("a list");
    for args in [&["models"][..], &["models", "show", "bird-1"], &["models", "remove", "bird-1"]] {
        let done = with_data(folder.path(), args);
        assert!(done.status.code() == Some(4) && said(&done).contains("models.json"), "{args:?}: {}", said(&done));
    }
    assert_eq!(add("another", &[]).status.code(), Some(4));
    assert_eq!(std::fs::read_to_string(&list).expect("the list"), damaged);
}

#[test]
fn a_copy_takes_the_place_of_another_only_when_it_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let add = |place: &str, more: &[&str]| {
        with_data(folder.path(), &[&["models", "add", "mine", place, "--replace"], more].concat())
    };
    let copies = folder.path().join("gradlens/models");
    // What a program has left that was killed.
    std::fs::create_dir_all(copies.join(".new-1")).expect("a folder");
    let copy = folder.path().join("gradlens/models/mine/vit_ts17.onnx");
    let whole = std::fs::read(data("vit_ts17.onnx")).expect("a file");
    assert!(add(&data("vit_ts17.onnx"), &["--copy"]).status.success());
    // A copy of the copy, in a folder of its own: at no time does the list name what is not there.
    let again = add(&copy.to_string_lossy(), &["--copy"]);
    assert!(again.status.success() && !copy.exists(), "{}", said(&again));
    let copy = folder.path().join("gradlens/models/mine.2/vit_ts17.onnx");
    assert!(add(&copy.to_string_lossy(), &[]).status.success());
    assert!(std::fs::read(&copy).expect("the copy") == whole);
    let cut = folder.path().join("cut.onnx");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("a file");
    let refused = add(&cut.to_string_lossy(), &["--copy"]);
    assert!(refused.status.code() == Some(4), "{}", said(&refused));
    assert!(std::fs::read(&copy).expect("the copy") == whole);
    let left: Vec<_> =
        std::fs::read_dir(copy.parent().and_then(Path::parent).expect("a folder")).expect("it").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    // What others mean stays for as long as they mean it.
    let other = with_data(folder.path(), &["models", "add", "other", &copy.to_string_lossy()]);
    assert!(other.status.success(), "{}", said(&other));
    assert!(add(&data("cnn_ts17.onnx"), &[]).status.success() && copy.exists());
    assert!(with_data(folder.path(), &["models", "remove", "other"]).status.success() && !copy.exists());
    let copy = copies.join("mine/vit_ts17.onnx");
    assert!(add(&data("vit_ts17.onnx"), &["--copy"]).status.success() && copy.exists());
    // Another model under that name without a copy: the copy is not needed any more.
    assert!(add(&data("cnn_ts17.onnx"), &[]).status.success() && !copy.exists());
}

#[test]
fn a_name_is_taken_again_only_on_purpose() {
    let folder = tempfile::tempdir().expect("a folder");
    let add = |place: &str, more: &[&str]| {
        with_data(folder.path(), &[&["models", "add", "mine", &data(place)], more].concat())
    };
    let first = add("cnn_ts17.onnx", &[]);
    let text = String::from_utf8(first.stdout).expect("text");
    assert!(text.contains("assumed: ") && text.contains("(--mean)"), "{text}");
    let second = add("vit_ts17.onnx", &[]);
    assert!(second.status.code() == Some(2) && said(&second).contains("--replace"), "{}", said(&second));
    assert!(add("vit_ts17.onnx", &["--replace"]).status.success());
    // What does not fit is known when it is added, and not when it is used.
    let wrong = with_data(folder.path(), &["models", "add", "wrong", &data("cnn_ts17.onnx"), "--mean", "0,0"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    let listed = String::from_utf8(with_data(folder.path(), &["models"]).stdout).expect("text");
    assert!(listed.contains("vit_ts17.onnx") && !listed.contains("wrong"), "{listed}");
    // Labels are copied with the model.
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, "bird 0\nbird 1\nbird 2\nbird 3\nbird 4\n").expect("labels");
    let copied = add("cnn_ts17.onnx", &["--replace", "--copy", "--labels", &labels.to_string_lossy()]);
    assert!(copied.status.success(), "{}", said(&copied));
    std::fs::remove_file(&labels).expect("gone");
    // Others may use them, and the name itself may.
    let own = folder.path().join("gradlens/models/mine/labels-labels.txt");
    let place = data("cnn_ts17.onnx");
    let other = with_data(folder.path(), &["models", "add", "other", &place, "--labels", &own.to_string_lossy()]);
    assert!(other.status.success(), "{}", said(&other));
    assert!(add("cnn_ts17.onnx", &["--replace", "--labels", &own.to_string_lossy()]).status.success());
    assert!(with_data(folder.path(), &["models", "remove", "other"]).status.success() && own.exists());
    // A pipe has no end, and is none the worse for a copy.
    let pipe = folder.path().join("pipe.onnx");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let piped = with_data(folder.path(), &["models", "add", "pipe", &pipe.to_string_lossy(), "--copy"]);
    assert!(piped.status.code() == Some(4) && said(&piped).contains("not a file"), "{}", said(&piped));
    let shown = String::from_utf8(with_data(folder.path(), &["models", "show", "mine"]).stdout).expect("text");
    assert!(shown.contains("bird 0, bird 1"), "{shown}");
}

#[test]
fn means_are_in_the_units_of_the_range() {
    let shown = |options: &[&str]| {
        let done = gradlens(&[&["models", "show", &data("cnn_ts17.onnx"), "--json"], options].concat());
        let value: Option<serde_json::Value> = serde_json::from_slice(&done.stdout).ok();
        value.map(|v| v["model"]["input"].clone()).ok_or_else(|| (done.status.code(), said(&done)))
    };
    let whole = shown(&["--range", "255", "--mean", "123.5,116,104", "--std", "1"]).expect("an input");
    assert_eq!((&whole["mean"], &whole["std"]), (&[123.5, 116.0, 104.0].into(), &[1.0; 3].into()));
    assert_eq!(&shown(&["--mean", "0.5"]).expect("an input")["mean"], &serde_json::Value::from(vec![0.5; 3]));
    for wrong in [&["--mean", "123,117,104"][..], &["--range", "255", "--mean", "0.4,0.4,0.4"], &["--std", "0.1,0.1"]]
    {
        let (code, text) = shown(wrong).expect_err("a refusal");
        assert!(code == Some(2) && text.contains(wrong[wrong.len() - 1]), "{wrong:?}: {text}");
    }
}

#[test]
fn arrays_are_checked_before_they_are_read() {
    use candle_core::{Device, Tensor};
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let header = |shape: &str| {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend(format!("{text:<117}\n").as_bytes());
        bytes
    };
    let model = data("vit_ts17.onnx");
    for shape in ["(1, 3, 99999999999, 99999999999)", "(1, 3, 100000, 1000000)", "(-1,)", "no"] {
        std::fs::write(at("claims.npy"), header(shape)).expect("a file");
        let done = gradlens(&["models", "check", &model, "--input", &at("claims.npy")]);
        assert!(done.status.code() == Some(2) && said(&done).lines().count() == 1, "{shape}: {}", said(&done));
    }
    let done = gradlens(&["models", "check", &model, "--input", &at("")]);
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));

    // Its one score is a probability in the file, behind a sigmoid.
    let x: Vec<f32> = (0..768).map(|i| f64::from(i).sin() as f32).collect();
    let x = Tensor::from_vec(x, (1, 3, 16, 16), &Device::Cpu).expect("an input");
    x.write_npy(at("x.npy")).expect("a file");
    let text = std::fs::read_to_string(data("expected.json")).expect("the references");
    let expected: BTreeMap<String, Vec<f32>> = serde_json::from_str(&text).expect("numbers by file");
    let p = expected["vit_ts17.onnx"][0];
    for (expected, agrees) in [(p, true), ((p / (1.0 - p)).ln(), true), (1.0 - p, false)] {
        Tensor::new(&[expected], &Device::Cpu).and_then(|y| y.write_npy(at("y.npy"))).expect("a file");
        let done = gradlens(&["models", "check", &model, "--input", &at("x.npy"), "--expect", &at("y.npy")]);
        assert_eq!(done.status.success(), agrees, "{expected}: {}", said(&done));
    }
}
