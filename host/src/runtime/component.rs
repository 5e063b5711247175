//! Loading a component: from the library itself or from a file, and what it would need.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use wasmtime::Engine;
use wasmtime::component::{Component, types::ComponentItem};

use super::cache::Cache;
use super::engine::Execution;
use super::inside::{self, Inside};
use super::load_error::LoadError;
use super::outline;
use crate::escape::Escaped;

/// The component that the build of this library compiled from the guest crate.
pub const BUNDLED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_guest.wasm"));

/// The interfaces that this host links, without their versions; all of a package's 0.2 or 0.1 are alike.
const PROVIDED: &[(&str, &str)] = &[
    ("pod:tools/types", "0.1."),
    ("pod:tools/pods", "0.1."),
    ("pod:tools/unix-socket", "0.1."),
    ("pod:tools/scope-lock", "0.1."),
    ("pod:tools/content", "0.1."),
    ("wasi:io/error", "0.2."),
    ("wasi:io/poll", "0.2."),
    ("wasi:io/streams", "0.2."),
    ("wasi:clocks/wall-clock", "0.2."),
    ("wasi:clocks/monotonic-clock", "0.2."),
    ("wasi:random/random", "0.2."),
    ("wasi:random/insecure", "0.2."),
    ("wasi:random/insecure-seed", "0.2."),
    ("wasi:filesystem/types", "0.2."),
    ("wasi:filesystem/preopens", "0.2."),
    ("wasi:cli/exit", "0.2."),
    ("wasi:cli/environment", "0.2."),
    ("wasi:cli/stdin", "0.2."),
    ("wasi:cli/stdout", "0.2."),
    ("wasi:cli/stderr", "0.2."),
    ("wasi:cli/terminal-input", "0.2."),
    ("wasi:cli/terminal-output", "0.2."),
    ("wasi:cli/terminal-stdin", "0.2."),
    ("wasi:cli/terminal-stdout", "0.2."),
    ("wasi:cli/terminal-stderr", "0.2."),
];

/// What the host calls a component for.
const REQUIRED_EXPORT: &str = "pod:tools/tools";

/// A component's import or export.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Interface {
    /// Its name, with version.
    pub name: String,
    /// The functions in it, if it is an interface, in the component's order.
    pub functions: Vec<String>,
    /// Whether this host has it (an import) or calls it (an export).
    pub known: bool,
}

/// What a component imports and exports, found without running it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Size of the component, in bytes.
    pub bytes: usize,
    /// What it asks of its host.
    pub imports: Vec<Interface>,
    /// What it offers.
    pub exports: Vec<Interface>,
    /// The components of which it is composed, in its order; of a component that is none, none.
    pub components: Vec<Inside>,
}

/// Reads a component file of at most so many bytes. A file: what waits for a writer, or has no end, is none.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let read = || {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })
}

/// Refuses what has more bytes.
pub(super) fn check_size(name: &str, bytes: &[u8], limit: u64) -> Result<(), LoadError> {
    if bytes.len() as u64 > limit {
        return Err(LoadError::TooLarge { name: name.to_owned(), limit });
    }
    Ok(())
}

/// Finds a component in the cache, or has it compiled, for an engine that `engine` makes: to code that is interpreted if
/// it is to be `interpreted`, or if this system forbids new executable memory.
pub(super) fn find_or_compile(
    bytes: &[u8],
    interpreted: bool,
    cache: Option<&Cache>,
    engine: impl Fn(Execution) -> wasmtime::Result<Engine>,
    compile: impl Fn(&Engine, Execution) -> Result<Compiled, LoadError>,
) -> Result<(Engine, Component), LoadError> {
    let mut execution = if interpreted { Execution::Interpreted } else { Execution::Native };
    loop {
        let engine = engine(execution).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        if let Some(component) = cache.and_then(|cache| cache.load(&engine, bytes)) {
            return Ok((engine, component));
        }
        match compile(&engine, execution)? {
            Compiled::Component(component) => {
                if let Some(cache) = cache {
                    cache.store(&engine, bytes, &component);
                }
                return Ok((engine, component));
            }
            Compiled::NotExecutable(error) if execution == Execution::Native => {
                tracing::warn!(
                    "this system forbids new executable memory, so the plugin is interpreted, which is slower \
                     ({error:#}); to have it compiled, allow such memory to this program: \
                     MemoryDenyWriteExecute=no in its systemd unit, `execmem` in its SELinux domain, or no \
                     PR_SET_MDWE in what starts it"
                );
                execution = Execution::Interpreted;
            }
            Compiled::NotExecutable(error) => return Err(LoadError::Engine(format!("{error:#}"))),
        }
    }
}

/// What has come of a component.
pub(super) enum Compiled {
    Component(Component),
    /// Its code is there, and cannot be made executable.
    NotExecutable(wasmtime::Error),
}

/// Compiles a component in this process.
pub(super) fn compile(name: &str, bytes: &[u8], engine: &Engine) -> Result<Compiled, LoadError> {
    made(name, Component::from_binary(engine, bytes))
}

/// A component that was to be made of a binary, or of code.
pub(super) fn made(name: &str, made: wasmtime::Result<Component>) -> Result<Compiled, LoadError> {
    match made {
        Ok(component) => Ok(Compiled::Component(component)),
        Err(error) if is_without_executable_memory(&error) => Ok(Compiled::NotExecutable(error)),
        Err(error) => Err(LoadError::NotAComponent { name: name.to_owned(), detail: format!("{error:#}") }),
    }
}

/// Whether a component could not be compiled because of a policy of the system: the memory that holds its code could
/// not be made executable. Compiling a binary that is there asks the system for nothing else that may be forbidden.
fn is_without_executable_memory(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(&(Errno::ACCESS | Errno::PERM)))
}

/// Checks that this host has what a component asks for, and that it is a plugin.
pub(super) fn check(
    engine: &Engine,
    component: &Component,
    name: &str,
    binary: &[u8],
) -> Result<(), LoadError> {
    let found = inspect(engine, component, binary);
    let missing: Vec<String> =
        found.imports.into_iter().filter(|import| !import.known).map(|import| import.name).collect();
    if !missing.is_empty() {
        return Err(LoadError::MissingImports { name: name.to_owned(), imports: missing });
    }
    if !found.exports.iter().any(|export| export.known) {
        return Err(LoadError::WrongShape {
            name: name.to_owned(),
            detail: format!("it does not export {REQUIRED_EXPORT}"),
        });
    }
    // Otherwise the first call makes it, and fails if the process is out of descriptors by then.
    component
        .initialize_copy_on_write_image()
        .map_err(|error| LoadError::Engine(format!("the memory image cannot be made: {error:#}")))
}

pub(super) fn inspect(engine: &Engine, component: &Component, binary: &[u8]) -> Inspection {
    let ty = component.component_type();
    let item = |name: &str, item: &ComponentItem| (name.to_owned(), functions(engine, item));
    let imports = ty.imports(engine).map(|(name, import)| item(name, &import.ty)).collect();
    let exports = ty.exports(engine).map(|(name, export)| item(name, &export.ty)).collect();
    inspection(imports, exports, binary)
}

/// What [`inspect`] gives of a component that cannot be compiled, because this host has no use for what it is made of;
/// `None` where the binary is no component either.
pub(super) fn inspect_binary(binary: &[u8]) -> Option<Inspection> {
    outline::read(binary).map(|(imports, exports)| inspection(imports, exports, binary))
}

fn inspection(imports: Vec<outline::Item>, exports: Vec<outline::Item>, binary: &[u8]) -> Inspection {
    let interfaces = |items: Vec<outline::Item>, is_known: fn(&str) -> bool| {
        let interfaces = items.iter().map(|(name, functions)| Interface {
            name: Escaped(name).to_string(),
            functions: functions.iter().map(|name| Escaped(name).to_string()).collect(),
            known: is_known(name),
        });
        interfaces.collect()
    };
    Inspection {
        bytes: binary.len(),
        imports: interfaces(imports, is_provided),
        exports: interfaces(exports, |name| versioned(name) == (REQUIRED_EXPORT, "0.1.0")),
        components: inside::components(binary),
    }
}

fn functions(engine: &Engine, item: &ComponentItem) -> Vec<String> {
    match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentFunc(_)))
            .map(|(name, _)| name.to_owned())
            .collect(),
        _ => Vec::new(),
    }
}

fn is_provided(import: &str) -> bool {
    let (name, version) = versioned(import);
    PROVIDED.iter().any(|&(provided, versions)| name == provided && version.starts_with(versions))
}

fn versioned(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}
