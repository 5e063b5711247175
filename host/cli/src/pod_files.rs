//! Files that a pod keeps beside its socket, as whoever only watches may read them: in the directory that was checked,
//! regular files alone, and none that is reached by a link.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use pod_tools_host::PodDirectory;
use rustix::fs::{FileType, Mode, OFlags};

/// A status is some hundred bytes; what is longer is none.
const MAX_STATUS: u64 = 64 << 10;

/// The file of that name, `None` where there is none.
pub fn open(directory: &PodDirectory, name: &str) -> io::Result<Option<File>> {
    // What could be waited for is not: a FIFO, a device.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file: File = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(Some(file)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// How long ago the file was written, where there is one.
pub fn age(directory: &PodDirectory, name: &str) -> Option<Duration> {
    let written = open(directory, name).ok()??.metadata().ok()?.modified().ok()?;
    // A clock that was set back makes it new.
    Some(written.elapsed().unwrap_or_default())
}

/// Whether the pod says that it knows a method which not every pod does.
pub fn knows(directory: &PodDirectory, method: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Status {
        #[serde(default)]
        methods: Vec<String>,
    }
    let status = status(directory).and_then(|text| serde_json::from_slice::<Status>(&text).ok());
    status.is_some_and(|status| status.methods.iter().any(|known| known == method))
}

/// What the pod says of its state, where it says one.
pub fn state(directory: &PodDirectory) -> Option<&'static str> {
    #[derive(serde::Deserialize)]
    struct Status {
        state: String,
    }
    let state = serde_json::from_slice::<Status>(&status(directory)?).ok()?.state;
    ["idle", "running", "paused"].into_iter().find(|known| *known == state)
}

fn status(directory: &PodDirectory) -> Option<Vec<u8>> {
    let file = open(directory, "status.json").ok()??;
    let mut text = Vec::new();
    file.take(MAX_STATUS).read_to_end(&mut text).ok()?;
    Some(text)
}
