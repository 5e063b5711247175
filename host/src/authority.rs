//! Authority: everything that a plugin was given. What is not in here it cannot reach.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::{DirectoryError, GrantedDirectories, GrantedDirectory};
use crate::error::{ErrorKind, ToolError};
use crate::grants::{Grant, Grants};
use crate::limits::Limits;
use crate::registry::{FileRegistry, MemoryRegistry, Registry, RegistryError};
use crate::scope::ScopeLock;

/// What a plugin may reach: pods of a registry, sockets beneath directories, verbs, and within what limits.
///
/// Cheap to clone; a clone is the same authority. To change grants, build another one: a call keeps the
/// authority that it was started with.
#[derive(Clone)]
pub struct Authority(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) directories: GrantedDirectories,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) registry: Box<dyn Registry>,
    pub(crate) scope_lock: Option<ScopeLock>,
}

impl Authority {
    /// A builder of an authority that allows nothing: no directory, no verb, no pod, no scope lock.
    pub fn builder() -> AuthorityBuilder {
        AuthorityBuilder::default()
    }

    /// The limits of calls with this authority.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The grants of this authority.
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.0
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("directories", &self.0.directories)
            .field("grants", &self.0.grants)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

/// An authority that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A directory cannot be opened.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The registry's directory cannot be opened.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<AuthorityError> for ToolError {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Directory(error) => {
                Self::new(ErrorKind::ExecutionFailed, None, error.to_string())
            }
            AuthorityError::Registry(error) => error.into(),
        }
    }
}

/// Builds an [`Authority`]. Deny by default: each method adds one thing.
#[derive(Default)]
pub struct AuthorityBuilder {
    directories: Vec<PathBuf>,
    grants: Grants,
    limits: Limits,
    registry: Option<Box<dyn Registry>>,
    runtime_dir: Option<PathBuf>,
    scope_lock: Option<PathBuf>,
}

impl AuthorityBuilder {
    /// Allows sockets that lie beneath `directory`. Default: none.
    #[must_use]
    pub fn allow_sockets(mut self, directory: impl AsRef<Path>) -> Self {
        self.directories.push(directory.as_ref().to_owned());
        self
    }

    /// Adds a grant. Default: none. Grants only add.
    #[must_use]
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grants.add(grant);
        self
    }

    /// Sets the limits. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes the pods from `spawned_pods.json` in a spawner's runtime directory, and keeps read cursors
    /// beside it.
    #[must_use]
    pub fn runtime_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.runtime_dir = Some(directory.as_ref().to_owned());
        self
    }

    /// Takes the pods from `registry`, in place of a runtime directory. Default: there are no pods.
    #[must_use]
    pub fn registry(mut self, registry: impl Registry + 'static) -> Self {
        self.registry = Some(Box::new(registry));
        self
    }

    /// Releases scope in the table at `path`. Default: there is no table, and nothing to release.
    #[must_use]
    pub fn scope_lock(mut self, path: impl AsRef<Path>) -> Self {
        self.scope_lock = Some(path.as_ref().to_owned());
        self
    }

    /// Opens what was named, and gives the authority.
    ///
    /// # Errors
    ///
    /// Fails where a directory does not exist or cannot be opened; the error names it.
    pub fn build(self) -> Result<Authority, AuthorityError> {
        let registry = match (self.registry, self.runtime_dir) {
            (Some(registry), _) => registry,
            (None, Some(directory)) => Box::new(FileRegistry::open(&directory)?),
            (None, None) => Box::new(MemoryRegistry::new()),
        };
        let mut directories = GrantedDirectories::default();
        for path in &self.directories {
            directories.add(GrantedDirectory::open(path)?);
        }
        Ok(Authority(Arc::new(Parts {
            directories,
            grants: self.grants,
            limits: self.limits,
            registry,
            scope_lock: self.scope_lock.map(ScopeLock::new),
        })))
    }
}
