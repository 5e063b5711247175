//! Pods in the background: `spawn`, and `ls`, `logs` and `stop`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::*;

/// How a command ended, and what it said.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }
}

/// A world whose pods are ended with it, however the test ends.
struct Background {
    world: World,
}

impl Background {
    fn new() -> Background {
        Background { world: World::new() }
    }

    fn command(&self) -> Command {
        let mut command = self.world.command(&self.world.base());
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command.env_remove("POD_NAME").env_remove("POD_SOCKET");
        command
    }

    fn run(&self, words: &[&str]) -> Done {
        let mut command = self.command();
        done(command.args(words))
    }

    /// Spawns a pod, which must go well; what was said of it.
    fn spawn(&self, words: &[&str]) -> String {
        self.run(&[&["spawn"], words].concat()).ok()
    }

    /// Spawns a pod, which must fail and leave nothing: the exit code, and what was said.
    fn refused(&self, name: &str, words: &[&str]) -> (i32, String) {
        let done = self.run(&[&["spawn", name], words].concat());
        assert_eq!(done.out, "", "{done:?}");
        (done.code.unwrap(), done.err)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.world.base().join(name)
    }

    fn pid(&self, name: &str) -> Option<Pid> {
        let pid = fs::read_to_string(self.dir(name).join("pid")).ok()?;
        Pid::from_raw(pid.parse().unwrap())
    }

    fn list(&self) -> Vec<Value> {
        let listed: Value = serde_json::from_str(&self.run(&["ls", "--json"]).ok()).unwrap();
        listed["pods"].as_array().unwrap().clone()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let pods = fs::read_dir(self.world.base()).into_iter().flatten().flatten();
        for pid in pods.filter_map(|pod| self.pid(pod.file_name().to_str()?)) {
            let _ = kill_process(pid, Signal::KILL);
            eventually("the pod is gone", || !runs(&pid.as_raw_nonzero().to_string()));
        }
    }
}

fn done(command: &mut Command) -> Done {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_pod_is_spawned_sent_its_first_message_listed_and_stopped() {
    let place = Background::new();
    let work = place.world.work_dir("work");
    let rule = format!("write:{}", work.display());
    let said = place.spawn(&["x", "--enforce", "off", "--scope", &rule, "--message", "hello", "--", "cat"]);
    let sock = place.world.base().canonicalize().unwrap().join("x/sock");
    assert_eq!(said, format!("pod `x` ready at {}, not fenced\nsent message to `x`\n", sock.display()));

    let mut client = Client::of(&place.dir("x"));
    eventually("the turn is over", || client.history()["items"].as_array().unwrap().len() == 2);
    assert_eq!(client.history()["items"][1], answer("hello\n", "completed"));
    let listed = place.list();
    let scope = json!([{"permission": "write", "target": work, "recursive": true}]);
    assert_eq!(
        listed,
        [json!({"name": "x", "state": "idle", "fence": {"held": "off"}, "scope": scope})]
    );
    let table = place.run(&["ls"]).ok();
    assert_eq!(table, format!("NAME  STATE  FENCE  SCOPE\nx     idle   no     {rule}\n"));

    assert!(place.run(&["stop", "x"]).ok().starts_with("stopped `x`"));
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
    let listed = place.run(&["ls"]).ok();
    assert!(listed.starts_with("no spawned pods; looked in ") && listed.contains("pod-tools spawn"), "{listed}");
}

#[test]
fn a_first_message_that_fails_leaves_a_pod_that_is_listed() {
    let place = Background::new();
    let done = place.run(&["spawn", "x", "--grant", "list", "--message", "hello", "--", "cat"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.out.starts_with("pod `x` ready at "), "{done:?}");
    assert!(done.err.contains("pod `x` is there, and its first message was not sent: "), "{done:?}");
    assert!(done.err.contains("send:x"), "{done:?}");
    assert_eq!(place.list()[0]["state"], "idle");
}

#[test]
fn what_is_wrong_is_told_before_anything_is_recorded() {
    let place = Background::new();
    let (work, part, elsewhere) =
        (place.world.work_dir("work"), place.world.work_dir("work/part"), place.world.work_dir("elsewhere"));
    let rule = |kind: &str, directory: &std::path::Path| format!("{kind}:{}", directory.display());
    place.spawn(&["holder", "--enforce", "off", "--scope", &rule("write", &work), "--", "cat"]);

    let (code, said) = place.refused("x", &["--scope", "read:/is/not/there", "--", "cat"]);
    assert!(code == 2 && said.contains("/is/not/there"), "{said}");
    let (code, said) = place.refused("x", &["--", "is-not-installed"]);
    assert!(code == 2 && said.contains("cannot run `is-not-installed`"), "{said}");
    let (code, said) = place.refused("holder", &["--", "cat"]);
    assert!(code == 1 && said.contains("a pod `holder` is there already"), "{said}");
    let (code, said) = place.refused("x", &["--scope", &rule("write", &part), "--", "cat"]);
    assert!(code == 1 && said.contains("conflicts") && said.contains("`holder`"), "{said}");
    let outside = ["--spawner", "holder", "--scope", &rule("read", &elsewhere), "--", "cat"];
    let (code, said) = place.refused("x", &outside);
    assert!(code == 1 && said.contains("`holder`") && said.contains("elsewhere"), "{said}");
    let (code, said) = place.refused("a/b", &["--", "cat"]);
    assert!(code == 2 && said.contains("a pod's name"), "{said}");
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
    assert_eq!(place.world.allocations().len(), 1);
}

/// A terminal, and a shell's session at it: its end, as when a window is closed, ends what is in the session.
fn hung_up(command: &mut Command) -> String {
    let mut name = [0; 128];
    // SAFETY: the calls take a descriptor that was just opened, and a buffer with its length.
    let terminal = unsafe {
        let terminal = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert!(terminal >= 0 && libc::grantpt(terminal) == 0 && libc::unlockpt(terminal) == 0);
        assert_eq!(libc::ptsname_r(terminal, name.as_mut_ptr(), name.len()), 0);
        File::from_raw_fd(terminal)
    };
    let name: Vec<u8> = name.iter().take_while(|byte| **byte != 0).map(|byte| byte.cast_unsigned()).collect();
    let path = String::from_utf8(name).unwrap();
    let slave = File::options().read(true).write(true).open(path).unwrap();
    let number = slave.as_raw_fd();
    // SAFETY: system calls alone, on a descriptor that the child has.
    unsafe {
        command.pre_exec(move || {
            if libc::setsid() < 0 || libc::ioctl(number, libc::TIOCSCTTY, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let stream = || Stdio::from(slave.try_clone().unwrap());
    let mut shell = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
    drop(slave);
    let mut said = String::new();
    let mut lines = BufReader::new(&terminal);
    while !said.contains("spawned") {
        assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
    }
    drop(terminal);
    // SIGHUP ends it, and all of its session that does not withstand it.
    assert!(!shell.wait().unwrap().success());
    said
}

#[test]
fn a_pod_outlives_the_terminal_and_the_signal_that_its_end_sends() {
    let place = Background::new();
    let spawn = place.command();
    let mut shell = Command::new("sh");
    let script = "\"$@\" && echo spawned; cat";
    shell.args(["-c", script, "sh"]).arg(spawn.get_program()).args(spawn.get_args());
    shell.args(["spawn", "x", "--", "cat"]).current_dir(place.world.path(""));
    for (name, value) in spawn.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let said = hung_up(&mut shell);
    assert!(said.contains("pod `x` ready at "), "{said}");

    let pid = place.pid("x").unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // Session and terminal: its own, and none.
    assert_eq!((fields[3], fields[4]), (&*pid.as_raw_nonzero().to_string(), "0"), "{stat}");
    kill_process(pid, Signal::HUP).unwrap();
    let mut client = Client::of(&place.dir("x"));
    client.run("still there?");
    assert_eq!(deltas(&client.until("run_end")), "still there?\n");
    // The command has the signal as everybody has it: not ignored.
    place.spawn(&["y", "--", "grep", "SigIgn", "/proc/self/status"]);
    let mut client = Client::of(&place.dir("y"));
    client.run("");
    let mask = deltas(&client.until("run_end"));
    let mask = u64::from_str_radix(mask.trim().rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(mask & 1, 0, "SIGHUP is ignored");
}

#[test]
fn nothing_that_the_starter_has_open_is_held_open() {
    let place = Background::new();
    let mut command = place.command();
    let (mut end, mut writer) = (std::io::pipe().unwrap(), None);
    writer.replace(end.1.try_clone().unwrap());
    let number = writer.as_ref().unwrap().as_raw_fd();
    // SAFETY: a flag of a descriptor that the child has.
    unsafe {
        command.pre_exec(move || {
            libc::fcntl(number, libc::F_SETFD, 0);
            Ok(())
        });
    }
    done(command.args(["spawn", "x", "--", "cat"])).ok();
    drop((writer, end.1));
    // It would wait for as long as the pod lives.
    assert_eq!(end.0.read(&mut [0]).unwrap(), 0);
    assert!(place.pid("x").is_some_and(|pid| runs(&pid.as_raw_nonzero().to_string())));
}

#[test]
fn the_log_has_what_the_pod_says_and_what_its_command_complains_of() {
    let place = Background::new();
    let script = "read line; echo \"cannot $line\" >&2; echo done";
    place.spawn(&["x", "--message", "sing", "--", "sh", "-c", script]);
    let mut client = Client::of(&place.dir("x"));
    eventually("the turn is over", || client.history()["items"].as_array().unwrap().len() == 2);
    let mode = fs::metadata(place.dir("x").join("log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut follower: Child =
        place.command().args(["logs", "x", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut followed = BufReader::new(follower.stdout.take().unwrap());
    let mut line = String::new();
    followed.read_line(&mut line).unwrap();
    assert!(line.starts_with("pod `x` ready at "), "{line}");
    let mut next = || {
        let mut line = String::new();
        followed.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(next(), "cannot sing\n");
    client.run("dance");
    assert_eq!(next(), "cannot dance\n");
    let logs = place.run(&["logs", "x"]).ok();
    assert!(logs.ends_with("cannot sing\ncannot dance\n"), "{logs}");
    // It ends with the pod.
    place.run(&["stop", "x"]).ok();
    assert_eq!(next(), "");
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    let gone = place.run(&["logs", "x"]);
    assert!(gone.code == Some(1) && gone.err.contains("`x`"), "{gone:?}");

    let _foreground = place.world.pod("y", &[], &["cat"]);
    let none = place.run(&["logs", "y"]);
    assert!(none.code == Some(1) && none.err.contains("pod-tools spawn"), "{none:?}");
}

#[test]
fn a_log_is_bounded_and_what_a_command_floods_it_with_holds_up_nothing() {
    let place = Background::new();
    let flood = "head -c 20000000 /dev/zero | tr '\\0' 'x' | fold -w 99 >&2; echo done";
    place.spawn(&["x", "--", "sh", "-c", flood]);
    let mut client = Client::of(&place.dir("x"));
    client.run("");
    assert_eq!(deltas(&client.until("run_end")), "done\n");
    for file in ["log", "log.1"] {
        let bytes = fs::metadata(place.dir("x").join(file)).map_or(0, |found| found.len());
        assert!(bytes <= 1 << 20, "{file}: {bytes}");
    }
    place.run(&["stop", "x"]).ok();
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
}

#[test]
fn all_are_stopped_where_that_was_asked_and_confirmed() {
    let place = Background::new();
    place.spawn(&["a", "--", "cat"]);
    place.spawn(&["b", "--", "cat"]);
    // There is no terminal to ask at.
    let asked = place.run(&["stop", "--all"]);
    assert!(asked.code == Some(1) && asked.err.contains("--yes"), "{asked:?}");
    assert_eq!(place.list().len(), 2);
    let some = place.run(&["stop", "a", "nobody"]);
    assert!(some.code == Some(1) && some.out.contains("`a`") && some.err.contains("`nobody`"), "{some:?}");
    let all = place.run(&["stop", "--all", "--yes"]).ok();
    assert!(all.starts_with("stopped `b`"), "{all}");
    assert_eq!(place.run(&["stop", "--all"]).ok(), "no pods to stop\n");
}

/// What a pod's command says that spawns a pod itself.
fn spawned_within(place: &Background, parent: &str, options: &[&str], child: &str) -> String {
    let program = env!("CARGO_BIN_EXE_pod-tools");
    let base = place.world.base();
    let child = format!("exec 2>&1; {program} --base-dir {} spawn {child}; echo status $?", base.display());
    place.spawn(&[&[parent], options, &["--", "sh", "-c", &child]].concat());
    let mut client = Client::of(&place.dir(parent));
    client.run("");
    deltas(&client.until_either("run_end", "error"))
}

#[test]
fn a_pods_command_that_spawns_a_pod_has_a_child_within_its_scope() {
    let place = Background::new();
    let (work, part, elsewhere) =
        (place.world.work_dir("work"), place.world.work_dir("work/part"), place.world.work_dir("elsewhere"));
    let rule = format!("write:{}", work.display());
    let options = ["--enforce", "off", "--scope", &*rule];
    let wide = format!("child --scope write:{} -- cat", elsewhere.display());
    let told = spawned_within(&place, "parent", &options, &wide);
    assert!(told.contains("`parent`") && told.ends_with("status 1\n"), "{told}");
    place.run(&["stop", "parent"]).ok();

    let narrow = format!("child --enforce off --scope write:{} -- cat", part.display());
    let told = spawned_within(&place, "parent", &options, &narrow);
    assert!(told.contains("pod `child` ready") && told.ends_with("status 0\n"), "{told}");
    let entries = place.world.allocations();
    let child = entries.iter().find(|entry| entry["pod_name"] == "child").unwrap();
    assert_eq!(child["delegated_from"], "parent");
    // Where the parent ends the child does not, and is listed.
    place.run(&["stop", "parent"]).ok();
    let listed = place.list();
    assert_eq!((listed.len(), &listed[0]["name"], &listed[0]["state"]), (1, &json!("child"), &json!("idle")));
}

#[cfg(target_os = "linux")]
#[test]
fn from_behind_a_fence_nobody_starts_a_pod() {
    let place = Background::new();
    let work = place.world.work_dir("work");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_pod-tools"));
    let (rule, also) = (
        format!("write:{}", work.display()),
        format!("read:{}", program.canonicalize().unwrap().parent().unwrap().display()),
    );
    let options = ["--scope", &*rule, "--also", &also];
    let told = spawned_within(&place, "fenced", &options, "child -- cat");
    assert!(told.contains("this runs behind the fence of pod `fenced`"), "{told}");
    assert!(told.ends_with("status 1\n"), "{told}");
    assert_eq!(place.world.traces("child"), Vec::<String>::new());
    place.run(&["stop", "fenced"]).ok();

    // Whatever the command makes of its environment, there is nothing to enter the pod in.
    let base = place.world.base();
    let bare = format!(
        "exec 2>&1; unset POD_NAME POD_SOCKET; {} --base-dir {} spawn child -- cat; echo status $?",
        program.display(),
        base.display()
    );
    place.spawn(&[&["fenced"], &options[..], &["--", "sh", "-c", &bare]].concat());
    let mut client = Client::of(&place.dir("fenced"));
    client.run("");
    let told = deltas(&client.until_either("run_end", "error"));
    assert!(told.ends_with("status 1\n"), "{told}");
    assert_eq!(place.world.traces("child"), Vec::<String>::new());
}

#[test]
fn of_fifty_spawned_at_once_of_which_half_are_killed_none_is_lost_and_none_doubled() {
    let place = Background::new();
    let names: Vec<String> = (0..50).map(|number| format!("pod-{number}")).collect();
    let rules: Vec<String> = names
        .iter()
        .map(|name| format!("write:{}", place.world.work_dir(&format!("work/{name}")).display()))
        .collect();
    thread::scope(|scope| {
        let spawning: Vec<_> = names
            .iter()
            .zip(&rules)
            .map(|(name, rule)| {
                let words = [&**name, "--enforce", "off", "--scope", rule, "--", "cat"];
                let place = &place;
                scope.spawn(move || place.run(&[&["spawn"], &words[..]].concat()))
            })
            .collect();
        for spawned in spawning {
            spawned.join().unwrap().ok();
        }
    });
    let pids: Vec<Pid> = names.iter().map(|name| place.pid(name).unwrap()).collect();
    let (killed, left) = pids.split_at(25);
    for pid in killed {
        kill_process(*pid, Signal::KILL).unwrap();
    }
    for pid in killed {
        eventually("a killed pod is gone", || !runs(&pid.as_raw_nonzero().to_string()));
    }
    let listed = place.list();
    let mut found: Vec<&str> = listed.iter().map(|pod| pod["name"].as_str().unwrap()).collect();
    found.sort_unstable();
    let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "each once");
    for (name, rule) in names.iter().zip(&rules) {
        let pod = listed.iter().find(|pod| pod["name"] == **name).unwrap();
        let state = if names[..25].contains(name) { "stopped" } else { "idle" };
        assert_eq!(pod["state"], state, "{name}");
        assert_eq!(format!("write:{}", pod["scope"][0]["target"].as_str().unwrap()), *rule);
    }
    // The listing has released what the dead ones held, and nothing else.
    let mut holders: Vec<String> = place
        .world
        .allocations()
        .iter()
        .map(|entry| entry["pod_name"].as_str().unwrap().to_owned())
        .collect();
    holders.sort_unstable();
    let mut living = names[25..].to_vec();
    living.sort_unstable();
    assert_eq!(holders, living);
    assert!(left.iter().all(|pid| runs(&pid.as_raw_nonzero().to_string())));

    place.run(&["stop", "--all", "--yes"]).ok();
    for (name, pid) in names.iter().zip(&pids) {
        eventually("the process is gone", || !runs(&pid.as_raw_nonzero().to_string()));
        assert_eq!(place.world.traces(name), Vec::<String>::new());
    }
    // Nor does anything else run that was theirs.
    let base = place.world.base().canonicalize().unwrap().display().to_string();
    eventually("no process is left", || processes_of(&base).is_empty());
}

/// The processes that were told of that directory in their arguments or environment.
fn processes_of(base: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mentions = |file: PathBuf| fs::read(file).is_ok_and(|told| String::from_utf8_lossy(&told).contains(base));
    processes
        .filter(|process| mentions(process.path().join("cmdline")) || mentions(process.path().join("environ")))
        .filter_map(|process| process.file_name().into_string().ok())
        .filter(|pid| runs(pid))
        .collect()
}

/// A stand-in for `systemd-run`: notes its arguments, starts the command as systemd would, and waits for its word.
const SYSTEMD: &str = r#"
import os, socket, subprocess, sys
words = sys.argv[1:]
at = words.index("--")
options, command = words[:at], words[at + 1:]
open(os.environ["NOTED"], "w").write("\n".join(options))
files = dict(o.split("=", 1)[1].split("=append:") for o in options if "=append:" in o)
place = os.path.join(os.path.dirname(os.environ["NOTED"]), "notify")
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind(place)
told.settimeout(60)
handed = {o.split("=", 1)[1] for o in options if o.startswith("--setenv=")}
environment = {name: value for name, value in os.environ.items() if name in handed}
unit = subprocess.Popen(command, env={**environment, "NOTIFY_SOCKET": place}, stdin=subprocess.DEVNULL,
    stdout=open(files["StandardOutput"], "ab"), stderr=open(files["StandardError"], "ab"), start_new_session=True)
told.settimeout(0.05)
while True:
    try:
        sys.exit(0 if told.recv(100) == b"READY=1" else 3)
    except TimeoutError:
        if unit.poll() is not None:
            sys.exit(1)
"#;

#[test]
fn as_a_unit_the_pod_is_started_by_systemd_which_is_told_when_it_is_ready() {
    let place = Background::new();
    place.world.work_dir("bin");
    let script = place.world.path("systemd.py");
    fs::write(&script, SYSTEMD).unwrap();
    place.world.script("bin/systemd-run", &format!("exec python3 {} \"$@\"", script.display()));
    let noted = place.world.path("noted");
    let unit = |words: &[&str]| {
        let path = format!("{}:{}", place.world.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = place.command();
        command.env("PATH", path).env("NOTED", &noted).env("BASH_FUNC_x%%", "() { :; }");
        let _ = fs::remove_file(place.world.path("notify"));
        done(command.args(["spawn", "--unit"]).args(words))
    };
    let said = unit(&["a b", "--", "cat"]).ok();
    assert!(said.starts_with("pod `a b` ready at "), "{said}");
    let options = fs::read_to_string(&noted).unwrap();
    for option in [
        "--user",
        "--unit=pod-tools-a\\x20b.service",
        "--property=Type=notify",
        "--property=KillMode=mixed",
        "--setenv=PATH",
    ] {
        assert!(options.lines().any(|line| line == option), "{option}: {options}");
    }
    assert!(!options.contains("BASH_FUNC") && !options.contains("NOTIFY_SOCKET"), "{options}");
    assert_eq!(place.list()[0]["state"], "idle");

    // What the pod says of a failed start is shown.
    let failed = unit(&["a b", "--", "cat"]);
    assert!(failed.code == Some(1) && failed.err.contains("a pod `a b` is there already"), "{failed:?}");
    place.run(&["stop", "a b"]).ok();
}

#[test]
fn without_systemd_a_unit_is_refused_with_the_reason() {
    let place = Background::new();
    let mut command = place.command();
    // The shell's own directories, without systemd's.
    place.world.work_dir("bin");
    command.env("PATH", place.world.path("bin"));
    let refused = done(command.args(["spawn", "x", "--unit", "--", "/bin/cat"]));
    assert!(refused.err.contains("systemd-run") && refused.err.contains("--unit"), "{refused:?}");
    assert_ne!(refused.code, Some(0));

    // One that has no bus to speak to, as on a machine that was not started by systemd.
    let says = "echo 'Failed to connect to bus: No medium found' >&2; exit 1";
    place.world.script("bin/systemd-run", says);
    let path = format!("{}:/bin:/usr/bin", place.world.path("bin").display());
    let refused = done(place.command().env("PATH", path).args(["spawn", "x", "--unit", "--", "cat"]));
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("No medium found") && refused.err.contains("without --unit"), "{refused:?}");
    assert_eq!(place.world.records("pod-tools"), Vec::<Value>::new());
}
