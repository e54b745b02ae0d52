//! Runs that outlive their terminal and their process: killed and resumed, left and found again, watched from two places,
//! steered from another machine.
#![cfg(unix)]

mod support;

use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::pty::{Kind, PATIENCE, Session};
use support::{root, skipped};
use tempfile::TempDir;

const DOG: &str = "tests/golden/dog_224.png";
const PAINTING: &str = "tests/golden/village_street_224.png";

fn gradlens(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradlens"));
    command.current_dir(root()).env("XDG_STATE_HOME", state).env_remove("XDG_RUNTIME_DIR").stdin(Stdio::null());
    command
}

fn done(command: &mut Command) -> Output {
    let output = command.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", output.status);
    output
}

fn runs(state: &Path) -> Vec<serde_json::Value> {
    let output = done(gradlens(state).args(["runs", "--json"]));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Waits for a run to be as it should.
fn wait_for_run(state: &Path, what: &str, is: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let began = Instant::now();
    loop {
        let all = runs(state);
        if let Some(run) = all.iter().find(|run| is(run)) {
            return run.clone();
        }
        assert!(began.elapsed() < PATIENCE, "never saw {what}: {all:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn step(run: &serde_json::Value) -> u64 {
    run["step"].as_u64().expect("a step")
}

/// The step of the only run there is.
fn step_now(state: &Path) -> u64 {
    let all = runs(state);
    assert_eq!(all.len(), 1, "{all:#?}");
    step(&all[0])
}

/// Waits for the only run there is to get further than it is.
fn wait_for_progress(state: &Path) {
    let before = step_now(state);
    wait_for_run(state, "progress", |r| r["standing"] == "running" && step(r) > before);
}

fn kill(pid: u64, signal: i32) {
    let pid = i32::try_from(pid).expect("a process id");
    // SAFETY: sends a signal to a process that this test started.
    unsafe { libc::kill(pid, signal) };
}

fn wait_until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run's files go where they were to go, wherever it is taken up from.
#[test]
fn a_killed_run_delivers_where_it_was_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, began, elsewhere) =
        (folder.path().join("state"), folder.path().join("began"), folder.path().join("elsewhere"));
    for folder in [&began, &elsewhere] {
        std::fs::create_dir_all(folder.join("rel")).expect("a folder");
    }
    let words = ["run", "class-visualization", "--class", "130", "--set", "steps=400", "--out", "rel"];
    let mut command = gradlens(&state);
    command.current_dir(&began).args(words).env("GRADLENS_KEEP_EVERY", "0.02").stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    wait_for_run(&state, "the first steps", |run| step(run) > 2);
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(runs(&state)[0]["standing"], "broken");
    assert_eq!(runs(&state)[0]["out"], began.join("rel").to_string_lossy().into_owned());
    let mut command = gradlens(&state);
    let killed_at = step_now(&state);
    command.current_dir(&elsewhere).arg("resume").env("GRADLENS_KEEP_EVERY", "0.02").stderr(Stdio::null());
    let mut resumed = command.spawn().expect("it starts");
    wait_for_run(&state, "it going on", |run| run["standing"] == "running" && step(run) > killed_at);
    kill(u64::from(resumed.id()), libc::SIGINT);
    let _ = resumed.wait();
    assert!(began.join("rel/run.json").exists());
    assert!(std::fs::read_dir(elsewhere.join("rel")).expect("listed").next().is_none(), "nothing goes elsewhere");
}

/// A run of each way to move a picture, small enough for a test.
fn movers() -> Vec<(&'static str, Vec<&'static str>)> {
    let style = |more: &[&'static str]| {
        let mut words = vec!["style-transfer", DOG, "--style", PAINTING, "--set", "size=64"];
        words.extend(more);
        words
    };
    vec![
        ("Adam over two sizes", style(&["--set", "steps=60"])),
        ("L-BFGS", style(&["--set", "steps=20", "--set", "optimizer=lbfgs", "--set", "scales=1"])),
        (
            "normalised ascent",
            vec!["class-visualization", "--class", "130", "--set", "preset=cs231n", "--set", "steps=25"],
        ),
        ("Fourier coefficients", vec!["class-visualization", "--class", "130", "--set", "steps=25"]),
        ("octaves", vec!["deepdream", DOG, "--set", "octaves=2", "--set", "octave_steps=6"]),
        ("signed steps", vec!["pgd", DOG, "--target", "592", "--set", "steps=25"]),
        ("Carlini and Wagner", vec!["cw", DOG, "--set", "steps=25"]),
        ("an estimate", vec!["smoothgrad", DOG, "--set", "samples=24"]),
        ("a fit", vec!["kernel-shap", DOG, "--set", "samples=200"]),
    ]
}

/// Killed at any moment, a run is taken up and ends with the same bits. GRADLENS_KILLS says how often each is killed.
#[test]
fn killed_runs_come_to_the_same_bits() {
    let times = std::env::var("GRADLENS_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(1usize);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(20_261_124);
    let (mut early, mut late) = (0, 0);
    for (name, words) in movers() {
        let folder = tempfile::tempdir().expect("a folder");
        let whole = folder.path().join("whole");
        let began = Instant::now();
        done(gradlens(&folder.path().join("state")).arg("run").args(&words).arg("--out").arg(&whole));
        let mut took = began.elapsed();
        let mut resumed = 0;
        for n in 0.. {
            if resumed == times {
                break;
            }
            assert!(n < 20 * times, "{name} is killed too early to be kept or too late to be killed");
            let (state, out) = (folder.path().join(format!("state{n}")), folder.path().join(format!("out{n}")));
            let mut command = gradlens(&state);
            command.arg("run").args(&words).arg("--out").arg(&out).env("GRADLENS_KEEP_EVERY", "0.02");
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            std::thread::sleep(took.mul_f64(rng.random_range(0.2..1.0)));
            let _ = child.kill();
            let _ = child.wait();
            if runs(&state).is_empty() {
                // Before its first step a run has nothing to keep: the person starts it again.
                early += 1;
                took = took.mul_f64(1.3);
                continue;
            }
            if runs(&state)[0]["standing"] != "broken" {
                // The machine has become faster than the first time.
                late += 1;
                took = took.mul_f64(0.8);
                continue;
            }
            done(gradlens(&state).arg("resume").arg(&out));
            for file in ["result.png", "series.csv"] {
                let bytes = |folder: &Path| std::fs::read(folder.join(file)).expect(file);
                assert!(bytes(&whole) == bytes(&out), "{name}: {file} differs after the {n}th kill");
            }
            assert_eq!(facts(&whole), facts(&out), "{name}");
            let standing = &runs(&state)[0]["standing"];
            assert_eq!(standing, "finished", "{name}");
            resumed += 1;
        }
    }
    println!(
        "{} resumed to the same bits; {early} more were killed before their first step, {late} had ended",
        times * movers().len()
    );
}

/// `run.json` without what clocks say.
fn facts(folder: &Path) -> serde_json::Value {
    let text = std::fs::read(folder.join("run.json")).expect("run.json");
    let mut run: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    for clock in ["wall_seconds", "ms_per_step"] {
        run.as_object_mut().expect("an object").remove(clock);
    }
    run
}

const LONG: [&str; 8] = ["style-transfer", DOG, "--style", PAINTING, "--set", "size=64", "--set", "scales=1"];

#[test]
fn runs_in_the_background_are_listed_stopped_and_resumed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, out) = (folder.path().join("state"), folder.path().join("out"));
    let mut command = gradlens(&state);
    command.arg("run").args(LONG).args(["--set", "steps=100000", "--detach", "--out"]).arg(&out);
    done(command.env("GRADLENS_KEEP_EVERY", "0.2"));
    let run = wait_for_run(&state, "a running run", |r| r["standing"] == "running" && step(r) > 3);
    let id = run["id"].as_str().expect("an id").to_owned();
    let refused = gradlens(&state).args(["resume", &id]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "it goes on already");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("gradlens attach"));
    done(gradlens(&state).args(["stop", &id]));
    let run = wait_for_run(&state, "a stopped run", |r| r["standing"] == "stopped");
    let stopped_at = step(&run);
    assert!(out.join("result.png").exists(), "what there was is written");
    // A damaged checkpoint is refused in one sentence; the right one goes on.
    let checkpoint = state.join("gradlens/kept").join(&id).join("checkpoint");
    let bytes = std::fs::read(&checkpoint).expect("a checkpoint");
    std::fs::write(&checkpoint, &bytes[..bytes.len() / 2]).expect("cut");
    let refused = gradlens(&state).args(["resume", &id]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("checksum"));
    std::fs::write(&checkpoint, &bytes).expect("mended");
    let mut child =
        gradlens(&state).args(["resume", &id[id.len() - 4..]]).stderr(Stdio::null()).spawn().expect("starts");
    wait_for_run(&state, "progress", |r| r["standing"] == "running" && step(r) > stopped_at);
    kill(child.id().into(), libc::SIGTERM);
    assert_eq!(child.wait().expect("a status").code(), Some(130));
    assert!(step_now(&state) > stopped_at);
    let sockets = state.join("gradlens/sockets");
    wait_until("no socket is left behind", || std::fs::read_dir(&sockets).expect("a folder").count() == 0);
}

#[test]
fn a_dashboard_that_is_lost_is_found_again_from_two_places() {
    let state = Arc::new(tempfile::tempdir().expect("a folder"));
    let env = [("GRADLENS_KEEP_EVERY", "0.3")];
    let args = ["--technique", "style-transfer", "--set", "size=64", "--set", "scales=1", "--set", "steps=100000"];
    let lost = Session::with(Kind::Plain, &args, state.clone(), &env);
    lost.wait_for_step(1);
    wait_for_run(state.path(), "a kept run", |r| r["standing"] == "running");
    kill(lost.child.process_id().expect("an id").into(), libc::SIGHUP);
    assert_eq!(lost.end().0, 130);
    wait_for_progress(state.path());
    let began = Instant::now();
    let first = Session::with(Kind::Plain, &["attach"], state.clone(), &env);
    first.wait_for("the run", |s| s.contains("style-transfer  vgg16") && s.contains('▶'));
    println!("attached within {:?}", began.elapsed());
    let second = Session::with(Kind::Sixel, &["attach"], state.clone(), &env);
    second.wait_for("the run", |s| s.contains("style-transfer  vgg16") && s.contains('▶'));
    first.press("\x1b[B\r77\r");
    second.wait_for("the change", |s| s.contains("style weight") && s.contains("77 ◂"));
    second.press(" ");
    first.wait_for("the pause", |s| s.contains("paused"));
    first.press(" ");
    // One leaves, and need not wait for the run; quitting in the other does not end a run that somebody watches.
    first.press("D");
    let (code, output) = first.end();
    assert_eq!(code, 0);
    assert!(String::from_utf8_lossy(&output).contains("gradlens attach style-transfer-"));
    let third = Session::with(Kind::Plain, &["attach"], state.clone(), &env);
    third.wait_for("the run", |s| s.contains("▶") && s.contains("77"));
    second.press("q");
    assert_eq!(second.end().0, 0);
    third.wait_for("the run goes on", |s| s.contains("▶"));
    wait_for_progress(state.path());
    third.press("q");
    assert_eq!(third.end().0, 0);
    let run = wait_for_run(state.path(), "the end", |r| r["standing"] == "stopped");
    // The engine has ended, and says so by its socket's absence.
    let socket = PathBuf::from(run["socket"].as_str().expect("a socket"));
    wait_until("the socket goes", || !socket.exists());
}

#[test]
fn a_dashboard_outlives_its_engine() {
    let state = Arc::new(tempfile::tempdir().expect("a folder"));
    let env = [("GRADLENS_KEEP_EVERY", "0.2")];
    let args = ["--technique", "style-transfer", "--set", "size=64", "--set", "scales=1", "--set", "steps=100000"];
    let session = Session::with(Kind::Plain, &args, state.clone(), &env);
    session.wait_for_step(1);
    let run = wait_for_run(state.path(), "a kept run", |r| r["standing"] == "running" && step(r) > 2);
    kill(run["pid"].as_u64().expect("a process"), libc::SIGKILL);
    // The news comes a moment before what the new engine does, which is nothing.
    session.wait_for("the news", |s| s.contains("the engine was killed") && !s.contains('▶'));
    assert_eq!(runs(state.path())[0]["standing"], "broken");
    session.press("r");
    session.wait_for_step(1);
    session.press("q");
    assert_eq!(session.end().0, 0);
    // From its first step on a run is kept, however early it is quit.
    wait_for_run(state.path(), "the second run", |r| r["id"] != run["id"] && r["standing"] == "stopped");
    let all = runs(state.path());
    let broken = all.iter().find(|r| r["id"] == run["id"]).expect("the first run");
    assert_eq!((all.len(), &broken["standing"]), (2, &"broken".into()), "{all:#?}");
}

/// Another engine that looks which sockets are alive connects and says nothing; nobody stays because of it.
#[test]
fn quitting_ends_a_run_though_somebody_knocks() {
    let state = Arc::new(tempfile::tempdir().expect("a folder"));
    let args = ["--technique", "style-transfer", "--set", "size=64", "--set", "scales=1", "--set", "steps=100000"];
    let session = Session::with(Kind::Plain, &args, state.clone(), &[("GRADLENS_KEEP_EVERY", "0.2")]);
    let run = wait_for_run(state.path(), "a kept run", |r| r["standing"] == "running");
    let socket = run["socket"].as_str().expect("a socket");
    let _knocking = std::os::unix::net::UnixStream::connect(socket).expect("a connection");
    wait_for_progress(state.path());
    session.press("q");
    assert_eq!(session.end().0, 0);
    wait_for_run(state.path(), "the end", |r| r["standing"] == "stopped");
}

#[test]
fn strangers_at_the_door_are_sent_away() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().expect("a folder");
    let (state, out) = (folder.path().join("state"), folder.path().join("out"));
    let mut command = gradlens(&state);
    done(command.arg("run").args(LONG).args(["--set", "steps=100000", "--detach", "--out"]).arg(&out));
    let run = wait_for_run(&state, "a running run", |r| r["standing"] == "running");
    let socket = run["socket"].as_str().expect("a socket").to_owned();
    let mode = std::fs::metadata(Path::new(&socket).parent().expect("a folder")).expect("there").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o700);
    for words in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[0, 0, 0, 0],
        &[8, 0, 0, 0, 4, 0, 0, 0, b'n', b'u', b'l', b'l'],
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream.write_all(words).expect("said");
        let mut answer = vec![];
        // The end of the stream, or its reset where something said was never read; a time-out is neither.
        let end = stream.read_to_end(&mut answer);
        let gone = end.as_ref().map_or_else(|e| e.kind() == std::io::ErrorKind::ConnectionReset, |n| *n == 0);
        assert!(gone && answer.is_empty(), "{words:?} is no greeting: {end:?}");
    }
    let before = step_now(&state);
    let id = run["id"].as_str().expect("an id");
    done(gradlens(&state).args(["stop", id]));
    let run = wait_for_run(&state, "the stop", |r| r["standing"] == "stopped");
    assert!(step(&run) >= before);
}

/// An ssh server on the loopback address, for this test alone.
struct Sshd {
    server: std::process::Child,
    folder: TempDir,
}

impl Sshd {
    /// `None` where there is none installed, or it does not run.
    fn start() -> Option<Self> {
        let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].into_iter().find(|p| Path::new(p).exists())?;
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "own"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key)).status();
            made.ok().filter(std::process::ExitStatus::success)?;
        }
        std::fs::copy(at("own.pub"), at("authorized")).expect("copied");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
        let text = |name: &str| at(name).display().to_string();
        let server = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPermitUserEnvironment yes\n",
            text("host"),
            text("authorized"),
        );
        std::fs::write(at("sshd_config"), server).expect("written");
        let client = format!(
            "Host there\n HostName 127.0.0.1\n Port {port}\n IdentityFile {}\n IdentitiesOnly yes\n BatchMode yes\n\
             StrictHostKeyChecking no\n UserKnownHostsFile {}\n LogLevel ERROR\n",
            text("own"),
            text("known"),
        );
        std::fs::write(at("ssh_config"), client).expect("written");
        let _ = std::fs::create_dir_all("/run/sshd");
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(at("sshd_config")).stderr(Stdio::null());
        let server = command.spawn().ok()?;
        let mut sshd = Self { server, folder };
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let tried = Command::new("ssh").args(["-F"]).arg(sshd.config()).args(["there", "true"]).output().ok()?;
            if tried.status.success() {
                return Some(sshd);
            }
            if sshd.server.try_wait().expect("a status").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("the ssh server does not answer");
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("ssh_config")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn an_engine_on_another_machine_is_watched_and_found_again() {
    let Some(sshd) = Sshd::start() else {
        return skipped("there is no openssh-server here that this test could start");
    };
    let state = Arc::new(tempfile::tempdir().expect("a folder"));
    // The other side's environment is its own; a script stands for the program that is installed there.
    let program = state.path().join("there.sh");
    let script = format!(
        "#!/bin/sh\ncd {}\nXDG_STATE_HOME={} GRADLENS_KEEP_EVERY=0.3 exec {} \"$@\"\n",
        root().display(),
        state.path().display(),
        env!("CARGO_BIN_EXE_gradlens")
    );
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("made executable");
    let own = Arc::new(tempfile::tempdir().expect("a folder"));
    let (ssh, program) = (format!("ssh -F {}", sshd.config().display()), program.display().to_string());
    let args = [
        "ssh",
        "there",
        "--program",
        &program,
        "--technique",
        "style-transfer",
        "--set",
        "size=64",
        "--set",
        "scales=1",
        "--set",
        "steps=100000",
    ];
    let session = Session::with(Kind::Plain, &args, own.clone(), &[("GRADLENS_SSH", &ssh)]);
    session.wait_for_step(1);
    session.press("\x1b[B\r55\r");
    session.wait_for("the change", |s| s.contains("55 ◂"));
    wait_for_run(state.path(), "a kept run", |r| r["standing"] == "running");
    // The line drops: every ssh of this session dies.
    let pid = session.child.process_id().expect("an id").to_string();
    assert!(Command::new("pkill").args(["-9", "-P", &pid, "ssh"]).status().is_ok_and(|s| s.success()));
    session.wait_for("the news", |s| s.contains("the connection is lost"));
    session.wait_for("the connection", |s| s.contains("connected again"));
    wait_for_progress(state.path());
    // Left, and shown again from here.
    session.press("D");
    let (code, output) = session.end();
    let said = String::from_utf8_lossy(&output).into_owned();
    assert!(code == 0 && said.contains("gradlens ssh there --attach style-transfer-"), "{said}");
    let args = ["ssh", "there", "--program", &program, "--attach"];
    let session = Session::with(Kind::Plain, &args, own, &[("GRADLENS_SSH", &ssh)]);
    session.wait_for("the run", |s| s.contains("55 ◂") && s.contains("▶") && s.contains("loss"));
    session.press(" ");
    session.wait_for("the pause", |s| s.contains("paused"));
    session.press("q");
    assert_eq!(session.end().0, 0);
    wait_for_run(state.path(), "the end", |r| r["standing"] == "stopped");
}
