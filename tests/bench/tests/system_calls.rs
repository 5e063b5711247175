//! What the system calls of a call are: counted with `strace`, as the difference between a short and a long
//! run, and compared with `system_calls.json`. Each of them is known; a new one is a regression until it is.
//!
//! ```sh
//! UPDATE_BOUNDS=1 cargo test -p pod-tools-bench --test system_calls
//! ```

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pod-tools-bench");

/// What depends on who sleeps when, on the allocator, or on checks that only unoptimized code makes; and what the
/// benchmark asks for itself.
const NOT_COUNTED: [&str; 16] = [
    "brk",
    "clock_nanosleep",
    "epoll_ctl",
    "epoll_wait",
    "fcntl",
    "futex",
    "getrusage",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "recvfrom",
    "rt_sigprocmask",
    "sched_yield",
    "sigaltstack",
    "write",
];

type Counts = BTreeMap<String, u64>;

struct Place {
    root: tempfile::TempDir,
    pods: Child,
}

impl Place {
    /// One pod that is idle.
    fn new(behaviour: &serde_json::Value) -> Self {
        let root = tempfile::tempdir().unwrap();
        let base = root.path().join("base");
        fs::create_dir_all(base.join("spawner")).unwrap();
        fs::create_dir_all(base.join("pod-0")).unwrap();
        fs::write(base.join("pod-0/status.json"), r#"{"state":"idle"}"#).unwrap();
        let socket = base.join("pod-0/sock");
        let record = json!([{ "pod_name": "pod-0", "socket_path": socket, "scope_delegated": [] }]);
        fs::write(base.join("spawner/spawned_pods.json"), record.to_string()).unwrap();
        let mut pods = Command::new(PROGRAM);
        pods.arg("pods").arg(behaviour.to_string()).arg(socket);
        let mut pods = pods.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        ask(&mut pods, "listen");
        Self { root, pods }
    }

    /// How often each system call is made in the whole life of a process that makes so many calls.
    fn trace(&self, calls: u32, tool: &str, input: &str, anew: bool) -> Counts {
        let base = self.root.path().join("base");
        let counts = self.root.path().join("counts");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-qq", "-U", "calls,name", "-o"]).arg(&counts).arg(PROGRAM).arg("sandboxed");
        strace.args([base.clone(), base.join("spawner"), base.join("scope.lock")]).arg(cache());
        let mut side = strace.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let request = json!({ "Calls": { "tool": tool, "input": input, "times": calls, "anew": anew } });
        let reply = ask(&mut side, &request.to_string());
        assert!(reply.contains(r#""error":null"#), "{reply}");
        drop(side.stdin.take());
        assert!(side.wait().unwrap().success());
        let text = fs::read_to_string(counts).unwrap();
        let columns = text.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
        columns.filter_map(|(calls, name)| Some((name.trim().to_owned(), calls.parse().ok()?))).collect()
    }

    /// How often each is made in one call.
    fn count(&self, tool: &str, input: &str, anew: bool) -> Counts {
        const FEW: u32 = 10;
        const MORE: u32 = 60;
        let (few, more) = (self.trace(FEW, tool, input, anew), self.trace(FEW + MORE, tool, input, anew));
        more.into_iter()
            .filter(|(name, _)| name != "total" && !NOT_COUNTED.contains(&name.as_str()))
            .map(|(name, count)| {
                let more = count.saturating_sub(few.get(&name).copied().unwrap_or(0));
                (name, (more + u64::from(MORE) / 2) / u64::from(MORE))
            })
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.pods.kill();
        let _ = self.pods.wait();
    }
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

fn ask(child: &mut Child, line: &str) -> String {
    writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    let mut answer = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
    answer
}

/// What is read of a file that changed within the last two seconds is not kept, and nothing tells when they
/// are over but the clock.
fn let_age(place: &Place, file: &str) {
    let written =
        fs::metadata(place.root.path().join("base/spawner").join(file)).unwrap().modified().unwrap();
    while SystemTime::now().duration_since(written).is_ok_and(|age| age < Duration::from_millis(3200)) {
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_call_makes_the_system_calls_that_are_known_and_no_others() {
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success()) {
        println!("not run: strace is missing, or may not trace here");
        return;
    }
    let place = Place::new(&json!({ "Answer": { "items": 10, "item_bytes": 200 } }));
    let_age(&place, "spawned_pods.json");
    let named = json!({ "name": "pod-0" }).to_string();
    let message = json!({ "name": "pod-0", "message": "hello" }).to_string();
    // Where all is new, setting the cursor back is counted with it.
    let measured: BTreeMap<&str, Counts> = BTreeMap::from([
        ("ListPods", place.count("ListPods", "", false)),
        ("SendToPod", place.count("SendToPod", &message, false)),
        ("ReadPodOutput, all new", place.count("ReadPodOutput", &named, true)),
        ("ReadPodOutput, nothing new", {
            let_age(&place, "read_cursors.json");
            place.count("ReadPodOutput", &named, false)
        }),
    ]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("system_calls.json");
    if std::env::var_os("UPDATE_BOUNDS").is_some() {
        fs::write(&file, serde_json::to_string_pretty(&measured).unwrap() + "\n").unwrap();
        return;
    }
    let text = fs::read_to_string(&file).unwrap();
    let known: BTreeMap<&str, Counts> = serde_json::from_str(&text).unwrap();
    for (call, counts) in &measured {
        for (name, count) in counts {
            let allowed = known[call].get(name).copied().unwrap_or(0);
            assert!(
                *count <= allowed,
                "{call}: {name} {count} times, where {allowed} are known. If it has to be: UPDATE_BOUNDS=1 cargo \
                 test -p pod-tools-bench --test system_calls"
            );
        }
    }
}
