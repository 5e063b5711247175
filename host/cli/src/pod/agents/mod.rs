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

pub use self::agent::Agent;
use self::agent::SESSION;
pub use self::fault::AgentFault;
pub use self::shown::DryRun;
use self::shown::Listed;
pub use self::table::NoTable;
use self::table::{LIST, Preset, Table};
use crate::alike::did_you_mean;

/// What is to be run, before it is known in which conversation.
#[derive(Debug)]
pub enum Choice {
    Command(Vec<OsString>),
    /// An agent of the table, and the words that are appended to its arguments.
    Known {
        name: String,
        preset: Box<Preset>,
        own: Vec<OsString>,
    },
}

impl Choice {
    /// It, in the conversation of that id. Fails where it is not there, or not all that it needs.
    pub fn in_conversation(&self, session: &str) -> anyhow::Result<Agent> {
        match self {
            Choice::Command(command) => Agent::command(command.clone()),
            Choice::Known { name, preset, own } => Ok(Agent::of(name, preset, own, session)?),
        }
    }

    /// It, with the name of the variable in the place of its value.
    pub fn in_any_conversation(&self) -> anyhow::Result<Agent> {
        self.in_conversation(&format!("${{{SESSION}}}"))
    }
}

/// Which agent is run.
#[derive(Debug, clap::Args)]
pub struct AgentOptions {
    /// Run an agent that is known; `list` shows them
    ///
    /// In the place of COMMAND: how it is started, goes on with its conversation, and what it
    /// needs behind a fence (variables, directories, ports) is taken from a table, which `--agent list` shows, and what
    /// comes of it for this pod `--dry-run`. Words behind `--` are appended to its arguments
    #[arg(long, value_name = "NAME", group = "an agent")]
    agent: Option<String>,

    /// A file of agents of your own
    ///
    /// In the form of the table; those that have a name in it are taken from there. Nobody else may write to it
    #[arg(long, hide_short_help = true, env = "POD_TOOLS_AGENTS", value_name = "FILE")]
    agents: Option<PathBuf>,

    /// Say what would be run, and run nothing
    ///
    /// And behind which fence
    #[arg(long)]
    pub dry_run: bool,
}

impl AgentOptions {
    /// The table, where it is asked for.
    pub fn list(&self) -> Option<Result<impl fmt::Display + use<>, NoTable>> {
        (self.agent.as_deref() == Some(LIST)).then(|| Ok(Listed(Table::with(self.agents.as_deref())?)))
    }

    /// What is to be run.
    pub fn choice(&self, command: Vec<OsString>) -> anyhow::Result<Choice> {
        let Some(name) = self.agent.clone() else { return Ok(Choice::Command(command)) };
        let mut table = Table::with(self.agents.as_deref())?.0;
        let Some(preset) = table.remove(&name) else {
            let known: Vec<&str> = table.keys().map(String::as_str).collect();
            let meant = did_you_mean(&name, known.iter().copied());
            return Err(AgentFault::Unknown { name, known: known.join(", "), meant }.into());
        };
        Ok(Choice::Known { name, preset: Box::new(preset), own: command })
    }

    /// The file of agents, if one is named: what is run is not the agent's to change.
    pub fn file(&self) -> Option<&Path> {
        self.agents.as_deref()
    }
}
