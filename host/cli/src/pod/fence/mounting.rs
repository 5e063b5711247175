//! The calls that make, change and take away mounts. All that is unsafe about them is here.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null;

/// Mounts an empty file system that lies in memory. Its directory is nobody's to write to but the user's.
pub fn memory(at: &Path, options: &CStr) -> io::Result<()> {
    mount(c"tmpfs", at, c"tmpfs", libc::MS_NOSUID | libc::MS_NODEV, Some(options))
}

/// Mounts terminals of its own.
pub fn terminals(at: &Path) -> io::Result<()> {
    let options = c"newinstance,ptmxmode=0666,mode=620";
    mount(c"devpts", at, c"devpts", libc::MS_NOSUID | libc::MS_NOEXEC, Some(options))
}

/// Shows a file, or a directory with all that is mounted beneath it, in a second place.
pub fn bind(source: &Path, at: &Path) -> io::Result<()> {
    mount(&path(source)?, at, c"", libc::MS_BIND | libc::MS_REC, None)
}

/// Keeps what is mounted and unmounted from now on from other namespaces, and what is there from this one.
pub fn keep_to_oneself() -> io::Result<()> {
    mount(c"", Path::new("/"), c"", libc::MS_REC | libc::MS_PRIVATE, None)
}

/// Has nobody write through this mount, and those beneath it if `all`.
pub fn read_only(at: &Path, all: bool) -> io::Result<()> {
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let (at, flags) = (path(at)?, if all { libc::AT_RECURSIVE } else { 0 });
    // SAFETY: the path ends with a zero, and the attributes have the size that is told.
    done(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            at.as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })
}

/// Takes a mount away, with those beneath it, at once; what is in use goes later.
pub fn detach(at: &Path) -> io::Result<()> {
    let at = path(at)?;
    // SAFETY: the path ends with a zero.
    done(unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) }.into())
}

fn mount(
    source: &CStr,
    at: &Path,
    kind: &CStr,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) -> io::Result<()> {
    let at = path(at)?;
    let options = options.map_or(null(), CStr::as_ptr);
    // SAFETY: all strings end with a zero and live until the call is over.
    done(unsafe { libc::mount(source.as_ptr(), at.as_ptr(), kind.as_ptr(), flags, options.cast()) }.into())
}

fn path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn done(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
