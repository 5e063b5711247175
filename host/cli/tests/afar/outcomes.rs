//! What fails, fails as in this process: kind, reason and message; and a gateway that is gone is told.

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

use crate::cli::call_with;
use crate::host::{Gateway, Host};

/// Calls a tool from afar and in process, with those options, and sees to it that both fail alike; with that kind, and
/// a message in which that stands.
fn fails_alike(place: &Place, tool: &str, input: &Value, options: &[&str], kind: &str, part: &str) {
    let gateway = Gateway::start(place, options);
    let from_afar = Host::of(&gateway).call(tool, input).unwrap_err();
    let in_process = call_with(place, tool, &input.to_string(), options).err();
    assert_eq!(from_afar, in_process);
    assert_eq!(from_afar.kind, kind, "{from_afar:?}");
    assert!(from_afar.message.contains(part), "{from_afar:?}");
}

#[test]
fn what_is_refused_and_what_fails_is_so_as_in_this_process() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "quiet", Script::new()).unwrap();
    let quiet = json!({ "name": "quiet" });
    fails_alike(&place, "ReadPodOutput", &json!({ "name": "nobody" }), &[], "invalid-argument", "nobody");
    fails_alike(&place, "Nonsense", &json!({}), &[], "unknown-tool", "Nonsense");
    fails_alike(&place, "StopPod", &quiet, &["--grant", "list,read"], "denied", "stop");
    fails_alike(&place, "ListPods", &json!({}), &["--grant", "read"], "denied", "list");
    fails_alike(
        &place,
        "ReadPodOutput",
        &quiet,
        &["--op-timeout", "200ms"],
        "execution-failed",
        "--op-timeout",
    );
}

#[test]
fn a_limit_is_told_by_itself_and_not_by_what_the_plugin_makes_of_it() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "quiet", Script::new()).unwrap();
    let quiet = json!({ "name": "quiet" });
    fails_alike(&place, "ReadPodOutput", &quiet, &["--call-timeout", "300ms"], "timeout", "--call-timeout");
    fails_alike(&place, "ReadPodOutput", &quiet, &["--host-calls", "4"], "limit", "--host-calls");
    fails_alike(&place, "ListPods", &json!({}), &["--handles", "0"], "limit", "--handles");
}

#[test]
fn a_gateway_that_is_killed_in_mid_call_is_told_and_has_moved_no_cursor() {
    let place = Place::new().unwrap();
    let line = history(&[assistant("text")]).to_string() + "\n";
    let script = Script::new().on("get_history", [Step::text(line), Step::Close]);
    let _pod = FakePod::start(&place, "worker", script).unwrap();
    let hanging = FakePod::start(&place, "hanging", Script::new()).unwrap();
    let mut gateway = Gateway::start(&place, [""; 0]);
    let address = gateway.address;
    let waiting = std::thread::spawn(move || {
        let mut host = Host::new(address, address);
        (host.call("ReadPodOutput", &json!({ "name": "hanging" })), host)
    });
    hanging.await_lines(1);
    gateway.kill();
    let (outcome, mut host) = waiting.join().unwrap();
    let refusal = outcome.unwrap_err();
    assert_eq!(refusal.words(), ("execution-failed", ""));
    assert!(refusal.message.contains("closed the connection"), "{refusal:?}");
    assert!(refusal.message.contains(&address.to_string()), "{refusal:?}");

    let refusal = host.call("ReadPodOutput", &json!({ "name": "worker" })).unwrap_err();
    assert!(refusal.message.contains("no gateway can be reached"), "{refusal:?}");
    assert!(!place.runtime_dir().join("read_cursors.json").exists());

    // The next one takes over.
    let gateway = Gateway::start(&place, [""; 0]);
    let (_, content) = Host::of(&gateway).call("ReadPodOutput", &json!({ "name": "worker" })).unwrap();
    assert_eq!(content.as_deref(), Some("text"));
}
