//! What a path leads to, whatever its spelling: two paths are one where they lead to the same directory or file, by
//! device and inode, through symbolic links, bind mounts, `.` and `..`. Of a path that does not exist, its nearest
//! ancestor that does counts, and the names behind that.
//!
//! The answer holds for the moment. It serves to compare names, never to open anything by.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::state_file;

/// What tells one directory or file from another: device and inode.
pub(crate) type Identity = (u64, u64);

/// What a path leads to.
#[derive(Debug)]
pub(crate) struct Place {
    /// The path without links, as far as it exists.
    real: PathBuf,
    /// What lies there, the directory that holds it, and so on up to the root.
    chain: Vec<Identity>,
    /// The names behind that, of what does not exist.
    missing: Vec<OsString>,
}

impl Place {
    /// What an absolute path leads to; `None` for a relative one, and where nothing can be known.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        if !path.is_absolute() {
            return None;
        }
        let components: Vec<_> = path.components().collect();
        let there = |length: &usize| components[..*length].iter().collect::<PathBuf>().canonicalize().ok();
        let (length, real) =
            (1..=components.len()).rev().find_map(|length| Some((length, there(&length)?)))?;
        let mut missing = Vec::new();
        for component in &components[length..] {
            match component {
                Component::Normal(name) => missing.push((*name).to_owned()),
                // As near as one gets to a way back from where there is nothing.
                Component::ParentDir => drop(missing.pop()),
                _ => {}
            }
        }
        let chain = real.ancestors().map(identity).collect::<Option<_>>()?;
        Some(Self { real, chain, missing })
    }

    /// The path without links, with the names of what does not exist.
    pub(crate) fn path(&self) -> PathBuf {
        self.missing.iter().fold(self.real.clone(), |path, name| path.join(name))
    }

    /// How many directories down from `upper` it lies; 0: they are the same. `None`: it is not beneath it.
    pub(crate) fn depth_below(&self, upper: &Self) -> Option<usize> {
        let nearest = upper.chain.first()?;
        if upper.missing.is_empty() {
            let up = self.chain.iter().position(|identity| identity == nearest)?;
            return Some(up + self.missing.len());
        }
        let is_beneath = self.chain.first() == Some(nearest) && self.missing.starts_with(&upper.missing);
        is_beneath.then(|| self.missing.len() - upper.missing.len())
    }
}

/// Where a path leads, to be compared with many others: two of them are equal where [`is_same`] says so of the paths.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Spot {
    /// The nearest that exists, and the names behind it.
    Found(Identity, Vec<OsString>),
    /// Nothing can be known.
    Unknown(PathBuf),
}

impl Spot {
    /// Where that path leads.
    pub(crate) fn of(path: &Path) -> Self {
        match Place::of(path) {
            Some(Place { chain, missing, .. }) if !chain.is_empty() => Self::Found(chain[0], missing),
            _ => Self::Unknown(path.to_owned()),
        }
    }
}

/// Whether both paths lead to the same place. Equal paths are not looked at.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((Place::of(one), Place::of(other)), (Some(one), Some(other)) if one.depth_below(&other) == Some(0))
}

/// What lies at the path, links followed; `None` where there is nothing, or nothing can be known.
pub(crate) fn identity(path: &Path) -> Option<Identity> {
    rustix::fs::stat(path).ok().map(|stat| state_file::identity(&stat))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn place(path: impl AsRef<Path>) -> Place {
        Place::of(path.as_ref()).unwrap()
    }

    #[test]
    fn every_spelling_of_a_path_leads_to_the_same_place() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("real/below")).unwrap();
        symlink("real", root.join("link")).unwrap();
        symlink("real/below", root.join("deep")).unwrap();
        for spelling in ["real", "link", "real/", "./real/.", "real/../link", "real/below/..", "deep/.."] {
            for rest in ["", "below", "none", "none/none", "none/../below/none"] {
                let (one, other) = (root.join("real").join(rest), root.join(spelling).join(rest));
                assert!(is_same(&one, &other) && is_same(&other, &one), "{spelling} {rest}");
                assert_eq!(Spot::of(&one), Spot::of(&other), "{spelling} {rest}");
            }
            for other in ["real/below", "real/none", "other", ""] {
                assert!(!is_same(&root.join(spelling), &root.join(other)), "{spelling} {other}");
                assert_ne!(Spot::of(&root.join(spelling)), Spot::of(&root.join(other)), "{spelling} {other}");
            }
        }
        assert!(!is_same(&root.join("real/none"), &root.join("link/other")));
        assert!(is_same(Path::new("a/b"), Path::new("a//b")));
        assert!(
            !is_same(Path::new("a/b"), &std::env::current_dir().unwrap().join("a/b")),
            "relative to what?"
        );
    }

    #[test]
    fn what_lies_beneath_is_told_with_its_depth() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        symlink(root.join("a/b"), root.join("link")).unwrap();
        for (lower, upper, depth) in [
            ("link", "a/b", Some(0)),
            ("link/c", "a", Some(2)),
            ("link/c/none/none", "a", Some(4)),
            ("link/none/x", "a/b/none", Some(1)),
            ("a/b/none", "link/none/x", None),
            ("a/b/nonesuch", "link/none", None),
            ("a", "link", None),
        ] {
            assert_eq!(
                place(root.join(lower)).depth_below(&place(root.join(upper))),
                depth,
                "{lower} {upper}"
            );
        }
        assert_eq!(place(root.join("link/x")).path(), root.canonicalize().unwrap().join("a/b/x"));
    }
}
