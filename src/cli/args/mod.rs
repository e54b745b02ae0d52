//! What can be typed.

mod shared;

pub(in crate::cli) use shared::{
    DisplayArgs, HowArgs, ModelArgs, ProtocolArg, ReadArgs, ScreenArgs, WhatArgs, WhereArgs,
};

use clap::{Args, Parser};
use std::path::PathBuf;

pub(in crate::cli) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 bad input picture, 4 bad weights, 130 interrupted (what there was is saved).
Logging: GRADLENS_LOG=debug writes more to the log file under the XDG state folder, gradlens/gradlens.log.";

/// A terminal microscope for convolutional networks: what they look at, what a class looks like to them, how they
/// are fooled, what they can paint.
///
/// Without a subcommand the dashboard opens on IMAGE, or on a sample photo.
#[derive(Debug, Parser)]
#[command(name = "gradlens", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub(in crate::cli) action: Option<Subcommand>,
    #[command(flatten)]
    pub(in crate::cli) dashboard: DashboardArgs,
}

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Subcommand {
    /// Run a technique without a dashboard and write its files to a folder
    #[command(
        override_usage = "gradlens run [OPTIONS] <TECHNIQUE> [IMAGES]...\n       gradlens run [OPTIONS] --from <FILE> [IMAGES]..."
    )]
    Run(Box<RunArgs>),
    /// Make several maps side by side: of several methods, classes or layers
    Compare(Box<CompareArgs>),
    /// Score attribution methods on photos and rank them
    Score(Box<ScoreArgs>),
    /// List the runs that go on, have ended, or can be taken up again
    Runs(RunsArgs),
    /// Show a run that goes on in a dashboard, from any terminal, also beside another one
    Attach(AttachArgs),
    /// End a run that goes on and keep what it has
    Stop(StopArgs),
    /// Go on with a run that was stopped, or whose process was killed
    Resume(ResumeArgs),
    /// Run the engine on another machine and the dashboard here, through ssh
    Ssh(Box<SshArgs>),
    #[command(hide = true)]
    Engine(EngineArgs),
    /// Say what a network takes pictures for
    Classify(ClassifyArgs),
    /// List the techniques with their parameters
    Techniques(TechniquesArgs),
    /// List, name, describe and check models
    Models(ModelsArgs),
    /// List the layers of a model
    Layers(LayersArgs),
    /// List or search the class labels
    Labels(LabelsArgs),
    /// Time what the program does all day on this machine
    Bench(BenchArgs),
    /// Say what the terminal can show, why pictures are drawn as they are, and show a test card
    Doctor(DoctorArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DashboardArgs {
    /// Photo to look at
    pub image: Option<PathBuf>,
    /// Technique to open with (see `gradlens techniques`)
    #[arg(long, value_name = "ID")]
    pub technique: Option<String>,
    #[command(flatten)]
    pub what: WhatArgs,
    #[command(flatten)]
    pub display: DisplayArgs,
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Draw curves with ASCII instead of braille, for fonts without it
    #[arg(long)]
    pub plain: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// Technique (see `gradlens techniques`)
    #[arg(required_unless_present = "from")]
    pub technique: Option<String>,
    /// Photos, or folders of photos
    pub images: Vec<PathBuf>,
    #[command(flatten)]
    pub what: WhatArgs,
    #[command(flatten)]
    pub display: DisplayArgs,
    /// Make the run of this run.json again, with its changes on the way; its pictures and its model are looked for
    /// beside the file, where they were if that is in the present folder or below it, among IMAGES and folders given
    /// for them, and at --model FILE (with --labels FILE)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["class", "target", "style", "mask", "init", "layer", "set", "weights", "input_size", "mean", "std", "channels", "crop_pct", "crop_mode", "interpolation", "range", "scores", "output", "arch", "seed"])]
    pub from: Option<PathBuf>,
    /// Write an animation of the run too: recording.gif
    #[arg(long)]
    pub record: bool,
    /// Folder for the files; with several photos each gets a folder of its own in it. May be left out with --json
    #[arg(long, value_name = "DIR", required_unless_present = "json")]
    pub out: Option<PathBuf>,
    /// Print run.json on standard output and nothing else
    #[arg(long)]
    pub json: bool,
    /// Go on in the background; `gradlens runs`, `attach` and `stop` are about it
    #[arg(long, requires = "out", conflicts_with = "json")]
    pub detach: bool,
    #[arg(long, hide = true)]
    pub background: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AttachArgs {
    /// Run (see `gradlens runs`): its name, the beginning or end of one, or the folder of its files [default: the newest that
    /// goes on]
    pub run: Option<String>,
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Draw curves with ASCII instead of braille, for fonts without it
    #[arg(long)]
    pub plain: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StopArgs {
    /// Run (see `gradlens runs`)
    pub run: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeArgs {
    /// Run (see `gradlens runs`), or the folder of its files [default: the newest]
    pub run: Option<String>,
    /// Folder for the files [default: where they were to go; a dashboard opens for a run that has none]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub how: WhereArgs,
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Print run.json on standard output and nothing else
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SshArgs {
    /// Machine to compute on, as ssh takes it: host, user@host or a name from ssh's configuration
    pub host: String,
    /// The program on the other machine
    #[arg(long, value_name = "PATH", default_value = "gradlens")]
    pub program: String,
    /// Show a run that goes on over there instead of starting one; without a name the newest
    #[arg(long, value_name = "RUN")]
    #[expect(clippy::option_option, reason = "as clap reads an option whose value may be left out")]
    pub attach: Option<Option<String>>,
    #[command(flatten)]
    pub dashboard: DashboardArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EngineArgs {
    /// Join an engine to standard input and output
    #[arg(long)]
    pub stdio: bool,
    /// The socket of the engine to join
    #[arg(long)]
    pub door: Option<PathBuf>,
    /// The run whose engine to join; without a name the newest that goes on
    #[arg(long)]
    #[expect(clippy::option_option, reason = "as clap reads an option whose value may be left out")]
    pub run: Option<Option<String>>,
    #[command(flatten)]
    pub how: WhereArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    /// Photos, or folders of photos
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Attribution method; give several to compare methods
    #[arg(long, value_name = "ID", required = true)]
    pub technique: Vec<String>,
    /// Class to explain; give several to compare classes [default: the photo's top class]
    #[arg(long, value_name = "CLASS")]
    pub class: Vec<String>,
    /// Layer to look at; give several to compare layers
    #[arg(long, value_name = "LAYER")]
    pub layer: Vec<String>,
    #[command(flatten)]
    pub how: HowArgs,
    #[command(flatten)]
    pub display: DisplayArgs,
    /// Folder for the files; with several photos each gets a folder of its own in it
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print run.json on standard output and nothing else
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScoreArgs {
    /// Photos, or folders of photos
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Attribution method to score; may be given several times
    #[arg(long, value_name = "ID", required = true)]
    pub technique: Vec<String>,
    /// Metric (deletion-insertion, road, infidelity, max-sensitivity, sparseness, pointing, randomisation); may be
    /// given several times [default: all]
    #[arg(long, value_name = "ID")]
    pub metric: Vec<String>,
    /// Where the thing is, in the photo's pixels, for the pointing metric
    #[arg(long = "box", value_name = "X,Y,WIDTH,HEIGHT")]
    pub target: Option<String>,
    /// Class to explain: a label, a unique part of one, or an index (#3 where labels are numbers) [default: the photo's top class]
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Layer to look at (see `gradlens layers`) [default: the model's last with spatial extent]
    #[arg(long, value_name = "LAYER")]
    pub layer: Option<String>,
    /// Change a parameter of every method that has it; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub how: HowArgs,
    /// Folder for maps, curves and run.json of every photo and method [default: none are written]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ClassifyArgs {
    /// Pictures
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// How many classes to name
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub on: WhereArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BenchArgs {
    /// Which benchmarks [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// List the benchmarks instead of running them
    #[arg(long)]
    pub list: bool,
    /// Time the layers of this model one by one instead
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["names", "compare"])]
    pub layers: Option<String>,
    /// Height and width of the picture for --layers, in pixels [default: the model's]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(32..=4096))]
    pub size: Option<u16>,
    /// Timed runs at least, after a warm-up
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub runs: u16,
    /// Show beside each figure that of a file written with --json, and the ratio
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub compare: Option<PathBuf>,
    #[command(flatten)]
    pub on: WhereArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    #[command(flatten)]
    pub screen: ScreenArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// Only what contains this text
    pub query: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct ModelsArgs {
    #[command(subcommand)]
    pub action: Option<ModelsAction>,
    #[command(flatten)]
    pub list: ListArgs,
    /// List the architectures that checkpoints may be of
    #[arg(long)]
    pub architectures: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum ModelsAction {
    /// Give a model file or folder a name, with what has to be said of it
    Add {
        /// The name
        name: String,
        /// A file, a folder or hf:OWNER/NAME
        place: String,
        /// Keep a copy of the files
        #[arg(long)]
        copy: bool,
        /// Take the place of another model of that name
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        reading: ReadArgs,
    },
    /// Forget a name that was given
    Remove {
        /// The name
        name: String,
    },
    /// Describe a model: input, output, layers, parameters, what was assumed
    Show {
        /// A name, a file or a folder
        model: String,
        #[command(flatten)]
        options: ReadArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check what a model computes: its scores against another program's, or its gradient against differences
    Check {
        /// A name, a file or a folder
        model: String,
        #[command(flatten)]
        options: ReadArgs,
        /// Network input as a .npy file [N, C, H, W], after normalisation [default: noise]
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
        /// Scores for it as a .npy file, before or after a softmax
        #[arg(long, value_name = "FILE", requires = "input")]
        expect: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LabelsArgs {
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TechniquesArgs {
    #[command(flatten)]
    pub list: ListArgs,
    /// Print the tables of docs/techniques.md
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LayersArgs {
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}
