//! Attempts to speak with somebody.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};

use crate::attempts::{Places, done};

pub fn connects_to_another_pod(at: &Places) -> io::Result<()> {
    UnixStream::connect(at.path("base").join("other/sock")).map(drop)
}

/// One such as a session's bus, which would start any program.
pub fn connects_to_a_service(at: &Places) -> io::Result<()> {
    UnixStream::connect(at.outside("service")).map(drop)
}

pub fn connects_to_an_abstract_socket(at: &Places) -> io::Result<()> {
    UnixStream::connect_addr(&UnixAddr::from_abstract_name(at.text("abstract"))?).map(drop)
}

pub fn connects_by_tcp(at: &Places) -> io::Result<()> {
    greeted(TcpStream::connect(address(at))?)
}

/// What Landlock takes for something else than TCP, and every server of TCP answers.
pub fn connects_by_mptcp(at: &Places) -> io::Result<()> {
    let stream = stream(libc::IPPROTO_MPTCP)?;
    let to = told(at);
    // SAFETY: the address has the length that is told.
    done(unsafe { libc::connect(fd(&stream), (&raw const to).cast(), size_of_val(&to) as u32) })?;
    greeted(stream)
}

/// Without a call of `connect`.
pub fn connects_by_data_in_the_first_packet(at: &Places) -> io::Result<()> {
    let stream = stream(0)?;
    let to = told(at);
    // SAFETY: data and address have the lengths that are told.
    done(unsafe {
        libc::sendto(
            fd(&stream),
            c"x".as_ptr().cast(),
            1,
            libc::MSG_FASTOPEN,
            (&raw const to).cast(),
            size_of_val(&to) as u32,
        )
    })?;
    greeted(stream)
}

pub fn listens_by_tcp(_: &Places) -> io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)
}

pub fn sends_by_udp(at: &Places) -> io::Result<()> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.send_to(b"x", address(at)).map(drop)
}

fn address(at: &Places) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, at.number("port")).into()
}

/// The other side says a word.
fn greeted(mut stream: TcpStream) -> io::Result<()> {
    stream.read_exact(&mut [0; 5])
}

fn stream(protocol: i32) -> io::Result<TcpStream> {
    use std::os::fd::FromRawFd;
    // SAFETY: the descriptor is new.
    unsafe {
        let socket = done(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, protocol))?;
        Ok(TcpStream::from_raw_fd(socket as i32))
    }
}

fn fd(stream: &TcpStream) -> i32 {
    use std::os::fd::AsRawFd;
    stream.as_raw_fd()
}

fn told(at: &Places) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: at.number::<u16>("port").to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
        sin_zero: [0; 8],
    }
}
