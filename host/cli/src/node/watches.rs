//! Pods that callers on other machines watch: each is told by an event that his pod may have changed, for as long as he asks
//! for it and may read the pod.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pod_tools_host::{Authority, ErrorKind, Operation, ToolError, Verb};
use pod_tools_node::event::{LEASE, Publisher, Watched};
use pod_tools_node::request::is_nonce;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::callers::Callers;
use crate::watcher::{Subscription, Watcher};

/// A pod that changes without a pause is told of no more often.
const PAUSE: Duration = Duration::from_millis(200);
/// Watches of one caller.
const OF_A_CALLER: usize = 256;

/// All watches.
#[derive(Debug, Clone)]
pub struct Watches(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Who sees all pods here. What a caller may see is asked of the caller's authority, before each word.
    authority: Authority,
    /// Made when it is needed: most nodes are never asked.
    watcher: OnceLock<Watcher>,
    publisher: Publisher,
    callers: watch::Receiver<Callers>,
    stop: CancellationToken,
    /// By the caller's key and the watch's word.
    leases: Mutex<HashMap<(String, String), Lease>>,
}

#[derive(Debug)]
struct Lease {
    pod: String,
    until: Instant,
    count: u64,
}

impl Watches {
    pub fn new(
        authority: Authority,
        publisher: Publisher,
        callers: watch::Receiver<Callers>,
        stop: CancellationToken,
    ) -> Self {
        let (watcher, leases) = (OnceLock::new(), Mutex::default());
        Self(Arc::new(Shared { authority, watcher, publisher, callers, stop, leases }))
    }

    /// Begins a watch, or prolongs it; how far it has counted.
    pub fn watch(&self, (caller, authority): (&str, &Authority), watched: Watched) -> Result<u64, ToolError> {
        authority.permits(Operation::ReadOutput, Some(&watched.name))?;
        let Watched { name: pod, watch } = watched;
        let wrong = |message: &str| Err(ToolError::new(ErrorKind::InvalidArgument, None, message));
        if !is_nonce(&watch) {
            return wrong("a watch's word is 32 hexadecimal digits");
        }
        let id = (caller.to_owned(), watch);
        let until = Instant::now() + LEASE;
        if let Some(lease) = self.leases().get_mut(&id) {
            if lease.pod != pod {
                return wrong("the watch's word is that of another pod's");
            }
            lease.until = until;
            return Ok(lease.count);
        }
        // By the caller's own authority, which may see less than the one that watches.
        authority.pod_directory(&pod)?;
        let watcher = self.watcher();
        let changes = watcher.changes();
        let subscription = watcher.subscribe(&pod)?;
        let mut leases = self.leases();
        if leases.keys().filter(|(of, _)| of == caller).count() >= OF_A_CALLER {
            let message = format!("the caller watches {OF_A_CALLER} pods already, the most there may be");
            return Err(ToolError::new(ErrorKind::Limit, None, message));
        }
        // Another run of this node has begun with a smaller one.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let count = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default();
        leases.insert(id.clone(), Lease { pod: pod.clone(), until, count });
        drop(leases);
        let this = self.clone();
        let telling = async move { this.tell(id, &pod, changes, subscription).await };
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(telling));
        Ok(count)
    }

    /// Tells until nobody asks for it any more.
    async fn tell(
        &self,
        id: (String, String),
        pod: &str,
        mut changes: broadcast::Receiver<Arc<str>>,
        _subscription: Subscription,
    ) {
        loop {
            let Some(until) = self.leases().get(&id).map(|lease| lease.until) else { return };
            tokio::select! {
                () = sleep_until(until) => {
                    let mut leases = self.leases();
                    if leases.get(&id).is_none_or(|lease| lease.until <= Instant::now()) {
                        leases.remove(&id);
                        return;
                    }
                    continue;
                }
                changed = changes.recv() => match changed {
                    Ok(name) if *name != *pod => continue,
                    // Too far behind: it may be one of those that were missed.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
            self.tell_once(&id, pod).await;
            sleep(PAUSE).await;
            let mut has_changed = false;
            loop {
                match changes.try_recv() {
                    Ok(name) => has_changed |= *name == *pod,
                    Err(TryRecvError::Lagged(_)) => has_changed = true,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            if has_changed {
                self.tell_once(&id, pod).await;
            }
        }
    }

    /// Says it to whoever may still read the pod.
    async fn tell_once(&self, id: &(String, String), pod: &str) {
        let (key, watch) = id;
        let may_read = |callers: &Callers| {
            callers.of(key).is_some_and(|caller| caller.authority.allows(Verb::Read, pod))
        };
        if !may_read(&self.0.callers.borrow()) {
            return;
        }
        let count = self.leases().get_mut(id).map(|lease| {
            lease.count += 1;
            lease.count
        });
        if let Some(count) = count {
            self.0.publisher.tell(key, watch, count).await;
        }
    }

    fn watcher(&self) -> &Watcher {
        let Shared { watcher, authority, stop, .. } = &*self.0;
        watcher.get_or_init(|| Watcher::start(watch::channel(authority.clone()).1, stop))
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<(String, String), Lease>> {
        self.0.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
