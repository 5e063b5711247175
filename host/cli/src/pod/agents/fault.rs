//! Why an agent of the table cannot be run.

use std::path::PathBuf;

use super::template::NoValue;
use crate::pod::program::NoProgram;

/// Why an agent cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum AgentFault {
    #[error("no agent is named `{}`; there are {known}{meant}", .name.escape_debug())]
    Unknown { name: String, known: String, meant: String },
    #[error("the agent `{agent}`: {fault}; what installs it: {install}")]
    Missing { agent: String, install: String, fault: NoProgram },
    #[error("the agent `{agent}`: {fault}")]
    NoValue { agent: String, fault: NoValue },
    #[error(
        "the agent `{agent}` cannot be held to a scope: {why}; `--enforce off` starts it without a fence"
    )]
    NoFence { agent: String, why: String },
    #[error("the agent `{agent}` needs `{}`, which is no absolute path; set the variables that it is made of", .path.display())]
    Relative { agent: String, path: PathBuf },
}
