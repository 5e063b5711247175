//! The directory beneath which pods have theirs, where nobody names one.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the system makes a runtime directory for each user who logs in, by his number.
const OF_USERS: &str = "/run/user";

/// `$XDG_RUNTIME_DIR/insomnia`; without that variable `/run/user/UID/insomnia`, where that user directory is
/// ours: some agents start their servers with few variables, and the pods are there all the same; else
/// `~/.insomnia/run`. `var` gives the variables that are set.
pub(super) fn default(var: impl Fn(&'static str) -> Option<PathBuf>) -> Option<PathBuf> {
    beneath(Path::new(OF_USERS), var)
}

fn beneath(of_users: &Path, var: impl Fn(&'static str) -> Option<PathBuf>) -> Option<PathBuf> {
    // A relative one counts for nothing, as the base directory specification has it.
    let var = |name| var(name).filter(|path| path.is_absolute());
    let by_session = || {
        let own = rustix::process::geteuid().as_raw();
        let directory = of_users.join(own.to_string());
        let found = std::fs::symlink_metadata(&directory).ok()?;
        (found.is_dir() && found.uid() == own).then_some(directory)
    };
    let runtime = var("XDG_RUNTIME_DIR").or_else(by_session).map(|runtime| runtime.join("insomnia"));
    runtime.or_else(|| var("HOME").map(|home| home.join(".insomnia/run")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The base by a place's user directories, with that of a session, or without.
    fn base(users: &Path, session: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
        beneath(users, |name| match name {
            "XDG_RUNTIME_DIR" => session.map(PathBuf::from),
            _ => home.map(PathBuf::from),
        })
    }

    #[test]
    fn without_its_variable_the_runtime_directory_of_the_user_comes_before_his_home() {
        let users = tempfile::tempdir().unwrap();
        let (users, own) = (users.path(), rustix::process::geteuid().as_raw().to_string());
        let at_home = Some(PathBuf::from("/home/me/.insomnia/run"));
        assert_eq!(base(users, None, Some("/home/me")), at_home);
        assert_eq!(base(users, None, None), None);
        // A relative variable is none.
        assert_eq!(base(users, Some("session"), Some("/home/me")), at_home);
        assert_eq!(base(users, None, Some("me")), None);

        // What is no directory of ours is none: a file, a link to somewhere.
        fs::write(users.join(&own), "").unwrap();
        assert_eq!(base(users, None, Some("/home/me")), at_home);
        fs::remove_file(users.join(&own)).unwrap();
        symlink("/", users.join(&own)).unwrap();
        assert_eq!(base(users, None, Some("/home/me")), at_home);
        fs::remove_file(users.join(&own)).unwrap();

        fs::create_dir(users.join(&own)).unwrap();
        assert_eq!(base(users, None, Some("/home/me")), Some(users.join(&own).join("insomnia")));
        assert_eq!(base(users, Some("/session"), Some("/home/me")), Some("/session/insomnia".into()));
    }
}
