//! The memory that the answers of several calls share: taken as an answer grows, and given back when its caller has it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::LimitReached;
use crate::error::ToolError;

/// Shares grow by so many bytes at once.
const STEP: usize = 64 << 10;

/// How many bytes the answers of many calls may have together, those that are made and those that wait for their
/// callers to take them. A clone is the same memory.
///
/// ```
/// use pod_tools_host::{AnswerMemory, Authority};
///
/// let memory = AnswerMemory::new(64 << 20);
/// let authority = Authority::builder().build()?;
/// // For one call: 64 KiB are there whatever the others have. Kept until the answer is written.
/// let share = memory.share(64 << 10);
/// let _of_the_call = authority.answered_within(&share);
/// # Ok::<(), pod_tools_host::AuthorityError>(())
/// ```
#[derive(Debug, Clone)]
pub struct AnswerMemory(Arc<Memory>);

#[derive(Debug)]
struct Memory {
    limit: usize,
    taken: Mutex<usize>,
}

impl AnswerMemory {
    /// Memory of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Memory { limit: bytes, taken: Mutex::default() }))
    }

    /// The share of one call's answer: `own` bytes, which are not of this memory and so never lack, and more of this
    /// memory as it needs them.
    pub fn share(&self, own: usize) -> AnswerShare {
        AnswerShare(Arc::new(Share { memory: self.clone(), own, grown: Mutex::default() }))
    }

    fn take(&self, bytes: usize) -> Result<(), LimitReached> {
        let mut taken = lock(&self.0.taken);
        let total = taken.saturating_add(bytes);
        if total > self.0.limit {
            return Err(LimitReached::Answers(self.0.limit));
        }
        *taken = total;
        Ok(())
    }
}

/// What one answer has of an [`AnswerMemory`]. A clone is the same share; with the last one, it is given back.
#[derive(Debug, Clone)]
pub struct AnswerShare(Arc<Share>);

#[derive(Debug)]
struct Share {
    memory: AnswerMemory,
    own: usize,
    grown: Mutex<Grown>,
}

#[derive(Debug, Default)]
struct Grown {
    /// Bytes that the answer has.
    used: usize,
    /// Bytes that were taken of the memory for it.
    taken: usize,
}

impl AnswerShare {
    /// Takes `bytes` more. The call that answers does it for its text and data; who answers it in another form, which
    /// takes more, does it for that.
    ///
    /// # Errors
    ///
    /// Fails with `limit` where the memory has no more.
    pub fn take(&self, bytes: usize) -> Result<(), ToolError> {
        Ok(self.grow(bytes)?)
    }

    pub(crate) fn grow(&self, bytes: usize) -> Result<(), LimitReached> {
        let Share { memory, own, grown } = &*self.0;
        let mut grown = lock(grown);
        let used = grown.used.saturating_add(bytes);
        let wanted = used.saturating_sub(*own);
        if wanted > grown.taken {
            let wanted = wanted.checked_next_multiple_of(STEP).unwrap_or(wanted);
            memory.take(wanted - grown.taken)?;
            grown.taken = wanted;
        }
        grown.used = used;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *lock(&self.memory.0.taken) -= lock(&self.grown).taken;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(memory: &AnswerMemory) -> usize {
        *lock(&memory.0.taken)
    }

    #[test]
    fn a_share_has_its_own_and_grows_until_nothing_is_left_and_gives_all_back() {
        let memory = AnswerMemory::new(2 * STEP);
        let (one, other) = (memory.share(10), memory.share(10));
        one.grow(10).unwrap();
        assert_eq!(taken(&memory), 0);
        one.grow(1).unwrap();
        one.grow(STEP - 1).unwrap();
        assert_eq!(taken(&memory), STEP);
        let clone = one.clone();
        clone.grow(1).unwrap();
        assert_eq!(taken(&memory), 2 * STEP);
        other.grow(10).unwrap();
        assert_eq!(other.grow(1), Err(LimitReached::Answers(2 * STEP)));
        drop(one);
        assert_eq!(taken(&memory), 2 * STEP);
        drop(clone);
        assert_eq!(taken(&memory), 0);
        other.grow(2 * STEP).unwrap();
        assert!(other.grow(usize::MAX).is_err());
    }
}
