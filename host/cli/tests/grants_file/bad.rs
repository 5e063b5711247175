//! Grants files that are none: every one is refused before anything is called, with its place and the remedy.

use std::fs;
use std::path::Path;

use pod_tools_conformance::Place;
use rustix::fs::{CWD, Mode, mknodat};

use crate::cli::{Finished, at, run, snapshot};
use crate::write;

/// Calls a tool with this file, one call and a batch, and sees to it that nothing happens; gives what is said.
fn refused(place: &Place, file: &Path) -> String {
    let before = snapshot(&place.base());
    let said = [&["call", "ListPods", "--json"][..], &["call", "--batch"]].map(|command| {
        let mut command = at(place, command);
        command.arg("--grants").arg(file);
        let Finished { code, stdout, stderr } = run(command);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        stderr
    });
    assert_eq!(snapshot(&place.base()), before);
    assert_eq!(said[0], said[1]);
    said[0].strip_prefix("pod-tools: ").unwrap().to_owned()
}

#[test]
fn a_bad_file_is_refused_with_every_fault_and_its_place() {
    let place = Place::new().unwrap();
    let file = write(&place, "grant = []\ngrants = [\"list\", \"fly\"]\n[limits]\n  op-timeout = \"2d\"\n");
    let lines = refused(&place, &file);
    let lines: Vec<&str> = lines.lines().collect();
    let at = file.display();
    assert!(lines[0].starts_with(&format!("{at}:1:1: `grant` is no key of a grants file;")), "{lines:?}");
    assert!(lines[1].starts_with(&format!("{at}:2:19: `fly` is no verb of a grant;")), "{lines:?}");
    assert!(lines[2].starts_with(&format!("{at}:4:16: the limit `op-timeout` cannot be `2d`:")), "{lines:?}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_is_no_file_of_grants_is_refused_and_holds_nobody_up() {
    let place = Place::new().unwrap();
    let path = |name: &str| place.root().join(name);
    fs::write(path("latin-1"), b"grants = [\n\"\xe4\"]").unwrap();
    fs::write(path("large"), vec![b'#'; 300 << 10]).unwrap();
    fs::write(path("broken"), "grants = [\n").unwrap();
    // Nobody writes to it, and nobody ever will.
    mknodat(CWD, path("fifo"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for (name, part) in [
        ("latin-1", "latin-1:2:2: is not UTF-8"),
        ("large", "large: has more than 262144 bytes"),
        ("broken", "is not TOML"),
        ("fifo", "fifo: is not a regular file"),
        ("base", "base: is not a regular file"),
        ("missing", "missing: cannot be read: No such file"),
    ] {
        let said = refused(&place, &path(name));
        assert!(said.contains(part), "{name}: {said}");
    }
}
