//! Attempts to have the kernel lift the fence.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null;

use crate::attempts::{Places, done};
use crate::files::read;

pub fn mounts_a_file_system(at: &Places) -> io::Result<()> {
    mount(Path::new("none"), &directory(at)?, "tmpfs", 0)
}

pub fn mounts_a_directory_into_its_scope(at: &Places) -> io::Result<()> {
    let directory = directory(at)?;
    mount(&at.path("outside"), &directory, "", libc::MS_BIND)?;
    read(directory.join("secret"))
}

fn directory(at: &Places) -> io::Result<std::path::PathBuf> {
    // SAFETY: this process has one thread. What it mounts is to be gone with it, where it may.
    let _ = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    let _ = mount(Path::new("none"), Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE);
    let directory = at.within("mount");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn mount(source: &Path, at: &Path, kind: &str, flags: libc::c_ulong) -> io::Result<()> {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (source, at, kind) = (text(source)?, text(at)?, CString::new(kind)?);
    // SAFETY: all strings end with a zero.
    done(unsafe { libc::mount(source.as_ptr(), at.as_ptr(), kind.as_ptr(), flags, null()) }).map(drop)
}

pub fn makes_namespaces_of_its_own(_: &Places) -> io::Result<()> {
    // SAFETY: this process has one thread.
    done(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) }).map(drop)
}

pub fn changes_its_root(at: &Places) -> io::Result<()> {
    std::os::unix::fs::chroot(at.path("scope"))
}

/// Of the disk with the root directory, or the first one that there is.
pub fn makes_a_device(at: &Places) -> io::Result<()> {
    let device = at.within("device");
    let _ = fs::remove_file(&device);
    let path = CString::new(device.as_os_str().as_bytes())?;
    // SAFETY: the path ends with a zero.
    done(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 3)) })?;
    fs::read(&device).and(fs::remove_file(device))
}

/// Such as the program that gets what a crashed one has left, with all rights.
pub fn sets_a_variable_of_the_kernel(_: &Places) -> io::Result<()> {
    let file = "/proc/sys/kernel/core_pattern";
    fs::write(file, fs::read(file)?)
}

pub fn asks_for_a_ring_of_calls(_: &Places) -> io::Result<()> {
    let mut parameters = [0_u8; 120];
    // SAFETY: the parameters have the size that the call writes.
    done(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) }).map(drop)
}

pub fn asks_for_a_key_of_the_user(_: &Places) -> io::Result<()> {
    // SAFETY: numbers go in: which ring the user has.
    done(unsafe { libc::syscall(libc::SYS_keyctl, 0, -4, 1) }).map(drop)
}

pub fn attaches_shared_memory(at: &Places) -> io::Result<()> {
    // SAFETY: it is attached to read, where the system likes, and not used.
    let attached = unsafe { libc::shmat(at.number("memory"), null(), libc::SHM_RDONLY) };
    done(if attached.addr() == usize::MAX { -1 } else { 0 }).map(drop)
}
