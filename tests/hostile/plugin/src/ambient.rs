//! Everything that a program finds around it: files, arguments, environment, clocks.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use wasip2::clocks::monotonic_clock;
use wasip2::io::poll;
use wasip2::{cli, filesystem};

use crate::bindings::pod::tools::{pods, unix_socket};
use crate::{Found, Request, Verb, outcome};

/// The input is a file that exists, and a directory.
pub fn opens_files(paths: &str) -> Found {
    let (file, directory) = paths.split_once('\n').expect("a file and a directory");
    let mut opened = Vec::new();
    let mut tried = |what: &str, done: bool| {
        if done {
            opened.push(what.to_owned());
        }
    };
    for path in [file, "/etc/passwd", "/proc/self/environ", "/dev/null", "/", ".", "..", ""] {
        tried(&format!("read {path}"), fs::read(path).is_ok());
        tried(&format!("stat {path}"), fs::metadata(path).is_ok());
        tried(&format!("list {path}"), fs::read_dir(path).is_ok());
        tried(&format!("append to {path}"), fs::OpenOptions::new().append(true).open(path).is_ok());
    }
    tried("create", fs::write(format!("{directory}/planted"), "x").is_ok());
    tried("mkdir", fs::create_dir(format!("{directory}/planted")).is_ok());
    tried("remove", fs::remove_file(file).is_ok());
    tried("rename", fs::rename(file, format!("{directory}/moved")).is_ok());
    tried("hard link", fs::hard_link(file, format!("{directory}/linked")).is_ok());
    tried("preopened", !filesystem::preopens::get_directories().is_empty());
    Ok(json!(opened))
}

pub fn reads_the_environment(_: &str) -> Found {
    let found = json!({
        "variables": std::env::vars_os().count(),
        "arguments": cli::environment::get_arguments().len(),
        "directory": cli::environment::initial_cwd().is_some(),
        "input": cli::stdin::get_stdin().read(1).is_ok_and(|read| !read.is_empty()),
        "terminals": cli::terminal_stdin::get_terminal_stdin().is_some()
            || cli::terminal_stdout::get_terminal_stdout().is_some()
            || cli::terminal_stderr::get_terminal_stderr().is_some(),
    });
    Ok(found)
}

pub fn tells_the_time(_: &str) -> Found {
    let (began, now) = (Instant::now(), SystemTime::now());
    for _ in 0..1000 {
        std::hint::black_box("0".repeat(1000));
    }
    std::thread::sleep(Duration::from_millis(1));
    Ok(json!({
        "elapsed": began.elapsed().as_nanos() as u64,
        "since the epoch": now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64),
    }))
}

/// What becomes ready when a time has passed tells that it has. The longest time that there is, and a short one.
pub fn tells_the_time_by_pollables(_: &str) -> Found {
    let waits = [monotonic_clock::subscribe_duration(u64::MAX), monotonic_clock::subscribe_instant(u64::MAX)];
    let soon = monotonic_clock::subscribe_duration(1_000_000);
    let are_ready = waits.each_ref().map(|wait| wait.ready());
    let mut polled = poll::poll(&[&waits[0], &soon, &waits[1]]);
    polled.sort_unstable();
    Ok(json!({ "ready": are_ready, "polled": polled }))
}

/// Opens an exchange that has a short time with a pod that answers at once, does something that takes longer, and looks
/// whether the time is up.
pub fn times_its_work_by_an_exchange(pods: &str) -> Found {
    let (pod, silent) = pods.split_once(' ').expect("a pod that answers, and one that does not");
    let timer = unix_socket::open(&pods::find(pod, Verb::Read)?, &Request::GetHistory, Some(5_000))?;
    let work = unix_socket::open(&pods::find(silent, Verb::Read)?, &Request::GetHistory, None)?;
    for _ in 0..6 {
        let _ = work.read(1, Some(1_000));
    }
    Ok(outcome(timer.read(1, None)))
}
