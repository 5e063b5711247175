//! Which component is loaded, and within what limits.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser as _};

use pod_tools_host::{Compiler, PodTools, PodToolsBuilder, ToolError};

use super::remedy::explained;
use crate::artifacts::{ArtifactError, Bounds, Registry, Source, Trust};
use crate::units::{bytes, duration};

/// The word behind the program's name that makes it the compiler of a component.
pub const COMPILER: &str = "component-compiler";

/// As it is given.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Loading {
    /// A WebAssembly component to load in place of the bundled one: a file, or what a registry has by a digest,
    /// oci://REGISTRY/REPOSITORY@sha256:DIGEST (`pod-tools pull` prints it). The digest is what counts: any mirror
    /// will do, and a tag before it is for people to read
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_COMPONENT",
        value_name = "FILE|REF",
        value_parser = OsStringValueParser::new().try_map(source),
        help_heading = "Where things are"
    )]
    pub component: Option<Source>,

    /// Take no component that is not signed by this public key (ECDSA over P-256, in PEM), but for the bundled one,
    /// which is part of this program. The signature comes along from a registry; that of a file is in FILE.sig
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_VERIFY_KEY",
        value_name = "FILE",
        help_heading = "Which components are believed"
    )]
    pub verify_key: Option<PathBuf>,

    /// The same where no key is given: then no component is taken but the bundled one
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_REQUIRE_SIGNATURE",
        value_parser = FalseyValueParser::new(),
        help_heading = "Which components are believed"
    )]
    pub require_signature: bool,

    /// A registry that is spoken to without TLS: HOST or HOST:PORT; repeatable. What is sent there can be read on the
    /// way, passwords too. Registries of this machine (localhost, 127.0.0.1, ::1) need no such word
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_PLAIN_HTTP",
        value_name = "HOST",
        value_delimiter = ',',
        help_heading = "Which components are believed"
    )]
    pub plain_http: Vec<Registry>,

    /// Time in which a component is read, compiled and checked, and before that, in which it is had from a registry.
    /// Once it is compiled, its code is kept in the compilation cache [default: 30s]
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

/// As [`pod_tools_host::PodToolsBuilder`] has them.
const LOAD_TIME: Duration = Duration::from_secs(30);
const MAX_COMPONENT: u64 = 32 << 20;

fn source(text: OsString) -> Result<Source, String> {
    Source::parse(text)
}

impl Loading {
    /// The same with another component, if one is named.
    pub fn of(&self, component: Option<&Source>) -> Self {
        let component = component.or(self.component.as_ref()).cloned();
        Self { component, ..self.clone() }
    }

    /// How much is taken from a registry.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            plain_http: self.plain_http.clone(),
            time: self.load_timeout.unwrap_or(LOAD_TIME),
            component: self.max_component.unwrap_or(MAX_COMPONENT),
        }
    }

    /// Whose signatures count.
    pub fn trust(&self) -> Result<Trust, ArtifactError> {
        Trust::new(self.verify_key.as_deref(), self.require_signature)
    }

    /// What loads it. A component out of a registry is here by then.
    pub fn builder(&self) -> Result<PodToolsBuilder, ToolError> {
        let mut builder = PodTools::builder();
        if let Some(source) = &self.component {
            let mut compiler = Compiler::new(own_program(), [COMPILER]);
            if let Some(bytes) = self.compiler_memory {
                compiler = compiler.memory(bytes);
            }
            let trust = self.trust()?;
            builder = match source {
                Source::File(file) if !trust.asks() => builder.component_file(file),
                // What was checked is what is loaded.
                _ => {
                    let believed = source.read(&self.bounds(), &trust)?;
                    builder.component_bytes(believed.bytes).component_name(believed.name)
                }
            };
            builder = builder.compiler(compiler);
        }
        if let Some(time) = self.load_timeout {
            builder = builder.load_time(time);
        }
        if let Some(bytes) = self.max_component {
            builder = builder.component_size(bytes);
        }
        Ok(builder)
    }

    /// The plugin for one call at a time. What it is known to need is a place in a pool of one, which is made in a
    /// fraction of the time; a component of somebody else's may need more than the share of one call.
    pub fn load_for_one(&self) -> Result<PodTools, ToolError> {
        let builder = self.builder()?;
        let builder = if self.component.is_none() { builder.concurrent_calls(1) } else { builder };
        builder.load().map_err(explained)
    }

    /// The plugin.
    pub fn load(&self) -> Result<PodTools, ToolError> {
        self.builder()?.load().map_err(explained)
    }
}

/// This very program, also where its file has been replaced meanwhile.
fn own_program() -> PathBuf {
    let by_path = || std::env::current_exe().unwrap_or_default();
    if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { by_path() }
}
