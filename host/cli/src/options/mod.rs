//! The options that all subcommands share: where things are, what is granted, and within what limits.

mod arguments;
mod authority;
mod base;
mod loading;
pub mod remedy;

use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use pod_tools_host::registry::Reader;
use pod_tools_host::{ErrorKind, Grant, PodTools, Reason, ToolError};

pub use self::loading::{COMPILER, Loading};
use crate::afar::{AfarArgs, AfarFault};
use crate::audit::AuditError;
use crate::grants_file::{GrantsFile, GrantsFileError};
use crate::limit_options::GivenLimits;

/// The operator's own directory beneath the base: his pods are recorded here when no spawner is named.
const OPERATOR: &str = "pod-tools";

/// As they are given.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where things are")]
pub struct HostArgs {
    /// Where pods have their directories [default: $XDG_RUNTIME_DIR/insomnia, without that variable
    /// /run/user/UID/insomnia where /run/user/UID is yours, else ~/.insomnia/run]
    #[arg(long, global = true, env = "POD_TOOLS_BASE_DIR", value_name = "DIR")]
    base_dir: Option<PathBuf>,

    // No `env` on this one and the next: clap would take a variable for as good as an option, and one of them
    // on the command line would contradict the other in the environment.
    /// The spawner's directory: it holds spawned_pods.json and the read cursors [env: POD_TOOLS_RUNTIME_DIR]
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "spawner")]
    runtime_dir: Option<PathBuf>,

    /// The spawner by its name: a directory beneath the base, which must exist [default: pod-tools, the
    /// operator himself, made when missing] [env: POD_TOOLS_SPAWNER]
    #[arg(long, global = true, value_name = "NAME")]
    spawner: Option<String>,

    /// The machine-wide table of who may touch which files [default: $INSOMNIA_SCOPE_LOCK, else scope.lock
    /// beneath the base]
    #[arg(long, global = true, env = "POD_TOOLS_SCOPE_LOCK", value_name = "FILE")]
    scope_lock: Option<PathBuf>,

    #[command(flatten)]
    loading: Loading,

    /// What the plugin may do: `VERB[,VERB…][:PATTERN]` with the verbs list, send, read, stop and a pattern
    /// over pod names (* and ?). Repeat it to add more; without any, you are the operator: everything
    /// [env: POD_TOOLS_GRANT, separated by spaces]
    #[arg(long = "grant", global = true, value_name = "GRANT", help_heading = "What is granted")]
    grants: Vec<Grant>,

    /// The same from a file (TOML), which may also set limits and directories of sockets; what is on the
    /// command line or in the environment wins over those. `pod-tools grants check FILE` explains it. A
    /// process that goes on reads it again when it has changed, and on SIGHUP [env: POD_TOOLS_GRANTS]
    #[arg(
        long = "grants",
        global = true,
        value_name = "FILE",
        conflicts_with = "grants",
        help_heading = "What is granted"
    )]
    grants_file: Option<PathBuf>,

    /// Sockets must lie beneath this directory; repeatable; replaces the default: the base and the spawner's
    /// directory [env: POD_TOOLS_ALLOW_SOCKETS, separated by colons]
    #[arg(long, global = true, value_name = "DIR", help_heading = "What is granted")]
    allow_sockets: Vec<PathBuf>,

    /// Append a line (JSON) for each call to this file: what was called, on which pods, what was allowed and
    /// how it ended; no text. It is made for you alone where it is missing
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_AUDIT",
        value_name = "FILE",
        help_heading = "What is granted"
    )]
    audit: Option<PathBuf>,

    /// Who reads: a reader has read cursors of its own, so that nobody takes text from another. Default: the
    /// command line's; for `mcp`, one for each client, by its name and its working directory
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_READER",
        value_name = "NAME",
        help_heading = "Where things are"
    )]
    reader: Option<Reader>,

    #[command(flatten)]
    afar: AfarArgs,

    #[command(flatten)]
    limits: GivenLimits,
}

/// What the plugin may do.
#[derive(Debug, Clone)]
pub enum Granted {
    /// Nobody said otherwise, and the caller is the operator.
    Everything,
    /// These.
    These(Vec<Grant>),
    /// What this file says, an absolute path.
    InFile(PathBuf),
}

/// What is wrong before anything has been called.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The grants file cannot be used.
    #[error(transparent)]
    GrantsFile(#[from] GrantsFileError),
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The system refuses to deliver signals.
    #[error("cannot catch signals: {0}")]
    Signals(std::io::Error),
    /// What is to be granted cannot be had.
    #[error(transparent)]
    Authority(#[from] ToolError),
    /// Pods of other machines cannot be called as it is said.
    #[error(transparent)]
    Afar(#[from] AfarFault),
    /// Callers of the node have nothing to be known by.
    #[error(
        "callers must have a key: name a grants file with [[caller]] entries that have `key` with --grants"
    )]
    NoKey,
    /// Clients of the gateway have nothing to be known by.
    #[error(
        "clients must show a token: name its file with --token-file, or name a grants file with [[caller]] entries with \
         --grants"
    )]
    NoToken,
}

/// With the defaults filled in.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where pods have their directories.
    pub base_dir: PathBuf,
    spawner_dir: PathBuf,
    /// The spawner's directory is the operator's own.
    operators: bool,
    /// Bytes of a pod's text in one answer, where nothing else is said; `None`: no bound.
    pub default_output: Option<u64>,
    /// The spawner's name, where he has one; the operator has none.
    pub spawner: Option<String>,
    /// The scope lock's file.
    pub scope_lock: PathBuf,
    loading: Loading,
    /// Where pods of other machines are.
    pub afar: AfarArgs,
    granted: Granted,
    allow_sockets: Vec<PathBuf>,
    limits: GivenLimits,
    audit: Option<PathBuf>,
    /// Whose read cursors count, where somebody said so.
    pub reader: Option<Reader>,
    audience: Audience,
}

/// Who reads the errors of calls, and the answers.
#[derive(Debug, Clone)]
enum Audience {
    /// The operator, who may change what is granted, and is told how.
    Operator,
    /// A model, which may not. It works in that directory, where that is known.
    Model { directory: Option<PathBuf> },
}

impl HostArgs {
    /// Which component is to be loaded, and how.
    pub fn loading(&self) -> &Loading {
        &self.loading
    }

    /// Fills in the defaults. Touches no file.
    pub fn resolve(self) -> anyhow::Result<HostOptions> {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let path_var = |name| var(name).map(PathBuf::from);
        let text_var = |name| {
            let text = var(name).map(std::ffi::OsString::into_string).transpose();
            text.map_err(|_| anyhow::anyhow!("{name} is not UTF-8"))
        };
        let base_dir = match self.base_dir.or_else(|| base::default(path_var)) {
            Some(base) => base,
            None => anyhow::bail!("there is no base directory; name one with --base-dir"),
        };
        let base_dir = std::path::absolute(&base_dir).context("the base directory has no absolute path")?;
        let scope_lock = self.scope_lock.or_else(|| path_var("INSOMNIA_SCOPE_LOCK"));
        let scope_lock = scope_lock.unwrap_or_else(|| base_dir.join("scope.lock"));
        let named = match (self.runtime_dir, self.spawner) {
            (None, None) => (path_var("POD_TOOLS_RUNTIME_DIR"), text_var("POD_TOOLS_SPAWNER")?),
            by_option => by_option,
        };
        let (spawner_dir, spawner, operators) = match named {
            (Some(_), Some(_)) => anyhow::bail!(
                "POD_TOOLS_RUNTIME_DIR and POD_TOOLS_SPAWNER name the spawner twice; unset one of them"
            ),
            (Some(dir), None) => {
                let name = dir.file_name().and_then(OsStr::to_str).map(str::to_owned);
                (dir, name.filter(|name| name != OPERATOR), false)
            }
            (None, Some(name)) if name != OPERATOR => {
                check_component(&name)?;
                (base_dir.join(&name), Some(name), false)
            }
            (None, _) => (base_dir.join(OPERATOR), None, true),
        };

        let granted = match (self.grants, self.grants_file) {
            (grants, None) if grants.is_empty() => {
                match (text_var("POD_TOOLS_GRANT")?, path_var("POD_TOOLS_GRANTS")) {
                    (Some(_), Some(_)) => anyhow::bail!(
                        "POD_TOOLS_GRANT and POD_TOOLS_GRANTS both say what is granted; unset one of them"
                    ),
                    (Some(texts), None) => Granted::These(
                        texts
                            .split_whitespace()
                            .map(|text| text.parse().with_context(|| format!("POD_TOOLS_GRANT: `{text}`")))
                            .collect::<Result<_, _>>()?,
                    ),
                    (None, Some(file)) => Granted::in_file(&file)?,
                    (None, None) => Granted::Everything,
                }
            }
            (grants, None) => Granted::These(grants),
            (grants, Some(file)) if grants.is_empty() => Granted::in_file(&file)?,
            // clap sees it only where both stand on the same side of the command.
            (_, Some(_)) => {
                anyhow::bail!("--grant and --grants both say what is granted; leave one of them out")
            }
        };
        let mut allow_sockets = self.allow_sockets;
        if allow_sockets.is_empty()
            && let Some(paths) = var("POD_TOOLS_ALLOW_SOCKETS")
        {
            let named = std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty());
            allow_sockets = named.collect();
        }
        let (limits, loading, audit, afar) = (self.limits, self.loading, self.audit, self.afar);
        Ok(HostOptions {
            base_dir,
            spawner_dir,
            operators,
            default_output: None,
            spawner,
            scope_lock,
            loading,
            afar,
            granted,
            allow_sockets,
            limits,
            audit,
            reader: self.reader,
            audience: Audience::Operator,
        })
    }
}

impl Granted {
    /// In messages, and after a change of the working directory, it is the same file.
    fn in_file(file: &Path) -> anyhow::Result<Self> {
        Ok(Self::InFile(std::path::absolute(file).context("the grants file has no absolute path")?))
    }
}

impl HostOptions {
    /// Of a command line with these arguments.
    #[cfg(test)]
    pub fn parsed(arguments: &[&str]) -> Self {
        use clap::{Args, FromArgMatches};
        let command = HostArgs::augment_args(clap::Command::new("pod-tools"));
        let matches = command.get_matches_from([&["pod-tools"], arguments].concat());
        HostArgs::from_arg_matches(&matches).unwrap().resolve().unwrap()
    }

    /// The same for calls of an agent's model that works in `directory`, if that is known: a denial names the
    /// missing grant to it, and neither file nor option.
    pub fn for_a_model(&self, directory: Option<PathBuf>) -> Self {
        Self { audience: Audience::Model { directory }, ..self.clone() }
    }

    /// The same, granted these, and what no file says.
    pub fn granting(&self, grants: Vec<Grant>) -> Self {
        Self { granted: Granted::These(grants), ..self.clone() }
    }

    /// The same, granted what this file says, an absolute path.
    pub fn granted_by(&self, file: &Path) -> Self {
        Self { granted: Granted::InFile(file.to_owned()), ..self.clone() }
    }

    /// The spawner's directory. The operator's own is made when it is missing; any other must exist.
    pub fn spawner_dir(&self) -> Result<&Path, ToolError> {
        if self.operators {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.spawner_dir).map_err(
                |error| {
                    let message =
                        format!("cannot make the directory {}: {error}", self.spawner_dir.display());
                    ToolError::new(ErrorKind::ExecutionFailed, Reason::StateUnwritable, message)
                },
            )?;
        }
        Ok(&self.spawner_dir)
    }

    /// The directory in which the spawner's pods are recorded. It need not exist.
    pub fn registry_dir(&self) -> &Path {
        &self.spawner_dir
    }

    /// Directories that are the operator's own, beside those of pods: his registry, his configuration, what he keeps of
    /// pods, and the cache of compiled code, which is run as it is. They need not exist.
    pub fn operators_directories(&self) -> Vec<PathBuf> {
        let config = of_user("XDG_CONFIG_HOME", ".config");
        let cache = of_user("XDG_CACHE_HOME", ".cache");
        let own = [config, cache, self.state_directory()].into_iter().flatten();
        own.chain([self.spawner_dir.clone()]).filter(|path| path.is_absolute()).collect()
    }

    /// Where the conversations of pods are kept that are to be gone on with. It need not exist.
    pub fn state_directory(&self) -> Option<PathBuf> {
        of_user("XDG_STATE_HOME", ".local/state")
    }

    /// Files that are the operator's own, where these options name some.
    pub fn operators_files(&self) -> Vec<PathBuf> {
        let grants = match &self.granted {
            Granted::InFile(file) => Some(file.clone()),
            Granted::Everything | Granted::These(_) => None,
        };
        grants.into_iter().chain(self.audit.clone()).collect()
    }

    /// The names of the pods that these options let be listed, without a word to anybody; `None` where that cannot be
    /// known. Nothing is made that is missing.
    pub fn listed_names(&self) -> Option<Vec<String>> {
        let file = self.grants_file().map(GrantsFile::read).transpose().ok()?;
        if !self.spawner_dir.is_dir() {
            return None;
        }
        self.authority(file.as_ref(), None).ok()?.listed_names().ok()
    }

    /// The plugin that these options name, for one call at a time.
    pub fn load_for_one(&self) -> Result<PodTools, ToolError> {
        self.loading.load_for_one()
    }

    /// The plugin that these options name.
    pub fn load(&self) -> Result<PodTools, ToolError> {
        self.loading.load()
    }
}

/// A name becomes a path only if it is one component of it.
fn check_component(name: &str) -> anyhow::Result<()> {
    let mut components = Path::new(name).components();
    let plain = matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name);
    anyhow::ensure!(plain, "the spawner's name {name:?} is not the name of a directory beneath the base");
    Ok(())
}

/// The directory of this program's among those of a kind that the user has.
fn of_user(variable: &str, beneath_home: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(beneath_home));
    named.or_else(home).map(|directory| directory.join("pod-tools"))
}
