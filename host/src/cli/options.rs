//! The options that all subcommands share: where things are, what is granted, and within what limits.

use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use pod_tools_host::{Authority, ErrorKind, Grant, Limits, PodTools, Reason, ToolError};

use crate::units::{bytes, bytes_in_memory, duration};

/// The operator's own directory beneath the base: his pods are recorded here when no spawner is named.
const OPERATOR: &str = "pod-tools";

/// As they are given.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where things are")]
pub struct HostArgs {
    /// Where pods have their directories [default: $XDG_RUNTIME_DIR/insomnia, else ~/.insomnia/run]
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

    /// A WebAssembly component to load in place of the bundled one
    #[arg(long, global = true, env = "POD_TOOLS_COMPONENT", value_name = "FILE")]
    component: Option<PathBuf>,

    /// What the plugin may do: `VERB[,VERB…][:PATTERN]` with the verbs list, send, read, stop and a pattern
    /// over pod names (* and ?). Repeat it to add more; without any, you are the operator: everything
    /// [env: POD_TOOLS_GRANT, separated by spaces]
    #[arg(long = "grant", global = true, value_name = "GRANT", help_heading = "What is granted")]
    grants: Vec<Grant>,

    /// Sockets must lie beneath this directory; repeatable; replaces the default: the base and the spawner's
    /// directory [env: POD_TOOLS_ALLOW_SOCKETS, separated by colons]
    #[arg(long, global = true, value_name = "DIR", help_heading = "What is granted")]
    allow_sockets: Vec<PathBuf>,

    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits of a call")]
struct LimitArgs {
    /// Time of one operation: connecting, waiting for bytes, waiting for a lock
    #[arg(long, global = true, env = "POD_TOOLS_OP_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    op_timeout: Duration,

    /// Time of the whole call, waits included
    #[arg(long, global = true, env = "POD_TOOLS_CALL_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    call_timeout: Duration,

    /// Time that the plugin itself may compute
    #[arg(long, global = true, env = "POD_TOOLS_CPU_TIME", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    cpu_time: Duration,

    /// Memory of the plugin
    #[arg(long, global = true, env = "POD_TOOLS_MEMORY", value_name = "BYTES", default_value = "512MiB", value_parser = bytes_in_memory)]
    memory: usize,

    /// Bytes of one line that a pod sends
    #[arg(long, global = true, env = "POD_TOOLS_MAX_LINE", value_name = "BYTES", default_value = "256MiB", value_parser = bytes)]
    max_line: u64,

    /// Bytes of text that one answer should hold: as many whole items as fit, at least one, and the answer
    /// says how many are left [default: no bound]
    #[arg(long, global = true, env = "POD_TOOLS_MAX_OUTPUT", value_name = "BYTES", value_parser = bytes)]
    max_output: Option<u64>,

    /// Bytes that the plugin may hand over in one go
    #[arg(long, global = true, env = "POD_TOOLS_MAX_TRANSFER", value_name = "BYTES", default_value = "256MiB", value_parser = bytes_in_memory)]
    max_transfer: usize,

    /// Elements of the plugin's tables, together; at most 100000
    #[arg(long, global = true, env = "POD_TOOLS_TABLE_ELEMENTS", value_name = "N", default_value_t = Limits::default().table_elements)]
    table_elements: usize,

    /// Instances, memories and tables of the plugin, of each
    #[arg(long, global = true, env = "POD_TOOLS_INSTANCES", value_name = "N", default_value_t = Limits::default().instances)]
    instances: usize,

    /// Calls of host functions
    #[arg(long, global = true, env = "POD_TOOLS_HOST_CALLS", value_name = "N", default_value_t = Limits::default().host_calls)]
    host_calls: u64,

    /// Handles to pods and exchanges that the plugin may hold
    #[arg(long, global = true, env = "POD_TOOLS_HANDLES", value_name = "N", default_value_t = Limits::default().handles)]
    handles: usize,

    /// Connections that the plugin may have open
    #[arg(long, global = true, env = "POD_TOOLS_EXCHANGES", value_name = "N", default_value_t = Limits::default().exchanges)]
    exchanges: usize,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.operation_time = self.op_timeout;
        limits.call_time = self.call_timeout;
        limits.cpu_time = self.cpu_time;
        limits.memory = self.memory;
        limits.line = self.max_line;
        limits.output = self.max_output;
        limits.transfer = self.max_transfer;
        limits.table_elements = self.table_elements;
        limits.instances = self.instances;
        limits.host_calls = self.host_calls;
        limits.handles = self.handles;
        limits.exchanges = self.exchanges;
        limits
    }
}

/// With the defaults filled in.
#[derive(Debug)]
pub struct HostOptions {
    /// Where pods have their directories.
    pub base_dir: PathBuf,
    spawner_dir: PathBuf,
    /// The spawner's directory is the operator's own.
    operators: bool,
    /// The spawner's name, where he has one; the operator has none.
    pub spawner: Option<String>,
    /// The scope lock's file.
    pub scope_lock: PathBuf,
    component: Option<PathBuf>,
    grants: Vec<Grant>,
    allow_sockets: Vec<PathBuf>,
    limits: Limits,
}

impl HostArgs {
    /// The component file, if it is not the bundled one.
    pub fn component(&self) -> Option<&Path> {
        self.component.as_deref()
    }

    /// Fills in the defaults. Touches no file.
    pub fn resolve(self) -> anyhow::Result<HostOptions> {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let path_var = |name| var(name).map(PathBuf::from);
        let text_var = |name| {
            let text = var(name).map(std::ffi::OsString::into_string).transpose();
            text.map_err(|_| anyhow::anyhow!("{name} is not UTF-8"))
        };
        let base_dir = match (self.base_dir, path_var("XDG_RUNTIME_DIR"), path_var("HOME")) {
            (Some(base), ..) => base,
            (None, Some(runtime), _) => runtime.join("insomnia"),
            (None, None, Some(home)) => home.join(".insomnia/run"),
            (None, None, None) => anyhow::bail!("there is no base directory; name one with --base-dir"),
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

        let mut grants = self.grants;
        if grants.is_empty()
            && let Some(texts) = text_var("POD_TOOLS_GRANT")?
        {
            grants = texts
                .split_whitespace()
                .map(|text| text.parse().with_context(|| format!("POD_TOOLS_GRANT: `{text}`")))
                .collect::<Result<_, _>>()?;
        }
        let mut allow_sockets = self.allow_sockets;
        if allow_sockets.is_empty()
            && let Some(paths) = var("POD_TOOLS_ALLOW_SOCKETS")
        {
            allow_sockets = std::env::split_paths(&paths).collect();
        }
        let limits = self.limits.limits();
        let component = self.component;
        Ok(HostOptions {
            base_dir,
            spawner_dir,
            operators,
            spawner,
            scope_lock,
            component,
            grants,
            allow_sockets,
            limits,
        })
    }
}

impl HostOptions {
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

    /// The authority that these options describe.
    pub fn authority(&self) -> Result<Authority, ToolError> {
        let spawner_dir = self.spawner_dir()?;
        let mut builder = Authority::builder()
            .runtime_dir(spawner_dir)
            .scope_lock(&self.scope_lock)
            .limits(self.limits.clone());
        if self.grants.is_empty() {
            builder = builder.grant(Grant::all());
        }
        for grant in &self.grants {
            builder = builder.grant(grant.clone());
        }
        let default = [self.base_dir.clone(), spawner_dir.to_owned()];
        let directories = if self.allow_sockets.is_empty() { &default[..] } else { &self.allow_sockets };
        for directory in directories {
            builder = builder.allow_sockets(directory);
        }
        Ok(builder.build()?)
    }

    /// The plugin that these options name.
    pub fn load(&self) -> Result<PodTools, ToolError> {
        load(self.component.as_deref())
    }
}

/// The plugin in that file; the bundled one for `None`.
pub fn load(component: Option<&Path>) -> Result<PodTools, ToolError> {
    Ok(match component {
        Some(file) => PodTools::builder().component_file(file).load()?,
        None => PodTools::bundled()?,
    })
}

/// A name becomes a path only if it is one component of it.
fn check_component(name: &str) -> anyhow::Result<()> {
    let mut components = Path::new(name).components();
    let plain = matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name);
    anyhow::ensure!(plain, "the spawner's name {name:?} is not the name of a directory beneath the base");
    Ok(())
}
