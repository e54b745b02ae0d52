//! The program without a dashboard: its files, its JSON, its words and its exit codes.

mod support;

use serde_json::Value;
use std::path::Path;
use support::program::{command, fails, gradlens, json, npy};
use support::pty::PATIENCE;
use support::{golden, relative_error, root};

/// Whether a folder is not there, or holds nothing.
fn is_empty(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[test]
fn classify_knows_the_dog() {
    let list = json(&["classify", "samples/photos/german_shepherd.jpg", "--json", "--top", "3"]);
    let top = &list[0]["top"];
    assert_eq!(list[0]["image"], "samples/photos/german_shepherd.jpg");
    assert_eq!(top[0]["label"], "German shepherd");
    assert_eq!(top[0]["index"], 235);
    assert!(top[0]["probability"].as_f64() > Some(0.9));
    assert_eq!(top.as_array().map(Vec::len), Some(3));
}

#[test]
fn gradcam_writes_its_files_and_the_raw_map() {
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().to_str().expect("a path");
    let image = golden("dog_224.png");
    let run = json(&[
        "run",
        "gradcam",
        image.to_str().expect("a path"),
        "--class",
        "235",
        "--layer",
        "blocks.4.2",
        "--json",
        "--out",
        folder,
    ]);
    assert_eq!(run["layer"], "blocks.4.2");
    assert_eq!(run["class"]["index"], 235);
    assert_eq!(run["weights_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(run["inputs"][0]["file"], "dog_224.png");
    let saved: Value =
        serde_json::from_slice(&std::fs::read(out.path().join("run.json")).expect("run.json")).expect("JSON");
    assert_eq!(saved, run);
    let (header, map) = npy(&out.path().join("map.npy"));
    assert!(header.contains("'<f4'") && header.contains("(14, 14)"), "{header}");
    let expected = support::Golden::open("dog").values("gradcam@blocks.4.2");
    assert!(relative_error(&map, &expected) < 1e-3);
    for file in ["result.png", "overlay.png"] {
        let picture = image::open(out.path().join(file)).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (224, 224), "{file}");
    }
}

#[test]
fn the_overlay_is_the_whole_photo_unless_cropped() {
    let out = tempfile::tempdir().expect("a folder");
    let photo = "samples/photos/german_shepherd.jpg";
    let whole = image::image_dimensions(support::root().join(photo)).expect("a photo");
    assert_ne!(whole.0, whole.1);
    let run = |name: &str, more: &[&str]| {
        let folder = out.path().join(name);
        let words = ["run", "gradcam", photo, "--json", "--out", folder.to_str().expect("a path")];
        let run = json(&[&words[..], more].concat());
        let read = |file: &str| std::fs::read(folder.join(file)).expect("a file");
        (
            run,
            image::image_dimensions(folder.join("overlay.png")).expect("a picture"),
            read("result.png"),
            read("map.npy"),
        )
    };
    let (full, size, result, map) = run("whole", &[]);
    assert_eq!(size, whole);
    let (_, cropped, same_result, same_map) = run("crop", &["--crop"]);
    assert_eq!(cropped, (224, 224));
    assert!(result == same_result && map == same_map, "the map is the same");
    let network = &full["network"];
    assert_eq!(
        (&network["input"]["size"], &network["output"]["classes"]),
        (&serde_json::json!([224, 224]), &1000.into())
    );
    assert_eq!(network["provenance"]["sha256"], full["weights_sha256"]);
    assert!(full.to_string().len() < 20_000, "labels are not repeated");
}

#[test]
fn labels_and_layers_are_the_models_own() {
    let features = json(&["layers", "--model", "vgg16_hed", "--json"]);
    assert!(features.as_array().expect("a list").iter().any(|l| l["name"] == "relu4_3"));
    fails(&["labels", "--model", "vgg16_hed"], 2, &["vgg16_hed", "no classes"]);
    fails(&["classify", "samples/photos/hen.jpg", "--model", "vgg16_hed"], 2, &["vgg16_hed", "no classes"]);
    fails(&["labels", "--model", "vgg"], 2, &["vgg", "gradlens models"]);
    fails(&["layers", "--weights", "no/such/file"], 4, &["no/such/file"]);
}

#[test]
fn folders_give_every_kind_of_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.pbm"), "P1\n2 2\n0 1 1 0\n").expect("written");
    std::fs::write(folder.path().join("notes.txt"), "no picture").expect("written");
    let out = folder.path().join("out");
    let words = ["run", "saliency", folder.path().to_str().expect("a path"), "--json", "--out"];
    let runs = json(&[&words[..], &[out.to_str().expect("a path")]].concat());
    assert_eq!(runs.as_array().map(Vec::len), Some(1));
    assert_eq!(runs[0]["inputs"][0]["file"], "a.pbm");
}

#[test]
fn saliency_writes_channels() {
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().to_str().expect("a path");
    json(&["run", "saliency", "tests/golden/dog_224.png", "--class", "235", "--json", "--out", folder]);
    let (header, channels) = npy(&out.path().join("attribution.npy"));
    assert!(header.contains("(3, 224, 224)"), "{header}");
    let (_, map) = npy(&out.path().join("map.npy"));
    let largest = (0..224 * 224).map(|p| (0..3).map(|c| channels[c * 224 * 224 + p]).fold(0.0, f32::max));
    assert_eq!(largest.collect::<Vec<_>>(), map);
}

#[test]
fn fooling_fools_the_saved_picture() {
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().to_str().expect("a path");
    let run = json(&["run", "fooling", "tests/golden/dog_224.png", "--target", "9", "--json", "--out", folder]);
    assert_eq!((&run["success"], &run["iterations"]), (&true.into(), &3.into()));
    let norm = |name: &str| run["norms"][name].as_f64().expect("a norm");
    assert!(norm("l2") > 0.0 && (0.0..0.2).contains(&norm("linf")));
    let result = out.path().join("result.png");
    let seen = json(&["classify", result.to_str().expect("a path"), "--json"]);
    assert_eq!(seen[0]["top"][0]["index"], 9, "the file on disk is what success is judged on");
    let series = std::fs::read_to_string(out.path().join("series.csv")).expect("series.csv");
    let rows: Vec<&str> = series.lines().collect();
    assert_eq!(rows[0], "step,p_target,p_source,score,l2");
    assert!(rows[1].starts_with("0,") && rows.len() as u64 == run["steps"].as_u64().expect("steps") + 2);
}

#[test]
fn style_losses_fall() {
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().to_str().expect("a path");
    let run = json(&[
        "run",
        "style-transfer",
        "samples/photos/kitten.jpg",
        "--style",
        "samples/paintings/great_wave.jpg",
        "--set",
        "size=96",
        "--set",
        "steps=12",
        "--json",
        "--out",
        folder,
    ]);
    assert_eq!((&run["status"], &run["steps"]), (&"finished".into(), &12.into()));
    assert_eq!(run["parameters"]["style_weight"], 40.0);
    let series = std::fs::read_to_string(out.path().join("series.csv")).expect("series.csv");
    let loss = |row: &str| row.split(',').nth(1).and_then(|v| v.parse::<f64>().ok()).expect("a loss");
    let rows: Vec<&str> = series.lines().skip(1).collect();
    assert_eq!(rows.len(), 13);
    assert!(loss(rows[12]) < 0.5 * loss(rows[0]), "{series}");
    let picture = image::open(out.path().join("result.png")).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (96, 72), "the photo keeps its shape");
}

#[test]
fn several_pictures_get_folders_and_one_bad_one_does_not_stop_them() {
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().to_str().expect("a path");
    let output = gradlens(&[
        "run",
        "gradcam",
        "samples/photos/hen.jpg",
        "README-that-is-not-there.jpg",
        "tests/golden/hen_224.png",
        "samples/photos/hen.jpg",
        "--json",
        "--out",
        folder,
    ]);
    assert_eq!(output.status.code(), Some(1));
    let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(4));
    assert_eq!(list[1]["status"], "failed");
    for name in ["hen", "hen_224", "hen-2"] {
        assert!(out.path().join(name).join("run.json").is_file(), "{name}");
    }
}

#[test]
fn lists_can_be_searched_and_read_by_programs() {
    let techniques = json(&["techniques", "--json"]);
    let ids: Vec<&str> = techniques.as_array().expect("a list").iter().filter_map(|t| t["id"].as_str()).collect();
    for id in ["saliency", "gradcam", "class-visualization", "fooling", "style-transfer"] {
        assert!(ids.contains(&id), "{id}");
    }
    let layers = json(&["layers", "--json"]);
    let shape = |name: &str| {
        let found = layers.as_array().expect("a list").iter().find(|l| l["name"] == name);
        found.expect("a layer")["shape"].clone()
    };
    assert_eq!(shape("head"), serde_json::json!([1280, 7, 7]));
    assert_eq!(shape("blocks.4.2"), serde_json::json!([112, 14, 14]));
    let labels = json(&["labels", "flamingo", "--json"]);
    assert_eq!(labels[0]["index"], 130);
    assert_eq!(json(&["models", "--json"]).as_array().map(Vec::len), Some(2));
    assert_eq!(gradlens(&["labels", "no such thing"]).status.code(), Some(1));
}

#[test]
fn unknown_names_are_usage_errors_with_a_way_out() {
    let dog = "tests/golden/dog_224.png";
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().join("never");
    let folder = folder.to_str().expect("a path");
    let run = |rest: &[&str], words: &[&str]| {
        let mut args = vec!["run"];
        args.extend(rest);
        args.extend(["--out", folder]);
        fails(&args, 2, words);
    };
    run(&["gradcan", dog], &["gradcan", "did you mean \"gradcam\""]);
    run(&["gradcam", dog, "--class", "unicorn"], &["unicorn", "gradlens labels"]);
    run(&["gradcam", dog, "--class", "shark"], &["several classes", "great white shark"]);
    run(&["gradcam", dog, "--class", "1000"], &["0 to 999"]);
    run(&["gradcam", dog, "--model", "resnet99"], &["resnet99", "gradlens models"]);
    run(&["fooling", dog, "--target", "9", "--set", "stepsize=1"], &["did you mean \"step_size\""]);
    run(&["fooling", dog, "--target", "9", "--set", "steps=0"], &["steps", "1 to 100000"]);
    run(&["fooling", dog, "--target", "9", "--set", "steps"], &["name=value"]);
    run(&["gradcam", dog, "--style", dog], &["--style", "no use"]);
    run(&["class-visualization", dog, "--class", "1"], &["--init"]);
    run(&["gradcam", dog, "--device", "tpu"], &["tpu", "cpu, cuda:N or metal"]);
    assert!(is_empty(Path::new(folder)));
    run(&["gradcam", dog, "--layer", "blocks.9.9"], &["blocks.9.9", "gradlens layers"]);
    run(&["gradcam"], &["needs a picture"]);
    run(&["fooling", dog], &["needs a class", "--target"]);
    run(&["style-transfer", dog], &["needs a style picture", "--style"]);
    run(&["gradcam", dog, "--model", "vgg16_hed"], &["classifier"]);
    assert!(is_empty(Path::new(folder)), "nothing half-written");
    fails(&["gradcam", "two-words"], 2, &["cannot be used"]);
    fails(&["run"], 2, &["--out"]);
}

#[test]
fn bad_pictures_are_named_with_exit_code_3() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let photo = std::fs::read(root().join("samples/photos/hen.jpg")).expect("a photo");
    // The header of a 20 000 × 20 000 PNG: refused before anything is decoded.
    let mut huge = vec![];
    huge.extend(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x4e\x20\0\0\x4e\x20\x08\x02\0\0\0");
    let crc = crc32(&huge[12..]);
    huge.extend(crc.to_be_bytes());
    huge.extend(b"\0\0\0\x01IDAT\0");
    let cases = [
        ("missing.png".to_owned(), "no such file"),
        (file("empty.jpg", b""), "empty"),
        (file("headless.jpg", &photo[..400]), "damaged or cut off"),
        (file("truncated.jpg", &photo[..photo.len() / 2]), "damaged or cut off"),
        (file("text.png", b"this is not a picture at all"), "not a picture"),
        (file("huge.png", &huge), "megapixels"),
    ];
    let out = folder.path().join("out");
    for (path, words) in &cases {
        fails(&["classify", path], 3, &[words]);
        fails(&["run", "gradcam", path, "--out", out.to_str().expect("a path")], 3, &[words]);
        fails(&[path.as_str()], 3, &[words]);
    }
    assert!(is_empty(&out), "nothing half-written");
    let all = folder.path().to_str().expect("a path");
    fails(&["classify", all], 3, &["folder"]);
    fails(&[all], 3, &["folder"]);
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

#[test]
fn unusual_pictures_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let photo = image::open(root().join("samples/photos/german_shepherd.jpg")).expect("a photo");
    let save = |name: &str, picture: image::DynamicImage| {
        let path = folder.path().join(name);
        picture.save(&path).expect("saved");
        path.to_str().expect("a path").to_owned()
    };
    let files = [
        save("grey.png", photo.grayscale()),
        save("deep.png", image::DynamicImage::ImageRgb16(photo.to_rgb16())),
        save("alpha.png", image::DynamicImage::ImageRgba8(photo.to_rgba8())),
        save("still.gif", photo.thumbnail(300, 300)),
        save("photo.bmp", photo.clone()),
        save("photo.tiff", photo.clone()),
    ];
    for file in &files {
        let seen = json(&["classify", file, "--json", "--top", "1"]);
        assert_eq!(seen[0]["top"][0]["label"], "German shepherd", "{file}");
    }
    let pixel = save("pixel.png", image::DynamicImage::ImageRgb8(image::RgbImage::new(1, 1)));
    json(&["classify", &pixel, "--json"]);
    let out = folder.path().join("out");
    let out = out.to_str().expect("a path");
    json(&["run", "gradcam", &pixel, "--json", "--out", out]);
    let sliver = save("sliver.png", image::DynamicImage::ImageRgb8(image::RgbImage::new(4000, 2)));
    json(&["run", "saliency", &sliver, "--json", "--out", out]);
    fails(&["run", "style-transfer", &sliver, "--style", &files[0], "--out", out], 2, &["too thin"]);
    // Rotated by its EXIF data: a quarter turn clockwise is undone.
    let jpeg = std::fs::read(root().join("samples/photos/german_shepherd.jpg")).expect("a photo");
    let turned = folder.path().join("turned.jpg");
    std::fs::write(&turned, with_orientation(&jpeg, 6)).expect("written");
    let style = ["run", "style-transfer", turned.to_str().expect("a path"), "--style", &files[0]];
    let mut args = style.to_vec();
    args.extend(["--set", "size=64", "--set", "steps=1", "--json", "--out", out]);
    let run = json(&args);
    assert_eq!((&run["inputs"][0]["width"], &run["inputs"][0]["height"]), (&576.into(), &768.into()));
}

/// A JPEG with an EXIF block of nothing but an orientation right behind its start.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let tiff =
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0], &[0; 4]].concat();
    let body = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = u16::try_from(body.len() + 2).expect("short").to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &body, &jpeg[2..]].concat()
}

#[test]
fn bad_weights_are_named_with_exit_code_4() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let weights = std::fs::read(root().join("weights/vgg16_hed.safetensors")).expect("weights");
    let cases = [
        (file("cut.safetensors", &weights[..weights.len() / 2]), "not a whole safetensors file"),
        (file("text.safetensors", b"these are no weights"), "not a whole safetensors file"),
        ("missing.safetensors".to_owned(), "missing.safetensors"),
        (root().join("weights/vgg16_hed.safetensors").to_str().expect("a path").to_owned(), "conv_stem.weight"),
    ];
    let dog = "tests/golden/dog_224.png";
    for (path, words) in &cases {
        fails(&["classify", dog, "--weights", path], 4, &[words]);
        let out = folder.path().join("out");
        let out = out.to_str().expect("a path");
        fails(&["run", "gradcam", dog, "--weights", path, "--out", out], 4, &[words]);
    }
    let right = root().join("weights/tf_efficientnet_lite0.safetensors");
    json(&["classify", dog, "--weights", right.to_str().expect("a path"), "--json"]);
}

#[test]
fn an_unwritable_folder_is_found_out_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, b"in the way").expect("written");
    let inside = file.join("out");
    let dog = "tests/golden/dog_224.png";
    fails(&["run", "gradcam", dog, "--out", inside.to_str().expect("a path")], 1, &["cannot write", "--out"]);
}

#[test]
fn the_dashboard_wants_a_terminal() {
    fails(&[], 2, &["needs a terminal", "gradlens run"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_is_saved() {
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().to_str().expect("a path");
    let state = tempfile::tempdir().expect("a folder");
    let args = ["run", "class-visualization", "--class", "1", "--set", "steps=100000", "--json", "--out", folder];
    let mut command = command(&args);
    command.env("XDG_STATE_HOME", state.path()).env("GRADLENS_KEEP_EVERY", "0.05");
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("the program runs");
    // What is kept has made a step.
    let kept = || std::fs::read_dir(state.path().join("gradlens/kept")).is_ok_and(|mut runs| runs.next().is_some());
    let began = std::time::Instant::now();
    while !kept() {
        assert!(began.elapsed() < PATIENCE && child.try_wait().expect("a status").is_none(), "it runs");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = i32::try_from(child.id()).expect("a process id");
    // SAFETY: sends a signal to the child this test started and has not yet waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    assert_eq!(child.wait().expect("its end").code(), Some(130));
    let run: Value =
        serde_json::from_slice(&std::fs::read(out.path().join("run.json")).expect("run.json")).expect("JSON");
    assert_eq!(run["status"], "stopped");
    assert_eq!(run["success"], false);
    assert!(run["steps"].as_u64() > Some(0) && out.path().join("result.png").is_file());
}

#[test]
fn a_folder_is_run_picture_by_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).expect("a folder");
    std::fs::copy(golden("dog_224.png"), photos.join("b.png")).expect("copied");
    std::fs::copy(golden("hen_224.png"), photos.join("a.png")).expect("copied");
    std::fs::write(photos.join("broken.png"), "no picture").expect("written");
    std::fs::write(photos.join("notes.txt"), "no picture").expect("written");
    let (photos, out) = (photos.display().to_string(), folder.path().join("out").display().to_string());
    let output = gradlens(&["run", "layercam", &photos, "--out", &out, "--json"]);
    assert_eq!(output.status.code(), Some(1), "one of them cannot be read");
    let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let names: Vec<&str> =
        (0..3).filter_map(|i| list[i]["inputs"][0]["file"].as_str().or(list[i]["image"].as_str())).collect();
    assert_eq!(names, ["a.png", "b.png", "broken.png"]);
    assert_eq!(list[2]["status"], "failed");
    assert!(folder.path().join("out/a/map.npy").is_file() && folder.path().join("out/b/overlay.png").is_file());
    let output = gradlens(&["run", "layercam", &photos, "--out", &out]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("3 pictures in") && said.contains("a second; 1 failed"), "{said}");
    let empty = folder.path().join("out/a").display().to_string();
    std::fs::remove_dir_all(&empty).expect("removed");
    std::fs::create_dir(&empty).expect("a folder");
    fails(&["run", "gradcam", &empty, "--out", &out], 3, &["holds no picture"]);
}

#[test]
fn display_settings_change_the_overlay_and_not_the_map() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let mut args = vec!["run", "input-x-gradient", "tests/golden/dog_224.png", "--json", "--out"];
        let text = out.display().to_string();
        args.push(&text);
        args.extend(more);
        json(&args);
        let read = |file: &str| std::fs::read(out.join(file)).expect("a file");
        (read("map.npy"), read("overlay.png"), read("result.png"))
    };
    let plain = run("plain", &[]);
    let settings: [&[&str]; 5] = [
        &["--color-map", "purple-green"],
        &["--opacity", "0.9"],
        &["--clip", "3"],
        &["--threshold", "0.3"],
        &["--contour", "--clip", "2"],
    ];
    for (i, setting) in settings.into_iter().enumerate() {
        let changed = run(&i.to_string(), setting);
        assert_eq!(changed.0, plain.0, "{setting:?}");
        assert_ne!(changed.1, plain.1, "{setting:?}");
    }
    for (option, value) in [("--opacity", "2"), ("--clip", "50"), ("--color-map", "rainbow")] {
        fails(&["run", "gradcam", "tests/golden/dog_224.png", option, value, "--out", "x"], 2, &[value]);
    }
}

#[test]
fn compare_writes_a_sheet_and_every_map() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let report = json(&[
        "compare",
        "tests/golden/dog_224.png",
        "--technique",
        "gradcam",
        "--technique",
        "layercam",
        "--layer",
        "head",
        "--layer",
        "blocks.4.2",
        "--out",
        &out,
        "--json",
    ]);
    assert_eq!(report["maps"].as_array().map(Vec::len), Some(4));
    assert_eq!(report["maps"][3]["title"], "layercam · blocks.4.2");
    assert_eq!(report["rank_correlation"][0].as_array().map(Vec::len), Some(4));
    let (_, map) = npy(&folder.path().join("map-gradcam-blocks.4.2.npy"));
    let alone = folder.path().join("alone").display().to_string();
    json(&["run", "gradcam", "tests/golden/dog_224.png", "--layer", "blocks.4.2", "--out", &alone, "--json"]);
    assert!(relative_error(&map, &npy(&folder.path().join("alone/map.npy")).1) < 1e-6);
    let sheet = image::open(folder.path().join("overlay.png")).expect("a picture");
    assert_eq!((sheet.width(), sheet.height()), (452, 452));
    fails(&["compare", "x.png", "--technique", "gradcam", "--out", &out], 2, &["2 to 9"]);
    fails(
        &["compare", "x.png", "--technique", "fooling", "--technique", "gradcam", "--out", &out],
        2,
        &["attribution"],
    );
}

#[test]
fn score_ranks_methods() {
    let report = json(&[
        "score",
        "tests/golden/dog_224.png",
        "--technique",
        "gradcam",
        "--technique",
        "saliency",
        "--metric",
        "sparseness",
        "--metric",
        "pointing",
        "--metric",
        "infidelity",
        "--box",
        "60,20,110,110",
        "--json",
    ]);
    let list = report["techniques"].as_array().expect("a list");
    assert_eq!(list.len(), 2);
    let rank = |i: usize| list[i]["rank"].as_f64().expect("a rank");
    assert!(rank(0) <= rank(1));
    for found in list {
        for name in ["sparseness", "pointing", "energy_inside", "infidelity"] {
            let value = found["scores"][name].as_f64().expect("a number");
            assert!((0.0..=1.0).contains(&value), "{name} {value}");
        }
    }
    fails(&["score", "x.png", "--technique", "gradcam", "--metric", "deletio"], 2, &["deletion-insertion"]);
    fails(&["score", "nothing.png", "--technique", "gradcam", "--metric", "road"], 3, &["nothing.png"]);
    fails(&["score", "x.png", "--technique", "gradcam", "--box", "1,2,0,4"], 2, &["--box"]);
}

#[test]
fn the_documentation_has_the_registry_s_tables() {
    let output = gradlens(&["techniques", "--markdown"]);
    let tables = String::from_utf8(output.stdout).expect("text");
    let page = std::fs::read_to_string(root().join("docs/techniques.md")).expect("the page");
    assert!(tables.lines().count() > 40);
    assert!(
        page.contains(&tables),
        "docs/techniques.md is out of date: put the output of `gradlens techniques --markdown` between its headings"
    );
}
