//! The command line: one file a subcommand.

mod args;
mod batch;
mod bench;
mod classify;
mod compare;
mod dashboard;
mod doctor;
mod engine;
mod exit;
mod listing;
mod logging;
mod replay;
mod resolve;
mod resume;
mod run;
mod runner;
mod runs;
mod score;
mod service;
mod ssh;
mod way;

pub use args::Cli;

use args::Action;
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
        None => dashboard::dashboard(&cli.dashboard),
        Some(Action::Run(args)) => run::run(&args),
        Some(Action::Runs(args)) => runs::runs(&args),
        Some(Action::Attach(args)) => runs::attach(&args),
        Some(Action::Stop(args)) => runs::stop(&args),
        Some(Action::Resume(args)) => resume::resume(&args),
        Some(Action::Ssh(args)) => ssh::ssh(&args),
        Some(Action::Engine(args)) => engine::engine(&args),
        Some(Action::Compare(args)) => compare::compare(&args),
        Some(Action::Score(args)) => score::score(&args),
        Some(Action::Classify(args)) => classify::classify(&args),
        Some(Action::Techniques(args)) => listing::techniques(&args),
        Some(Action::Models(args)) => listing::models(&args),
        Some(Action::Layers(args)) => listing::layers(&args),
        Some(Action::Labels(args)) => listing::labels(&args),
        Some(Action::Bench(args)) => bench::bench(&args),
        Some(Action::Doctor(args)) => doctor::doctor(&args),
    };
    match outcome {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("gradlens: {error}");
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
