//! `pod-tools-conformance`: proves a host of the pod tools plugin, whatever language it is written in.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use pod_tools_conformance::case::{Case, Family};
use pod_tools_conformance::report::{self, json, junit, table};
use pod_tools_conformance::run::run;
use pod_tools_conformance::trial::{Setting, check_command};
use pod_tools_conformance::{HostCommand, Profile, cases, need};

/// Proves that a host runs the pod tools plugin right
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status: 0 no case failed and some passed, 1 otherwise, 2 used wrongly."
)]
enum Cli {
    /// Run the cases against a host
    Run(RunArgs),
    /// Print the cases: id, needs, and what a right host does
    List {
        /// Print the table of which case catches which wrong host, as the kit's docs show it
        #[arg(long)]
        catches: bool,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  pod-tools-conformance run -- pod-tools call --batch")]
struct RunArgs {
    /// Run the cases of that family only; repeatable
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    family: Vec<Family>,

    /// Run that case only; repeatable
    #[arg(long, value_name = "CASE", value_parser = case)]
    only: Vec<&'static Case>,

    /// What the host does not support: {"not_supported":{"limits":"why"}}; `list` shows the needs
    #[arg(long, value_name = "FILE")]
    host_profile: Option<PathBuf>,

    /// Write a report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write a report as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// How many cases run at a time [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,

    /// Seconds that a host may take for one answer before it is taken to hang, and killed
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    answer_limit: NonZero<u32>,

    /// The host: a command that takes JSON lines, complete but for the host options, which are appended
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<std::ffi::OsString>,
}

fn family(word: &str) -> Result<Family, String> {
    Family::from_word(word).ok_or_else(|| {
        let known: Vec<_> = Family::ALL.iter().map(|family| family.word()).collect();
        format!("there is no such family; there is: {}", known.join(", "))
    })
}

fn case(id: &str) -> Result<&'static Case, String> {
    cases::by_id(id)
        .ok_or_else(|| "there is no such case; `pod-tools-conformance list` shows them".to_owned())
}

fn main() -> ExitCode {
    let outcome = match Cli::parse() {
        Cli::Run(args) => prove(args),
        Cli::List { catches } => print(&if catches { cases::catches_table() } else { list() }),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("pod-tools-conformance: {error:#}");
        ExitCode::from(2)
    })
}

fn prove(args: RunArgs) -> anyhow::Result<ExitCode> {
    let profile = match &args.host_profile {
        Some(file) => Profile::read(file)?,
        None => Profile::default(),
    };
    let mut words = args.command.into_iter();
    let program = words.next().context("name the host's command behind `--`")?;
    let mut setting = Setting::new(HostCommand::new(program, words));
    setting.answer_limit = Duration::from_secs(args.answer_limit.get().into());
    check_command(&setting)?;

    let of_family = |case: &Case| args.family.is_empty() || args.family.contains(&case.family);
    let named = |case: &Case| args.only.is_empty() || args.only.iter().any(|only| only.id == case.id);
    let chosen: Vec<_> = cases::all().filter(|case| of_family(case) && named(case)).collect();
    anyhow::ensure!(!chosen.is_empty(), "no case is both of that family and named by --only");

    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok());
    let outcomes = run(&chosen, &setting, &profile, jobs.map_or(1, NonZero::get), |outcome| {
        eprintln!("{}", table::Progress(outcome));
    });
    if let Some(file) = &args.json {
        write(file, serde_json::to_string_pretty(&json::document(&setting.command, &outcomes))? + "\n")?;
    }
    if let Some(file) = &args.junit {
        write(file, junit::document(&outcomes)?)?;
    }
    print(&table::Summary(&outcomes).to_string())?;
    Ok(ExitCode::from(u8::from(!report::is_proof(&outcomes))))
}

fn write(file: &Path, contents: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(file, contents).with_context(|| format!("the report {} cannot be written", file.display()))
}

fn list() -> String {
    let mut text = String::new();
    for case in cases::all() {
        let needs: Vec<_> = case.needs.iter().map(|need| need.word()).collect();
        let needs = if needs.is_empty() { String::new() } else { format!(" [{}]", needs.join(", ")) };
        let _ = writeln!(text, "{}{needs}\n    {}", case.id, case.about);
    }
    text.push_str("\nneeds, and what a host profile may declare:\n");
    for need in need::Need::ALL {
        let whose = match need.owner() {
            need::Owner::Host => "the host's",
            need::Owner::Machine => "the machine's",
        };
        let _ = writeln!(text, "{:<17} {whose}: {}", need.word(), need.about().trim());
    }
    text
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => Ok(written.map(|()| ExitCode::SUCCESS)?),
    }
}
