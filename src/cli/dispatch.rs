//! From the command line to a subcommand and an exit code.

use super::args::{self, Action, Cli};
use super::exit;
use clap::{CommandFactory, FromArgMatches};
use std::process::ExitCode;

/// Parses the command line, does what it asks and says how it went by the exit code.
#[must_use]
pub fn main() -> ExitCode {
    restore_broken_pipes();
    let matches = match Cli::command().after_long_help(args::EXIT_CODES).try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::DONE };
            // Nothing can be said on a closed terminal.
            let _ = error.print();
            return code.into();
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let outcome = match cli.action {
        None => super::dashboard::dashboard(&cli.dashboard),
        Some(Action::Run(args)) => super::run::run(&args),
        Some(Action::Runs(args)) => super::runs::runs(&args),
        Some(Action::Attach(args)) => super::runs::attach(&args),
        Some(Action::Stop(args)) => super::runs::stop(&args),
        Some(Action::Resume(args)) => super::resume::resume(&args),
        Some(Action::Ssh(args)) => super::ssh::ssh(&args),
        Some(Action::Engine(args)) => super::engine::engine(&args),
        Some(Action::Compare(args)) => super::compare::compare(&args),
        Some(Action::Score(args)) => super::score::score(&args),
        Some(Action::Classify(args)) => super::classify::classify(&args),
        Some(Action::Techniques(args)) => super::listing::techniques(&args),
        Some(Action::Models(args)) => super::models::models(&args),
        Some(Action::Layers(args)) => super::listing::layers(&args),
        Some(Action::Labels(args)) => super::listing::labels(&args),
        Some(Action::Bench(args)) => super::bench::bench(&args),
        Some(Action::Doctor(args)) => super::doctor::doctor(&args),
    };
    match outcome {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("gradlens: {}", crate::tui::printable(&error.to_string()));
            exit::code_of(&error).into()
        }
    }
}

/// `gradlens labels | head` ends quietly, as other programs do, instead of with a panic.
fn restore_broken_pipes() {
    #[cfg(unix)]
    // SAFETY: called first thing in a single-threaded program; SIG_DFL is a valid disposition for SIGPIPE.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
