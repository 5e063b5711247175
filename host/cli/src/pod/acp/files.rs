//! `fs/read_text_file` and `fs/write_text_file`: files for the agent, through handles of the scope's directories that
//! were opened at the start.
//!
//! This is done by the pod's own process, which is not behind the fence. What the handles do not hold back is looked at
//! here: the operator's own directories where they lie within the scope, and files that are none.

use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use agent_client_protocol_schema::v1::{ReadTextFileRequest, WriteTextFileRequest};
use anyhow::Context;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use super::place::{Access, Place};

/// How large a file may be that is read or written so, in bytes.
const MOST: u64 = 8 << 20;

/// The scope's files.
#[derive(Debug)]
pub struct Files {
    place: Place,
    /// Of the scope's rules, in their order.
    directories: Vec<Dir>,
    /// What the agent is not to see, wherever it is.
    hidden: Vec<PathBuf>,
}

/// Why a file is not given.
#[derive(Debug, thiserror::Error)]
pub enum FileRefused {
    #[error("`{path}` is outside of the pod's scope: {missing}")]
    Outside { path: String, missing: String },
    #[error("`{path}` is not the agent's: it is the operator's own")]
    Hidden { path: String },
    #[error("cannot {word} `{path}`: {source}")]
    Failed { word: &'static str, path: String, source: std::io::Error },
    #[error("`{path}` is {what}; files of text are given, of at most {} bytes", MOST)]
    Unfit { path: String, what: &'static str },
}

impl Files {
    /// Opens the scope's directories.
    pub fn open(place: Place, hidden: Vec<PathBuf>) -> anyhow::Result<Files> {
        let open = |target: &PathBuf| {
            Dir::open_ambient_dir(target, ambient_authority())
                .with_context(|| format!("cannot open `{}`, which is in the scope", target.display()))
        };
        let directories = place.scope.iter().map(|rule| open(&rule.target)).collect::<anyhow::Result<_>>()?;
        Ok(Files { place, directories, hidden })
    }

    /// Whether there are any.
    pub fn are_offered(&self) -> bool {
        !self.directories.is_empty()
    }

    /// The lines that are asked for.
    pub fn read(&self, request: &ReadTextFileRequest) -> Result<String, FileRefused> {
        let path = &*request.path;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let mut file = self.open_file(path, Access::Read, &options)?;
        let mut text = Vec::new();
        let failed = |source| FileRefused::Failed { word: "read", path: shown(path), source };
        Read::by_ref(&mut file).take(MOST + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 > MOST {
            return Err(FileRefused::Unfit { path: shown(path), what: "too long" });
        }
        let text = String::from_utf8(text)
            .map_err(|_| FileRefused::Unfit { path: shown(path), what: "not of text in UTF-8" })?;
        let skipped = request.line.map_or(0, |line| line.saturating_sub(1) as usize);
        let most = request.limit.map_or(usize::MAX, |limit| limit as usize);
        if (skipped, most) == (0, usize::MAX) {
            return Ok(text);
        }
        Ok(text.split_inclusive('\n').skip(skipped).take(most).collect())
    }

    /// Writes a file, which is made where it is not there.
    pub fn write(&self, request: &WriteTextFileRequest) -> Result<(), FileRefused> {
        let path = &*request.path;
        if request.content.len() as u64 > MOST {
            return Err(FileRefused::Unfit { path: shown(path), what: "too long" });
        }
        let mut options = OpenOptions::new();
        // Cut off only when it is known to be a file of the agent's.
        options.write(true).create(true).truncate(false).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let mut file = self.open_file(path, Access::Write, &options)?;
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(request.content.as_bytes()));
        written.map_err(|source| FileRefused::Failed { word: "write", path: shown(path), source })
    }

    fn open_file(&self, path: &Path, access: Access, options: &OpenOptions) -> Result<File, FileRefused> {
        let Some((number, rest)) = self.place.find(path, access) else {
            let missing = self.place.missing(path, access);
            return Err(FileRefused::Outside { path: shown(path), missing });
        };
        let word = if access == Access::Read { "read" } else { "write" };
        let failed = |source| FileRefused::Failed { word, path: shown(path), source };
        // Before anything is made there: the directory is the one that the file would be in.
        let (above, name) = match (rest.parent(), rest.file_name()) {
            (Some(above), Some(name)) => (above, name),
            _ => return Err(FileRefused::Unfit { path: shown(path), what: "a directory" }),
        };
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        let directory = self.directories[number].open_dir(above).map_err(failed)?;
        let found = place_of(&directory).map_err(failed)?.join(name);
        if self.hidden.iter().any(|hidden| found.starts_with(hidden)) {
            return Err(FileRefused::Hidden { path: shown(path) });
        }
        let is_link = directory.symlink_metadata(name).is_ok_and(|found| found.is_symlink());
        if is_link {
            return Err(FileRefused::Unfit { path: shown(path), what: "a link; name what it leads to" });
        }
        let mut options = options.clone();
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        options.custom_flags(flags.bits().cast_signed());
        let file = directory.open_with(name, &options).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(FileRefused::Unfit { path: shown(path), what: "no file" });
        }
        Ok(file)
    }
}

/// The path of a directory that is open, as the file system has it now.
#[cfg(target_os = "linux")]
fn place_of(directory: &Dir) -> std::io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// Nothing is hidden where there is no fence.
#[cfg(not(target_os = "linux"))]
fn place_of(_directory: &Dir) -> std::io::Result<PathBuf> {
    Ok(PathBuf::new())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use pod_tools_host::scope::{Permission, ScopeRule};

    use super::*;

    struct World {
        dir: tempfile::TempDir,
        files: Files,
    }

    fn world() -> World {
        let dir = tempfile::TempDir::new().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for name in ["read", "write/own", "out"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("read/lines"), "1\n2\n3\n").unwrap();
        fs::write(root.join("out/secret"), "secret").unwrap();
        fs::write(root.join("write/own/grants"), "all").unwrap();
        let rule =
            |name: &str, permission| ScopeRule { target: root.join(name), permission, recursive: true };
        let scope = [rule("read", Permission::Read), rule("write", Permission::Write)];
        let place = Place::new(&scope, root.clone(), true);
        let files = Files::open(place, vec![root.join("write/own")]).unwrap();
        World { dir, files }
    }

    impl World {
        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().canonicalize().unwrap().join(name)
        }

        fn read(&self, name: &str) -> Result<String, String> {
            let request = ReadTextFileRequest::new("s", self.path(name));
            self.files.read(&request).map_err(|refused| refused.to_string())
        }

        fn write(&self, name: &str, text: &str) -> Result<(), String> {
            let request = WriteTextFileRequest::new("s", self.path(name), text);
            self.files.write(&request).map_err(|refused| refused.to_string())
        }
    }

    #[test]
    fn files_of_the_scope_are_read_in_part_or_whole_and_written() {
        let world = world();
        assert_eq!(world.read("read/lines").unwrap(), "1\n2\n3\n");
        let part = ReadTextFileRequest::new("s", world.path("read/lines")).line(2).limit(1);
        assert_eq!(world.files.read(&part).unwrap(), "2\n");
        world.write("write/new", "longer").unwrap();
        world.write("write/new", "short").unwrap();
        assert_eq!(world.read("write/new").unwrap(), "short");
    }

    #[test]
    fn what_is_outside_is_refused_with_the_rule_that_is_missing() {
        let world = world();
        let out = world.path("out");
        symlink(&out, world.path("write/away")).unwrap();
        symlink(out.join("secret"), world.path("write/link")).unwrap();
        assert!(world.read("out/secret").unwrap_err().ends_with(&format!("--scope read:{}`", out.display())));
        assert!(world.write("read/lines", "x").unwrap_err().contains("--scope write:"));
        for name in ["write/away/secret", "write/link", "write/../out/secret", "write/own/grants"] {
            assert!(world.read(name).is_err() && world.write(name, "x").is_err(), "{name}");
        }
        assert!(world.write("write/own/more", "x").is_err() && !world.path("write/own/more").exists());
        assert_eq!(fs::read_to_string(out.join("secret")).unwrap(), "secret");
    }

    #[test]
    fn what_is_no_file_of_text_or_too_long_is_refused_and_holds_nobody_up() {
        let world = world();
        let fifo = std::process::Command::new("mkfifo").arg(world.path("read/fifo")).status();
        assert!(fifo.unwrap().success());
        fs::write(world.path("read/binary"), b"\xff").unwrap();
        fs::File::create(world.path("read/long")).unwrap().set_len(MOST + 1).unwrap();
        for (name, what) in [
            ("read/fifo", "no file"),
            ("read/binary", "UTF-8"),
            ("read/long", "too long"),
            ("read", "a directory"),
            ("read/none", "No such file"),
        ] {
            let refused = world.read(name).unwrap_err();
            assert!(refused.contains(what), "{refused}");
        }
        assert!(world.write("write/long", &"x".repeat(MOST as usize + 1)).unwrap_err().contains("too long"));
        assert!(!world.path("write/long").exists());
    }
}
