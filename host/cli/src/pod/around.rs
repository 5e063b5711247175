//! The pod in which this process runs, where it is the command of one: then what it starts is that pod's child.
//!
//! A command is told so by its environment, which it may change: it does not gain by that. What the pod holds for writing
//! stays held against everybody who does not come as its child; and behind a fence there is neither the directory of pods
//! nor the scope lock.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::fence::{Enforce, Held};
use super::name::PodName;

/// A status is some hundred bytes; what is longer is none.
const MAX_STATUS: u64 = 64 << 10;

/// The pod around this process.
#[derive(Debug)]
pub struct Around {
    pub name: PodName,
    /// What its fence is, by its own word.
    held: Held,
}

/// A pod's command cannot start pods from behind its fence.
#[derive(Debug, thiserror::Error)]
#[error(
    "this runs behind the fence of pod `{0}`, where neither the directory of pods nor the scope lock is: no pod can be \
     started from here. Whoever started `{0}` can start it; or start `{0}` with `--enforce off`, and it may start pods \
     within its scope"
)]
pub struct BehindFence(PodName);

impl Around {
    /// The pod of that base directory, a real path, in which this process runs.
    pub fn find(base: &Path) -> Option<Around> {
        let name: PodName = std::env::var("POD_NAME").ok()?.parse().ok()?;
        let directory = base.join(name.as_str());
        if std::env::var_os("POD_SOCKET")? != directory.join("sock") {
            return None;
        }
        #[derive(Deserialize)]
        struct Status {
            fence: Held,
        }
        let file = File::open(directory.join("status.json")).ok();
        let status = file.and_then(|file| serde_json::from_reader::<_, Status>(file.take(MAX_STATUS)).ok());
        Some(Around { name, held: status.map_or(Held::NONE, |status| status.fence) })
    }

    /// Fails behind a fence.
    pub fn may_start_pods(&self) -> Result<(), BehindFence> {
        match self.held.enforce {
            Enforce::Off => Ok(()),
            // In part there may be a way through; it is not to be relied upon.
            Enforce::Strict | Enforce::BestEffort => Err(BehindFence(self.name.clone())),
        }
    }
}
