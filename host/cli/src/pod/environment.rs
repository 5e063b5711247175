//! What of the operator's environment a pod's command is handed: by default what programs need to work, and no
//! credentials. An operator's shell holds tokens for many services, and an agent needs one of them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use super::background::SERVICE_MANAGER;

/// What is always handed over. The scope table is named so that pods within the pod agree with all others.
const BASE: [&str; 11] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "TMPDIR",
    "INSOMNIA_SCOPE_LOCK",
];
/// How the names of others begin that always are.
const BASE_PREFIXES: [&str; 2] = ["LC_", "XDG_"];
/// Options of this program, which may hold what is the operator's alone: handed over only by name.
const OWN_PREFIX: &str = "POD_TOOLS_";

/// A word of `--env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handed {
    /// All but the options of this program.
    Pass,
    /// The base set.
    Clean,
    /// The base set, and this variable.
    Named(String),
}

/// Why a word is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is `pass`, `clean` or the name of a variable, without its value")]
pub struct NoName;

impl FromStr for Handed {
    type Err = NoName;

    fn from_str(word: &str) -> Result<Handed, NoName> {
        match word {
            "pass" => Ok(Handed::Pass),
            "clean" => Ok(Handed::Clean),
            name if name.is_empty() || name.contains(['=', '\0']) => Err(NoName),
            name => Ok(Handed::Named(name.to_owned())),
        }
    }
}

/// The whole environment of the command, with what the pod itself tells it.
pub fn of_command(
    handed: &[Handed],
    told: impl IntoIterator<Item = (&'static str, OsString)>,
) -> Vec<(OsString, OsString)> {
    let passed = std::env::vars_os().filter(|(name, _)| is_handed(handed, name));
    passed.chain(told.into_iter().map(|(name, value)| (name.into(), value))).collect()
}

/// The names of all variables that are handed over.
pub fn names(handed: &[Handed]) -> Vec<String> {
    let mut names: Vec<String> = std::env::vars_os()
        .filter(|(name, _)| is_handed(handed, name))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn is_handed(handed: &[Handed], name: &OsStr) -> bool {
    let begins = |prefix: &str| name.as_bytes().starts_with(prefix.as_bytes());
    let by_base = BASE.iter().any(|base| name == *base) || BASE_PREFIXES.iter().any(|prefix| begins(prefix));
    by_base
        || handed.iter().any(|word| match word {
            Handed::Pass => !begins(OWN_PREFIX) && name != SERVICE_MANAGER,
            Handed::Clean => false,
            Handed::Named(named) => name == named.as_str(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_handed_over_that_was_not_named() {
        let given = |words: &str, name: &str| {
            let words: Vec<Handed> = words.split(',').map(|word| word.parse().unwrap()).collect();
            is_handed(&words, name.as_ref())
        };
        for name in ["PATH", "HOME", "LC_ALL", "XDG_RUNTIME_DIR"] {
            assert!(given("clean", name) && given("X", name) && given("pass", name), "{name}");
        }
        assert!(!given("clean", "GITHUB_TOKEN") && !given("X_KEY", "X_KEY2"));
        assert!(given("A,X_KEY", "X_KEY") && given("pass", "GITHUB_TOKEN"));
        // Or a command could speak for the pod.
        assert!(!given("pass", "NOTIFY_SOCKET"));
        assert!(!given("pass", "POD_TOOLS_TOKEN") && given("pass,POD_TOOLS_TOKEN", "POD_TOOLS_TOKEN"));
    }

    #[test]
    fn a_value_is_no_name() {
        assert_eq!("A=b".parse::<Handed>(), Err(NoName));
        assert_eq!("".parse::<Handed>(), Err(NoName));
    }
}
