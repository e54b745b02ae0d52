//! `gradlens ssh`: the dashboard here, the engine on another machine.

use super::args::SshArgs;
use super::dashboard::{self, Opening};
use super::way::Way;

pub(super) fn ssh(args: &SshArgs) -> anyhow::Result<u8> {
    let way = Way::new(args)?;
    if args.attach.is_some() {
        return dashboard::show(&args.dashboard.screen, args.dashboard.plain, Opening::Ssh(way));
    }
    dashboard::open(&args.dashboard, Opening::Ssh(way))
}
