//! What a pod of ours writes beside the number of its process, so that every other process can tell whether the pod
//! lives: in its entry of the table and in its `status.json`.
//!
//! A number alone is not a process. After a while it is another program's, in another pid namespace it is somebody
//! else's at once, and a container that is restarted counts from 1 again. Programs that do not know these members
//! pass them over.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::LazyLock;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::life_lock::{LifeByte, LifeLock};
use super::process;

/// What the process that holds an entry says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holder(pub(super) Form);

/// A holder as this version writes it, or as another one does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Form {
    /// Written by this version.
    Known(Identity),
    /// Of another shape: it says that a number alone does not tell.
    #[serde(skip_serializing)]
    Other(IgnoredAny),
}

/// A process, told from all others of this boot and, where the file system is shared, of other machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// Its number, in its own pid namespace.
    pub(super) pid: i64,
    #[serde(flatten)]
    pub(super) place: Place,
    /// When it started, in clock ticks since the machine did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) start_ticks: Option<u64>,
    /// What it holds locked as long as it, or what it has started, lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<LifeByte>,
}

/// Where a process's number and its time count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The kernel's name for the time since it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) boot_id: Option<String>,
    /// The inode of the pid namespace. Another one has it only after the last process of this one is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pid_namespace: Option<u64>,
    /// The inode of the time namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time_namespace: Option<u64>,
}

impl Holder {
    /// This process, as the holder of that lock.
    pub fn this_process(lock: &LifeLock) -> Self {
        Self(Form::Known(Identity {
            pid: std::process::id().into(),
            place: Place::own().clone(),
            start_ticks: process::start_ticks("/proc/self"),
            lock: lock.byte(),
        }))
    }
}

impl Place {
    /// Where this process is. What `/proc` does not tell is `None`.
    pub(super) fn own() -> &'static Self {
        static OWN: LazyLock<Place> = LazyLock::new(|| {
            let namespace =
                |name: &str| fs::metadata(format!("/proc/self/ns/{name}")).ok().map(|of| of.ino());
            let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
            Place {
                boot_id: boot_id.map(|id| id.trim().to_owned()),
                pid_namespace: namespace("pid"),
                time_namespace: namespace("time"),
            }
        });
        &OWN
    }
}

impl Eq for Form {}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(own), Self::Known(theirs)) => own == theirs,
            (Self::Other(_), Self::Other(_)) => true,
            _ => false,
        }
    }
}
