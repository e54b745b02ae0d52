//! What the dashboard asks the engine for: the model, the class and the target that fit, whatever the model.

mod support;

use crossterm::event::{KeyCode, MouseEventKind};
use gradlens::engine::{Command, Event, JobSpec, Snapshot, Task};
use gradlens::imaging::{Area, Display};
use gradlens::model::read::ReadOptions;
use gradlens::model::{ModelInfo, ModelRef, Output, Prediction, Roles, Scores};
use gradlens::picture::Pictures;
use gradlens::techniques::{Params, TECHNIQUES, View};
use gradlens::tui::{Action, App, Begin, Setup, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Position;
use std::path::PathBuf;
use std::sync::Arc;
use support::screen::{THEME, app, heat, heated, model, on_model, picture, press, seen, small_model, snapshot, text};

/// A dashboard that opens on a job, which the engine begins on a model.
fn opened(spec: &JobSpec, model: ModelInfo) -> App {
    let (begin, display) = (Begin::Start, Display::default());
    let mut app = App::new(Setup { spec: spec.clone(), theme: THEME, begin, display, bandwidth: None });
    let asked = started(&mut app);
    assert_eq!(asked.technique, spec.technique);
    app.on_event(Event::Started { run: 1, spec: Box::new(asked), model: Arc::new(model), params: Params::default() });
    app
}

/// The run that the dashboard asks for.
fn started(app: &mut App) -> JobSpec {
    match app.take_commands().pop() {
        Some(Command::Start(spec)) => *spec,
        other => panic!("no run is asked for: {other:?}"),
    }
}

/// The run that it asks for on another technique.
fn on(app: &mut App, technique: &str) -> JobSpec {
    let place = TECHNIQUES.iter().position(|t| t.id() == technique).expect("a technique");
    app.apply(Action::Technique(place));
    started(app)
}

fn features() -> ModelInfo {
    let roles = Roles { cam: Some("conv2".into()), style: vec!["conv1".into()], ..Roles::default() };
    ModelInfo { id: "features".into(), output: None, roles, ..model(&["conv1", "conv2"]) }
}

#[test]
fn the_persons_model_stays_where_it_fits() {
    let own = Some("features".to_owned());
    let spec = JobSpec {
        technique: "deepdream".into(),
        model: own.clone(),
        layer: Some("conv1".into()),
        ..JobSpec::default()
    };
    let mut app = opened(&spec, features());
    // A classifier is needed, which this is not; nor is its layer one of the classifier's.
    let asked = on(&mut app, "gradcam");
    assert_eq!((asked.model, asked.layer), (None, None));
    assert_eq!(on(&mut app, "style-transfer").model, own);
    let asked = on(&mut app, "feature-visualization");
    assert_eq!((asked.model, asked.layer), (own, Some("conv1".into())));
}

#[test]
fn weights_stay_with_the_model_that_they_are_for() {
    let weights = Some(PathBuf::from("own.safetensors"));
    let spec = JobSpec { technique: "gradcam".into(), weights: weights.clone(), ..JobSpec::default() };
    let mut app = opened(&spec, model(&["stem", "head"]));
    let asked = on(&mut app, "saliency");
    assert_eq!(asked.weights, weights);
    assert_eq!(asked.model, Some("tf_efficientnet_lite0".into()), "by its name from here on");
    // It has no layers for a style: the technique's own model is taken, and that with its own weights.
    let asked = on(&mut app, "style-transfer");
    assert_eq!((asked.model, asked.weights), (None, None));
    assert_eq!(on(&mut app, "gradcam++").weights, weights);
}

#[test]
fn what_is_said_of_a_model_file_stays_with_it() {
    let reading = ReadOptions { input_size: Some([96, 96]), ..ReadOptions::default() };
    let own = Some("features.onnx".to_owned());
    let spec = JobSpec { technique: "deepdream".into(), model: own, reading: reading.clone(), ..JobSpec::default() };
    let mut app = opened(&spec, features());
    let asked = on(&mut app, "gradcam");
    assert!(asked.model.is_none() && asked.reading.is_empty(), "{asked:?}");
    assert_eq!(on(&mut app, "feature-visualization").reading, reading);
}

#[test]
fn a_model_of_which_nothing_is_known_yet_is_given_a_chance() {
    let own = Some("best.onnx".to_owned());
    let spec = JobSpec { technique: "gradcam".into(), model: own.clone(), ..JobSpec::default() };
    let setup = Setup { spec, theme: THEME, begin: Begin::Start, display: Display::default(), bandwidth: None };
    let mut app = App::new(setup);
    assert_eq!(started(&mut app).model, own);
    assert_eq!(on(&mut app, "pgd").model, own);
    // Of those inside the program it is known what they are.
    let spec = JobSpec { technique: "deepdream".into(), model: Some("vgg16_hed".into()), ..JobSpec::default() };
    let setup = Setup { spec, theme: THEME, begin: Begin::Start, display: Display::default(), bandwidth: None };
    assert_eq!(on(&mut App::new(setup), "gradcam").model, None);
}

/// Shows what a model takes the photo for.
fn predict(app: &mut App, technique: &str, class: usize, label: &str) {
    let mut snapshot = snapshot(technique);
    snapshot.course.top = vec![Prediction { index: class, label: label.into(), probability: 0.9, logit: 2.0 }];
    app.on_snapshot(Arc::new(snapshot));
}

#[test]
fn a_class_and_a_target_are_chosen_from_the_model_at_hand() {
    for (predicted, label, target) in [(0, "healthy", 1), (1, "rust", 0), (2, "mildew", 1)] {
        let mut app = on_model("gradcam", THEME, small_model());
        predict(&mut app, "gradcam", predicted, label);
        assert_eq!(on(&mut app, "class-visualization").class, Some(predicted.into()), "what the photo shows");
        assert_eq!(on(&mut app, "fooling").target, Some(target.into()), "what it does not");
        assert_eq!(on(&mut app, "pgd").target, None);
    }
    // A class that was chosen stays.
    let mut app = on_model("gradcam", THEME, small_model());
    app.apply(Action::SetClass(2));
    assert_eq!(started(&mut app).class, Some(2.into()));
    assert_eq!(on(&mut app, "saliency").class, Some(2.into()));
}

#[test]
fn what_another_model_is_not_asked_is_said() {
    let mut app = on_model("gradcam", THEME, small_model());
    app.apply(Action::SetClass(2));
    assert_eq!(started(&mut app).class, Some(2.into()));
    app.apply(Action::SetModel(Box::new(ModelRef::named("best.onnx"))));
    let screen = text(&mut app, 120, 36);
    assert!(screen.contains("class chosen for") && screen.contains("is not asked of best.onnx"), "{screen}");
    assert_eq!(started(&mut app).class, None);
}

#[test]
fn the_class_picker_has_the_models_classes() {
    let mut app = on_model("gradcam", THEME, small_model());
    press(&mut app, KeyCode::Char('c'));
    let screen = text(&mut app, 120, 36);
    for words in ["0  healthy", "1  rust", "2  mildew"] {
        assert!(screen.contains(words), "{screen}");
    }
    press(&mut app, KeyCode::End);
    press(&mut app, KeyCode::Enter);
    assert_eq!(started(&mut app).class, Some(2.into()));
}

#[test]
fn a_model_without_classes_says_so() {
    let mut app = on_model("gradcam", THEME, features());
    press(&mut app, KeyCode::Char('c'));
    assert!(!app.has_dialog());
    let screen = text(&mut app, 120, 36);
    assert!(screen.contains("features has no classes: it ends in features"), "{screen}");
    let mut app = App::new(Setup {
        spec: JobSpec { technique: "gradcam".into(), ..JobSpec::default() },
        theme: THEME,
        begin: Begin::Start,
        display: Display::default(),
        bandwidth: None,
    });
    press(&mut app, KeyCode::Char('c'));
    let screen = text(&mut app, 120, 36);
    assert!(screen.contains("the model is still being read"), "{screen}");
}

/// Grad-CAM on a model of three classes for grey pictures of 96×64.
fn leaves(scores: Scores, probabilities: [f32; 3]) -> App {
    let mut info = small_model();
    if let Some(Output { scores: own, .. }) = &mut info.output {
        *own = scores;
    }
    let mut app = on_model("gradcam", THEME, info);
    let mut snapshot = snapshot("gradcam");
    snapshot.model = "leaves".into();
    snapshot.view.input = Some(picture(96, 64));
    if let Some(photo) = &mut snapshot.photo {
        photo.seen = Area { x: 0.0, y: 0.0, width: 768.0, height: 512.0 };
    }
    let top = [("rust", 1), ("healthy", 0), ("mildew", 2)].into_iter().zip(probabilities);
    let top = top.map(|((label, index), probability)| Prediction {
        index,
        label: label.into(),
        probability,
        logit: probability,
    });
    snapshot.course.top = top.collect();
    app.on_snapshot(seen(heated(heat(24)), Snapshot { about: Some(0), ..snapshot }));
    app
}

#[test]
fn few_classes_and_other_scores_are_shown_for_what_they_are() {
    let mut app = leaves(Scores::Sigmoid, [0.91, 0.62, 0.03]);
    insta::assert_snapshot!("few_classes_120x36", text(&mut app, 120, 36));
    let screen = |scores, probabilities| text(&mut leaves(scores, probabilities), 120, 36);
    let softmax = screen(Scores::Softmax, [0.7, 0.2, 0.1]);
    assert!(softmax.contains(" top 3 ─") && softmax.contains("70.0 %"), "{softmax}");
    let plain = screen(Scores::Plain, [7.25, -3.0, -14.5]);
    assert!(plain.contains(" top 3 scores ") && plain.contains("-14.50") && !plain.contains("-14.50 %"), "{plain}");
    let binary = screen(Scores::Binary, [0.8, 0.2, 0.0]);
    assert!(binary.contains(" yes or no "), "{binary}");
}

/// What is said of the pixel of a slot's picture that lies at a share of its width, in the middle of its height.
fn pointed(app: &mut App, slot: &str, share: f64) -> String {
    let mut pictures = Pictures::inline();
    let mut terminal = Terminal::new(TestBackend::new(160, 50)).expect("a screen");
    terminal.draw(|frame| draw(frame, app, &mut pictures)).expect("drawn");
    let cells = (0..160).flat_map(|x| (0..50).map(move |y| Position::new(x, y)));
    let hits = cells.filter_map(|cell| pictures.place_at(cell)).filter(|(name, ..)| *name == slot);
    let distance = |x: f64, y: f64| (x - share).abs() + (y - 0.5).abs();
    let hit = hits.min_by(|a, b| distance(a.1, a.2).total_cmp(&distance(b.1, b.2))).expect("the slot's picture");
    app.on_mouse(MouseEventKind::Moved, Some(hit));
    let screen = text(app, 160, 50);
    let line = screen.lines().find(|line| line.contains(" rgb ")).unwrap_or_else(|| panic!("{screen}"));
    line.split(['╰', '╯', '─']).find(|words| words.contains(" rgb ")).unwrap_or_default().to_owned()
}

/// The column that is named in it.
fn column(words: &str) -> u32 {
    words.trim().split(',').next().and_then(|x| x.parse().ok()).unwrap_or_else(|| panic!("{words}"))
}

#[test]
fn the_pixel_under_the_mouse_is_named_in_the_photo() {
    let mut app = app("gradcam", THEME);
    app.on_snapshot(seen(heated(heat(24)), snapshot("gradcam")));
    // The photo has 768 × 512 pixels, of which the network sees the middle 512 × 512.
    for slot in ["result", "input"] {
        let middle = pointed(&mut app, slot, 0.5);
        assert!((370..=398).contains(&column(&middle)) && middle.contains("· map 1.00"), "{middle}");
        let left = pointed(&mut app, slot, 0.0);
        assert!(column(&left) < 12 && !left.contains("· map"), "the network sees nothing there: {left}");
    }
}

#[test]
fn what_an_attack_made_is_named_in_the_photo_too() {
    let mut app = app("pgd", THEME);
    let view = View { result: Some(picture(224, 224)), perturbation: Some(picture(224, 224)), ..View::default() };
    app.on_snapshot(seen(view, snapshot("pgd")));
    for slot in ["result", "perturbation"] {
        let (left, right) = (pointed(&mut app, slot, 0.0), pointed(&mut app, slot, 1.0));
        assert!((128..148).contains(&column(&left)) && (620..640).contains(&column(&right)), "{left} {right}");
    }
}

#[test]
fn a_map_can_be_shown_on_what_the_network_sees_alone() {
    let spec = JobSpec { technique: "gradcam".into(), ..JobSpec::default() };
    let display = Display { crop: true, ..Display::default() };
    let mut app = App::new(Setup { spec, theme: THEME, begin: Begin::Start, display, bandwidth: None });
    app.on_snapshot(seen(heated(heat(24)), snapshot("gradcam")));
    let left = pointed(&mut app, "result", 0.0);
    assert!((128..140).contains(&column(&left)) && left.contains("· map"), "{left}");
}

#[test]
fn comparisons_are_of_the_models_classes_and_layers() {
    let mut app = on_model("gradcam", THEME, small_model());
    predict(&mut app, "gradcam", 1, "rust");
    press(&mut app, KeyCode::Char('g'));
    let screen = text(&mut app, 120, 36);
    assert!(!screen.contains("for the likeliest classes"), "one class is nothing to compare: {screen}");
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    let Task::Compare(maps) = started(&mut app).task else { panic!("no comparison") };
    let layers: Vec<&str> = maps.iter().filter_map(|map| map.layer.as_deref()).collect();
    assert_eq!(layers, ["conv1", "conv2", "conv3"]);
}
