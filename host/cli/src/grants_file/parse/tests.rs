//! What is read of a grants file, and what is wrong with it and where.

use super::*;

fn faults(text: &str) -> Vec<String> {
    let faults = parse(Path::new("f"), text.as_bytes()).unwrap_err();
    let line = |fault: &Fault| {
        let Position { line, column } = fault.at.unwrap();
        format!("{line}:{column}: {}", fault.message)
    };
    faults.iter().map(line).collect()
}

#[test]
fn a_file_says_what_the_options_say() {
    let text = "# comment\ngrants = [\n  \"list,read\", # all\n  'send:build-*',\n]\nallow-sockets = [\"/\"]\n\
                limits = { max-output = 65_536, op-timeout = \"250ms\", call-timeout = 2.5 }\n";
    let file = parse(Path::new("f"), text.as_bytes()).unwrap();
    let grants = file.grants.as_ref().unwrap();
    assert_eq!(grants[1].value, "send:build-*".parse().unwrap());
    assert_eq!((grants[1].at.line, grants[1].at.column), (4, 3));
    assert_eq!(file.allow_sockets.as_ref().unwrap()[0].value, Path::new("/"));
    let mut limits = pod_tools_host::Limits::default();
    file.given_limits().apply(&mut limits);
    assert_eq!(limits.output, Some(65_536));
    assert_eq!((limits.operation_time.as_millis(), limits.call_time.as_millis()), (250, 2500));
}

#[test]
fn a_file_that_grants_nothing_is_a_file() {
    for text in ["", "# nothing\n", "grants = []\n", "\u{feff}grants = []\n"] {
        let file = parse(Path::new("f"), text.as_bytes()).unwrap();
        assert!(file.grants.unwrap_or_default().is_empty(), "{text:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place_and_its_remedy() {
    assert_eq!(
        faults(
            "grant = []\ngrants = [\n  \"lst\",\n  \"read:\", 7,\n]\nmemory = 1\nallow-sockets = \"/\"\n\
             [limits]\nop-timeout = \"0\"\nmemry = 1\nhandles = true\ntable-elements = 100001\n"
        ),
        [
            "1:1: `grant` is no key of a grants file; the keys are grants, allow-sockets, limits, caller; did you mean \
             `grants`?",
            "3:3: `lst` is no verb of a grant; the verbs are list, send, read, stop; did you mean `list`?",
            "4:3: the grant `read:` has an empty pattern; leave out the colon to cover every pod, or name one \
             behind it",
            "4:12: `grants` is a list of strings; an integer is none: quote it",
            "6:1: `memory` is a limit; write it beneath [limits]",
            "7:17: `allow-sockets` is a list of strings, not a string; write [\"/run/user/1000/insomnia\"]",
            "9:14: the limit `op-timeout` cannot be `0`: a duration is more than nothing and at most a day \
             (default: 5s)",
            "10:1: `memry` is no limit; the limits are op-timeout, call-timeout, cpu-time, memory, max-line, \
             max-output, max-transfer, max-data, table-elements, instances, host-calls, handles, exchanges; did you mean \
             `memory`?",
            "11:11: the limit `handles` is a string or a number, not a boolean (default: 100000)",
            "12:18: the limit `table-elements` cannot be `100001`: tables have at most 100000 elements \
             (default: 20000)",
        ]
    );
}

#[test]
fn what_is_not_toml_is_told_where_and_nothing_is_said_of_the_rest() {
    let unclosed = faults("grants = [\n  \"list\"\n  \"read\"\n]\n[limits\nfly = 1\n");
    assert!(unclosed.iter().all(|fault| fault.contains("is not TOML: ")), "{unclosed:?}");
    assert!(unclosed.len() >= 2 && unclosed[0].starts_with("3:3: "), "{unclosed:?}");
    let twice = faults("grants = []\ngrants = [\"list\"]\n");
    assert!(twice.len() == 1 && twice[0].starts_with("2:1: is not TOML: duplicate key"), "{twice:?}");
}

#[test]
fn what_is_not_utf_8_is_told_where() {
    let faults = parse(Path::new("f"), b"grants = [\n  \"\xff\"]").unwrap_err();
    assert_eq!(faults[0].at, Some(Position { line: 2, column: 4 }));
}

#[test]
fn directories_are_absolute_and_there() {
    let found = faults("allow-sockets = [\"run\", \"/nowhere/at/all\", \"/dev/null\"]\n");
    for (fault, part) in found.iter().zip(["not an absolute path", "No such file", "not a directory"]) {
        assert!(fault.contains(part), "{fault}");
    }
    assert_eq!(found.len(), 3);
}
