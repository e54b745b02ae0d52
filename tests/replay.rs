//! Runs made again from their manifests, attacks on folders, and what is refused beforehand.

mod support;

use serde_json::Value;
use support::golden;
use support::program::{fails, gradlens, json, npy};

#[test]
fn a_run_is_made_again_bit_for_bit_from_its_manifest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let same = |a: &str, b: &str, file: &str| {
        let read = |name: &str| std::fs::read(folder.path().join(name).join(file)).expect("a file");
        read(a) == read(b)
    };
    let photo = "samples/photos/german_shepherd.jpg";
    let style = ["--style", "samples/paintings/great_wave.jpg", "--set", "size=128", "--set", "steps=6"];
    json(&[&["run", "style-transfer", photo][..], &style, &["--record", "--json", "--out", &path("a")]].concat());
    assert!(std::fs::read(folder.path().join("a/recording.gif")).expect("an animation").starts_with(b"GIF89a"));
    json(&["run", "--from", &path("a/run.json"), "--json", "--out", &path("b")]);
    assert!(same("a", "b", "result.png") && same("a", "b", "series.csv"));
    // What a person changed on the way, and where they stopped, is in the manifest.
    let class = ["run", "class-visualization", "--class", "130", "--set", "steps=8", "--seed", "5", "--json"];
    let plain = json(&[&class[..], &["--out", &path("plain")]].concat());
    let mut steered = plain;
    steered["changes"] = serde_json::json!([
        { "step": 2, "name": "step_size", "value": 0.2 }, { "step": 4, "name": "class", "value": 292 },
    ]);
    steered["steps"] = 6.into();
    std::fs::write(folder.path().join("steered.json"), steered.to_string()).expect("written");
    let first = json(&["run", "--from", &path("steered.json"), "--json", "--out", &path("c")]);
    assert_eq!((&first["steps"], &first["changes"]), (&6.into(), &steered["changes"]));
    assert_eq!(first["class"]["index"], 292);
    json(&["run", "--from", &path("c/run.json"), "--json", "--out", &path("d")]);
    assert!(same("c", "d", "result.png") && same("c", "d", "series.csv"));
    assert!(!same("c", "plain", "result.png"));
}

#[test]
fn a_manifest_that_cannot_be_followed_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::copy(golden("dog_224.png"), path("dog.png")).expect("copied");
    json(&["run", "fgsm", &path("dog.png"), "--json", "--out", &path("a")]);
    let again = ["run", "--from", &path("a/run.json"), "--json"];
    json(&again);
    std::fs::rename(path("dog.png"), path("a/dog.png")).expect("moved beside the manifest");
    json(&again);
    std::fs::copy(golden("hen_224.png"), path("a/dog.png")).expect("another picture");
    fails(&again, 3, &["dog.png", "checksum"]);
    std::fs::remove_file(path("a/dog.png")).expect("removed");
    fails(&again, 3, &["dog.png", "beside", "IMAGE"]);
    std::fs::create_dir(path("photos")).expect("a folder");
    std::fs::copy(golden("dog_224.png"), path("photos/dog.png")).expect("moved elsewhere");
    for place in ["photos", "photos/dog.png"] {
        json(&[&again[..], &[&path(place)]].concat());
    }
    std::fs::rename(path("photos/dog.png"), path("photos/renamed.png")).expect("renamed");
    json(&[&again[..], &[&path("photos")]].concat());
    std::fs::rename(path("photos/renamed.png"), path("photos/dog.png")).expect("renamed");
    json(&["run", "--from", &path("a"), &path("photos"), "--json"]);
    fails(&["run", "--from", "/dev/zero", "--json"], 2, &["run.json of a run"]);
    fails(&[&again[..], &["/dev/zero"]].concat(), 3, &["dog.png"]);
    fails(&["run", "fgsm", "/dev/zero", "--json"], 3, &["a device"]);
    let other = golden("hen_224.png").to_string_lossy().into_owned();
    fails(&[&again[..], &[&path("photos/dog.png"), &other]].concat(), 3, &["hen_224.png", "none of that run's"]);
    fails(&[&again[..], &[&other]].concat(), 3, &["dog.png", "neither there", "IMAGE"]);
    fails(
        &[&again[..], &[&path("photos/dog.png"), "nowhere.png"]].concat(),
        3,
        &["nowhere.png", "nor can it be read"],
    );
    fails(&["run", "--from", &path("none.json"), "--json"], 2, &["none.json"]);
    std::fs::write(path("x.json"), "{}").expect("written");
    fails(&["run", "--from", &path("x.json"), "--json"], 2, &["x.json", "run.json"]);
    fails(&["run", "fgsm", "--from", &path("a/run.json"), "--json"], 2, &["leave it out"]);
    fails(&["run", "--json"], 2, &["<TECHNIQUE>"]);
    fails(&["run", "fgsm", &golden("dog_224.png").to_string_lossy()], 2, &["--out"]);
}

#[test]
fn a_run_is_made_again_on_its_own_model_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let photo = golden("dog_224.png").to_string_lossy().into_owned();
    let copy =
        |fixture: &str, to: &str| std::fs::copy(format!("tests/data/onnx/{fixture}.onnx"), path(to)).expect("copied");
    copy("cnn_ts17", "net.onnx");
    json(&["run", "saliency", &photo, "--model", &path("net.onnx"), "--json", "--out", &path("a")]);
    let again = ["run", "--from", &path("a/run.json"), "--json", "--out", &path("b")];
    let maps =
        || ["a", "b"].map(|run| std::fs::read(folder.path().join(run).join("attribution.npy")).expect("a map"));
    std::fs::rename(path("net.onnx"), path("a/net.onnx")).expect("moved beside the manifest");
    json(&again);
    let [first, second] = maps();
    assert_eq!(first, second);
    std::fs::create_dir(path("elsewhere")).expect("a folder");
    std::fs::rename(path("a/net.onnx"), path("elsewhere/net.onnx")).expect("moved elsewhere");
    fails(&again, 4, &["net.onnx", "--model"]);
    let with = |model: String| {
        [&again[..], &["--model", &model]].concat().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let there = with(path("elsewhere/net.onnx"));
    json(&there.iter().map(String::as_str).collect::<Vec<_>>());
    copy("cnn_ts11", "elsewhere/other.onnx");
    let other = with(path("elsewhere/other.onnx"));
    fails(&other.iter().map(String::as_str).collect::<Vec<_>>(), 4, &["other.onnx", "checksum"]);
    std::fs::rename(path("elsewhere/net.onnx"), path("a/net.onnx")).expect("moved back");
    fails(&[&again[..], &["--mean", "0,0,0"]].concat(), 2, &["cannot be used with", "--mean"]);
    copy("cnn_ts11", "a/net.onnx");
    fails(&again, 4, &["net.onnx", "checksum"]);
    std::fs::remove_file(path("a/net.onnx")).expect("removed");
    fails(&again, 4, &["net.onnx", "beside"]);
    fails(&["run", "saliency", &photo, "--model", &path("none.onnx"), "--out", &path("none")], 4, &["none.onnx"]);
    assert!(!folder.path().join("none").exists(), "a run that failed leaves no folder");
}

#[test]
fn a_run_is_made_again_with_its_own_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let photo = golden("dog_224.png").to_string_lossy().into_owned();
    std::fs::copy("tests/data/onnx/cnn_ts17.onnx", path("net.onnx")).expect("copied");
    let model = path("net.onnx");
    let names = |name: &str, words: [&str; 5]| std::fs::write(path(name), words.join("\n")).expect("written");
    names("names.txt", ["ant", "bee", "cat", "dog", "eel"]);
    names("others.txt", ["ant", "bee", "cow", "dog", "eel"]);
    let run = ["run", "saliency", &photo, "--model", &model, "--json", "--out", &path("a")];
    json(&[&run[..], &["--labels", &path("names.txt")]].concat());
    let again = ["run", "--from", &path("a"), "--json", "--out", &path("b")];
    let label = |run: &Value| run["class"]["label"].as_str().map(str::to_owned).expect("a label");
    let first = label(&json(&again));
    std::fs::rename(path("names.txt"), path("kept.txt")).expect("moved");
    fails(&again, 2, &["names.txt", "--labels"]);
    let with = |file: &str| [&again[..], &["--labels", file]].concat().join("\n");
    let kept = with(&path("kept.txt"));
    assert_eq!(label(&json(&kept.split('\n').collect::<Vec<_>>())), first);
    let others = with(&path("others.txt"));
    fails(&others.split('\n').collect::<Vec<_>>(), 2, &["others.txt", "not the labels of that run"]);
    std::fs::rename(path("others.txt"), path("names.txt")).expect("moved");
    fails(&again, 2, &["names.txt", "not the labels of that run any more"]);
    json(&run);
    fails(&kept.split('\n').collect::<Vec<_>>(), 2, &["kept.txt", "leave it out"]);
}

#[test]
fn classes_of_one_name_are_told_apart_in_a_comparison() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let photo = golden("dog_224.png").to_string_lossy().into_owned();
    std::fs::write(path("names.txt"), "crane\nbee\ncat\ncrane\neel").expect("written");
    let of = ["--model", "tests/data/onnx/cnn_ts17.onnx", "--labels", &path("names.txt")];
    let classes = ["--class", "#0", "--class", "#1", "--class", "#3"];
    let asked = ["compare", &photo, "--technique", "saliency", "--json", "--out", &path("a")];
    let report = json(&[&asked[..], &of, &classes].concat());
    let maps = report["maps"].as_array().expect("maps");
    let titles: Vec<&str> = maps.iter().filter_map(|map| map["title"].as_str()).collect();
    assert_eq!(titles, ["crane #0", "bee", "crane #3"]);
}

#[test]
fn an_attack_on_a_folder_reports_robust_accuracy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir(folder.path().join("in")).expect("a folder");
    for photo in ["dog_224.png", "hen_224.png"] {
        std::fs::copy(golden(photo), folder.path().join("in").join(photo)).expect("copied");
    }
    let run = |epsilon: &str, out: &str| {
        gradlens(&["run", "pgd", &path("in"), "--set", epsilon, "--set", "steps=5", "--out", &path(out)])
    };
    let said = String::from_utf8_lossy(&run("epsilon=8/255", "strong").stderr).into_owned();
    assert!(said.contains("robust accuracy 0.0 % (0 of 2), clean 100.0 %"), "{said}");
    let said = String::from_utf8_lossy(&run("epsilon=0.01/255", "weak").stderr).into_owned();
    assert!(said.contains("robust accuracy 100.0 % (2 of 2)"), "{said}");
    let summary = std::fs::read(folder.path().join("strong/summary.json")).expect("a summary");
    let summary: Value = serde_json::from_slice(&summary).expect("JSON");
    assert_eq!((&summary["photos"], &summary["robust_accuracy"]), (&2.into(), &0.0.into()));
}

#[test]
fn one_universal_perturbation_is_made_for_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_string_lossy();
    let run = json(&["run", "universal", "samples/photos", "--set", "passes=2", "--json", "--out", &out]);
    assert_eq!((&run["photos"], run["inputs"].as_array().map(Vec::len)), (&5.into(), Some(5)));
    let (header, values) = npy(&folder.path().join("perturbation.npy"));
    assert!(header.contains("(3, 224, 224)") && values.iter().all(|v| v.abs() <= 8.0 / 255.0 + 1e-6));
}

#[test]
fn a_diverging_run_keeps_its_last_good_picture_and_says_what_to_lower() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_string_lossy();
    let photo = "samples/photos/german_shepherd.jpg";
    let style = ["--style", "samples/paintings/great_wave.jpg", "--set", "size=96", "--set", "step_size=10"];
    fails(
        &[&["run", "style-transfer", photo][..], &style, &["--out", &out]].concat(),
        1,
        &["step 1", "lower the step size"],
    );
    let run = std::fs::read(folder.path().join("run.json")).expect("run.json");
    let run: Value = serde_json::from_slice(&run).expect("JSON");
    assert_eq!((&run["status"], &run["steps"]), (&"failed".into(), &0.into()));
    assert!(folder.path().join("result.png").exists());
    fails(&["run", "--from", &out, "--json"], 1, &["lower the step size"]);
}

#[test]
fn more_than_the_memory_is_refused_beforehand() {
    let photo = "samples/photos/german_shepherd.jpg";
    let style = ["--style", "samples/paintings/great_wave.jpg", "--set", "size=16384", "--json"];
    fails(&[&["run", "style-transfer", photo][..], &style].concat(), 2, &["16384×12288", "GB", "lower size"]);
}
