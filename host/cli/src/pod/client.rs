//! One connection: lines in, lines out, each direction on its own. Neither waits for the other, so a method is
//! never lost to an event that arrives while it is being read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{SendFlags, send};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::outbox::Inbox;
use super::protocol::Method;

/// How long a method line may be, in bytes. A client that sends a longer one is dropped.
pub const MAX_METHOD: usize = 64 << 20;
/// A longer line takes one of the [places](Places) for long ones.
const SHORT: usize = 64 << 10;
/// How many lines of all clients may be long at a time.
const LONG_LINES: usize = 2;
/// How long a client waits for such a place before it is dropped.
const PLACE_WAIT: Duration = Duration::from_secs(60);
/// How long a long line has to be complete once it has its place: others wait for it.
const LONG_LINE_TIME: Duration = Duration::from_secs(10);
/// How much of the reason why a line is no method is told, in bytes: it may quote the line.
const MAX_REASON: usize = 512;
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

/// The places for long lines, of all clients: what they hold in memory is bounded by these.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

impl Places {
    pub fn new() -> Places {
        Places(Arc::new(Semaphore::new(LONG_LINES)))
    }
}

/// What a client has said.
#[derive(Debug)]
pub struct Heard {
    pub from: ClientId,
    pub said: FromClient,
    /// Given back when the server has done what was asked.
    _place: Option<OwnedSemaphorePermit>,
}

/// Serves a connection until the client has gone, or until the inbox has ended and all of it is written.
pub async fn serve(
    id: ClientId,
    stream: UnixStream,
    inbox: Inbox,
    places: Places,
    server: mpsc::Sender<Heard>,
) {
    let (reader, writer) = stream.into_split();
    tokio::select! {
        () = read(id, reader, &places, &server) => {}
        () = write(writer, inbox) => {}
    }
    let _ = server.send(Heard { from: id, said: FromClient::Gone, _place: None }).await;
}

/// Returns when the client has gone or must be dropped.
async fn read(id: ClientId, reader: OwnedReadHalf, places: &Places, server: &mpsc::Sender<Heard>) {
    let mut reader = BufReader::new(reader);
    loop {
        let (line, place) = match read_line(&mut reader, places).await {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(_) => return,
        };
        if line.trim_ascii().is_empty() {
            continue;
        }
        let said = match Method::decode(&line) {
            Ok(method) => FromClient::Method(method),
            Err(mut reason) => {
                if reason.len() > MAX_REASON {
                    reason.truncate(reason.floor_char_boundary(MAX_REASON));
                    reason.push('…');
                }
                FromClient::Invalid(reason)
            }
        };
        drop(line);
        if server.send(Heard { from: id, said, _place: place }).await.is_err() {
            // The pod ends: it listens no more, and what it still has to say is the writer's to finish.
            std::future::pending::<()>().await;
        }
    }
    // A client may shut down its writing side only, and read on.
    while !peer_gone(reader.get_ref()) {
        sleep(HALF_CLOSED_CHECK).await;
    }
}

/// Reads a line without its newline; the last one may lack it. `None`: it is the end. Fails when the line is too long,
/// and when it is long and takes too long.
async fn read_line(
    reader: &mut BufReader<OwnedReadHalf>,
    places: &Places,
) -> io::Result<Option<(Vec<u8>, Option<OwnedSemaphorePermit>)>> {
    let mut line = Vec::new();
    let mut place: Option<(OwnedSemaphorePermit, Instant)> = None;
    loop {
        let arrived = match &place {
            Some((_, until)) => timeout_at(*until, reader.fill_buf()).await??,
            None => reader.fill_buf().await?,
        };
        if arrived.is_empty() {
            return Ok((!line.is_empty()).then(|| (line, place.map(|(place, _)| place))));
        }
        let newline = arrived.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&arrived[..newline.unwrap_or(arrived.len())]);
        let used = newline.map_or(arrived.len(), |at| at + 1);
        reader.consume(used);
        if newline.is_some() {
            return Ok(Some((line, place.map(|(place, _)| place))));
        }
        if line.len() > MAX_METHOD {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if line.len() > SHORT && place.is_none() {
            let free = timeout(PLACE_WAIT, places.0.clone().acquire_owned()).await?;
            place = Some((free.map_err(io::Error::other)?, Instant::now() + LONG_LINE_TIME));
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
