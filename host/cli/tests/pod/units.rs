//! `spawn --unit`: against a real systemd where one can be started, and against a stand-in for `systemd-run`. The stand-in
//! does what is relied upon: it starts the command with the variables that it was given and with its streams appended to
//! files, and returns when it was told that the unit is ready, or has ended.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::background::*;

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
    let said = unit(&["a+b", "--", "cat"]).ok();
    assert!(said.starts_with("pod `a+b` ready at "), "{said}");
    let options = fs::read_to_string(&noted).unwrap();
    for option in [
        "--user",
        "--unit=pod-tools-a\\x2bb.service",
        "--property=Type=notify",
        "--property=KillMode=mixed",
        "--setenv=PATH",
    ] {
        assert!(options.lines().any(|line| line == option), "{option}: {options}");
    }
    assert!(!options.contains("BASH_FUNC") && !options.contains("NOTIFY_SOCKET"), "{options}");
    assert_eq!(place.list()[0]["state"], "idle");

    // What the pod says of a failed start is shown.
    let failed = unit(&["a+b", "--", "cat"]);
    assert!(failed.code == Some(1) && failed.err.contains("a pod `a+b` is there already"), "{failed:?}");
    place.run(&["stop", "a+b"]).ok();
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

/// Starts a systemd of the user's in namespaces of its own, with nothing of this machine's, and runs the rest within.
const WITH_SYSTEMD: &str = r#"
mount -t tmpfs none /run && mkdir -p /run/systemd/system /run/user && chmod 700 /run/user || exit 77
umount -l /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup || exit 77
export XDG_RUNTIME_DIR=/run/user
/lib/systemd/systemd --user >/dev/null 2>&1 &
for try in $(seq 100); do
    [ "$(systemctl --user is-system-running 2>/dev/null)" = running ] && break
    [ "$try" = 100 ] && exit 77
    sleep 0.1
done
set -e
"$@" spawn x --unit --message hello -- cat
systemctl --user is-active pod-tools-x
"$@" ls
if "$@" spawn x --unit -- cat 2>/dev/null; then exit 3; fi
systemctl --user stop pod-tools-x
"$@" ls
"#;

/// It takes a machine with systemd, and whoever may make namespaces for it.
#[test]
fn a_real_systemd_starts_a_pod_as_its_unit_and_ends_it_in_good_order() {
    let place = Background::new();
    let pod_tools = place.command();
    let mut command = Command::new("unshare");
    command.args(["-m", "-p", "-f", "--mount-proc", "-C", "--propagation", "private", "sh", "-c"]);
    command.args([WITH_SYSTEMD, "sh"]).arg(pod_tools.get_program()).args(pod_tools.get_args());
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).env_remove("XDG_RUNTIME_DIR");
    let ran = done(&mut command);
    if ran.code != Some(0) && !ran.out.contains("ready at") && !ran.err.contains("pod-tools") {
        println!("not run: no systemd can be started here: {}", ran.err.trim());
        return;
    }
    let lines: Vec<&str> = ran.out.lines().collect();
    let [ready, sent, active, head, row, end @ ..] = &lines[..] else { panic!("{ran:?}") };
    assert!(ready.starts_with("pod `x` ready at ") && ready.ends_with("not fenced"), "{ran:?}");
    assert_eq!((*sent, *active), ("sent message to `x`", "active"), "{ran:?}");
    assert!(head.starts_with("NAME") && row.starts_with("x "), "{ran:?}");
    assert!(end[0].starts_with("no spawned pods"), "{ran:?}");
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
}
