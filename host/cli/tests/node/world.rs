//! A server of NATS, nodes with pods, and callers: each a process, with a place and a key of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nkeys::KeyPair;
use pod_tools_conformance::{FakePod, Place};

use crate::cli::{Finished, at, run};
use crate::log::Log;

/// Longer than anything here takes, and not for ever.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How many messages the pod was sent.
pub fn runs(pod: &FakePod) -> usize {
    pod.methods().iter().filter(|method| *method == "run").count()
}

/// A port of the loopback interface that nobody has.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server. Dropped, it is killed.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// With these arguments, once it takes connections: the program that `NATS_SERVER` names, or else the one of
    /// `PATH`. `None` where there is no such program.
    pub fn start(port: u16, arguments: &[&str]) -> Option<Self> {
        let named = std::env::var_os("NATS_SERVER");
        let mut command = Command::new(named.as_deref().unwrap_or("nats-server".as_ref()));
        command.args(["-a", "127.0.0.1", "-p", &port.to_string()]).args(arguments);
        let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
            assert!(named.is_none(), "there is no {named:?}, which NATS_SERVER names");
            eprintln!("not run: there is no nats-server");
            return None;
        };
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("Server is ready") {
            assert!(log.read_line(&mut said).unwrap() > 0, "{said}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(Self { child, port })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node that serves. Dropped, it is killed.
pub struct Node {
    pub child: Child,
    log: Log,
    _stdout: BufReader<ChildStdout>,
}

impl Node {
    /// Waits until its log says this.
    pub fn await_log(&self, part: &str) -> String {
        self.log.next_with(part, PATIENCE)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever has a key.
pub struct Party {
    pub key: KeyPair,
    pub file: PathBuf,
}

/// A server's address, keys of two nodes and two callers, and where each is.
pub struct World {
    pub place: Place,
    pub port: u16,
    pub callers: [Party; 2],
    pub nodes: [Party; 2],
    pub places: [Place; 2],
}

pub const CALLERS: [&str; 2] = ["alice", "bob"];
pub const NODES: [&str; 2] = ["build-1", "build-2"];

impl World {
    pub fn new() -> Self {
        let place = Place::new().unwrap();
        let party = |name: &str| {
            let (key, file) = (KeyPair::new_user(), place.root().join(format!("{name}.nk")));
            fs::write(&file, key.seed().unwrap()).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            Party { key, file }
        };
        let (callers, nodes) = (CALLERS.map(party), NODES.map(party));
        let places = [(); 2].map(|()| Place::new().unwrap());
        let this = Self { place, port: free_port(), callers, nodes, places };
        this.grant(&["list,read,send,stop", "list"]);
        let node = |(name, party): (&&str, &Party)| {
            format!("[[node]]\nname = \"{name}\"\nkey = \"{}\"\n", party.key.public_key())
        };
        let nodes: String = NODES.iter().zip(&this.nodes).map(node).collect();
        fs::write(this.file("nodes.toml"), nodes).unwrap();
        this
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.place.root().join(name)
    }

    /// Writes what callers are granted by the nodes; who has an empty text is not there.
    pub fn grant(&self, grants: &[&str]) {
        let entry = |((name, party), grants): ((&&str, &Party), &&str)| match *grants {
            "" => String::new(),
            _ => {
                let key = party.key.public_key();
                format!("[[caller]]\nname = \"{name}\"\nkey = \"{key}\"\ngrants = [\"{grants}\"]\n")
            }
        };
        let all: String = CALLERS.iter().zip(&self.callers).zip(grants).map(entry).collect();
        self.write_callers(&all);
    }

    /// Puts a whole grants file in the place of the one that the nodes follow.
    pub fn write_callers(&self, text: &str) {
        fs::write(self.file("next.toml"), text).unwrap();
        fs::rename(self.file("next.toml"), self.file("callers.toml")).unwrap();
    }

    fn text(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    /// The server with the configuration that the program prints.
    pub fn server(&self) -> Option<Server> {
        let (grants, nodes) = (self.text("callers.toml"), self.text("nodes.toml"));
        let printed =
            run(at(&self.place, ["node", "--print-config", "nats", "--grants", &grants, "--nodes", &nodes]));
        assert_eq!(printed.code, Some(0), "{printed:?}");
        fs::write(
            self.file("nats.conf"),
            printed.stdout.replace("127.0.0.1:4222", &format!("127.0.0.1:{}", self.port)),
        )
        .unwrap();
        Server::start(self.port, &["-c", &self.text("nats.conf")])
    }

    /// A server that lets everybody do everything: what may be done is not its to say.
    pub fn open_server(&self) -> Option<Server> {
        Server::start(self.port, &[])
    }

    /// The node of that index, through `port`.
    pub fn node_through(&self, index: usize, port: u16, options: &[&str]) -> Node {
        let mut command = self.node_command(index, port, options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains(NODES[index]), "the node says {line:?}");
        Node { child, log, _stdout: stdout }
    }

    pub fn node_command(&self, index: usize, port: u16, options: &[&str]) -> Command {
        let mut command = at(&self.places[index], ["-v", "node", "--name", NODES[index]]);
        command.args(["--nats", &format!("nats://127.0.0.1:{port}"), "--grants", &self.text("callers.toml")]);
        command
            .arg("--creds")
            .arg(&self.nodes[index].file)
            .arg("--audit")
            .arg(self.file(&format!("audit-{index}")));
        command.args(options);
        command
    }

    pub fn node(&self, index: usize) -> Node {
        self.node_through(index, self.port, &[])
    }

    /// A command of the caller of that index, through `port`.
    pub fn command_through(&self, caller: usize, port: u16, arguments: &[&str]) -> Command {
        let mut command = at(&self.place, arguments);
        command.args(["--nats", &format!("nats://127.0.0.1:{port}"), "--nodes", &self.text("nodes.toml")]);
        command.arg("--creds").arg(&self.callers[caller].file);
        command
    }

    /// `call TOOL INPUT --json` of a caller.
    pub fn call(&self, caller: usize, tool: &str, input: &str) -> Finished {
        run(self.command_through(caller, self.port, &["call", tool, input, "--json"]))
    }
}

/// A connection to a port of this machine.
pub fn connected(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// What there is to read until `count` bytes are there.
pub fn exactly(reader: &mut impl Read, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    reader.read_exact(&mut bytes).unwrap();
    bytes
}
