//! `--scope`: a part of the file system that the pod is to hold.

use std::path::Path;

use pod_tools_host::scope::{Permission, ScopeRule};

/// Why the option cannot be understood, or names nothing that could be held.
#[derive(Debug, thiserror::Error)]
pub enum ScopeOptionError {
    #[error("a scope is `read:DIR`, `write:DIR` or `write-flat:DIR`; to read `{0}`: `read:{0}`")]
    NoVerb(String),
    #[error("a scope is `read:DIR`, `write:DIR` or `write-flat:DIR`; `{0}` is none of the three words")]
    Verb(String),
    #[error("the directory `{path}` cannot be resolved: {source}; make it first (`mkdir -p {path}`)")]
    Unresolved { path: String, source: std::io::Error },
    #[error("`{path}` is not a directory")]
    NotADirectory { path: String },
}

/// Reads `read:DIR`, `write:DIR` or `write-flat:DIR`. The directory must exist: its rule holds the path with
/// all symbolic links resolved, as two names of one directory would not be seen to conflict.
pub fn parse(option: &str) -> Result<ScopeRule, ScopeOptionError> {
    let (kind, path) = option.split_once(':').ok_or_else(|| ScopeOptionError::NoVerb(option.to_owned()))?;
    let (permission, recursive) = match kind {
        "read" => (Permission::Read, true),
        "write" => (Permission::Write, true),
        "write-flat" => (Permission::Write, false),
        verb => return Err(ScopeOptionError::Verb(verb.to_owned())),
    };
    let target = Path::new(path)
        .canonicalize()
        .map_err(|source| ScopeOptionError::Unresolved { path: path.to_owned(), source })?;
    if !target.is_dir() {
        return Err(ScopeOptionError::NotADirectory { path: path.to_owned() });
    }
    Ok(ScopeRule { target, permission, recursive })
}

/// The rules on one line, as ListPods shows them.
pub fn summarize(rules: &[ScopeRule]) -> String {
    if rules.is_empty() {
        return "(none)".to_owned();
    }
    rules.iter().map(ScopeRule::to_string).collect::<Vec<_>>().join(", ")
}
