//! `--agent NAME`: agents that people have, and what each needs to be a pod ([`table`]). What a pod runs is one of them or
//! a command ([`agent`]); either can be shown instead of run ([`shown`]).

mod agent;
mod fault;
mod installation;
mod shown;
mod table;
mod template;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

pub use self::agent::{Agent, SESSION};
pub use self::fault::AgentFault;
pub use self::shown::DryRun;
use self::shown::Listed;
use self::table::{LIST, Table};
pub use self::table::NoTable;
use crate::alike::did_you_mean;

/// Which agent is run.
#[derive(Debug, clap::Args)]
pub struct AgentOptions {
    /// Run an agent that is known, in the place of COMMAND: how it is started, goes on with its conversation, and what it
    /// needs behind a fence (variables, directories, ports) is taken from a table, which `--agent list` shows, and what
    /// comes of it for this pod `--dry-run`. Words behind `--` are appended to its arguments
    #[arg(long, value_name = "NAME|list")]
    agent: Option<String>,

    /// A file of agents of your own, in the form of the table; those that have a name in it are taken from there. Nobody
    /// else may write to it
    #[arg(long, env = "POD_TOOLS_AGENTS", value_name = "FILE")]
    agents: Option<PathBuf>,

    /// Say what would be run, and behind which fence, and run nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl AgentOptions {
    /// The table, where it is asked for.
    pub fn list(&self) -> Option<Result<impl fmt::Display + use<>, NoTable>> {
        (self.agent.as_deref() == Some(LIST)).then(|| Ok(Listed(Table::with(self.agents.as_deref())?)))
    }

    /// What is run, in the conversation that is called `session`.
    pub fn chosen(&self, command: Vec<OsString>, session: &str) -> anyhow::Result<Agent> {
        let Some(name) = &self.agent else { return Agent::command(command) };
        let table = Table::with(self.agents.as_deref())?.0;
        let Some(preset) = table.get(name) else {
            let known: Vec<&str> = table.keys().map(String::as_str).collect();
            let meant = did_you_mean(name, known.iter().copied());
            return Err(AgentFault::Unknown { name: name.clone(), known: known.join(", "), meant }.into());
        };
        Ok(Agent::of(name, preset, &command, session)?)
    }

    /// The file of agents, if one is named: what is run is not the agent's to change.
    pub fn file(&self) -> Option<&Path> {
        self.agents.as_deref()
    }
}
