//! Connections that have not shown yet that they may come in: how many there are, and which goes for another.
//!
//! There are [`NEWCOMERS`] places, of one other machine [`OF_ONE_PEER`]. Where they are full, the oldest is closed for the
//! newest. Programs of this machine have no address of their own, so that there is no limit for one of them; others
//! cannot be kept out by them, as the newest always gets a place, and keeps it for [`BREATH`] at least.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Connections at once that have not shown yet that they may come in.
pub const NEWCOMERS: usize = 128;
/// Those of them that come from one other machine.
const OF_ONE_PEER: usize = 32;
/// They have so long, where places are full, before they are closed for another: enough to read what has come.
const BREATH: Duration = Duration::from_millis(20);

/// A connection has so long to show that it may come in.
pub const GREETING: Duration = Duration::from_secs(5);

/// Those that there are.
#[derive(Debug, Clone, Default)]
pub struct Newcomers(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    waiting: HashMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// Another machine.
    peer: Option<IpAddr>,
    wanted: CancellationToken,
}

/// The place of one of them, for as long as this lives or until it is given up.
#[derive(Debug)]
pub struct Newcomer {
    all: Newcomers,
    /// No other of them has it, or had.
    pub number: u64,
    /// The place is wanted for another.
    pub wanted: CancellationToken,
}

impl Newcomers {
    /// A place for a connection that has just come from that address; `None`: from a program of this machine. Waits, where
    /// the places are full, until somebody's breath is over.
    pub async fn enter(&self, address: Option<IpAddr>) -> Newcomer {
        let peer = address.and_then(peer);
        loop {
            match self.try_enter(peer) {
                Ok(newcomer) => return newcomer,
                Err(until) => sleep_until(until).await,
            }
        }
    }

    fn try_enter(&self, peer: Option<IpAddr>) -> Result<Newcomer, Instant> {
        let mut table = self.lock();
        let of_peer = || table.waiting.iter().filter(|(_, other)| peer.is_some() && other.peer == peer);
        let goes = if of_peer().count() >= OF_ONE_PEER {
            oldest(of_peer())
        } else if table.waiting.len() >= NEWCOMERS {
            let oldest = oldest(table.waiting.iter());
            match oldest {
                Some((since, _)) if since.elapsed() < BREATH => return Err(since + BREATH),
                oldest => oldest,
            }
        } else {
            None
        };
        if let Some(other) = goes.and_then(|(_, number)| table.waiting.remove(&number)) {
            other.wanted.cancel();
        }
        table.next += 1;
        let (number, wanted) = (table.next, CancellationToken::new());
        table.waiting.insert(number, Waiting { since: Instant::now(), peer, wanted: wanted.clone() });
        Ok(Newcomer { all: self.clone(), number, wanted })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newcomer {
    /// Whether it has its place still: it has lost it where it was closed for another, or has given it up.
    pub fn has_place(&self) -> bool {
        self.all.lock().waiting.contains_key(&self.number)
    }

    /// Gives up the place. Whether it had it still.
    pub fn leave(&self) -> bool {
        self.all.lock().waiting.remove(&self.number).is_some()
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.leave();
    }
}

fn oldest<'a>(waiting: impl Iterator<Item = (&'a u64, &'a Waiting)>) -> Option<(Instant, u64)> {
    waiting.map(|(number, one)| (one.since, *number)).min()
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
    use super::*;

    #[tokio::test]
    async fn the_oldest_goes_for_the_newest_once_it_had_its_breath() {
        let newcomers = Newcomers::default();
        let known = newcomers.enter(None).await;
        assert!(known.leave());
        let mut waiting = Vec::new();
        for _ in 0..NEWCOMERS {
            waiting.push(newcomers.enter(None).await);
        }
        let before = Instant::now();
        waiting.push(newcomers.enter(None).await);
        assert!(before.elapsed() >= BREATH);
        assert!(waiting[0].wanted.is_cancelled() && !waiting[1].wanted.is_cancelled());
        assert!(!known.wanted.is_cancelled());
        assert!(!waiting[0].leave() && waiting[1].has_place() && waiting[1].leave());
        waiting.clear();
        assert!(newcomers.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn another_machine_has_few_of_the_places() {
        let newcomers = Newcomers::default();
        let address = |text: &str| Some(text.parse().unwrap());
        let first = newcomers.enter(address("192.0.2.1")).await;
        let mut waiting = Vec::new();
        for _ in 0..OF_ONE_PEER {
            waiting.push(newcomers.enter(address("2001:db8::1")).await);
        }
        waiting.push(newcomers.enter(address("2001:db8::2")).await);
        assert!(waiting[0].wanted.is_cancelled() && !waiting[1].wanted.is_cancelled());
        assert!(!first.wanted.is_cancelled());
        assert_eq!(newcomers.lock().waiting.len(), OF_ONE_PEER + 1);
    }
}
