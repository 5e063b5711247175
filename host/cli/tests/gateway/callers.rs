//! Callers with grants of their own, in a grants file that is followed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use pod_tools_conformance::{FakePod, Place, Script};
use serde_json::json;

use crate::cli::{Finished, at, run};
use crate::client::{READ, SEND};
use crate::process::{Gateway, PATIENT, audited, ended, token_file};

const ALICE: &str = "alice-alice-alice";
const BOB: &str = "bob-bob-bob-bob-bob";

struct Callers {
    // Dropped first: its socket lies in the place.
    _pod: FakePod,
    place: Place,
    file: PathBuf,
}

impl Callers {
    fn new() -> Self {
        let place = Place::new().unwrap();
        let pod = FakePod::start(&place, "child", Script::new()).unwrap();
        token_file(&place, "alice", ALICE);
        token_file(&place, "bob", BOB);
        let file = place.root().join("callers.toml");
        Self { _pod: pod, place, file }
    }

    /// Each with his grants.
    fn write(&self, callers: &[(&str, &str)]) {
        let entry = |(name, grants): &(&str, &str)| {
            let token = self.place.root().join(name);
            format!("[[caller]]\nname = \"{name}\"\ntoken-file = {token:?}\ngrants = [{grants}]\n\n")
        };
        let next = self.file.with_extension("next");
        fs::write(&next, callers.iter().map(entry).collect::<String>()).unwrap();
        fs::rename(next, &self.file).unwrap();
    }

    fn gateway(&self) -> Gateway {
        Gateway::run(&self.place, &[&PATIENT[..], &["--grants", self.file.to_str().unwrap()]].concat())
    }

    fn fails(&self, command: &[&str], part: &str) -> Finished {
        let ended = ended(at(&self.place, [command, &["--grants", self.file.to_str().unwrap()]].concat()));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
        ended
    }
}

#[test]
fn each_may_do_what_he_was_granted_and_reads_for_himself_and_is_named_in_the_log() {
    let callers = Callers::new();
    callers.write(&[("alice", r#""list,read""#), ("bob", r#""read,send:child""#)]);
    let gateway = callers.gateway();

    let mut alice = gateway.session_with(ALICE);
    alice.list().unwrap();
    let denied = alice.find("child", SEND).unwrap_err().failed();
    assert_eq!(denied.words(), ("denied", "not-granted"));
    assert!(!denied.message.contains("callers.toml"), "a client learns of no file: {}", denied.message);
    let child = alice.find("child", READ).unwrap().pod;
    alice.set_cursor(child, 7, "alice's").unwrap();
    alice.commit().unwrap();
    gateway.await_log("add the line `\"send:child\",`");

    let mut bob = gateway.session_with(BOB);
    assert_eq!(bob.list().unwrap_err().failed().words(), ("denied", "not-granted"));
    bob.find("child", SEND).unwrap();
    assert_eq!(
        bob.find("child", READ).unwrap().cursor.unwrap().unwrap(),
        None,
        "alice has read, and not bob"
    );
    bob.commit().unwrap();
    let again = gateway.session_with(ALICE).find("child", READ).unwrap();
    assert_eq!(again.cursor.unwrap().unwrap(), Some((7, "alice's".to_owned())));

    gateway.connect().begin("nobody-nobody-nobody").unwrap_err().over();
    let lines = audited(&callers.place, 4);
    let named: Vec<_> = lines.iter().map(|line| line["caller"].clone()).collect();
    assert_eq!(named, [json!("alice"), json!("bob"), json!("alice"), json!(null)]);
}

#[test]
fn what_is_changed_holds_for_new_sessions_and_what_is_revoked_for_open_ones_too() {
    let callers = Callers::new();
    callers.write(&[("alice", r#""list,read""#), ("bob", r#""list""#)]);
    let gateway = callers.gateway();
    let (mut alice, mut bob) = (gateway.session_with(ALICE), gateway.session_with(BOB));
    alice.list().unwrap();

    callers.write(&[("alice", r#""read""#), ("bob", r#""list", "read""#)]);
    gateway.await_log("read again; 3 grant(s) are in force");
    assert_eq!(alice.list().unwrap_err().failed().words(), ("denied", "not-granted"));
    alice.find("child", READ).unwrap();
    bob.list().unwrap();
    // A session gains nothing while it lasts.
    bob.find("child", READ).unwrap_err().failed();
    gateway.session_with(BOB).find("child", READ).unwrap();

    callers.write(&[("bob", r#""list", "read", "send", "stop""#)]);
    gateway.await_log("read again; 4 grant(s) are in force");
    assert_eq!(alice.find("child", READ).unwrap_err().failed().words(), ("denied", "not-granted"));
    gateway.connect().begin(ALICE).unwrap_err().over();
    bob.list().unwrap();

    // Where the last has gone, nobody is left.
    fs::write(&callers.file, "").unwrap();
    gateway.await_log("read again; 0 grant(s) are in force");
    assert_eq!(bob.list().unwrap_err().failed().words(), ("denied", "not-granted"));
    gateway.connect().begin(BOB).unwrap_err().over();
    callers.write(&[("bob", r#""list", "read", "send", "stop""#)]);
    gateway.await_log("read again; 4 grant(s) are in force");
    gateway.session_with(BOB).list().unwrap();

    // What cannot be used changes nothing.
    fs::write(&callers.file, "[[caller]]\nname = 7\n").unwrap();
    gateway.await_log("what was granted before stays in force");
    gateway.session_with(BOB).find("child", SEND).unwrap();
    fs::remove_file(callers.place.root().join("alice")).unwrap();
    callers.write(&[("alice", r#""list""#)]);
    gateway.await_log("what was granted before stays in force");
    gateway.session_with(BOB).find("child", SEND).unwrap();
}

#[test]
fn the_grants_of_the_one_caller_without_a_name_are_followed_too() {
    let callers = Callers::new();
    fs::write(&callers.file, "grants = [\"list\"]\n").unwrap();
    let gateway = Gateway::start(&callers.place, &["--grants", callers.file.to_str().unwrap()]);
    let mut session = gateway.session();
    session.list().unwrap();
    fs::write(&callers.file, "grants = [\"read\", \"send\"]\n").unwrap();
    gateway.await_log("read again; 2 grant(s) are in force");
    assert_eq!(session.list().unwrap_err().failed().words(), ("denied", "not-granted"));
    gateway.session().find("child", SEND).unwrap();
    // Callers of their own have no place beside it.
    callers.write(&[("alice", r#""list""#)]);
    gateway.await_log("leave out --token-file");
    gateway.session().find("child", SEND).unwrap();
}

#[test]
fn a_token_that_was_written_anew_counts_once_the_file_is_read_again() {
    let callers = Callers::new();
    callers.write(&[("alice", r#""list""#)]);
    let gateway = callers.gateway();
    gateway.session_with(ALICE).list().unwrap();
    token_file(&callers.place, "alice", BOB);
    callers.write(&[("alice", r#""list", "read""#)]);
    gateway.await_log("read again; 2 grant(s) are in force");
    gateway.session_with(BOB).list().unwrap();
    gateway.connect().begin(ALICE).unwrap_err().over();
}

#[test]
fn a_file_of_callers_is_for_the_gateway_alone_and_has_their_tokens() {
    let callers = Callers::new();
    callers.write(&[("alice", r#""list""#)]);
    for command in [&["call", "ListPods"][..], &["call", "--batch"], &["mcp"]] {
        callers.fails(command, "callers.toml:2:8: callers have grants of their own here");
    }
    let token = callers.place.root().join("bob");
    callers.fails(&["gateway", "--token-file", token.to_str().unwrap()], "leave out --token-file");
    fs::write(&callers.file, "grants = [\"list\"]\n").unwrap();
    callers.fails(&["gateway"], "--token-file");
    callers.write(&[("alice", ""), ("bob", "")]);
    fs::write(callers.place.root().join("bob"), ALICE).unwrap();
    callers.fails(&["gateway"], "callers.toml:8:14: this is the token of caller `alice`");
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(callers.place.root().join("bob"), open).unwrap();
    callers.fails(&["gateway"], "chmod 600");
    fs::set_permissions(&callers.file, fs::Permissions::from_mode(0o666)).unwrap();
    callers.fails(&["gateway"], "is not believed");
}

#[test]
fn what_is_wrong_with_callers_is_told_at_once_and_where() {
    let callers = Callers::new();
    fs::write(
        &callers.file,
        "grants = []\n[[caller]]\nname = \"a\\n\"\ntoken-file = \"alice\"\ngrant = []\n[[caller]]\ngrants = [\"fly\"]\n\
         [[caller]]\nname = \"x\"\ntoken-file = 7\n[[caller]]\nname = \"y\"\ntoken-file = \"/t\"\n[[caller]]\n\
         name = \"y\"\ntoken-file = \"/t\"\n",
    )
    .unwrap();
    let ended = callers.fails(&["gateway"], "");
    let faults =
        ended.stderr.lines().filter_map(|line| line.split_once("callers.toml:")).map(|(_, fault)| fault);
    assert_eq!(
        faults.collect::<Vec<_>>(),
        [
            "1:1: `grants` stands beside [[caller]], and nobody would have them; write them beneath each caller",
            "3:8: a reader's name has 1 to 256 bytes, none of them a control character",
            "4:14: `alice` is not an absolute path, and would depend on where it is used",
            "5:1: `grant` is no key of a caller; the keys are name, token-file, key, grants, max-calls, max-rate, \
             max-bytes; did you mean `grants`?",
            "6:1: this caller has no `name`; write name = \"alice\"",
            "6:1: this caller has no `token-file`; write token-file = \"/etc/pod-tools/alice\" for `pod-tools gateway`, or \
             key = \"U…\" for `pod-tools node`",
            "7:11: `fly` is no verb of a grant; the verbs are list, send, read, stop",
            "10:14: `token-file` is a string, not an integer: quote it",
            "15:8: there is a caller `y` above; write what he may do in one place",
        ]
    );
}

#[test]
fn a_file_of_callers_is_explained_caller_by_caller() {
    let callers = Callers::new();
    callers.write(&[("alice", r#""list,read", "read:child""#), ("bob", "")]);
    let file = callers.file.to_str().unwrap();
    let explained = run(at(&callers.place, ["grants", "check", file]));
    assert_eq!(explained.code, Some(0), "{explained:?}");
    for part in [
        "callers.toml: 2 grant(s)\n",
        "line 2: caller `alice`, who shows the token in ",
        "line 4: \"list,read\"\n",
        "now: child\n",
        "On no pod: send, stop\n",
        "line 7: caller `bob`",
        "On no pod: list, send, read, stop\n",
        "warning: line 4: \"read:child\" allows nothing that line 4 does not; it can go",
        "warning: line 7: caller `bob` has no `grants`: every call of his is denied",
    ] {
        assert!(explained.stdout.contains(part), "{part:?} is not in {}", explained.stdout);
    }
    assert!(!explained.stdout.contains("has no `grants`: every call is denied"), "{}", explained.stdout);
    let document = run(at(&callers.place, ["grants", "check", "--json", file])).stdout;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["callers"][0]["caller"], "alice");
    assert_eq!(document["callers"][0]["grants"][1]["grant"], "read:child");
    assert_eq!(document["callers"][1]["denied_everywhere"], json!(["list", "send", "read", "stop"]));
}
