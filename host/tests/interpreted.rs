//! The plugin, interpreted: it says what it says compiled, and is held to the same limits.

#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;
use std::time::Duration;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use pod_tools_host::{Authority, ErrorKind, Grant, Limits, PodTools};
use serde_json::json;

fn interpreted() -> &'static PodTools {
    static TOOLS: OnceLock<PodTools> = OnceLock::new();
    TOOLS.get_or_init(|| PodTools::builder().cache_dir(None).interpreted(true).load().unwrap())
}

fn authority(place: &Place, limits: Limits) -> Authority {
    Authority::builder()
        .allow_sockets(place.base())
        .runtime_dir(place.runtime_dir())
        .scope_lock(place.scope_lock())
        .grant(Grant::all())
        .limits(limits)
        .build()
        .unwrap()
}

fn obliging(text: &str) -> Script {
    let turn = Step::text("{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n");
    Script::new().on("get_history", [Step::line(history(&[assistant(text)]))]).on("run", [turn]).stopping()
}

#[tokio::test]
async fn each_tool_answers_as_it_does_when_it_is_compiled() {
    let compiled = PodTools::builder().cache_dir(None).load().unwrap();
    let mut answers = Vec::new();
    for tools in [interpreted(), &compiled] {
        let place = Place::new().unwrap();
        let _pod = FakePod::start(&place, "child", obliging("one\ntwo \u{1f600}")).unwrap();
        let authority = authority(&place, Limits::default());
        for (tool, input) in [
            ("ListPods", json!({})),
            ("SendToPod", json!({ "name": "child", "message": "hello" })),
            ("ReadPodOutput", json!({ "name": "child" })),
            ("ReadPodOutput", json!({ "name": "nobody" })),
            ("StopPod", json!({ "name": "child" })),
        ] {
            let answer = tools.call(&authority, tool, &input.to_string()).await;
            answers.push(answer.map(|answer| answer.output().clone()));
        }
    }
    let (interpreted, compiled) = answers.split_at(5);
    assert_eq!(format!("{interpreted:?}"), format!("{compiled:?}"));
    assert_eq!(interpreted[2].as_ref().unwrap().content.as_deref(), Some("one\ntwo \u{1f600}"));
    assert!(interpreted[4].is_ok(), "{:?}", interpreted[4]);
}

#[tokio::test]
async fn limits_end_a_call_that_is_interpreted_too() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", obliging(&"x".repeat(16 << 20))).unwrap();
    let limits = |set: fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        limits
    };
    let message = "\n\u{1b}".repeat(3 << 20);
    for (limits, tool, input, words) in [
        (
            limits(|limits| limits.cpu_time = Duration::from_millis(10)),
            "SendToPod",
            json!({ "name": "child", "message": message }),
            "10ms",
        ),
        (limits(|limits| limits.memory = 8 << 20), "ReadPodOutput", json!({ "name": "child" }), "8388608"),
        (limits(|limits| limits.host_calls = 2), "ReadPodOutput", json!({ "name": "child" }), "2 host calls"),
    ] {
        let error =
            interpreted().call(&authority(&place, limits), tool, &input.to_string()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}
