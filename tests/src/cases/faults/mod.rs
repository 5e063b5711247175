//! Pods that answer late, wrongly, in pieces, or not at all; pods of other generations; and other clients.

pub mod clients;
pub mod descriptors;
pub mod generations;
pub mod lines;
pub mod pieces;
pub mod restart;
pub mod silence;

use crate::script::{Script, Step};

/// A pod that answers `get_history` like this.
fn answering(steps: impl IntoIterator<Item = Step>) -> Script {
    Script::new().on("get_history", steps)
}
