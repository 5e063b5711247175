//! What the runtime needs of a registry, wherever the records are.

use std::sync::Arc;
use std::time::Duration;

use super::cursor::StoredCursor;
use super::error::RegistryError;
use super::reader::Reader;
use super::record::{Record, Records};

/// A registry of pods.
///
/// All functions may block on the file system; those with a `wait` may also wait for a lock, that long at
/// most. The runtime calls `load` and `cursor` where it is; the others there too, with no time to wait, and
/// where the lock is held then on threads that may block.
pub trait Registry: Send + Sync {
    /// All records. Waits for no lock.
    ///
    /// What is the same as before should be the same `Arc`: of a whole that has not changed, what a listing shows is not
    /// looked up again, and of a record that has not, a call holds one however often it asks.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`] and [`RegistryError::Descriptors`].
    fn load(&self) -> Result<Arc<Records>, RegistryError>;

    /// The record of that name; where names repeat, the first. Waits for no lock.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    fn find(&self, name: &str) -> Result<Option<Arc<Record>>, RegistryError> {
        Ok(self.load()?.get(name).cloned())
    }

    /// Removes every record with this one's name and socket, however its path is spelled, and all readers' cursors for
    /// the name. There may be none.
    ///
    /// # Errors
    /// Any; the record is still there then.
    fn remove(&self, record: &Record, wait: Duration) -> Result<(), RegistryError>;

    /// How far a reader has read the pod of that name; `None` before its first read. Readers have cursors of
    /// their own; the one without a name is as good as any. Waits for no lock.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`] and [`RegistryError::Descriptors`].
    fn cursor(&self, reader: Option<&Reader>, name: &str) -> Result<Option<StoredCursor>, RegistryError>;

    /// Stores `new` as a reader's cursor for the pod of that name, if the stored one is still `base`. A
    /// registry may bound how many readers it keeps, and forget the one that has not read for longest.
    ///
    /// Where another call of that reader has moved it meanwhile, the one with more items stays. Where it was
    /// removed meanwhile, or the pod has no record any more, nothing is stored: a pod that will take the name
    /// later must not inherit it. All of that may repeat text, and loses none.
    ///
    /// # Errors
    /// Any; the cursor is as it was then.
    fn set_cursor(
        &self,
        reader: Option<&Reader>,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        wait: Duration,
    ) -> Result<(), RegistryError>;
}

/// A registry that a runtime keeps a hand on.
impl<R: Registry + ?Sized> Registry for Arc<R> {
    fn load(&self) -> Result<Arc<Records>, RegistryError> {
        (**self).load()
    }

    fn find(&self, name: &str) -> Result<Option<Arc<Record>>, RegistryError> {
        (**self).find(name)
    }

    fn remove(&self, record: &Record, wait: Duration) -> Result<(), RegistryError> {
        (**self).remove(record, wait)
    }

    fn cursor(&self, reader: Option<&Reader>, name: &str) -> Result<Option<StoredCursor>, RegistryError> {
        (**self).cursor(reader, name)
    }

    fn set_cursor(
        &self,
        reader: Option<&Reader>,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        wait: Duration,
    ) -> Result<(), RegistryError> {
        (**self).set_cursor(reader, name, base, new, wait)
    }
}
