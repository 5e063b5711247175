//! One listing of the pods here and of those of other machines. A machine that has not answered is named, never left out.

use pod_tools_host::escape::Escaped;
use pod_tools_host::{Answer, Authority, ErrorKind, Output, Reason, Staged, ToolError, Verb};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What one node has said.
pub struct Part {
    node: String,
    said: Result<Vec<(String, Value)>, ToolError>,
}

impl Part {
    /// What it lists, of which this side grants to see: each pod as a line, and its data.
    pub fn of(node: String, output: &Output, authority: &Authority) -> Self {
        #[derive(Deserialize)]
        struct Data {
            pods: Vec<Map<String, Value>>,
        }
        let Data { pods } = match serde_json::from_str(output.data.get()) {
            Ok(data) => data,
            Err(error) => {
                let message = format!("its listing is not understood: {error}");
                return Self::missing(
                    node,
                    ToolError::new(ErrorKind::ExecutionFailed, Reason::Protocol, message),
                );
            }
        };
        let mut listed = Vec::new();
        let mut lines = output.content.as_deref().unwrap_or_default().lines();
        for mut pod in pods {
            let line = lines.next().unwrap_or_default();
            let Some(name) = pod.get("name").and_then(Value::as_str).map(str::to_owned) else { continue };
            let full = format!("{name}@{node}");
            if !authority.allows(Verb::List, &full) {
                continue;
            }
            // A node tells of its own pods alone: whatever its line says, it is one of these.
            let rest = line.split_once(" [").map_or("?]", |(_, rest)| rest);
            listed.push((format!("{} [{rest}", Escaped(&full)), {
                pod.insert("name".to_owned(), full.into());
                pod.insert("node".to_owned(), node.clone().into());
                pod.into()
            }));
        }
        Self { node, said: Ok(listed) }
    }

    /// It has not answered, or refused.
    pub fn missing(node: String, error: ToolError) -> Self {
        Self { node, said: Err(error) }
    }
}

/// The listing of all. `unreachable` is why no node could be asked at all.
pub fn joined(
    here: &Output,
    staged: Staged,
    parts: Vec<Part>,
    unreachable: Option<&ToolError>,
    authority: &Authority,
) -> Result<Answer, ToolError> {
    let mut data: Map<String, Value> = serde_json::from_str(here.data.get())
        .map_err(|error| ToolError::new(ErrorKind::Internal, None, format!("the listing: {error}")))?;
    let mut lines: Vec<String> =
        here.content.iter().flat_map(|content| content.lines()).map(str::to_owned).collect();
    let (mut silent, mut refused, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut listed = Vec::new();
    let answers = parts.len() + 1;
    for Part { node, said } in parts {
        match said {
            Ok(pods) => listed.extend(pods),
            Err(error) => {
                let names = if error.kind == ErrorKind::Denied { &mut refused } else { &mut silent };
                names.push(node.to_string());
                failed.push(json!({ "node": node.as_str(), "kind": error.kind, "reason": error.reason, "message": error.message }));
            }
        }
    }
    let mut summary = here.summary.clone();
    if let Some(Value::Array(pods)) = data.get_mut("pods") {
        let known = pods.len() + listed.len();
        // What the plugin adds behind a `;` stays true.
        let more = here.summary.split_once("; ").map_or(String::new(), |(_, more)| format!("; {more}"));
        if !listed.is_empty() {
            summary = format!("{known} pod(s) known{more}");
        }
        for (line, pod) in listed {
            lines.push(line);
            pods.push(pod);
        }
    }
    for (names, what) in [(&silent, "did not answer"), (&refused, "granted nothing")] {
        if !names.is_empty() {
            let nodes = if names.len() == 1 { "node" } else { "nodes" };
            summary.push_str(&format!("; {} {nodes} {what}: {}", names.len(), names.join(", ")));
        }
    }
    if let Some(error) = unreachable {
        summary.push_str(&format!("; {}", error.message));
        failed.push(
            json!({ "node": null, "kind": error.kind, "reason": error.reason, "message": error.message }),
        );
    }
    data.insert("unanswered".to_owned(), failed.into());
    let content = if lines.is_empty() { None } else { Some(lines.join("\n")) };
    Answer::given_elsewhere((summary, content, Value::Object(data).to_string()), answers, staged, authority)
}
