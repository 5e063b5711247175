//! The document of the pod protocol and its files, `wit/README.md`: the cases and tests that it names exist,
//! its links lead to headings, and its examples are right to the byte.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

const DOCUMENT: &str = include_str!("../../wit/README.md");

/// The document without its blocks of code, and these blocks with the language that they name.
fn parts() -> (String, Vec<(&'static str, &'static str)>) {
    let (mut prose, mut blocks) = (String::new(), Vec::new());
    for (n, part) in DOCUMENT.split("```").enumerate() {
        match part.split_once('\n') {
            Some(block) if n % 2 == 1 => blocks.push(block),
            _ => prose.push_str(part),
        }
    }
    (prose, blocks)
}

/// The first block of that language that begins so.
fn block(language: &str, beginning: &str) -> &'static str {
    let (_, blocks) = parts();
    let found = blocks.into_iter().find(|(name, text)| *name == language && text.starts_with(beginning));
    found.expect("the document has such an example").1
}

/// What stands behind `[KIND: ` in all references of a kind, which stand between backticks.
fn references(kind: &str) -> Vec<String> {
    let (prose, _) = parts();
    let begins = format!("[{kind}: ");
    let quoted = prose.split('`').skip(1).step_by(2);
    let found: Vec<_> =
        quoted.filter_map(|text| Some(text.strip_prefix(&begins)?.strip_suffix(']')?.to_owned())).collect();
    assert_eq!(
        found.len(),
        prose.matches(&begins[..begins.len() - 1]).count(),
        "a reference is not `{begins}…]`"
    );
    found
}

/// All files of Rust code beneath a directory, but what a build has made.
fn code(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of the repository can be read") {
        let path = entry.expect("a directory of the repository can be read").path();
        let is_made = path.file_name().is_some_and(|name| {
            name == "target" || name == "node_modules" || name.as_encoded_bytes().starts_with(b".")
        });
        if path.is_dir() && !is_made {
            code(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn digest(bytes: &str) -> String {
    format!("{:032x}\n", xxh3_128(bytes.as_bytes()))
}

// One of them is there on Linux alone.
#[cfg(target_os = "linux")]
#[test]
fn every_case_that_is_named_is_in_the_kit() {
    let missing: Vec<_> = references("kit")
        .iter()
        .flat_map(|ids| ids.split(", "))
        .filter(|id| pod_tools_conformance::cases::by_id(id).is_none())
        .map(str::to_owned)
        .collect();
    assert!(missing.is_empty(), "there are no such cases: {missing:#?}");
}

#[test]
fn every_test_that_is_named_is_in_its_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository");
    let mut paths = Vec::new();
    code(root, &mut paths);
    let files: Vec<_> =
        paths.into_iter().map(|path| (fs::read_to_string(&path).expect("code can be read"), path)).collect();
    let mut missing = Vec::new();
    for reference in references("test") {
        let (file, function) = reference.split_once("::").expect("a test is FILE::FUNCTION");
        let definition = format!("fn {function}(");
        let found: Vec<_> =
            files.iter().filter(|(text, _)| text.contains(&definition)).map(|(_, path)| path).collect();
        if !found.iter().any(|path| path.ends_with(file)) {
            missing.push(format!("{reference}, which is in {found:?}"));
        }
    }
    assert!(missing.is_empty(), "there are no such tests: {missing:#?}");
}

#[test]
fn every_link_within_the_document_leads_to_a_heading() {
    let (prose, _) = parts();
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect::<String>()
    };
    let headings: Vec<_> = prose
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    let links = prose.split("](#").skip(1).filter_map(|rest| rest.split(')').next());
    let dead: Vec<_> = links.filter(|link| !headings.iter().any(|heading| heading == link)).collect();
    assert!(dead.is_empty(), "{dead:?} lead to none of {headings:#?}");
}

#[test]
fn the_examples_are_json_whole_or_line_by_line() {
    let (_, blocks) = parts();
    for (language, text) in blocks {
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        assert!(language != "json" || is_json(text) || text.lines().all(is_json), "{text}");
    }
}

#[test]
fn the_journal_and_the_cursor_of_the_examples_have_the_digests_of_the_other_examples() {
    let table = block("json", "{\n  \"allocations\"").trim_end();
    let body = digest("") + table;
    let journal = digest(&body) + &body;
    assert!(
        DOCUMENT.contains(&format!("```text\n{journal}\n```")),
        "the journal of the example is\n{journal}"
    );

    let block = block("json", "{\"type\":\"message\"");
    let mut lines = block.lines();
    let items = [lines.next().unwrap(), lines.next().unwrap()];
    let digest = |separator: &str| digest(&items.map(|item| format!("{item}{separator}")).concat());
    let skip = items[0].len() + 1;
    let cursors =
        [format!("xxh3,{skip}:{}", digest(",").trim_end()), format!("xxh3:{}", digest("\n").trim_end())];
    for cursor in cursors.map(|digest| format!(r#""items":2,"digest":"{digest}""#)) {
        assert_eq!(DOCUMENT.matches(&cursor).count(), 1, "the cursor in either format is {cursor}");
    }
}
