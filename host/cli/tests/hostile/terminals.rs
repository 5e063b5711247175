//! What others chose, on its way to a terminal: real ones, for each of the two streams and for both. A control character
//! that arrives there, other than a line end and a tab, is an attack that got through.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

use crate::cli::{at, bare};

/// Sets a title, clears the screen, goes back to the line's beginning, begins a sequence by one C1 byte, turns the
/// direction of writing three ways, ends a line in two, and deletes.
const POISON: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{9b}31m\u{202e}\u{2066}\u{200e}\u{200f}\u{61c}\u{2028}\u{2029}\u{85}\u{7f}\u{8}";

/// Which of a program's streams are terminals.
const TERMINALS: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

/// A terminal that changes nothing that is written to it: our end, and the program's.
fn terminal() -> (File, File) {
    let mut name = [0; 128];
    // SAFETY: the calls take a descriptor that was just opened, and a buffer with its length.
    let master = unsafe {
        let master = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert!(master >= 0, "no pseudo-terminal");
        assert_eq!(libc::grantpt(master), 0);
        assert_eq!(libc::unlockpt(master), 0);
        assert_eq!(libc::ptsname_r(master, name.as_mut_ptr(), name.len()), 0);
        File::from_raw_fd(master)
    };
    let name: Vec<u8> = name.iter().take_while(|byte| **byte != 0).map(|byte| byte.cast_unsigned()).collect();
    let slave = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(std::str::from_utf8(&name).unwrap())
        .unwrap();
    // SAFETY: the structure is filled by `tcgetattr` before it is used.
    unsafe {
        let mut mode = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(slave.as_raw_fd(), &raw mut mode), 0);
        libc::cfmakeraw(&raw mut mode);
        assert_eq!(libc::tcsetattr(slave.as_raw_fd(), libc::TCSANOW, &raw const mode), 0);
    }
    (master, slave)
}

/// Reads until nobody has the other end any more.
fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        // A terminal whose other end is closed says so by an error.
        while let Ok(read @ 1..) = from.read(&mut piece) {
            all.extend_from_slice(&piece[..read]);
        }
        all
    })
}

/// Runs a command with those of its streams at a terminal, and gives what arrived at its standard output and error.
fn seen(mut command: Command, (out, err): (bool, bool)) -> (String, String) {
    let stream = |is_terminal: bool| -> (Stdio, thread::JoinHandle<Vec<u8>>) {
        if is_terminal {
            let (master, slave) = terminal();
            return (slave.into(), reader(master));
        }
        let (read, write) = std::io::pipe().unwrap();
        (write.into(), reader(read))
    };
    let ((stdout, from_stdout), (stderr, from_stderr)) = (stream(out), stream(err));
    command.stdout(stdout).stderr(stderr);
    let mut child = command.spawn().unwrap();
    drop(command);
    child.wait().unwrap();
    let text = |from: thread::JoinHandle<Vec<u8>>| String::from_utf8(from.join().unwrap()).unwrap();
    (text(from_stdout), text(from_stderr))
}

fn steers(c: char) -> bool {
    let (c, kept) = (u32::from(c), ['\n', '\t'].map(u32::from));
    (c < 0x20 && !kept.contains(&c))
        || (0x7f..0xa0).contains(&c)
        || matches!(c, 0x61c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069)
}

/// Runs it at each combination of terminals. Nothing may steer one; and on a pipe, no message does either. Somewhere the
/// attack must have arrived, escaped: else it is none.
fn attack(make: impl Fn() -> Command) {
    let mut arrived = false;
    for terminals in TERMINALS {
        let (out, err) = seen(make(), terminals);
        if terminals.0 {
            assert_eq!(out.find(steers), None, "standard output {terminals:?}: {out:?}");
        }
        assert_eq!(err.find(steers), None, "standard error {terminals:?}: {err:?}");
        arrived |= [&out, &err].iter().any(|text| text.contains("owned"));
    }
    assert!(arrived, "it shows nothing of the attack");
}

/// A plugin that puts the same text into everything that it says. As an answer's data it is a JSON string.
fn plugin(text: &str) -> Vec<u8> {
    let data = serde_json::to_string(text).unwrap();
    // Raw in the string, as JSON may have them.
    assert!(data.contains('\u{9b}') && data.contains('\u{202e}'));
    let schema = json!({"type": "object", "description": text}).to_string();
    let mut memory = Vec::new();
    let mut put = |bytes: &[u8]| {
        let at = 1024 + memory.len();
        memory.extend_from_slice(bytes);
        (u32::try_from(at).unwrap(), u32::try_from(bytes.len()).unwrap())
    };
    let (said, said_length) = put(text.as_bytes());
    let (json, json_length) = put(data.as_bytes());
    let (schema, schema_length) = put(schema.as_bytes());
    let (name, name_length) = put(b"Steer");
    while !memory.len().is_multiple_of(8) {
        memory.push(0);
    }
    let words = |memory: &mut Vec<u8>, words: &[u32]| {
        let at = 1024 + memory.len();
        memory.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        at
    };
    let answer = words(&mut memory, &[0, said, said_length, 1, said, said_length, json, json_length]);
    // Name, description, the two schemas, no content property, three effects.
    let definition = words(
        &mut memory,
        &[name, name_length, said, said_length, schema, schema_length, schema, schema_length, 0, 0, 0, 0],
    );
    let list = words(&mut memory, &[u32::try_from(definition).unwrap(), 1]);
    let bytes: String = memory.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let module = format!(
        r#"(memory (export "memory") 4)
        (data (i32.const 1024) "{bytes}")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
        (func (export "call") (param i32 i32 i32 i32) (result i32) (i32.const {answer}))
        (func (export "after-call") (param i32))
        (func (export "definitions") (result i32) (i32.const {list}))"#
    );
    let around = include_str!("../../../../tests/hostile/raw/component.wat");
    wat::parse_str(around.replace("(; the module ;)", &module)).unwrap()
}

/// A place with a file of those bytes.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> (Place, PathBuf) {
    let place = Place::new().unwrap();
    let file = place.root().join(name);
    fs::write(&file, bytes).unwrap();
    (place, file)
}

fn with<'a>(words: &'a [&'a str], file: &'a std::path::Path) -> Vec<&'a OsStr> {
    words.iter().map(|word| if *word == "FILE" { file.as_os_str() } else { OsStr::new(word) }).collect()
}

#[test]
fn an_answer_with_escapes_is_shown_and_not_done() {
    let (place, plugin) = file("plugin.wasm", plugin(POISON));
    attack(|| at(&place, with(&["call", "Steer", "--component", "FILE"], &plugin)));
    let json = || at(&place, with(&["call", "Steer", "--json", "--component", "FILE"], &plugin));
    attack(json);
    let batch = || {
        let calls = place.root().join("calls");
        fs::write(&calls, "{\"tool\":\"Steer\"}\nnot \u{9b}JSON\n").unwrap();
        let mut command = at(&place, with(&["call", "--batch", "--component", "FILE"], &plugin));
        command.stdin(File::open(calls).unwrap());
        command
    };
    attack(batch);
    // It is the same document, and in a pipe it is the same bytes.
    let (shown, _) = seen(json(), (true, true));
    let (piped, _) = seen(json(), (false, true));
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(read(&shown), read(&piped));
    assert_eq!(read(&shown)["ok"]["content"], POISON);
    assert!(piped.contains('\u{202e}') && !shown.contains('\u{202e}'));
    let (piped, _) =
        seen(at(&place, with(&["call", "Steer", "--component", "FILE"], &plugin)), (false, true));
    assert_eq!(piped, format!("{POISON}\n\n{POISON}\n"));
}

#[test]
fn definitions_with_escapes_are_shown_and_not_done() {
    let (place, plugin) = file("plugin.wasm", plugin(POISON));
    attack(|| at(&place, with(&["tools", "--component", "FILE"], &plugin)));
    attack(|| at(&place, with(&["tools", "--json", "--component", "FILE"], &plugin)));
}

#[test]
fn an_error_with_escapes_of_a_plugin_or_an_argument_is_shown_and_not_done() {
    // A tool that this plugin does not know is an error of its own, with the name as the message.
    let (place, plugin) = file("plugin.wasm", pod_tools_hostile::COMPONENT);
    attack(|| at(&place, with(&["call", POISON, "--component", "FILE"], &plugin)));
    attack(|| at(&place, with(&["call", POISON, "--json", "--component", "FILE"], &plugin)));
    attack(|| at(&place, ["call", POISON]));
    attack(|| at(&place, ["call", "SendToPod", &json!({"name": POISON, "message": "x"}).to_string()]));
    attack(|| at(&place, [POISON]));
    attack(|| at(&place, ["call", "ListPods", &format!("--{POISON}")]));
    attack(|| at(&place, ["call", "ListPods", "--grant", POISON]));
    attack(|| at(&place, ["pod", POISON, "--", "cat"]));
    attack(|| at(&place, ["pod", "x", "--scope", &format!("write:/{POISON}"), "--", "cat"]));
    attack(|| {
        let mut command = bare();
        command.arg("--base-dir").arg(place.base()).args(["pod", "x", "--", POISON]);
        command
    });
}

#[test]
fn a_pods_text_name_and_scope_steer_no_terminal() {
    let place = Place::new().unwrap();
    let items = [assistant(POISON)];
    let _pod =
        FakePod::start(&place, "child", Script::new().on("get_history", [Step::line(history(&items))]))
            .unwrap();
    let mut record = place.native_record(POISON);
    record["scope_delegated"] =
        json!([{"target": format!("/{POISON}"), "permission": "write", "recursive": true}]);
    place.record(record).unwrap();
    for more in [&["--json", "--peek"][..], &["--peek"]] {
        attack(|| at(&place, [&["call", "ReadPodOutput", r#"{"name":"child"}"#], more].concat()));
        attack(|| at(&place, [&["call", "ListPods", "{}"], more].concat()));
        attack(|| at(&place, [&["read", "child"], more].concat()));
    }
    attack(|| at(&place, ["ls"]));
    attack(|| at(&place, ["ls", "--json"]));
    attack(|| at(&place, ["send", POISON, "x"]));
    attack(|| at(&place, ["read", POISON]));
    attack(|| at(&place, ["wait", POISON]));
}

#[test]
fn a_files_name_in_an_error_steers_no_terminal() {
    let place = Place::new().unwrap();
    let missing = place.root().join(POISON);
    for words in [
        &["inspect", "FILE"][..],
        &["inspect", "--save", "FILE/x"],
        &["tools", "--component", "FILE"],
        &["call", "ListPods", "--component", "FILE"],
        &["call", "ListPods", "--grants", "FILE"],
        &["call", "ListPods", "--audit", "FILE/x"],
        &["grants", "check", "FILE"],
        &["grants", "check", "--json", "FILE"],
        &["mcp", "--grants", "FILE"],
        &["mcp", "--audit", "FILE/x"],
    ] {
        let words: Vec<String> =
            words.iter().map(|word| word.replace("FILE", missing.to_str().unwrap())).collect();
        attack(|| at(&place, &words));
    }
}

#[test]
fn variables_steer_no_terminal_by_the_help_or_by_an_error() {
    let with = |variable: &str, words: &[&str]| {
        let mut command = bare();
        command.env(variable, POISON).args(words);
        command
    };
    attack(|| with("POD_TOOLS_BASE_DIR", &["help", "options"]));
    attack(|| with("POD_TOOLS_COMPONENT", &["help", "options"]));
    attack(|| with("POD_TOOLS_OP_TIMEOUT", &["call", "ListPods"]));
    let place = Place::new().unwrap();
    let home = |variable: &str, value: &OsStr, words: &[&str]| {
        let mut command = bare();
        command.env("POD_TOOLS_BASE_DIR", place.base()).env(variable, value).args(words);
        command
    };
    attack(|| home("POD_TOOLS_BASE_DIR", place.root().join(POISON).as_os_str(), &["call", "ListPods"]));
    attack(|| home("POD_TOOLS_SPAWNER", OsStr::new(POISON), &["mcp"]));
    attack(|| home("POD_TOOLS_GRANT", OsStr::new(POISON), &["call", "ListPods"]));
}

#[test]
fn a_grants_file_steers_no_terminal_by_its_parser_or_by_what_it_says() {
    let quoted = serde_json::to_string(POISON).unwrap();
    for text in [
        format!("grants = [\"list\"\n{POISON} = 1\n"),
        POISON.to_owned(),
        format!("grants = [\"list\"]\n\"owned{POISON}\" = \"x"),
        format!("grants = [{}]\n", quoted.replace('\u{7f}', "\\u007f")),
        "grants = [\"list:owned\\u001b[2J\\u202e\\u009b\"]\n".to_owned(),
        "grants = [\"list\"]\n[limits]\n\"owned\\u001b[2J\" = \"5s\\u202e\"\n".to_owned(),
        "grants = [\"list\"]\nallow-sockets = [\"/owned\\u001b[2J\\u202e\"]\n".to_owned(),
    ] {
        let (place, file) = file("owned.toml", text);
        attack(|| at(&place, with(&["grants", "check", "FILE"], &file)));
        attack(|| at(&place, with(&["grants", "check", "--json", "FILE"], &file)));
    }
}

#[test]
fn a_components_names_steer_no_terminal_by_its_parser_or_by_inspect() {
    let component = wat::parse_str(
        r#"(component (import "owned-owned:owned/owned-owned" (instance (export "owned-owned" (func)))))"#,
    )
    .unwrap();
    let places: Vec<usize> = component
        .windows(11)
        .enumerate()
        .filter(|(_, bytes)| *bytes == b"owned-owned")
        .map(|(at, _)| at)
        .collect();
    assert!(places.len() >= 3, "{places:?}");
    for place in places {
        let mut poisoned = component.clone();
        poisoned[place + 5..place + 11].copy_from_slice(b"\x1b[2J\xc2\x9b");
        let (place, file) = file("owned.wasm", poisoned);
        attack(|| at(&place, with(&["inspect", "FILE"], &file)));
        attack(|| at(&place, with(&["inspect", "--json", "FILE"], &file)));
        attack(|| at(&place, with(&["call", "ListPods", "--component", "FILE"], &file)));
    }
}
