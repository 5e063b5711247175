//! Many calls at once through one host: no answer for another's question, no descriptor and no memory lost,
//! whether calls run to their end or are dropped on the way.

#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, event, history};
use pod_tools_host::{Authority, Grant, Limits, PodTools};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const PODS: usize = 20;
const CALLS: usize = 200;

/// Descriptors and memory are counted for the process, so one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tools() -> &'static PodTools {
    static TOOLS: OnceLock<PodTools> = OnceLock::new();
    TOOLS.get_or_init(|| PodTools::builder().cache_dir(None).load().unwrap())
}

/// A host with places for two calls.
fn two_at_once() -> &'static PodTools {
    static TOOLS: OnceLock<PodTools> = OnceLock::new();
    TOOLS.get_or_init(|| PodTools::builder().cache_dir(None).concurrent_calls(2).load().unwrap())
}

/// A place with pods, and an authority over them all.
struct Scene {
    authority: Authority,
    pods: Vec<FakePod>,
    _place: Place,
}

fn name(pod: usize) -> String {
    format!("pod-{pod}")
}

impl Scene {
    /// Pods that each behave as told.
    fn set(script: impl Fn(&str) -> Script) -> Self {
        let place = Place::new().unwrap();
        let pods = (0..PODS).map(|i| FakePod::start(&place, &name(i), script(&name(i))).unwrap()).collect();
        let mut limits = Limits::default();
        // Two processors may be shared by many; nothing here is about time.
        limits.call_time = std::time::Duration::from_secs(300);
        limits.operation_time = limits.call_time;
        let authority = Authority::builder()
            .allow_sockets(place.base())
            .runtime_dir(place.runtime_dir())
            .scope_lock(place.scope_lock())
            .grant(Grant::all())
            .limits(limits)
            .build()
            .unwrap();
        Self { authority, pods, _place: place }
    }

    /// Starts a call in a task of its own; it gives the summary, the content and the data.
    fn spawn(&self, calls: &mut JoinSet<(usize, Reply)>, call: usize, tool: &'static str, input: Value) {
        let authority = self.authority.clone();
        calls.spawn(async move {
            let answer = tools().call(&authority, tool, &input.to_string()).await.unwrap();
            let output = answer.output();
            let data = serde_json::from_str(output.data.get()).unwrap();
            (call, Reply { summary: output.summary.clone(), content: output.content.clone(), data })
        });
    }
}

#[derive(Debug)]
struct Reply {
    summary: String,
    content: Option<String>,
    data: Value,
}

/// A pod that says its own name, and whose history is a different one each time that it is asked for.
fn talker(name: &str) -> Script {
    let text = format!("{name} says: {}", "it is me. ".repeat(2000));
    Script::new()
        .on("run", [Step::line(event("turn_start", json!({"turn": 0})))])
        .on("get_history", [Step::line(history(&[assistant(&text)]))])
}

/// 200 calls at once: reads, messages and listings, of one pod after the other.
async fn round(scene: &Scene) {
    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        let pod = name(call % PODS);
        match call / PODS % 3 {
            0 => scene.spawn(&mut calls, call, "ReadPodOutput", json!({"name": pod})),
            1 => {
                let message = format!("call {call} to {pod}");
                scene.spawn(&mut calls, call, "SendToPod", json!({"name": pod, "message": message}));
            }
            _ => scene.spawn(&mut calls, call, "ListPods", json!({})),
        }
    }
    while let Some(reply) = calls.join_next().await {
        let (call, reply) = reply.unwrap();
        let pod = name(call % PODS);
        match call / PODS % 3 {
            0 => {
                let content = reply.content.unwrap();
                assert!(content.starts_with(&format!("{pod} says: ")), "{pod} got {content:.40}");
                assert_eq!(reply.summary, format!("pod `{pod}`: 1 new line(s) of assistant text; now idle"));
                assert_eq!(reply.data["pod"], pod.as_str());
            }
            1 => assert_eq!(reply.summary, format!("sent message to `{pod}`")),
            _ => {
                let states = reply.data["pods"].as_array().unwrap();
                assert_eq!(states.len(), PODS);
                assert!(states.iter().all(|pod| pod["state"] == "alive"), "{}", reply.data);
            }
        }
    }
}

/// How many connections each pod gets in that many rounds: calls for it alone, and listings, which probe all.
fn connections(rounds: usize) -> usize {
    let of_kind = |kind: usize| (0..CALLS).filter(move |call| call / PODS % 3 == kind);
    let own = of_kind(0).chain(of_kind(1)).filter(|call| call % PODS == 0).count();
    rounds * (own + of_kind(2).count())
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Memory that the process has in use, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn two_hundred_calls_at_once_get_each_its_own_answer_and_leave_nothing_behind() {
    let _alone = alone();
    let runtime = Runtime::new().unwrap();
    let scene = Scene::set(talker);
    let settled = |rounds| scene.pods.iter().for_each(|pod| pod.await_closed(connections(rounds)));
    runtime.block_on(round(&scene));
    settled(1);
    let (descriptors_before, resident_before) = (descriptors(), resident());
    for _ in 0..3 {
        runtime.block_on(round(&scene));
    }
    settled(4);
    assert_eq!(descriptors(), descriptors_before);
    let grown = resident().saturating_sub(resident_before);
    assert!(grown < 24 << 10, "{CALLS} calls, three times: {grown} KiB more than before");

    // And each pod got its own messages, no other's.
    for (i, pod) in scene.pods.iter().enumerate() {
        let runs: Vec<String> = pod.received().into_iter().filter(|line| line.contains("\"run\"")).collect();
        assert_eq!(
            runs.len(),
            4 * (0..CALLS).filter(|call| call / PODS % 3 == 1 && call % PODS == i).count()
        );
        assert!(runs.iter().all(|line| line.contains(&format!(" to {}\"", name(i)))), "{runs:?}");
    }
}

#[test]
fn more_calls_than_the_host_has_places_for_wait_for_one_another() {
    let _alone = alone();
    let runtime = Runtime::new().unwrap();
    let scene = Scene::set(talker);
    let two_at_once = two_at_once();
    runtime.block_on(async {
        let mut calls = JoinSet::new();
        for call in 0..40 {
            let (authority, pod) = (scene.authority.clone(), name(call % PODS));
            calls.spawn(async move {
                let input = json!({"name": pod}).to_string();
                let answer = two_at_once.call(&authority, "ReadPodOutput", &input).await.unwrap();
                assert!(answer.output().content.as_ref().unwrap().starts_with(&format!("{pod} says: ")));
            });
        }
        while let Some(done) = calls.join_next().await {
            done.unwrap();
        }
    });
}

#[test]
fn a_call_that_waits_does_not_hold_up_the_others_even_on_one_thread() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scene = Scene::set(|name| match name {
        "pod-0" => Script::new(),
        _ => talker(name),
    });
    runtime.block_on(async {
        let silent = tools().call(&scene.authority, "ReadPodOutput", r#"{"name":"pod-0"}"#);
        let others = async {
            for pod in 1..PODS {
                let input = json!({"name": name(pod)}).to_string();
                tools().call(&scene.authority, "ReadPodOutput", &input).await.unwrap();
            }
        };
        tokio::select! {
            biased;
            done = silent => panic!("a silent pod has answered: {done:?}"),
            () = others => {}
        }
    });
}

/// Calls of every tool that talks to a pod, each waiting for an answer that does not come.
fn start_waiting(tools: &'static PodTools, scene: &Scene, runtime: &Runtime, calls: usize) -> JoinSet<()> {
    let mut waiting = JoinSet::new();
    for call in 0..calls {
        let pod = name(call % PODS);
        let (tool, input) = match call / PODS % 3 {
            0 => ("ReadPodOutput", json!({"name": pod})),
            1 => ("SendToPod", json!({"name": pod, "message": "hello"})),
            _ => ("StopPod", json!({"name": pod})),
        };
        let authority = scene.authority.clone();
        let call = async move {
            let done = tools.call(&authority, tool, &input.to_string()).await;
            panic!("an answer to half a line: {done:?}");
        };
        waiting.spawn_on(call, runtime.handle());
    }
    waiting
}

/// Answers everything with half a line, so that a call is in the middle of something when it is dropped.
fn half_answering(_: &str) -> Script {
    Script::new().on("*", [Step::text("{\"event\":\"hist")])
}

#[test]
fn calls_that_are_dropped_on_the_way_leave_nothing_behind() {
    let _alone = alone();
    let runtime = Runtime::new().unwrap();
    let scene = Scene::set(half_answering);
    let each = 6;
    let round = |rounds: usize| {
        let mut waiting = start_waiting(tools(), &scene, &runtime, each * PODS);
        scene.pods.iter().for_each(|pod| pod.await_lines(each * rounds));
        runtime.block_on(waiting.shutdown());
        scene.pods.iter().for_each(|pod| pod.await_closed(each * rounds));
    };
    round(1);
    let descriptors_before = descriptors();
    (2..5).for_each(round);
    assert_eq!(descriptors(), descriptors_before);

    // All places are free again.
    let scene = Scene::set(talker);
    runtime.block_on(self::round(&scene));
}

#[test]
fn calls_that_are_dropped_while_they_wait_for_a_place_do_not_take_it() {
    let _alone = alone();
    let runtime = Runtime::new().unwrap();
    let two_at_once = two_at_once();
    let scene = Scene::set(half_answering);
    let mut waiting = start_waiting(two_at_once, &scene, &runtime, PODS);
    let talking = || scene.pods.iter().filter(|pod| !pod.received().is_empty()).count();
    runtime.block_on(async {
        while talking() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(talking(), 2, "more calls than there are places");
        waiting.shutdown().await;
    });

    let scene = Scene::set(talker);
    for pod in 0..PODS {
        let input = json!({"name": name(pod)}).to_string();
        runtime.block_on(two_at_once.call(&scene.authority, "ReadPodOutput", &input)).unwrap();
    }
}
