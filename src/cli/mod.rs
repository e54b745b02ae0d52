//! The command line: one file a subcommand.

#[macro_use]
mod output;

mod across_models;
mod args;
mod batch;
mod bench;
mod classify;
mod compare;
mod dashboard;
mod dispatch;
mod doctor;
mod engine;
mod exit;
mod listing;
mod logging;
mod models;
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
pub use dispatch::main;
