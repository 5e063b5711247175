//! What a grants file says, and the file that says it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pod_tools_host::Grant;
use pod_tools_host::registry::Reader;

use super::fault::{GrantsFileError, fault};
use crate::caller_limits::OwnLimits;
use crate::limit_options::{GivenLimit, GivenLimits};
use crate::places::Position;

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
    /// Those who have grants of their own. Where there are any, it has no other grants.
    pub callers: Vec<GrantsOfCaller>,
}

/// Somebody who has grants of his own.
#[derive(Debug, Clone)]
pub struct GrantsOfCaller {
    /// What he is called in logs. He reads by that name, and no two have the same.
    pub name: Placed<Reader>,
    /// The file of the token that he shows to `pod-tools gateway`, an absolute path.
    pub token_file: Option<Placed<PathBuf>>,
    /// The public key with which he signs what he asks of `pod-tools node`. He has one of the two at least.
    pub key: Option<Placed<String>>,
    /// What he may do.
    pub grants: Vec<Placed<Grant>>,
    /// What he may have of a node at most.
    pub limits: OwnLimits,
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
    /// How many grants it has, those of callers included.
    pub fn count(&self) -> usize {
        let of_callers = self.callers.iter().map(|caller| caller.grants.len());
        self.grants.as_ref().map_or(0, Vec::len) + of_callers.sum::<usize>()
    }

    /// Fails where callers have grants of their own.
    ///
    /// # Errors
    ///
    /// Names the first of them, and who serves them.
    pub fn refuse_callers(&self) -> Result<(), GrantsFileError> {
        let Some(caller) = self.callers.first() else { return Ok(()) };
        let why = "callers have grants of their own here, and they are served by `pod-tools gateway` and `pod-tools node` \
                   alone; name a file with `grants` for all that is called";
        Err(self.fault_at(&caller.name, why.to_owned()))
    }

    /// A file that cannot be used because of what stands there.
    pub fn fault_at<T>(&self, placed: &Placed<T>, why: String) -> GrantsFileError {
        GrantsFileError { path: self.path.clone(), faults: vec![fault(Some(placed.at), why)] }
    }

    /// The limits that it sets.
    pub fn given_limits(&self) -> GivenLimits {
        GivenLimits(self.limits.iter().map(|limit| limit.value.clone()).collect())
    }
}

/// What a file holds, before it is understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    pub(super) bytes: Vec<u8>,
}

impl Content {
    /// Reads a file that is one, no larger than it should be, and written by nobody but its owner: what it says is
    /// authority. A pipe or a device holds nobody up.
    pub fn read(path: &Path) -> Result<Self, GrantsFileError> {
        let failed = |why: String| GrantsFileError { path: path.to_owned(), faults: vec![fault(None, why)] };
        let cannot = |error: io::Error| failed(format!("cannot be read: {error}"));
        let (file, exposure) = pod_tools_host::open_with_exposure(path).map_err(cannot)?;
        if !file.metadata().map_err(cannot)?.is_file() {
            return Err(failed("is not a regular file; name a file of grants".to_owned()));
        }
        if let Some(exposure) = exposure {
            return Err(failed(format!("is not believed: {exposure}")));
        }
        let mut bytes = Vec::new();
        (&file).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(failed(format!(
                "has more than {MAX_BYTES} bytes; a file of grants has a few hundred"
            )));
        }
        Ok(Self { bytes })
    }
}
