//! Components in files: read within their bound, and written when they are whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::error::ArtifactError;

/// The bytes of a regular file, of at most so many.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ArtifactError> {
    let read = || {
        // Without waiting for a writer, should it be a FIFO.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let file: File = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read()
        .map_err(|error| ArtifactError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
    if bytes.len() as u64 > limit {
        let remedy = " (raise it with --max-component)";
        return Err(ArtifactError::TooLarge { what: path.display().to_string(), limit, remedy });
    }
    Ok(bytes)
}

/// Puts a file there when it is whole.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The mode of a file that anybody made, less the umask.
    let mode = Permissions::from_mode(0o666);
    let mut whole = tempfile::Builder::new().permissions(mode).tempfile_in(directory)?;
    whole.write_all(bytes)?;
    whole.persist(path)?;
    Ok(())
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
