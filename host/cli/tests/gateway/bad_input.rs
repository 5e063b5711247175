//! Clients that do not keep to the protocol: each gets its own error, and nobody else notices.

use std::io::Read;

use pod_tools_conformance::{FakePod, Place, Script};

use crate::cli::place_with;
use crate::client::{READ, STOP, beginning};
use crate::process::{Gateway, PATIENT, TOKEN};
use crate::wire::{Written, request};

/// Sees to it that a session that was open before, and new ones, are served as ever afterwards.
fn undisturbed(options: &[&str], disturb: impl FnOnce(&Gateway, &FakePod, &Place)) {
    let (place, pod) = place_with(Script::new());
    let gateway = Gateway::start(&place, options);
    let mut other = gateway.session();
    let child = other.find("child", STOP).unwrap().pod;
    let exchange = other.shutdown(child).unwrap();
    disturb(&gateway, &pod, &place);
    assert_eq!(
        other.read(exchange, Some(1)).unwrap_err().failed().words(),
        ("execution-failed", "socket-timeout")
    );
    other.commit().unwrap();
    gateway.serves();
}

#[test]
fn another_version_is_told_which_one_there_is() {
    undisturbed(&PATIENT, |gateway, _, _| {
        for version in [0, 1, u16::MAX] {
            let mut client = gateway.connect();
            // What stands behind the version there, nobody knows.
            client.send(&Written([&beginning(version, TOKEN).0[..], b"and more"].concat()));
            let refused = client.answer(|_| ()).unwrap_err().over();
            assert_eq!(refused.words(), ("execution-failed", "protocol"));
            assert!(refused.message.contains("version 4 ") && refused.message.contains(&version.to_string()));
        }
    });
}

#[test]
fn what_does_not_begin_a_session_is_told_so() {
    undisturbed(&PATIENT, |gateway, _, _| {
        let refused = |bytes: &[u8]| {
            let mut client = gateway.connect();
            client.send_raw(bytes);
            let refused = client.answer(|_| ()).unwrap_err().over();
            assert_eq!(refused.words(), ("internal", ""), "{:?}", &bytes[..bytes.len().min(40)]);
            assert!(refused.message.contains("does not begin a session"), "{}", refused.message);
        };
        let framed = |content: Written| Written::default().bytes(&content.0).0;
        refused(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        refused(&[0xff; 9000]);
        refused(&[0; 4]);
        refused(&framed(request(2)));
        refused(&framed(request(0).text("podtoolz").u16(3).text(TOKEN)));
        // A frame of 8 KiB and a byte, before it is known who sends it.
        refused(&framed(beginning(3, &"x".repeat(8193 - beginning(3, "").0.len()))));
        let mut twice = gateway.session();
        let again = twice.begin(TOKEN).unwrap_err().over();
        assert!(again.message.contains("0 is no request"), "{}", again.message);
    });
}

#[test]
fn what_is_no_request_ends_the_session() {
    undisturbed(&PATIENT, |gateway, _, _| {
        for (content, part) in [
            (Written::default(), "ends before its number"),
            (request(18), "18 is no request"),
            (request(255).text("x"), "255 is no request"),
            (request(2).u8(0), "1 byte(s) follow"),
            (request(1).text("child"), "ends before its purpose"),
            (request(1).text("child").u8(4), "4 is no purpose"),
            (request(1).bytes(&[0xc3]).u8(0), "not UTF-8"),
            (request(1).u32(u32::MAX), "ends before its name"),
            (request(11).u32(u32::MAX).u32(1), "ends before its handles"),
            (request(8).u32(1).u8(7), "7 is no request to a pod"),
            (request(14).u8(2), "2 is no option"),
            (request(15).u8(0), "1 byte(s) follow"),
        ] {
            let mut session = gateway.session();
            let over = session.ask(&content, |_| ()).unwrap_err().over();
            assert_eq!(over.words(), ("internal", ""), "{content:?}");
            assert!(over.message.contains(part), "{part:?} is not in {:?}", over.message);
        }
    });
}

#[test]
fn a_handle_that_is_none_ends_the_session_and_reaches_nothing() {
    undisturbed(&PATIENT, |gateway, pod, _| {
        let mut theirs = gateway.session();
        let their_pod = theirs.find("child", STOP).unwrap().pod;
        let their_exchange = theirs.shutdown(their_pod).unwrap();
        let connections = pod.connections();

        let over = |content: Written, part: &str| {
            let mut session = gateway.session();
            let over = session.ask(&content, |_| ()).unwrap_err().over();
            assert_eq!(over.words(), ("internal", ""));
            assert!(over.message.contains(part), "{}", over.message);
        };
        // Those of another session, which has no such names; and names that nobody has.
        over(request(8).u32(their_pod).u8(2).within(None), "no pod with handle");
        over(request(9).u32(their_exchange).u32(1).within(None), "no exchange with handle");
        over(request(7).u32(their_pod), "no pod with handle");
        over(request(10).u32(their_exchange), "no exchange with handle");
        over(request(11).u32(1).u32(9), "no pod with handle 9");
        for number in [3, 4, 6] {
            over(request(number).u32(u32::MAX), "no pod with handle");
        }
        over(request(12).u32(0).within(None), "no pod with handle");
        over(request(13).u32(0).within(None), "no pod with handle");

        // After its drop a handle names nothing, and its number is given to nothing else.
        let mut dropped = gateway.session();
        let first = dropped.find("child", READ).unwrap().pod;
        dropped.drop_pod(first);
        assert_ne!(dropped.find("child", READ).unwrap().pod, first);
        dropped.state(first).unwrap_err().over();
        let mut dropped = gateway.session();
        let found = dropped.find("child", READ).unwrap().pod;
        let exchange = dropped.get_history(found).unwrap();
        dropped.drop_exchange(exchange);
        dropped.read(exchange, Some(1)).unwrap_err().over();

        // A pod is no exchange, and an exchange no pod.
        let mut confused = gateway.session();
        let found = confused.find("child", READ).unwrap().pod;
        confused.read(found, Some(1)).unwrap_err().over();
        let mut confused = gateway.session();
        let found = confused.find("child", READ).unwrap().pod;
        let exchange = confused.get_history(found).unwrap();
        confused.state(exchange).unwrap_err().over();

        // They have their own still.
        assert!(pod.connections() >= connections);
        theirs.state(their_pod).unwrap();
        assert_eq!(theirs.read(their_exchange, Some(1)).unwrap_err().failed().reason, "socket-timeout");
    });
}

#[test]
fn a_frame_of_4_gib_is_refused_by_its_length() {
    undisturbed(&PATIENT, |gateway, _, _| {
        let mut before = gateway.connect();
        before.send_raw(&u32::MAX.to_le_bytes());
        assert_eq!(before.answer(|_| ()).unwrap_err().over().kind, "internal");
        let mut after = gateway.session();
        after.send_raw(&u32::MAX.to_le_bytes());
        let over = after.answer(|_| ()).unwrap_err().over();
        assert_eq!(over.kind, "limit");
        assert!(over.message.contains("--max-transfer"), "{}", over.message);
        // While it goes on to come, the answer is there all the same.
        let mut going_on = gateway.session();
        going_on.send_raw(&u32::MAX.to_le_bytes());
        going_on.send_raw(&vec![0; 1 << 20]);
        assert_eq!(going_on.answer(|_| ()).unwrap_err().over().kind, "limit");
    });
}

#[test]
fn half_a_frame_ends_with_the_time_there_is_for_it() {
    undisturbed(&PATIENT, |gateway, _, place| {
        // Before the session begins: some seconds.
        let mut silent = gateway.connect();
        let mut half = gateway.connect();
        half.send_raw(&beginning(3, TOKEN).0[..3]);
        for client in [&mut silent, &mut half] {
            assert_eq!(client.stream.read(&mut [0]).unwrap(), 0);
        }
        // And then that of the call.
        let hurried = Gateway::start(place, &["--call-timeout", "1s"]);
        let mut session = hurried.session();
        session.send_raw(&[5, 0, 0, 0, 3]);
        assert_eq!(session.answer(|_| ()).unwrap_err().over().kind, "timeout");
    });
}

#[test]
fn bytes_at_random_do_no_harm() {
    undisturbed(&PATIENT, |gateway, _, _| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        for round in 0..200 {
            let mut client = if round % 2 == 0 { gateway.connect() } else { gateway.session() };
            let bytes: Vec<u8> = (0..20).flat_map(|_| random()).collect();
            if round % 3 == 0 {
                client.send_raw(&bytes);
            } else {
                client.send(&Written([&[bytes[0] % 17], &bytes[1..usize::from(bytes[1] % 30) + 1]].concat()));
            }
            client.stream.shutdown(std::net::Shutdown::Write).unwrap();
            while client.receive().is_some() {}
        }
    });
}
