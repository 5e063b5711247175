//! What the runtime needs of a registry, wherever the records are.

use std::sync::Arc;
use std::time::Duration;

use super::cursor::StoredCursor;
use super::error::RegistryError;
use super::record::{Record, Records};

/// A registry of pods.
///
/// All functions may block on the file system; those with a `wait` may also wait for a lock, that long at
/// most. The runtime calls `load` and `cursor` where it is; the others there too, with no time to wait, and
/// where the lock is held then on threads that may block.
pub trait Registry: Send + Sync {
    /// All records. Waits for no lock.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`] and [`RegistryError::Descriptors`].
    fn load(&self) -> Result<Records, RegistryError>;

    /// The record of that name; where names repeat, the first. Waits for no lock.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    fn find(&self, name: &str) -> Result<Option<Record>, RegistryError> {
        Ok(self.load()?.get(name).cloned())
    }

    /// Removes every record with this one's name and socket, however its path is spelled, and the name's cursor. There
    /// may be none.
    ///
    /// # Errors
    /// Any; the record is still there then.
    fn remove(&self, record: &Record, wait: Duration) -> Result<(), RegistryError>;

    /// The cursor of the pod of that name; `None` before the first read. Waits for no lock.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`] and [`RegistryError::Descriptors`].
    fn cursor(&self, name: &str) -> Result<Option<StoredCursor>, RegistryError>;

    /// Stores `new` as the cursor of the pod of that name, if the stored one is still `base`.
    ///
    /// Where another reader has moved it meanwhile, the one with more items stays. Where it was removed
    /// meanwhile, or the pod has no record any more, nothing is stored: a pod that will take the name later
    /// must not inherit it. All of that may repeat text, and loses none.
    ///
    /// # Errors
    /// Any; the cursor is as it was then.
    fn set_cursor(
        &self,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        wait: Duration,
    ) -> Result<(), RegistryError>;
}

/// A registry that a runtime keeps a hand on.
impl<R: Registry + ?Sized> Registry for Arc<R> {
    fn load(&self) -> Result<Records, RegistryError> {
        (**self).load()
    }

    fn find(&self, name: &str) -> Result<Option<Record>, RegistryError> {
        (**self).find(name)
    }

    fn remove(&self, record: &Record, wait: Duration) -> Result<(), RegistryError> {
        (**self).remove(record, wait)
    }

    fn cursor(&self, name: &str) -> Result<Option<StoredCursor>, RegistryError> {
        (**self).cursor(name)
    }

    fn set_cursor(
        &self,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        wait: Duration,
    ) -> Result<(), RegistryError> {
        (**self).set_cursor(name, base, new, wait)
    }
}
