//! A dashboard with a made-up run, and its screen as text.

use crossterm::event::KeyCode;
use gradlens::engine::{Course, Event, JobSpec, Machine, Phase, Photo, Snapshot, Source};
use gradlens::graph::LayerInfo;
use gradlens::imaging::{Area, Display, HeatMap, Picture};
use gradlens::model::{
    BUILT_IN, ChannelOrder, Input, Labels, ModelInfo, Output, Prediction, Provenance, Resize, Roles, Scores, usual,
};
use gradlens::picture::{Pictures, Protocol, Rates};
use gradlens::techniques::{Params, TECHNIQUES, View, find};
use gradlens::tui::{App, Begin, Setup, Theme, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const THEME: Theme = Theme { color: true, plain: false };

/// A dashboard whose first run has begun on a classifier of ImageNet's classes.
pub fn app(technique: &str, theme: Theme) -> App {
    on_model(technique, theme, model(&["stem", "blocks.4.2", "head"]))
}

/// The same on a model.
pub fn on_model(technique: &str, theme: Theme, model: ModelInfo) -> App {
    let spec = JobSpec {
        technique: technique.into(),
        picture: Some(Source::Sample("german_shepherd".into())),
        styles: vec![Source::Sample("great_wave".into())],
        ..JobSpec::default()
    };
    let display = Display::default();
    let mut app = App::new(Setup { spec: spec.clone(), theme, begin: Begin::Start, display, bandwidth: None });
    app.on_event(Event::Started { run: 1, spec: Box::new(spec), model: Arc::new(model), params: Params::default() });
    app.set_output(Protocol::Kitty, Rates { bytes: 96_000.0, pictures: 4.8 });
    app
}

/// A classifier of ImageNet's classes with some layers.
pub fn model(layers: &[&str]) -> ModelInfo {
    let roles = Roles { cam: layers.last().map(|l| (*l).into()), ..Roles::default() };
    let layer =
        |name: &&str| LayerInfo { name: (*name).into(), kind: "convolution".into(), shape: [8, 7, 7], grid: None };
    ModelInfo {
        id: "tf_efficientnet_lite0".into(),
        input: Input {
            channels: ChannelOrder::Rgb,
            size: [224, 224],
            any_size: true,
            range: 255.0,
            mean: vec![127.0; 3],
            std: vec![128.0; 3],
            resize: Resize::default(),
        },
        output: Some(Output::imagenet()),
        roles,
        layers: layers.iter().map(layer).collect(),
        provenance: Provenance::default(),
    }
}

/// A classifier of three classes, each with a probability of its own, that looks at the middle of grey photos.
pub fn small_model() -> ModelInfo {
    let labels = ["healthy", "rust", "mildew"].map(str::to_owned).to_vec();
    ModelInfo {
        id: "leaves".into(),
        input: Input {
            channels: ChannelOrder::Grey,
            size: [64, 96],
            any_size: false,
            range: 1.0,
            mean: vec![0.5],
            std: vec![0.25],
            resize: Resize::default(),
        },
        output: Some(Output { scores: Scores::Sigmoid, labels: Labels::new(labels) }),
        ..model(&["conv1", "conv2", "conv3"])
    }
}

pub fn picture(width: u32, height: u32) -> Picture {
    Picture::new(width, height, (0..width * height * 3).map(|i| (i % 251) as u8).collect())
}

pub fn snapshot(technique: &str) -> Snapshot {
    let found = find(TECHNIQUES, technique).expect("a technique");
    let top = [("German shepherd", 235, 0.972), ("malinois", 225, 0.0058), ("kelpie", 227, 0.0011)];
    let top = top
        .map(|(label, index, probability)| Prediction { index, label: label.into(), probability, logit: 1.0 })
        .into();
    Snapshot {
        run: 1,
        technique: technique.into(),
        model: usual(BUILT_IN, found.purpose()).expect("a model").id.into(),
        machine: Machine { device: "cpu".into(), threads: 2 },
        course: Course { phase: Phase::Finished, step: 1, total: 1, top, ..Course::default() },
        ms_per_step: 61.0,
        photo: Some(Photo {
            picture: picture(96, 64),
            size: [768, 512],
            seen: Area { x: 128.0, y: 0.0, width: 512.0, height: 512.0 },
        }),
        view: View { input: Some(picture(224, 224)), cropped: true, ..View::default() },
        params: Params::new(found.params(), &BTreeMap::new()).expect("defaults"),
        ..Snapshot::default()
    }
}

/// The same with other things to see.
pub fn seen(view: View, snapshot: Snapshot) -> Arc<Snapshot> {
    let cropped = view.cropped || view.input.is_none();
    let view = View { input: view.input.clone().or(snapshot.view.input.clone()), cropped, ..view };
    Arc::new(Snapshot { view, ..snapshot })
}

/// The same in another phase.
pub fn in_phase(phase: Phase, snapshot: Snapshot) -> Arc<Snapshot> {
    Arc::new(Snapshot { course: Course { phase, ..snapshot.course }, ..snapshot })
}

pub fn heated(heat: HeatMap) -> View {
    View { heat: Some(heat), ..View::default() }
}

pub fn text(app: &mut App, width: u16, height: u16) -> String {
    let mut pictures = Pictures::inline();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
    terminal.draw(|frame| draw(frame, app, &mut pictures)).expect("drawn");
    terminal.backend().to_string()
}

pub fn press(app: &mut App, code: KeyCode) {
    app.on_key(&crossterm::event::KeyEvent::from(code));
}

/// A map with its peak at one of its 49 cells.
pub fn heat(peak: usize) -> HeatMap {
    HeatMap::new(7, 7, (0..49).map(|i| 1.0 / (1.0 + (i as f32 - peak as f32).abs())).collect())
}
