//! The conversation of a pod: what its command is told of it, so that a program which keeps conversations of its own goes
//! on with the right one, and what is kept of it for another pod of the same name (`--resume`).
//!
//! It is kept among the operator's own files, which no fence shows, and not in the pod's directory, which goes with it.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::name::PodName;

/// The variable that holds the id of the conversation: a UUID, as agents take one for a session's.
const SESSION: &str = "POD_SESSION";
/// The variable that holds the number of the message, from 1.
pub const TURN: &str = "POD_TURN";
/// How long the file of a conversation may be, in bytes.
const MOST: u64 = 16 << 10;

/// The conversation of a pod.
#[derive(Debug)]
pub struct Session {
    state: Kept,
    /// Where it is kept, where it is.
    file: Option<PathBuf>,
}

/// What is kept of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    session: String,
    /// How many messages there were.
    turns: u64,
    /// The id that an agent has given its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    agent_session: Option<String>,
}

impl Session {
    /// A new one, of this pod alone.
    pub fn new() -> Session {
        Session {
            state: Kept { session: Uuid::new_v4().to_string(), turns: 0, agent_session: None },
            file: None,
        }
    }

    /// The one that the last pod of that name in this base directory has left, or a new one; it is kept from now on.
    pub fn kept(state_directory: &Path, base: &Path, name: &PodName) -> anyhow::Result<Session> {
        let directory = state_directory.join("sessions");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.with_context(|| {
            format!("cannot make `{}`, where --resume keeps conversations", directory.display())
        })?;
        // Pods of one name in two base directories are two pods.
        let digest = Sha256::digest(base.as_os_str().as_bytes());
        let of_base: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let file = directory.join(format!("{name}.{of_base}.json"));
        let state = match File::open(&file) {
            Ok(open) => read(open).with_context(|| {
                format!(
                    "the conversation of pod `{name}` in `{}` cannot be read; remove the file to begin anew",
                    file.display()
                )
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Session::new().state,
            Err(error) => {
                bail!("cannot open `{}`, the conversation of pod `{name}`: {error}", file.display())
            }
        };
        Ok(Session { state, file: Some(file) })
    }

    /// Whether it is kept.
    pub fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Where it is kept.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.state.session
    }

    /// What the command finds in its environment, the same each time that it is run.
    pub fn variable(&self) -> (&'static str, OsString) {
        (SESSION, self.state.session.clone().into())
    }

    /// How many messages there were.
    pub fn turns(&self) -> u64 {
        self.state.turns
    }

    /// The session of the agent that it was held with.
    pub fn agent_session(&self) -> Option<&str> {
        self.state.agent_session.as_deref()
    }

    /// Notes another message, and gives its number. A disk that is full does not end the conversation.
    pub fn next_turn(&mut self) -> u64 {
        self.state.turns += 1;
        if let Err(error) = self.store() {
            tracing::warn!("{error:#}");
        }
        self.state.turns
    }

    /// Notes the session of the agent.
    pub fn held_with(&mut self, agent_session: String) -> anyhow::Result<()> {
        self.state.agent_session = Some(agent_session);
        self.store()
    }

    fn store(&self) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let store = || {
            let directory = file.parent().unwrap_or(Path::new("."));
            let mut temporary = NamedTempFile::new_in(directory)?;
            temporary.write_all(&serde_json::to_vec(&self.state)?)?;
            temporary.persist(file).map_err(|error| error.error)
        };
        store().map(drop).with_context(|| format!("cannot keep the conversation in `{}`", file.display()))
    }
}

fn read(file: File) -> anyhow::Result<Kept> {
    let mut text = Vec::new();
    file.take(MOST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST {
        bail!("it is longer than {MOST} bytes");
    }
    let kept: Kept = serde_json::from_slice(&text)?;
    Uuid::parse_str(&kept.session).context("its `session` is no UUID")?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_conversation_is_gone_on_with_by_the_next_pod_of_its_name_and_base() {
        let dir = tempfile::TempDir::new().unwrap();
        let kept = |base: &str, name: &str| {
            Session::kept(dir.path(), Path::new(base), &name.parse().unwrap()).unwrap()
        };
        let mut first = kept("/base", "x");
        assert_eq!((first.next_turn(), first.next_turn()), (1, 2));
        first.held_with("theirs".to_owned()).unwrap();
        let again = kept("/base", "x");
        assert_eq!(again.variable(), first.variable());
        assert_eq!((again.turns(), again.agent_session()), (2, Some("theirs")));
        for other in [kept("/other", "x"), kept("/base", "y")] {
            assert_ne!(other.variable(), first.variable());
        }
    }

    #[test]
    fn a_conversation_that_cannot_be_read_is_not_begun_anew_in_silence() {
        let dir = tempfile::TempDir::new().unwrap();
        let name: PodName = "x".parse().unwrap();
        let kept = || Session::kept(dir.path(), Path::new("/base"), &name);
        let file = kept().unwrap().file().unwrap().to_owned();
        fs::write(&file, "{}").unwrap();
        let error = format!("{:#}", kept().unwrap_err());
        assert!(error.contains("remove the file") && error.contains("missing field"), "{error}");
        fs::write(&file, "x".repeat(MOST as usize + 1)).unwrap();
        assert!(format!("{:#}", kept().unwrap_err()).contains("longer than"));
    }
}
