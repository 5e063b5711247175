//! What clients have subscribed to: pods of this machine, which the watcher tells of, and of others, whose nodes do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pod_tools_host::{ErrorKind, ToolError};
use tokio::task::AbortHandle;

use crate::caller::Caller;
use crate::watcher::{self, Watcher};

/// Pods of other machines that are watched at once, for all clients together: as many as a node tells a caller of.
const MAX_FAR: usize = 256;

/// A subscription to one pod. Dropped, it ends.
#[derive(Debug)]
pub enum Subscription {
    Here(#[expect(dead_code, reason = "kept, not read")] watcher::Subscription),
    Elsewhere(#[expect(dead_code, reason = "kept, not read")] Arc<FarWatch>),
}

/// The task that hears of one pod of another machine, for all who have subscribed to it.
#[derive(Debug)]
pub struct FarWatch(AbortHandle);

impl Drop for FarWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Those that are watched, by name.
#[derive(Debug, Default)]
pub struct Far(Mutex<HashMap<String, Weak<FarWatch>>>);

impl Far {
    /// Subscribes to a pod of another machine; its changes are told of with those here. `None`: it is of this one.
    pub async fn subscribe(
        &self,
        caller: &Arc<Caller>,
        watcher: &Watcher,
        pod: &str,
    ) -> Result<Option<Subscription>, ToolError> {
        if !caller.is_elsewhere(pod) {
            return Ok(None);
        }
        // What is watched for one client may not be known to another.
        let Some(mut watch) = caller.watch_elsewhere(pod).await? else { return Ok(None) };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(pod).and_then(Weak::upgrade) {
            return Ok(Some(Subscription::Elsewhere(known)));
        }
        all.retain(|_, watch| watch.strong_count() > 0);
        if all.len() >= MAX_FAR {
            let message =
                format!("{MAX_FAR} pods of other machines are watched already, which is this server's limit");
            return Err(ToolError::new(ErrorKind::Limit, None, message));
        }
        let (name, watcher): (Arc<str>, _) = (pod.into(), watcher.clone());
        let task = tokio::spawn(async move {
            while watch.changed().await.is_some() {
                watcher.has_changed(&name);
            }
        });
        let watch = Arc::new(FarWatch(task.abort_handle()));
        all.insert(pod.to_owned(), Arc::downgrade(&watch));
        Ok(Some(Subscription::Elsewhere(watch)))
    }
}
