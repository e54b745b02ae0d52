//! From the command line to a subcommand and an exit code.

use super::args::{self, Cli, Subcommand};
use super::{exit, output};
use clap::{CommandFactory, FromArgMatches};
use std::process::ExitCode;

/// Parses the command line, does what it asks and says how it went by the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let matches = match Cli::command().after_long_help(args::EXIT_CODES).try_get_matches() {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            note!("{}", error.render().to_string().trim_end());
            return exit::USAGE.into();
        }
        Err(help) => {
            // Nothing can be said on a closed terminal.
            let _ = help.print();
            return exit::DONE.into();
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let outcome = match cli.action {
        None => super::dashboard::dashboard(&cli.dashboard),
        Some(Subcommand::Run(args)) => super::run::run(&args),
        Some(Subcommand::Runs(args)) => super::runs::runs(&args),
        Some(Subcommand::Attach(args)) => super::runs::attach(&args),
        Some(Subcommand::Stop(args)) => super::runs::stop(&args),
        Some(Subcommand::Resume(args)) => super::resume::resume(&args),
        Some(Subcommand::Ssh(args)) => super::ssh::ssh(&args),
        Some(Subcommand::Engine(args)) => super::engine::engine(&args),
        Some(Subcommand::Compare(args)) => super::compare::compare(&args),
        Some(Subcommand::Score(args)) => super::score::score(&args),
        Some(Subcommand::Classify(args)) => super::classify::classify(&args),
        Some(Subcommand::Techniques(args)) => super::listing::techniques(&args),
        Some(Subcommand::Models(args)) => super::models::models(&args),
        Some(Subcommand::Layers(args)) => super::listing::layers(&args),
        Some(Subcommand::Labels(args)) => super::listing::labels(&args),
        Some(Subcommand::Bench(args)) => super::bench::bench(&args),
        Some(Subcommand::Doctor(args)) => super::doctor::doctor(&args),
    };
    match outcome {
        Ok(code) => output::settled(code).into(),
        Err(error) => {
            note!("gradlens: {}", crate::tui::printable(&error.to_string()));
            exit::code_of(&error).into()
        }
    }
}
