//! The registry, from any bytes: a list is changed where it is meant to be, and what is no list is left alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pod_tools_host::registry::{FileRegistry, Record, Registry};
use serde_json::value::RawValue;

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

const WAIT: Duration = Duration::from_secs(60);
/// As many of the records are removed, one after the other.
const REMOVED: usize = 8;

/// The elements of the list, as they are written.
fn elements(file: &Path) -> Vec<String> {
    let list: Vec<Box<RawValue>> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    list.into_iter().map(|raw| raw.get().to_owned()).collect()
}

/// Whether nothing but elements of that name has gone, and the rest is in its order, to the byte.
fn only_of_that_name_are_gone(name: &str, before: &[String], after: &[String]) -> bool {
    let mut left = after.iter().peekable();
    let gone = before.iter().filter(|element| left.next_if(|next| next == element).is_none());
    let is_named =
        |element: &String| serde_json::from_str(element).is_ok_and(|record: Record| record.pod_name == name);
    gone.collect::<Vec<_>>().into_iter().all(is_named) && left.next().is_none()
}

/// The property of a file of these bytes.
pub fn check(bytes: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spawned_pods.json");
    fs::write(&file, bytes).unwrap();
    let registry = FileRegistry::open(directory.path()).unwrap();
    let new = Record {
        pod_name: "new".to_owned(),
        socket_path: "/run/new/sock".into(),
        scope_delegated: Vec::new(),
        callback_address: None,
        fence: None,
    };
    if serde_json::from_slice::<Vec<&RawValue>>(bytes).is_err() {
        registry.load().unwrap_err();
        registry.find("new").unwrap_err();
        registry.add(&new, WAIT).unwrap_err();
        registry.remove(&new, WAIT).unwrap_err();
        assert_eq!(fs::read(&file).unwrap(), bytes);
        return;
    }
    let mut list = elements(&file);
    let found = registry.load().unwrap();
    assert_eq!(found.records.len() + found.unreadable.len(), list.len());
    for record in &found.records {
        assert_eq!(registry.find(&record.pod_name).unwrap().as_ref(), found.get(&record.pod_name));
    }
    assert_eq!(fs::read(&file).unwrap(), bytes);

    registry.add(&new, WAIT).unwrap();
    let added = elements(&file);
    assert_eq!(added[..list.len()], list);
    assert_eq!(serde_json::from_str::<Record>(&added[list.len()]).unwrap(), new);
    list = added;
    for record in found.records.iter().take(REMOVED) {
        registry.remove(record, WAIT).unwrap();
        let left = elements(&file);
        assert!(only_of_that_name_are_gone(&record.pod_name, &list, &left), "{record:?}");
        assert!(!registry.load().unwrap().records.contains(record));
        list = left;
    }
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_registry_s_rules() {
    corpus::check_each("registry", check);
}
