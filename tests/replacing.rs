//! What becomes of the present run when the next one cannot begin, or something about it goes wrong.

#[path = "support/engine.rs"]
mod engine;

use engine::{
    KNOWN, WITH_GRADCAM, failed, finished, how, int, job, refused, wait, wait_for_step, with_engine, with_options,
};
use gradlens::engine::{Command, Event, FailureKind, JobSpec, Keeping, Options, Phase, ScoreSpec, Source, Task};
use gradlens::imaging::Display;
use gradlens::model::read::ReadOptions;
use gradlens::techniques::ParamValue;
use std::time::Duration;

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
        let others = "look at no class: feature-visualization, deepdream, style-transfer";
        assert!(message.contains("has no classes") && message.ends_with(others), "{message}");
        let after = link.snapshot();
        assert_eq!((after.run, &after.model, after.course.phase), (before.run, &before.model, Phase::Finished));
        assert!(after.view.heat.is_some());
        link.send(Command::Start(Box::new(gradcam))).expect("sent");
        wait(&mut link, finished).await;
        assert_eq!(link.snapshot().run, before.run + 1);
    });
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
