//! The system's TCP.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::link::{Broken, Link};

/// A TCP connection.
#[derive(Debug)]
pub struct Tcp(TcpStream);

impl Link for Tcp {
    fn connect(gateway: SocketAddr, within: Duration) -> Result<Self, String> {
        let mut link = TcpStream::connect_timeout(&gateway, within)
            .map(Self)
            .map_err(|error| error.kind().to_string())?;
        link.wait_at_most(within);
        Ok(link)
    }

    fn wait_at_most(&mut self, within: Duration) {
        // They fail for a time of nothing alone, which no wait has.
        let _ = self.0.set_read_timeout(Some(within)).and_then(|()| self.0.set_write_timeout(Some(within)));
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.0.write_all(bytes).map_err(|error| broken(&error))
    }

    fn receive(&mut self, max: usize) -> Result<Vec<u8>, Broken> {
        let mut bytes = alloc::vec![0; max];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return Err(Broken::Ended),
                Ok(read) => {
                    bytes.truncate(read);
                    return Ok(bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(&error)),
            }
        }
    }
}

fn broken(error: &io::Error) -> Broken {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Broken::TimedOut,
        _ => Broken::Ended,
    }
}
