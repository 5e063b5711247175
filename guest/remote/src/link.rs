//! A connection to the gateway, as a session uses it: bytes out, bytes in, and a bound on every wait.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Why a connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The other side has closed it, or it is gone.
    Ended,
    /// Nothing came, or nothing was taken, within the time.
    TimedOut,
    /// The host lets its component send and receive no more within this call.
    Spent,
}

/// A connection.
pub trait Link: Sized {
    /// Connects, and waits no longer than that for anything.
    ///
    /// # Errors
    ///
    /// Why nothing takes the connection, for people.
    fn connect(gateway: SocketAddr, within: Duration) -> Result<Self, String>;

    /// Bounds the waits from here on: each of them, or all together.
    fn wait_at_most(&mut self, within: Duration);

    /// Whether so little may still be sent and received within this call that it should be kept for its end.
    fn is_nearly_spent(&self) -> bool {
        false
    }

    /// Sends all of it.
    ///
    /// # Errors
    ///
    /// Where it cannot be sent.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Broken>;

    /// What has come, as soon as there is anything: at least one byte, at most `max`, which is not 0.
    ///
    /// # Errors
    ///
    /// Where nothing comes any more.
    fn receive(&mut self, max: usize) -> Result<Vec<u8>, Broken>;
}
