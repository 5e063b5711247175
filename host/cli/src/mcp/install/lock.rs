//! The lock that Claude Code takes while it changes its configuration: a directory beside it. While we have
//! it, no session of Claude Code writes what it read before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::client::Client;
use super::file::Refusal;

/// Claude Code holds it for some milliseconds; one that is older than this was left behind.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Held, until it is dropped.
#[derive(Debug)]
pub struct ClientLock(PathBuf);

impl ClientLock {
    /// Takes it. `None`: the client has none, or no directory that it would lie in.
    ///
    /// # Errors
    ///
    /// Fails where it is held all the time.
    pub async fn take(client: Client, configuration: &Path) -> Result<Option<Self>, Refusal> {
        if client != Client::Claude {
            return Ok(None);
        }
        // As Claude Code does it: beside the file itself, where the name is a link.
        let mut lock =
            fs::canonicalize(configuration).unwrap_or_else(|_| configuration.to_owned()).into_os_string();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let refused = |why: String| Refusal { file: configuration.to_owned(), why };
        let begun = tokio::time::Instant::now();
        loop {
            match fs::create_dir(&lock) {
                Ok(()) => return Ok(Some(Self(lock))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(refused(format!("cannot be locked: {}: {error}", lock.display())));
                }
                Err(_) if begun.elapsed() > PATIENCE => {
                    return Err(refused(format!(
                        "is being changed by Claude Code, whose lock is {}; where none is running, remove that directory",
                        lock.display()
                    )));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

impl Drop for ClientLock {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
