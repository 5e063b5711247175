//! The machines that the options name: connected to when the first call needs them, and called.

use pod_tools_host::{Answer, Authority, ErrorKind, Reason, Staged, ToolError};
use pod_tools_node::connection::{Connection, ConnectionError};
use pod_tools_node::identity::Identity;
use pod_tools_node::remote::Nodes;
use pod_tools_node::{NodeName, Remote};
use tokio::sync::OnceCell;

use crate::alike::did_you_mean;

/// All of them.
#[derive(Debug)]
pub struct Machines {
    url: String,
    identity: Identity,
    nodes: Nodes,
    remote: OnceCell<Remote>,
}

impl Machines {
    /// These, through the server at `url`, as whoever has that key.
    pub fn new(url: String, identity: Identity, nodes: Nodes) -> Self {
        Self { url, identity, nodes, remote: OnceCell::new() }
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
        let remote = self.remote().await?;
        let node = self.node(node)?;
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

    /// The connection, which is made where there is none.
    pub async fn remote(&self) -> Result<&Remote, ToolError> {
        self.remote
            .get_or_try_init(async || {
                let connection = Connection::open(&self.url, &self.identity).await?;
                Ok::<_, ConnectionError>(Remote::new(connection, self.identity.clone(), self.nodes.clone()))
            })
            .await
            .map_err(|error| {
                let message = format!("pods of other machines cannot be reached: {error}");
                ToolError::new(ErrorKind::ExecutionFailed, Reason::Unreachable, message)
            })
    }

    fn node(&self, name: &str) -> Result<NodeName, ToolError> {
        let unknown = |why: String| ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, why);
        let node: NodeName = name.parse().map_err(|error| unknown(format!("{error}")))?;
        if !self.nodes.contains_key(&node) {
            let meant = did_you_mean(name, self.nodes.keys().map(NodeName::as_str));
            return Err(unknown(format!("there is no node `{node}` in the file of nodes{meant}")));
        }
        Ok(node)
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
