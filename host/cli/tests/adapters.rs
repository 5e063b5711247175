//! The conformance kit against the composition in wasmtime as a library, with adapters that delimit their sessions
//! wrongly: each is caught, and the one that is right passes.
//!
//! This program is the host that it tests, too: `adapters host FLAW` with the host options behind it answers the lines
//! of `call --batch`.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;
#[allow(dead_code)]
#[path = "afar/host.rs"]
mod host;
#[allow(dead_code)]
#[path = "../src/compose/parts.rs"]
mod parts;

use std::io::{BufRead, Write};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use pod_tools_conformance::flaw::Flaw;
use pod_tools_conformance::run::{Status, run};
use pod_tools_conformance::trial::Setting;
use pod_tools_conformance::{HostCommand, Profile, cases};
use serde_json::{Value, json};

use crate::host::{Gateway, Host, Program, TOKEN};
use crate::parts::Adapter;

const FLAWS: [&str; 3] = ["never-commits", "two-calls-a-session", "keeps-its-session"];

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "host") {
        serve(words.next().unwrap().to_str().unwrap(), words);
        return ExitCode::SUCCESS;
    }
    let caught = FLAWS.map(|flaw| Trial::test(format!("{flaw}_is_caught"), move || is_caught(flaw)));
    let control = Trial::test("an_adapter_without_a_flaw_passes", || passes("none"));
    libtest_mimic::run(&Arguments::from_args(), caught.into_iter().chain([control]).collect()).exit_code()
}

/// Answers one line after the other, by the adapter with that flaw, and a gateway with those options.
fn serve(flaw: &str, options: impl Iterator<Item = std::ffi::OsString>) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = cli::bare();
    command.args(["gateway", "--listen", "127.0.0.1:0", "--token-file"]);
    command.arg(host::private_file(&directory.path().join("token"), TOKEN)).args(options);
    let gateway = Gateway::run(command);
    let adapter = Adapter { component: pod_tools_hostile::WRONG_ADAPTER, ..Adapter::PLAIN };
    let program = Program::compile(&parts::join(pod_tools_host::BUNDLED, adapter, None).unwrap().binary);
    let mut host =
        Host::with(&program, gateway.address, gateway.address, &[("POD_TOOLS_TOKEN", TOKEN), ("FLAW", flaw)]);
    for line in std::io::stdin().lock().lines() {
        let call: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let input = match call["input_json"].as_str() {
            Some(text) => text.to_owned(),
            None => call["input"].to_string(),
        };
        let answer = match host.invoke(call["tool"].as_str().unwrap(), &input).unwrap() {
            Ok(output) => {
                let data: Value = serde_json::from_str(&output.data).unwrap();
                json!({ "ok": { "summary": output.summary, "content": output.content, "data": data } })
            }
            Err(refusal) => {
                let reason = (!refusal.reason.is_empty()).then_some(refusal.reason);
                json!({ "err": { "kind": refusal.kind, "reason": reason, "message": refusal.message } })
            }
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").unwrap();
        out.flush().unwrap();
    }
}

/// Some of the cases that catch a host which forgets its read cursors: those that pass and those that fail. (The others
/// start dozens of hosts, of which each compiles its composition.)
fn outcomes(flaw: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    let cases = ["tools/read-only-what-is-new", "state/cursor-outlives-process", "faults/gone-and-back"];
    let cases = cases.map(|id| cases::by_id(id).unwrap());
    assert!(cases.iter().all(|case| case.catches.contains(&Flaw::LosesCursors)));
    let this = std::env::current_exe().unwrap();
    let setting = Setting::new(HostCommand::new(this, ["host", flaw]));
    let outcomes = run(&cases, &setting, &Profile::default(), 2, |_| {});
    let of = |status| outcomes.iter().filter(|it| it.status == status).map(|it| it.case.id).collect();
    (of(Status::Passed), of(Status::Failed))
}

fn is_caught(flaw: &str) -> Result<(), Failed> {
    let (passed, failed) = outcomes(flaw);
    if failed.is_empty() {
        Err(format!("no case catches it; these pass: {}", passed.join(", ")).into())
    } else {
        Ok(())
    }
}

fn passes(flaw: &str) -> Result<(), Failed> {
    let (passed, failed) = outcomes(flaw);
    if failed.is_empty() && !passed.is_empty() {
        Ok(())
    } else {
        Err(format!("these fail: {}", failed.join(", ")).into())
    }
}
