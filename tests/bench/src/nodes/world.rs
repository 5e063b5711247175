//! A server, nodes with pods, and who calls them: from one process, through one connection, as one embedder.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use pod_tools_bench_native::usage::Usage;
use pod_tools_host::registry::FileRegistry;
use pod_tools_host::{Authority, Grant, Limits, PodTools};
use pod_tools_node::connection::Connection;
use pod_tools_node::identity::Identity;
use pod_tools_node::{NodeName, Remote};
use tokio::runtime::Runtime;

use super::plain::{Plain, Size};
use super::{HISTORY, Local, Shared};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::side::Lines;

/// Names another server than the first `nats-server` of `PATH`.
const SERVER: &str = "NATS_SERVER";

/// A server of NATS that lets everybody do everything. Dropped, it is killed.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// `None` where there is no such program.
    fn start() -> anyhow::Result<Option<Self>> {
        let program = std::env::var_os(SERVER).unwrap_or_else(|| "nats-server".into());
        let mut command = Command::new(program);
        let Ok(mut child) = command.args(["-a", "127.0.0.1", "-p", "-1"]).stderr(Stdio::piped()).spawn()
        else {
            return Ok(None);
        };
        let log = child.stderr.take();
        let mut this = Self { child, url: String::new() };
        let mut log = BufReader::new(log.context("no standard error")?);
        let mut line = String::new();
        while !line.contains("Server is ready") {
            line.clear();
            anyhow::ensure!(log.read_line(&mut line)? > 0, "nats-server has ended");
            if let Some((_, address)) = line.split_once("client connections on ") {
                this.url = format!("nats://{}", address.trim());
            }
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Some(this))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Node {
    /// Ends before its pods do.
    process: Lines,
    place: Place,
}

/// All of it.
pub struct World {
    pub shared: Arc<Shared>,
    pub plain: Arc<Plain>,
    pub local: Arc<Local>,
    _responder: Lines,
    nodes: Vec<Node>,
    pub server: Server,
    /// Keys, and who has which.
    pub files: tempfile::TempDir,
    pub pods: usize,
    pub runtime: Runtime,
}

impl World {
    /// So many nodes of so many pods. `None` where there is no server.
    pub fn start(count: usize, pods: usize, programs: &Programs) -> anyhow::Result<Option<Self>> {
        let Some(server) = Server::start()? else { return Ok(None) };
        let files = tempfile::tempdir()?;
        let caller = Identity::new();
        write_key(&files.path().join("caller.nk"), &caller)?;
        let grants = format!(
            "[[caller]]\nname = \"bench\"\nkey = \"{}\"\ngrants = [\"list,read,send,stop\"]\n",
            caller.public_key()
        );
        fs::write(files.path().join("callers.toml"), grants)?;
        let (mut nodes, mut known, mut listed) = (Vec::new(), Vec::new(), String::new());
        for number in 0..count {
            let (name, key) = (format!("node-{number}"), Identity::new());
            listed += &format!("[[node]]\nname = \"{name}\"\nkey = \"{}\"\n", key.public_key());
            let place = Place::new(pods, Behaviour::Answer(HISTORY), pods)?;
            let process = start_node(&name, &key, (&server, files.path()), &place, programs)?;
            nodes.push(Node { process, place });
            known.push((name.parse::<NodeName>()?, key.public_key()));
        }
        fs::write(files.path().join("nodes.toml"), listed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let names = known.iter().map(|(name, _)| name.clone()).collect();
        let remote = runtime.block_on(async {
            let connection = Connection::open(&server.url, &caller).await?;
            anyhow::Ok(Remote::new(connection, caller, known.into_iter().collect()))
        })?;
        let local = local(&nodes[0].place, programs, &runtime)?;
        let mut limits = Limits::default();
        // What is answered is remembered by the node for as long as the call might have taken.
        limits.call_time = Duration::from_secs(5);
        let authority = Authority::builder().limits(limits).build()?.peeking();
        let shared = Shared { remote, authority, names, pods, text: local.text.clone() };
        let (plain, responder) = runtime.block_on(plain(&server, &shared))?;
        let (shared, plain, local) = (Arc::new(shared), Arc::new(plain), Arc::new(local));
        Ok(Some(Self { shared, plain, local, _responder: responder, nodes, server, files, pods, runtime }))
    }

    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub fn place(&self, node: usize) -> &Place {
        &self.nodes[node].place
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// What the first node, this process and the server have used.
    pub fn usage(&self) -> anyhow::Result<[Usage; 3]> {
        let node = Usage::of_threads(self.nodes[0].process.id())?;
        Ok([node, Usage::of_this(), Usage::of_threads(self.server.child.id())?])
    }
}

fn write_key(path: &Path, key: &Identity) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(writeln!(file, "{}", key.seed().context("a new key has a seed")?)?)
}

/// With limits that nothing here reaches.
fn start_node(
    name: &str,
    key: &Identity,
    (server, files): (&Server, &Path),
    place: &Place,
    programs: &Programs,
) -> anyhow::Result<Lines> {
    let file = files.join(format!("{name}.nk"));
    write_key(&file, key)?;
    let mut command = programs.pod_tools_at(place)?;
    command.args(["node", "--name", name, "--nats", &server.url, "--skew", "1s", "--call-timeout", "120s"]);
    command.args([
        "--max-caller-rate",
        "1000000",
        "--max-caller-calls",
        "1000",
        "--max-caller-bytes",
        "1GiB",
    ]);
    command.arg("--creds").arg(file).arg("--grants").arg(files.join("callers.toml"));
    let mut process = Lines::start(&mut command)?;
    let ready = process.hear()?;
    anyhow::ensure!(ready.contains(name), "node {name} says {ready:?}");
    Ok(process)
}

/// The library in this process, on the pods of a place.
fn local(place: &Place, programs: &Programs, runtime: &Runtime) -> anyhow::Result<Local> {
    let tools = PodTools::builder().cache_dir(Some(programs.cache().to_owned())).load()?;
    let authority = Authority::builder()
        .allow_sockets(place.base())
        .registry(Arc::new(FileRegistry::open(place.runtime_dir())?))
        .scope_lock(place.scope_lock())
        .grant(Grant::all())
        .build()?
        .peeking();
    let answer = runtime.block_on(tools.call(&authority, "ReadPodOutput", r#"{"name":"pod-0"}"#))?;
    let text = answer.output().content.as_deref().context("a pod has text")?;
    anyhow::ensure!(text.contains("all 112 cases"), "no text of the pod: {text}");
    let text = text.into();
    Ok(Local { tools, authority, pods: place.names().len(), text })
}

/// Plain requests of the size of a call's messages, which are seen as they go by.
async fn plain(server: &Server, shared: &Shared) -> anyhow::Result<(Plain, Lines)> {
    const END: &str = "end";
    // The first call learns of the node's run.
    shared.call(0).await?;
    let client = async_nats::connect(&server.url).await?;
    let mut all = client.subscribe(">").await?;
    // It comes back when the server has the subscription.
    client.publish(END, "".into()).await?;
    while all.next().await.is_some_and(|message| message.subject.as_str() != END) {}
    shared.call(0).await?;
    client.publish(END, "".into()).await?;
    let mut seen = Vec::new();
    while let Some(message) = all.next().await {
        if message.subject.as_str() == END {
            break;
        }
        seen.push(Size::of(&message));
    }
    drop(all);
    let [request, answer] = seen[..] else {
        anyhow::bail!("a call was to be two messages, and was {}", seen.len());
    };
    eprintln!("a call is two messages: {request:?}, {answer:?}");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["plain", &server.url, &answer.header.to_string(), &answer.payload.to_string()]);
    let mut responder = Lines::start(&mut command)?;
    anyhow::ensure!(responder.hear()? == "ready", "the responder is not ready");
    Ok((Plain { client, request, answer }, responder))
}
