//! The drawn screen, at three sizes and in the states a person sees.

mod support;

use crossterm::event::KeyCode;
use gradlens::engine::{
    Command, Compared, Course, Event, FailureKind, Mark, MarkKind, Past, Phase, Photo, Series, Snapshot, Task,
};
use gradlens::imaging::{Display, HeatMap, Picture};
use gradlens::picture::{self, Importance, Pictures, Protocol, Writer};
use gradlens::techniques::{Finding, Panel, TECHNIQUES, View};
use gradlens::tui::{Action, App, Theme, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;
use support::screen::{THEME, app, heat, heated, in_phase, picture, press, seen, snapshot, text};

fn attribution() -> App {
    let mut app = app("gradcam", THEME);
    let heat = HeatMap::new(7, 7, (0..49).map(|i| i as f32 / 48.0).collect());
    app.on_snapshot(seen(heated(heat), snapshot("gradcam")));
    app
}

fn painting(theme: Theme) -> App {
    let mut app = app("style-transfer", theme);
    let curve = |name: &str, start: f64| Series {
        name: name.into(),
        points: (0..=143).map(|i| (i, start * (-(i as f64) / 40.0).exp() + start / 50.0)).collect(),
    };
    let [name, from, to] = ["style_weight", "20", "30"].map(str::to_owned);
    let before = snapshot("style-transfer");
    let course = Course {
        phase: Phase::Running,
        step: 143,
        total: 400,
        series: vec![curve("loss", 30.0), curve("content", 0.7), curve("style", 1.5), curve("tv", 0.03)],
        marks: vec![Mark { step: 90, kind: MarkKind::Changed { name, from, to } }],
        ..before.course
    };
    let view = View { input: Some(picture(64, 48)), result: Some(picture(64, 48)), ..View::default() };
    let (photo, style) = (Some(Photo::new(&picture(640, 480))), Some(picture(66, 45)));
    app.on_snapshot(Arc::new(Snapshot { course, ms_per_step: 182.0, photo, view, style, ..before }));
    app
}

#[test]
fn attribution_at_three_sizes() {
    for (width, height) in [(80, 24), (120, 36), (160, 50)] {
        insta::assert_snapshot!(format!("attribution_{width}x{height}"), text(&mut attribution(), width, height));
    }
}

#[test]
fn style_transfer_at_three_sizes() {
    for (width, height) in [(80, 24), (120, 36), (160, 50)] {
        insta::assert_snapshot!(format!("style_{width}x{height}"), text(&mut painting(THEME), width, height));
    }
}

#[test]
fn a_plain_screen_has_no_braille_and_no_blocks() {
    let screen = text(&mut painting(Theme { color: false, plain: true }), 160, 50);
    assert!(!screen.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{screen}");
    assert!(screen.contains("loss") && screen.contains('#'));
}

#[test]
fn no_color_means_no_colour_outside_pictures() {
    let mut app = app("class-visualization", Theme { color: false, plain: false });
    app.on_snapshot(Arc::new(Snapshot { photo: None, view: View::default(), ..snapshot("class-visualization") }));
    let mut terminal = Terminal::new(TestBackend::new(120, 36)).expect("a screen");
    terminal.draw(|frame| draw(frame, &mut app, &mut Pictures::inline())).expect("drawn");
    let buffer = terminal.backend().buffer();
    assert!(
        buffer.content().iter().all(|c| c.fg == ratatui::style::Color::Reset && c.bg == ratatui::style::Color::Reset)
    );
}

#[test]
fn too_small_a_screen_says_so() {
    let screen = text(&mut attribution(), 40, 10);
    assert!(screen.contains("needs 60×18") && screen.contains("40×10"), "{screen}");
}

#[test]
fn dialogs_open_search_and_choose() {
    let mut app = attribution();
    app.take_commands();
    app.apply(Action::Help);
    insta::assert_snapshot!("help_120x36", text(&mut app, 120, 36));
    let press = |app: &mut App, code| app.on_key(&crossterm::event::KeyEvent::from(code));
    press(&mut app, KeyCode::Esc);
    assert!(!app.has_dialog());
    press(&mut app, KeyCode::Char('c'));
    for c in "flming".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    assert!(text(&mut app, 120, 36).contains("▸  130  flamingo"), "the search is fuzzy");
    press(&mut app, KeyCode::Enter);
    let started = app.take_commands();
    assert!(
        matches!(&started[..], [gradlens::engine::Command::Start(spec)] if spec.class == Some(130.into())),
        "{started:?}"
    );
}

#[test]
fn a_failure_stays_on_the_screen_without_its_escape_sequences() {
    let mut app = attribution();
    let message = "cannot use the picture x\x1b[31m.png: it is not a picture".to_owned();
    app.on_event(Event::Failed { run: 1, step: 0, kind: FailureKind::Image, message });
    let screen = text(&mut app, 120, 36);
    assert!(screen.contains("cannot use the picture") && !screen.contains('\x1b'), "{screen}");
}

#[test]
fn every_technique_is_one_arrow_key_away() {
    let mut app = app(TECHNIQUES[0].id(), THEME);
    app.take_commands();
    for technique in TECHNIQUES.iter().skip(1).chain(TECHNIQUES.first()) {
        app.apply(Action::NextTechnique);
        match &app.take_commands()[..] {
            [gradlens::engine::Command::Start(spec)] => assert_eq!(spec.technique, technique.id()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_run_that_is_left_is_in_the_summary() {
    let mut app = painting(THEME);
    app.apply(Action::Quit);
    assert!(app.wants_to_quit());
    let summary = &app.summaries()[0];
    assert_eq!((summary.technique.as_str(), summary.ended, summary.steps), ("style-transfer", "left", 143));
    assert_eq!(summary.figures.len(), 4);
}

#[test]
fn a_change_is_sent_and_shown_at_once() {
    let mut app = painting(THEME);
    app.take_commands();
    app.apply(Action::Down);
    app.apply(Action::Increase);
    let sent = app.take_commands();
    assert!(matches!(&sent[..], [gradlens::engine::Command::Set { name, .. }] if name == "style_weight"), "{sent:?}");
    assert!(text(&mut app, 160, 50).contains(" 30"));
}

#[test]
fn maps_stand_side_by_side_with_their_similarity() {
    let mut app = app("gradcam", THEME);
    let titles = ["gradcam", "gradcam++", "layercam", "eigencam"];
    let panels = titles.iter().enumerate().map(|(i, t)| Panel { title: (*t).into(), heat: heat(i * 12) }).collect();
    let similarity =
        (0..4).map(|i| (0..4).map(|j| Some(1.0 - 0.3 * (i as f32 - j as f32).abs())).collect()).collect();
    app.on_snapshot(seen(View { panels, similarity, ..View::default() }, snapshot("gradcam")));
    insta::assert_snapshot!("comparison_160x50", text(&mut app, 160, 50));
    let small = text(&mut app, 80, 24);
    assert!(titles.iter().all(|t| small.contains(t)), "{small}");
}

#[test]
fn scores_are_shown_with_their_better_end() {
    let mut app = attribution();
    app.take_commands();
    press(&mut app, KeyCode::Char('e'));
    let sent = app.take_commands();
    assert!(matches!(&sent[..], [gradlens::engine::Command::Start(spec)] if spec.task.is_score()), "{sent:?}");
    let scores = [("deletion_auc", 0.1123), ("insertion_auc", 0.734), ("road", 0.2)].map(|(n, v)| (n.to_owned(), v));
    app.on_snapshot(seen(View { scores: scores.into(), ..heated(heat(3)) }, snapshot("gradcam")));
    let screen = text(&mut app, 120, 36);
    for words in ["deletion auc", "0.112 ↓", "insertion auc", "0.734 ↑"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
}

#[test]
fn comparisons_are_chosen_and_left_with_one_key() {
    let mut app = attribution();
    app.on_snapshot(seen(heated(heat(3)), snapshot("gradcam")));
    app.take_commands();
    let compared = |app: &mut App| -> Vec<Compared> {
        match &app.take_commands()[..] {
            [gradlens::engine::Command::Start(spec)] => match &spec.task {
                Task::Compare(maps) => maps.clone(),
                _ => vec![],
            },
            other => panic!("{other:?}"),
        }
    };
    press(&mut app, KeyCode::Char('g'));
    press(&mut app, KeyCode::Enter);
    let cams = compared(&mut app);
    assert!(cams.len() >= 6 && cams.iter().all(|c| c.technique.contains("cam")), "{cams:?}");
    press(&mut app, KeyCode::Char('g'));
    assert!(compared(&mut app).is_empty(), "back to one map");
    // Layers of one's choice, marked with tab.
    press(&mut app, KeyCode::Char('g'));
    press(&mut app, KeyCode::End);
    press(&mut app, KeyCode::Enter);
    press(&mut app, KeyCode::Enter);
    assert!(app.has_dialog(), "one layer is no comparison");
    for _ in 0..2 {
        press(&mut app, KeyCode::Tab);
        press(&mut app, KeyCode::Down);
    }
    assert!(text(&mut app, 120, 36).contains("[x] blocks.4.2"));
    press(&mut app, KeyCode::Enter);
    let chosen: Vec<Option<String>> = compared(&mut app).into_iter().map(|c| c.layer).collect();
    assert_eq!(chosen, [Some("stem".to_owned()), Some("blocks.4.2".to_owned())]);
}

#[test]
fn display_keys_change_the_picture_and_never_the_map() {
    let mut app = attribution();
    let colours = |app: &mut App| {
        let mut terminal = Terminal::new(TestBackend::new(120, 36)).expect("a screen");
        terminal.draw(|frame| draw(frame, app, &mut Pictures::inline())).expect("drawn");
        terminal.backend().buffer().content().iter().map(|c| (c.fg, c.bg)).collect::<Vec<_>>()
    };
    let mut before = colours(&mut app);
    for key in ['m', '>', 'k', 't', 'i', 'v'] {
        for _ in 0..if key == 'k' { 2 } else { 1 } {
            press(&mut app, KeyCode::Char(key));
        }
        press(&mut app, KeyCode::Esc);
        let after = colours(&mut app);
        assert!(before != after, "{key} changes nothing");
        before = after;
    }
    press(&mut app, KeyCode::Char('s'));
    let saved = app.take_commands().into_iter().find_map(|c| match c {
        gradlens::engine::Command::Save { display, .. } => Some(display),
        _ => None,
    });
    let display = saved.expect("a save");
    assert!(
        display.contour && display.threshold > 0.0 && display.clip > 0.0 && display.opacity > 0.55,
        "{display:?}"
    );
    assert_ne!(display.sequential, Display::default().sequential);
}

#[test]
fn a_layer_is_chosen_from_those_of_the_network() {
    let mut app = attribution();
    app.on_snapshot(seen(heated(heat(3)), snapshot("gradcam")));
    app.take_commands();
    press(&mut app, KeyCode::Char('l'));
    for c in "4.2".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    press(&mut app, KeyCode::Enter);
    let sent = app.take_commands();
    let layer = |s: &gradlens::engine::JobSpec| s.layer.as_deref() == Some("blocks.4.2");
    assert!(matches!(&sent[..], [gradlens::engine::Command::Start(spec)] if layer(spec)), "{sent:?}");
}

fn attack() -> App {
    let mut app = app("pgd", THEME);
    let curve = |name: &str, from: f64, to: f64| Series {
        name: name.into(),
        points: (0..=10).map(|i| (i, from + (to - from) * i as f64 / 10.0)).collect(),
    };
    let found = [
        ("L∞", "4/255", None),
        ("L2", "4.218", None),
        ("flipped at", "step 4", None),
        ("8-bit", "fools", Some(true)),
        ("JPEG 90", "does not fool", Some(false)),
    ];
    let before = snapshot("pgd");
    let course = Course {
        step: 10,
        total: 10,
        series: vec![curve("p_other", 0.0, 0.95), curve("p_source", 0.97, 0.01)],
        marks: vec![Mark { step: 4, kind: MarkKind::Note("flipped to hard disc".into()) }],
        ..before.course
    };
    let view = View {
        input: before.view.input.clone(),
        result: Some(picture(64, 64)),
        perturbation: Some(picture(64, 64)),
        findings: found.map(|(name, value, success)| Finding { success, ..Finding::new(name, value) }).into(),
        ..View::default()
    };
    app.on_snapshot(Arc::new(Snapshot { course, view, ..before }));
    app
}

#[test]
fn an_attack_shows_what_it_added_and_what_that_survives() {
    for (width, height) in [(80, 24), (160, 50)] {
        insta::assert_snapshot!(format!("attack_{width}x{height}"), text(&mut attack(), width, height));
    }
}

#[test]
fn a_run_is_scrubbed_branched_and_compared() {
    let mut app = painting(THEME);
    let base = (*app.snapshot().clone()).clone();
    let steps: Vec<usize> = (0..=143).collect();
    let past = Past {
        run: 1,
        technique: "style-transfer".into(),
        step: 143,
        result: picture(64, 48),
        series: vec![Series { name: "loss".into(), points: vec![(0, 30.0), (143, 2.0)].into() }],
        params: base.params.clone(),
    };
    let with = |run, step, shown| Snapshot {
        run,
        course: Course { step, ..base.course.clone() },
        shown,
        history: steps[..=step].into(),
        branches: true,
        past: if run == 2 { [past.clone()].into() } else { [].into() },
        ..base.clone()
    };
    app.on_snapshot(Arc::new(with(1, 143, None)));
    app.take_commands();
    press(&mut app, KeyCode::Char('['));
    press(&mut app, KeyCode::Char('{'));
    let looks = app.take_commands();
    assert_eq!(looks, [Command::Look { step: Some(142) }, Command::Look { step: Some(132) }]);
    app.on_snapshot(in_phase(Phase::Paused, with(1, 143, Some(132))));
    insta::assert_snapshot!("scrubbed_120x36", text(&mut app, 120, 36));
    press(&mut app, KeyCode::Char('b'));
    assert_eq!(app.take_commands(), [Command::Branch { step: 132 }]);
    app.on_snapshot(in_phase(Phase::Paused, with(2, 132, None)));
    insta::assert_snapshot!("branched_160x50", text(&mut app, 160, 50));
    press(&mut app, KeyCode::Char('d'));
    assert!(!text(&mut app, 160, 50).contains("run 1 ·"));
    press(&mut app, KeyCode::Char('d'));
    press(&mut app, KeyCode::Enter);
    assert!(text(&mut app, 160, 50).contains("run 1 ·"));
}

#[test]
fn values_are_typed_and_checked() {
    let mut app = painting(THEME);
    app.take_commands();
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    for c in "-3".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    press(&mut app, KeyCode::Enter);
    let screen = text(&mut app, 120, 36);
    assert!(screen.contains("style_weight cannot be") && screen.contains("> -3"), "{screen}");
    for key in [KeyCode::Home, KeyCode::Delete, KeyCode::End, KeyCode::Char('5'), KeyCode::Enter] {
        press(&mut app, key);
    }
    let value = gradlens::techniques::ParamValue::Float(35.0);
    assert_eq!(app.take_commands(), [Command::Set { name: "style_weight".into(), value }]);
}

#[test]
fn a_class_turns_a_running_visualization_and_restarts_a_finished_one() {
    let mut app = app("class-visualization", THEME);
    let running = Snapshot { photo: None, view: View::default(), ..snapshot("class-visualization") };
    app.on_snapshot(in_phase(Phase::Running, running.clone()));
    app.take_commands();
    app.apply(Action::SetClass(292));
    let value = gradlens::techniques::ParamValue::Int(292);
    assert_eq!(app.take_commands(), [Command::Set { name: "class".into(), value }]);
    app.on_snapshot(in_phase(Phase::Finished, running));
    app.apply(Action::SetClass(130));
    assert!(matches!(app.take_commands().as_slice(), [Command::Start(spec)] if spec.class == Some(130.into())));
}

/// Where a picture was, every cell is drawn again: on terminals whose pictures are pixels nothing else removes them.
#[test]
fn nothing_of_a_picture_stays_where_it_was() {
    let square = Picture::new(64, 64, vec![90; 64 * 64 * 3]);
    for protocol in [Protocol::Kitty, Protocol::Sixel, Protocol::Iterm2] {
        let writer = Writer::start(std::io::sink(), false, || {}).expect("a writer");
        let mut pictures = Pictures::new(picture::Terminal::plain(protocol), Arc::new(writer), || {});
        let mut frame = |area: Option<Rect>| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 20));
            if let Some(area) = area {
                pictures.draw("result", &square, area, Importance::Main, &mut buffer);
            }
            let _ = pictures.end_frame(&buffer);
            buffer
        };
        // Cells are twice as high as wide, so these are filled by a square.
        let (here, there) = (Rect::new(2, 2, 20, 10), Rect::new(12, 5, 20, 10));
        let places = [Some(here), Some(there), None];
        let buffers = places.map(&mut frame);
        for (n, pair) in buffers.windows(2).enumerate() {
            let drawn: Vec<_> =
                pair[0].diff(&pair[1]).into_iter().map(|(x, y, cell)| (x, y, cell.symbol())).collect();
            for cell in [here, there][n].positions() {
                assert!(drawn.contains(&(cell.x, cell.y, " ")), "{protocol}: {cell} keeps what was there");
            }
        }
    }
}
