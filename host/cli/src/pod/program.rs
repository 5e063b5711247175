//! The program that a pod runs: what it is, and whether there is one, which is found out before the pod says that it
//! is ready.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::later::Later;

/// What to run.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// Found by `PATH` as usual.
    pub program: OsString,
    /// Its arguments; those of the first message, where there are others later.
    pub arguments: Vec<OsString>,
    pub later: Option<Later>,
    /// All of its environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// A program that cannot be run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProgram {
    #[error("cannot run `{}`: no such file in any directory of PATH; install it, or give its path", .0.display())]
    NotInPath(OsString),
    #[error("cannot run `{}`: no such file", .0.display())]
    Missing(PathBuf),
    #[error("cannot run `{}`: it is not an executable file (permission denied); `chmod +x` makes it one", .0.display())]
    NotExecutable(PathBuf),
}

/// Fails where the system would not find the program, or not run it.
pub fn check(program: &OsStr) -> Result<(), NoProgram> {
    check_in(program, std::env::var_os("PATH").as_deref())
}

/// The file that the system would run, without links; `None` where it is not found.
pub fn find(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Path::new(program).canonicalize().ok();
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|directory| directory.join(program));
    found.filter(|file| check_file(file).is_ok()).find_map(|file| file.canonicalize().ok())
}

fn check_in(program: &OsStr, path: Option<&OsStr>) -> Result<(), NoProgram> {
    if program.as_bytes().contains(&b'/') {
        return check_file(Path::new(program));
    }
    // What is searched where there is no PATH is the C library's to say: it is found out when the program is run.
    let Some(path) = path else { return Ok(()) };
    let mut fault = NoProgram::NotInPath(program.to_owned());
    if program.is_empty() {
        return Err(fault);
    }
    for directory in std::env::split_paths(path) {
        match check_file(&directory.join(program)) {
            Ok(()) => return Ok(()),
            Err(NoProgram::NotExecutable(file)) if file.exists() => fault = NoProgram::NotExecutable(file),
            // It is not there, or in a directory that is somebody else's.
            Err(_) => {}
        }
    }
    Err(fault)
}

fn check_file(file: &Path) -> Result<(), NoProgram> {
    match file.metadata() {
        Ok(found) if found.is_file() && access(file, Access::EXEC_OK).is_ok() => Ok(()),
        Ok(_) => Err(NoProgram::NotExecutable(file.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(NoProgram::NotExecutable(file.to_owned()))
        }
        Err(_) => Err(NoProgram::Missing(file.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_found_by_path_or_by_its_name_in_it_and_must_be_executable() {
        let dir = tempfile::TempDir::new().unwrap();
        let (first, second) = (dir.path().join("1"), dir.path().join("2"));
        for (file, mode) in
            [(first.join("plain"), 0o644), (first.join("both"), 0o644), (second.join("both"), 0o755)]
        {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(second.join("directory")).unwrap();
        let path = std::env::join_paths([&first, &second]).unwrap();
        let check = |program: &OsStr| check_in(program, Some(&path));
        assert_eq!(check("both".as_ref()), Ok(()));
        assert_eq!(check(second.join("both").as_ref()), Ok(()));
        assert_eq!(check("plain".as_ref()), Err(NoProgram::NotExecutable(first.join("plain"))));
        assert_eq!(check("directory".as_ref()), Err(NoProgram::NotExecutable(second.join("directory"))));
        assert_eq!(check("none".as_ref()), Err(NoProgram::NotInPath("none".into())));
        assert_eq!(check("".as_ref()), Err(NoProgram::NotInPath("".into())));
        assert_eq!(check(first.join("none").as_ref()), Err(NoProgram::Missing(first.join("none"))));
    }
}
