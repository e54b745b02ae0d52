//! The engine's behaviour through its link, with techniques made for the purpose.

#[path = "support/engine.rs"]
mod engine;

use candle_core::Device;
use engine::{KNOWN, counting::let_go, finished, int, job, refused, wait, wait_for_step, with_engine};
use gradlens::engine::{Command, Event, FailureKind, JobSpec, ParameterChange, Phase, RunManifest, Source, Update};
use gradlens::imaging::Display;
use gradlens::model::{BUILT_IN, ModelRef, open, usual};
use gradlens::techniques::{Context, ParamValue, Params, TECHNIQUES};
use std::collections::BTreeMap;
use std::time::Duration;

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
