//! What an installation has done, so that it can be undone to the byte: kept in the operator's own directory,
//! beside what the configuration said before.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::client::Client;

/// What an installation has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The client's configuration.
    pub configuration: PathBuf,
    /// There was one before. What it said is in a file beside this one.
    pub existed: bool,
    /// There were no servers in it.
    pub made_servers: bool,
    /// Directories that were made for it, the outermost first.
    pub made_directories: Vec<PathBuf>,
    /// What was written for the server.
    pub entry: Value,
    /// SHA-256 of the configuration with the entry, in hexadecimal digits.
    pub written: String,
}

/// Where the record of a client is, and the backup of its configuration.
#[derive(Debug)]
pub struct Records {
    directory: PathBuf,
    record: PathBuf,
    backup: PathBuf,
}

impl Records {
    /// Beneath the operator's own directory.
    pub fn of(client: Client, own: &Path) -> Self {
        let directory = own.join("mcp");
        let word = client.word();
        Self {
            record: directory.join(format!("{word}.json")),
            backup: directory.join(format!("{word}.before")),
            directory,
        }
    }

    /// What the configuration said before.
    pub fn backup(&self) -> &Path {
        &self.backup
    }

    /// The record, if there is one.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be read, or is none.
    pub fn load(&self) -> anyhow::Result<Option<Record>> {
        let text = match fs::read(&self.record) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => anyhow::bail!("{} cannot be read: {error}", self.record.display()),
        };
        let record = serde_json::from_slice(&text).map_err(|error| {
            let shown = self.record.display();
            anyhow::anyhow!(
                "{shown} does not say what was installed: {error}; remove it, and the entry by hand"
            )
        })?;
        Ok(Some(record))
    }

    /// What the configuration said before that record, where it is still what the installation has left.
    /// `None`: it is something else by now. Within: there was none.
    pub fn before(&self, record: &Record, now: Option<&str>) -> Option<Option<String>> {
        if now.map(digest).as_ref() != Some(&record.written) {
            return None;
        }
        if !record.existed {
            return Some(None);
        }
        fs::read_to_string(&self.backup).ok().map(Some)
    }

    /// Keeps a record, and what the configuration said before.
    ///
    /// # Errors
    ///
    /// Fails where they cannot be written.
    pub fn keep(&self, record: &Record, before: Option<&str>) -> anyhow::Result<()> {
        let written = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            // There are tokens in configurations: temporary files are for the user alone.
            if let Some(before) = before {
                self.write(&self.backup, before)?;
            }
            self.write(&self.record, &format!("{:#}\n", serde_json::to_value(record)?))
        };
        written().map_err(|error: io::Error| {
            anyhow::anyhow!("cannot keep a backup in {}: {error}", self.directory.display())
        })
    }

    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Forgets it.
    pub fn forget(&self) {
        // The record first: without it, nobody asks for the backup.
        for path in [&self.record, &self.backup] {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir(&self.directory);
    }
}

/// SHA-256 in hexadecimal digits.
pub fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
