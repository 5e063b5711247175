//! What the command line says of an agent.

use std::time::Duration;

use anyhow::bail;

use super::permit::Permit;
use crate::units;

/// How an agent of the Agent Client Protocol is spoken to.
#[derive(Debug, clap::Args)]
pub struct AcpOptions {
    /// COMMAND is an agent of the Agent Client Protocol
    ///
    /// Of its version 1. It is started once, speaks JSON-RPC on its standard
    /// streams, and keeps one session for the pod's life. It is offered the scope's files, and no terminals. Where it
    /// ends, it is started again for the next message
    #[arg(long, group = "an agent")]
    pub acp: bool,

    /// What it may do that asks: `deny`, `read`, `scope` or `ask`
    ///
    /// `deny`, nothing; `read`, to read and search within the scope; `scope`, what
    /// stays within the scope, by the files that it names, and to run commands where a whole fence holds them to it; `ask`,
    /// what a person answers by `pod-tools answer`: until then the pod is `paused`. What is allowed is allowed once
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value = "scope",
        hide_possible_values = true,
        requires = "an agent"
    )]
    pub permit: Permit,

    /// How long the agent may take to start
    ///
    /// Until it has answered `initialize` and has a session
    #[arg(
        long,
        hide_short_help = true,
        value_name = "DURATION",
        value_parser = units::duration,
        default_value = "60s",
        requires = "an agent"
    )]
    pub start_timeout: Duration,
}

impl AcpOptions {
    /// Fails where something is wanted of an agent that does not speak the protocol.
    pub fn check(&self, speaks: bool) -> anyhow::Result<()> {
        if speaks || self.permit == Permit::Scope {
            return Ok(());
        }
        bail!(
            "--permit is for agents of the Agent Client Protocol, and this one is run for each message; take it out"
        )
    }
}
