//! Authority: everything that a plugin was given. What is not in here it cannot reach.
//!
//! [`operation`] is the policy: every operation, and the verbs that allow it. [`grants`] decides by it, and words a
//! [denial]. [`limits`] and the [`ledger`] bound and record what a call does; [`answer_memory`] bounds what the answers
//! of many have together.

pub(crate) mod answer_memory;
mod denial;
pub(crate) mod grant;
pub(crate) mod grants;
pub(crate) mod ledger;
pub(crate) mod limits;
mod listed_names;
pub(crate) mod operation;
mod pattern;
pub(crate) mod pod_directory;
pub(crate) mod pod_events;
pub(crate) mod visible;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use self::answer_memory::AnswerShare;
use self::grant::{Grant, Verb};
use self::grants::Grants;
use self::ledger::{Decision, Ledger};
use self::limits::{LimitReached, Limits};
use self::operation::Operation;
use self::visible::{LastVisible, Visible};
use crate::error::{Remedy, ToolError};
use crate::registry::{FileRegistry, MemoryRegistry, Reader, Registry, RegistryError};
use crate::scope::ScopeLock;
use crate::sockets::directory::{DirectoryError, GrantedDirectories};

/// What a plugin may reach: pods of a registry, sockets beneath directories, verbs, and within what limits.
///
/// Cheap to clone; a clone is the same authority. To change grants, build another one: a call keeps the
/// authority that it was started with, but for what is revoked by one that
/// [`replaces`](AuthorityBuilder::replaces) it.
#[derive(Clone)]
pub struct Authority {
    parts: Arc<Parts>,
    ledger: Option<Ledger>,
    reader: Option<Reader>,
    peeks: bool,
    share: Option<AnswerShare>,
}

pub(crate) struct Parts {
    pub(crate) directories: Arc<GrantedDirectories>,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) registry: Box<dyn Registry>,
    pub(crate) scope_lock: Option<ScopeLock>,
    remedy: Option<Remedy>,
    /// What calls that began with this authority are held to as well.
    successor: Arc<Successor>,
    last_visible: LastVisible,
}

/// The grants of the newest of the authorities that have replaced one another; `None` where there is but one.
/// Shared by all of them.
type Successor = RwLock<Option<Arc<Grants>>>;

impl Parts {
    /// The verb that allows the operation, on the pod of that name where it is about one: by the grants that the
    /// call began with and, where those were replaced since, by the new ones too. Else the first verb that would
    /// have allowed it, and the error that says so.
    pub(crate) fn check(&self, operation: Operation, pod: Option<&str>) -> Result<Verb, (Verb, ToolError)> {
        let check = |grants: &Grants| {
            let allowed = grants.check(operation, pod);
            allowed.map_err(|denial| (denial.missing, denial.into()))
        };
        let verb = check(&self.grants)?;
        match self.successor() {
            Some(grants) => check(&grants),
            None => Ok(verb),
        }
    }

    /// The records of which a listing tells.
    pub(crate) fn visible(&self) -> Result<Arc<Visible>, RegistryError> {
        Ok(self.last_visible.of(self.registry.load()?, &self.grants, self.successor()))
    }

    /// The question of [`Authority::allows`].
    pub(crate) fn allows(&self, verb: Verb, pod: &str) -> bool {
        self.grants.allow_with(self.successor().as_deref(), verb, pod)
    }

    /// The error with the embedder's remedy for its setting, if it has given one.
    pub(crate) fn explain(&self, error: ToolError) -> ToolError {
        match self.remedy {
            Some(remedy) => error.with_remedy(remedy),
            None => error,
        }
    }

    fn successor(&self) -> Option<Arc<Grants>> {
        self.successor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Authority {
    /// A builder of an authority that allows nothing: no directory, no verb, no pod, no scope lock.
    pub fn builder() -> AuthorityBuilder {
        AuthorityBuilder::default()
    }

    /// The limits of calls with this authority.
    pub fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// The grants of this authority.
    pub fn grants(&self) -> &Grants {
        &self.parts.grants
    }

    /// Whether `verb` is allowed on the pod of that name: by the grants of this authority and, where
    /// [another one](AuthorityBuilder::replaces) has taken its place, by that one's too. This is what the gate
    /// decides by, and what to ask before a pod is shown, watched or told of outside of a call.
    pub fn allows(&self, verb: Verb, pod: &str) -> bool {
        self.parts.allows(verb, pod)
    }

    /// Whether an operation is allowed that is carried out elsewhere, on the pod of that name or on any for `None`: for who
    /// hands calls on to other machines. Noted in the ledger, as the gate notes what is carried out here.
    ///
    /// # Errors
    ///
    /// `denied`, with the grant that is missing.
    pub fn permits(&self, operation: Operation, pod: Option<&str>) -> Result<(), ToolError> {
        let decided = self.parts.check(operation, pod);
        if let Some(ledger) = &self.ledger {
            match &decided {
                Ok(verb) => ledger.note(operation, *verb, pod, Decision::Allowed),
                Err((missing, _)) => ledger.note(operation, *missing, pod, Decision::Denied),
            }
        }
        decided.map(drop).map_err(|(_, denied)| denied)
    }

    /// This authority, with an account of every call that is made with it kept in `ledger`.
    #[must_use]
    pub fn recorded_in(&self, ledger: &Ledger) -> Self {
        Self { ledger: Some(ledger.clone()), ..self.clone() }
    }

    /// This authority for calls of that reader: they begin to read where it has stopped, and move its cursors
    /// and no other's. The plugin neither learns of it nor can choose. Default: the reader without a name.
    #[must_use]
    pub fn read_by(&self, reader: Reader) -> Self {
        Self { reader: Some(reader), ..self.clone() }
    }

    /// This authority for calls that look and move no cursor: what they read will be given again.
    #[must_use]
    pub fn peeking(&self) -> Self {
        Self { peeks: true, ..self.clone() }
    }

    /// This authority for one call, whose answer is counted in that share as it grows. Where no more is to be had, the
    /// call fails with `limit`. Default: an answer is bounded by [`Limits`] alone.
    #[must_use]
    pub fn answered_within(&self, share: &AnswerShare) -> Self {
        Self { share: Some(share.clone()), ..self.clone() }
    }

    /// Who reads with it; `None`: the reader without a name.
    pub fn reader(&self) -> Option<&Reader> {
        self.reader.as_ref()
    }

    /// Counts bytes of an answer.
    pub(crate) fn count_answer(&self, bytes: usize) -> Result<(), LimitReached> {
        self.share.as_ref().map_or(Ok(()), |share| share.grow(bytes))
    }

    /// Whether calls with it look and move no cursor.
    pub fn peeks(&self) -> bool {
        self.peeks
    }

    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("directories", &self.parts.directories)
            .field("grants", &self.parts.grants)
            .field("limits", &self.parts.limits)
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
            AuthorityError::Directory(error) => error.into(),
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
    remedy: Option<Remedy>,
    replaced: Option<Arc<Parts>>,
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

    /// Says in which file the grants are written. A denial then quotes the line that is to be added to
    /// `grants` there, in place of naming the missing grant. The file is not read. Default: none.
    #[must_use]
    pub fn grants_file(mut self, path: impl AsRef<Path>) -> Self {
        self.grants.file = Some(path.as_ref().to_owned());
        self
    }

    /// Takes the place of an earlier authority. From [`build`](Self::build) on, calls that have begun with
    /// that one, or with one that it replaced, are held to these grants too: what is revoked is denied at
    /// their next request. They gain nothing by it, and keep their limits and directories; an exchange that
    /// is open already is read to its end. Default: no call but one's own is concerned.
    #[must_use]
    pub fn replaces(mut self, earlier: &Authority) -> Self {
        self.replaced = Some(earlier.parts.clone());
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

    /// Says how a person who reads an error changes the setting that it is about: the words follow the error's
    /// message. Default: nothing is said, and errors of the host itself have a
    /// [`setting`](crate::ToolError::setting) to go by.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
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
        let directories = Arc::new(GrantedDirectories::open_all(&self.directories)?);
        let successor = match self.replaced {
            None => Arc::default(),
            Some(replaced) => {
                let grants = Some(Arc::new(self.grants.clone()));
                *replaced.successor.write().unwrap_or_else(PoisonError::into_inner) = grants;
                replaced.successor.clone()
            }
        };
        let parts = Parts {
            scope_lock: self.scope_lock.map(|path| ScopeLock::new(path).asking(directories.clone())),
            directories,
            grants: self.grants,
            limits: self.limits,
            registry,
            remedy: self.remedy,
            successor,
            last_visible: LastVisible::default(),
        };
        Ok(Authority { parts: Arc::new(parts), ledger: None, reader: None, peeks: false, share: None })
    }
}
