//! Why a component cannot be used.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{ErrorKind, Setting, ToolError};

/// A component that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the component {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It has more bytes than [`component_size`](crate::PodToolsBuilder::component_size).
    #[error("{name} has more than {limit} bytes, the most that a component may have")]
    TooLarge {
        /// The file, or what stands for it.
        name: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Its compiler needs more memory than [`Compiler::memory`](crate::Compiler::memory).
    #[error("{name} was not compiled within {limit} bytes of memory, the most that its compiler may take")]
    TookTooMuchMemory {
        /// The file, or what stands for it.
        name: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// It was not loaded within [`load_time`](crate::PodToolsBuilder::load_time).
    #[error(
        "{name} was not compiled and checked within {limit:?}, the time in which a component is to be loaded"
    )]
    TookTooLong {
        /// The file, or what stands for it.
        name: String,
        /// The limit.
        limit: Duration,
    },
    /// The bytes are no component.
    #[error("{name} is not a WebAssembly component: {detail}")]
    NotAComponent {
        /// The file, or what stands for it.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It asks for what this host does not have.
    #[error("{name} asks for imports that this host does not have: {}", imports.join(", "))]
    MissingImports {
        /// The file, or what stands for it.
        name: String,
        /// The imports, as the component names them.
        imports: Vec<String>,
    },
    /// It is another kind of component.
    #[error("{name} does not fit the contract: {detail}")]
    WrongShape {
        /// The file, or what stands for it.
        name: String,
        /// What does not fit.
        detail: String,
    },
    /// It does not say which tools it has, or not within the bounds of [`Definition`](crate::Definition).
    #[error("{name} is refused: {error}")]
    Refused {
        /// The file, or what stands for it.
        name: String,
        /// What is wrong with it.
        error: ToolError,
    },
    /// The engine cannot be set up in this process.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
}

impl From<LoadError> for ToolError {
    fn from(error: LoadError) -> Self {
        let (kind, setting) = match &error {
            LoadError::TooLarge { .. } => (ErrorKind::Limit, Some(Setting::ComponentSize)),
            LoadError::TookTooLong { .. } => (ErrorKind::Limit, Some(Setting::LoadTime)),
            LoadError::TookTooMuchMemory { .. } => (ErrorKind::Limit, Some(Setting::CompilerMemory)),
            // It was asked with limits that nobody sets.
            LoadError::Refused { error, .. } => (error.kind, None),
            LoadError::Unreadable { .. } | LoadError::Engine(_) => (ErrorKind::ExecutionFailed, None),
            LoadError::NotAComponent { .. }
            | LoadError::MissingImports { .. }
            | LoadError::WrongShape { .. } => (ErrorKind::Internal, None),
        };
        let mut error = Self::new(kind, None, error.to_string());
        error.setting = setting;
        error
    }
}
