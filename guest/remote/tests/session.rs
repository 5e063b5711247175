//! A session with a peer that says what the test has it say, over a real connection.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use pod_tools_remote::frame::{Answer, EXECUTION_FAILED, Error, INTERNAL, LIMIT, Request};
use pod_tools_remote::link::{Broken, Link};
use pod_tools_remote::session::{Bounds, Session, number};
use pod_tools_remote::tcp::Tcp;

/// Takes one connection, and in turn reads as many bytes as `expected` has, which must be those, and says `says`. Then
/// it closes the connection, and gives what else had come.
fn peer(talk: Vec<(Vec<u8>, Vec<u8>)>) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for (expected, says) in talk {
            let mut came = vec![0; expected.len()];
            stream.read_exact(&mut came).unwrap();
            assert_eq!(came, expected);
            // A client that has given up does not hear it.
            let _ = stream.write_all(&says);
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map_or_else(|_| Vec::new(), |_| rest)
    });
    (address, peer)
}

fn frame(content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    [&u32::try_from(content.len()).unwrap().to_le_bytes()[..], &content].concat()
}

/// The request that begins, with the token `t`.
fn begin() -> Vec<u8> {
    frame(&[&[0, 8, 0, 0, 0], b"podtools", &[4, 0, 1, 0, 0, 0], b"t"])
}

/// Its answer: 5 s, no bound, 30 s.
fn begun() -> Vec<u8> {
    frame(&[&[0, 4, 0], &5000_u32.to_le_bytes(), &[0], &30_000_u32.to_le_bytes()])
}

fn begin_at(gateway: SocketAddr) -> Session<Tcp> {
    Session::begin(gateway, "t")
}

fn state_of(handle: u32) -> Request {
    Request::new(number::STATE).u32(handle)
}

fn error(kind: u8, reason: u8, message: &str) -> Error {
    Error { kind, reason, message: message.into() }
}

#[test]
fn what_begins_and_what_drops_travels_with_the_next_request() {
    let (address, peer) = peer(vec![
        ([begin(), frame(&[&[3, 7, 0, 0, 0]])].concat(), [begun(), frame(&[&[0, 2]])].concat()),
        ([frame(&[&[7, 7, 0, 0, 0]]), frame(&[&[3, 8, 0, 0, 0]])].concat(), frame(&[&[0, 1]])),
        (frame(&[&[15]]), frame(&[&[0]])),
    ]);
    let mut session = begin_at(address);
    assert_eq!(session.ask(&state_of(7), Answer::u8), Ok(2));
    assert_eq!(session.bounds(), Ok(Bounds { operation_ms: 5000, max_output: None, call_ms: 30_000 }));
    session.tell(&Request::new(number::DROP_POD).u32(7));
    assert_eq!(session.ask(&state_of(8), Answer::u8), Ok(1));
    assert_eq!(session.asked(), 2, "drops are not counted");
    assert_eq!(session.commit(), Ok(()));
    assert_eq!(peer.join().unwrap(), []);
}

#[test]
fn a_failed_operation_ends_nothing_and_an_ended_session_stays_ended() {
    let failed = frame(&[&[1, 1, 3, 2, 0, 0, 0], b"no"]);
    let over = frame(&[&[2, 5, 0, 4, 0, 0, 0], b"over"]);
    let (address, peer) = peer(vec![
        (begin(), begun()),
        (frame(&[&[3, 1, 0, 0, 0]]), failed),
        (frame(&[&[3, 1, 0, 0, 0]]), over),
    ]);
    let mut session = begin_at(address);
    session.bounds().unwrap();
    assert_eq!(session.ask(&state_of(1), Answer::u8), Err(error(1, 3, "no")));
    assert_eq!(session.over(), None);
    assert_eq!(session.ask(&state_of(1), Answer::u8), Err(error(5, 0, "over")));
    assert_eq!(session.over(), Some(&error(5, 0, "over")));
    session.tell(&Request::new(number::DROP_POD).u32(1));
    assert_eq!(session.ask(&state_of(1), Answer::u8), Err(error(5, 0, "over")));
    assert_eq!(session.commit(), Err(error(5, 0, "over")));
    assert_eq!(peer.join().unwrap(), [], "nothing is sent to a session that is over");
}

#[test]
fn what_is_asked_ahead_is_answered_with_what_comes_next() {
    let cursor = || Request::new(number::SET_CURSOR).u32(1).u64(2).bytes("d");
    let sent = frame(&[&[5, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], b"d"]);
    let refused = frame(&[&[1, 0, 0, 2, 0, 0, 0], b"no"]);
    // The peer says nothing to it before it has what comes next: who waited for an answer would wait for ever.
    for (said, committed) in [(frame(&[&[0]]), Ok(())), (refused, Err(error(0, 0, "no")))] {
        let (address, peer) = peer(vec![
            (begin(), begun()),
            (sent.clone(), Vec::new()),
            (frame(&[&[3, 1, 0, 0, 0]]), [said, frame(&[&[0, 1]])].concat()),
            (sent.clone(), Vec::new()),
            (frame(&[&[15]]), [frame(&[&[0]]), frame(&[&[0]])].concat()),
        ]);
        let mut session = begin_at(address);
        session.bounds().unwrap();
        session.ask_ahead(&cursor()).unwrap();
        assert_eq!(session.ask(&state_of(1), Answer::u8), Ok(1));
        session.ask_ahead(&cursor()).unwrap();
        assert_eq!(session.asked(), 3);
        assert_eq!(session.commit(), committed);
        assert_eq!(peer.join().unwrap(), []);
    }
}

#[test]
fn what_a_call_has_given_stands_where_only_the_answer_to_commit_does_not_come() {
    for answer in [&b""[..], &[1, 0, 0]] {
        let (address, _peer) = peer(vec![(begin(), begun()), (frame(&[&[15]]), answer.to_vec())]);
        let mut session = begin_at(address);
        session.bounds().unwrap();
        assert_eq!(session.commit(), Ok(()));
    }
    let failed = frame(&[&[2, 1, 0, 4, 0, 0, 0], b"full"]);
    let (address, _peer) = peer(vec![(begin(), begun()), (frame(&[&[15]]), failed)]);
    let mut session = begin_at(address);
    session.bounds().unwrap();
    assert_eq!(session.commit(), Err(error(1, 0, "full")));
    // Before that it is the call that is broken off.
    let (address, _peer) = peer(vec![(begin(), begun())]);
    let mut session = begin_at(address);
    session.bounds().unwrap();
    let broken = session.ask(&state_of(1), Answer::u8).unwrap_err();
    assert_eq!(session.commit(), Err(broken));
}

#[test]
fn a_refused_token_is_told_in_the_words_of_the_gateway() {
    let refused = frame(&[&[2, 3, 0, 5, 0, 0, 0], b"wrong"]);
    let (address, _peer) = peer(vec![(begin(), refused)]);
    let mut session = begin_at(address);
    assert_eq!(session.ask(&state_of(1), Answer::u8), Err(error(3, 0, "wrong")));
    assert_eq!(session.commit(), Err(error(3, 0, "wrong")));
}

#[test]
fn a_gateway_that_is_not_there_is_named_with_the_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut session = begin_at(address);
    let error = session.bounds().unwrap_err();
    assert_eq!(session.commit(), Err(error.clone()));
    assert_eq!(error.kind, EXECUTION_FAILED);
    for part in [&address.to_string(), "refused", "pod-tools gateway"] {
        assert!(error.message.contains(part), "{error}");
    }
    assert!(!error.message.contains("os error"), "{error}");
}

#[test]
fn what_asks_nothing_connects_to_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut session = begin_at(listener.local_addr().unwrap());
    session.tell(&Request::new(number::DROP_POD).u32(1));
    assert_eq!(session.commit(), Ok(()));
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// What a session that has begun is told where the peer answers so, and where it answers the request after that so.
fn told(first: &[u8], second: Option<&[u8]>) -> Error {
    let mut talk = vec![(begin(), first.to_vec())];
    talk.extend(second.map(|second| (frame(&[&[3, 1, 0, 0, 0]]), second.to_vec())));
    let (address, _peer) = peer(talk);
    let mut session = begin_at(address);
    let told = session.bounds().and_then(|_| session.ask(&state_of(1), Answer::u8).map(drop));
    let error = told.unwrap_err();
    assert!(error.message.contains(&address.to_string()), "{error}");
    assert_eq!(session.over(), Some(&error));
    error
}

#[test]
fn a_gateway_that_closes_is_told_from_one_that_is_none() {
    let begun = begun();
    for (first, second) in [
        (&b""[..], None),
        (&begun[..7], None),
        (&begun, Some(&b""[..])),
        (&begun, Some(&[9, 0])),
        (&begun, Some(&[9, 0, 0, 0, 0])),
    ] {
        let error = told(first, second);
        assert_eq!(error.kind, EXECUTION_FAILED, "{error}");
        assert!(
            error.message.contains("closed the connection") && error.message.contains("start it again"),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_gateway_is_said_to_be_none() {
    for first in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[0, 0, 0, 0],
        &frame(&[&[0, 4, 0, 1]]),
        &frame(&[&[1]]),
        &frame(&[&[2, 99]]),
    ] {
        let error = told(first, None);
        assert_eq!(error.kind, INTERNAL, "{error}");
        assert!(error.message.contains("is not a gateway"), "{error}");
    }
}

#[test]
fn another_version_is_named_and_nonsense_ends_the_session() {
    let error = told(&frame(&[&[0, 9, 0], b"whatever it has"]), None);
    assert_eq!(error.kind, INTERNAL);
    assert!(error.message.contains("version 9") && error.message.contains("version 4"), "{error}");
    assert!(error.message.contains("compose"), "{error}");

    for second in [frame(&[&[0, 1, 1]]), frame(&[&[0]]), frame(&[&[3]]), vec![0xff; 4], frame(&[&[1, 7, 0]])]
    {
        let error = told(&begun(), Some(&second));
        assert_eq!(error.kind, INTERNAL, "{error}");
        assert!(error.message.contains("what its protocol does not have"), "{error}");
    }
}

/// A connection of which a host lets its component receive twice, and the second time is kept for the end.
struct Rationed {
    link: Tcp,
    left: usize,
}

impl Link for Rationed {
    fn connect(gateway: SocketAddr, within: Duration) -> Result<Self, String> {
        Tcp::connect(gateway, within).map(|link| Self { link, left: 2 })
    }

    fn wait_at_most(&mut self, within: Duration) {
        self.link.wait_at_most(within);
    }

    fn is_nearly_spent(&self) -> bool {
        self.left <= 1
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.link.send(bytes)
    }

    fn receive(&mut self, max: usize) -> Result<Vec<u8>, Broken> {
        self.left = self.left.checked_sub(1).ok_or(Broken::Spent)?;
        self.link.receive(max)
    }
}

#[test]
fn a_host_that_lets_no_more_be_received_is_told_from_a_gateway_that_closes() {
    let half = frame(&[&[0, 2]])[..3].to_vec();
    let (address, _peer) = peer(vec![(begin(), begun()), (frame(&[&[3, 1, 0, 0, 0]]), half)]);
    let mut session = Session::<Rationed>::begin(address, "t");
    session.bounds().unwrap();
    let error = session.ask(&state_of(1), Answer::u8).unwrap_err();
    assert_eq!(error.kind, LIMIT, "{error}");
    assert!(error.message.contains("host") && error.message.contains("--max-output"), "{error}");
    assert_eq!(session.commit(), Err(error));
}

#[test]
fn what_pods_say_leaves_enough_for_the_end_of_the_call() {
    let more = Request::new(number::READ).u32(1).u32(9).option(None);
    let (address, peer) = peer(vec![(begin(), begun()), (frame(&[&[number::COMMIT]]), frame(&[&[0]]))]);
    let mut session = Session::<Rationed>::begin(address, "t");
    session.bounds().unwrap();
    let error = session.ask_for_more(&more, Answer::last_bytes).unwrap_err();
    assert_eq!(error.kind, LIMIT, "{error}");
    assert_eq!(session.over(), None);
    assert_eq!(session.asked(), 0, "what was not asked is not awaited");
    session.commit().unwrap();
    assert_eq!(peer.join().unwrap(), b"");
}
