//! What can be typed.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub(super) const EXIT_CODES: &str = "\
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
    pub(super) action: Option<Action>,
    #[command(flatten)]
    pub(super) dashboard: DashboardArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Run a technique without a dashboard and write its files to a folder
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
    /// List the models
    Models(ListArgs),
    /// List the layers of a model
    Layers(LayersArgs),
    /// List or search the class labels
    Labels(ListArgs),
    /// Time what the program does all day on this machine
    Bench(BenchArgs),
    /// Say what the terminal can show, why pictures are drawn as they are, and show a test card
    Doctor(DoctorArgs),
}

/// What a run is made of, wherever it is watched.
#[derive(Debug, Args)]
pub(super) struct WhatArgs {
    /// Class to explain or show: an index, a label or a unique part of one [default: the photo's top class]
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Class to be mistaken for
    #[arg(long, value_name = "CLASS")]
    pub target: Option<String>,
    /// Style picture; give several to mix their styles (see the parameter style_weights)
    #[arg(long, value_name = "IMAGE")]
    pub style: Vec<PathBuf>,
    /// Where to paint: white in full, black not at all; of the photo's shape
    #[arg(long, value_name = "IMAGE")]
    pub mask: Option<PathBuf>,
    /// Picture to start from
    #[arg(long, value_name = "IMAGE")]
    pub init: Option<PathBuf>,
    /// Layer to look at (see `gradlens layers`) [default: the model's last with spatial extent]
    #[arg(long, value_name = "LAYER")]
    pub layer: Option<String>,
    /// Change a parameter (see `gradlens techniques`); may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub how: HowArgs,
}

/// What it is computed with.
#[derive(Debug, Args)]
pub(super) struct HowArgs {
    /// Model (see `gradlens models`) [default: the technique's]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Weights (.safetensors) for the model instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub on: WhereArgs,
}

/// Where it is computed.
#[derive(Debug, Clone, Args)]
pub(super) struct WhereArgs {
    /// Device to compute on: cpu, cuda:N or metal [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// How maps are shown. The raw maps are never changed.
#[derive(Debug, Args)]
pub(super) struct DisplayArgs {
    /// Colour map: magma, viridis, inferno, plasma or cividis; blue-red, purple-orange or purple-green for signed maps
    #[arg(long, value_name = "MAP")]
    pub color_map: Vec<String>,
    /// How strongly the map covers the photo, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub opacity: f32,
    /// Percent of the values beyond each end of the colours
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    pub clip: f32,
    /// Mask what lies below this share of the range, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub threshold: f32,
    /// Draw contour lines at a quarter, half and three quarters of the range
    #[arg(long)]
    pub contour: bool,
    /// Show only the part of the photo that the network sees, not the whole photo with that part marked
    #[arg(long)]
    pub crop: bool,
}

#[derive(Debug, Args)]
pub(super) struct DashboardArgs {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ProtocolArg {
    Auto,
    Kitty,
    Sixel,
    Iterm2,
    Halfblocks,
    Quadrants,
    Sextants,
}

/// How pictures get on the terminal.
#[derive(Debug, Args)]
pub(super) struct ScreenArgs {
    /// How pictures are drawn
    #[arg(long, value_enum, default_value = "auto")]
    pub protocol: ProtocolArg,
    /// Kilobytes a second to the terminal at most: a number, or auto for what the line bears
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    pub bandwidth: String,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Technique (see `gradlens techniques`)
    #[arg(required_unless_present = "from")]
    pub technique: Option<String>,
    /// Photos, or folders of photos
    pub images: Vec<PathBuf>,
    #[command(flatten)]
    pub what: WhatArgs,
    #[command(flatten)]
    pub display: DisplayArgs,
    /// Make the run of this run.json again, with its changes on the way; its pictures are looked for where they were
    /// and beside the file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["technique", "images", "class", "target", "style", "mask", "init", "layer", "set", "model", "weights", "seed"])]
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
pub(super) struct RunsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct AttachArgs {
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
pub(super) struct StopArgs {
    /// Run (see `gradlens runs`)
    pub run: String,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
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
pub(super) struct SshArgs {
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
pub(super) struct EngineArgs {
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
pub(super) struct CompareArgs {
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
pub(super) struct ScoreArgs {
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
    /// Class to explain: an index, a label or a unique part of one [default: the photo's top class]
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
pub(super) struct ClassifyArgs {
    /// Pictures
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// How many classes to name
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub top: u16,
    /// Model (see `gradlens models`)
    #[arg(long, default_value = "tf_efficientnet_lite0")]
    pub model: String,
    /// Weights (.safetensors) for the model instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Device to compute on: cpu, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Which benchmarks [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// List the benchmarks instead of running them
    #[arg(long)]
    pub list: bool,
    /// Time the layers of this model one by one instead
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["names", "compare"])]
    pub layers: Option<String>,
    /// Height and width of the picture for --layers, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u16).range(32..=4096))]
    pub size: u16,
    /// Timed runs at least, after a warm-up
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub runs: u16,
    /// Show beside each figure that of a file written with --json, and the ratio
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub compare: Option<PathBuf>,
    /// Device to compute on: cpu, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub screen: ScreenArgs,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only what contains this text
    pub query: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TechniquesArgs {
    #[command(flatten)]
    pub list: ListArgs,
    /// Print the tables of docs/techniques.md
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

#[derive(Debug, Args)]
pub(super) struct LayersArgs {
    /// Only names that contain this text
    pub query: Option<String>,
    /// Model (see `gradlens models`)
    #[arg(long, default_value = "tf_efficientnet_lite0")]
    pub model: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
