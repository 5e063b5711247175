//! The machines that the options name: connected to when the first call needs them, and called.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use pod_tools_host::{Answer, Authority, ErrorKind, Reason, Staged, ToolError};
use pod_tools_node::connection::{Connection, ConnectionError};
use pod_tools_node::event::Watch;
use pod_tools_node::identity::Identity;
use pod_tools_node::remote::Nodes;
use pod_tools_node::{NodeName, Remote};
use tokio::sync::OnceCell;

use super::ssh::{HostName, Ssh};
use crate::alike::did_you_mean;

/// All of them.
#[derive(Debug)]
pub struct Machines {
    nats: Option<Nats>,
    ssh: Ssh,
}

/// Those behind a server of NATS.
#[derive(Debug)]
pub struct Nats {
    url: String,
    identity: Identity,
    nodes: Nodes,
    remote: OnceCell<Remote>,
}

/// All that were connected to in this process: calls are dropped with whoever has made them, and nodes are to be told.
static CONNECTED: Mutex<Vec<Remote>> = Mutex::new(Vec::new());

/// Waits a moment for nodes to be told what was given up here: before the process ends.
pub async fn settle() {
    let connected = std::mem::take(&mut *CONNECTED.lock().unwrap_or_else(PoisonError::into_inner));
    join_all(connected.iter().map(Remote::settle)).await;
}

/// What a machine has answered.
pub type Said = (String, Result<Answer, ToolError>);

/// One machine, and the way to it.
enum Way<'a> {
    Nats(&'a Nats, NodeName),
    Ssh(&'a HostName),
}

impl Machines {
    pub fn new(nats: Option<Nats>, ssh: Ssh) -> Self {
        Self { nats, ssh }
    }

    /// Calls a tool on a node; `pods` are what it names, by their names there.
    pub async fn call(
        &self,
        authority: &Authority,
        node: &str,
        tool: &str,
        input: &str,
        pods: &[&str],
    ) -> Result<Answer, ToolError> {
        let answer = match self.way(node)? {
            Way::Nats(nats, node) => nats.remote().await?.call(authority, &node, tool, input).await,
            Way::Ssh(host) => self.ssh.call(authority, host, tool, input, authority.limits().call_time).await,
        };
        let answer = answer.map_err(|error| {
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

    /// What all of them list, asked at once. A machine that is there and silent holds up the others' no longer than a pod
    /// would. And why those behind the server could not be asked at all.
    pub async fn list(&self, authority: &Authority) -> (Vec<Said>, Option<ToolError>) {
        const LIST: (&str, &str) = ("ListPods", "");
        let time = authority.limits().operation_time;
        let by_nats = async {
            let Some(nats) = &self.nats else { return Ok(Vec::new()) };
            nats.list(authority, LIST, time).await
        };
        let by_ssh = join_all(self.ssh.hosts().iter().map(async |host| {
            let answered = self.ssh.call(authority, host, LIST.0, LIST.1, time).await;
            (host.to_string(), answered)
        }));
        let (by_nats, by_ssh) = tokio::join!(by_nats, by_ssh);
        match by_nats {
            Ok(mut said) => {
                said.extend(by_ssh);
                (said, None)
            }
            Err(error) => (by_ssh, Some(error)),
        }
    }

    /// The node of that name. Fails where the machine is one that ssh leads to: the tools alone come from there.
    pub fn by_nats(&self, node: &str) -> Result<(&Nats, NodeName), ToolError> {
        match self.way(node)? {
            Way::Nats(nats, node) => Ok((nats, node)),
            Way::Ssh(host) => {
                let message = format!(
                    "pods of `{host}` are reached by --ssh, which carries calls of the tools alone; read and wait for them, \
                     or log in there"
                );
                Err(ToolError::new(ErrorKind::ExecutionFailed, None, message))
            }
        }
    }

    /// Watches a pod of a node.
    pub async fn watch(&self, authority: &Authority, node: &str, pod: &str) -> Result<Watch, ToolError> {
        let (nats, node) = self.by_nats(node)?;
        nats.remote().await?.watch(authority, &node, pod).await
    }

    /// The machine of that name.
    fn way(&self, name: &str) -> Result<Way<'_>, ToolError> {
        if let Some(host) = self.ssh.hosts().iter().find(|host| host.as_str() == name) {
            return Ok(Way::Ssh(host));
        }
        let hosts = self.ssh.hosts().iter().map(HostName::as_str);
        let unknown = |why: String| ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, why);
        let Some(nats) = &self.nats else {
            let meant = did_you_mean(name, hosts);
            return Err(unknown(format!("there is no machine `{}` in --ssh{meant}", name.escape_debug())));
        };
        let node: NodeName = name.parse().map_err(|error| unknown(format!("{error}")))?;
        if !nats.nodes.contains_key(&node) {
            let meant = did_you_mean(name, nats.nodes.keys().map(NodeName::as_str).chain(hosts));
            return Err(unknown(format!("there is no node `{node}` in the file of nodes{meant}")));
        }
        Ok(Way::Nats(nats, node))
    }
}

impl Nats {
    /// These, through the server at `url`, as whoever has that key.
    pub fn new(url: String, identity: Identity, nodes: Nodes) -> Self {
        Self { url, identity, nodes, remote: OnceCell::new() }
    }

    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    async fn list(
        &self,
        authority: &Authority,
        (tool, input): (&str, &str),
        time: Duration,
    ) -> Result<Vec<Said>, ToolError> {
        let remote = self.remote().await?;
        let asked = remote.nodes().map(async |node| {
            let answered = remote.call_within(authority, node, tool, input, time).await;
            (node.to_string(), answered)
        });
        Ok(join_all(asked).await)
    }

    /// The connection, which is made where there is none.
    async fn remote(&self) -> Result<&Remote, ToolError> {
        self.remote
            .get_or_try_init(async || {
                let connection = Connection::open(&self.url, &self.identity).await?;
                let remote = Remote::new(connection, self.identity.clone(), self.nodes.clone());
                CONNECTED.lock().unwrap_or_else(PoisonError::into_inner).push(remote.clone());
                Ok::<_, ConnectionError>(remote)
            })
            .await
            .map_err(|error| {
                let message = format!("pods of other machines cannot be reached: {error}");
                ToolError::new(ErrorKind::ExecutionFailed, Reason::Unreachable, message)
            })
    }
}

/// The pod's name on its node, and the node's, of a pod of another machine.
pub fn elsewhere(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('@')
}

/// Several answers' staged cursors as one's.
pub fn together(staged: Vec<Staged>) -> Staged {
    let commit = |staged: Staged| -> pod_tools_host::Commit { Box::new(move || Box::pin(staged.store())) };
    Staged::elsewhere(staged.into_iter().filter(|staged| !staged.is_empty()).map(commit).collect())
}
