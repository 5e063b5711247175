//! `pod-tools pod`: a pod of the protocol, in the foreground, around any command.
//!
//! A pod is started in this order: lock of its life, directory, entry in the scope lock, fence, socket, files, record
//! with the spawner.
//! It ends in the reverse order, with the directory last, because that is what holds the name. A start that
//! fails half-way takes back what it did. Clients that stop the pod may release the entry and remove the
//! record at the same time; what is gone already is no fault.
//!
//! Not taken back after SIGKILL: what is left is stale, and the next pod of that name cleans it up. The commands
//! of a pod do not outlive it, however it ends ([`supervisor`]).

mod acp;
mod agents;
mod around;
mod background;
mod client;
mod directory;
mod ending;
mod environment;
mod fence;
mod history;
mod later;
mod limits;
pub mod log;
mod name;
mod notifications;
mod outbox;
pub mod program;
mod protocol;
mod registration;
mod scope_option;
mod server;
mod session;
mod signals;
mod supervisor;
mod text;
mod turn;
mod turn_item;
mod worker;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use pod_tools_host::GrantedDirectories;
use pod_tools_host::registry::{FileRegistry, Record};
use pod_tools_host::scope::{Holder, LifeCheck, ScopeLock, ScopeRule};
use tokio::net::UnixListener;
use tokio::sync::Mutex;

use self::acp::{AcpOptions, Agent, Files, Place, Setting};
pub use self::agents::{AgentFault, NoTable};
use self::agents::{AgentOptions, DryRun};
use self::around::Around;
use self::background::Background;
pub use self::background::SERVICE_MANAGER;
use self::directory::OwnDirectory;
use self::ending::Ending;
use self::environment::Handed;
use self::fence::{Enforce, FenceOptions, Hidden};
use self::history::History;
use self::limits::PodLimits;
pub use self::name::PodName;
use self::program::CommandLine;
pub use self::program::NoProgram;
pub use self::protocol::Choice;
use self::protocol::Greeting;
use self::registration::{Allocated, Recorded};
use self::server::PodServer;
use self::session::Session;
use self::signals::Signals;
use self::supervisor::Supervisor;
pub use self::supervisor::{WORD as SUPERVISOR, run as run_supervisor};
pub use self::text::Tail;
use self::worker::Worker;
use crate::exit::INTERRUPTED;
use crate::options::HostOptions;
use crate::options::remedy::explained;
use crate::streams::{Form, tell, write_out};

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
    /// The pod's name: a directory of that name beneath the base directory is made for it
    #[arg(required = false, required_unless_present = "agent", default_value_if("agent", "list", "list"))]
    name: PodName,

    #[command(flatten)]
    agents: AgentOptions,

    /// What the pod may touch: `read:DIR`, `write:DIR`, or `write-flat:DIR` for a directory without what is
    /// below its children. Entered in the scope lock, and enforced as --enforce says
    #[arg(long = "scope", value_name = "RULE", value_parser = scope_option::parse)]
    scope: Vec<ScopeRule>,

    #[command(flatten)]
    fence: FenceOptions,

    #[command(flatten)]
    acp: AcpOptions,

    /// Keep the conversation, and go on with the one that the last pod of this name kept: POD_SESSION and POD_TURN go on,
    /// and an agent of --acp with its session, which one that can go on with none refuses. It is kept in
    /// `$XDG_STATE_HOME/pod-tools/sessions` (`~/.local/state/pod-tools/sessions`)
    #[arg(long)]
    resume: bool,

    /// The environment of the command: `clean`, a base set (PATH, HOME, USER, LOGNAME, SHELL, LANG, LANGUAGE, LC_*, TZ,
    /// TERM, TMPDIR, XDG_*, INSOMNIA_SCOPE_LOCK); names of variables (`NAME[,NAME…]`, repeatable), those beside the base
    /// set, such as the agent's API key; or `pass`, all but POD_TOOLS_*, which are handed over only where they are named
    #[arg(
        long,
        env = "POD_TOOLS_ENV",
        value_name = "pass|clean|NAME",
        value_delimiter = ',',
        default_value = "clean"
    )]
    env: Vec<Handed>,

    /// Bytes that the command may write in one turn, to both streams together. One that writes more is killed, and the
    /// turn has failed. At most 1GiB
    #[arg(long, env = "POD_TOOLS_MAX_TURN_OUTPUT", value_name = "BYTES", value_parser = limits::bound, default_value = "64MiB")]
    max_turn_output: usize,

    /// Bytes of the history that are kept, as JSON. Where a turn makes it longer, the oldest turns are dropped until half
    /// of that is left; a message in their place says so, and readers are given what is there from its start. The last
    /// turn is always kept. At most 1GiB
    #[arg(long, env = "POD_TOOLS_MAX_HISTORY", value_name = "BYTES", value_parser = limits::bound, default_value = "128MiB")]
    max_history: usize,

    /// Be the pod that another process waits for, without a terminal: `spawn` starts it so
    #[arg(long, hide = true)]
    background: bool,

    /// The command, found by PATH, and its arguments; those that an agent has beside its own
    #[arg(last = true, required = false, required_unless_present = "agent", value_name = "COMMAND")]
    command: Vec<OsString>,
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

/// Runs the pod until it is shut down.
///
/// # Errors
/// Whatever keeps it from starting, the name being taken and a conflict of scopes included; and what could
/// not be taken back in the end.
pub async fn run(args: PodArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    if args.show_instead()? {
        return Ok(ExitCode::SUCCESS);
    }
    let background = args.background.then(Background::enter);
    // From here on a signal waits until the pod is up, and then ends it in good order.
    let mut signals = match background {
        None => Signals::catch(),
        Some(_) => Signals::catch_without_terminal(),
    }
    .context("cannot catch signals")?;
    let limits = PodLimits { turn_output: args.max_turn_output, history: args.max_history };
    let mut pod = Pod::start(args, host, &mut signals).await?;
    let ready = format!(
        "pod `{}` ready at {}, {}",
        pod.name,
        pod.directory.socket_path().display(),
        pod.directory.held()
    );
    match background {
        None => tell(format_args!("{ready}")),
        Some(background) => background.ready(&pod.directory, &ready)?,
    }
    if let Err(error) = background::tell_service_manager() {
        tracing::warn!("the service manager cannot be told that the pod is ready: {error}");
    }
    let server = PodServer::new(&pod.directory, pod.worker, pod.session, pod.history, limits);
    let ending = server.serve(pod.listener, &mut signals).await;

    if ending == Ending::Lost {
        tell(format_args!(
            "pod `{}` ends: its directory `{}` was taken away",
            pod.name,
            pod.directory.socket_path().parent().unwrap_or(Path::new("")).display()
        ));
    }
    let removed = pod.recorded.remove();
    let released = pod.allocated.release();
    let cleared = pod.directory.remove();
    removed.and(released).and(cleared)?;
    Ok(match ending {
        Ending::Shutdown | Ending::Terminated => ExitCode::SUCCESS,
        Ending::Interrupted => ExitCode::from(INTERRUPTED),
        Ending::Lost => ExitCode::FAILURE,
    })
}

/// A pod that has started. What it has entered anywhere is taken back when it is dropped, in the order of its
/// fields.
struct Pod {
    name: PodName,
    worker: Worker,
    session: Session,
    history: History,
    recorded: Recorded,
    listener: UnixListener,
    allocated: Allocated,
    directory: OwnDirectory,
}

impl Pod {
    async fn start(args: PodArgs, host: &HostOptions, signals: &mut Signals) -> anyhow::Result<Pod> {
        let PodArgs {
            name,
            agents,
            scope,
            mut fence,
            acp,
            resume,
            mut env,
            max_history,
            max_turn_output,
            command,
        } = args;
        let choice = agents.choice(command)?;
        // What cannot be run is told before anything is entered anywhere.
        let found = choice.in_any_conversation()?;
        found.may_be(fence.enforced(&scope))?;
        acp.check(acp.acp || found.acp)?;
        let make_base = DirBuilder::new().recursive(true).mode(0o700).create(&host.base_dir);
        make_base.with_context(|| format!("cannot make the base directory `{}`", host.base_dir.display()))?;
        // What others are told is one path, however the directory was given.
        let base = host
            .base_dir
            .canonicalize()
            .with_context(|| format!("cannot resolve the base directory `{}`", host.base_dir.display()))?;
        let around = Around::find(&base);
        around.as_ref().map_or(Ok(()), Around::may_start_pods)?;
        let spawner_dir = host.spawner_dir()?;
        let registry = FileRegistry::open(spawner_dir).map_err(explained)?;
        if is_same_directory(&base.join(name.as_str()), spawner_dir) {
            bail!(
                "pod `{name}` cannot be its own spawner (`{}`); choose another name",
                spawner_dir.display()
            );
        }

        let sockets = Arc::new(GrantedDirectories::open_all([&base])?);
        let lock = ScopeLock::new(&host.scope_lock).asking(sockets).by_newcomer(None);
        let life = lock.take_life_lock().map_err(explained)?;
        let of_started =
            life.as_fd().try_clone_to_owned().context("cannot hand on the lock of the pod's life")?;
        let (holder, life_byte) = (Holder::this_process(&life), life.byte());
        let reserve = |check: LifeCheck<'_>| {
            OwnDirectory::reserve(&base, &name, new_session_id(), holder.clone(), &check)
        };
        let mut directory = lock.check(reserve).map_err(explained)??;
        let socket = directory.socket_path();
        let allocated = Allocated::enter(
            lock.by_newcomer(Some(directory.handle())),
            host.spawner.as_deref().or(around.as_ref().map(|around| around.name.as_str())),
            &name,
            &socket,
            &scope,
            (holder, life),
        )?;
        directory.clear()?;
        let hidden = Hidden {
            base: &base,
            scope_lock: &host.scope_lock,
            directories: host.operators_directories(),
            files: host.operators_files().into_iter().chain(agents.file().map(Path::to_owned)).collect(),
            life: life_byte,
        };
        let own = base.join(name.as_str());
        let mut session = if resume {
            let state =
                host.state_directory().context("there is no directory to keep conversations in; set HOME")?;
            Session::kept(&state, &base, &name)?
        } else {
            Session::new()
        };
        let agent = choice.in_conversation(session.id())?;
        let mut greeting = greeting(&name, &scope, &agent)?;
        let told =
            [("POD_NAME", name.as_str().into()), ("POD_SOCKET", socket.clone().into()), session.variable()];
        env.extend(agent.env);
        let mut command_line = CommandLine {
            program: agent.program,
            arguments: agent.arguments,
            later: agent.later,
            environment: environment::of_command(&env, told),
        };
        if fence.enforced(&scope) != Enforce::Off {
            fence.open(agent.fenced.rules()?, &agent.fenced.ports);
            let set = agent.fenced.set.into_iter().map(|(name, value)| (name.into(), value));
            command_line.environment.extend(set);
            command_line.program = agent.fenced.file.map_or(command_line.program, Into::into);
        }
        let plan = fence.plan(&scope, &hidden, &own, &command_line.program)?;
        // What the command starts may live on when the pod is killed: as long as it does, the pod counts as living.
        let hidden = plan.as_ref().map_or_else(Vec::new, |plan| plan.hidden.clone());
        let (supervisor, held) = Supervisor::start(command_line, plan, of_started)?;
        let mut recalled = Vec::new();
        let worker = if acp.acp || agent.acp {
            let is_fenced = held.enforce != Enforce::Off && held.missing.is_empty();
            let place = Place::new(&scope, greeting.cwd.clone().into(), held.enforce != Enforce::Off);
            let setting = Setting {
                files: Files::open(place.clone(), hidden)?,
                place,
                permit: acp.permit,
                is_fenced,
                most: max_turn_output,
                start_timeout: acp.start_timeout,
            };
            let wanted = (session.agent_session().map(str::to_owned), session.is_kept());
            let started = Agent::start(supervisor, setting, session.turns() + 1, wanted, signals).await;
            let started = started.map_err(|fault| match (session.agent_session(), session.file()) {
                (Some(_), Some(file)) => fault.context(format!(
                    "pod `{name}` cannot go on with its conversation (remove `{}` to begin anew)",
                    file.display()
                )),
                _ => fault,
            })?;
            session.held_with(started.session)?;
            greeting.provider = "acp";
            greeting.model = started.name.unwrap_or(greeting.model);
            recalled = started.recalled;
            Worker::Agent(started.agent)
        } else {
            Worker::Command(Arc::new(Mutex::new(supervisor)))
        };
        let mut history = History::new(greeting, max_history);
        history.recall(&recalled);
        let listener = UnixListener::from_std(directory.listen()?).context("cannot listen")?;
        directory.write_first_files(held)?;
        directory.write_history(&history.file());
        let record = Record {
            pod_name: name.as_str().to_owned(),
            socket_path: socket,
            scope_delegated: scope,
            callback_address: Some(std::path::absolute(spawner_dir)?.join("sock")),
            fence: Some(directory.held().recorded()),
        };
        let recorded = Recorded::add(registry, record)?;

        Ok(Pod { name, worker, session, history, recorded, listener, allocated, directory })
    }
}

fn is_same_directory(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

fn greeting(name: &PodName, scope: &[ScopeRule], agent: &agents::Agent) -> anyhow::Result<Greeting> {
    let cwd =
        std::env::current_dir().context("cannot tell the current directory; change to one that exists")?;
    let words = [&agent.program].into_iter().chain(&agent.arguments);
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    Ok(Greeting {
        pod_name: name.as_str().to_owned(),
        cwd: cwd.to_string_lossy().into_owned(),
        provider: "command",
        model: words.join(" "),
        scope_summary: scope_option::summarize(scope),
        tools: [],
    })
}

/// Tells this pod from all others that had its name: 128 random bits.
fn new_session_id() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}
