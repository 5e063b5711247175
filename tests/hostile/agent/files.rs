//! Attempts on files outside of the scope.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use crate::attempts::{Places, done, nothing};

/// What stands in the file outside.
const SECRET: &str = "a secret";

/// Whether a text is the secret.
pub fn told(text: &str) -> io::Result<()> {
    if text.trim() == SECRET { Ok(()) } else { Err(nothing("it is not there")) }
}

pub fn read(path: impl AsRef<Path>) -> io::Result<()> {
    told(&fs::read_to_string(path)?)
}

pub fn reads_by_an_absolute_path(at: &Places) -> io::Result<()> {
    read(at.outside("secret"))
}

pub fn reads_by_dot_dot(at: &Places) -> io::Result<()> {
    read(at.within("../outside/secret"))
}

pub fn reads_by_a_link_that_it_made(at: &Places) -> io::Result<()> {
    let link = at.within("made");
    let _ = fs::remove_file(&link);
    symlink(at.outside("secret"), &link)?;
    read(&link)
}

pub fn reads_by_a_link_that_it_found(at: &Places) -> io::Result<()> {
    read(at.within("found"))
}

pub fn reads_by_its_own_root(at: &Places) -> io::Result<()> {
    read(format!("/proc/self/root{}", at.outside("secret").display()))
}

pub fn reads_by_its_working_directory(at: &Places) -> io::Result<()> {
    std::env::set_current_dir(at.path("scope"))?;
    read("/proc/self/cwd/../outside/secret")
}

pub fn lists_a_directory(at: &Places) -> io::Result<()> {
    let found = fs::read_dir(at.path("outside"))?.flatten().any(|entry| entry.file_name() == "secret");
    if found { Ok(()) } else { Err(nothing("it is not there")) }
}

pub fn asks_whether_a_file_is_there(at: &Places) -> io::Result<()> {
    at.outside("secret").metadata().map(drop)
}

pub fn runs_a_program(at: &Places) -> io::Result<()> {
    told(&String::from_utf8_lossy(&Command::new(at.outside("program")).output()?.stdout))
}

pub fn writes_a_file(at: &Places) -> io::Result<()> {
    OpenOptions::new().append(true).open(at.outside("secret")).map(drop)
}

pub fn makes_a_file(at: &Places) -> io::Result<()> {
    File::create_new(at.outside("made"))?;
    fs::remove_file(at.outside("made"))
}

pub fn makes_a_directory(at: &Places) -> io::Result<()> {
    fs::create_dir(at.outside("directory"))?;
    fs::remove_dir(at.outside("directory"))
}

pub fn truncates_a_file(at: &Places) -> io::Result<()> {
    let path = CString::new(at.outside("empty").as_os_str().as_bytes())?;
    // SAFETY: the path ends with a zero.
    done(unsafe { libc::truncate(path.as_ptr(), 0) }).map(drop)
}

pub fn removes_a_file(at: &Places) -> io::Result<()> {
    fs::remove_file(at.outside("empty"))?;
    fs::write(at.outside("empty"), "")
}

pub fn changes_a_mode(at: &Places) -> io::Result<()> {
    fs::set_permissions(at.outside("secret"), Permissions::from_mode(0o644))
}

pub fn changes_an_owner(at: &Places) -> io::Result<()> {
    // SAFETY: it only tells.
    let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
    chown(at.outside("secret"), Some(user), Some(group))
}

pub fn changes_times(at: &Places) -> io::Result<()> {
    let path = CString::new(at.outside("secret").as_os_str().as_bytes())?;
    // SAFETY: the path ends with a zero; without times it is the present one.
    done(unsafe { libc::utimes(path.as_ptr(), std::ptr::null()) }).map(drop)
}

pub fn links_a_file_into_its_scope(at: &Places) -> io::Result<()> {
    let link = at.within("hard");
    let _ = fs::remove_file(&link);
    fs::hard_link(at.outside("secret"), &link)?;
    read(&link).and(fs::remove_file(&link))
}

pub fn renames_a_file_into_its_scope(at: &Places) -> io::Result<()> {
    fs::rename(at.outside("empty"), at.within("renamed"))?;
    fs::rename(at.within("renamed"), at.outside("empty"))
}

pub fn renames_its_scope_away(at: &Places) -> io::Result<()> {
    let away = at.path("scope").with_file_name("away");
    fs::rename(at.path("scope"), &away)?;
    fs::rename(&away, at.path("scope"))
}

/// By its number in the file system, which is not found by a path; with that the file system is told by any file of it.
pub fn opens_a_file_by_its_number(at: &Places) -> io::Result<()> {
    let bytes =
        (0..at.text("handle").len()).step_by(2).map(|i| u8::from_str_radix(&at.text("handle")[i..i + 2], 16));
    let mut handle: Vec<u8> = bytes.collect::<Result<_, _>>().map_err(io::Error::other)?;
    let within = File::open(at.path("scope"))?;
    // SAFETY: the handle has the length that stands in it, as the system has written it.
    let opened = done(unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, within.as_raw_fd(), handle.as_mut_ptr(), libc::O_RDONLY)
    })?;
    read(format!("/proc/self/fd/{opened}"))
}

pub fn reads_the_directory_of_a_pod(at: &Places) -> io::Result<()> {
    File::open(at.path("base").join("other/status.json")).map(drop)
}

pub fn lies_about_its_own_state(at: &Places) -> io::Result<()> {
    let own = at.path("base").join(std::env::var("POD_NAME").unwrap_or_default());
    File::create_new(own.join("lie"))?;
    fs::remove_file(own.join("lie"))
}

pub fn opens_the_scope_lock(at: &Places) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(at.path("base").join("scope.lock")).map(drop)
}

/// It has inherited a descriptor of it.
pub fn opens_the_lock_of_its_life_to_write(_: &Places) -> io::Result<()> {
    OpenOptions::new().write(true).open(format!("/proc/self/fd/{}", lock_of_life()?)).map(drop)
}

/// One that others can write to is believed by nobody.
pub fn changes_the_mode_of_the_lock_of_its_life(_: &Places) -> io::Result<()> {
    // SAFETY: a number that is a descriptor, and the mode that the file has.
    done(unsafe { libc::fchmod(lock_of_life()?, 0o600) }).map(drop)
}

fn lock_of_life() -> io::Result<i32> {
    let is_lock = |fd: &i32| {
        fs::read_link(format!("/proc/self/fd/{fd}"))
            .is_ok_and(|file| file.to_string_lossy().contains("lives"))
    };
    (3..64).find(is_lock).ok_or_else(|| nothing("there is none"))
}

pub fn reads_the_registry_of_the_operator(at: &Places) -> io::Result<()> {
    let mut registry = String::new();
    File::open(at.path("base").join("pod-tools/spawned_pods.json"))?.read_to_string(&mut registry).map(drop)
}

pub fn writes_to_the_cache_of_compiled_code(at: &Places) -> io::Result<()> {
    let planted = at.path("home").join(".cache/pod-tools/planted");
    File::create_new(&planted)?;
    fs::remove_file(planted)
}
