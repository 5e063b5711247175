//! Stand-ins for the native processes that share the files, and for those that hold a lock on them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::FlockOperation;
use serde_json::Value;

/// Changes the table as a native process does: opens, waits for the lock without a bound, reads, rewrites in
/// place.
pub fn change(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    rustix::fs::flock(&file, FlockOperation::LockExclusive).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let mut table: Value = match text.as_str() {
        "" => serde_json::json!({"allocations": []}),
        text => serde_json::from_str(text).unwrap(),
    };
    change(&mut table);
    file.set_len(0).unwrap();
    file.rewind().unwrap();
    file.write_all(serde_json::to_string_pretty(&table).unwrap().as_bytes()).unwrap();
}

/// Another process that holds the lock on a file until it is dropped.
pub struct Holder(Child);

impl Holder {
    /// Returns when the lock is held; `None` where there is no `flock(1)`.
    pub fn start(path: &Path) -> Option<Self> {
        let spawned = Command::new("flock")
            .arg(path)
            .args(["sh", "-c", "echo held; read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = spawned else {
            println!("not run: there is no flock(1)");
            return None;
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Some(Self(child))
    }
}

impl Drop for Holder {
    /// Lets go of the lock, and waits until it is free.
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Returns when this process has opened that file, at once where there is no `/proc` to tell; or when it is
/// no longer going to.
pub fn await_opened(path: &Path, is_finished: impl Fn() -> bool) {
    let is_open = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        open.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|file| file == path))
    };
    while Path::new("/proc/self/fd").exists() && !is_open() && !is_finished() {
        std::thread::yield_now();
    }
}

/// A small file system of its own, for filling it; `None` where this process may not mount.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub fn mount(pages: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={}k,mode=700", pages * 4);
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("not run: no small file system can be mounted here");
            return None;
        }
        Some(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it up but for so many pages.
    pub fn fill(&self, free_pages: u64) {
        let room = rustix::fs::statvfs(self.path()).unwrap();
        let fill = (room.f_bfree - free_pages) * room.f_bsize;
        std::fs::write(self.path().join("filler"), vec![b'x'; usize::try_from(fill).unwrap()]).unwrap();
        assert_eq!(rustix::fs::statvfs(self.path()).unwrap().f_bfree, free_pages);
    }

    pub fn free(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.path().display());
    }
}
