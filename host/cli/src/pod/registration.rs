//! What others know of the pod: its entry in the scope lock and its record in the spawner's registry. Each is
//! a guard that takes back what it has entered, once.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use pod_tools_host::registry::{FileRegistry, Record, Registry};
use pod_tools_host::scope::{
    Allocation, Evidence, Holder, LifeCheck, LifeLock, RegisterError, ScopeLock, ScopeRule, Table,
    TransactError,
};

use super::directory::{LEFTOVER_WAIT, PAUSE};
use super::name::PodName;
use crate::options::remedy::explained;

/// How long to wait for the scope lock, and for the registry's.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// An entry in the scope lock. It is released when this is dropped.
#[derive(Debug)]
pub struct Allocated {
    lock: ScopeLock,
    name: PodName,
    holder: Holder,
    /// Held as long as the entry is there, and by the command as long as that runs.
    _life: LifeLock,
    released: bool,
}

impl Allocated {
    /// Enters the pod with its rules, after the entries of dead pods have been released. It is a child
    /// of the spawner where the spawner has an entry, and then its rules must lie within the spawner's.
    ///
    /// Fails when the name is in the table, and on a conflict, naming the holder.
    pub fn enter(
        lock: ScopeLock,
        spawner: Option<&str>,
        name: &PodName,
        socket: &Path,
        rules: &[ScopeRule],
        (holder, life): (Holder, LifeLock),
    ) -> anyhow::Result<Allocated> {
        let enter = || {
            lock.transact(LOCK_WAIT, |table, check| {
                table.reclaim_stale(|entry| check.of(entry).is_gone());
                let delegated_from =
                    spawner.filter(|spawner| table.get(spawner).is_some()).map(str::to_owned);
                let registered = table.register(Allocation {
                    pod_name: name.as_str().to_owned(),
                    pid: std::process::id().into(),
                    socket: socket.to_owned(),
                    scope_allow: rules.to_vec(),
                    delegated_from,
                    holder: Some(holder.clone()),
                });
                registered.map_err(|error| InTheWay::new(error, table, check))
            })
        };
        let deadline = Instant::now() + LEFTOVER_WAIT;
        let entered = loop {
            match enter() {
                Err(TransactError::Refused(refusal)) if refusal.may_go() && Instant::now() < deadline => {
                    std::thread::sleep(PAUSE);
                }
                entered => break entered,
            }
        };
        entered.map_err(reason).with_context(|| format!("cannot register pod `{name}`"))?;
        Ok(Allocated { lock, name: name.clone(), holder, _life: life, released: false })
    }

    /// Releases the entry. It may be gone already: StopPod releases it too.
    pub fn release(&mut self) -> anyhow::Result<()> {
        if std::mem::replace(&mut self.released, true) {
            return Ok(());
        }
        let released = self.lock.transact(LOCK_WAIT, |table, _| {
            let name = self.name.as_str();
            let is_own = |entry: &Allocation| match &entry.holder {
                Some(holder) => *holder == self.holder,
                // A program that does not know what a holder is has rewritten the entry.
                None => entry.pid == i64::from(std::process::id()),
            };
            if table.get(name).is_some_and(is_own) {
                table.release(name);
            }
            Ok::<_, std::convert::Infallible>(())
        });
        released.map_err(reason).with_context(|| {
            format!("cannot release the scope of pod `{}`; it counts as stale from now on", self.name)
        })
    }
}

/// Why the pod was not entered, and by what the pod lives that is in its way.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", .evidence.as_ref().map(|evidence| format!("; {evidence}")).unwrap_or_default())]
struct InTheWay {
    error: Box<RegisterError>,
    evidence: Option<Evidence>,
}

impl InTheWay {
    /// What is in the way has lost its pod, and may be about to end.
    fn may_go(&self) -> bool {
        self.evidence.as_ref().is_some_and(Evidence::is_leftover)
    }

    fn new(error: RegisterError, table: &Table, check: &LifeCheck<'_>) -> InTheWay {
        let holder = match &error {
            RegisterError::NameTaken { name: holder, .. } | RegisterError::Conflict { holder, .. } => {
                table.get(holder)
            }
            _ => None,
        };
        let evidence = holder.and_then(|holder| check.of(holder).evidence().cloned());
        InTheWay { error: Box::new(error), evidence }
    }
}

/// Why the table was not changed, with the remedy.
fn reason<E: std::error::Error + Send + Sync + 'static>(error: TransactError<E>) -> anyhow::Error {
    match error {
        TransactError::Lock(error) => explained(error).into(),
        TransactError::Refused(refusal) => refusal.into(),
    }
}

impl Drop for Allocated {
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            tracing::warn!("{error:#}");
        }
    }
}

/// A record in the spawner's registry. It is removed when this is dropped.
#[derive(Debug)]
pub struct Recorded {
    registry: FileRegistry,
    record: Record,
    removed: bool,
}

impl Recorded {
    /// Adds the record, in the place of one that a dead pod of the same name and socket left. Fails when the
    /// spawner knows another pod of that name.
    pub fn add(registry: FileRegistry, record: Record) -> anyhow::Result<Recorded> {
        let add = || {
            registry.remove(&record, LOCK_WAIT).map_err(explained)?;
            if let Some(other) = registry.load().map_err(explained)?.get(&record.pod_name) {
                bail!(
                    "`{}` names a pod at `{}` already; choose another name, or stop that pod",
                    registry.path().display(),
                    other.socket_path.display()
                );
            }
            Ok(registry.add(&record, LOCK_WAIT).map_err(explained)?)
        };
        add().with_context(|| format!("cannot record pod `{}`", record.pod_name))?;
        Ok(Recorded { registry, record, removed: false })
    }

    /// Removes the record. It may be gone already, and so may the spawner and its directory.
    pub fn remove(&mut self) -> anyhow::Result<()> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        match self.registry.remove(&self.record, LOCK_WAIT) {
            Err(error) if self.registry.path().exists() => Err(explained(error))
                .with_context(|| format!("cannot remove the record of pod `{}`", self.record.pod_name)),
            _ => Ok(()),
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!("{error:#}");
        }
    }
}
