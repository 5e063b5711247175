//! The table in the crate's docs is the one that the code makes.

#[test]
fn the_docs_say_which_case_catches_which_wrong_host() {
    let readme = include_str!("../README.md");
    let table = pod_tools_conformance::cases::catches_table();
    assert!(
        readme.contains(&table),
        "put this into tests/README.md (`pod-tools-conformance list --catches` prints it):\n\n{table}"
    );
}
