//! Who else could change a grants file: an agent that works where the file lies, or a pod whose scope it lies
//! in. What such a one may do, it decides itself.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use pod_tools_host::registry::Record;
use pod_tools_host::scope::{Permission, ScopeRule};

/// Where a grants file is put.
pub const REMEDY: &str =
    "keep it where no agent writes: $XDG_CONFIG_HOME/pod-tools/, which is ~/.config/pod-tools/ by default";
/// As many links as a system follows on one way.
const MAX_LINKS: usize = 40;

/// A sentence for each of those who could change what the file says: the agent that works in `directory`, if
/// that is known, and the pods of these records.
pub fn exposures(file: &Path, directory: Option<&Path>, records: &[Record]) -> Vec<String> {
    // The file, what it lies in however deep, and the same of each link on the way.
    let places = places(file);
    let above: HashSet<_> = places.iter().flat_map(|place| place.ancestors()).filter_map(identity).collect();
    let is_exposed_by = |directory: &Path| identity(directory).is_some_and(|found| above.contains(&found));
    let mut found = Vec::new();
    if let Some(directory) = directory
        && is_exposed_by(directory)
    {
        let shown = directory.display();
        found.push(format!(
            "lies beneath {shown}, and an agent that works there can grant itself what it likes; {REMEDY}"
        ));
    }
    for record in records {
        let writes = |rule: &&ScopeRule| rule.permission == Permission::Write && is_exposed_by(&rule.target);
        if let Some(rule) = record.scope_delegated.iter().find(writes) {
            let target = rule.target.display().to_string();
            let (pod, target) = (record.pod_name.escape_debug(), target.escape_debug());
            found.push(format!(
                "lies in the scope of pod `{pod}` (write:{target}), and so the pod can change what is granted; \
                 {REMEDY}"
            ));
        }
    }
    found
}

/// Device and inode: a directory under two names is one.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Where the file is, and every link on the way to it: who can replace a link can replace the file. Each has
/// no link before its last component. As far as the way can be gone.
fn places(file: &Path) -> Vec<PathBuf> {
    let mut rest: VecDeque<OsString> = file.iter().map(OsString::from).collect();
    let (mut at, mut links) = (PathBuf::new(), Vec::new());
    while let Some(next) = rest.pop_front() {
        match Path::new(&next).components().next() {
            Some(Component::ParentDir) => drop(at.pop()),
            Some(Component::CurDir) | None => {}
            Some(_) => {
                // The root replaces what was there before.
                let here = at.join(&next);
                match std::fs::read_link(&here) {
                    Ok(target) if links.len() < MAX_LINKS => {
                        links.push(here);
                        for component in target.iter().rev() {
                            rest.push_front(component.to_owned());
                        }
                    }
                    _ => at = here,
                }
            }
        }
    }
    links.push(at);
    links
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn pod(target: &Path, permission: Permission) -> Record {
        Record {
            pod_name: "p".to_owned(),
            socket_path: "/run/p/sock".into(),
            scope_delegated: vec![ScopeRule { target: target.to_owned(), permission, recursive: true }],
            callback_address: None,
            fence: None,
        }
    }

    #[test]
    fn a_file_in_the_agents_directory_or_behind_a_link_there_is_exposed_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        // Where temporary directories are may itself be behind a link.
        let root = root.path().canonicalize().unwrap();
        let (project, config) = (root.join("project"), root.join("config"));
        fs::create_dir_all(project.join("deep")).unwrap();
        fs::create_dir(&config).unwrap();
        for file in [project.join("deep/grants.toml"), config.join("grants.toml")] {
            fs::write(file, "grants = []\n").unwrap();
        }
        // The file itself in the project, behind a link elsewhere; a link in the project to a file elsewhere;
        // a directory that is a link.
        symlink("../project/deep/grants.toml", config.join("into.toml")).unwrap();
        symlink(config.join("grants.toml"), project.join("out.toml")).unwrap();
        symlink("../config", project.join("configuration")).unwrap();
        symlink("project", root.join("other-name")).unwrap();
        let exposed = |file: &str, directory: &Path| {
            let found = exposures(&root.join(file), Some(directory), &[]);
            assert!(found.iter().all(|it| it.contains("pod-tools/")), "{found:?}");
            !found.is_empty()
        };
        for file in [
            "project/deep/grants.toml",
            "project/../project/deep/grants.toml",
            "config/into.toml",
            "project/out.toml",
            "project/configuration/grants.toml",
            "other-name/deep/grants.toml",
        ] {
            assert!(exposed(file, &project), "{file}");
            assert!(exposed(file, &root.join("other-name")), "{file}");
        }
        assert!(!exposed("config/grants.toml", &project));
        assert!(!exposed("config/grants.toml", &root.join("none")));
        // A loop of links leads nowhere, and to an end.
        symlink("loop", root.join("loop")).unwrap();
        assert!(!exposed("loop", &project));
    }

    #[test]
    fn a_file_that_a_pod_may_write_is_exposed() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("grants.toml");
        fs::write(&file, "grants = []\n").unwrap();
        let exposed = |target: &Path, permission| exposures(&file, None, &[pod(target, permission)]);
        for target in [root.path(), &file, Path::new("/")] {
            let found = exposed(target, Permission::Write);
            assert!(found.len() == 1 && found[0].contains("pod `p`"), "{found:?}");
            assert_eq!(exposed(target, Permission::Read), [""; 0]);
        }
        assert_eq!(exposed(Path::new("/proc"), Permission::Write), [""; 0]);
        assert_eq!(exposed(Path::new("relative"), Permission::Write), [""; 0]);
    }
}
