//! Pods of other machines (`--nats`): which calls go where, and one answer of several nodes'.
//!
//! A pod of another machine is `NAME@NODE`; a name without `@` is of this one. What this side grants is asked before anything
//! is sent, of the name as it is written; what is done, the node decides by grants of its own.

mod args;
mod listing;
mod machines;
mod nodes_file;
mod waiting;

use futures_util::future::join_all;
use pod_tools_host::{Answer, Authority, Operation, PodTools, ToolError};
use serde_json::{Map, Value};

pub use self::args::AfarArgs;
use self::listing::Part;
use self::machines::{Machines, elsewhere};
pub use self::nodes_file::read as read_nodes;

/// Why pods of other machines cannot be called as the options say.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AfarFault(String);

/// Where calls go.
#[derive(Debug)]
pub struct Afar(Machines);

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
    ///
    /// # Errors
    ///
    /// Fails where the key or the nodes cannot be read. The server is not asked yet.
    pub fn of(args: &AfarArgs) -> Result<Option<Self>, AfarFault> {
        let Some(url) = args.nats.clone() else { return Ok(None) };
        let read = || Ok::<_, anyhow::Error>((args.identity()?, read_nodes(args.nodes_file()?)?));
        let (identity, nodes) = read().map_err(|error| AfarFault(format!("{error:#}")))?;
        Ok(Some(Self(Machines::new(url, identity, nodes))))
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
        let named =
            if input.contains('@') { serde_json::from_str::<Map<String, Value>>(input).ok() } else { None };
        let Some(mut named) = named else { return tools.call(authority, tool, input).await };
        if tool == "WaitForPods" {
            return waiting::wait(&self.0, tools, authority, named, input).await;
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
        self.0.call(authority, &node, tool, &input, &[&pod]).await
    }

    /// The pods here, and those of all nodes, which are asked at once.
    async fn list(&self, tools: &PodTools, authority: &Authority, input: &str) -> Result<Answer, ToolError> {
        let far = async {
            let remote = self.0.remote().await?;
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
}
