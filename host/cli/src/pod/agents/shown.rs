//! The table of agents, and what a pod would run, for people.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use pod_tools_host::scope::ScopeRule;

use super::agent::Agent;
use super::table::Table;
use super::template::of_environment;
use crate::pod::fence::Enforce;
use crate::pod::program;
use crate::pod::scope_option;

/// The table: each agent with its program, or what installs it.
pub struct Listed(pub Table);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.0.keys().map(String::len).max().unwrap_or(0);
        for (name, preset) in &self.0.0 {
            writeln!(f, "{name:width$}  {}", preset.about)?;
            let program = preset.program.expand(&of_environment).ok();
            match program.as_deref().and_then(program::find) {
                Some(file) => writeln!(f, "{:width$}  {}", "", file.display())?,
                None => writeln!(f, "{:width$}  not installed; what installs it: {}", "", preset.install)?,
            }
        }
        Ok(())
    }
}

/// What a pod would run.
pub struct DryRun<'a> {
    pub name: &'a str,
    pub agent: &'a Agent,
    pub scope: &'a [ScopeRule],
    pub enforce: Enforce,
    /// What the command line adds to the scope.
    pub also: &'a [ScopeRule],
    pub ports: &'a [u16],
    /// The names of all that would be handed over.
    pub variables: Vec<String>,
}

impl fmt::Display for DryRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agent = self.agent;
        let mut line = |what: &str, text: &dyn fmt::Display| writeln!(f, "{what:10} {text}");
        line("pod", &self.name)?;
        if let Some(name) = &agent.name {
            line("agent", name)?;
        }
        let first = Words(&agent.program, &agent.arguments);
        match &agent.later {
            Some(later) => {
                line("runs", &"for each message")?;
                line("first", &first)?;
                line("later", &Words(&agent.program, &later.arguments))?;
                if let Some(begun) = &later.begun {
                    line("", &format_args!("once there is {}", begun.display()))?;
                }
            }
            None if agent.acp => line("runs once", &format_args!("{first}  (Agent Client Protocol)"))?,
            None => line("runs", &format_args!("{first}  (for each message)"))?,
        }
        if let Some(file) = &agent.fenced.file {
            line("program", &file.display())?;
        }
        line("variables", &self.variables.join(", "))?;
        line("scope", &scope_option::summarize(self.scope))?;
        line("fence", &self.enforce)?;
        if self.enforce == Enforce::Off {
            return Ok(());
        }
        for (what, paths) in [("read", &agent.fenced.reads), ("write", &agent.fenced.writes)] {
            for path in paths {
                line("also", &format_args!("{what}:{}{}", path.display(), missing(path)))?;
            }
        }
        for rule in self.also {
            line("also", rule)?;
        }
        let ports: Vec<String> = agent.fenced.ports.iter().chain(self.ports).map(u16::to_string).collect();
        line(
            "TCP ports",
            &if ports.is_empty() { "none, and no network".to_owned() } else { ports.join(", ") },
        )?;
        for (name, value) in &agent.fenced.set {
            line("sets", &format_args!("{name}={}", Word(value)))?;
        }
        Ok(())
    }
}

fn missing(path: &Path) -> &'static str {
    if path.exists() { "" } else { "  (is not there)" }
}

/// A command line as a shell would be given it.
struct Words<'a>(&'a OsStr, &'a [std::ffi::OsString]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Word(self.0))?;
        self.1.iter().try_for_each(|word| write!(f, " {}", Word(word)))
    }
}

/// A word of one.
struct Word<'a>(&'a OsStr);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.to_string_lossy();
        let is_plain = |character: char| character.is_alphanumeric() || "-_./:=,@%+${}".contains(character);
        if !word.is_empty() && word.chars().all(is_plain) {
            return f.write_str(&word);
        }
        write!(f, "'{}'", word.replace('\'', r"'\''"))
    }
}
