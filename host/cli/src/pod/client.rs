//! One connection: lines in, lines out, each direction on its own. Neither waits for the other, so a method is
//! never lost to an event that arrives while it is being read.

use std::time::Duration;

use rustix::net::{SendFlags, send};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::outbox::Inbox;
use super::protocol::Method;

/// How long a method line may be, in bytes. A client that sends a longer one is dropped.
pub const MAX_METHOD: usize = 64 << 20;
/// How often to look whether a client that has finished writing is still there to read. Nothing announces it:
/// the end of what it writes has been seen already.
const HALF_CLOSED_CHECK: Duration = Duration::from_secs(1);

/// Tells connections apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// What a connection tells the server.
#[derive(Debug)]
pub enum FromClient {
    Method(Method),
    /// A line that is no method, with the reason.
    Invalid(String),
    /// The connection is over.
    Gone,
}

/// Serves a connection until the client has gone, or until the inbox has ended and all of it is written.
pub async fn serve(
    id: ClientId,
    stream: UnixStream,
    inbox: Inbox,
    server: mpsc::Sender<(ClientId, FromClient)>,
) {
    let (reader, writer) = stream.into_split();
    tokio::select! {
        () = read(id, reader, &server) => {}
        () = write(writer, inbox) => {}
    }
    let _ = server.send((id, FromClient::Gone)).await;
}

/// Returns when the client has gone or must be dropped.
async fn read(id: ClientId, reader: OwnedReadHalf, server: &mpsc::Sender<(ClientId, FromClient)>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        match read_line(&mut reader, &mut line).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => return,
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let said = match Method::decode(&line) {
            Ok(method) => FromClient::Method(method),
            Err(reason) => FromClient::Invalid(reason),
        };
        if server.send((id, said)).await.is_err() {
            // The pod ends: it listens no more, and what it still has to say is the writer's to finish.
            std::future::pending::<()>().await;
        }
    }
    // A client may shut down its writing side only, and read on.
    while !peer_gone(reader.get_ref()) {
        sleep(HALF_CLOSED_CHECK).await;
    }
}

/// Reads a line without its newline; the last one may lack it. `false`: there is none, it is the end. Fails
/// when the line is too long.
async fn read_line(reader: &mut BufReader<OwnedReadHalf>, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    loop {
        let arrived = reader.fill_buf().await?;
        if arrived.is_empty() {
            return Ok(!line.is_empty());
        }
        let newline = arrived.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&arrived[..newline.unwrap_or(arrived.len())]);
        let used = newline.map_or(arrived.len(), |at| at + 1);
        reader.consume(used);
        if newline.is_some() {
            return Ok(true);
        }
        if line.len() > MAX_METHOD {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
    }
}

/// Whether the client can no longer read: sending no bytes finds it out.
fn peer_gone(reader: &OwnedReadHalf) -> bool {
    let flags = SendFlags::DONTWAIT;
    #[cfg(not(target_vendor = "apple"))]
    let flags = flags | SendFlags::NOSIGNAL;
    matches!(send(reader.as_ref(), &[], flags), Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET))
}

/// Returns when the inbox has ended and is written. When the client takes no more, methods that it has sent
/// may still be unread: then this waits for the reader to end the connection.
async fn write(mut writer: OwnedWriteHalf, mut inbox: Inbox) {
    while let Some(line) = inbox.next().await {
        if writer.write_all(line.bytes()).await.is_err() {
            inbox.close();
            std::future::pending::<()>().await;
        }
    }
}
