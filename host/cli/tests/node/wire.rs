//! A client of NATS that says what it likes: its protocol by hand, at a server that asks nobody who he is.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use nkeys::KeyPair;
use pod_tools_node::answer::{Assembly, Piece};
use pod_tools_node::request::{Request, digest_of, nonce};
use serde_json::Value;

use crate::world::{NODES, connected, exactly};

/// One that is connected.
pub struct Wire {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    inboxes: usize,
}

/// A message that came.
pub struct Came {
    pub subject: String,
    pub reply: Option<String>,
    pub headers: String,
    pub payload: Vec<u8>,
}

impl Wire {
    pub fn connect(port: u16) -> Self {
        let stream = connected(port);
        let mut this =
            Self { reader: BufReader::new(stream.try_clone().unwrap()), writer: stream, inboxes: 0 };
        this.say("CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n");
        this
    }

    pub fn say(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).unwrap();
    }

    /// A new inbox that is listened to.
    pub fn inbox(&mut self) -> String {
        self.inboxes += 1;
        let inbox = format!("_INBOX.attacker.{}", self.inboxes);
        self.say(&format!("SUB {inbox} {}\r\n", self.inboxes));
        inbox
    }

    /// Listens to a subject.
    pub fn listen(&mut self, subject: &str) {
        self.inboxes += 1;
        self.say(&format!("SUB {subject} {}\r\n", self.inboxes));
    }

    pub fn publish(&mut self, subject: &str, reply: &str, headers: &[(&str, &str)], payload: &[u8]) {
        let mut head = "NATS/1.0\r\n".to_owned();
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let line = format!("HPUB {subject} {reply} {} {}\r\n", head.len(), head.len() + payload.len());
        self.writer.write_all(&[line.as_bytes(), head.as_bytes(), payload, b"\r\n"].concat()).unwrap();
    }

    /// The next message.
    pub fn next(&mut self) -> Came {
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).unwrap() > 0, "the server has closed the connection");
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["PING"] => self.say("PONG\r\n"),
                ["HMSG", subject, _, ref reply @ .., head, all] => {
                    let reply = reply.first().map(|reply| (*reply).to_owned());
                    let (head, all): (usize, usize) = (head.parse().unwrap(), all.parse().unwrap());
                    let mut bytes = exactly(&mut self.reader, all + 2);
                    bytes.truncate(all);
                    let payload = bytes.split_off(head);
                    let subject = subject.to_owned();
                    return Came { subject, reply, headers: String::from_utf8(bytes).unwrap(), payload };
                }
                ["MSG", subject, .., all] => {
                    let mut payload = exactly(&mut self.reader, all.parse::<usize>().unwrap() + 2);
                    payload.truncate(payload.len() - 2);
                    let subject = subject.to_owned();
                    return Came { subject, reply: None, headers: String::new(), payload };
                }
                _ => assert!(!line.starts_with("-ERR"), "{line}"),
            }
        }
    }
}

impl Came {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A request as a caller would make it, before it is signed.
pub fn request(tool: &str) -> Request {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Request {
        caller: String::new(),
        node: NODES[0].to_owned(),
        instance: String::new(),
        tool: tool.to_owned(),
        reader: None,
        peek: false,
        input_sha256: String::new(),
        deadline: u64::try_from(now.as_millis()).unwrap() + 20_000,
        time: 10_000,
        nonce: nonce().unwrap(),
    }
}

/// Sends an envelope as a caller does, and gives what the node, of that key, says.
pub fn ask(
    wire: &mut Wire,
    (caller, node): (&str, &KeyPair),
    tool: &str,
    envelope: &str,
    input: &[u8],
) -> Value {
    let inbox = wire.inbox();
    let subject = format!("pods.v1.{}.{caller}.{tool}", NODES[0]);
    wire.publish(&subject, &inbox, &[("Pods-Envelope", envelope)], input);
    let mut assembly = Assembly::new(&node.public_key(), &digest_of(envelope).unwrap(), 1 << 20);
    loop {
        let came = wire.next();
        let head = came.header("Pods-Piece").unwrap_or_else(|| panic!("{}", came.headers)).to_owned();
        if let Some(answer) = assembly.take(&Piece { head, bytes: came.payload }).unwrap() {
            return serde_json::from_slice(&answer).unwrap();
        }
    }
}

/// The run that a node is in, which it tells whoever asks for another.
pub fn instance(wire: &mut Wire, caller: &KeyPair, node: &KeyPair) -> String {
    let (envelope, _) = request("ListPods").seal(b"", caller).unwrap();
    let said = ask(wire, (&caller.public_key(), node), "ListPods", &envelope, b"");
    said["instance"].as_str().unwrap().to_owned()
}
