//! Components that are to harm as they are loaded, and processes that do not end when they are told to.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pod_tools_conformance::{Place, Script};
use rustix::process::Signal;
use serde_json::json;

use crate::cli;

/// Has a component loaded, and expects an error that says this; nothing on standard output.
fn refused(place: &Place, component: &Path, options: &[&str], says: &[&str]) {
    for command in [&["tools"][..], &["inspect"], &["call", "ListPods"]] {
        let mut command = cli::at(place, command.iter().chain(options));
        // No cache: what was compiled once, though too late, would be had at once.
        command.arg("--component").arg(component).env("XDG_CACHE_HOME", "/dev/null");
        let said = cli::run(command);
        assert!(matches!(said.code, Some(1 | 2)), "{said:?}");
        assert_eq!(said.stdout, "");
        for part in says {
            assert!(said.stderr.contains(part), "{part} is not in: {}", said.stderr);
        }
    }
}

fn file(place: &Place, bytes: &[u8]) -> PathBuf {
    let path = place.root().join("component.wasm");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn is_no_file_and_never_ends() {
    let place = Place::new().unwrap();
    let fifo = place.root().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for component in [fifo.as_path(), Path::new("/dev/zero"), place.root()] {
        refused(&place, component, &[], &[component.to_str().unwrap(), "not a regular file"]);
    }
}

#[test]
fn is_larger_than_a_component_may_be() {
    let place = Place::new().unwrap();
    let component = place.root().join("large.wasm");
    // Without a block of its own.
    fs::File::create(&component).unwrap().set_len(1 << 40).unwrap();
    refused(&place, &component, &[], &["more than 33554432 bytes", "--max-component"]);
    let component = file(&place, &[0; 2000]);
    refused(&place, &component, &["--max-component", "1999"], &["more than 1999 bytes", "--max-component"]);
}

/// A component whose one module has so many functions, each of so many additions.
fn laborious(functions: usize, additions: usize) -> Vec<u8> {
    let body =
        "(local.set 0 (i64.add (local.get 0) (i64.mul (local.get 0) (local.get 0))))".repeat(additions);
    let function = format!("(func (param i64) {body})");
    wat::parse_str(format!("(component (core module {}))", function.repeat(functions))).unwrap()
}

#[test]
fn takes_long_to_compile() {
    let place = Place::new().unwrap();
    let component = file(&place, &laborious(300, 1000));
    let limit = ["--load-timeout", "20ms"];
    refused(&place, &component, &limit, &["was not compiled and checked within 20ms", "--load-timeout"]);
}

/// The most memory that the process has had, or one that it has waited for, in MiB; and what it said on standard error.
#[allow(clippy::zombie_processes, reason = "it is waited for by the call that tells what it has used")]
fn peak(mut command: Command) -> (i64, String) {
    let mut process =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    // SAFETY: a structure of numbers, to be filled in.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = libc::pid_t::try_from(process.id()).unwrap();
    // SAFETY: both live for as long as the call, and nobody else waits for the process.
    assert_eq!(unsafe { libc::wait4(pid, std::ptr::null_mut(), 0, &raw mut used) }, pid);
    (used.ru_maxrss >> 10, said)
}

/// Components of some kilobytes, which a compiler makes gigabytes of.
fn voracious() -> [(&'static str, String); 3] {
    // A thousand values with each call, and nobody wants them.
    let calls = format!(
        "(func $many (result {}) unreachable) (func {} unreachable)",
        "i64 ".repeat(1000),
        "(call $many)".repeat(20_000)
    );
    // Every way out of as many blocks hands on a thousand values of its own.
    let types = "i64 ".repeat(1000);
    let depth = 5000;
    let ways: String = (0..depth).map(|way| format!("{way} ")).collect();
    let ways = format!(
        "(type $many (func (result {types}))) (func $many (type $many) unreachable) \
         (func (param i32) (result {types}) {}(call $many) (br_table {ways} (local.get 0)){})",
        "(block (type $many) ".repeat(depth),
        ")".repeat(depth)
    );
    // All locals are looked for through all loops.
    let loops = format!(
        "(func (local {}) {}{}{})",
        "i64 ".repeat(10_000),
        "(loop ".repeat(2000),
        (0..10_000)
            .map(|local| format!("(local.set {local} (i64.add (local.get {local}) (i64.const 1)))"))
            .collect::<String>(),
        "(br_if 0 (i32.const 1)))".repeat(2000)
    );
    [("calls", calls), ("ways", ways), ("loops", loops)]
}

#[test]
fn takes_gigabytes_to_compile() {
    let place = Place::new().unwrap();
    for (name, module) in voracious() {
        let component = file(&place, &wat::parse_str(format!("(component (core module {module}))")).unwrap());
        for command in [&["inspect"][..], &["call", "ListPods"]] {
            let mut command = cli::at(&place, command.iter().chain(&["--compiler-memory", "256MiB"]));
            command.arg("--component").arg(&component);
            let (peak, said) = peak(command);
            for part in [component.to_str().unwrap(), "268435456 bytes of memory", "--compiler-memory"] {
                assert!(said.contains(part), "{name}: {part} is not in: {said}");
            }
            // What can be written to, and what of the program itself is in memory.
            assert!(peak < 256 + 64, "{name}: {peak} MiB");
        }
    }
}

#[test]
fn offers_a_schema_that_is_a_program() {
    let place = Place::new().unwrap();
    for (attack, says) in [
        ("answers_definitions_that_are_not_json", "is refused: its tool `x`: its input schema"),
        ("answers_definitions_without_end", "is refused: the plugin hands over more than 4194304 bytes"),
        ("traps_at_instantiation", "is refused: the plugin failed"),
    ] {
        let component = file(&place, pod_tools_hostile::raw_component(attack).unwrap());
        for command in [&["mcp"][..], &["tools"], &["call", "ListPods"]] {
            let mut command = cli::at(&place, command);
            command.arg("--component").arg(&component);
            let said = cli::run(command);
            assert_ne!(said.code, Some(0), "{attack}: {said:?}");
            assert!(said.stdout.is_empty() && said.stderr.contains(says), "{attack}: {said:?}");
        }
    }
}

/// A server whose every thread waits for a reader of its log, and that is told to end.
#[test]
fn holds_up_every_thread_and_is_told_to_end() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let place = Place::new().unwrap();
        let script = Script::new().on("run", [pod_tools_conformance::Step::Wait("never".into())]);
        let _pod = pod_tools_conformance::FakePod::start(&place, "child", script).unwrap();
        let mut command = cli::at(&place, ["mcp", "-vv", "--op-timeout", "3600s", "--call-timeout", "3600s"]);
        command.env("RUST_LOG", "trace");
        let mut server =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = server.stdin.take().unwrap();
        let mut stdout = BufReader::new(server.stdout.take().unwrap());
        let mut say = |message: serde_json::Value| {
            let _ = std::io::Write::write_all(&mut stdin, format!("{message}\n").as_bytes());
        };
        say(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"},
        }}));
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        // Nobody reads standard error: its pipe fills, and who writes to it waits.
        let flood = std::thread::spawn(move || {
            for id in 1..3000 {
                let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
                    "name": "ListPods", "arguments": {},
                }});
                if std::io::Write::write_all(&mut stdin, format!("{message}\n").as_bytes()).is_err() {
                    break;
                }
            }
            stdin
        });
        // The server answers no more once all of its threads wait.
        let reader = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let stderr = server.stderr.take().unwrap();
        while rustix::io::ioctl_fionread(&stderr).unwrap() < 60_000 {
            if let Some(status) = server.try_wait().unwrap() {
                let mut said = String::new();
                { stderr }.read_to_string(&mut said).unwrap();
                panic!("it ended by itself, {status}: {}", said.lines().last().unwrap_or_default());
            }
            std::thread::yield_now();
        }
        cli::signal(&server, signal);
        let ended = server.wait().unwrap();
        assert_eq!(ended.code(), Some(status));
        let mut rest = Vec::new();
        { stderr }.read_to_end(&mut rest).unwrap();
        reader.join().unwrap().unwrap();
        drop(flood.join());
    }
}
