//! What a grants file says, and the file that says it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pod_tools_host::Grant;
use rustix::fs::OFlags;

use super::fault::{GrantsFileError, Position, fault};
use crate::limit_options::{GivenLimit, GivenLimits};
use crate::operator_log::OPERATOR;

/// A file of grants has some dozens of lines; more than this is not one.
const MAX_BYTES: u64 = 256 << 10;

/// What a grants file says.
#[derive(Debug, Clone)]
pub struct GrantsFile {
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// `None` where it has no `grants`: nothing is granted then.
    pub grants: Option<Vec<Placed<Grant>>>,
    /// `None` where it has no `allow-sockets`: what is the default without a file, is it then.
    pub allow_sockets: Option<Vec<Placed<PathBuf>>>,
    /// The limits that it sets.
    pub limits: Vec<Placed<GivenLimit>>,
    /// Why the file itself may say something else tomorrow than its owner thinks.
    pub open_to_others: Option<String>,
}

/// Something that stands at a place of the file.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    /// Where it begins.
    pub at: Position,
    /// As it is written.
    pub text: String,
    /// What it means.
    pub value: T,
}

impl GrantsFile {
    /// The limits that it sets.
    pub fn given_limits(&self) -> GivenLimits {
        GivenLimits(self.limits.iter().map(|limit| limit.value.clone()).collect())
    }

    /// Says in the operator's log what is wrong around the file, if anything is.
    pub fn warn(&self) {
        if let Some(why) = &self.open_to_others {
            tracing::warn!(target: OPERATOR, "{}: {why}", self.path.display());
        }
    }
}

/// What a file holds, before it is understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) open_to_others: Option<String>,
}

impl Content {
    /// Reads a file that is one, and no larger than it should be. A pipe or a device holds nobody up.
    pub fn read(path: &Path) -> Result<Self, GrantsFileError> {
        let failed = |why: String| GrantsFileError { path: path.to_owned(), faults: vec![fault(None, why)] };
        let cannot = |error: io::Error| failed(format!("cannot be read: {error}"));
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
        if !file.metadata().map_err(cannot)?.is_file() {
            return Err(failed("is not a regular file; name a file of grants".to_owned()));
        }
        let mut bytes = Vec::new();
        (&file).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(failed(format!(
                "has more than {MAX_BYTES} bytes; a file of grants has a few hundred"
            )));
        }
        Ok(Self { bytes, open_to_others: open_to_others(&file).map_err(cannot)? })
    }
}

/// Who else can change what the file says, and so what an agent may do.
fn open_to_others(file: &File) -> io::Result<Option<String>> {
    let metadata = file.metadata()?;
    let own = rustix::process::geteuid().as_raw();
    Ok(if metadata.uid() != own && metadata.uid() != 0 {
        Some("belongs to another user, who can change what is granted; own it yourself (chown)".to_owned())
    } else if metadata.mode() & 0o022 != 0 {
        Some("others can write to it, and so change what is granted; forbid it (chmod go-w)".to_owned())
    } else {
        None
    })
}
