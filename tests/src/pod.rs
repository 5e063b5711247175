//! A pod that follows a script: real sockets, a thread a connection.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, BufRead, BufReader, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType, sendmsg,
};
use serde_json::json;

use crate::listening::{address, listen};
use crate::place::Place;
use crate::script::{Script, Step};
use crate::transcript::Transcript;

/// A running fake pod. Dropped, it closes everything and removes its directory.
#[derive(Debug)]
pub struct FakePod {
    shared: Arc<Shared>,
    accepting: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    directory: PathBuf,
    script: Script,
    transcript: Transcript,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Every line that any client sent, in the order of arrival.
    received: Vec<String>,
    connections: usize,
    /// The number of the last look that was made, and of the last one that was accepted.
    looks_made: usize,
    looks: usize,
    answered: BTreeMap<String, usize>,
    gates: HashSet<String>,
    /// To end connections that wait for their client, or for nothing. By the count of connections.
    open: BTreeMap<usize, UnixStream>,
    listening: bool,
    ended: bool,
}

impl FakePod {
    /// Starts a pod of that name in `place`, with `status.json` saying `idle`, and records it there.
    pub fn start(place: &Place, name: &str, script: Script) -> io::Result<Self> {
        place.record(place.native_record(name))?;
        Self::start_at(place, &place.socket(name), name, script)
    }

    /// Starts a pod that listens at `socket`, and tells nobody.
    pub fn start_unrecorded(socket: &Path, name: &str, script: Script) -> io::Result<Self> {
        Self::start_noting(Transcript::default(), socket, name, script)
    }

    /// Starts a pod that listens at `socket` and is not recorded; the place's transcript shows its wires.
    pub fn start_at(place: &Place, socket: &Path, name: &str, script: Script) -> io::Result<Self> {
        Self::start_noting(place.transcript().clone(), socket, name, script)
    }

    fn start_noting(transcript: Transcript, socket: &Path, name: &str, script: Script) -> io::Result<Self> {
        let directory = socket.parent().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        fs::create_dir_all(&directory)?;
        let listener = listen(socket, script.backlog, script.user)?;
        let accept = script.accept;
        let state = State { listening: true, ..State::default() };
        let shared = Shared {
            name: name.to_owned(),
            directory,
            script,
            transcript,
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        let shared = Arc::new(shared);
        shared.write_status("idle")?;
        let of_thread = shared.clone();
        let accepting = std::thread::spawn(move || {
            if accept {
                of_thread.accept(&listener);
            } else {
                drop(of_thread.until(|state| state.ended || !state.listening));
            }
        });
        Ok(Self { shared, accepting: Some(accepting) })
    }

    /// Every line that clients have sent so far.
    pub fn received(&self) -> Vec<String> {
        self.shared.lock().received.clone()
    }

    /// The methods of those lines.
    pub fn methods(&self) -> Vec<String> {
        self.received().iter().map(|line| method(line)).collect()
    }

    /// How many connections were made so far, probes included.
    pub fn connections(&self) -> usize {
        // Connections are accepted in the order in which they were made: a look of the kit's own, which is
        // not counted, is accepted behind all of them.
        if self.shared.script.accept
            && let Ok((look, number)) = self.shared.look()
        {
            drop(self.shared.until(|state| state.looks >= number || state.ended || !state.listening));
            drop(look);
        }
        self.shared.lock().connections
    }

    /// Waits until clients have sent that many lines in all.
    ///
    /// # Panics
    ///
    /// Panics after a minute: a test that fails tells more than one that hangs.
    pub fn await_lines(&self, lines: usize) {
        self.shared.within_a_minute(|state| state.received.len() >= lines);
    }

    /// Waits until that many connections were accepted in all, probes included.
    ///
    /// # Panics
    ///
    /// Panics after a minute.
    pub fn await_connections(&self, connections: usize) {
        self.shared.within_a_minute(|state| state.connections >= connections);
    }

    /// Waits until that many connections were accepted in all, probes included, and every one of them is
    /// closed at both ends: no descriptor is held for them any more.
    ///
    /// # Panics
    ///
    /// Panics after a minute.
    pub fn await_closed(&self, connections: usize) {
        self.shared.within_a_minute(|state| state.connections >= connections && state.open.is_empty());
    }

    /// Lets those pass who wait at the gate, now and later.
    pub fn open_gate(&self, gate: &str) {
        self.shared.lock().gates.insert(gate.to_owned());
        self.shared.changed.notify_all();
    }

    /// Rewrites `status.json`.
    pub fn set_status(&self, state: &str) -> io::Result<()> {
        self.shared.write_status(state)
    }
}

impl Drop for FakePod {
    fn drop(&mut self) {
        self.shared.stop_listening();
        let open = {
            let mut state = self.shared.lock();
            state.ended = true;
            std::mem::take(&mut state.open)
        };
        self.shared.changed.notify_all();
        for stream in open.into_values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_dir_all(&self.shared.directory);
    }
}

/// How the sockets are named by which the kit looks after its pods; a number follows.
const LOOK: &str = "look-of-the-kit-";

/// Which look of the kit's a connection is, if it is one.
fn look(stream: &UnixStream) -> Option<usize> {
    let peer = stream.peer_addr().ok()?;
    peer.as_pathname()?.file_name()?.to_str()?.strip_prefix(LOOK)?.parse().ok()
}

fn method(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    value["method"].as_str().unwrap_or("").to_owned()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.lock(), |state| !done(state)).unwrap_or_else(PoisonError::into_inner)
    }

    fn within_a_minute(&self, done: impl Fn(&State) -> bool) {
        let minute = Duration::from_secs(60);
        let waited = self.changed.wait_timeout_while(self.lock(), minute, |state| !done(state));
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "pod `{}` still waits for its clients: {state:?}", self.name);
    }

    fn write_status(&self, state: &str) -> io::Result<()> {
        let status = json!({ "pod_name": self.name, "session_id": "0", "state": state });
        // Several connections may come to it at once.
        let _state = self.lock();
        let temporary = self.directory.join("status.json.tmp");
        fs::write(&temporary, status.to_string())?;
        fs::rename(temporary, self.directory.join("status.json"))
    }

    /// Connects as the kit itself, which the name of the connecting socket tells; and which look this is.
    fn look(&self) -> io::Result<(OwnedFd, usize)> {
        let number = {
            let mut state = self.lock();
            state.looks_made += 1;
            state.looks_made
        };
        let (_directory, address) = address(&self.directory.join("sock"))?;
        let own = address.with_file_name(format!("{LOOK}{number}"));
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(&own)?)?;
        let connected = rustix::net::connect(&socket, &SocketAddrUnix::new(address)?);
        fs::remove_file(own)?;
        connected?;
        Ok((socket, number))
    }

    fn accept(self: &Arc<Self>, listener: &UnixListener) {
        // The one that wakes this thread when it is to stop is not counted.
        for stream in listener.incoming().flatten() {
            let mut state = self.lock();
            if !state.listening {
                return;
            }
            if let Some(number) = look(&stream) {
                state.looks = number;
                self.changed.notify_all();
                continue;
            }
            state.connections += 1;
            let connection = state.connections;
            let wire = format!("pod {} #{connection}", self.name);
            if let Ok(handle) = stream.try_clone() {
                state.open.insert(connection, handle);
            }
            drop(state);
            self.changed.notify_all();
            let of_thread = self.clone();
            std::thread::spawn(move || {
                of_thread.serve(&stream, &wire);
                drop(stream);
                of_thread.lock().open.remove(&connection);
                of_thread.changed.notify_all();
            });
        }
    }

    fn stop_listening(&self) {
        let was_listening = std::mem::replace(&mut self.lock().listening, false);
        self.changed.notify_all();
        if was_listening {
            let socket = self.directory.join("sock");
            // A connection of its own wakes the accepting thread, which then drops the listener.
            if self.script.accept {
                let _ = address(&socket).and_then(|(_directory, address)| UnixStream::connect(address));
            }
            let _ = fs::remove_file(socket);
        }
    }

    /// Follows the script on one connection until either side has had enough.
    fn serve(&self, stream: &UnixStream, wire: &str) {
        self.transcript.add(wire, "is connected", []);
        let end = self.follow(&self.script.greeting, stream, wire).and_then(|()| {
            let mut lines = BufReader::new(stream);
            loop {
                let mut line = String::new();
                if lines.read_line(&mut line)? == 0 {
                    self.transcript.add(wire, "is closed by the host", []);
                    return Ok(());
                }
                self.transcript.add(wire, "receives", &line);
                let line = line.trim_end().to_owned();
                let steps = self.next_answer(&method(&line));
                self.lock().received.push(line);
                self.changed.notify_all();
                self.follow(&steps, stream, wire)?;
            }
        });
        if let Err(error) = end {
            self.transcript.add(wire, "closes:", error.to_string());
            if error.kind() == io::ErrorKind::ConnectionReset {
                // The client is told when the last handle is closed.
                return;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }

    fn next_answer(&self, method: &str) -> Vec<Step> {
        let (key, answers) = match self.script.answers.get_key_value(method) {
            Some(found) => found,
            None => match self.script.answers.get_key_value("*") {
                Some(found) => found,
                None => return Vec::new(),
            },
        };
        let mut state = self.lock();
        let count = state.answered.entry(key.clone()).or_default();
        let steps = answers.get(*count).or(answers.last()).cloned().unwrap_or_default();
        *count += 1;
        steps
    }

    fn follow(&self, steps: &[Step], mut stream: &UnixStream, wire: &str) -> io::Result<()> {
        let note = |what, bytes: &[u8]| self.transcript.add(wire, what, bytes);
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    note("sends", bytes);
                    stream.write_all(bytes)?;
                }
                Step::Pieces(bytes, size) => {
                    note("sends in pieces", bytes);
                    for piece in bytes.chunks((*size).max(1)) {
                        stream.write_all(piece)?;
                    }
                }
                Step::WithDescriptors(bytes, count) => {
                    note("sends with descriptors", bytes);
                    send_with_descriptors(stream, bytes, *count)?;
                }
                Step::Flood(bytes) => {
                    note("floods with", format!("{bytes} bytes").as_bytes());
                    let block = [b'x'; 64 << 10];
                    let mut left = *bytes;
                    while left > 0 {
                        let piece = left.min(block.len() as u64);
                        stream.write_all(&block[..usize::try_from(piece).unwrap_or(block.len())])?;
                        left -= piece;
                    }
                }
                Step::Repeat(bytes) => {
                    note("sends again and again", bytes);
                    loop {
                        stream.write_all(bytes)?;
                    }
                }
                Step::Wait(gate) => {
                    let state = self.until(|state| state.ended || state.gates.contains(gate));
                    if state.ended {
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                }
                Step::Status(state) => {
                    note("has the state", state.as_bytes());
                    self.write_status(state)?;
                }
                Step::StopListening => {
                    note("takes no more connections", &[]);
                    self.stop_listening();
                }
                Step::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
                Step::Reset => {
                    rustix::net::recv(stream, &mut [0_u8; 1][..], rustix::net::RecvFlags::PEEK)?;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Step::Hang => {
                    note("does nothing more", &[]);
                    drop(self.until(|state| state.ended));
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
        }
        Ok(())
    }
}

/// Writes bytes with so many descriptors, all of which are of the same nothing.
fn send_with_descriptors(stream: &UnixStream, bytes: &[u8], count: usize) -> io::Result<()> {
    let nothing = fs::File::open("/dev/null")?;
    let descriptors = vec![nothing.as_fd(); count];
    let mut space = vec![MaybeUninit::uninit(); SendAncillaryMessage::ScmRights(&descriptors).size()];
    let mut passed = SendAncillaryBuffer::new(&mut space);
    passed.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = sendmsg(stream, &[IoSlice::new(bytes)], &mut passed, SendFlags::NOSIGNAL)?;
    let mut rest = stream;
    rest.write_all(&bytes[sent..])
}
