//! No call takes more round trips than the contract has calls that ask for something.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::spawn;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, event, history};
use serde_json::json;

use crate::host::{Gateway, Host};

/// Of the frames that a client sends: those that count here.
const SET_CURSOR: u8 = 5;
const COMMIT: u8 = 15;

/// Who spoke last on a connection, and how often the client has begun to.
#[derive(Default)]
struct Talk {
    client_spoke: bool,
    round_trips: usize,
    /// A cursor was set, and nothing said since.
    is_staged: bool,
}

/// Hands on what is said on one connection at a time, and counts round trips. The answer to set-cursor is held back until
/// commit was sent: who waits for it waits in vain.
struct Tap {
    address: SocketAddr,
    talk: Arc<(Mutex<Talk>, Condvar)>,
}

impl Tap {
    fn before(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, talk) = (listener.local_addr().unwrap(), Arc::<(Mutex<Talk>, Condvar)>::default());
        let counted = talk.clone();
        spawn(move || {
            for client in listener.incoming() {
                let (client, gateway) = (client.unwrap(), TcpStream::connect(gateway).unwrap());
                let (answers, hearer) = (gateway.try_clone().unwrap(), client.try_clone().unwrap());
                let talk = counted.clone();
                spawn(move || hand_on(answers, hearer, &talk, false));
                let talk = counted.clone();
                spawn(move || hand_on(client, gateway, &talk, true));
            }
        });
        Self { address, talk }
    }

    /// How many there were since this was asked last.
    fn round_trips(&self) -> usize {
        std::mem::take(&mut *self.talk.0.lock().unwrap()).round_trips
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, (talk, staged): &(Mutex<Talk>, Condvar), is_client: bool) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        {
            let mut talk = talk.lock().unwrap();
            if is_client {
                talk.is_staged = last_request(&bytes[..read]) == SET_CURSOR;
                staged.notify_all();
            } else {
                talk = staged.wait_while(talk, |talk| talk.is_staged).unwrap();
            }
            talk.round_trips += usize::from(is_client && !talk.client_spoke);
            talk.client_spoke = is_client;
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Which request the last of these frames is. All of them came whole: they are short.
fn last_request(mut frames: &[u8]) -> u8 {
    loop {
        let (length, rest) = frames.split_first_chunk().unwrap();
        let (content, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        // Where both came at once, nobody has waited.
        if rest.is_empty() || content[0] == COMMIT {
            return content[0];
        }
        frames = rest;
    }
}

#[test]
fn what_can_ride_along_rides_along() {
    let place = Place::new().unwrap();
    let line = |event: serde_json::Value| [Step::text(event.to_string() + "\n")];
    let script = Script::new()
        .on("get_history", line(history(&[assistant("text")])))
        .on("run", line(event("turn_start", json!({ "turn": 0 }))))
        .stopping();
    let _pod = FakePod::start(&place, "worker", script).unwrap();
    let gateway = Gateway::start(&place, [""; 0]);
    let tap = Tap::before(gateway.address);
    let mut host = Host::new(tap.address, tap.address);
    let name = json!({ "name": "worker" });
    for (tool, input, round_trips) in [
        // No import is called, and nothing is asked: the end of the session is told alone.
        ("Nonsense", json!({}), 0),
        // list, probe, commit
        ("ListPods", json!({}), 3),
        // find, open with the state, read, commit
        ("SendToPod", json!({ "name": "worker", "message": "hello" }), 4),
        // find with the cursor, open with the state, read, commit; set-cursor goes ahead of it
        ("ReadPodOutput", name.clone(), 4),
        // the same, and the cursor is where it was
        ("ReadPodOutput", name.clone(), 4),
        // find, open, read, await-closed, release, forget, commit
        ("StopPod", name, 7),
    ] {
        let outcome = host.call(tool, &input);
        assert_eq!(outcome.is_err(), tool == "Nonsense", "{tool}: {outcome:?}");
        assert_eq!(tap.round_trips(), round_trips, "{tool}: {outcome:?}");
    }
}
