//! WaitForPods over several machines: each node waits for its own, all at once.

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use pod_tools_host::{Answer, Authority, ErrorKind, Operation, PodTools, ToolError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::machines::{Machines, elsewhere, together};

/// Pods of one machine.
struct Group {
    /// `None`: this one.
    node: Option<String>,
    names: Vec<String>,
}

impl Group {
    /// Waits for its pods, otherwise as `named` says.
    async fn wait(
        &self,
        machines: &Machines,
        tools: &PodTools,
        authority: &Authority,
        mut named: Map<String, Value>,
    ) -> Result<Answer, ToolError> {
        named.insert("names".to_owned(), json!(self.names));
        let input = Value::Object(named).to_string();
        match &self.node {
            Some(node) => {
                let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
                machines.call(authority, node, "WaitForPods", &input, &names).await
            }
            None => tools.call(authority, "WaitForPods", &input).await,
        }
    }
}

/// Why a wait has ended.
fn outcome(answer: &Answer) -> Result<String, ToolError> {
    #[derive(Deserialize)]
    struct Data {
        outcome: String,
    }
    let data: Result<Data, _> = serde_json::from_str(answer.output().data.get());
    data.map(|data| data.outcome).map_err(|error| {
        let message = format!("what WaitForPods answers is not understood: {error}");
        ToolError::new(ErrorKind::Internal, None, message)
    })
}

/// Waits for the pods that `named` names, which is what `input` says.
pub async fn wait(
    machines: &Machines,
    tools: &PodTools,
    authority: &Authority,
    named: Map<String, Value>,
    input: &str,
) -> Result<Answer, ToolError> {
    let names = named.get("names").and_then(Value::as_array);
    let names: Option<Vec<&str>> = names.and_then(|names| names.iter().map(Value::as_str).collect());
    let Some(names) = names.filter(|names| names.iter().any(|name| elsewhere(name).is_some())) else {
        return tools.call(authority, "WaitForPods", input).await;
    };
    let mut groups: Vec<Group> = Vec::new();
    for &name in &names {
        let (pod, node) = match elsewhere(name) {
            Some((pod, node)) => {
                authority.permits(Operation::ReadOutput, Some(name))?;
                (pod, Some(node))
            }
            None => (name, None),
        };
        match groups.iter_mut().find(|group| group.node.as_deref() == node) {
            Some(group) => group.names.push(pod.to_owned()),
            None => groups.push(Group { node: node.map(str::to_owned), names: vec![pod.to_owned()] }),
        }
    }
    let for_all = named.get("for").and_then(Value::as_str) == Some("all");
    let all = groups.len();
    let mut waits: FuturesUnordered<_> = groups
        .iter()
        .enumerate()
        .map(async |(at, group)| (at, group.wait(machines, tools, authority, named.clone()).await))
        .collect();
    let mut answers = Vec::new();
    while let Some((at, answered)) = waits.next().await {
        let answer = answered?;
        let is_done = outcome(&answer)? == "done";
        answers.push((at, answer));
        // Others are waited for no longer: their calls are dropped below, and their nodes told.
        if is_done && !for_all {
            break;
        }
    }
    drop(waits);
    // How those are that were not first, as far as their machines say it at once.
    let mut now = named.clone();
    now.insert("wait_seconds".to_owned(), 0.into());
    let others = (0..groups.len()).filter(|at| answers.iter().all(|(told, _)| told != at));
    let others = others.map(async |at| {
        let asked = groups[at].wait(machines, tools, authority, now.clone());
        (at, timeout(authority.limits().operation_time, asked).await)
    });
    let others = join_all(others).await.into_iter();
    answers.extend(others.filter_map(|(at, told)| Some((at, told.ok()?.ok()?))));
    answers.sort_by_key(|(at, _)| *at);
    let (mut pods, mut lines, mut staged, mut done_all) = (Vec::new(), Vec::new(), Vec::new(), true);
    for (at, answer) in answers {
        let group = &groups[at];
        done_all &= outcome(&answer)? == "done";
        let (output, of_group) = answer.into_parts();
        staged.push(of_group);
        let data: Map<String, Value> = serde_json::from_str(output.data.get()).unwrap_or_default();
        let suffix = group.node.as_ref().map_or(String::new(), |node| format!("@{node}"));
        for mut pod in data.get("pods").and_then(Value::as_array).cloned().unwrap_or_default() {
            let name = pod.get("name").and_then(Value::as_str).map(|name| format!("{name}{suffix}"));
            if let (Some(name), Some(members)) = (name, pod.as_object_mut()) {
                members.insert("name".to_owned(), name.into());
            }
            pods.push(pod);
        }
        for line in output.content.as_deref().unwrap_or_default().lines() {
            // A node tells of its own pods alone.
            let (shown, rest) = line.split_once(" [").unwrap_or((line, "?]"));
            lines.push(format!("{shown}{suffix} [{rest}"));
        }
    }
    let of_pod = |pod: &Value| pod.get("outcome").and_then(Value::as_str) != Some("running");
    let done = pods.iter().filter(|pod| of_pod(pod)).count();
    let is_enough = if for_all { done_all } else { done > 0 };
    let mut summary = format!("{done} of {} pod(s) done", names.len());
    if !is_enough {
        summary.push_str("; the time is up");
    }
    if !for_all && is_enough && all > 1 && pods.len() < names.len() {
        summary.push_str("; others are not told of");
    }
    let data = json!({ "outcome": if is_enough { "done" } else { "time-up" }, "pods": pods });
    let answer = (summary, Some(lines.join("\n")), data.to_string());
    Answer::given_elsewhere(answer, all, together(staged), authority)
}
