//! How much a pod keeps in memory, where its options say so.

use crate::units::bytes_in_memory;

/// The largest bound that can be set: what is kept is copied as it is sent and written.
const MOST: usize = 1 << 30;

/// What one pod may take.
#[derive(Clone, Copy, Debug)]
pub struct PodLimits {
    /// Bytes that the command may write in one turn.
    pub turn_output: usize,
    /// Bytes of the history that are kept.
    pub history: usize,
}

/// A number of bytes, from 1 to 1 GiB.
pub fn bound(text: &str) -> Result<usize, String> {
    match bytes_in_memory(text)? {
        bytes @ 1..=MOST => Ok(bytes),
        _ => Err("it is at least one byte and at most 1GiB".to_owned()),
    }
}
