//! The pods: real sockets, served by a process of their own, with answers that are ready before they are asked.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::history::{Shape, event};

/// As much as Linux gives by default.
const BACKLOG: i32 = 4096;

/// What all pods of a place do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Behaviour {
    /// They answer, with such a history.
    Answer(Shape),
    /// They listen, and never take a connection out of the backlog.
    NeverAccept,
    /// They are not there.
    Dead,
}

#[derive(Debug, clap::Args)]
pub struct PodsArgs {
    /// [`Behaviour`] as JSON.
    behaviour: String,
    sockets: Vec<PathBuf>,
}

/// Listens on all sockets, anew for each line of standard input, and says so with a line.
pub fn run(args: &PodsArgs) -> anyhow::Result<()> {
    crate::place::raise_descriptor_limit()?;
    let behaviour: Behaviour = serde_json::from_str(&args.behaviour)?;
    let history: Arc<[u8]> = match behaviour {
        Behaviour::Answer(shape) => event(shape).into(),
        Behaviour::NeverAccept | Behaviour::Dead => Arc::default(),
    };
    // Its thread serves; this one takes orders.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut pods: Vec<JoinHandle<()>> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        line?;
        for pod in pods.drain(..) {
            pod.abort();
            let _ = runtime.block_on(pod);
        }
        for socket in &args.sockets {
            if let Behaviour::Dead = behaviour {
                continue;
            }
            let listener = listen(socket)?;
            let (socket, history) = (socket.clone(), history.clone());
            pods.push(runtime.spawn(async move {
                match (behaviour, UnixListener::from_std(listener)) {
                    (Behaviour::Answer(_), Ok(listener)) => accept(listener, socket, history).await,
                    // Held, and never asked for a connection.
                    (_, _listener) => std::future::pending().await,
                }
            }));
        }
        println!("listening");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn listen(socket: &PathBuf) -> anyhow::Result<std::os::unix::net::UnixListener> {
    let _ = std::fs::remove_file(socket);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&listener, &SocketAddrUnix::new(socket)?)?;
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener.into())
}

async fn accept(listener: UnixListener, socket: PathBuf, history: Arc<[u8]>) {
    let (gone, mut is_gone) = tokio::sync::mpsc::channel::<UnixStream>(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(serve(stream, history.clone(), gone.clone()));
                }
            }
            Some(mut stream) = is_gone.recv() => {
                // A pod that ends takes no connection any more when it says so.
                drop(listener);
                let _ = std::fs::remove_file(socket);
                let _ = stream.write_all(b"{\"event\":\"shutdown\"}\n").await;
                return;
            }
        }
    }
}

/// Answers on one connection until the client has had enough.
async fn serve(stream: UnixStream, history: Arc<[u8]>, gone: tokio::sync::mpsc::Sender<UnixStream>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return;
        }
        let answer: &[u8] = if line.starts_with(r#"{"method":"get_history""#) {
            &history
        } else if line.starts_with(r#"{"method":"run""#) {
            b"{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n"
        } else {
            let _ = gone.send(stream.into_inner()).await;
            return;
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}
