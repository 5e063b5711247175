//! What an authority lacks that was built without a grant, or without a directory of sockets.

use crate::remedy::remedy;
use crate::support::{Spawner, tools};
use pod_tools_conformance::{FakePod, Script};
use pod_tools_host::{Authority, ErrorKind, Reason};

/// The tools that reach a pod, each with an input.
const ON_A_POD: [(&str, &str); 3] = [
    ("SendToPod", r#"{"name":"child","message":"hello"}"#),
    ("ReadPodOutput", r#"{"name":"child"}"#),
    ("StopPod", r#"{"name":"child"}"#),
];

#[tokio::test]
async fn an_authority_with_nothing_granted_can_do_nothing_and_says_so() {
    let spawner = Spawner::new();
    let pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    let nothing = Authority::builder().build().unwrap();
    for (tool, input) in [("ListPods", "{}")].into_iter().chain(ON_A_POD) {
        let error = tools().call(&nothing, tool, input).await.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::NotGranted)), "{tool}");
        assert!(error.message.contains("is not granted; it takes the grant `"), "{error}");
    }
    assert_eq!(pod.connections(), 0);
}

#[tokio::test]
async fn verbs_without_a_directory_lead_to_no_socket() {
    let spawner = Spawner::new();
    let pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    let authority = Authority::builder()
        .remedy(remedy)
        .runtime_dir(spawner.place.runtime_dir())
        .grant("list,send,read,stop".parse().unwrap())
        .build()
        .unwrap();
    let list = tools().call(&authority, "ListPods", "").await.unwrap();
    assert_eq!(list.output().content.as_deref(), Some("child [denied] scope=write:/work/child"));
    for (tool, input) in ON_A_POD {
        let error = tools().call(&authority, tool, input).await.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::SocketRefused)), "{tool}");
        let remedy = "lies outside the granted directories (set allowed sockets)";
        // Each error of StopPod says first that nothing was stopped.
        let start = if tool == "StopPod" { "stop `child`: pod `child`" } else { "pod `child`" };
        assert!(
            error.message.starts_with(&format!("{start}: its socket ")) && error.message.ends_with(remedy),
            "{error}"
        );
    }
    assert_eq!(pod.connections(), 0);
    assert_eq!(spawner.place.recorded().unwrap(), ["child"]);
}
