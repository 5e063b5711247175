//! Grants, from the outside: each tool needs its verb, a refusal reaches no socket, changes nothing and does
//! not tell whether a pod exists, and patterns bound what is seen.

use crate::remedy::remedy;
use crate::support::{Spawner, connections_so_far, data, patient, tools};
use pod_tools_conformance::{FakePod, Script, Step, assistant, event, history};
use pod_tools_host::{Authority, ErrorKind, Reason, ToolError};
use serde_json::{Value, json};

const VERBS: [&str; 4] = ["list", "send", "read", "stop"];

/// A tool, its input, the verb that it needs, and the words for what it does.
const TOOLS: [(&str, &str, &str, &str); 4] = [
    ("ListPods", "{}", "list", "listing pods"),
    ("SendToPod", r#"{"name":"child","message":"hello"}"#, "send", "sending a message"),
    ("ReadPodOutput", r#"{"name":"child"}"#, "read", "reading its output"),
    ("StopPod", r#"{"name":"child"}"#, "stop", "stopping it"),
];

/// A pod that does whatever it is asked for.
fn obliging() -> Script {
    Script::new()
        .on("run", [Step::line(event("turn_start", json!({ "turn": 0 })))])
        .on("get_history", [Step::line(history(&[assistant("a")]))])
        .stopping()
}

fn not_granted(message: impl Into<String>) -> ToolError {
    ToolError::new(ErrorKind::Denied, Reason::NotGranted, message)
}

/// All files of the place that a call could change, by name and content.
fn files(spawner: &Spawner) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for directory in [spawner.place.base(), spawner.place.runtime_dir()] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files.push((path.clone(), std::fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn every_tool_works_with_its_verb_alone_and_is_denied_without_it_whatever_else_is_granted() {
    for granted in 0..1 << VERBS.len() {
        let granted: Vec<&str> = VERBS
            .into_iter()
            .enumerate()
            .filter(|(i, _)| granted & (1 << i) != 0)
            .map(|(_, verb)| verb)
            .collect();
        for (tool, input, verb, words) in TOOLS {
            let spawner = Spawner::with(&granted, patient());
            let pod = FakePod::start(&spawner.place, "child", obliging()).unwrap();
            let own = i64::from(std::process::id());
            spawner.place.write_table(&[spawner.place.native_allocation("child", own)]).unwrap();
            let before = files(&spawner);
            let result = tools().call(&spawner.authority, tool, input).await;
            if granted.contains(&verb) {
                assert!(result.is_ok(), "{tool} with {granted:?}: {result:?}");
                continue;
            }
            let message = match verb {
                "list" => format!("{words} is not granted; it takes the grant `list`"),
                _ => format!("pod `child`: {words} is not granted; it takes the grant `{verb}:child`"),
            };
            assert_eq!(result.unwrap_err(), not_granted(message), "{tool} with {granted:?}");
            assert_eq!(
                connections_so_far(&pod, &spawner.place.socket("child")),
                0,
                "{tool} with {granted:?}"
            );
            assert_eq!(files(&spawner), before, "{tool} with {granted:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_does_not_tell_whether_there_is_such_a_pod() {
    let spawner = Spawner::with(&["list,send,read,stop:mine-*"], patient());
    let _pod = FakePod::start(&spawner.place, "yours", obliging()).unwrap();
    for tool in ["SendToPod", "ReadPodOutput", "StopPod"] {
        let call = async |name: &str| {
            let error = spawner.call(tool, json!({ "name": name, "message": "m" })).await.unwrap_err();
            (error.kind, error.reason, error.message.replace(name, "NAME"))
        };
        assert_eq!(call("yours").await, call("nobody").await);
        assert_eq!(call("yours").await.0, ErrorKind::Denied);
        assert_eq!(call("mine-x").await.1, Some(Reason::UnknownPod), "what is covered is told");
    }
    // Even where the registry cannot be read.
    std::fs::write(spawner.place.registry(), "garbled").unwrap();
    assert_eq!(spawner.read_fails("yours").await.kind, ErrorKind::Denied);
}

#[tokio::test]
async fn a_listing_shows_and_counts_only_what_a_grant_covers() {
    let spawner = Spawner::with(&["list:a*", "list:?", "send,read,stop"], patient());
    let mut pods = Vec::new();
    for name in ["b", "bb", "a", "abc"] {
        pods.push(FakePod::start(&spawner.place, name, obliging()).unwrap());
    }
    for bad in ["ab", "bc"] {
        spawner.place.record(json!({ "pod_name": bad })).unwrap();
    }
    let output = spawner.list().await;
    // A record that says that it is somebody else's business is not counted either.
    assert_eq!(output.summary, "3 pod(s) known; 1 record could not be read");
    let lines: Vec<&str> = output.content.as_ref().unwrap().lines().collect();
    assert_eq!(
        lines,
        [
            "b [alive] scope=write:/work/b",
            "a [alive] scope=write:/work/a",
            "abc [alive] scope=write:/work/abc"
        ]
    );
    assert_eq!(connections_so_far(&pods[1], &spawner.place.socket("bb")), 0, "not even asked");

    let spawner = Spawner::with(&["list:nobody"], patient());
    let _pod = FakePod::start(&spawner.place, "child", obliging()).unwrap();
    assert_eq!(spawner.list().await.summary, "no spawned pods");
}

#[tokio::test]
async fn the_verb_of_one_grant_does_not_pass_to_the_pattern_of_another() {
    let spawner = Spawner::with(&["read:a", "stop:b"], patient());
    let mut pods = Vec::new();
    for name in ["a", "b"] {
        pods.push(FakePod::start(&spawner.place, name, obliging()).unwrap());
    }
    assert_eq!(
        spawner.stop_fails("a").await,
        not_granted("pod `a`: stopping it is not granted; it takes the grant `stop:a`")
    );
    assert_eq!(
        spawner.read_fails("b").await,
        not_granted("pod `b`: reading its output is not granted; it takes the grant `read:b`")
    );
    assert_eq!(spawner.read("a").await.content.as_deref(), Some("a"));
    spawner.stop("b").await;
}

#[tokio::test]
async fn reading_and_sending_need_no_word_on_the_state_from_each_other() {
    // The state is told to whoever may read or send: neither has to be granted both.
    let spawner = Spawner::with(&["read"], patient());
    let _pod = FakePod::start(&spawner.place, "child", obliging()).unwrap();
    assert_eq!(data(&spawner.read("child").await)["state"], "idle");

    let spawner = Spawner::with(&["send"], patient());
    // Idle, the first turn is ours, whatever follows: that it is, only the state tells.
    let both = format!(
        "{}\n{}\n",
        event("turn_start", json!({ "turn": 0 })),
        event("error", json!({ "code": "already_running", "message": "m" }))
    );
    let _pod = FakePod::start(&spawner.place, "child", Script::new().on("run", [Step::text(both)])).unwrap();
    spawner.send("child", "hello").await;
}

#[tokio::test]
async fn an_authority_with_nothing_granted_can_do_nothing_and_says_so() {
    let spawner = Spawner::new();
    let pod = FakePod::start(&spawner.place, "child", obliging()).unwrap();
    let nothing = Authority::builder().build().unwrap();
    for (tool, input, ..) in TOOLS {
        let error = tools().call(&nothing, tool, input).await.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::NotGranted)), "{tool}");
        assert!(error.message.contains("is not granted; it takes the grant `"), "{error}");
    }
    assert_eq!(connections_so_far(&pod, &spawner.place.socket("child")), 0);
}

#[tokio::test]
async fn verbs_without_a_directory_lead_to_no_socket() {
    let spawner = Spawner::new();
    let pod = FakePod::start(&spawner.place, "child", obliging()).unwrap();
    let authority = Authority::builder()
        .remedy(remedy)
        .runtime_dir(spawner.place.runtime_dir())
        .grant("list,send,read,stop".parse().unwrap())
        .build()
        .unwrap();
    let list = tools().call(&authority, "ListPods", "").await.unwrap();
    assert_eq!(list.output().content.as_deref(), Some("child [denied] scope=write:/work/child"));
    for (tool, input, verb, _) in TOOLS {
        if verb == "list" {
            continue;
        }
        let error = tools().call(&authority, tool, input).await.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::SocketRefused)), "{tool}");
        let remedy = "lies outside the granted directories (set allowed sockets)";
        assert!(
            error.message.starts_with("pod `child`: its socket ") && error.message.ends_with(remedy),
            "{error}"
        );
    }
    assert_eq!(connections_so_far(&pod, &spawner.place.socket("child")), 0);
    assert_eq!(spawner.place.recorded().unwrap(), ["child"]);
}

#[tokio::test]
async fn a_tool_that_there_is_not_is_unknown_whatever_is_granted() {
    let spawner = Spawner::new();
    for name in ["", "listpods", "ListPods ", "SpawnPod", "List\nPods"] {
        let error = spawner.call(name, Value::Null).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnknownTool, "{name:?}");
        assert!(!error.message.contains('\n'), "{error}");
        for tool in TOOLS {
            assert!(error.message.contains(tool.0), "it says which there are: {error}");
        }
    }
}
