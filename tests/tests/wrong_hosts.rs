//! The kit can fail: each wrong host is caught by every case that claims to catch it, and one that is wrong
//! in nothing passes all of these cases.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use pod_tools_conformance::case::Case;
use pod_tools_conformance::flaw::Flaw;
use pod_tools_conformance::run::{Outcome, Status, run};
use pod_tools_conformance::trial::Setting;
use pod_tools_conformance::{HostCommand, Profile, cases};

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let host = match right_host() {
        Ok(host) => host,
        Err(why) => {
            eprintln!("there is no right host to make wrong ones of: {why}");
            return ExitCode::FAILURE;
        }
    };
    let catch_all = Flaw::ALL.iter().map(|&flaw| {
        let host = host.clone();
        Trial::test(format!("{flaw}_is_caught"), move || is_caught(flaw, &wrong(&host, flaw.word())))
    });
    let command = wrong(&host, "none");
    let control = Trial::test("a_host_without_a_flaw_passes", move || passes(&command));
    libtest_mimic::run(&args, catch_all.chain([control]).collect()).exit_code()
}

/// `pod-tools`: a test run of the whole workspace has built it beside the wrong host; else it is built now.
fn right_host() -> Result<PathBuf, String> {
    let beside = Path::new(env!("CARGO_BIN_EXE_wrong-host")).with_file_name("pod-tools");
    if beside.exists() {
        return Ok(beside);
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--package", "pod-tools", "--bin", "pod-tools", "--message-format", "json"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let mut built = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.next_back().ok_or_else(|| "cargo names no executable".to_owned())
}

fn wrong(host: &Path, flaw: &str) -> HostCommand {
    let words = ["wrong-host".as_ref(), flaw.as_ref(), host.as_os_str(), "call".as_ref(), "--batch".as_ref()];
    HostCommand::new(env!("CARGO_BIN_EXE_wrong-host"), &words[1..])
}

fn is_caught(flaw: Flaw, command: &HostCommand) -> Result<(), Failed> {
    let claiming: Vec<&Case> = cases::all().filter(|case| case.catches.contains(&flaw)).collect();
    let mut setting = Setting::new(command.clone());
    if let Flaw::WaitsForEver | Flaw::AnswersLate = flaw {
        setting.answer_limit = Duration::from_secs(5);
    }
    let outcomes = run(&claiming, &setting, &Profile::default(), claiming.len(), |_| {});
    let passed = ids(&outcomes, Status::Passed);
    if !passed.is_empty() {
        return Err(format!("these cases claim to catch it, and let it pass: {}", passed.join(", ")).into());
    }
    if ids(&outcomes, Status::Failed).is_empty() {
        eprintln!("{flaw}: not run: this machine lacks what every case needs that catches it");
    }
    Ok(())
}

fn passes(command: &HostCommand) -> Result<(), Failed> {
    let catching: Vec<_> = cases::all().filter(|case| !case.catches.is_empty()).collect();
    let outcomes = run(&catching, &Setting::new(command.clone()), &Profile::default(), 2, |_| {});
    let failed = ids(&outcomes, Status::Failed);
    if failed.is_empty() { Ok(()) } else { Err(format!("these cases fail: {}", failed.join(", ")).into()) }
}

fn ids(outcomes: &[Outcome], status: Status) -> Vec<&'static str> {
    let such = outcomes.iter().filter(|outcome| outcome.status == status);
    such.map(|outcome| outcome.case.id).collect()
}
