//! What the command line says of the fence, and the plan that is made of it.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use pod_tools_host::names_of_directory;
use pod_tools_host::scope::{LifeByte, Permission, ScopeLock, ScopeRule};

use super::plan::{Enforce, Plan};
use crate::pod::program;
use crate::pod::scope_option;

/// How the scope is enforced.
#[derive(Debug, clap::Args)]
pub struct FenceOptions {
    /// Hold it to that: `strict`, `best-effort` or `off`
    ///
    /// `strict`: it reads and writes what the scope says and what programs
    /// need to start, or the pod does not start and says why; `best-effort`: as far as this machine can, and the ready
    /// line says what is missing; `off`: not at all. Default: `strict` where there is a scope, else `off`. `strict`
    /// without a scope is a command that reads nothing but what it needs to start
    #[arg(long, env = "POD_TOOLS_ENFORCE", value_name = "HOW")]
    enforce: Option<Enforce>,

    /// What it may touch beside: `read:DIR`, `write:DIR`
    ///
    /// Repeatable. It is entered nowhere: others may hold it
    #[arg(long = "also", value_name = "RULE", value_parser = scope_option::parse)]
    also: Vec<ScopeRule>,

    /// A TCP port that it may connect to, at any host
    ///
    /// Repeatable. The kernel tells ports, and no hosts. With
    /// one the command is in this machine's network, where UDP is open to it (names are looked up by it); without, in none
    #[arg(long = "connect-port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
}

/// What of the operator's own is to be out of the command's sight.
#[derive(Debug)]
pub struct Hidden<'a> {
    /// The directory of all pods, real.
    pub base: &'a Path,
    /// The table of scopes.
    pub scope_lock: &'a Path,
    /// Directories of the operator: his registry, his configuration, the cache of compiled code.
    pub directories: Vec<PathBuf>,
    /// Files of his, where they are named.
    pub files: Vec<PathBuf>,
    /// By what the pod's life is told.
    pub life: Option<LifeByte>,
}

impl FenceOptions {
    /// What of it holds where there is this scope.
    pub fn enforced(&self, scope: &[ScopeRule]) -> Enforce {
        self.enforce.unwrap_or(if scope.is_empty() { Enforce::Off } else { Enforce::Strict })
    }

    /// What the command line adds to the scope, and the ports that it opens.
    pub fn holes(&self) -> (&[ScopeRule], &[u16]) {
        (&self.also, &self.ports)
    }

    /// Adds to both what the command needs, where there is a fence.
    pub fn open(&mut self, also: Vec<ScopeRule>, ports: &[u16]) {
        self.also.extend(also);
        self.ports.extend(ports);
    }

    /// The fence, `None` where there is to be none.
    pub fn plan(
        &self,
        scope: &[ScopeRule],
        hidden: &Hidden<'_>,
        own: &Path,
        command: &OsStr,
    ) -> anyhow::Result<Option<Plan>> {
        let enforce = self.enforced(scope);
        if enforce == Enforce::Off {
            if !self.also.is_empty() || !self.ports.is_empty() {
                bail!(
                    "--also and --connect-port are holes in a fence, and there is none; add --enforce strict"
                );
            }
            return Ok(None);
        }
        let (mut reads, mut writes, mut flat) = (Vec::new(), Vec::new(), Vec::new());
        for rule in scope.iter().chain(&self.also) {
            match (rule.permission, rule.recursive) {
                (Permission::Read, _) => reads.push(rule.target.clone()),
                (Permission::Write, true) => writes.push(rule.target.clone()),
                (Permission::Write, false) => flat.push(rule.target.clone()),
            }
        }
        let program = program::find(command).context("the command cannot be found")?;
        let mut plan = Plan {
            enforce,
            directory: std::env::current_dir().unwrap_or_else(|_| "/".into()),
            reads,
            writes,
            flat,
            hidden: Vec::new(),
            own: own.to_owned(),
            program,
            ports: self.ports.clone(),
            life: hidden.life.and_then(|byte| Some((ScopeLock::lives_file(hidden.scope_lock)?, byte))),
            without_root: None,
        };
        let system = ["/proc", "/sys", "/dev"].map(Path::new);
        let wrong =
            |rule: &&PathBuf| rule.parent().is_none() || system.iter().any(|system| rule.starts_with(system));
        if let Some(rule) = plan.rules().find(wrong) {
            bail!(
                "`{}` cannot be behind a fence; name directories in it that hold the command's files, or start the pod with \
                 `--enforce off`",
                rule.display()
            );
        }
        plan.hide(hidden)?;
        Ok(Some(plan))
    }
}

impl Plan {
    /// Notes all names under which the operator's own is seen. Fails where a rule lies within it.
    fn hide(&mut self, hidden: &Hidden<'_>) -> anyhow::Result<()> {
        let lock = hidden.scope_lock.canonicalize();
        let lock_directory = lock.ok().and_then(|lock| Some(lock.parent()?.to_owned()));
        let mut directories = vec![hidden.base.to_owned()];
        for directory in &hidden.directories {
            // One that is missing could be made by the command, and then be taken for the operator's.
            if self.writes.iter().any(|written| directory.starts_with(written)) {
                let make = DirBuilder::new().recursive(true).mode(0o700).create(directory);
                make.with_context(|| format!("cannot make `{}`", directory.display()))?;
            }
            directories.extend(directory.canonicalize());
        }
        if let Some(directory) = lock_directory.filter(|directory| !directory.starts_with(hidden.base))
            && self.rules().any(|rule| directory.starts_with(rule))
        {
            bail!(
                "the scope lock `{}` lies within what the command may touch; move it, or narrow the scope",
                hidden.scope_lock.display()
            );
        }
        for directory in directories {
            for name in names_of_directory(&directory) {
                if let Some(rule) = self.rules().find(|rule| rule.starts_with(&name)) {
                    bail!(
                        "the command cannot be given `{}`: it lies within `{}`, where pods or the operator's own state \
                         are; choose another directory",
                        rule.display(),
                        name.display()
                    );
                }
                self.hidden.push(name);
            }
        }
        self.hidden.extend(hidden.files.iter().filter_map(|file| file.canonicalize().ok()));
        Ok(())
    }

    fn rules(&self) -> impl Iterator<Item = &PathBuf> {
        self.reads.iter().chain(&self.writes).chain(&self.flat)
    }
}
