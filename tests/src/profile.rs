//! What a host declares that it does not support: a small JSON file.
//!
//! ```json
//! { "not_supported": { "limits": "the engine has no fuel", "scope-lock": "the language has no flock" } }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::need::{Need, Owner};

/// What a host lacks, and why. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile(BTreeMap<Need, String>);

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("the host profile {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a profile.
    #[error(
        "the host profile {from} is not one: {source}; it looks like {{\"not_supported\":{{\"limits\":\"why\"}}}}"
    )]
    Malformed {
        /// Where it comes from.
        from: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// It names what no case needs.
    #[error(
        "the host profile {from} says that `{word}` is not supported, which no host declares; there is: {known}"
    )]
    Unknown {
        /// Where it comes from.
        from: String,
        /// The word.
        word: String,
        /// What can be declared, separated by commas.
        known: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    not_supported: BTreeMap<String, String>,
}

impl Profile {
    /// Reads a profile from a file.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ProfileError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads a profile from a text; errors say that it comes `from` there.
    pub fn parse(text: &str, from: &str) -> Result<Self, ProfileError> {
        let file: File = serde_json::from_str(text)
            .map_err(|source| ProfileError::Malformed { from: from.to_owned(), source })?;
        let mut lacks = BTreeMap::new();
        for (word, why) in file.not_supported {
            match Need::from_word(&word) {
                Some(need) if need.owner() == Owner::Host => lacks.insert(need, why),
                _ => return Err(ProfileError::Unknown { from: from.to_owned(), word, known: known() }),
            };
        }
        Ok(Self(lacks))
    }

    /// Why the host does not support this; `None` where it does.
    pub fn lacks(&self, need: Need) -> Option<&str> {
        let declared = self.0.get(&need).or_else(|| self.0.get(&need.group()?));
        declared.map(String::as_str)
    }
}

fn known() -> String {
    let needs = Need::ALL.iter().filter(|need| need.owner() == Owner::Host);
    needs.map(|need| need.word()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_that_lacks_limits_lacks_each_of_them() {
        let profile = Profile::parse(r#"{"not_supported":{"limits":"no fuel"}}"#, "here").unwrap();
        assert_eq!(profile.lacks(Need::Memory), Some("no fuel"));
        assert_eq!(profile.lacks(Need::Limits), Some("no fuel"));
        assert_eq!(profile.lacks(Need::Grants), None);
    }

    #[test]
    fn what_no_host_can_declare_is_refused() {
        for text in [
            r#"{"not_supported":{"nonsense":"why"}}"#,
            r#"{"not_supported":{"strace":"it is the machine's"}}"#,
            r#"{"not_supported":{},"more":1}"#,
            r#"{"not_supported":["limits"]}"#,
            "",
        ] {
            Profile::parse(text, "here").unwrap_err();
        }
    }
}
