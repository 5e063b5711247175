//! Several processes at work on the same state: two of ours that stop real pods, and a native one that takes
//! the lock with `flock(1)` and rewrites the table in place.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cli::{Batch, RealPod, call};
use pod_tools_conformance::Place;
use serde_json::{Value, json};

/// A native process: under the lock, it reads the table, counts its own turns in it, adds an allocation of its
/// own and rewrites the file in place. Until a file tells it to end; then it says how many turns it had.
const NATIVE: &str = r#"
lock=$1 stop=$2 pid=$3 turns=0
while [ ! -e "$stop" ]; do
    flock "$lock" sh -c '
        turn=$(sed -n "s/.*\"turn\": *\([0-9]*\).*/\1/p" "$1")
        entry="{\"pod_name\": \"native-$turn\", \"pid\": $2, \"socket\": \"/native/sock\", \"scope_allow\": [], \"delegated_from\": null},"
        table=$(sed -e "s/\"turn\": *[0-9]*/\"turn\": $((turn + 1))/" -e "s|\"allocations\": *\[|&$entry|" "$1")
        printf %s "$table" > "$1"
    ' native "$lock" "$pid" || exit 1
    turns=$((turns + 1))
    [ "$turns" -ne 1 ] || echo begun
done
echo "$turns"
"#;

struct Native {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Native {
    /// Starts it, and waits until it has had its first turn. `None`, and a word about it, where there is no
    /// `flock(1)`.
    fn start(place: &Place, stop: &Path) -> Option<Self> {
        if !Command::new("flock").arg("--version").output().is_ok_and(|output| output.status.success()) {
            println!("not run: there is no flock(1) on this machine");
            return None;
        }
        let mut command = Command::new("sh");
        command.args(["-c", NATIVE, "sh"]).arg(place.scope_lock()).arg(stop);
        let mut child = command.arg(std::process::id().to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
        Some(Self { child, output })
    }

    /// Tells it to end; how many turns it had.
    fn finish(mut self, stop: &Path) -> usize {
        fs::write(stop, "").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(self.child.wait().unwrap().success());
        line.trim().parse().unwrap()
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_processes_stop_pods_while_a_native_one_rewrites_the_table_and_no_update_is_lost() {
    let place = Place::new().unwrap();
    let anchor = place.native_allocation("anchor", i64::from(std::process::id()));
    place.write_table(std::slice::from_ref(&anchor)).unwrap();
    let table = fs::read_to_string(place.scope_lock()).unwrap();
    let counted = table.replacen("\"allocations\"", "\"turn\": 0,\n  \"allocations\"", 1);
    fs::write(place.scope_lock(), counted).unwrap();

    let mut pods: Vec<RealPod> = (0..16)
        .map(|i| {
            let directory = place.root().join(format!("work-{i}"));
            fs::create_dir(&directory).unwrap();
            let scope = format!("write:{}", directory.display());
            RealPod::start(&place, &format!("pod-{i}"), &["--scope", &scope], &["cat"])
        })
        .collect();
    assert_eq!(place.allocated().unwrap().len(), 17);
    let stop = place.root().join("stop");
    let Some(native) = Native::start(&place, &stop) else { return };

    // The lock is had by whoever asks first, so some have to wait for long.
    let stoppers = [0, 1].map(|which| {
        let mut batch = Batch::start(&place, ["--op-timeout", "2m", "--call-timeout", "5m"]);
        std::thread::spawn(move || {
            for i in (which..16).step_by(2) {
                let stopped = batch.ask("StopPod", json!({"name": format!("pod-{i}")}));
                assert!(stopped["ok"].is_object(), "{stopped}");
            }
            assert_eq!(batch.finish(), (String::new(), Some(0)));
        })
    });
    for stopper in stoppers {
        stopper.join().unwrap();
    }
    for pod in &mut pods {
        assert!(pod.child.wait().unwrap().success());
    }
    let turns = native.finish(&stop);

    let table: Value = serde_json::from_str(&fs::read_to_string(place.scope_lock()).unwrap()).unwrap();
    assert_eq!(table["turn"], turns);
    let natives = (0..turns).rev().map(|turn| format!("native-{turn}"));
    let expected: Vec<String> = natives.chain(["anchor".to_owned()]).collect();
    assert_eq!(place.allocated().unwrap(), expected);
    assert_eq!(place.recorded().unwrap(), Vec::<String>::new());
    assert!(!place.root().join("base/scope.lock.next").exists());
}

/// Sends a pod 512 notifications, as many as it holds for later clients, and leaves when it has taken them.
fn notify(pod: &RealPod) {
    let mut stream = UnixStream::connect(&pod.socket).unwrap();
    let reader = stream.try_clone().unwrap();
    // What it says meanwhile has a reader, so that it is not held up.
    let reading = std::thread::spawn(move || {
        let mut events = BufReader::new(reader).lines();
        assert!(events.any(|line| line.unwrap().contains("\"history\"")));
    });
    for i in 0..512 {
        let message = format!("notification {i}: {}", "x".repeat(1000));
        let method = json!({"method": "notify", "params": {"source": "child", "message": message}});
        stream.write_all(format!("{method}\n").as_bytes()).unwrap();
    }
    // Methods are taken in order: when this one is answered, all have been taken.
    stream.write_all(b"{\"method\":\"get_history\"}\n").unwrap();
    reading.join().unwrap();
}

#[test]
fn a_pod_with_buffered_notifications_is_gone_when_stop_pod_says_so_20_of_20() {
    let place = Place::new().unwrap();
    let mut batch = Batch::start(&place, [""; 0]);
    for i in 0..20 {
        let mut pod = RealPod::start(&place, "chatty", &[], &["cat"]);
        notify(&pod);
        let stopped = batch.ask("StopPod", json!({"name": "chatty"}));
        assert_eq!(
            stopped["ok"]["summary"], "stopped pod `chatty`; reclaimed scope: (none)",
            "pod {i}: {stopped}"
        );
        assert_eq!(stopped["ok"]["data"]["confirmed"], true, "pod {i}");
        assert!(UnixStream::connect(&pod.socket).is_err(), "pod {i} still takes connections");
        assert!(pod.child.wait().unwrap().success(), "pod {i}");
        assert_eq!((place.recorded().unwrap(), place.allocated().unwrap()), (vec![], vec![]), "pod {i}");
    }
}

#[test]
fn two_processes_that_stop_the_same_pod_at_the_same_time_do_not_hurt_each_other() {
    let place = Place::new().unwrap();
    for _ in 0..5 {
        let mut pod = RealPod::start(&place, "child", &[], &["cat"]);
        let stop = || call(&place, "StopPod", &json!({"name": "child"}));
        let outcomes = std::thread::scope(|scope| {
            let stoppers = [scope.spawn(stop), scope.spawn(stop)];
            stoppers.map(|stopper| stopper.join().unwrap())
        });
        // Who comes late finds the pod stopped, or its record gone.
        assert!(outcomes.iter().any(|outcome| outcome.code == Some(0)), "{outcomes:?}");
        for failed in outcomes.iter().filter(|outcome| outcome.code != Some(0)) {
            assert_eq!(failed.err().words(), ("invalid-argument", "unknown-pod"));
        }
        assert!(pod.child.wait().unwrap().success());
        assert_eq!((place.recorded().unwrap(), place.allocated().unwrap()), (vec![], vec![]));
    }
}
