//! Which component is loaded, and within what limits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pod_tools_host::{Compiler, PodTools, PodToolsBuilder, ToolError};

use super::remedy::explained;
use crate::units::{bytes, duration};

/// The word behind the program's name that makes it the compiler of a component.
pub const COMPILER: &str = "component-compiler";

/// As it is given.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Loading {
    /// A WebAssembly component to load in place of the bundled one: a file
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_COMPONENT",
        value_name = "FILE",
        help_heading = "Where things are"
    )]
    pub component: Option<PathBuf>,

    /// Time in which a component is read, compiled and checked. Once it is compiled, its code is kept in the
    /// compilation cache [default: 30s]
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_LOAD_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Limits of loading"
    )]
    pub load_timeout: Option<Duration>,

    /// Bytes of a component [default: 32MiB]
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_MAX_COMPONENT",
        value_name = "BYTES",
        value_parser = bytes,
        help_heading = "Limits of loading"
    )]
    pub max_component: Option<u64>,

    /// Memory of the process in which a component is compiled, in bytes [default: 1GiB]
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_COMPILER_MEMORY",
        value_name = "BYTES",
        value_parser = bytes,
        help_heading = "Limits of loading"
    )]
    pub compiler_memory: Option<u64>,
}

impl Loading {
    /// The same with another file, if one is named.
    pub fn of(&self, file: Option<&Path>) -> Self {
        let component = file.map(Path::to_owned).or_else(|| self.component.clone());
        Self { component, ..self.clone() }
    }

    /// What loads it.
    pub fn builder(&self) -> PodToolsBuilder {
        let mut builder = PodTools::builder();
        if let Some(file) = &self.component {
            let mut compiler = Compiler::new(own_program(), [COMPILER]);
            if let Some(bytes) = self.compiler_memory {
                compiler = compiler.memory(bytes);
            }
            builder = builder.component_file(file).compiler(compiler);
        }
        if let Some(time) = self.load_timeout {
            builder = builder.load_time(time);
        }
        if let Some(bytes) = self.max_component {
            builder = builder.component_size(bytes);
        }
        builder
    }

    /// The plugin for one call at a time. What it is known to need is a place in a pool of one, which is made in a
    /// fraction of the time; a component of somebody else's may need more than the share of one call.
    pub fn load_for_one(&self) -> Result<PodTools, ToolError> {
        let builder = self.builder();
        let builder = if self.component.is_none() { builder.concurrent_calls(1) } else { builder };
        builder.load().map_err(explained)
    }

    /// The plugin.
    pub fn load(&self) -> Result<PodTools, ToolError> {
        self.builder().load().map_err(explained)
    }
}

/// This very program, also where its file has been replaced meanwhile.
fn own_program() -> PathBuf {
    let by_path = || std::env::current_exe().unwrap_or_default();
    if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { by_path() }
}
