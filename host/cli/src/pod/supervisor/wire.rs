//! What goes over the socket between a pod and its supervisor: a request is one byte and a number, of which [`RUN`]
//! brings the command's three standard streams and what it is to inherit beside them; a reply is one byte and a number. A supervisor
//! that lays a fence says first, in a line of JSON, what came of it.

use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::pod::fence::Held;

/// Runs the command, with these standard streams, and the lock that tells that something the pod has started lives. Its
/// number is the turn's.
pub const RUN: u8 = b'r';
/// Asks what the running command has started, and it, to end.
pub const TERMINATE: u8 = b't';
/// Kills them.
pub const KILL: u8 = b'k';
/// Ends everything, and the supervisor.
pub const END: u8 = b'e';

/// How many bytes a request has.
const REQUEST: usize = 9;
/// How many bytes a reply has.
pub const REPLY: usize = 5;

/// What the supervisor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The command runs, as the process of this id.
    Started(i32),
    /// It could not be started: the system's error number.
    Refused(i32),
    /// It has ended, with this status as `wait` gives it.
    Ended(i32),
}

impl Reply {
    pub fn encode(self) -> [u8; REPLY] {
        let (kind, number) = match self {
            Reply::Started(pid) => (b's', pid),
            Reply::Refused(number) => (b'x', number),
            Reply::Ended(number) => (b'e', number),
        };
        let [a, b, c, d] = number.to_ne_bytes();
        [kind, a, b, c, d]
    }

    /// `None`: this is no reply.
    pub fn decode([kind, number @ ..]: [u8; REPLY]) -> Option<Reply> {
        let number = i32::from_ne_bytes(number);
        match kind {
            b's' => Some(Reply::Started(number)),
            b'x' => Some(Reply::Refused(number)),
            b'e' => Some(Reply::Ended(number)),
            _ => None,
        }
    }
}

/// The longest line that says what came of a fence.
const LONGEST_LINE: u64 = 1 << 20;

/// What came of the fence: what it holds, or why there is none.
pub fn encode_laid(laid: &Result<Held, String>) -> Vec<u8> {
    let mut line = serde_json::to_vec(laid).expect("it holds only strings");
    line.push(b'\n');
    line
}

/// Reads that line. What is behind it comes when it is asked for, and not before.
pub fn decode_laid(socket: impl Read) -> io::Result<Result<Held, String>> {
    let mut line = Vec::new();
    BufReader::with_capacity(1 << 16, socket.take(LONGEST_LINE)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Sends a request with its number, and with descriptors where it brings some.
pub fn send(socket: impl AsFd, request: u8, number: u64, streams: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !streams.is_empty() && !control.push(SendAncillaryMessage::ScmRights(streams)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::empty();
    #[cfg(not(target_vendor = "apple"))]
    let flags = flags | SendFlags::NOSIGNAL;
    let mut line = [request; REQUEST];
    line[1..].copy_from_slice(&number.to_ne_bytes());
    match sendmsg(socket, &[IoSlice::new(&line)], &mut control, flags)? {
        REQUEST => Ok(()),
        // The kernel takes so few bytes whole, or none.
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Receives one request, its number, and the descriptors that it brings; `None`: the pod is gone.
pub fn receive(socket: impl AsFd) -> io::Result<Option<(u8, u64, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut request = [0; REQUEST];
    let flags = RecvFlags::empty();
    #[cfg(not(target_vendor = "apple"))]
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut request)], &mut control, flags)?;
    let streams = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(streams) => streams.collect(),
        _ => Vec::new(),
    });
    let streams = streams.collect();
    match received.bytes {
        0 => Ok(None),
        REQUEST => {
            let [kind, number @ ..] = request;
            Ok(Some((kind, u64::from_ne_bytes(number), streams)))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_reply_is_what_was_said_and_anything_else_is_none() {
        for reply in [Reply::Started(7), Reply::Refused(2), Reply::Ended(0x300), Reply::Ended(-1)] {
            assert_eq!(Reply::decode(reply.encode()), Some(reply));
        }
        assert_eq!(Reply::decode([0; REPLY]), None);
    }

    #[test]
    fn a_request_brings_its_streams_and_the_end_is_told() {
        let (pod, supervisor) = UnixStream::pair().unwrap();
        let (mut reader, writer) = UnixStream::pair().unwrap();
        send(&pod, RUN, 7, &[writer.as_fd()]).unwrap();
        send(&pod, KILL, 0, &[]).unwrap();
        drop((pod, writer));
        let (request, turn, streams) = receive(&supervisor).unwrap().unwrap();
        assert_eq!((request, turn, streams.len()), (RUN, 7, 1));
        let received = UnixStream::from(streams.into_iter().next().unwrap());
        (&received).write_all(b"x").unwrap();
        drop(received);
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "x");
        assert_eq!(
            receive(&supervisor).unwrap().map(|(request, _, streams)| (request, streams.len())),
            Some((KILL, 0))
        );
        assert!(receive(&supervisor).unwrap().is_none());
    }
}
