//! What a pod runs: a command, or an agent of the table with all that it needs.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pod_tools_host::scope::{Permission, ScopeRule};

use super::fault::AgentFault;
use super::installation::Installation;
use super::table::{Conversation, Memory, Preset};
use super::template::{Template, of_environment};
use crate::pod::environment::Handed;
use crate::pod::fence::Enforce;
use crate::pod::later::Later;
use crate::pod::program;

/// The variable that names the conversation, whose value is not the operator's but the pod's.
pub const SESSION: &str = "POD_SESSION";

/// What a pod runs.
#[derive(Debug)]
pub struct Agent {
    /// Its name in the table, if it is from there.
    pub name: Option<String>,
    /// The program, as it is named.
    pub program: OsString,
    /// The arguments; those of the first message, where there are others later.
    pub arguments: Vec<OsString>,
    pub later: Option<Later>,
    /// It speaks the Agent Client Protocol.
    pub acp: bool,
    /// Variables that it is handed.
    pub env: Vec<Handed>,
    /// What it needs where there is a fence.
    pub fenced: Fenced,
}

/// What an agent needs behind a fence.
#[derive(Debug, Default)]
pub struct Fenced {
    /// The program's file, in the place of its name: links are not followed there, as they are not there.
    pub file: Option<PathBuf>,
    pub reads: Vec<PathBuf>,
    /// Directories that it writes, which are made.
    pub writes: Vec<PathBuf>,
    pub ports: Vec<u16>,
    pub set: Vec<(String, OsString)>,
    /// Why it cannot be behind one.
    pub impossible: Option<String>,
}

impl Agent {
    /// A command.
    pub fn command(command: Vec<OsString>) -> anyhow::Result<Agent> {
        let mut words = command.into_iter();
        let program = words.next().context("no command was given")?;
        program::check(&program)?;
        Ok(Agent {
            name: None,
            program,
            arguments: words.collect(),
            later: None,
            acp: false,
            env: Vec::new(),
            fenced: Fenced::default(),
        })
    }

    /// An agent of the table, with words of the user's own behind its arguments. Its conversation is that of `session`.
    pub fn of(name: &str, preset: &Preset, own: &[OsString], session: &str) -> Result<Agent, AgentFault> {
        let value = |name: &str| if name == SESSION { Some(session.into()) } else { of_environment(name) };
        let needs = |fault| AgentFault::NoValue { agent: name.to_owned(), fault };
        let expand = |template: &Template| template.expand(&value).map_err(needs);
        let all = |templates: &[Template]| templates.iter().map(expand).collect::<Result<Vec<_>, _>>();
        let path = |template: &Template| {
            let path = PathBuf::from(expand(template)?);
            if path.is_absolute() {
                Ok(path)
            } else {
                Err(AgentFault::Relative { agent: name.to_owned(), path })
            }
        };

        let program = expand(&preset.program)?;
        let missing =
            |fault| AgentFault::Missing { agent: name.to_owned(), install: preset.install.clone(), fault };
        program::check(&program).map_err(missing)?;
        let common = all(&preset.arguments)?;
        let with = |arguments: &[Template]| Ok([common.clone(), all(arguments)?, own.to_vec()].concat());
        let (arguments, later) = match &preset.memory {
            Memory::Arguments(Conversation { first, later, begun }) => {
                let begun = begun.as_ref().map(path).transpose()?;
                (with(first)?, Some(Later { arguments: with(later)?, begun }))
            }
            Memory::None | Memory::Acp => (with(&[])?, None),
        };

        let mut fenced = Fenced { file: program::find(&program), ..Fenced::default() };
        for also in &preset.fence.also {
            let list = if also.write { &mut fenced.writes } else { &mut fenced.reads };
            list.push(path(&also.path)?);
        }
        fenced.impossible.clone_from(&preset.fence.impossible);
        fenced.ports = preset.fence.connect_ports.iter().map(|port| port.0).collect();
        for (name, value) in &preset.fence.set {
            fenced.set.push((name.0.clone(), expand(value)?));
        }
        if let Some(file) = &fenced.file {
            let installation = Installation::of(file);
            fenced.reads.extend(installation.reads);
            if let Some(directory) = installation.path {
                fenced.set.push(("PATH".to_owned(), before_path(directory)));
            }
        }
        Ok(Agent {
            name: Some(name.to_owned()),
            program,
            arguments,
            later,
            acp: matches!(preset.memory, Memory::Acp),
            env: preset.env.clone(),
            fenced,
        })
    }
}

impl Agent {
    /// Fails where it is to be held to a scope, and cannot be.
    pub fn may_be(&self, enforce: Enforce) -> Result<(), AgentFault> {
        match (&self.name, &self.fenced.impossible) {
            (Some(agent), Some(why)) if enforce != Enforce::Off => {
                Err(AgentFault::NoFence { agent: agent.clone(), why: why.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// `PATH`, with a directory in front of it: what is found by a link elsewhere is not found where there are no links.
fn before_path(directory: PathBuf) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = [directory].into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(directories).unwrap_or(path)
}

impl Fenced {
    /// The rules beside the scope: what is read if it is there, and what is written, which is made.
    pub fn rules(&self) -> anyhow::Result<Vec<ScopeRule>> {
        let mut rules = Vec::new();
        let mut add = |path: &Path, permission| {
            let real = path.canonicalize().with_context(|| format!("cannot resolve `{}`", path.display()));
            real.map(|target| rules.push(ScopeRule { target, permission, recursive: true }))
        };
        for path in self.reads.iter().filter(|path| path.exists()) {
            add(path, Permission::Read)?;
        }
        for path in &self.writes {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.with_context(|| format!("cannot make `{}`, which the agent writes", path.display()))?;
            add(path, Permission::Write)?;
        }
        Ok(rules)
    }
}
