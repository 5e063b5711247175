//! The start of a pod, in this order: lock of its life, directory, entry in the scope lock, fence and agent, socket, files,
//! record with the spawner. One that fails half-way takes back what it did.

use std::fs::DirBuilder;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use pod_tools_host::GrantedDirectories;
use pod_tools_host::registry::{FileRegistry, Record};
use pod_tools_host::scope::{Holder, LifeCheck, ScopeLock, ScopeRule};
use tokio::net::UnixListener;
use tokio::sync::Mutex;

use super::acp::{Agent, Files, Place, Setting};
use super::args::PodArgs;
use super::around::Around;
use super::directory::OwnDirectory;
use super::environment;
use super::fence::{Enforce, Hidden};
use super::history::History;
use super::name::PodName;
use super::program::CommandLine;
use super::protocol::Greeting;
use super::registration::{Allocated, Recorded};
use super::session::Session;
use super::signals::Signals;
use super::supervisor::Supervisor;
use super::worker::Worker;
use super::{agents, scope_option};
use crate::options::HostOptions;
use crate::options::remedy::explained;

/// A pod that has started. What it has entered anywhere is taken back when it is dropped, in the order of its
/// fields.
pub struct Pod {
    pub name: PodName,
    pub worker: Worker,
    pub session: Session,
    pub history: History,
    pub recorded: Recorded,
    pub listener: UnixListener,
    pub allocated: Allocated,
    pub directory: OwnDirectory,
}

impl Pod {
    /// Fails with whatever keeps it from starting, the name being taken and a conflict of scopes included.
    pub async fn start(args: PodArgs, host: &HostOptions, signals: &mut Signals) -> anyhow::Result<Pod> {
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
            background: _,
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
            let is_fenced = held.is_whole();
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
            fence: Some(directory.held().clone()),
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
