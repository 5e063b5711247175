//! What is short when nothing can be watched, and which limit makes it longer: the system's own words for these
//! errors name neither.

use std::fs::File;

use notify::{Error, ErrorKind};
use rustix::io::Errno;

/// The error in words that name the limit to raise, where it is one.
pub fn explained(error: &Error) -> String {
    let errno = match &error.kind {
        ErrorKind::MaxFilesWatch => Some(Errno::NOSPC),
        ErrorKind::Io(error) => error.raw_os_error().map(Errno::from_raw_os_error),
        _ => None,
    };
    let shortage = match errno {
        Some(Errno::NOSPC) => "no inotify watch is left (raise fs.inotify.max_user_watches)",
        // The kernel has one number for both.
        Some(Errno::MFILE) if descriptors_left() => {
            "no inotify instance is left (raise fs.inotify.max_user_instances)"
        }
        Some(Errno::MFILE) => "no descriptor is left for inotify (raise the limit of open files, ulimit -n)",
        Some(Errno::NFILE) => "the system has no descriptor left for inotify (raise fs.file-max)",
        _ => return error.to_string(),
    };
    shortage.to_owned()
}

/// Whether there are as many as a watcher takes: its instance, what it waits with, what wakes it.
fn descriptors_left() -> bool {
    let descriptors: Result<Vec<File>, _> = (0..3).map(|_| File::open("/dev/null")).collect();
    descriptors.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_named() {
        let of =
            |errno: Errno| explained(&Error::io(std::io::Error::from_raw_os_error(errno.raw_os_error())));
        assert!(of(Errno::MFILE).contains("fs.inotify.max_user_instances"));
        assert!(of(Errno::NFILE).contains("fs.file-max"));
        assert!(explained(&Error::new(ErrorKind::MaxFilesWatch)).contains("fs.inotify.max_user_watches"));
        assert!(of(Errno::ACCESS).to_lowercase().contains("denied"));
    }
}
