//! A pod's events as something to watch: a connection that was checked, by which nothing can be asked for but what the
//! pod has said so far.

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::Authority;
use super::operation::Operation;
use crate::error::{Reason, ToolError};
use crate::registry::unknown_pod;
use crate::sockets::connect::{ConnectError, connect_until};

/// The longest event that is given whole, in bytes. One that is longer is passed over and never held: what streams
/// comes in pieces, and what is long is told again by the history.
const MAX_EVENT: usize = 1 << 20;

/// The line that asks for what the run that goes on has said so far: with a `read` grant that is no secret.
const WATCH: &[u8] = b"{\"method\":\"watch\"}\n";

/// The events of one pod, from the moment of connecting on.
#[derive(Debug)]
pub struct PodEvents {
    reader: BufReader<UnixStream>,
    /// Of the line that is coming.
    line: Vec<u8>,
    is_too_long: bool,
}

impl PodEvents {
    /// Asks for what the run that goes on has said so far: the answer is among the events, one `watching`. For pods that
    /// say in the `methods` of their `status.json` that they know `watch`: to others it is an invalid method.
    ///
    /// # Errors
    ///
    /// Fails where the connection is broken. A pod that takes nothing is not waited for.
    pub async fn ask_so_far(&mut self) -> std::io::Result<()> {
        // In one piece, as a new connection has room for it: native pods lose a method that comes in several.
        self.reader.get_ref().writable().await?;
        match self.reader.get_ref().try_write(WATCH)? {
            written if written == WATCH.len() => Ok(()),
            _ => Err(std::io::ErrorKind::WriteZero.into()),
        }
    }

    /// The next event as the pod wrote it, a line of JSON without its end; `None` at the end of the connection, be it
    /// that the pod has ended or that it has cut off a client that was too slow. Dropped, it has lost nothing.
    ///
    /// # Errors
    ///
    /// Fails where the connection is broken.
    pub async fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            let arrived = self.reader.fill_buf().await?;
            if arrived.is_empty() {
                return Ok(None);
            }
            let end = arrived.iter().position(|byte| *byte == b'\n');
            let piece = &arrived[..end.unwrap_or(arrived.len())];
            self.is_too_long |= self.line.len() + piece.len() > MAX_EVENT;
            if self.is_too_long {
                self.line.clear();
            } else {
                self.line.extend_from_slice(piece);
            }
            let used = piece.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                if !std::mem::take(&mut self.is_too_long) && !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
            }
        }
    }
}

impl Authority {
    /// Connects to the pod of that name, to hear its events. `None`: it cannot be reached, as it has ended. Needs a `read`
    /// grant for the pod, and a socket that passes the checks of every other one. To be called within a runtime.
    ///
    /// # Errors
    ///
    /// Fails with kind `denied` where the grant is missing or the socket fails a check, with `unknown-pod`,
    /// `registry-damaged` or `descriptors-exhausted`, and with `socket-timeout` where the pod takes no connection within
    /// the [time of one operation](crate::Limits::operation_time).
    pub async fn pod_events(&self, pod: &str) -> Result<Option<PodEvents>, ToolError> {
        let parts = self.parts();
        let allowed = parts.check(Operation::ReadOutput, Some(pod));
        allowed.map_err(|(_, denied)| denied)?;
        let found = parts.registry.find(pod).map_err(|error| parts.explain(error.into()))?;
        let record = found.ok_or_else(|| unknown_pod(pod))?;
        let wait = parts.limits.operation_time;
        let connected = connect_until(&parts.directories, &record.socket_path, Instant::now() + wait).await;
        let stream = match connected {
            Ok(stream) => stream,
            Err(ConnectError::Unreachable(_)) => return Ok(None),
            Err(error) => return Err(parts.explain(error.error(pod, &record.socket_path, wait))),
        };
        let stream = UnixStream::from_std(stream)
            .map_err(|error| ToolError::failed(Reason::DescriptorsExhausted, format!("connect: {error}")))?;
        Ok(Some(PodEvents { reader: BufReader::new(stream), line: Vec::new(), is_too_long: false }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::error::ErrorKind;

    fn authority(root: &std::path::Path, grant: &str) -> Authority {
        let record = serde_json::json!([
            {"pod_name": "pod", "socket_path": root.join("pod/sock"), "scope_delegated": []}
        ]);
        std::fs::write(root.join("spawned_pods.json"), record.to_string()).unwrap();
        Authority::builder()
            .allow_sockets(root)
            .runtime_dir(root)
            .grant(grant.parse().unwrap())
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn events_are_given_whole_and_the_longest_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("pod")).unwrap();
        let listener = UnixListener::bind(root.path().join("pod/sock")).unwrap();
        let pod = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"{\"event\":\"one\"}\n\n").unwrap();
            stream.write_all(&vec![b'x'; MAX_EVENT + 1]).unwrap();
            stream.write_all(b"\n{\"event\":\"two\"}\nhalf").unwrap();
        });
        let mut events = authority(root.path(), "read:pod").pod_events("pod").await.unwrap().unwrap();
        let mut heard = Vec::new();
        while let Some(event) = events.next().await.unwrap() {
            heard.push(String::from_utf8(event).unwrap());
        }
        pod.join().unwrap();
        assert_eq!(heard, ["{\"event\":\"one\"}", "{\"event\":\"two\"}"]);
        // Nobody listens any more.
        assert!(authority(root.path(), "read").pod_events("pod").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn without_a_read_grant_nothing_is_connected() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("pod")).unwrap();
        let listener = UnixListener::bind(root.path().join("pod/sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        for name in ["pod", "nobody"] {
            let error = authority(root.path(), "list,send,stop").pod_events(name).await.unwrap_err();
            assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::NotGranted)));
        }
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}
