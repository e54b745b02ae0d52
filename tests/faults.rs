//! What the machine does to a run: full and read-only disks, folders that vanish, processes that are held. The run goes on
//! where it can, else it ends with one sentence and its last good state.
#![cfg(target_os = "linux")]

mod support;

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::pty::PATIENCE;
use support::{root, skipped};

const RUN: &str = "run style-transfer tests/golden/dog_224.png --style tests/golden/village_street_224.png \
                   --set size=96 --set scales=1 --set steps=40";

/// A shell in a mount namespace of its own, where it may mount small disks: root's, or one in which this person is root.
fn namespace() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["-m"], &["-r", "-m"]];
    let mounts = |way: &&&[&str]| {
        let mut command = Command::new("unshare");
        command.args(**way).args(["sh", "-c", "mount -t tmpfs tmpfs /mnt"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    WAYS.iter().find(mounts).copied()
}

/// What a shell script does in such a namespace; `None` where there is none. `$GRADLENS` is the program, `$RUN` a run that
/// takes a moment, `$DIR` a folder.
fn sandboxed(folder: &Path, script: &str) -> Option<Output> {
    let Some(way) = namespace() else {
        // SAFETY: asks for a number.
        let is_root = unsafe { libc::geteuid() } == 0;
        assert!(!is_root || std::env::var_os("CI").is_none(), "root cannot mount a small disk here, and CI has to");
        skipped("nobody may mount a small disk here");
        return None;
    };
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", script]).current_dir(root()).env_remove("XDG_RUNTIME_DIR");
    command.env("GRADLENS", env!("CARGO_BIN_EXE_gradlens")).env("RUN", RUN).env("DIR", folder);
    command.env("XDG_STATE_HOME", folder.join("state")).env("GRADLENS_KEEP_EVERY", "0.05").stdin(Stdio::null());
    Some(command.output().expect("the script runs"))
}

/// What was said on standard error, line by line.
fn said(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
}

fn whole(folder: &Path) {
    let picture = image::open(folder.join("result.png")).expect("a whole picture");
    assert_eq!(picture.width(), 96);
    for file in ["series.csv", "run.json"] {
        assert!(folder.join(file).exists(), "{file}");
    }
}

#[test]
fn a_run_goes_on_where_it_cannot_be_kept() {
    for (what, mount) in [("full", "size=40k"), ("read-only", "ro,size=1M")] {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!(
            "mkdir -p $DIR/state && mount -t tmpfs -o {mount} tmpfs $DIR/state && exec $GRADLENS $RUN --out $DIR/out"
        );
        let Some(output) = sandboxed(folder.path(), &script) else { return };
        let lines = said(&output);
        assert!(output.status.success(), "{what}: {lines:?}");
        let told = lines.iter().filter(|line| line.contains("not kept") && line.contains("XDG_STATE_HOME")).count();
        assert_eq!(told, 1, "{what}: it is said once: {lines:?}");
        whole(&folder.path().join("out"));
    }
}

#[test]
fn pictures_on_the_way_give_way_to_the_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    // Room for checkpoints of this size, not for forty pictures beside them.
    let script = "mkdir -p $DIR/state && mount -t tmpfs -o size=2M tmpfs $DIR/state
        $GRADLENS $RUN --out $DIR/out && rm -r $DIR/out && $GRADLENS runs && exec $GRADLENS resume --out $DIR/out";
    let Some(output) = sandboxed(folder.path(), script) else { return };
    let lines = said(&output);
    assert!(output.status.success(), "{lines:?}");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.contains("finished") && listed.contains("40/40"), "{listed} {lines:?}");
    assert!(!lines.iter().any(|line| line.contains("not kept")), "{lines:?}");
    whole(&folder.path().join("out"));
}

#[test]
fn a_result_that_finds_no_room_is_not_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "mkdir -p $DIR/small && mount -t tmpfs -o size=12k tmpfs $DIR/small
        $GRADLENS $RUN --out $DIR/small; echo \"code $?\"; ls -A $DIR/small; exec $GRADLENS resume --out $DIR/out";
    let Some(output) = sandboxed(folder.path(), script) else { return };
    let lines = said(&output);
    let refused: Vec<_> = lines.iter().filter(|line| line.contains("cannot write")).collect();
    assert!(refused.len() == 1 && refused[0].contains("no storage space; choose another folder"), "{lines:?}");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.starts_with("code 1\n") && !listed.contains(".gradlens-"), "nothing half-written: {listed}");
    assert!(output.status.success(), "{lines:?}");
    whole(&folder.path().join("out"));
}

fn gradlens(state: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradlens"));
    command.args(RUN.split_whitespace()).arg("--out").arg(out).current_dir(root()).stdin(Stdio::null());
    command.env("XDG_STATE_HOME", state).env_remove("XDG_RUNTIME_DIR").env("GRADLENS_KEEP_EVERY", "0.05");
    command.stderr(Stdio::piped());
    command
}

#[test]
fn folders_that_vanish_cost_what_was_in_them_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, out) = (folder.path().join("state"), folder.path().join("out"));
    let mut child = gradlens(&state, &out).spawn().expect("it starts");
    let kept = || std::fs::read_dir(state.join("gradlens/kept")).map_or(0, std::iter::Iterator::count);
    let began = Instant::now();
    while kept() == 0 {
        assert!(began.elapsed() < PATIENCE && child.try_wait().expect("a status").is_none(), "it runs");
        std::thread::sleep(Duration::from_millis(5));
    }
    for folder in [&state, &out] {
        // Again where the program has just written something new.
        while let Err(error) = std::fs::remove_dir_all(folder)
            && error.kind() != ErrorKind::NotFound
        {
            assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty, "{error}");
        }
    }
    let output = child.wait_with_output().expect("it ends");
    let lines = said(&output);
    assert!(output.status.success(), "{lines:?}");
    let told = lines.iter().filter(|line| line.contains("not kept")).count();
    assert_eq!(told, 1, "it is said once: {lines:?}");
    whole(&out);
}

#[test]
fn a_run_that_is_held_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    assert!(gradlens(&at("state"), &at("whole")).status().expect("it runs").success());
    let mut child = gradlens(&at("state"), &at("held")).spawn().expect("it starts");
    let pid = i32::try_from(child.id()).expect("a process id");
    let mut held = 0;
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(60));
        held += usize::from(child.try_wait().expect("a status").is_none());
        for signal in [libc::SIGSTOP, libc::SIGCONT] {
            // SAFETY: sends a signal to a process that this test started.
            unsafe { libc::kill(pid, signal) };
            std::thread::sleep(Duration::from_millis(80));
        }
    }
    assert!(child.wait().expect("a status").success());
    assert!(held > 0, "it has ended before it could be held");
    for file in ["result.png", "series.csv"] {
        let bytes = |name: &str| std::fs::read(at(name).join(file)).expect(file);
        assert!(bytes("whole") == bytes("held"), "{file}");
    }
}
