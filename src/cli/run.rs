//! `gradlens run`: the engine without a dashboard.

use super::args::RunArgs;
use super::batch::{self, Batch};
use super::{logging, resolve};
use crate::engine::JobSpec;
use crate::error::Error;
use crate::techniques::Need;
use std::path::PathBuf;

pub(super) fn run(args: &RunArgs) -> anyhow::Result<u8> {
    logging::start();
    let (technique, job) = resolve::job(&args.technique, args.images.first().map(PathBuf::as_path), &args.what)?;
    resolve::refuse_useless(technique, &job)?;
    if technique.needs().picture == Need::None && !args.images.is_empty() {
        let reason = format!("{} starts from nothing; to start from a picture use --init", technique.id());
        return Err(Error::bad_value("IMAGE", args.images[0].display(), reason).into());
    }
    let pictures = batch::pictures(&args.images)?;
    let jobs = match pictures.as_slice() {
        [] => vec![(job, args.out.clone())],
        pictures => batch::jobs(pictures, &JobSpec { picture: None, ..job }, batch::several(&args.images), &args.out),
    };
    let batch = Batch {
        jobs,
        several: batch::several(&args.images),
        out: &args.out,
        how: &args.what.how,
        display: resolve::display(&args.display)?,
        json: args.json,
    };
    batch.run()
}
