//! `gradlens` without a subcommand.

use super::args::DashboardArgs;

pub(super) fn dashboard(_args: DashboardArgs) -> anyhow::Result<u8> {
    anyhow::bail!("the dashboard is not there yet")
}
