//! The places of connections, and how long each is kept: one rule, written here.
//!
//! | a connection | places | where they are full | is kept |
//! |---|---|---|---|
//! | that has not shown yet that it may come in | [`NEWCOMERS`], of one other machine [`OF_ONE_PEER`] | the oldest is closed for the newest | [`GREETING`](super::times::GREETING) in all, to the end of what it is told |
//! | that has | [`MAX_CONNECTIONS`] | the one that has waited for longest for a request, or for the rest of one, is closed; are all being answered, 503 | [`REQUEST_TIME`](super::times::REQUEST_TIME) for a head from its first byte, as long for a body, [`KEPT`](super::times::KEPT) between requests |
//!
//! A connection may come in by a request whose host and origin are right and that shows the token, if there is
//! one. What is refused is told so and closed. Without a token whoever reaches the port may come in, so the
//! second line is all that holds.
//!
//! Programs of this machine have no address of their own, so that there is no limit for one of them; others cannot
//! be kept out by them, as the newest always gets a place, and keeps it for [`BREATH`] at least.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// Connections at once that may come in.
pub const MAX_CONNECTIONS: usize = 256;
/// Connections at once that have not shown yet that they may.
pub const NEWCOMERS: usize = 128;
/// Those of them that come from one other machine.
const OF_ONE_PEER: usize = 32;
/// They have so long, where places are full, before they are closed for another: enough to read a head that has come.
const BREATH: Duration = Duration::from_millis(20);

/// Who is served.
#[derive(Debug, Clone, Default)]
pub struct Places(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    newcomers: HashMap<u64, Newcomer>,
    admitted: HashMap<u64, (Connection, CancellationToken)>,
}

#[derive(Debug)]
struct Newcomer {
    since: Instant,
    /// Another machine.
    peer: Option<IpAddr>,
    wanted: CancellationToken,
}

/// A connection is served while this lives.
#[derive(Debug)]
pub struct Place {
    places: Places,
    number: u64,
    /// The place is wanted for another.
    pub wanted: CancellationToken,
}

/// All places are in use.
#[derive(Debug)]
pub struct Full;

impl Places {
    /// A place for a connection that has just come. Waits, where the places are full, until somebody's breath is
    /// over.
    pub async fn enter(&self, address: IpAddr) -> Place {
        let peer = peer(address);
        loop {
            match self.try_enter(peer) {
                Ok(place) => return place,
                Err(until) => sleep_until(until).await,
            }
        }
    }

    fn try_enter(&self, peer: Option<IpAddr>) -> Result<Place, Instant> {
        let mut table = self.lock();
        let of_peer = || table.newcomers.iter().filter(|(_, other)| peer.is_some() && other.peer == peer);
        let goes = if of_peer().count() >= OF_ONE_PEER {
            oldest(of_peer())
        } else if table.newcomers.len() >= NEWCOMERS {
            let oldest = oldest(table.newcomers.iter());
            match oldest {
                Some((since, _)) if since.elapsed() < BREATH => return Err(since + BREATH),
                oldest => oldest,
            }
        } else {
            None
        };
        if let Some(newcomer) = goes.and_then(|(_, number)| table.newcomers.remove(&number)) {
            newcomer.wanted.cancel();
        }
        table.next += 1;
        let (number, wanted) = (table.next, CancellationToken::new());
        table.newcomers.insert(number, Newcomer { since: Instant::now(), peer, wanted: wanted.clone() });
        Ok(Place { places: self.clone(), number, wanted })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The connection has shown that it may come in.
    pub fn admit(&self, connection: &Connection) -> Result<(), Full> {
        let mut table = self.places.lock();
        if table.admitted.contains_key(&self.number) {
            return Ok(());
        }
        if !table.newcomers.contains_key(&self.number) {
            return Err(Full);
        }
        if table.admitted.len() >= MAX_CONNECTIONS {
            let waiting = table.admitted.iter();
            let waiting = waiting.filter_map(|(number, (other, _))| Some((other.waits_since()?, *number)));
            let (_, longest) = waiting.min().ok_or(Full)?;
            // It ends at once, as nothing is being answered on it.
            let (_, wanted) = table.admitted.remove(&longest).ok_or(Full)?;
            wanted.cancel();
        }
        table.newcomers.remove(&self.number);
        table.admitted.insert(self.number, (connection.clone(), self.wanted.clone()));
        connection.welcome();
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.lock();
        table.newcomers.remove(&self.number);
        table.admitted.remove(&self.number);
    }
}

fn oldest<'a>(newcomers: impl Iterator<Item = (&'a u64, &'a Newcomer)>) -> Option<(Instant, u64)> {
    newcomers.map(|(number, newcomer)| (newcomer.since, *number)).min()
}

/// Who is at an address, as far as that tells; `None`: this machine. Of IPv6 a machine has a whole network.
fn peer(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
        address => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

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
        assert!(served[7].0.wanted.is_cancelled() && !served[5].0.wanted.is_cancelled());
        places.enter(HERE).await.admit(&Connection::new()).unwrap_err();
        // One whose request does not come to its end waits as well.
        served[8].1.uploading();
        let other = admitted(&places).await;
        assert!(served[8].0.wanted.is_cancelled());
        served[9].1.uploading();
        served[9].1.uploaded();
        places.enter(HERE).await.admit(&Connection::new()).unwrap_err();
        drop((further, other));
        drop(admitted(&places).await);
        served.clear();
        let table = places.lock();
        assert!(table.newcomers.is_empty() && table.admitted.is_empty());
    }

    #[tokio::test]
    async fn of_those_who_have_shown_nothing_the_oldest_goes_and_never_one_that_has() {
        let places = Places::default();
        let (known, _connection) = admitted(&places).await;
        let mut waiting = Vec::new();
        for _ in 0..NEWCOMERS {
            waiting.push(places.enter(HERE).await);
        }
        let before = Instant::now();
        waiting.push(places.enter(HERE).await);
        assert!(before.elapsed() >= BREATH);
        assert!(waiting[0].wanted.is_cancelled() && !waiting[1].wanted.is_cancelled());
        assert!(!known.wanted.is_cancelled());
        waiting[0].admit(&Connection::new()).unwrap_err();
        waiting[1].admit(&Connection::new()).unwrap();
    }

    #[tokio::test]
    async fn another_machine_has_few_of_the_places() {
        let places = Places::default();
        let (there, near): (IpAddr, IpAddr) =
            ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let first = places.enter("192.0.2.1".parse().unwrap()).await;
        let mut waiting = Vec::new();
        for _ in 0..OF_ONE_PEER {
            waiting.push(places.enter(there).await);
        }
        waiting.push(places.enter(near).await);
        assert!(waiting[0].wanted.is_cancelled() && !waiting[1].wanted.is_cancelled());
        assert!(!first.wanted.is_cancelled());
        assert_eq!(places.lock().newcomers.len(), OF_ONE_PEER + 1);
    }
}
