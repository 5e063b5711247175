//! Pods of other machines (`--nats`, `--ssh`): which calls go where, and one answer of several nodes'.
//!
//! A pod of another machine is `NAME@NODE`; a name without `@` is of this one. What this side grants is asked before anything
//! is sent, of the name as it is written; what is done, the node decides by grants of its own.

mod args;
pub mod beside;
mod listing;
mod machines;
mod nodes_file;
mod ssh;
mod waiting;

use pod_tools_host::{Answer, Authority, Operation, PodTools, ToolError};
use pod_tools_node::event::Watch;
use serde_json::{Map, Value};

pub use self::args::AfarArgs;
use self::listing::Part;
pub use self::machines::settle;
use self::machines::{Machines, Nats, elsewhere};
pub use self::nodes_file::read as read_nodes;
pub use self::ssh::DELIVERED;
use self::ssh::{HostName, Ssh};

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
    /// `None` where no other machine is named: then a name is a name, whatever is in it.
    ///
    /// # Errors
    ///
    /// Fails where the key or the nodes cannot be read. The server is not asked yet.
    pub fn of(args: &AfarArgs) -> Result<Option<Self>, AfarFault> {
        if args.nats.is_none() && args.ssh.is_empty() {
            return Ok(None);
        }
        let read = |url: &String| {
            Ok::<_, anyhow::Error>(Nats::new(url.clone(), args.identity()?, read_nodes(args.nodes_file()?)?))
        };
        let nats = args.nats.as_ref().map(read).transpose();
        let nats = nats.map_err(|error| AfarFault(format!("{error:#}")))?;
        let is_node = |host: &HostName| {
            nats.iter().any(|nats| nats.nodes().keys().any(|node| node.as_str() == host.as_str()))
        };
        for (at, host) in args.ssh.iter().enumerate() {
            if is_node(host) {
                let fault = format!(
                    "`{host}` is a machine of --ssh, and a node in the file of nodes: give one another name"
                );
                return Err(AfarFault(fault));
            }
            if args.ssh[..at].contains(host) {
                return Err(AfarFault(format!("--ssh names `{host}` twice")));
            }
        }
        let ssh = Ssh::new(args.ssh_program.clone(), args.ssh.clone());
        Ok(Some(Self(Machines::new(nats, ssh))))
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

    /// Whether the pod of that name is on another machine.
    pub fn has(&self, name: &str) -> bool {
        elsewhere(name).is_some()
    }

    /// Asks a node for what is none of the plugin's tools ([`beside`]), of a pod that may be read.
    pub async fn ask_beside(
        &self,
        authority: &Authority,
        tool: &str,
        name: &str,
        mut input: Value,
    ) -> Result<Answer, ToolError> {
        authority.permits(Operation::ReadOutput, Some(name))?;
        let (pod, node) = elsewhere(name).unwrap_or((name, ""));
        self.0.by_nats(node)?;
        input["name"] = pod.into();
        self.0.call(authority, node, tool, &input.to_string(), &[]).await
    }

    /// Watches a pod of another machine that may be read.
    pub async fn watch(&self, authority: &Authority, name: &str) -> Result<Watch, ToolError> {
        authority.permits(Operation::ReadOutput, Some(name))?;
        let (pod, node) = elsewhere(name).unwrap_or((name, ""));
        self.0.watch(authority, node, pod).await
    }

    /// The pods here, and those of all nodes, which are asked at once.
    async fn list(&self, tools: &PodTools, authority: &Authority, input: &str) -> Result<Answer, ToolError> {
        let (here, (far, why)) =
            tokio::join!(tools.call(authority, "ListPods", input), self.0.list(authority));
        let here = here?;
        let parts = far.into_iter().map(|(node, answered)| match answered {
            Ok(answer) => Part::of(node, answer.output(), authority),
            Err(error) => Part::missing(node, error),
        });
        let parts = parts.collect();
        let (output, staged) = here.into_parts();
        listing::joined(&output, staged, parts, why.as_ref(), authority)
    }
}
