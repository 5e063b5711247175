//! How a command that is run anew for each message goes on with its conversation: by other arguments than those that
//! began it.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The most names in a directory that are looked through.
const MOST_NAMES: usize = 10_000;

/// What is run once the conversation has begun.
#[derive(Clone, Debug)]
pub struct Later {
    pub arguments: Vec<OsString>,
    /// A path that is there when it has; a component that is `*` is any one name. Without it, it has begun with the
    /// second message.
    pub begun: Option<PathBuf>,
}

/// Whether a conversation has begun, where this path tells it, before the message of that number.
pub fn has_begun(begun: Option<&Path>, turn: u64) -> bool {
    begun.map_or(turn > 1, |begun| is_there(Path::new(""), begun.components().as_path()))
}

fn is_there(directory: &Path, rest: &Path) -> bool {
    let mut components = rest.components();
    let Some(component) = components.next() else { return directory.symlink_metadata().is_ok() };
    let rest = components.as_path();
    if component != Component::Normal("*".as_ref()) {
        return is_there(&directory.join(component), rest);
    }
    let names = directory.read_dir().into_iter().flatten().flatten();
    names.take(MOST_NAMES).any(|name| is_there(&name.path(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_that_it_has_begun_whatever_the_number_of_the_message() {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::create_dir_all(dir.path().join("projects/one")).unwrap();
        std::fs::create_dir_all(dir.path().join("projects/two")).unwrap();
        std::fs::write(dir.path().join("projects/two/a"), "").unwrap();
        let begun = |path: &str| has_begun(Some(&dir.path().join(path)), 2);
        assert!(begun("projects/two/a") && begun("projects/*/a") && begun("*/two/a") && begun("*/*/*"));
        assert!(
            !begun("projects/*/b")
                && !begun("projects/one/*")
                && !begun("none/*")
                && !begun("projects/*/*/a")
        );
        assert!(has_begun(None, 2) && !has_begun(None, 1));
    }
}
