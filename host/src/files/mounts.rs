//! Where in its file system a path lies. A bind mount shows a part of one in a second place, so that two directories
//! can hold the same files although neither is above the other.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mounts that this process sees, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    device: Vec<u8>,
    /// What of the file system is shown.
    root: PathBuf,
    /// Where it is shown.
    point: PathBuf,
}

/// A place in a file system.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Location {
    device: Vec<u8>,
    path: PathBuf,
}

impl Location {
    /// How many directories down from `upper` it lies; 0: they are the same. `None`: it is not beneath it.
    pub(crate) fn depth_below(&self, upper: &Self) -> Option<usize> {
        let beneath = self.path.strip_prefix(&upper.path).ok()?;
        (self.device == upper.device).then(|| beneath.components().count())
    }
}

impl Mounts {
    /// The mounts as they are now; none where the system does not tell.
    pub(crate) fn now() -> Self {
        if cfg!(any(target_os = "linux", target_os = "android")) {
            Self::parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
        } else {
            Self::default()
        }
    }

    /// Reads the lines of `/proc/PID/mountinfo`: `ID PARENT DEVICE ROOT POINT …`.
    fn parse(text: &[u8]) -> Self {
        let mount = |line: &[u8]| {
            let mut fields = line.split(|byte| *byte == b' ').skip(2);
            let device = fields.next()?.to_vec();
            Some(Mount { device, root: unescaped(fields.next()?), point: unescaped(fields.next()?) })
        };
        Self(text.split(|byte| *byte == b'\n').filter_map(mount).collect())
    }

    /// Where a path without links lies.
    pub(crate) fn location(&self, real: &Path) -> Option<Location> {
        // Of mounts at one point, the last one is seen.
        let holder = self.0.iter().filter(|mount| real.starts_with(&mount.point));
        let mount = holder.max_by_key(|mount| mount.point.components().count())?;
        Some(Location {
            device: mount.device.clone(),
            path: mount.root.join(real.strip_prefix(&mount.point).ok()?),
        })
    }

    /// All paths under which a directory without links in its path is seen, or a part of it.
    fn names(&self, real: &Path) -> Vec<PathBuf> {
        let mut names = vec![real.to_owned()];
        let Some(Location { device, path }) = self.location(real) else { return names };
        for mount in self.0.iter().filter(|mount| mount.device == device) {
            if let Ok(below) = path.strip_prefix(&mount.root) {
                // With a slash at its end it would be another path.
                names.push(mount.point.join(below).components().collect());
            } else if mount.root.starts_with(&path) {
                names.push(mount.point.clone());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// What is shown beneath a path without links.
    pub(crate) fn beneath(&self, real: &Path) -> impl Iterator<Item = Location> {
        let beneath = self.0.iter().filter(move |mount| mount.point != real && mount.point.starts_with(real));
        beneath.map(|mount| Location { device: mount.device.clone(), path: mount.root.clone() })
    }
}

/// All paths under which a directory is seen, or a part of it: that path itself, and what bind mounts show in other places.
/// The path is one without links. Where the system does not tell of mounts, it is the only one.
#[must_use]
pub fn names_of_directory(real: &Path) -> Vec<PathBuf> {
    Mounts::now().names(real)
}

/// A path in which white space and backslashes are written as three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, behind)) = rest.split_first() {
        let octal = behind.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) if byte == b'\\' => {
                bytes.push(escaped);
                rest = &behind[3..];
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = br"1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:5 / /proc rw - proc proc rw
3 1 8:1 /work/src /mnt/a\040b rw shared:1 - ext4 /dev/sda1 rw
4 1 8:2 / /work/data rw - ext4 /dev/sdb1 rw
5 1 8:3 / /work/data rw - ext4 /dev/sdc1 rw
";

    #[test]
    fn a_bind_mount_shows_a_part_of_its_file_system() {
        let mounts = Mounts::parse(MOUNTS);
        let at = |path: &str| mounts.location(Path::new(path)).unwrap();
        assert_eq!(at("/mnt/a b/deep"), at("/work/src/deep"));
        assert_eq!(at("/mnt/a b").depth_below(&at("/work")), Some(1));
        assert_eq!(at("/work/data/x").device, b"8:3", "the last mount hides the one before");
        assert_eq!(at("/work/data").depth_below(&at("/")), None, "another file system");
        assert_eq!(at("/work").depth_below(&at("/mnt/a b")), None);
    }

    #[test]
    fn what_is_mounted_beneath_is_shown_there() {
        let mounts = Mounts::parse(MOUNTS);
        let beneath = |path: &str| mounts.beneath(Path::new(path)).map(|at| at.path).collect::<Vec<_>>();
        assert_eq!(beneath("/mnt"), [Path::new("/work/src")]);
        assert!(beneath("/mnt/a b").is_empty() && beneath("/wor").is_empty());
    }

    #[test]
    fn a_directory_has_a_name_for_each_mount_that_shows_it_or_a_part_of_it() {
        let mounts = Mounts::parse(MOUNTS);
        let names = |path: &str| mounts.names(Path::new(path));
        assert_eq!(names("/work/src/deep"), [Path::new("/mnt/a b/deep"), Path::new("/work/src/deep")]);
        assert_eq!(names("/mnt/a b"), [Path::new("/mnt/a b"), Path::new("/work/src")]);
        assert_eq!(names("/work"), [Path::new("/mnt/a b"), Path::new("/work")], "a part of it");
        assert_eq!(names("/work/data"), [Path::new("/work/data")], "another file system");
    }

    #[test]
    fn lines_of_no_such_form_are_none() {
        assert!(Mounts::parse(b"1 2 3\n\nx").0.is_empty());
        assert_eq!(unescaped(br"/a\134b\9"), Path::new(r"/a\b\9"));
    }
}
