//! The root directory behind the fence: an empty one, in which what the command may reach is shown where it always is.
//!
//! What it may only read is mounted read-only, so that modes, owners and times cannot be changed either. The operator's
//! own, and the directories of pods, are covered where a rule reaches them; the directories on the way to what is covered
//! are mounts too, as they could be renamed otherwise, and others made in their place.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};

use rustix::process::pivot_root;

use super::mounting;
use super::plan::Plan;
use super::start::{DEVICES, PROGRAMS, SETTINGS, SYSTEM};

/// Where the old root directory is, while the new one is made.
const OLD: &str = "/old";
/// Where the new one is made.
const NEW: &str = "/new";
/// Directories that are empty and the command's own, as long as its supervisor lives.
pub const OWN: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
/// How many directories are covered in one whose children alone may be written.
const MOST_CHILDREN: usize = 1_000;

/// Makes it, and has this process in it. Gives the file of the locks of lives, through which nothing of it can be changed.
pub fn make(plan: &Plan) -> Result<Option<File>, String> {
    // Before there is another root directory, in which links would be followed wrongly.
    let start: Vec<(&Path, PathBuf)> = (PROGRAMS.iter().chain(SETTINGS).chain(SYSTEM))
        .filter_map(|path| Some((Path::new(*path), Path::new(path).canonicalize().ok()?)))
        .collect();
    // What is mounted on a directory hides it until that is the root directory itself: any one serves.
    let at = Path::new("/tmp");
    told("keep mounts beneath", Path::new("/"), mounting::keep_to_oneself())?;
    told("mount", at, mounting::memory(at, c"mode=0755"))?;
    told("make", at, fs::create_dir(at.join("old")).and_then(|()| fs::create_dir(at.join("new"))))?;
    told("enter", at, pivot_root(at, at.join("old")).map_err(Into::into))?;
    told("enter", at, std::env::set_current_dir("/"))?;
    let new_root = Path::new(NEW);
    told("mount", new_root, mounting::memory(new_root, c"mode=0755"))?;

    let life = plan.life.as_ref().map(|(file, _)| file_to_lock(file)).transpose()?;
    let mut root = Root { covers: Vec::new() };
    for (path, real) in start {
        if path != real {
            make_parent(path)?;
            told("make", path, symlink(&real, new(path)))?;
        }
        if new(&real).symlink_metadata().is_err() {
            root.bind(&real, true)?;
        }
    }
    root.devices()?;
    for own in OWN.map(Path::new) {
        told("make", own, fs::create_dir_all(new(own)))?;
        told("mount", own, mounting::memory(&new(own), c"mode=1777"))?;
    }
    root.scope(plan)?;
    for path in &plan.hidden {
        root.hide(path, plan)?;
    }
    root.bind(&plan.own, true)?;
    root.close()?;

    told("enter", new_root, std::env::set_current_dir(NEW))?;
    told("enter", new_root, pivot_root(".", ".").map_err(Into::into))?;
    told("leave", Path::new("/"), mounting::detach(Path::new(".")))?;
    told("enter", &plan.directory, begin(plan))?;
    Ok(life)
}

/// A file that the command is handed open, by a mount of its own: of one that is mounted to be written to, the mode could
/// be changed by whoever has it open to read.
fn file_to_lock(file: &Path) -> Result<File, String> {
    let at = Path::new("/lives");
    told("make", at, File::create_new(at).map(drop))?;
    told("show", file, mounting::bind(&old(file), at))?;
    told("close", file, mounting::read_only(at, false))?;
    told("open", file, File::open(at))
}

/// Where the command begins: where the pod was started, if that is behind the fence, else in the first directory of
/// the scope, else at the root.
fn begin(plan: &Plan) -> io::Result<()> {
    let mut places = [&plan.directory].into_iter().chain(&plan.writes).chain(&plan.flat).chain(&plan.reads);
    if places.any(|place| std::env::set_current_dir(place).is_ok()) {
        return Ok(());
    }
    std::env::set_current_dir("/")
}

/// The new root directory, as far as it is made.
struct Root {
    /// What covers something, and is made read-only when nothing more is mounted in it.
    covers: Vec<PathBuf>,
}

impl Root {
    fn devices(&mut self) -> Result<(), String> {
        for device in DEVICES.iter().map(Path::new) {
            if old(device).metadata().is_ok_and(|found| found.file_type().is_char_device()) {
                self.bind(device, false)?;
            }
        }
        let links = [
            ("/dev/fd", "/proc/self/fd"),
            ("/dev/stdin", "/proc/self/fd/0"),
            ("/dev/stdout", "/proc/self/fd/1"),
            ("/dev/stderr", "/proc/self/fd/2"),
            ("/dev/ptmx", "pts/ptmx"),
        ];
        for (link, target) in links {
            told("make", Path::new(link), symlink(target, new(Path::new(link))))?;
        }
        let terminals = new(Path::new("/dev/pts"));
        told("make", &terminals, fs::create_dir(&terminals))?;
        // Some containers do not let it: then there are no terminals.
        let _ = mounting::terminals(&terminals);
        Ok(())
    }

    /// Shows what the rules name, what is above first: so that the more of two rights is on top.
    fn scope(&mut self, plan: &Plan) -> Result<(), String> {
        let mut shown: Vec<(&Path, Shown)> = Vec::new();
        shown.extend(plan.writes.iter().map(|path| (&**path, Shown::Writable)));
        shown.extend(plan.flat.iter().map(|path| (&**path, Shown::Flat)));
        shown.extend(plan.reads.iter().map(|path| (&**path, Shown::Readable)));
        // Rules add: what may be written anyway is not made read-only by another rule.
        shown.retain(|(path, how)| {
            *how == Shown::Writable || !plan.writes.iter().any(|written| path.starts_with(written))
        });
        shown.retain(|(path, how)| *how != Shown::Readable || !plan.flat.iter().any(|flat| flat == path));
        shown.push((&plan.program, Shown::Program));
        shown.sort_by_key(|(path, how)| (path.components().count(), *how));
        for (path, how) in shown {
            match how {
                Shown::Program if new(path).exists() => {}
                Shown::Program | Shown::Readable => self.bind(path, true)?,
                Shown::Writable => self.bind(path, false)?,
                Shown::Flat => {
                    self.bind(path, false)?;
                    self.cover_children(path)?;
                }
            }
        }
        Ok(())
    }

    /// Shows a file, or a directory with all that is mounted in it, in its place.
    fn bind(&mut self, path: &Path, read_only: bool) -> Result<(), String> {
        make_place(path)?;
        told("show", path, mounting::bind(&old(path), &new(path)))?;
        if read_only {
            told("close", path, mounting::read_only(&new(path), true))?;
        }
        Ok(())
    }

    /// Covers the directories in a directory of which only itself and its children are the command's.
    fn cover_children(&mut self, path: &Path) -> Result<(), String> {
        let children = told("list", path, fs::read_dir(new(path)))?;
        let directories =
            children.flatten().filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir()));
        for (count, child) in directories.enumerate() {
            if count == MOST_CHILDREN {
                return Err(format!(
                    "`{}` has more than {MOST_CHILDREN} directories in it, which write-flat covers one by one; name \
                     another directory",
                    path.display()
                ));
            }
            self.cover(&path.join(child.file_name()))?;
        }
        Ok(())
    }

    /// Puts something empty in the place of what is not to be seen, if it can be seen.
    fn hide(&mut self, path: &Path, plan: &Plan) -> Result<(), String> {
        let Ok(found) = new(path).symlink_metadata() else { return Ok(()) };
        // What is on the way to it could be renamed, and forged. A mount cannot.
        if let Some(written) = plan.writes.iter().find(|written| path.starts_with(written)) {
            let mut between: Vec<&Path> =
                path.ancestors().skip(1).take_while(|above| above != written).collect();
            between.reverse();
            for above in between {
                told("show", above, mounting::bind(&new(above), &new(above)))?;
            }
        }
        if found.is_dir() {
            return self.cover(path);
        }
        told("cover", path, mounting::bind(&new(Path::new("/dev/null")), &new(path)))?;
        told("close", path, mounting::read_only(&new(path), false))
    }

    fn cover(&mut self, path: &Path) -> Result<(), String> {
        told("cover", path, mounting::memory(&new(path), c"mode=0755"))?;
        self.covers.push(new(path));
        Ok(())
    }

    /// Nothing more is mounted.
    fn close(self) -> Result<(), String> {
        for path in self.covers.iter().map(PathBuf::as_path).chain([Path::new(NEW)]) {
            told("close", path, mounting::read_only(path, false))?;
        }
        Ok(())
    }
}

/// How a rule's directory is shown. Of two at one place, the last one is on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Readable,
    Flat,
    Writable,
    Program,
}

/// Makes a place for something to be shown.
fn make_place(path: &Path) -> Result<(), String> {
    if new(path).symlink_metadata().is_ok() {
        return Ok(());
    }
    if told("find", path, old(path).symlink_metadata())?.is_dir() {
        return told("make", path, fs::create_dir_all(new(path)));
    }
    make_parent(path)?;
    told("make", path, File::create(new(path)).map(drop))
}

fn make_parent(path: &Path) -> Result<(), String> {
    told("make", path, new(path).parent().map_or(Ok(()), fs::create_dir_all))
}

fn old(path: &Path) -> PathBuf {
    Path::new(OLD).join(path.strip_prefix("/").unwrap_or(path))
}

fn new(path: &Path) -> PathBuf {
    Path::new(NEW).join(path.strip_prefix("/").unwrap_or(path))
}

fn told<T>(what: &str, path: &Path, done: io::Result<T>) -> Result<T, String> {
    done.map_err(|error| format!("cannot {what} `{}`: {error}", path.display()))
}
