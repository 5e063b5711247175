//! ListPods: the pods of the registry, whether each can be reached, and what it was given.
//!
//! Where a pod is found stopped, allocations of dead processes are released on the occasion, as far as the
//! lock can be had soon; the listing itself never waits for it longer than that, nor fails with it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use serde::Serialize;

use crate::escape::Shown;
use crate::host::{Error, ErrorKind, Fence, Host, Reachability, Reason, ScopeRule};
use crate::tools::output::Output;
use crate::tools::text::scope_summary;

/// How long the listing waits for the scope lock, in milliseconds.
const RECLAIM_MS: u32 = 500;

/// Data of ListPods.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListData<'a> {
    /// The Pods, in the registry's order.
    pods: Vec<ListedPod<'a>>,
    /// How many more records cannot be read.
    unreadable: u32,
    /// How many allocations of dead processes were released; null: none was looked for, or it failed.
    stale_reclaimed: Option<u32>,
}

/// One Pod of the listing.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListedPod<'a> {
    /// The name, as it is in the registry.
    name: &'a str,
    /// Whether its socket takes connections; `denied`: the socket fails a check of the host's.
    state: PodReachability,
    /// What was delegated to it.
    scope: &'a [ScopeRule],
    /// Whether its command is held to that, by the Pod's own word; absent where it has said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<&'a Fence>,
}

/// Whether a Pod can be reached.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum PodReachability {
    Alive,
    Stopped,
    Denied,
}

pub(crate) fn call<H: Host>(host: &H) -> Result<Output, Error> {
    let listing = host.list()?;
    let handles: Vec<&H::Pod> = listing.pods.iter().map(|listed| &listed.pod).collect();
    let answers = if handles.is_empty() { Vec::new() } else { host.probe(&handles)? };
    if answers.len() != handles.len() {
        return Err(Error {
            kind: ErrorKind::Internal,
            reason: None,
            message: format!("the host probed {} of {} pods", answers.len(), handles.len()),
        });
    }

    let mut content = String::new();
    let mut pods = Vec::with_capacity(handles.len());
    for (listed, answer) in listing.pods.iter().zip(&answers) {
        let (state, word) = match answer {
            Reachability::Alive => (PodReachability::Alive, "alive"),
            Reachability::Stopped => (PodReachability::Stopped, "stopped"),
            Reachability::Denied => (PodReachability::Denied, "denied"),
        };
        let name = &listed.description.name;
        let scope = &listed.description.scope;
        let fence = listed.description.fence.as_ref();
        let line_break = if pods.is_empty() { "" } else { "\n" };
        // Writing to a string cannot fail.
        let _ = write!(content, "{line_break}{} [{word}] scope={}", Shown(name), scope_summary(scope));
        pods.push(ListedPod { name, state, scope, fence });
    }

    let mut summary = match pods.len() {
        0 => "no spawned pods".to_owned(),
        known => format!("{known} pod(s) known"),
    };
    match listing.unreadable {
        0 => {}
        1 => summary.push_str("; 1 record could not be read"),
        many => {
            let _ = write!(summary, "; {many} records could not be read");
        }
    }
    let mut stale_reclaimed = None;
    if answers.contains(&Reachability::Stopped) {
        match host.reclaim_stale(Some(RECLAIM_MS)) {
            Ok(released) => stale_reclaimed = Some(released),
            Err(error) => {
                summary.push_str(match error.reason {
                    Some(Reason::LockBusy) => "; scope lock busy, stale entries not reclaimed",
                    Some(Reason::LockDamaged) => "; scope lock damaged, stale entries not reclaimed",
                    _ => "; stale entries not reclaimed",
                });
            }
        }
    }

    let data = ListData { unreadable: listing.unreadable, stale_reclaimed, pods };
    let content = if data.pods.is_empty() { None } else { Some(content) };
    Output::new(summary, content, &data)
}
