//! The hostile plugins, composed with `remote`, against the gateway: what each reaches, and what it is told, is what it
//! is in this process; and the gateway is then as it was, and serves another caller.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cli::{Entry, at, run, signal, snapshot};
use crate::host::{Gateway, Host, Program, token_file};
use crate::parts::{self, Adapter};

/// What is between a plugin and its host alone: none of it reaches a gateway.
const NOT_OF_THE_GATEWAY: [&str; 10] = [
    "floods_wasi_with_calls",
    "sleeps_for_ever",
    "hoards_pollables",
    "writes_gigabytes_to_the_log",
    "asks_wasi_for_gigabytes",
    "hoards_streams",
    "opens_files",
    // A plugin that imports more than its contract would find the token there, so `compose` refuses it.
    "reads_the_environment",
    "tells_the_time",
    "tells_the_time_by_pollables",
];

/// How a call ends where its host, and not the gateway, bounds what the plugin does, or says that it failed: other hosts
/// have bounds and words of their own. What is reached is compared all the same.
const ENDED_BY_THE_HOST: [(&str, &[&str]); 5] = [
    (
        "it computes, or takes memory, and asks for nothing",
        &[
            "loops_for_ever",
            "recurses_for_ever",
            "takes_all_memory",
            "hands_over_text_without_end",
            "fails_with_a_gigantic_message",
            "answers_without_end",
            "answers_json_nested_without_end",
            "answers_what_is_not_json",
            "answers_data_a_byte_beyond_its_bound",
            "answers_data_of_nothing_but_numbers",
            "answers_data_of_nothing_but_brackets",
            "answers_data_nested_beyond_its_bound",
            "answers_a_summary_beyond_its_bound",
            "answers_a_forged_batch_line",
            "fails_with_a_message_beyond_its_bound",
            "hands_over_the_most_text_twice",
        ],
    ),
    (
        "it traps",
        &[
            "traps_at_once",
            "traps_inside_a_connection",
            "traps_between_release_and_forget",
            "traps_after_setting_a_cursor",
            "exits",
        ],
    ),
    (
        "its handles are its host's",
        &[
            "uses_a_pod_that_it_dropped",
            "uses_an_exchange_that_it_dropped",
            "drops_a_pod_twice",
            "uses_handles_that_it_never_got",
            "takes_a_pod_for_an_exchange",
            "probes_a_gigantic_list",
            "probes_with_a_gigantic_list_of_handles",
        ],
    ),
    (
        "its session is over, and it goes on asking",
        &[
            "floods_the_host_with_calls",
            "floods_a_pod_with_connections",
            "floods_a_pod_with_probes",
            "waits_for_a_silent_pod_for_ever",
            "gives_a_function_all_that_it_takes",
            "releases_without_end",
        ],
    ),
    ("it measures its own time", &["times_its_work_by_an_exchange"]),
];

const LIMITS: [&str; 12] = [
    "--memory",
    "64MiB",
    "--max-transfer",
    "8MiB",
    "--host-calls",
    "10000",
    "--handles",
    "1000",
    "--op-timeout",
    "2s",
    "--cpu-time",
    "5s",
];
/// Far more than anything here takes: it tells "bounded" from "for ever".
const LONG: Duration = Duration::from_secs(60);
/// How much memory a session may take of the gateway, in bytes: as the README has it for a call.
const MOST_MEMORY: u64 = (64 + 4 * 8 + 32) << 20;
const ATTACKER: &str = "the-token-of-who-attacks";
const HONEST: &str = "the-token-of-who-does-not";

static HOSTILE: LazyLock<Program> = LazyLock::new(|| {
    Program::compile(&parts::join(pod_tools_hostile::COMPONENT, Adapter::PLAIN, None).unwrap().binary)
});

/// An attack as it is tried here.
struct Attack {
    name: &'static str,
    input: &'static str,
    grants: &'static [&'static str],
    options: Vec<&'static str>,
    granted: Script,
    /// A pod that has a record and an allocation, and is gone.
    gone: bool,
    /// A pod whose backlog is full.
    full: bool,
    /// Another process holds the scope lock.
    locked: bool,
    /// `gone` comes back when `granted` is sent its first message.
    comes_back: bool,
}

/// What was reached, and what was told.
#[derive(Debug)]
struct Outcome {
    /// The plugin's data, or the error's kind, reason and message; how the program ended, where it did.
    told: Result<Result<Value, (String, String, String)>, String>,
    /// What the gate was asked for: operation, pod, decision.
    asked: BTreeSet<(String, String, String)>,
    /// What pods were sent, each line once in a row, and how often they were connected to, where that is exact.
    received: Vec<String>,
    /// The files that have changed.
    changed: Vec<PathBuf>,
}

impl Attack {
    fn of(name: &'static str) -> Self {
        let turn = [Step::text("{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n")];
        let answering = Script::new()
            .on("get_history", [Step::line(history(&[assistant("nothing to see here")]))])
            .on("run", turn)
            .on("shutdown", [Step::text("{\"event\":\"shutdown\"}\n")]);
        let plain = Self {
            name,
            input: "granted",
            grants: &["list,send,read,stop:granted", "list,send,read,stop:outside"],
            options: LIMITS.to_vec(),
            granted: answering,
            gone: false,
            full: false,
            locked: false,
            comes_back: false,
        };
        match name {
            "waits_for_a_silent_pod_for_ever" => {
                Self { granted: Script::new(), ..plain }.with(&["--call-timeout", "400ms"])
            }
            "reads_for_ever_a_byte_at_a_time" => {
                Self { granted: Script::new().on("get_history", [Step::Flood(1 << 40)]), ..plain }
            }
            "gives_a_function_all_that_it_takes" => Self { input: "find granted", ..plain },
            "asks_for_longer_waits" => Self {
                input: "granted full",
                grants: &["read,stop:granted", "read,stop:full", "list:granted"],
                granted: Script::new(),
                full: true,
                locked: true,
                ..plain
            }
            .with(&["--op-timeout", "100ms"]),
            "uses_handles_that_it_never_got" => Self { input: "1", ..plain },
            "guesses_names" => {
                Self { input: "other\nothe\nnobody\n\ngranted2\n../other\nhonest\n*", ..plain }
            }
            "reaches_outside" => Self { input: "outside", ..plain },
            "forgets_without_release" | "traps_between_release_and_forget" => {
                Self { input: "gone", grants: &["stop:gone"], gone: true, ..plain }
            }
            "forgets_a_pod_that_came_back" => Self {
                input: "gone granted",
                grants: &["stop:gone", "send:granted"],
                granted: Script::new().on("run", [Step::Wait("back".into()), Step::text("{}\n")]),
                gone: true,
                comes_back: true,
                ..plain
            },
            "times_its_work_by_an_exchange" => Self { input: "granted granted", ..plain },
            "hoards_the_versions_of_a_record" => Self {
                input: "granted granted",
                granted: Script::new().on("run", [Step::text("{}\n")]),
                ..plain
            },
            "answers_what_is_not_json" => Self { input: "{} {}", ..plain },
            "looks_for_a_name_of_control_characters" => Self { grants: &["read"], ..plain },
            name if name.starts_with("answers_") || name.starts_with("hands_over_the_most") => {
                Self { input: "64", ..plain }
            }
            "fails_with_a_message_beyond_its_bound" => Self { input: "64", ..plain },
            _ => plain,
        }
    }

    /// With another value of an option.
    fn with(mut self, options: &[&'static str]) -> Self {
        let replaced = self.options.iter().position(|option| *option == options[0]);
        if let Some(at) = replaced {
            self.options.drain(at..at + options.len());
        }
        self.options.extend(options);
        self
    }

    /// Attacks by `how`, in a place of its own, and sees what has come of it.
    fn attempt(&self, how: impl FnOnce(&Self, &Place, &Path) -> Told) -> Outcome {
        let place = Place::new().unwrap();
        let start = |name: &str, script| FakePod::start(&place, name, script).unwrap();
        let granted = start("granted", self.granted.clone());
        let other = start("other", Script::new());
        let honest = start("honest", Script::new());
        let outside = place.root().join("elsewhere").join("sock");
        let mut record = place.native_record("outside");
        record["socket_path"] = outside.to_str().unwrap().into();
        place.record(record).unwrap();
        let unreachable = FakePod::start_unrecorded(&outside, "outside", Script::new()).unwrap();
        let us = i64::from(std::process::id());
        let mut allocations: Vec<_> =
            ["granted", "other", "honest"].map(|name| place.native_allocation(name, us)).into();
        if self.gone {
            place.record(place.native_record("gone")).unwrap();
            allocations.push(place.stale_allocation("gone"));
        }
        place.write_table(&allocations).unwrap();
        let full = self.full.then(|| {
            let pod = start("full", Script::new().never_accepting(0));
            (UnixStream::connect(place.socket("full")).unwrap(), pod)
        });
        let lock = self.locked.then(|| {
            let lock = fs::File::open(place.scope_lock()).unwrap();
            lock.try_lock().unwrap();
            lock
        });

        let before = files(&place);
        let audit = place.root().join("audit");
        let (told, back) = std::thread::scope(|threads| {
            let back = threads.spawn(|| {
                self.comes_back.then(|| {
                    granted.await_lines(1);
                    let back = FakePod::start_unrecorded(&place.socket("gone"), "gone", Script::new());
                    granted.open_gate("back");
                    back.unwrap()
                })
            });
            (how(self, &place, &audit), back.join().unwrap())
        });
        drop((lock, full, back));
        let after = files(&place);
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
        let changed = changed.map(|path| path.strip_prefix(place.base()).unwrap().to_owned()).collect();

        for (pod, socket) in [(&other, place.socket("other")), (&unreachable, outside)] {
            let reached = connected(pod, &socket, &mut Vec::new());
            assert_eq!(reached, 0, "{}: {} was reached", self.name, socket.display());
        }
        // Others list it, and send it nothing.
        let mut told_honest = Vec::new();
        connected(&honest, &place.socket("honest"), &mut told_honest);
        assert_eq!(told_honest, Vec::<String>::new(), "{}", self.name);
        let mut received = Vec::new();
        connected(&granted, &place.socket("granted"), &mut received);
        received.dedup();
        let root = place.root().display().to_string();
        // Whose grants stand in a file is not told of the operator's options.
        let alike =
            |said: &str| said.replace(&root, "PLACE").replace(" (grant one with --allow-sockets)", "");
        let told = match told {
            Ok(Ok(data)) => Ok(Ok(serde_json::from_str(&alike(&data.to_string())).unwrap())),
            Ok(Err((kind, reason, said))) => Ok(Err((kind, reason, alike(&said)))),
            Err(trap) => Err(trap),
        };
        Outcome { told, asked: asked(&audit), received, changed }
    }
}

type Told = Result<Result<Value, (String, String, String)>, String>;

/// What the plugin found; of what was found in another place, the place is no part.
fn found(data: &str) -> Value {
    serde_json::from_str(data).unwrap_or_else(|_| data.into())
}

fn in_this_process(attack: &Attack, place: &Place, audit: &Path) -> Told {
    let component = place.root().join("hostile.wasm");
    fs::write(&component, pod_tools_hostile::COMPONENT).unwrap();
    let mut call = at(place, ["call", attack.name, attack.input, "--json"]);
    call.arg("--component").arg(component).arg("--audit").arg(audit).args(&attack.options);
    call.args(attack.grants.iter().flat_map(|grant| ["--grant", grant]));
    let finished = run(call);
    if finished.code == Some(0) {
        return Ok(Ok(finished.ok()["data"].take()));
    }
    let refusal = finished.err();
    Ok(Err((refusal.kind, refusal.reason, refusal.message)))
}

fn from_afar(attack: &Attack, place: &Place, audit: &Path) -> Told {
    let caller = |name: &str, token: &str, grants: &[&str]| {
        let file = token_file(place, name, token);
        format!("[[caller]]\nname = \"{name}\"\ntoken-file = {file:?}\ngrants = {grants:?}\n\n")
    };
    let grants = place.root().join("callers.toml");
    let callers = caller("attacker", ATTACKER, attack.grants) + &caller("honest", HONEST, &["list:honest"]);
    fs::write(&grants, callers).unwrap();
    let mut command = at(place, ["gateway"]);
    command.arg("--grants").arg(&grants).arg("--audit").arg(audit).args(&attack.options);
    let mut gateway = Gateway::run(command);
    let address = gateway.address;
    let process = PathBuf::from(format!("/proc/{}", gateway.child.id()));
    let descriptors = || {
        let links = fs::read_dir(process.join("fd")).unwrap();
        let links = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
        // Lock files and directories stay open once they were opened.
        let mut links: Vec<PathBuf> = links.filter(|link| !link.starts_with(place.base())).collect();
        links.sort();
        links
    };
    let sockets =
        || descriptors().iter().filter(|link| link.to_string_lossy().starts_with("socket:")).count();
    let at_first = sockets();
    let lists = |when: &str| {
        let listed =
            Host::running(&crate::host::COMPOSITION, HONEST, address, address).call("ListPods", &json!({}));
        assert_eq!(listed.unwrap().0, "1 pod(s) known", "{when} {}", attack.name);
    };
    if !attack.locked {
        // What is made once and kept is made by this.
        lists("before");
        await_that(|| sockets() == at_first, || format!("{}: a connection is kept", attack.name));
    }
    let memory = |field: &str| -> u64 {
        let status = fs::read_to_string(process.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() << 10
    };
    let (were, resident) = (descriptors(), memory("VmRSS:"));

    let mut host = Host::running(&HOSTILE, ATTACKER, address, address);
    let told = match host.invoke(attack.name, attack.input) {
        Ok(Ok(output)) => Ok(Ok(found(&output.data))),
        Ok(Err(refusal)) => Ok(Err((refusal.kind, refusal.reason, refusal.message))),
        Err(trap) => Err(format!("{trap:#}")),
    };
    drop(host);

    await_that(|| descriptors() == were, || format!("{}: {were:?}, now {:?}", attack.name, descriptors()));
    let took = memory("VmHWM:").saturating_sub(resident);
    assert!(took < MOST_MEMORY, "{}: the gateway took {} MiB", attack.name, took >> 20);
    if !attack.locked {
        lists("after");
    }
    // When it has ended, all lines are in the log.
    signal(&gateway.child, Signal::TERM);
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0), "{}", attack.name);
    told
}

/// Waits for what nobody tells: that the gateway has closed what it had open.
fn await_that(holds: impl Fn() -> bool, else_say: impl Fn() -> String) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{}", else_say());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What the gate was asked for by who attacks. State and cursor ride along with `find`, whether the plugin wants
/// them or not, and are left out.
fn asked(audit: &Path) -> BTreeSet<(String, String, String)> {
    let text = fs::read_to_string(audit).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let requests = lines.filter(|line| line["caller"] != "honest").flat_map(|mut line| {
        assert_eq!(line["unlisted_requests"], 0, "{line}");
        serde_json::from_value::<Vec<Value>>(line["requests"].take()).unwrap()
    });
    let words = |request: Value| {
        let word = |member: &str| request[member].as_str().unwrap_or_default().to_owned();
        (word("operation"), word("pod"), word("decision"))
    };
    requests.map(words).filter(|(operation, ..)| operation != "reading its state").collect()
}

/// How often a pod was connected to, and what it was sent, now that all who connected to it are gone.
fn connected(pod: &FakePod, socket: &Path, received: &mut Vec<String>) -> usize {
    // Connections are accepted in their order, and this is the last.
    let mut last = UnixStream::connect(socket).unwrap();
    last.write_all(b"the last\n").unwrap();
    last.shutdown(std::net::Shutdown::Write).unwrap();
    last.read_to_end(&mut Vec::new()).unwrap();
    pod.await_closed(1);
    *received = pod.received();
    received.retain(|line| line != "the last");
    pod.connections() - 1
}

/// What lies beneath the base, but for what the locks and the cursor log of honest use leave behind.
fn files(place: &Place) -> std::collections::BTreeMap<PathBuf, Entry> {
    snapshot(&place.base())
}

fn compare(name: &'static str) {
    if NOT_OF_THE_GATEWAY.contains(&name) {
        return;
    }
    let attack = Attack::of(name);
    let (here, afar) = (attack.attempt(in_this_process), attack.attempt(from_afar));
    let reached =
        |outcome: &Outcome| (outcome.asked.clone(), outcome.received.clone(), outcome.changed.clone());
    assert_eq!(reached(&afar), reached(&here), "{name}: {afar:#?}\n{here:#?}");
    if !ENDED_BY_THE_HOST.iter().any(|(_, names)| names.contains(&name)) {
        assert_eq!(afar.told, here.told, "{name}");
    }
}

macro_rules! tests {
    ($($module:ident { $($attack:ident)* })*) => {
        $($(#[test] fn $attack() { compare(stringify!($attack)); })*)*
    };
}
pod_tools_hostile::attacks!(tests);
