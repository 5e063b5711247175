//! Where an agent works, and which rule of its scope a path is under.

use std::path::{Component, Path, PathBuf};

use pod_tools_host::scope::{Permission, ScopeRule};

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// The scope, and where in it the agent begins.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where relative paths go from.
    pub directory: PathBuf,
    pub scope: Vec<ScopeRule>,
}

impl Place {
    /// In this scope, started from there. Behind a fence a directory that is not in the scope is not there.
    pub fn new(scope: &[ScopeRule], started_from: PathBuf, is_fenced: bool) -> Place {
        let scope = scope.to_vec();
        let is_there = |rule: &ScopeRule| {
            started_from.starts_with(&rule.target) || rule.target.starts_with(&started_from)
        };
        if !is_fenced || scope.iter().any(is_there) {
            return Place { directory: started_from, scope };
        }
        let order = |rule: &&ScopeRule| match (rule.permission, rule.recursive) {
            (Permission::Write, true) => 0,
            (Permission::Write, false) => 1,
            (Permission::Read, _) => 2,
        };
        let directory = scope.iter().min_by_key(order).map_or_else(|| "/".into(), |rule| rule.target.clone());
        Place { directory, scope }
    }

    /// The rule that lets this be done, by its number, and the path beneath its directory. Both are paths as the file
    /// system has them: links before the file are followed.
    pub fn find(&self, path: &Path, access: Access) -> Option<(usize, PathBuf)> {
        let path = self.directory.join(path);
        if path.components().any(|part| part == Component::ParentDir) {
            return None;
        }
        let real = real(&path);
        self.scope.iter().enumerate().find_map(|(number, rule)| {
            let rest = real.strip_prefix(&rule.target).ok()?;
            let reaches = rule.recursive || rest.components().count() <= 1;
            let may = access == Access::Read || rule.permission == Permission::Write;
            (reaches && may).then(|| (number, rest.to_owned()))
        })
    }

    /// The rule that would let it be done.
    pub fn missing(&self, path: &Path, access: Access) -> String {
        let path = self.directory.join(path);
        let word = match access {
            Access::Read => "read",
            Access::Write => "write",
        };
        if path.components().any(|part| part == Component::ParentDir) {
            return "name it without `..`".to_owned();
        }
        format!("it takes `--scope {word}:{}`", path.parent().unwrap_or(&path).display())
    }
}

/// The path without the links in it, as far as it is there.
fn real(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) {
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn rule(target: &Path, permission: Permission, recursive: bool) -> ScopeRule {
        ScopeRule { target: target.to_owned(), permission, recursive }
    }

    #[test]
    fn a_path_is_under_a_rule_by_what_it_leads_to() {
        let dir = tempfile::TempDir::new().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for name in ["in/deep", "out", "flat/below"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        symlink(root.join("out"), root.join("in/away")).unwrap();
        symlink(root.join("in"), root.join("link")).unwrap();
        let scope = [
            rule(&root.join("in"), Permission::Read, true),
            rule(&root.join("flat"), Permission::Write, false),
        ];
        let place = Place::new(&scope, root.join("in"), true);
        let found = |path: &str, access| place.find(&root.join(path), access).map(|(number, _)| number);
        assert_eq!(found("in/deep/new", Access::Read), Some(0));
        assert_eq!(found("link/deep", Access::Read), Some(0));
        assert_eq!(place.find(Path::new("deep/x"), Access::Read), Some((0, "deep/x".into())));
        assert_eq!(found("flat/x", Access::Write), Some(1));
        for (path, access) in [
            ("in/x", Access::Write),
            ("in/away/x", Access::Read),
            ("in/../out/x", Access::Read),
            ("flat/below/x", Access::Write),
            ("out/x", Access::Read),
            ("inn/x", Access::Read),
        ] {
            assert_eq!(found(path, access), None, "{path}");
        }
        assert!(place.missing(&root.join("out/x"), Access::Write).contains("write:"));
    }

    #[test]
    fn an_agent_that_was_started_outside_of_its_scope_begins_within_it() {
        let scope =
            [rule("/a".as_ref(), Permission::Read, true), rule("/b".as_ref(), Permission::Write, true)];
        let begins = |from: &str, is_fenced| Place::new(&scope, from.into(), is_fenced).directory;
        assert_eq!(begins("/c", true), Path::new("/b"));
        assert_eq!(begins("/c", false), Path::new("/c"));
        assert_eq!(begins("/a/x", true), Path::new("/a/x"));
        assert_eq!(begins("/", true), Path::new("/"));
    }
}
