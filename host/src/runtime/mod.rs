//! [`PodTools`]: a loaded plugin, ready to be called. Each call runs in a fresh instance, within its limits.

mod answer;
mod cache;
mod compiler;
mod component;
mod cpu;
mod data;
#[cfg(test)]
#[path = "../../../tests/fuzz/properties/data.rs"]
mod data_properties;
mod definition;
#[cfg(test)]
#[path = "../../../tests/fuzz/properties/definitions.rs"]
mod definitions_properties;
mod engine;
mod inside;
mod instances;
mod limiter;
mod load_error;
mod log;
mod outline;
mod schema;
mod wasi;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use wasmtime::Engine;
use wasmtime::component::Component;

pub use self::answer::{Answer, Document, Output};
use self::cache::Cache;
pub use self::compiler::{Compiler, run as run_compiler};
pub use self::component::{BUNDLED, Inspection, Interface};
pub use self::definition::{Definition, Effects};
pub use self::inside::Inside;
use self::instances::Instances;
pub use self::load_error::LoadError;
use crate::authority::Authority;
use crate::authority::limits::Limits;
use crate::error::ToolError;

/// Bytes that a plugin may hand over as its definitions, as they lie in this process.
const DEFINITIONS: usize = 4 << 20;

/// A loaded plugin. Compiled and linked once; every call gets an instance of its own, from a pool, and
/// nothing of it survives the call. To be used within a tokio runtime with time and I/O enabled.
pub struct PodTools {
    instances: Instances,
    definitions: Vec<Definition>,
    /// The component's binary, and its digest once it was asked for.
    component: Cow<'static, [u8]>,
    digest: OnceLock<String>,
}

/// Loads a plugin. Made by [`PodTools::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct PodToolsBuilder {
    component: Source,
    component_name: String,
    cache_dir: Option<PathBuf>,
    concurrent_calls: u32,
    interpreted: bool,
    compiler: Option<Compiler>,
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

/// What messages call a component that came as bytes, where nobody said otherwise.
const UNNAMED: &str = "the given component";

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

    /// What messages call a component that is given as [bytes](Self::component_bytes): where they came from. Default:
    /// "the given component".
    pub fn component_name(mut self, name: impl Into<String>) -> Self {
        self.component_name = name.into();
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

    /// Has a component that is not the bundled one compiled by a process of its own, within the memory that
    /// [`Compiler`] states. Default: it is compiled in this process, and what that takes of memory has no bound: a
    /// component of some kilobytes can make a compiler take gigabytes.
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// The time in which the component is read, compiled and linked, and says which tools it has. Default: 30 s.
    ///
    /// Where it takes longer, [`load`](Self::load) fails. A [`compiler`](Self::compiler) is killed then; compiling in this
    /// process cannot be broken off, and the threads that compile go on until they are done, or the process ends.
    pub fn load_time(mut self, time: Duration) -> Self {
        self.load_time = time;
        self
    }

    /// The most bytes that the component may have; no more are read. Default: 32 MiB.
    pub fn component_size(mut self, bytes: u64) -> Self {
        self.component_size = bytes;
        self
    }

    /// Reads, compiles and links the component, and asks it for its tools, within the default [`Limits`] and with no
    /// authority.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, is not a component, asks for imports that this host does not
    /// have (all of them are listed), does not export the tools, or reaches a limit of loading; and where what it says
    /// of its tools is beyond a bound of [`Definition`] (the message names the tool, the reason and the bound), or it
    /// does not say it.
    pub fn load(self) -> Result<PodTools, LoadError> {
        self.within_time(Self::load_here)
    }

    /// What the component imports and exports. It is compiled, or only read where it is of a form that this host has no
    /// use for (asynchronous functions); nothing of it is run.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, is not a component, or reaches a limit of loading.
    pub fn inspect(self) -> Result<Inspection, LoadError> {
        self.within_time(|this| {
            let deadline = Instant::now() + this.load_time;
            let (name, binary) = this.read()?;
            match this.compile(&name, &binary, deadline) {
                Ok((engine, component)) => Ok(component::inspect(&engine, &component, &binary)),
                Err(error @ LoadError::NotAComponent { .. }) => {
                    component::inspect_binary(&binary).ok_or(error)
                }
                Err(error) => Err(error),
            }
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
            Source::Bytes(_) => self.component_name.clone(),
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

    fn compile(
        &self,
        name: &str,
        binary: &[u8],
        deadline: Instant,
    ) -> Result<(Engine, Component), LoadError> {
        let cache = self.cache_dir.as_deref().and_then(Cache::open);
        // What this library brings along harms nobody.
        let compiler = self.compiler.as_ref().filter(|_| !matches!(self.component, Source::Bundled));
        let compile = |engine: &Engine, execution| match compiler {
            Some(compiler) => compiler.compile(
                name,
                binary,
                (engine, execution, self.concurrent_calls),
                (deadline, self.load_time),
            ),
            None => component::compile(name, binary, engine),
        };
        let new_engine = |execution| engine::new(execution, self.concurrent_calls);
        component::find_or_compile(binary, self.interpreted, cache.as_ref(), new_engine, compile)
    }

    fn load_here(self) -> Result<PodTools, LoadError> {
        let deadline = Instant::now() + self.load_time;
        let (name, binary) = self.read()?;
        let (engine, component) = self.compile(&name, &binary, deadline)?;
        component::check(&engine, &component, &name, &binary)?;
        let instances = Instances::of(&component, &engine, &name, self.concurrent_calls)?;
        let definitions = definitions(&instances, deadline.saturating_duration_since(Instant::now()))
            .map_err(|error| LoadError::Refused { name, error })?;
        Ok(PodTools { instances, definitions, component: binary, digest: OnceLock::new() })
    }
}

/// What the plugin says of its tools. To be called on a thread that runs no futures.
fn definitions(instances: &Instances, time: Duration) -> Result<Vec<Definition>, ToolError> {
    let defaults = Limits::default();
    // Who has given up on it does not leave it computing for longer.
    let limits = Limits { transfer: DEFINITIONS, cpu_time: defaults.cpu_time.min(time), ..defaults };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = runtime.map_err(|error| ToolError::internal(error.to_string()))?.block_on(async {
        let nothing = Authority::builder().limits(limits).build();
        let nothing = nothing.map_err(|error| ToolError::internal(error.to_string()))?;
        let work = instances
            .run(&nothing, async |plugin, store| plugin.pod_tools_tools().call_definitions(store).await);
        work.await.map(|(given, _)| given)
    });
    definition::parse(asked?)
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
            component_name: UNNAMED.to_owned(),
            cache_dir: cache::default_directory(),
            concurrent_calls: 128,
            interpreted: false,
            compiler: None,
            load_time: Duration::from_secs(30),
            component_size: 32 << 20,
        }
    }

    /// The SHA-256 of the component's binary, in lower-case hexadecimal digits: which plugin it was, for logs.
    pub fn component_sha256(&self) -> &str {
        self.digest.get_or_init(|| cache::digest(&self.component))
    }

    /// The component's binary, as it was loaded.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// What a component file imports and exports; the bundled one for `None`. Nothing of it is run.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read or is not a component.
    pub fn inspect(path: Option<&Path>) -> Result<Inspection, LoadError> {
        path.map_or_else(Self::builder, |path| Self::builder().component_file(path)).inspect()
    }

    /// The tools that the plugin offers, in its order. Asked for and checked when it was loaded.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
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
            .instances
            .run(authority, async |plugin, store| {
                plugin.pod_tools_tools().call_call(store, tool, input).await
            })
            .await?;
        let handed = ctx.take_content();
        let output = answer
            .map_err(|error| answer::failure(error, authority))
            .and_then(|output| Output::new(output, handed, 1, authority))
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
            .instances
            .run(authority, async |plugin, store| plugin.pod_tools_tools().call_transcript(store, pod).await)
            .await?;
        transcript
            .map_err(|error| answer::failure(error, authority))
            .and_then(|document| Document::new(document, authority))
            .map_err(|error| authority.parts().explain(error))
    }
}

impl std::fmt::Debug for PodTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PodTools").finish_non_exhaustive()
    }
}
