//! Readers with names: each has cursors of its own in the one file, which versions without readers go on
//! with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use pod_tools_host::registry::{FileRegistry, MemoryRegistry, Reader, Record, Registry, StoredCursor};
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(60);
const FILE: &str = "read_cursors.json";

fn record(name: &str) -> Record {
    Record {
        pod_name: name.into(),
        socket_path: format!("/run/{name}/sock").into(),
        scope_delegated: Vec::new(),
        callback_address: None,
        fence: None,
    }
}

fn cursor(items: u64) -> StoredCursor {
    StoredCursor { items, digest: format!("digest of {items}") }
}

fn reader(name: &str) -> Reader {
    name.parse().unwrap()
}

/// A registry with the pods `x` and `y`.
fn opened() -> (TempDir, FileRegistry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = FileRegistry::open(dir.path()).unwrap();
    registry.add(&record("x"), WAIT).unwrap();
    registry.add(&record("y"), WAIT).unwrap();
    (dir, registry)
}

fn again(dir: &Path) -> FileRegistry {
    FileRegistry::open(dir).unwrap()
}

/// Moves a reader's cursor from wherever it is.
fn moves(registry: &dyn Registry, who: Option<&Reader>, pod: &str, items: u64) {
    let base = registry.cursor(who, pod).unwrap();
    registry.set_cursor(who, pod, base.as_ref(), cursor(items), WAIT).unwrap();
}

fn items(registry: &dyn Registry, who: Option<&Reader>, pod: &str) -> Option<u64> {
    registry.cursor(who, pod).unwrap().map(|cursor| cursor.items)
}

#[test]
fn each_reader_has_cursors_of_its_own() {
    let (dir, file) = opened();
    let memory: MemoryRegistry = [record("x"), record("y")].into_iter().collect();
    let (a, b) = (reader("a"), reader("b \"of\" /home/é"));
    for registry in [&file as &dyn Registry, &memory] {
        moves(registry, Some(&a), "x", 1);
        moves(registry, None, "x", 5);
        moves(registry, Some(&b), "x", 3);
        moves(registry, Some(&a), "x", 2);
        // What another has read meanwhile is none of its business.
        registry.set_cursor(Some(&b), "x", Some(&cursor(3)), cursor(4), WAIT).unwrap();
        registry.set_cursor(Some(&b), "x", Some(&cursor(3)), cursor(1), WAIT).unwrap();
        let all = |pod| [None, Some(&a), Some(&b)].map(|who| items(registry, who, pod));
        assert_eq!(all("x"), [Some(5), Some(2), Some(4)]);
        assert_eq!(all("y"), [None; 3]);
    }
    let again = again(dir.path());
    assert_eq!([None, Some(&a), Some(&b)].map(|who| items(&again, who, "x")), [Some(5), Some(2), Some(4)]);
}

#[test]
fn a_pod_that_is_forgotten_is_forgotten_for_all_readers() {
    let (dir, file) = opened();
    let memory: MemoryRegistry = [record("x")].into_iter().collect();
    let a = reader("a");
    for registry in [&file as &dyn Registry, &memory] {
        moves(registry, Some(&a), "x", 1);
        registry.remove(&record("x"), WAIT).unwrap();
        assert_eq!(items(registry, Some(&a), "x"), None);
        // Without a record nothing is stored.
        registry.set_cursor(Some(&a), "x", None, cursor(1), WAIT).unwrap();
        assert_eq!(items(registry, Some(&a), "x"), None);
    }
    // A spawner that knows nothing of cursors takes a record away: the next that reads anything drops them.
    file.add(&record("x"), WAIT).unwrap();
    moves(&file, Some(&a), "x", 1);
    let list = dir.path().join("spawned_pods.json");
    let with_x = fs::read(&list).unwrap();
    fs::write(&list, serde_json::to_string(&[record("y")]).unwrap()).unwrap();
    moves(&again(dir.path()), Some(&a), "y", 1);
    fs::write(&list, with_x).unwrap();
    assert_eq!(items(&again(dir.path()), Some(&a), "x"), None);
}

#[test]
fn readers_of_a_pod_are_bounded_and_the_one_that_has_not_read_for_longest_gives_way() {
    let (dir, file) = opened();
    let memory: MemoryRegistry = [record("x")].into_iter().collect();
    let name = |n: usize| reader(&format!("{n}{}", "x".repeat(200)));
    for registry in [&file as &dyn Registry, &memory] {
        moves(registry, None, "x", 7);
        moves(registry, Some(&name(0)), "x", 1);
        for n in 1..2000 {
            moves(registry, Some(&name(n)), "x", 1);
            // It reads now and then, and so it stays.
            if n % 20 == 0 {
                let so_far = items(registry, Some(&name(0)), "x").unwrap();
                moves(registry, Some(&name(0)), "x", so_far + 1);
            }
        }
        let kept = (0..2000).filter(|&n| items(registry, Some(&name(n)), "x").is_some()).count();
        assert_eq!(kept, 32);
        assert_eq!(items(registry, Some(&name(0)), "x"), Some(100));
        assert_eq!(items(registry, None, "x"), Some(7));
    }
    // 512 lines, and some for each pod and reader, of some 400 bytes.
    let length = fs::metadata(dir.path().join(FILE)).unwrap().len();
    assert!(length < 400 << 10, "{length} bytes");
    let again = again(dir.path());
    assert_eq!((items(&again, Some(&name(0)), "x"), items(&again, None, "x")), (Some(100), Some(7)));
}

/// What the version before readers reads in the file, by its own rules: of the lines about a pod the last one
/// counts, and unknown members are ignored.
fn as_before(dir: &Path) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(dir.join(FILE)).unwrap_or_default();
    let mut pods = BTreeMap::new();
    for line in text.lines().skip(1) {
        let line: Value = serde_json::from_str(line).unwrap();
        match (line["pod"].as_str(), line["forgotten"].as_str()) {
            (Some(pod), None) => drop(pods.insert(pod.to_owned(), line["items"].as_u64().unwrap())),
            (None, Some(pod)) => drop(pods.remove(pod)),
            _ => panic!("{line}"),
        }
    }
    pods
}

/// A line that the version before adds.
fn adds(dir: &Path, line: &str) {
    let path = dir.join(FILE);
    fs::write(&path, fs::read_to_string(&path).unwrap() + line + "\n").unwrap();
}

#[test]
fn a_version_without_readers_goes_on_with_the_file_and_takes_no_reader_along() {
    let (dir, registry) = opened();
    let a = reader("a");
    moves(&registry, Some(&a), "x", 3);
    assert!(as_before(dir.path()).is_empty());
    moves(&registry, None, "x", 1);
    moves(&registry, Some(&a), "x", 4);
    moves(&registry, Some(&a), "y", 2);
    assert_eq!(as_before(dir.path()), BTreeMap::from([("x".to_owned(), 1)]));

    adds(dir.path(), r#"{"pod":"x","items":2,"digest":"digest of 2"}"#);
    assert_eq!((items(&registry, None, "x"), items(&registry, Some(&a), "x")), (Some(2), Some(4)));
    adds(dir.path(), r#"{"forgotten":"x"}"#);
    assert_eq!((items(&registry, None, "x"), items(&registry, Some(&a), "x")), (None, None));
    assert_eq!(items(&registry, Some(&a), "y"), Some(2));
    // It writes the file anew with what it knows: readers are given the text again.
    let known = "{\"version\":2}\n{\"pod\":\"y\",\"items\":1,\"digest\":\"digest of 1\"}\n";
    fs::write(dir.path().join(FILE), known).unwrap();
    assert_eq!((items(&registry, None, "y"), items(&registry, Some(&a), "y")), (Some(1), None));
    moves(&registry, Some(&a), "y", 2);
    assert_eq!((items(&registry, None, "y"), items(&registry, Some(&a), "y")), (Some(1), Some(2)));
}

#[test]
fn a_cursor_that_cannot_be_read_is_in_no_readers_way_and_none_of_theirs_is_in_its() {
    let (dir, registry) = opened();
    let (a, b) = (reader("a"), reader("b"));
    let unreadable = r#"{"pod":"x","items":"many","by":"nobody"}"#;
    let strange = [
        r#"7"#,
        r#""a""#,
        r#"{"name":"","items":1,"digest":"d"}"#,
        r#"{"name":"a","items":-1,"digest":"d"}"#,
    ];
    let strange = strange.map(|value| {
        format!("{{\"pod\":\"y\",\"items\":1,\"digest\":\"digest of 1\",\"reader\":{value}}}\n")
    });
    fs::write(dir.path().join(FILE), format!("{{\"version\":2}}\n{unreadable}\n{}", strange.concat()))
        .unwrap();
    assert_eq!((items(&registry, None, "y"), items(&registry, Some(&a), "y")), (Some(1), None));
    for n in 1..1000 {
        moves(&registry, Some(&a), "x", n);
        moves(&registry, Some(&b), "x", n);
    }
    for registry in [registry, again(dir.path())] {
        assert_eq!(
            (items(&registry, Some(&a), "x"), items(&registry, Some(&b), "x")),
            (Some(999), Some(999))
        );
        assert!(registry.cursor(None, "x").is_err());
    }
    let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
    assert!(text.contains(r#""items":"many","by":"nobody""#) && text.lines().count() < 700, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_read_and_forgotten_the_file_says_what_memory_says_and_the_version_before_reads_its_own(
        steps in proptest::collection::vec((0..3_usize, 0..2_usize, 0..8_u64), 0..200),
    ) {
        let (dir, mut file) = opened();
        let memory: MemoryRegistry = [record("x"), record("y")].into_iter().collect();
        let readers = [None, Some(reader("a")), Some(reader("b"))];
        for (who, pod, step) in steps {
            let (who, name) = (readers[who].as_ref(), ["x", "y"][pod]);
            match step {
                0 => {
                    for registry in [&file as &dyn Registry, &memory] {
                        registry.remove(&record(name), WAIT).unwrap();
                    }
                    file.add(&record(name), WAIT).unwrap();
                    memory.add(record(name));
                }
                1 => file = again(dir.path()),
                _ => {
                    for registry in [&file as &dyn Registry, &memory] {
                        let items = items(registry, who, name).unwrap_or(0) + step;
                        moves(registry, who, name, items);
                    }
                }
            }
            for pod in ["x", "y"] {
                for who in &readers {
                    prop_assert_eq!(file.cursor(who.as_ref(), pod).unwrap(), memory.cursor(who.as_ref(), pod).unwrap());
                }
                prop_assert_eq!(as_before(dir.path()).get(pod).copied(), items(&memory, None, pod));
            }
        }
    }
}
