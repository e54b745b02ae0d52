//! The `gradlens` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    gradlens::cli::main()
}
