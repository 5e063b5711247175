//! `pod-tools demo`.
use std::process::ExitCode;
/// Demo
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}
pub async fn run(_: DemoArgs, _: &crate::options::HostOptions) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
