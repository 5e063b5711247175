//! [`PodTools`]: a loaded plugin, ready to be called. Each call runs in a fresh instance, within its limits.

mod answer;
mod cache;
mod component;
mod cpu;
mod data;
mod definition;
mod engine;
mod limiter;
mod log;
mod schema;
mod wasi;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use wasmtime::component::{Component, Linker, ResourceTable, ResourceTableError};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

pub use self::answer::{Answer, Document, Output};
use self::cache::Cache;
pub use self::component::{BUNDLED, Inspection, Interface, LoadError};
use self::cpu::Ticker;
pub use self::definition::{Definition, Effects};
use self::limiter::Limiter;
use self::log::ErrorLog;
use crate::authority::Authority;
use crate::authority::limits::{LimitReached, Limits, call_time_is_up};
use crate::call::{PodCtx, PodCtxView, PodView};
use crate::error::ToolError;
use crate::imports::bindings::{Plugin, PluginPre};

/// Bytes that a plugin may hand over as its definitions, as they lie in this process.
const DEFINITIONS: usize = 4 << 20;

/// A loaded plugin. Compiled and linked once; every call gets an instance of its own, from a pool, and
/// nothing of it survives the call. To be used within a tokio runtime with time and I/O enabled.
pub struct PodTools {
    plugin: PluginPre<CallState>,
    /// The component's binary, and its digest once it was asked for.
    component: Cow<'static, [u8]>,
    digest: OnceLock<String>,
    /// As many as the pool holds instances. Further calls wait, within their own time.
    places: Semaphore,
    ticker: Ticker,
}

/// Loads a plugin. Made by [`PodTools::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct PodToolsBuilder {
    component: Source,
    cache_dir: Option<PathBuf>,
    concurrent_calls: u32,
    interpreted: bool,
    load_time: Duration,
    component_size: u64,
}

/// Where a component comes from.
#[derive(Debug, Clone)]
enum Source {
    Bundled,
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl PodToolsBuilder {
    /// Loads the component in this file. Default: the one that is built into the library.
    pub fn component_file(mut self, path: impl AsRef<Path>) -> Self {
        self.component = Source::File(path.as_ref().to_owned());
        self
    }

    /// Loads this component, in the binary format.
    pub fn component_bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.component = Source::Bytes(bytes.into());
        self
    }

    /// Keeps compiled code in this directory, which is made if it is missing and must be writable by its
    /// owner alone; `None`: nowhere. Default: `$XDG_CACHE_HOME/pod-tools`, else `~/.cache/pod-tools`.
    pub fn cache_dir(mut self, directory: Option<PathBuf>) -> Self {
        self.cache_dir = directory;
        self
    }

    /// How many calls may run at once; further ones wait. At least 1; default: 128. Each costs 4 GiB of
    /// address space, and none of memory until it runs.
    pub fn concurrent_calls(mut self, calls: u32) -> Self {
        self.concurrent_calls = calls.max(1);
        self
    }

    /// Has the plugin interpreted rather than compiled for the processor, which is slower and needs no executable
    /// memory. Default: only where the system forbids new executable memory, and then with a warning in the log.
    pub fn interpreted(mut self, interpreted: bool) -> Self {
        self.interpreted = interpreted;
        self
    }

    /// The time in which the component is read, compiled and linked. Default: 30 s.
    ///
    /// Compiling cannot be broken off. Where it takes longer, [`load`](Self::load) fails, and the threads that compile
    /// go on until they are done, or the process ends.
    pub fn load_time(mut self, time: Duration) -> Self {
        self.load_time = time;
        self
    }

    /// The most bytes that the component may have; no more are read. Default: 32 MiB.
    pub fn component_size(mut self, bytes: u64) -> Self {
        self.component_size = bytes;
        self
    }

    /// Reads, compiles and links the component.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, is not a component, asks for imports that this host does not
    /// have (all of them are listed), does not export the tools, or reaches a limit of loading.
    pub fn load(self) -> Result<PodTools, LoadError> {
        self.within_time(Self::load_here)
    }

    /// What the component imports and exports. It is compiled; nothing of it is run.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, is not a component, or reaches a limit of loading.
    pub fn inspect(self) -> Result<Inspection, LoadError> {
        self.within_time(|this| {
            let (name, binary) = this.read()?;
            let (engine, component) = this.compile(&name, &binary)?;
            Ok(component::inspect(&engine, &component, binary.len()))
        })
    }

    /// Works on a thread of its own, which is given up when the time is over.
    fn within_time<T: Send + 'static>(
        self,
        work: impl FnOnce(Self) -> Result<T, LoadError> + Send + 'static,
    ) -> Result<T, LoadError> {
        let (name, limit) = (self.name(), self.load_time);
        let (sender, done) = mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("pod-tools-load".into())
            .spawn(move || drop(sender.send(work(self))))
            .map_err(|error| LoadError::Engine(error.to_string()))?;
        match done.recv_timeout(limit) {
            Ok(done) => done,
            Err(RecvTimeoutError::Timeout) => Err(LoadError::TookTooLong { name, limit }),
            Err(RecvTimeoutError::Disconnected) => {
                Err(LoadError::NotAComponent { name, detail: "the compiler gave up on it".to_owned() })
            }
        }
    }

    fn name(&self) -> String {
        match &self.component {
            Source::Bundled => "the bundled component".to_owned(),
            Source::File(path) => path.display().to_string(),
            Source::Bytes(_) => "the given component".to_owned(),
        }
    }

    fn read(&self) -> Result<(String, Cow<'static, [u8]>), LoadError> {
        let name = self.name();
        let binary = match &self.component {
            Source::Bundled => return Ok((name, BUNDLED.into())),
            Source::File(path) => component::read(path, self.component_size)?,
            Source::Bytes(bytes) => bytes.clone(),
        };
        component::check_size(&name, &binary, self.component_size)?;
        Ok((name, binary.into()))
    }

    fn compile(&self, name: &str, binary: &[u8]) -> Result<(Engine, Component), LoadError> {
        let new_engine = |execution| engine::new(execution, self.concurrent_calls);
        let cache = self.cache_dir.as_deref().and_then(Cache::open);
        component::compile(name, binary, self.interpreted, cache.as_ref(), new_engine)
    }

    fn load_here(self) -> Result<PodTools, LoadError> {
        let (name, binary) = self.read()?;
        let (engine, component) = self.compile(&name, &binary)?;
        component::check(&engine, &component, &name, binary.len())?;
        let plugin = link(&engine)
            .and_then(|linker| linker.instantiate_pre(&component))
            .and_then(PluginPre::new)
            .map_err(|error| LoadError::WrongShape { name, detail: format!("{error:#}") })?;
        let ticker = Ticker::start(&engine).map_err(|error| LoadError::Engine(error.to_string()))?;
        Ok(PodTools {
            plugin,
            component: binary,
            digest: OnceLock::new(),
            places: Semaphore::new(self.concurrent_calls as usize),
            ticker,
        })
    }
}

fn link(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    crate::imports::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl PodTools {
    /// The plugin that is built into this library, with the default cache.
    ///
    /// # Errors
    ///
    /// Fails where the engine cannot be set up in this process.
    pub fn bundled() -> Result<Self, LoadError> {
        Self::builder().load()
    }

    /// To load another component, or another way.
    pub fn builder() -> PodToolsBuilder {
        PodToolsBuilder {
            component: Source::Bundled,
            cache_dir: cache::default_directory(),
            concurrent_calls: 128,
            interpreted: false,
            load_time: Duration::from_secs(30),
            component_size: 32 << 20,
        }
    }

    /// The SHA-256 of the component's binary, in lower-case hexadecimal digits: which plugin it was, for logs.
    pub fn component_sha256(&self) -> &str {
        self.digest.get_or_init(|| cache::digest(&self.component))
    }

    /// What a component file imports and exports; the bundled one for `None`. Nothing of it is run.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read or is not a component.
    pub fn inspect(path: Option<&Path>) -> Result<Inspection, LoadError> {
        path.map_or_else(Self::builder, |path| Self::builder().component_file(path)).inspect()
    }

    /// The tools that the plugin offers. Needs no authority: it is asked with none, and default limits.
    ///
    /// # Errors
    ///
    /// Fails with `internal` where the plugin is broken, and where what it says of its tools is beyond a bound of
    /// [`Definition`] (the message names the tool, the reason and the bound); with `limit` where it reaches one.
    pub async fn definitions(&self) -> Result<Vec<Definition>, ToolError> {
        let limits = Limits { transfer: DEFINITIONS, ..Limits::default() };
        let nothing = Authority::builder().limits(limits).build();
        let nothing = nothing.map_err(|error| ToolError::internal(error.to_string()))?;
        let (definitions, _) = self
            .run(&nothing, async |plugin, store| plugin.pod_tools_tools().call_definitions(store).await)
            .await?;
        definition::parse(definitions)
    }

    /// Calls a tool. `input` is a JSON text; the empty text, `null` and `{}` all mean "no arguments".
    ///
    /// Dropping the future ends the call: connections are closed; a transaction on the scope lock or the
    /// registry that has begun runs to its end.
    ///
    /// # Errors
    ///
    /// Whatever the tool answers, and what the host has to say: see [`ErrorKind`](crate::ErrorKind).
    pub async fn call(&self, authority: &Authority, tool: &str, input: &str) -> Result<Answer, ToolError> {
        let (answer, mut ctx) = self
            .run(authority, async |plugin, store| {
                plugin.pod_tools_tools().call_call(store, tool, input).await
            })
            .await?;
        let handed = ctx.take_content();
        let limits = authority.limits();
        let output = answer
            .map_err(|error| answer::failure(error, limits))
            .and_then(|output| Output::new(output, handed, limits))
            .map_err(|error| authority.parts().explain(error))?;
        Ok(Answer::new(output, ctx.take_staged()))
    }

    /// The whole conversation with a pod, as a document. Needs a `read` grant for it, and moves no cursor.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); `unreachable` where the pod is stopped.
    pub async fn transcript(&self, authority: &Authority, pod: &str) -> Result<Document, ToolError> {
        let (transcript, _) = self
            .run(authority, async |plugin, store| plugin.pod_tools_tools().call_transcript(store, pod).await)
            .await?;
        let transcript = transcript.map_err(|error| answer::failure(error, authority.limits()));
        Ok(transcript.map_err(|error| authority.parts().explain(error))?.into())
    }

    /// Runs `work` on a fresh instance, within the authority's limits.
    async fn run<T>(
        &self,
        authority: &Authority,
        work: impl AsyncFnOnce(&Plugin, &mut Store<CallState>) -> wasmtime::Result<T>,
    ) -> Result<(T, PodCtx), ToolError> {
        let ctx = PodCtx::new(authority);
        let limits = authority.limits();
        let within_time = timeout_at(ctx.deadline(), async {
            let _place = self.places.acquire().await;
            let _ticking = self.ticker.ticking();
            let clock = ctx.clock().clone();
            let mut store = self.store(ctx);
            let done = clock
                .measure(async {
                    let plugin = self.plugin.instantiate_async(&mut store).await?;
                    work(&plugin, &mut store).await
                })
                .await;
            let state = store.into_data();
            state.log.flush_to_log();
            match done {
                Ok(done) => Ok((done, state.pods)),
                Err(trap) => Err(explain(&trap, &state)),
            }
        });
        let done = within_time.await.unwrap_or_else(|_| Err(call_time_is_up(limits.call_time)));
        done.map_err(|error| authority.parts().explain(error))
    }

    fn store(&self, pods: PodCtx) -> Store<CallState> {
        let limits = pods.limits().clone();
        let clock = pods.clock().clone();
        let limiter = Limiter::new(&limits, pods.memory().clone());
        let log = ErrorLog::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let state = CallState { wasi: None, table, pods, log, limiter };
        let mut store = Store::new(self.plugin.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits.transfer);
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            clock.check(Instant::now(), limits.cpu_time)?;
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

impl std::fmt::Debug for PodTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PodTools").finish_non_exhaustive()
    }
}

/// What a store holds for one call.
struct CallState {
    /// Made when the plugin first asks for something of WASI. The bundled one never does.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
    pods: PodCtx,
    limiter: Limiter,
    log: ErrorLog,
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { wasi, log, table, .. } = self;
        WasiCtxView { ctx: wasi.get_or_insert_with(|| wasi::empty_context(log)), table }
    }
}

impl PodView for CallState {
    fn pods(&mut self) -> PodCtxView<'_> {
        PodCtxView { ctx: &mut self.pods, table: &mut self.table }
    }
}

/// Why a call ended without an answer.
fn explain(trap: &wasmtime::Error, state: &CallState) -> ToolError {
    let limits = state.pods.limits();
    if let Some(limit) = trap.downcast_ref::<LimitReached>().or(state.limiter.reached.as_ref()) {
        return (*limit).into();
    }
    // wasmtime keeps the types of these to itself.
    let message = format!("{trap:#}");
    if message.contains("fuel allocated for hostcalls has been exhausted") {
        return LimitReached::Transfer(limits.transfer).into();
    }
    if message.contains("store handle limit exceeded")
        || matches!(trap.downcast_ref(), Some(ResourceTableError::Full))
    {
        return LimitReached::Handles(limits.handles).into();
    }
    if message.contains("resource limit exceeded") || trap.is::<wasmtime::PoolConcurrencyLimitError>() {
        return LimitReached::Instances(limits.instances).into();
    }
    log::trapped(trap);
    ToolError::internal(format!("the plugin failed: {}", trap.root_cause()))
}
