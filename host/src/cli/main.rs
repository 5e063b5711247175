//! The `pod-tools` command line.

mod options;
mod pod;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Pods, and the tools that talk to them
#[derive(Debug, Parser)]
#[command(name = "pod-tools", version)]
struct Cli {
    #[command(flatten)]
    host: options::HostArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Pod(pod::PodArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let done = match cli.host.resolve() {
        Ok(host) => match cli.command {
            Command::Pod(args) => pod::run(args, &host).await,
        },
        Err(error) => Err(error),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
