//! Grants files, from any bytes: what is read is what TOML says, each grant in its place, and nothing else; what
//! is refused is refused with a place in the file.

use std::path::Path;

use pod_tools_host::Grant;

use crate::grants_file::GrantsFile;

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

/// The strings in a list of that name; none where there is no such list.
fn strings<'a>(table: &'a toml::Table, name: &str) -> Vec<&'a str> {
    let list = table.get(name).map(|list| list.as_array().unwrap());
    list.into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

/// The property of a file of these bytes.
pub fn check(bytes: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("grants.toml");
    std::fs::write(&path, bytes).unwrap();
    let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    let file = match GrantsFile::read(&path) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.faults.is_empty());
            for fault in serde_json::to_value(&error.faults).unwrap().as_array().unwrap() {
                let line = fault["line"].as_u64().map(|line| usize::try_from(line).unwrap());
                assert!(line.is_none_or(|line| (1..=lines).contains(&line)), "{fault}");
            }
            return;
        }
    };
    let table: toml::Table = toml::from_str(std::str::from_utf8(bytes).unwrap()).unwrap();
    assert!(table.keys().all(|key| ["grants", "allow-sockets", "limits", "caller"].contains(&&**key)));

    let callers = table.get("caller").map(|callers| callers.as_array().unwrap());
    assert_eq!(file.callers.len(), callers.map_or(0, Vec::len));
    for (caller, written) in file.callers.iter().zip(callers.into_iter().flatten()) {
        let written = written.as_table().unwrap();
        assert_eq!(Some(caller.name.value.as_str()), written["name"].as_str());
        assert!(caller.token_file.is_some() || caller.key.is_some());
        assert!(
            caller.token_file.as_ref().is_none_or(|file| file.value.is_absolute())
                && !table.contains_key("grants")
        );
        let granted: Vec<&str> = caller.grants.iter().map(|grant| &*grant.text).collect();
        assert_eq!(granted, strings(written, "grants"));
    }
    let granted: Vec<Grant> = file.grants.iter().flatten().map(|grant| grant.value.clone()).collect();
    let written: Vec<Grant> = strings(&table, "grants").iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(granted, written);
    let allowed: Vec<&Path> = file.allow_sockets.iter().flatten().map(|place| &*place.value).collect();
    let named: Vec<&Path> = strings(&table, "allow-sockets").into_iter().map(Path::new).collect();
    assert!(allowed == named && named.iter().all(|place| place.is_absolute()));
    let mut limits: Vec<&str> = file.limits.iter().map(|limit| limit.value.limit.name).collect();
    let mut set: Vec<&str> = table
        .get("limits")
        .map(|limits| limits.as_table().unwrap())
        .into_iter()
        .flatten()
        .map(|(name, _)| &**name)
        .collect();
    limits.sort_unstable();
    set.sort_unstable();
    assert_eq!(limits, set);
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_rules_of_grants_files() {
    corpus::check_each("grants-file", check);
}
