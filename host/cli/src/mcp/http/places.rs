//! The places of connections, and how long each is kept: one rule, written here.
//!
//! | a connection | places | where they are full | is kept |
//! |---|---|---|---|
//! | that has not shown yet that it may come in | [`NEWCOMERS`](crate::newcomers::NEWCOMERS), fewer of one other machine | the oldest is closed for the newest | [`GREETING`](crate::newcomers::GREETING) in all, to the end of what it is told |
//! | that has | [`MAX_CONNECTIONS`] | the one that has waited for longest for a request, or for the rest of one, is closed; are all being answered, 503 | [`REQUEST_TIME`](super::times::REQUEST_TIME) for a head from its first byte, as long for a body, [`KEPT`](super::times::KEPT) between requests |
//!
//! A connection may come in by a request whose host and origin are right and that shows the token, if there is
//! one. What is refused is told so and closed. Without a token whoever reaches the port may come in, so the
//! second line is all that holds.
//!
//! Which newcomer goes for which other is the rule of [`newcomers`](crate::newcomers).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use crate::newcomers::{Newcomer, Newcomers};

/// Connections at once that may come in.
pub const MAX_CONNECTIONS: usize = 256;

/// Who is served.
#[derive(Debug, Clone, Default)]
pub struct Places {
    newcomers: Newcomers,
    admitted: Arc<Mutex<Admitted>>,
}

/// Those that have come in, by their numbers as newcomers.
type Admitted = HashMap<u64, (Connection, CancellationToken)>;

/// A connection is served while this lives.
#[derive(Debug)]
pub struct Place {
    places: Places,
    newcomer: Newcomer,
}

/// All places are in use.
#[derive(Debug)]
pub struct Full;

impl Places {
    /// A place for a connection that has just come. Waits, where the places are full, until somebody's breath is
    /// over.
    pub async fn enter(&self, address: IpAddr) -> Place {
        let newcomer = self.newcomers.enter(Some(address)).await;
        Place { places: self.clone(), newcomer }
    }

    fn admitted(&self) -> MutexGuard<'_, Admitted> {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The place is wanted for another.
    pub fn wanted(&self) -> &CancellationToken {
        &self.newcomer.wanted
    }

    /// The connection has shown that it may come in.
    pub fn admit(&self, connection: &Connection) -> Result<(), Full> {
        let mut admitted = self.places.admitted();
        if admitted.contains_key(&self.newcomer.number) {
            return Ok(());
        }
        if !self.newcomer.has_place() {
            return Err(Full);
        }
        if admitted.len() >= MAX_CONNECTIONS {
            let waiting = admitted.iter();
            let waiting = waiting.filter_map(|(number, (other, _))| Some((other.waits_since()?, *number)));
            let (_, longest) = waiting.min().ok_or(Full)?;
            // It ends at once, as nothing is being answered on it.
            let (_, wanted) = admitted.remove(&longest).ok_or(Full)?;
            wanted.cancel();
        }
        if !self.newcomer.leave() {
            return Err(Full);
        }
        admitted.insert(self.newcomer.number, (connection.clone(), self.wanted().clone()));
        connection.welcome();
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.admitted().remove(&self.newcomer.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::newcomers::NEWCOMERS;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn admitted(places: &Places) -> (Place, Connection) {
        let connection = Connection::new();
        let place = places.enter(HERE).await;
        place.admit(&connection).unwrap();
        (place, connection)
    }

    #[tokio::test]
    async fn the_connection_that_waits_for_longest_makes_room_and_one_that_is_answered_does_not() {
        let places = Places::default();
        let mut served = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            served.push(admitted(&places).await);
        }
        let _all: Vec<_> = served.iter().map(|(_, connection)| connection.answering()).collect();
        places.enter(HERE).await.admit(&Connection::new()).unwrap_err();
        for used in [7, 5] {
            drop(served[used].1.answering());
        }
        let _sixth = served[5].1.answering();
        let further = admitted(&places).await;
        assert!(served[7].0.wanted().is_cancelled() && !served[5].0.wanted().is_cancelled());
        places.enter(HERE).await.admit(&Connection::new()).unwrap_err();
        // One whose request does not come to its end waits as well.
        served[8].1.uploading();
        let other = admitted(&places).await;
        assert!(served[8].0.wanted().is_cancelled());
        served[9].1.uploading();
        served[9].1.uploaded();
        places.enter(HERE).await.admit(&Connection::new()).unwrap_err();
        drop((further, other));
        drop(admitted(&places).await);
        served.clear();
        assert!(places.admitted().is_empty());
    }

    #[tokio::test]
    async fn of_those_who_have_shown_nothing_the_oldest_goes_and_never_one_that_has() {
        let places = Places::default();
        let (known, _connection) = admitted(&places).await;
        let mut waiting = Vec::new();
        for _ in 0..=NEWCOMERS {
            waiting.push(places.enter(HERE).await);
        }
        assert!(waiting[0].wanted().is_cancelled() && !waiting[1].wanted().is_cancelled());
        assert!(!known.wanted().is_cancelled());
        waiting[0].admit(&Connection::new()).unwrap_err();
        waiting[1].admit(&Connection::new()).unwrap();
    }
}
