//! What the command line says of a pod.

use std::ffi::OsString;

use pod_tools_host::scope::ScopeRule;

use super::acp::AcpOptions;
use super::agents::{AgentOptions, DryRun};
use super::environment::{self, Handed};
use super::fence::FenceOptions;
use super::name::PodName;
use super::{limits, scope_option};
use crate::streams::{Form, write_out};

/// Run a pod in the foreground, with a command as its model
///
/// Each message to the pod runs COMMAND once, with the message on its standard input, as lines; what it writes to
/// its standard output until it ends is the answer. Where it fails, readers are told its exit status and the end of
/// its standard error. It finds POD_NAME and POD_SOCKET in its environment, POD_SESSION, a UUID for
/// the pod's conversation, and POD_TURN, the number of the message from 1; it has no terminal. What it leaves in the
/// background goes on, and ends with the pod, also where the pod is killed; only what runs as another user does
/// not.
///
/// A line on standard error says when the pod is ready. It ends when a client shuts it down (exit status 0),
/// on SIGTERM and SIGHUP (0) and on SIGINT (130), and takes its traces with it. A signal that its parent has ignored
/// (nohup, a shell's job in the background) stays ignored.
#[derive(Debug, clap::Args)]
pub struct PodArgs {
    /// The pod's name
    ///
    /// A directory of that name beneath the base directory is made for it
    #[arg(required = false, required_unless_present = "agent", default_value_if("agent", "list", "list"))]
    pub(super) name: PodName,

    #[command(flatten)]
    pub(super) agents: AgentOptions,

    /// What the pod may touch: `read:DIR` or `write:DIR`
    ///
    /// Repeatable. `write-flat:DIR` is a directory without what is below its children. Entered in the scope lock, and enforced as --enforce says
    #[arg(long = "scope", value_name = "RULE", value_parser = scope_option::parse)]
    pub(super) scope: Vec<ScopeRule>,

    #[command(flatten)]
    pub(super) fence: FenceOptions,

    #[command(flatten)]
    pub(super) acp: AcpOptions,

    /// Go on with the last conversation of that name
    ///
    /// And keep this one: POD_SESSION and POD_TURN go on,
    /// and an agent of --acp with its session, which one that can go on with none refuses. It is kept in
    /// `$XDG_STATE_HOME/pod-tools/sessions` (`~/.local/state/pod-tools/sessions`)
    #[arg(long)]
    pub(super) resume: bool,

    /// Variables of yours that it is handed; or `pass`
    ///
    /// `clean`, a base set (PATH, HOME, USER, LOGNAME, SHELL, LANG, LANGUAGE, LC_*, TZ,
    /// TERM, TMPDIR, XDG_*, INSOMNIA_SCOPE_LOCK); names of variables (`NAME[,NAME…]`, repeatable), those beside the base
    /// set, such as the agent's API key; or `pass`, all but POD_TOOLS_*, which are handed over only where they are named
    #[arg(long, env = "POD_TOOLS_ENV", value_name = "NAME", value_delimiter = ',', default_value = "clean")]
    pub(super) env: Vec<Handed>,

    /// Bytes that the command may write in one turn
    ///
    /// To both streams together. One that writes more is killed, and the
    /// turn has failed. At most 1GiB
    #[arg(long, hide_short_help = true, env = "POD_TOOLS_MAX_TURN_OUTPUT", value_name = "BYTES", value_parser = limits::bound, default_value = "64MiB")]
    pub(super) max_turn_output: usize,

    /// Bytes of the history that are kept
    ///
    /// As JSON. Where a turn makes it longer, the oldest turns are dropped until half
    /// of that is left; a message in their place says so, and readers are given what is there from its start. The last
    /// turn is always kept. At most 1GiB
    #[arg(long, hide_short_help = true, env = "POD_TOOLS_MAX_HISTORY", value_name = "BYTES", value_parser = limits::bound, default_value = "128MiB")]
    pub(super) max_history: usize,

    /// Be the pod that another process waits for, without a terminal: `spawn` starts it so
    #[arg(long, hide = true)]
    pub(super) background: bool,

    /// The command, and its arguments; or more of an agent's
    #[arg(last = true, required = false, required_unless_present = "agent", value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

impl PodArgs {
    /// What the pod is to be called.
    pub fn name(&self) -> &PodName {
        &self.name
    }

    /// Shows what is asked for in place of a pod; `false`: a pod is to be run.
    ///
    /// # Errors
    /// Where it cannot be said what would be run, or not be written.
    pub fn show_instead(&self) -> anyhow::Result<bool> {
        let Some(shown) = self.instead()? else { return Ok(false) };
        write_out(&shown, Form::Text, 0)?;
        Ok(true)
    }

    /// What is to be shown, where no pod is to be run: the table of agents, or what a pod would run.
    fn instead(&self) -> anyhow::Result<Option<String>> {
        if let Some(table) = self.agents.list() {
            return Ok(Some(table?.to_string()));
        }
        if !self.agents.dry_run {
            return Ok(None);
        }
        let mut agent = self.agents.choice(self.command.clone())?.in_any_conversation()?;
        agent.may_be(self.fence.enforced(&self.scope))?;
        agent.acp |= self.acp.acp;
        self.acp.check(agent.acp)?;
        let (also, ports) = self.fence.holes();
        let env = [&*self.env, &*agent.env].concat();
        let shown = DryRun {
            name: self.name.as_str(),
            agent: &agent,
            scope: &self.scope,
            enforce: self.fence.enforced(&self.scope),
            also,
            ports,
            variables: environment::names(&env),
        };
        Ok(Some(shown.to_string()))
    }
}
