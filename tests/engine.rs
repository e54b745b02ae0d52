//! The engine's behaviour through its link, with techniques made for the purpose.

#[path = "support/counting.rs"]
mod counting;

use candle_core::Device;
use counting::{Counting, let_go};
use gradlens::engine::{
    Command, Engine, Event, FailureKind, JobSpec, Keeping, Link, Options, ParameterChange, Phase, RunManifest,
    ScoreSpec, Source, Task, Update,
};
use gradlens::imaging::Display;
use gradlens::model::read::{self, ReadOptions};
use gradlens::model::{BUILT_IN, ModelRef, open, usual};
use gradlens::techniques::{Context, Group, Need, ParamValue, Params, TECHNIQUES, Technique, find};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

static KNOWN: &[&dyn Technique] = &[&Counting];
static WITH_GRADCAM: LazyLock<Vec<&dyn Technique>> =
    LazyLock::new(|| vec![&Counting, find(TECHNIQUES, "gradcam").expect("a technique")]);

fn job(set: &[(&str, ParamValue)]) -> JobSpec {
    let set: BTreeMap<String, ParamValue> = set.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    JobSpec { technique: "counting".into(), set, ..JobSpec::default() }
}

fn int(value: i64) -> ParamValue {
    ParamValue::Int(value)
}

/// Runs `test` on a fresh engine; a test that hangs fails.
fn with_engine<F: std::future::Future<Output = ()>>(
    known: &'static [&'static dyn Technique],
    test: impl FnOnce(Engine) -> F,
) {
    with_options(Options { techniques: known, ..Options::default() }, test);
}

fn with_options<F: std::future::Future<Output = ()>>(options: Options, test: impl FnOnce(Engine) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let engine = Engine::start(options).expect("an engine");
        tokio::time::timeout(Duration::from_secs(120), test(engine)).await.expect("the test takes too long");
    });
}

/// Waits for the first event that `wanted` accepts; the others are let pass.
async fn wait<T>(link: &mut Link, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = link.event().await.expect("the engine lives");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

async fn wait_for_step(link: &mut Link, step: usize) {
    while link.snapshot().course.step < step {
        assert!(link.changed().await, "the engine lives");
    }
}

fn finished(event: &Event) -> Option<usize> {
    if let Event::Finished { step, .. } = event { Some(*step) } else { None }
}

#[test]
fn a_run_goes_from_start_to_finish_with_a_row_for_the_start() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[])))).expect("sent");
        assert!(matches!(link.event().await, Some(Event::Started { run: 1, .. })));
        assert_eq!(wait(&mut link, finished).await, 20);
        let snapshot = link.snapshot();
        assert_eq!(snapshot.course.phase, Phase::Finished);
        let points = &snapshot.course.series[0].points;
        assert_eq!((points.len(), points[0], points[20]), (21, (0, 0.0), (20, 20.0)));
    });
}

#[test]
fn pause_holds_step_moves_by_one_resume_goes_on() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(1000))])))).expect("sent");
        wait_for_step(&mut link, 3).await;
        link.send(Command::Pause).expect("sent");
        let paused = |e: &Event| if let Event::Paused { step, .. } = e { Some(*step) } else { None };
        let held = wait(&mut link, paused).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!((link.snapshot().course.step, link.snapshot().course.phase), (held, Phase::Paused));
        link.send(Command::Step).expect("sent");
        wait_for_step(&mut link, held + 1).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(link.snapshot().course.step, held + 1, "one step and no more");
        link.send(Command::Resume).expect("sent");
        wait_for_step(&mut link, held + 5).await;
        link.send(Command::Stop).expect("sent");
        let stopped = |e: &Event| if let Event::Stopped { step, .. } = e { Some(*step) } else { None };
        wait(&mut link, stopped).await;
    });
}

#[test]
fn stop_takes_one_step_at_most() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        let held = [("steps", int(100_000)), ("how", ParamValue::Text("held".into()))];
        link.send(Command::Start(Box::new(job(&held)))).expect("sent");
        // The first of them looks at the start.
        let_go(4);
        wait_for_step(&mut link, 3).await;
        link.send(Command::Stop).expect("sent");
        // On this runtime of one thread the engine's task passes the command on before this test is at it again.
        tokio::time::sleep(Duration::from_millis(10)).await;
        // The step that may be under way is let go; another would wait for ever.
        let_go(1);
        let stopped = |e: &Event| if let Event::Stopped { step, .. } = e { Some(*step) } else { None };
        let at = wait(&mut link, stopped).await;
        assert!((3..=4).contains(&at), "{at}");
        assert_eq!(link.snapshot().course.step, at);
    });
}

#[test]
fn a_live_change_takes_effect_at_once_and_leaves_a_mark() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(100_000))])))).expect("sent");
        wait_for_step(&mut link, 5).await;
        link.send(Command::Set { name: "slope".into(), value: ParamValue::Float(3.0) }).expect("sent");
        let changed = |e: &Event| if let Event::Changed { step, .. } = e { Some(*step) } else { None };
        let at = wait(&mut link, changed).await;
        link.send(Command::Pause).expect("sent");
        let paused = |e: &Event| if let Event::Paused { step, .. } = e { Some(*step) } else { None };
        let end = wait(&mut link, paused).await + 4;
        link.send(Command::Set { name: "steps".into(), value: int(end as i64) }).expect("sent");
        link.send(Command::Resume).expect("sent");
        assert_eq!(wait(&mut link, finished).await, end);
        let snapshot = link.snapshot();
        assert_eq!(snapshot.run, 1, "the run was not started anew");
        assert_eq!(snapshot.course.series[0].points.last(), Some(&(end, (at + 3 * (end - at)) as f64)));
        assert_eq!(snapshot.course.marks[0].step, at);
        assert_eq!(snapshot.course.marks[0].kind.to_string(), "slope 1 → 3");
    });
}

#[test]
fn what_cannot_change_live_starts_the_run_anew() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(100_000))])))).expect("sent");
        wait_for_step(&mut link, 2).await;
        link.send(Command::Set { name: "break_at".into(), value: int(3) }).expect("sent");
        let started = |e: &Event| if let Event::Started { run: 2, .. } = e { Some(()) } else { None };
        wait(&mut link, started).await;
        link.send(Command::Stop).expect("sent");
    });
}

#[test]
fn a_run_can_be_looked_back_at_and_branched_from_any_step() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(100_000))])))).expect("sent");
        wait_for_step(&mut link, 20).await;
        link.send(Command::Set { name: "slope".into(), value: ParamValue::Float(3.0) }).expect("sent");
        let changed = |e: &Event| if let Event::Changed { step, .. } = e { Some(*step) } else { None };
        let at = wait(&mut link, changed).await;
        wait_for_step(&mut link, at + 60).await;
        link.send(Command::Look { step: Some(5) }).expect("sent");
        let paused = |e: &Event| if let Event::Paused { step, .. } = e { Some(*step) } else { None };
        let end = wait(&mut link, paused).await;
        while link.snapshot().shown.is_none() {
            assert!(link.changed().await, "the engine lives");
        }
        let snapshot = link.snapshot();
        assert_eq!((snapshot.shown, snapshot.course.step), (Some(5), end));
        assert_eq!(snapshot.view.result.as_ref().map(|p| p.rgb[0]), Some(5));
        assert_eq!(snapshot.history.first(), Some(&0));
        // Odd, so that its state is not among those kept: it is made again from one before, changes included.
        let from = at + 31 + at % 2;
        link.send(Command::Branch { step: from }).expect("sent");
        assert_eq!(wait(&mut link, paused).await, from);
        let snapshot = link.snapshot();
        assert_eq!((snapshot.run, snapshot.course.step, snapshot.course.phase), (2, from, Phase::Paused));
        assert_eq!(snapshot.course.series[0].points.last(), Some(&(from, (at + 3 * (from - at)) as f64)));
        assert_eq!(snapshot.course.series[0].points.len(), from + 1);
        assert_eq!(snapshot.course.marks.len(), 2, "the change and the branch: {:?}", snapshot.course.marks);
        assert_eq!(snapshot.past.iter().map(|p| (p.run, p.step)).collect::<Vec<_>>(), [(1, end)]);
        link.send(Command::Set { name: "slope".into(), value: ParamValue::Float(10.0) }).expect("sent");
        link.send(Command::Set { name: "steps".into(), value: int(from as i64 + 2) }).expect("sent");
        link.send(Command::Resume).expect("sent");
        assert_eq!(wait(&mut link, finished).await, from + 2);
        let value = link.snapshot().course.series[0].points.last().expect("points").1;
        assert_eq!(value as usize, at + 3 * (from - at) + 20);
        link.send(Command::Branch { step: 3 }).expect("sent");
        assert_eq!(wait(&mut link, paused).await, 3);
        assert_eq!(link.snapshot().params.get("slope"), Some(&ParamValue::Float(1.0)), "as it was then");
    });
}

#[test]
fn changes_are_made_again_where_they_were_made() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        let change = |step, name: &str, value| ParameterChange { step, name: name.into(), value };
        let changes = vec![change(3, "slope", ParamValue::Float(3.0)), change(6, "slope", ParamValue::Float(0.5))];
        let spec = JobSpec { changes: changes.clone(), until: Some(10), ..job(&[("steps", int(100))]) };
        link.send(Command::Start(Box::new(spec))).expect("sent");
        assert_eq!(wait(&mut link, finished).await, 10);
        assert_eq!(link.snapshot().course.series[0].points.last(), Some(&(10, 3.0 + 9.0 + 2.0)));
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().to_owned();
        link.send(Command::Save { folder: Some(folder), display: Display::default(), record: true }).expect("sent");
        let saved = |e: &Event| match e {
            Event::Saved { files, manifest, .. } => Some((files.clone(), manifest.clone())),
            _ => None,
        };
        let (files, manifest) = wait(&mut link, saved).await;
        assert_eq!(manifest.origin.changes, changes);
        assert!(files.contains(&"recording.gif".to_owned()), "{files:?}");
    });
}

#[test]
fn bad_changes_are_refused_and_the_run_goes_on() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(100_000))])))).expect("sent");
        for (name, value) in
            [("slope", ParamValue::Float(-1.0)), ("slop", int(1)), ("how", ParamValue::Text("x".into()))]
        {
            link.send(Command::Set { name: name.into(), value }).expect("sent");
            let refused = |e: &Event| if let Event::Refused { kind, .. } = e { Some(*kind) } else { None };
            assert_eq!(wait(&mut link, refused).await, FailureKind::Usage, "{name}");
        }
        let refused_at = link.snapshot().course.step;
        wait_for_step(&mut link, refused_at + 2).await;
        assert_eq!((link.snapshot().run, link.snapshot().course.phase), (1, Phase::Running));
    });
}

#[test]
fn faults_end_the_run_clearly_and_keep_the_last_good_picture() {
    for (how, words) in [("nan", "no longer a finite number"), ("panic", "on purpose"), ("error", "on purpose")] {
        with_engine(KNOWN, |engine| async move {
            let mut link = engine.link();
            let bad = [("break_at", int(7)), ("how", ParamValue::Text(how.into()))];
            link.send(Command::Start(Box::new(job(&bad)))).expect("sent");
            let failed = |e: &Event| match e {
                Event::Failed { message, .. } => Some(message.clone()),
                _ => None,
            };
            let message = wait(&mut link, failed).await;
            assert!(message.contains(words), "{how}: {message}");
            let snapshot = link.snapshot();
            assert_eq!(snapshot.course.phase, Phase::Failed);
            assert_eq!(*snapshot.view.result.as_ref().expect("a picture").rgb, [6, 6, 6], "{how}");
            assert_eq!(snapshot.course.series[0].points.len(), 7);
            // The engine is as good as before.
            link.send(Command::Start(Box::new(job(&[])))).expect("sent");
            assert_eq!(wait(&mut link, finished).await, 20);
        });
    }
}

fn refused(event: &Event) -> Option<(FailureKind, String)> {
    if let Event::Refused { kind, message } = event { Some((*kind, message.clone())) } else { None }
}

#[test]
fn a_model_that_cannot_be_read_leaves_the_run_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("broken.onnx").to_string_lossy().into_owned();
    std::fs::write(&path, b"no network").expect("a file");
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(100_000))])))).expect("sent");
        wait_for_step(&mut link, 2).await;
        let other = JobSpec { model: Some(path), ..job(&[]) };
        link.send(Command::Start(Box::new(other))).expect("sent");
        let (kind, message) = wait(&mut link, refused).await;
        assert!(kind == FailureKind::Weights && message.contains("not an ONNX model"), "{message}");
        let refused_at = link.snapshot().course.step;
        wait_for_step(&mut link, refused_at + 2).await;
        assert_eq!((link.snapshot().run, link.snapshot().course.phase), (1, Phase::Running));
    });
}

#[test]
fn a_model_that_cannot_do_what_the_run_does_leaves_the_run_as_it_is() {
    with_engine(&WITH_GRADCAM, |engine| async move {
        let mut link = engine.link();
        let picture = Some(Source::Sample("hen".into()));
        let gradcam = JobSpec { technique: "gradcam".into(), picture, ..JobSpec::default() };
        link.send(Command::Start(Box::new(gradcam.clone()))).expect("sent");
        wait(&mut link, finished).await;
        let before = link.snapshot();
        // Its output is features: no class to explain.
        let reading =
            ReadOptions { output: Some("/layer1/layer1.0/conv1/Conv_output_0".into()), ..ReadOptions::default() };
        let model = Some("tests/data/onnx/cnn_ts17.onnx".into());
        link.send(Command::Start(Box::new(JobSpec { model, reading, ..gradcam.clone() }))).expect("sent");
        let (_, message) = wait(&mut link, refused).await;
        assert!(message.contains("needs classes") && message.contains("deepdream"), "{message}");
        let after = link.snapshot();
        assert_eq!((after.run, &after.model, after.course.phase), (before.run, &before.model, Phase::Finished));
        assert!(after.view.heat.is_some());
        link.send(Command::Start(Box::new(gradcam))).expect("sent");
        wait(&mut link, finished).await;
        assert_eq!(link.snapshot().run, before.run + 1);
    });
}

#[test]
fn what_is_said_to_need_no_classes_needs_none() {
    let net = read::open(
        "tests/data/onnx/cnn_ts17.onnx",
        "net",
        &ReadOptions { output: Some("/layer1/layer1.0/conv1/Conv_output_0".into()), ..ReadOptions::default() },
        &Device::Cpu,
    );
    let refusal = net.expect("a network").info.classes().expect_err("features").to_string();
    for technique in TECHNIQUES {
        let needs = technique.needs();
        let needs_classes =
            technique.group() == Group::Attribution || needs.class != Need::None || needs.target != Need::None;
        assert_eq!(refusal.contains(technique.id()), !needs_classes, "{}: {refusal}", technique.id());
    }
}

fn failed(event: &Event) -> Option<(u64, String)> {
    if let Event::Failed { run, message, .. } = event { Some((*run, message.clone())) } else { None }
}

fn how(word: &str) -> (&'static str, ParamValue) {
    ("how", ParamValue::Text(word.into()))
}

#[test]
fn a_panic_in_a_command_ends_neither_the_run_nor_the_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let save = Command::Save { folder: Some(folder.path().join("x")), display: Display::default(), record: false };
    let set = Command::Set { name: "slope".into(), value: ParamValue::Float(2.0) };
    for (word, command) in [("panics when set", set), ("panics when saved", save)] {
        with_engine(KNOWN, |engine| async move {
            let mut link = engine.link();
            link.send(Command::Start(Box::new(job(&[("steps", int(30)), how(word)])))).expect("sent");
            wait_for_step(&mut link, 2).await;
            link.send(command).expect("sent");
            let (_, message) = wait(&mut link, refused).await;
            assert!(message.contains("on purpose"), "{message}");
            assert_eq!(wait(&mut link, finished).await, 30, "{word}");
        });
    }
}

#[test]
fn a_panic_while_a_run_is_kept_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let every = Duration::from_secs(3600);
    let keeping = Some(Keeping { root: folder.path().join("kept"), socket: None, every, early: false });
    let options = Options { techniques: KNOWN, keeping, ..Options::default() };
    with_options(options, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(100_000)), how("panics when kept")])))).expect("sent");
        wait_for_step(&mut link, 30).await;
        link.send(Command::Pause).expect("sent");
        let paused = |e: &Event| if let Event::Paused { step, .. } = e { Some(*step) } else { None };
        let held = wait(&mut link, paused).await;
        if held % 2 == 0 {
            link.send(Command::Step).expect("sent");
        }
        link.send(Command::Keep).expect("sent");
        let warned = |e: &Event| if let Event::Warned { message } = e { Some(message.clone()) } else { None };
        let message = wait(&mut link, warned).await;
        assert!(message.contains("could not be kept") && message.contains("on purpose"), "{message}");
        wait(&mut link, |e| matches!(e, Event::Kept { .. }).then_some(())).await;
        link.send(Command::Start(Box::new(job(&[("steps", int(2))])))).expect("sent");
        assert_eq!(wait(&mut link, finished).await, 2, "the engine is as good as before");
    });
}

#[test]
fn a_run_that_cannot_begin_leaves_the_present_one_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("photo.png");
    std::fs::write(&text, "no picture").expect("written");
    let seen = |spec: JobSpec, kind: FailureKind| {
        with_engine(&WITH_GRADCAM, |engine| async move {
            let mut link = engine.link();
            link.send(Command::Start(Box::new(job(&[("steps", int(40))])))).expect("sent");
            wait_for_step(&mut link, 2).await;
            link.send(Command::Start(Box::new(spec))).expect("sent");
            assert_eq!(wait(&mut link, refused).await.0, kind);
            let snapshot = link.snapshot();
            assert_eq!((snapshot.run, snapshot.past.len(), snapshot.course.phase), (1, 0, Phase::Running));
            assert_eq!(wait(&mut link, finished).await, 40);
        });
    };
    let picture = |source| Some(Source::File(source));
    let gradcam = JobSpec { technique: "gradcam".into(), ..JobSpec::default() };
    seen(JobSpec { technique: "gradcan".into(), ..gradcam.clone() }, FailureKind::Usage);
    seen(JobSpec { picture: picture(text.clone()), ..gradcam.clone() }, FailureKind::Image);
    seen(JobSpec { model: Some("resnet".into()), ..gradcam.clone() }, FailureKind::Usage);
    seen(JobSpec { weights: Some(folder.path().join("none")), ..gradcam.clone() }, FailureKind::Weights);
    seen(job(&[("slope", ParamValue::Float(-1.0))]), FailureKind::Usage);
    let metrics = ScoreSpec { metrics: vec!["beauty".into()], target: None };
    seen(JobSpec { task: Task::Score(metrics), ..gradcam }, FailureKind::Usage);
}

#[test]
fn a_failed_run_does_not_show_the_one_before_it() {
    with_engine(&WITH_GRADCAM, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(3))])))).expect("sent");
        wait(&mut link, finished).await;
        // There is no picture.
        link.send(Command::Start(Box::new(JobSpec { technique: "gradcam".into(), ..JobSpec::default() })))
            .expect("sent");
        assert_eq!(wait(&mut link, failed).await.0, 2);
        let snapshot = link.snapshot();
        assert_eq!((snapshot.run, snapshot.course.phase, snapshot.course.step), (2, Phase::Failed, 0));
        assert!(snapshot.view.result.is_none() && snapshot.course.series.is_empty());
        assert_eq!(snapshot.past.iter().map(|past| past.run).collect::<Vec<_>>(), [1]);
    });
}

#[test]
fn a_run_outlives_a_change_that_cannot_begin() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(40))])))).expect("sent");
        wait_for_step(&mut link, 2).await;
        let (name, value) = how("refuses");
        link.send(Command::Set { name: name.into(), value }).expect("sent");
        assert!(wait(&mut link, refused).await.1.contains("told to"));
        let snapshot = link.snapshot();
        assert_eq!((snapshot.run, snapshot.course.phase, snapshot.past.len()), (1, Phase::Running, 0));
        assert_eq!(wait(&mut link, finished).await, 40);
    });
}

#[test]
fn a_run_that_cannot_be_taken_up_leaves_the_present_one_alone() {
    with_engine(KNOWN, |engine| async move {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("checkpoint"), b"GLCP and not much more").expect("written");
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(40))])))).expect("sent");
        wait_for_step(&mut link, 2).await;
        link.send(Command::Restore { folder: folder.path().to_owned() }).expect("sent");
        wait(&mut link, refused).await;
        assert_eq!((link.snapshot().run, link.snapshot().course.phase), (1, Phase::Running));
        assert_eq!(wait(&mut link, finished).await, 40);
    });
}

#[test]
fn classes_are_the_models_own() {
    with_engine(TECHNIQUES, |engine| async move {
        let mut link = engine.link();
        let spec = JobSpec {
            technique: "gradcam".into(),
            picture: Some(Source::Sample("hen".into())),
            class: Some("German shep".into()),
            ..JobSpec::default()
        };
        let started = |e: &Event| match e {
            Event::Started { spec, model, .. } => Some((spec.clone(), model.clone())),
            _ => None,
        };
        link.send(Command::Start(Box::new(spec.clone()))).expect("sent");
        let (begun, model) = wait(&mut link, started).await;
        assert_eq!(begun.class, Some(235.into()));
        assert!(spec.became(&begun) && model.label(235) == "German shepherd");
        wait(&mut link, finished).await;
        let snapshot = link.snapshot();
        assert_eq!(snapshot.top_scores, model.output.as_ref().map(|output| output.scores));
        let photo = snapshot.photo.as_ref().expect("the photo");
        let whole = [photo.picture.width, photo.picture.height];
        let [width, height] = photo.size.map(f64::from);
        assert!(whole[0] != whole[1] && whole[0].max(whole[1]) <= 1024, "the whole of it: {whole:?}");
        // The network sees its middle.
        let seen = photo.seen;
        assert!((seen.width - width.min(height)).abs() < 1.0 && (seen.height - width.min(height)).abs() < 1.0);
        assert!((seen.x - (width - seen.width) / 2.0).abs() < 2.0, "{seen:?}");
        for (class, words) in
            [("shepherd dog of mars", "no class called"), ("shark", "several classes"), ("1000", "0 to 999")]
        {
            link.send(Command::Start(Box::new(JobSpec { class: Some(class.into()), ..spec.clone() }))).expect("sent");
            let (kind, message) = wait(&mut link, refused).await;
            assert!(kind == FailureKind::Usage && message.contains(words), "{message}");
        }
        assert_eq!((link.snapshot().run, link.snapshot().course.phase), (1, Phase::Finished));
    });
}

#[test]
fn several_watchers_see_the_same_events_in_the_same_order() {
    with_engine(KNOWN, |engine| async move {
        let (mut one, mut two) = (engine.link(), engine.link());
        one.send(Command::Start(Box::new(job(&[("steps", int(5))])))).expect("sent");
        let mut seen = vec![];
        for link in [&mut one, &mut two] {
            let mut events = vec![];
            while events.last().and_then(finished).is_none() {
                events.push(link.event().await.expect("an event"));
            }
            seen.push(events);
        }
        assert_eq!(seen[0], seen[1]);
        assert!(seen[0].len() >= 2, "a start and an end");
    });
}

#[test]
fn an_unknown_technique_is_a_usage_failure() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(JobSpec { technique: "countin".into(), ..JobSpec::default() })))
            .expect("sent");
        let failed = |e: &Event| match e {
            Event::Failed { kind, message, .. } => Some((*kind, message.clone())),
            _ => None,
        };
        let (kind, message) = wait(&mut link, failed).await;
        assert_eq!(kind, FailureKind::Usage);
        assert!(message.contains("did you mean \"counting\""), "{message}");
    });
}

#[test]
fn a_saved_run_is_complete() {
    with_engine(TECHNIQUES, |engine| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let mut link = engine.link();
        let spec = JobSpec {
            technique: "gradcam".into(),
            picture: Some(Source::Sample("german_shepherd".into())),
            ..JobSpec::default()
        };
        link.send(Command::Start(Box::new(spec))).expect("sent");
        wait(&mut link, finished).await;
        link.send(Command::Save {
            folder: Some(folder.path().join("a/b")),
            display: Display::default(),
            record: false,
        })
        .expect("sent");
        let saved = |e: &Event| match e {
            Event::Saved { files, manifest, .. } => Some((files.clone(), manifest.clone())),
            _ => None,
        };
        let (files, manifest) = wait(&mut link, saved).await;
        assert_eq!(files, ["result.png", "overlay.png", "map.npy", "run.json"]);
        assert_eq!(manifest.figures["class"]["label"], "German shepherd");
        assert_eq!(manifest.figures["layer"], "head");
        assert!(manifest.success);
        let on_disk = std::fs::read(folder.path().join("a/b/run.json")).expect("run.json");
        assert_eq!(serde_json::from_slice::<RunManifest>(&on_disk).expect("JSON"), *manifest);
    });
}

#[test]
fn one_seed_gives_one_picture() {
    let picture = |seed: u64| {
        let technique = gradlens::techniques::find(TECHNIQUES, "class-visualization").expect("a technique");
        let usual = ModelRef::named(usual(BUILT_IN, technique.purpose()).expect("a model").id);
        let model = open(BUILT_IN, &usual, &Device::Cpu).expect("its weights");
        let given = BTreeMap::from([("steps".to_owned(), int(3))]);
        let params = Params::new(technique.params(), &given).expect("parameters");
        let context = Context {
            model: model.into(),
            picture: None,
            others: vec![],
            styles: vec![],
            mask: None,
            init: None,
            class: Some(130),
            target: None,
            layer: None,
            seed,
        };
        let mut job = technique.start(context, params).expect("a job");
        while !job.step().expect("a step").done {}
        job.view().expect("a view").result.expect("a picture")
    };
    assert_eq!(picture(5), picture(5));
    assert_ne!(picture(5), picture(6));
}

#[test]
fn a_link_tells_events_before_snapshots() {
    with_engine(KNOWN, |engine| async move {
        let mut link = engine.link();
        link.send(Command::Start(Box::new(job(&[("steps", int(2))])))).expect("sent");
        let mut events = 0;
        loop {
            match link.next().await.expect("the engine lives") {
                Update::Event(event) if finished(&event).is_some() => break,
                Update::Event(_) => events += 1,
                Update::Snapshot => drop(link.snapshot()),
            }
        }
        assert!(events >= 1);
    });
}
