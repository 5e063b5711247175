//! Read cursors within a call: what the registry holds, and what the call has staged to take its place.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::cpu_clock::CpuClock;
use super::host_error::HostResult;
use super::memory::MemoryAccount;
use super::wait::{Wait, patiently};
use crate::authority::Authority;
use crate::error::ToolError;
use crate::escape::Escaped;
use crate::registry::{Reader, Registry, StoredCursor};

/// What an entry costs beside its texts: two nodes of trees, and room for a staged digest.
const ENTRY: usize = 512;

/// The cursors that a call has asked for or staged, by pod.
#[derive(Debug)]
pub(super) struct CallCursors {
    /// Whose they are.
    reader: Option<Reader>,
    /// What the registry held when the call first asked for it.
    found: BTreeMap<String, Option<StoredCursor>>,
    staged: BTreeMap<String, StagedCursor>,
    /// Where what is held for a pod is counted, once.
    memory: MemoryAccount,
}

#[derive(Debug)]
struct StagedCursor {
    base: Option<StoredCursor>,
    new: StoredCursor,
}

impl CallCursors {
    /// Those of that reader.
    pub(super) fn of(reader: Option<Reader>, memory: MemoryAccount) -> Self {
        Self { reader, found: BTreeMap::new(), staged: BTreeMap::new(), memory }
    }

    /// The cursor of a pod, as the call sees it: staged, or stored.
    pub(super) fn get(&mut self, registry: &dyn Registry, pod: &str) -> HostResult<Option<StoredCursor>> {
        match self.staged.get(pod) {
            Some(staged) => Ok(Some(staged.new.clone())),
            None => self.stored(registry, pod),
        }
    }

    /// Stages a cursor, to take the place of the one that the call found: another reader may move that one
    /// meanwhile.
    pub(super) fn stage(&mut self, registry: &dyn Registry, pod: &str, new: StoredCursor) -> HostResult<()> {
        let base = self.stored(registry, pod)?;
        self.staged.insert(pod.to_owned(), StagedCursor { base, new });
        Ok(())
    }

    /// Forgets what was staged for a pod.
    pub(super) fn drop_staged(&mut self, pod: &str) {
        self.staged.remove(pod);
    }

    /// What was staged, to be stored with that authority: nothing where that only looks.
    pub(super) fn take_staged(&mut self, authority: &Authority) -> Staged {
        let staged = std::mem::take(&mut self.staged);
        let cursors = if authority.peeks() { BTreeMap::new() } else { staged };
        Staged(Kept::Here { authority: authority.clone(), cursors })
    }

    fn stored(&mut self, registry: &dyn Registry, pod: &str) -> HostResult<Option<StoredCursor>> {
        if let Some(found) = self.found.get(pod) {
            return Ok(found.clone());
        }
        let stored = registry.cursor(self.reader.as_ref(), pod)?;
        let digest = stored.as_ref().map_or(0, |cursor| cursor.digest.len());
        self.memory.take(2 * (pod.len() + digest) + ENTRY).map_err(wasmtime::Error::from)?;
        self.found.insert(pod.to_owned(), stored.clone());
        Ok(stored)
    }
}

/// Read cursors that a call has staged. Dropped, they are forgotten, and the next read gives the same text
/// again; [`store`](Self::store) keeps them.
#[must_use = "cursors are kept only by `store`, once the answer has been delivered"]
pub struct Staged(Kept);

/// Where the cursors are.
enum Kept {
    /// In this process.
    Here { authority: Authority, cursors: BTreeMap<String, StagedCursor> },
    /// With whoever has answered; and how it is told that its answer was delivered.
    Elsewhere(Vec<Commit>),
}

/// Tells whoever has answered a call that its answer was delivered.
pub type Commit = Box<dyn FnOnce() -> CommitDone + Send + Sync>;

/// Resolves when it has stored the cursors, or to why it has not.
pub type CommitDone = Pin<Box<dyn Future<Output = Result<(), ToolError>> + Send>>;

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kept::Here { cursors, .. } => f.debug_struct("Staged").field("cursors", cursors).finish(),
            Kept::Elsewhere(commits) => f.debug_struct("Staged").field("elsewhere", &commits.len()).finish(),
        }
    }
}

impl Staged {
    /// What calls that were answered elsewhere have staged there.
    pub fn elsewhere(commits: Vec<Commit>) -> Self {
        Self(Kept::Elsewhere(commits))
    }

    /// Whether there is anything to store.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Kept::Here { cursors, .. } => cursors.is_empty(),
            Kept::Elsewhere(commits) => commits.is_empty(),
        }
    }

    /// Stores the cursors. To be called once the caller of the tool has been given the answer.
    ///
    /// # Errors
    ///
    /// Fails where the registry's files cannot be written or stay locked; then the text that was delivered
    /// is given again by the next read.
    pub async fn store(self) -> Result<(), ToolError> {
        match self.0 {
            Kept::Here { cursors, .. } if cursors.is_empty() => Ok(()),
            Kept::Here { authority, cursors } => {
                let length = authority.parts().limits.operation_time;
                let wait = Wait { length, until: Instant::now() + length };
                patiently(&CpuClock::new(), wait, move |wait| store_within(&authority, &cursors, wait)).await
            }
            Kept::Elsewhere(commits) => {
                let mut done = Ok(());
                for commit in commits {
                    done = done.and(commit().await);
                }
                done
            }
        }
    }
}

fn store_within(
    authority: &Authority,
    cursors: &BTreeMap<String, StagedCursor>,
    wait: Duration,
) -> Result<(), ToolError> {
    let parts = authority.parts();
    for (pod, StagedCursor { base, new }) in cursors {
        let reader = authority.reader();
        parts.registry.set_cursor(reader, pod, base.as_ref(), new.clone(), wait).map_err(|error| {
            let error = parts.explain(error.into());
            let message = format!(
                "the read cursor of pod `{}` was not stored, its text will be given again: {}",
                Escaped(pod),
                error.message
            );
            ToolError { message, ..error }
        })?;
    }
    Ok(())
}
