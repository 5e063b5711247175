//! The connections that are served at once: so many, and one that nobody uses makes room for a new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// Connections at once.
pub const MAX_CONNECTIONS: usize = 256;

/// Who is served.
#[derive(Debug, Default)]
pub struct Places(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    taken: HashMap<u64, (Connection, CancellationToken)>,
}

/// A connection is served while this lives.
#[derive(Debug)]
pub struct Place {
    table: Arc<Mutex<Table>>,
    number: u64,
    /// The place is wanted for another.
    pub wanted: CancellationToken,
}

impl Places {
    /// A place for a connection; `None`: all are in use.
    pub fn take(&self, connection: &Connection) -> Option<Place> {
        let mut table = lock(&self.0);
        if table.taken.len() >= MAX_CONNECTIONS {
            let unused = table.taken.iter().filter(|(_, (_, wanted))| !wanted.is_cancelled());
            let unused =
                unused.filter_map(|(number, (connection, _))| Some((connection.unused_since()?, *number)));
            let (_, longest) = unused.min()?;
            // It ends at once, as there is nothing that it waits for.
            let (_, wanted) = table.taken.remove(&longest)?;
            wanted.cancel();
        }
        table.next += 1;
        let (number, wanted) = (table.next, CancellationToken::new());
        table.taken.insert(number, (connection.clone(), wanted.clone()));
        Some(Place { table: self.0.clone(), number, wanted })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.table).taken.remove(&self.number);
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_that_was_not_used_for_longest_makes_room_and_one_in_use_does_not() {
        let places = Places::default();
        let mut served: Vec<_> = (0..MAX_CONNECTIONS)
            .map(|_| {
                let connection = Connection::new();
                (places.take(&connection).unwrap(), connection)
            })
            .collect();
        assert!(places.take(&Connection::new()).is_none());
        for used in [7, 5] {
            drop(served[used].1.answering());
        }
        let _sixth = served[5].1.answering();
        let place = places.take(&Connection::new()).unwrap();
        assert!(served[7].0.wanted.is_cancelled() && !served[5].0.wanted.is_cancelled());
        assert!(places.take(&Connection::new()).is_none());
        drop(place);
        places.take(&Connection::new()).unwrap();
        served.clear();
        assert!(lock(&places.0).taken.is_empty());
    }
}
