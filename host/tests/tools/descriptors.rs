//! Running out of file descriptors: every tool says so, and no pod is taken for a stopped one.
//!
//! The limit is a process's, and pods need descriptors as well. So each test runs itself again: the pods
//! are in the first process, the calls in the second.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use crate::support::patient;
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, event, history};
use pod_tools_host::registry::{MemoryRegistry, Record};
use pod_tools_host::{Authority, ErrorKind, Output, PodTools, Reason, ToolError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

const ROOT: &str = "POD_TOOLS_TEST_CALLS_WITHIN";

/// More than any call needs at once.
const ENOUGH: usize = 16;

/// The calling process of a test: an authority over the place that the first process has made.
struct Caller {
    tools: PodTools,
    authority: Authority,
    root: PathBuf,
    hogs: Vec<File>,
}

/// Is the calling process, where this process is one.
fn caller() -> Option<Caller> {
    let root = PathBuf::from(std::env::var_os(ROOT)?);
    // A cache would be tended by a thread of its own, which opens and closes files when it likes.
    let tools = PodTools::builder().cache_dir(None).load().unwrap();
    let authority = Authority::builder()
        .allow_sockets(root.join("base"))
        .runtime_dir(root.join("base/spawner"))
        .scope_lock(root.join("base/scope.lock"))
        .grant("list,send,read,stop".parse().unwrap())
        .limits(patient())
        .build()
        .unwrap();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..limit }).unwrap();
    Some(Caller { tools, authority, root, hogs: Vec::new() })
}

/// Runs the test of that name again, as the calling process.
fn run_caller(test: &str, place: &Place) {
    let again = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ROOT, place.root())
        .output()
        .unwrap();
    let output =
        [again.stdout, again.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(again.status.success() && output.contains("1 passed"), "{output}");
}

impl Caller {
    /// Calls a tool with room for so many descriptors.
    async fn call(&mut self, tool: &str, room: usize) -> Result<Output, ToolError> {
        self.hogs.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        self.hogs.truncate(self.hogs.len() - room);
        let input = json!({ "name": "child", "message": "hello" }).to_string();
        let result = self.tools.call(&self.authority, tool, &input).await;
        self.hogs.clear();
        result.map(|answer| answer.output().clone())
    }

    /// Calls a tool with room for no descriptor, for one, for two, … until it works, and gives the answer.
    /// Until then it must fail with an error that says what is missing, and the pod keep its record.
    async fn call_with_ever_more_room(&mut self, tool: &str) -> Output {
        for room in 0..ENOUGH {
            let error = match self.call(tool, room).await {
                Err(error) => error,
                Ok(answer) => {
                    assert!(room > 0, "the limit was none");
                    return answer;
                }
            };
            assert_eq!(error.kind, ErrorKind::ExecutionFailed, "room for {room}: {error}");
            assert_eq!(error.reason, Some(Reason::DescriptorsExhausted), "room for {room}: {error}");
            assert!(error.message.contains("ulimit -n"), "{error}");
            let records = std::fs::read_to_string(self.root.join("base/spawner/spawned_pods.json")).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&records).unwrap()[0]["pod_name"], "child");
        }
        panic!("room for {ENOUGH} was not enough");
    }
}

/// A pod that does whatever it is asked for.
fn obliging() -> Script {
    Script::new()
        .on("run", [Step::line(event("turn_start", json!({ "turn": 0 })))])
        .on("get_history", [Step::line(history(&[assistant("a")]))])
        .stopping()
}

#[tokio::test]
async fn for_want_of_descriptors_every_tool_fails_and_no_pod_is_called_stopped_or_forgotten() {
    let Some(mut caller) = caller() else {
        let place = Place::new().unwrap();
        let _pod = FakePod::start(&place, "child", obliging()).unwrap();
        place.write_table(&[place.stale_allocation("child")]).unwrap();
        let test =
            "descriptors::for_want_of_descriptors_every_tool_fails_and_no_pod_is_called_stopped_or_forgotten";
        return run_caller(test, &place);
    };
    let list = caller.call_with_ever_more_room("ListPods").await;
    assert_eq!(list.summary, "1 pod(s) known");
    assert_eq!(list.content.as_deref(), Some("child [alive] scope=write:/work/child"));
    let send = caller.call_with_ever_more_room("SendToPod").await;
    assert_eq!(send.summary, "sent message to `child`");
    let read = caller.call_with_ever_more_room("ReadPodOutput").await;
    // The state may be unknown for want of one more.
    assert!(read.summary.starts_with("pod `child`: 1 new line(s) of assistant text"), "{}", read.summary);
    assert_eq!(read.content.as_deref(), Some("a"));
    let stop = caller.call_with_ever_more_room("StopPod").await;
    assert!(stop.summary.starts_with("stopped pod `child`; reclaimed scope: write:/work/child"));
}

#[tokio::test]
async fn a_registry_that_needs_no_descriptor_makes_no_difference() {
    let Some(mut caller) = caller() else {
        let place = Place::new().unwrap();
        let _pod = FakePod::start(&place, "child", obliging()).unwrap();
        return run_caller("descriptors::a_registry_that_needs_no_descriptor_makes_no_difference", &place);
    };
    // Then the pod's socket is the first thing that cannot be opened.
    let record = Record {
        pod_name: "child".into(),
        socket_path: caller.root.join("base/child/sock"),
        scope_delegated: Vec::new(),
        callback_address: None,
        fence: None,
    };
    caller.authority = Authority::builder()
        .allow_sockets(caller.root.join("base"))
        .registry([record].into_iter().collect::<MemoryRegistry>())
        .grant("list,send,read,stop".parse().unwrap())
        .limits(patient())
        .build()
        .unwrap();
    for tool in ["ListPods", "SendToPod", "ReadPodOutput", "StopPod"] {
        let error = caller.call(tool, 0).await.unwrap_err();
        assert_eq!(error.reason, Some(Reason::DescriptorsExhausted), "{tool}: {error}");
        assert!(error.message.contains("ulimit -n"), "{tool}: {error}");
    }
}

#[tokio::test]
async fn many_pods_are_listed_with_few_descriptors() {
    const PODS: usize = 300;
    let Some(mut caller) = caller() else {
        let place = Place::new().unwrap();
        let pods = (0..PODS)
            .map(|i| FakePod::start(&place, &format!("pod-{i}"), Script::new().never_accepting(16)).unwrap());
        let _pods: Vec<FakePod> = pods.collect();
        return run_caller("descriptors::many_pods_are_listed_with_few_descriptors", &place);
    };
    let answer = caller.call("ListPods", 200).await.unwrap();
    assert_eq!(answer.summary, format!("{PODS} pod(s) known"));
    assert_eq!(answer.content.as_ref().unwrap().matches(" [alive] ").count(), PODS);
}
