//! A grants file in plain words, and as a JSON document that says the same.

use std::fmt;
use std::path::{Path, PathBuf};

use pod_tools_host::registry::Record;
use pod_tools_host::{Grant, Limits, Verb};
use serde::Serialize;

use super::exposure::exposures;
use super::fault::{Fault, fault};
use super::file::{GrantsFile, GrantsOfCaller, Placed};
use crate::limit_options::{GivenLimit, GivenLimits};
use crate::places::Position;

/// The most names of pods that people are shown of one grant.
const MAX_NAMES: usize = 10;

/// What a grants file allows.
#[derive(Debug, Serialize)]
pub struct Explanation {
    file: PathBuf,
    ok: bool,
    grants: Vec<Explained>,
    /// Verbs that nothing grants on any pod.
    denied_everywhere: Vec<&'static str>,
    /// Those who have grants of their own, where there are any: then there are no others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    callers: Vec<ExplainedCaller>,
    /// The limits that are not the default.
    limits: Vec<ChangedLimit>,
    /// `None`: the base directory and the spawner's.
    allow_sockets: Option<Vec<PathBuf>>,
    /// Why the pods that there are could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_error: Option<String>,
    warnings: Vec<Fault>,
}

/// One who has grants of his own.
#[derive(Debug, Serialize)]
struct ExplainedCaller {
    #[serde(flatten)]
    at: Position,
    caller: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    grants: Vec<Explained>,
    denied_everywhere: Vec<&'static str>,
}

/// One grant.
#[derive(Debug, Serialize)]
struct Explained {
    #[serde(flatten)]
    at: Position,
    grant: String,
    verbs: Vec<&'static str>,
    pattern: String,
    /// The pods that it covers now; `None` where they cannot be told.
    pods: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct ChangedLimit {
    name: &'static str,
    value: String,
    default: &'static str,
}

impl Explanation {
    /// `records` are the pods that are recorded now, or why they are not known; `directory` is where an agent
    /// works that is granted this, as far as that can be told.
    pub fn of(file: &GrantsFile, records: Result<Vec<Record>, String>, directory: Option<&Path>) -> Self {
        let (records, registry_error) = match records {
            Ok(records) => (Some(records), None),
            Err(error) => (None, Some(error)),
        };
        let pods = records.as_deref().map(|records| {
            let mut names: Vec<String> = records.iter().map(|record| record.pod_name.clone()).collect();
            names.sort();
            names.dedup();
            names
        });
        let mut warnings = warnings(file);
        let exposed = exposures(&file.path, directory, records.as_deref().unwrap_or_default());
        warnings.extend(exposed.into_iter().map(|why| fault(None, why)));
        let grants = file.grants.as_deref().unwrap_or_default();
        let changed = |limits: &&Placed<GivenLimit>| {
            let mut changed = Limits::default();
            GivenLimits(vec![limits.value.clone()]).apply(&mut changed);
            changed != Limits::default()
        };
        let limits = file.limits.iter().filter(changed).map(|limit| ChangedLimit {
            name: limit.value.limit.name,
            value: limit.text.clone(),
            default: limit.value.limit.default,
        });
        let directories = file.allow_sockets.as_ref();
        Self {
            file: file.path.clone(),
            ok: true,
            grants: grants.iter().map(|grant| Explained::of(grant, pods.as_deref())).collect(),
            denied_everywhere: denied_everywhere(grants),
            callers: file.callers.iter().map(|caller| ExplainedCaller::of(caller, pods.as_deref())).collect(),
            limits: limits.collect(),
            allow_sockets: directories
                .map(|all| all.iter().map(|directory| directory.value.clone()).collect()),
            registry_error,
            warnings,
        }
    }
}

/// Verbs that none of them grants on any pod.
fn denied_everywhere(grants: &[Placed<Grant>]) -> Vec<&'static str> {
    let is_granted = |verb: &Verb| grants.iter().any(|grant| grant.value.verbs().contains(verb));
    Verb::ALL.iter().filter(|verb| !is_granted(verb)).map(|verb| verb.as_str()).collect()
}

impl ExplainedCaller {
    fn of(caller: &GrantsOfCaller, pods: Option<&[String]>) -> Self {
        Self {
            at: caller.name.at,
            caller: caller.name.text.clone(),
            token_file: caller.token_file.as_ref().map(|file| file.value.clone()),
            key: caller.key.as_ref().map(|key| key.value.clone()),
            grants: caller.grants.iter().map(|grant| Explained::of(grant, pods)).collect(),
            denied_everywhere: denied_everywhere(&caller.grants),
        }
    }
}

impl Explained {
    fn of(grant: &Placed<Grant>, pods: Option<&[String]>) -> Self {
        let covers = |name: &&String| grant.value.verbs().iter().any(|&verb| grant.value.covers(verb, name));
        Self {
            at: grant.at,
            grant: grant.text.clone(),
            verbs: grant.value.verbs().iter().map(|verb| verb.as_str()).collect(),
            pattern: grant.value.pattern().to_owned(),
            pods: pods.map(|pods| pods.iter().filter(covers).cloned().collect()),
        }
    }
}

/// What is allowed, and probably not meant.
fn warnings(file: &GrantsFile) -> Vec<Fault> {
    let mut warnings = Vec::new();
    for caller in &file.callers {
        if caller.grants.is_empty() {
            let shown = caller.name.text.escape_debug();
            let why = format!("caller `{shown}` has no `grants`: every call of his is denied");
            warnings.push(fault(Some(caller.name.at), why));
        }
        warnings.extend((0..caller.grants.len()).filter_map(|i| covered_by_others(&caller.grants, i)));
    }
    match file.grants.as_deref() {
        _ if !file.callers.is_empty() => {}
        None => warnings.push(fault(None, "has no `grants`: every call is denied")),
        Some([]) => warnings.push(fault(None, "`grants` is empty: every call is denied")),
        Some(grants) => {
            warnings.extend((0..grants.len()).filter_map(|i| covered_by_others(grants, i)));
        }
    }
    if file.allow_sockets.as_ref().is_some_and(Vec::is_empty) {
        warnings.push(fault(
            None,
            "`allow-sockets` is empty: no pod can be reached; leave it out for the default",
        ));
    }
    warnings
}

/// A warning if the `i`th grant could be left out. Of two that are alike, it is the second.
fn covered_by_others(grants: &[Placed<Grant>], i: usize) -> Option<Fault> {
    let (one, pattern) = (&grants[i], grants[i].value.pattern());
    let mut by = Vec::new();
    for &verb in one.value.verbs() {
        let (_, other) = grants.iter().enumerate().find(|&(j, other)| {
            let covers = j != i && other.value.covers_pattern(verb, pattern);
            covers && (j < i || !one.value.covers_pattern(verb, other.value.pattern()))
        })?;
        if !by.contains(&other.at.line) {
            by.push(other.at.line);
        }
    }
    let lines: Vec<String> = by.iter().map(ToString::to_string).collect();
    let (lines, what) = (lines.join(" and "), if by.len() == 1 { "line" } else { "lines" });
    let shown = one.text.escape_debug();
    Some(fault(Some(one.at), format!("\"{shown}\" allows nothing that {what} {lines} does not; it can go")))
}

/// What a verb allows to be done with a pod.
fn words(verb: &str) -> &'static str {
    match verb {
        "list" => "see that it exists, its scope and whether it takes connections",
        "send" => "send it messages and read its state",
        "read" => "read its output and its state",
        "stop" => "shut it down, release its scope and forget its record",
        _ => "do what this version has no words for",
    }
}

/// For people.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_callers: usize = self.callers.iter().map(|caller| caller.grants.len()).sum();
        writeln!(f, "{}: {} grant(s)", self.file.display(), self.grants.len() + of_callers)?;
        for grant in &self.grants {
            write!(f, "\n{grant}")?;
        }
        for caller in &self.callers {
            write!(f, "\n{caller}")?;
        }
        if self.callers.is_empty() && !self.denied_everywhere.is_empty() {
            writeln!(f, "\nOn no pod: {}", self.denied_everywhere.join(", "))?;
        }
        if let Some(error) = &self.registry_error {
            writeln!(f, "\nWhich pods these are now cannot be told: {error}")?;
        }
        match self.allow_sockets.as_deref() {
            None => writeln!(f, "\nSockets lie beneath the base directory or the spawner's")?,
            Some([]) => {}
            Some(directories) => {
                let shown: Vec<_> = directories.iter().map(|path| Path::display(path).to_string()).collect();
                writeln!(f, "\nSockets lie beneath {}", shown.join(" or "))?;
            }
        }
        if !self.limits.is_empty() {
            writeln!(f, "\nLimits that are not the default:")?;
        }
        for ChangedLimit { name, value, default } in &self.limits {
            writeln!(f, "  {name} = {} (default: {default})", value.escape_debug())?;
        }
        for (i, Fault { at, message }) in self.warnings.iter().enumerate() {
            let blank = if i == 0 { "\n" } else { "" };
            let line = at.map_or(String::new(), |at| format!("line {}: ", at.line));
            writeln!(f, "{blank}warning: {line}{message}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ExplainedCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: caller `{}`, who ", self.at.line, self.caller.escape_debug())?;
        let token = self.token_file.as_ref().map(|file| format!("shows the token in {}", file.display()));
        let key = self.key.as_ref().map(|key| format!("signs with the key {key}"));
        let shown: Vec<String> = token.into_iter().chain(key).collect();
        writeln!(f, "{}", shown.join(", or "))?;
        for grant in &self.grants {
            write!(f, "\n{grant}")?;
        }
        if !self.denied_everywhere.is_empty() {
            writeln!(f, "\nOn no pod: {}", self.denied_everywhere.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}: \"{}\"", self.at.line, self.grant.escape_debug())?;
        match self.pattern.as_str() {
            "*" => writeln!(f, "  with every pod:")?,
            pattern if pattern.contains(['*', '?']) => {
                writeln!(f, "  with every pod whose name is like `{}`:", pattern.escape_debug())?;
            }
            name => writeln!(f, "  with the pod `{}`:", name.escape_debug())?,
        }
        for verb in &self.verbs {
            writeln!(f, "    {verb}: {}", words(verb))?;
        }
        let Some(pods) = &self.pods else { return Ok(()) };
        let mut shown: Vec<String> =
            pods.iter().take(MAX_NAMES).map(|name| name.escape_debug().to_string()).collect();
        if pods.len() > MAX_NAMES {
            shown.push(format!("and {} more", pods.len() - MAX_NAMES));
        }
        writeln!(f, "  now: {}", if pods.is_empty() { "no pod".to_owned() } else { shown.join(", ") })
    }
}
