//! Pods of other machines (`--nats`): which calls go where, and one answer of several nodes'.
//!
//! A pod of another machine is `NAME@NODE`; a name without `@` is of this one. What this side grants is asked before anything
//! is sent, of the name as it is written; what is done, the node decides by grants of its own.

mod args;
mod listing;
mod nodes_file;
mod waiting;

use std::path::PathBuf;

use futures_util::future::join_all;
use pod_tools_host::{
    Answer, Authority, ErrorKind, Operation, PodTools, Reason, Staged, ToolError,
};
use pod_tools_node::{NodeName, Remote};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

pub use self::args::AfarArgs;
use self::listing::Part;
pub use self::nodes_file::read as read_nodes;
use crate::alike::did_you_mean;

/// The nodes that the options name. They are connected to when the first call needs them.
#[derive(Debug)]
pub struct Afar {
    args: AfarArgs,
    remote: OnceCell<Remote>,
}

/// What a call of a tool does with the pod that it names, as far as grants go.
fn operation(tool: &str) -> Option<Operation> {
    Some(match tool {
        "SendToPod" => Operation::SendMessage,
        "ReadPodOutput" | "WaitForPods" => Operation::ReadOutput,
        "StopPod" => Operation::StopPod,
        _ => return None,
    })
}

impl Afar {
    /// `None` where no server is named: then a name is a name, whatever is in it.
    pub fn of(args: &AfarArgs) -> Option<Self> {
        args.nats.as_ref().map(|_| Self { args: args.clone(), remote: OnceCell::new() })
    }

    /// Calls a tool where its pods are.
    pub async fn call(
        &self,
        tools: &PodTools,
        authority: &Authority,
        tool: &str,
        input: &str,
    ) -> Result<Answer, ToolError> {
        if tool == "ListPods" {
            return self.list(tools, authority, input).await;
        }
        // Most inputs name nobody elsewhere, and a message may be long.
        let named = if input.contains('@') { serde_json::from_str::<Map<String, Value>>(input).ok() } else { None };
        let Some(mut named) = named else { return tools.call(authority, tool, input).await };
        if tool == "WaitForPods" {
            return waiting::wait(self, tools, authority, named, input).await;
        }
        let (Some((pod, node)), Some(operation)) =
            (named.get("name").and_then(Value::as_str).and_then(elsewhere), operation(tool))
        else {
            return tools.call(authority, tool, input).await;
        };
        let (pod, node) = (pod.to_owned(), node.to_owned());
        authority.permits(operation, Some(&format!("{pod}@{node}")))?;
        named.insert("name".to_owned(), pod.clone().into());
        let input = Value::Object(named).to_string();
        self.call_at(authority, &node, tool, &input, &[&pod]).await
    }

    /// Calls a tool on a node; `pods` are what it names, by their names there.
    async fn call_at(
        &self,
        authority: &Authority,
        node: &str,
        tool: &str,
        input: &str,
        pods: &[&str],
    ) -> Result<Answer, ToolError> {
        let remote = self.remote().await?;
        let node = self.node(remote, node)?;
        let answer = remote.call(authority, &node, tool, input).await.map_err(|error| {
            let message = format!("node `{node}`: {}", error.message);
            ToolError::new(error.kind, error.reason, message)
        })?;
        let (output, staged) = answer.into_parts();
        let mut summary = output.summary;
        for pod in pods {
            summary = summary.replacen(&format!("`{pod}`"), &format!("`{pod}@{node}`"), 1);
        }
        let data = output.data.get().to_owned();
        Answer::given_elsewhere((summary, output.content, data), 1, staged, authority)
    }

    /// The pods here, and those of all nodes, which are asked at once.
    async fn list(&self, tools: &PodTools, authority: &Authority, input: &str) -> Result<Answer, ToolError> {
        let far = async {
            let remote = self.remote().await?;
            // A machine that is there and silent holds up the others' no longer than a pod would.
            let time = authority.limits().operation_time;
            let asked = remote.nodes().map(async |node| {
                let answered = remote.call_within(authority, node, "ListPods", "", time).await;
                (node.clone(), answered)
            });
            Ok::<_, ToolError>(join_all(asked).await)
        };
        let (here, far) = tokio::join!(tools.call(authority, "ListPods", input), far);
        let here = here?;
        let (far, why) = match far {
            Ok(far) => (far, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let parts = far.into_iter().map(|(node, answered)| match answered {
            Ok(answer) => Part::of(node, answer.output(), authority),
            Err(error) => Part::missing(node, error),
        });
        let parts = parts.collect();
        let (output, staged) = here.into_parts();
        listing::joined(&output, staged, parts, why.as_ref(), authority)
    }

    async fn remote(&self) -> Result<&Remote, ToolError> {
        self.remote
            .get_or_try_init(async || {
                let nodes = read_nodes(self.args.nodes_file()?)?;
                let (connection, identity) = self.args.connect().await?;
                Ok::<_, anyhow::Error>(Remote::new(connection, identity, nodes))
            })
            .await
            .map_err(|error| {
                let message = format!("pods of other machines cannot be reached: {error:#}");
                ToolError::new(ErrorKind::ExecutionFailed, Reason::Unreachable, message)
            })
    }

    fn node(&self, remote: &Remote, name: &str) -> Result<NodeName, ToolError> {
        let file = self.args.nodes.clone().unwrap_or_else(PathBuf::new);
        let unknown = |why: String| ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, why);
        let node: NodeName = name.parse().map_err(|error| unknown(format!("{error}")))?;
        if !remote.nodes().any(|known| *known == node) {
            let meant = did_you_mean(name, remote.nodes().map(NodeName::as_str));
            return Err(unknown(format!("there is no node `{node}` in {}{meant}", file.display())));
        }
        Ok(node)
    }
}

/// The pod's name on its node, and the node's, of a pod of another machine.
fn elsewhere(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('@')
}

/// Several answers' staged cursors as one's.
fn together(staged: Vec<Staged>) -> Staged {
    let commit = |staged: Staged| -> pod_tools_host::Commit { Box::new(move || Box::pin(staged.store())) };
    Staged::elsewhere(staged.into_iter().filter(|staged| !staged.is_empty()).map(commit).collect())
}
