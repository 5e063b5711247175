//! What the host offers: TCP of `wasi:sockets`, and an environment. No more of WASI is imported than this takes.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};
use wasip2::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::{instance_network, tcp_create_socket};

use crate::link::{Broken, Link};

/// A variable of the environment.
pub fn variable(name: &str) -> Option<String> {
    let variables = wasip2::cli::environment::get_environment();
    variables.into_iter().find_map(|(variable, value)| (variable == name).then_some(value))
}

/// A TCP connection. What was made from something is dropped before it.
pub struct Tcp {
    /// That something can be read.
    readable: Pollable,
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
    /// That the time is up.
    is_up: Pollable,
    /// Something was sent, so that nothing has come of its answer yet.
    has_asked: bool,
}

impl Link for Tcp {
    fn connect(gateway: SocketAddr, within: Duration) -> Result<Self, String> {
        let (family, address) = address(gateway);
        let socket = tcp_create_socket::create_tcp_socket(family).map_err(reason)?;
        socket.start_connect(&instance_network::instance_network(), address).map_err(reason)?;
        let is_up = after(within);
        let (input, output) = loop {
            match socket.finish_connect() {
                Err(ErrorCode::WouldBlock) => {
                    wait(&socket.subscribe(), &is_up).map_err(|_| "it did not answer in time".to_string())?;
                }
                connected => break connected.map_err(reason)?,
            }
        };
        Ok(Self { readable: input.subscribe(), input, output, _socket: socket, is_up, has_asked: false })
    }

    fn wait_at_most(&mut self, within: Duration) {
        self.is_up = after(within);
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let room = usize::try_from(self.output.check_write().map_err(ended)?).unwrap_or(usize::MAX);
            if room == 0 {
                wait(&self.output.subscribe(), &self.is_up)?;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if !now.is_empty() {
                self.output.write(now).map_err(ended)?;
            }
            bytes = later;
        }
        self.has_asked = true;
        self.output.flush().map_err(ended)
    }

    fn receive(&mut self, max: usize) -> Result<Vec<u8>, Broken> {
        loop {
            // The rest of an answer is often there; an answer never is.
            if !core::mem::take(&mut self.has_asked) {
                let bytes = self.input.read(max as u64).map_err(ended)?;
                if !bytes.is_empty() {
                    return Ok(bytes);
                }
            }
            wait(&self.readable, &self.is_up)?;
        }
    }
}

/// Ready after that time.
fn after(time: Duration) -> Pollable {
    monotonic_clock::subscribe_duration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// Waits until it is ready, or the time is up.
fn wait(ready: &Pollable, is_up: &Pollable) -> Result<(), Broken> {
    if poll(&[ready, is_up]).contains(&0) { Ok(()) } else { Err(Broken::TimedOut) }
}

fn ended(_: StreamError) -> Broken {
    Broken::Ended
}

/// An error as people read it.
fn reason(error: ErrorCode) -> String {
    error.name().replace('-', " ")
}

fn address(gateway: SocketAddr) -> (IpAddressFamily, IpSocketAddress) {
    match gateway {
        SocketAddr::V4(gateway) => {
            let [a, b, c, d] = gateway.ip().octets();
            let address = Ipv4SocketAddress { port: gateway.port(), address: (a, b, c, d) };
            (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(address))
        }
        SocketAddr::V6(gateway) => {
            let [a, b, c, d, e, f, g, h] = gateway.ip().segments();
            let address = Ipv6SocketAddress {
                port: gateway.port(),
                flow_info: gateway.flowinfo(),
                address: (a, b, c, d, e, f, g, h),
                scope_id: gateway.scope_id(),
            };
            (IpAddressFamily::Ipv6, IpSocketAddress::Ipv6(address))
        }
    }
}
