//! The sandboxed tools against native ones, in one run on one machine.
//!
//! Each side is a process of its own, and so are the pods: their time and memory count for nobody. Both sides
//! are asked in turns, and what is reported is the median of the ratios of neighbouring samples, with their
//! middle half: noise of the machine hits both.

mod afar;
mod batch;
mod cold;
mod growth;
mod history;
mod mcp;
mod measure;
mod nodes;
mod place;
mod plot;
mod pods;
mod programs;
mod report;
mod sandboxed;
mod side;
mod size;
mod waits;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::measure::Effort;
use crate::programs::Programs;
use crate::report::Report;

/// Measure the sandboxed tools against native ones
#[derive(Debug, Parser)]
#[command(name = "pod-tools-bench")]
struct Options {
    /// Only what has this in its name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Few samples, and no histories larger than 16 MiB: shows that it runs, and little more
    #[arg(long)]
    quick: bool,

    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write plots into this directory: the ratios; the time over a history's size, the number of pods and that of callers
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,

    #[command(subcommand)]
    role: Option<Role>,
}

/// What else this program is: processes of the benchmark.
#[derive(Debug, clap::Subcommand)]
enum Role {
    #[command(hide = true)]
    Pods(pods::PodsArgs),
    #[command(hide = true)]
    Sandboxed(sandboxed::SandboxedArgs),
    #[command(hide = true)]
    Afar(afar::AfarArgs),
    #[command(hide = true)]
    Plain(nodes::PlainArgs),
    #[command(hide = true)]
    Constant,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.role {
        Some(Role::Pods(args)) => pods::run(args),
        Some(Role::Sandboxed(args)) => sandboxed::run(args),
        Some(Role::Afar(args)) => afar::run(args),
        Some(Role::Plain(args)) => nodes::run_plain(args),
        Some(Role::Constant) => mcp::run_constant(),
        None => benchmark(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pod-tools-bench: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn benchmark(options: &Options) -> anyhow::Result<()> {
    place::raise_descriptor_limit()?;
    let programs = Programs::build()?;
    let effort = Effort { quick: options.quick };
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));

    let mut report = Report::new();
    for workload in workload::all() {
        if wanted(&workload.name) && effort.includes(workload.history_bytes()) {
            eprintln!("{} …", workload.name);
            report.rows.extend(workload::measure(&workload, &programs, effort)?);
        }
    }
    for batch in batch::all() {
        if wanted(&batch.name) {
            eprintln!("{} …", batch.name);
            report.rows.extend(batch::measure(&batch, &programs, effort)?);
        }
    }
    for afar in afar::all() {
        if wanted(&afar.name) && effort.includes(afar.history.bytes()) {
            eprintln!("{} …", afar.name);
            report.rows.push(afar::measure(&afar, &programs, effort)?);
        }
    }
    if wanted(mcp::NAME) {
        eprintln!("{} …", mcp::NAME);
        report.rows.push(mcp::measure(&programs, effort)?);
    }
    if wanted(waits::NAME) {
        eprintln!("{} …", waits::NAME);
        report.rows.extend(waits::measure(&programs, effort)?);
    }
    if wanted(nodes::NAME) {
        report.rows.extend(nodes::measure(&programs, effort)?);
    }
    for cache in [cold::Cache::Warm, cold::Cache::Empty] {
        if wanted(cache.name()) {
            eprintln!("{} …", cache.name());
            report.rows.push(cold::measure(cache, &programs, effort)?);
        }
    }
    if wanted(size::NAME) {
        report.rows.extend(size::rows(&programs)?);
    }
    for growth in growth::all() {
        if wanted(growth.name) {
            eprintln!("{} …", growth.name);
            report.curves.push(growth::measure(&growth, &programs, effort)?);
        }
    }

    print!("{}", report.markdown());
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(directory) = &options.svg {
        plot::write(&report, directory)?;
    }
    Ok(())
}
