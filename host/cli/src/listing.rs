//! What ListPods says, as a program reads it: its data.

use pod_tools_host::{ErrorKind, ToolError};
use serde::{Deserialize, Serialize};

use crate::caller::{Caller, ToolCall, admitted};

/// The pods there are.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listing {
    pub pods: Vec<ListedPod>,
    pub unreadable: u64,
    pub stale_reclaimed: Option<u64>,
}

/// One of them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedPod {
    pub name: String,
    pub state: String,
    /// What the pod says of the fence around its command; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<ListedFence>,
    pub scope: Vec<ListedRule>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedFence {
    pub held: String,
    pub missing: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedRule {
    pub permission: String,
    pub target: String,
    pub recursive: bool,
}

impl Listing {
    /// Asks the plugin. With the summary of its answer.
    pub async fn of(caller: &Caller) -> Result<(Listing, String), ToolError> {
        let call = ToolCall { name: "ListPods", input: "", reader: None, peek: false };
        let answer = caller.call(&call, admitted()).await?;
        let summary = caller.summary(call.name, answer.output()).into_owned();
        let listing = serde_json::from_str(answer.output().data.get()).map_err(|error| {
            // Of a plugin that is not the bundled one.
            ToolError::new(ErrorKind::Internal, None, format!("the data of ListPods cannot be read: {error}"))
        })?;
        Ok((listing, summary))
    }
}
