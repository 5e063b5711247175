//! `pod-tools compose`: what comes out of it, and what is said of that.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use cli::{Finished, bare, run};
use pod_tools_host::BUNDLED;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Runs `pod-tools` with those arguments in a directory.
fn within<S: AsRef<OsStr>>(directory: &Path, arguments: impl IntoIterator<Item = S>) -> Finished {
    let mut command = bare();
    command.args(arguments).current_dir(directory);
    run(command)
}

/// A composition for that host, made in an empty directory, with what was said of it.
fn composed(host: &str) -> (Vec<u8>, String) {
    composed_by(&["compose", "--for", host], &format!("pod-tools-for-{host}.wasm"))
}

/// A composition for ZeroClaw, where it is one tool.
fn composed_tool(tool: &str) -> (Vec<u8>, String) {
    let file = format!("pod-tools-for-zeroclaw-{tool}.wasm");
    composed_by(&["compose", "--for", "zeroclaw", "--tool", tool], &file)
}

fn composed_by(command: &[&str], file: &str) -> (Vec<u8>, String) {
    let directory = tempfile::tempdir().unwrap();
    let finished = within(directory.path(), command);
    assert_eq!((finished.code, &*finished.stdout), (Some(0), ""), "{finished:?}");
    (fs::read(directory.path().join(file)).unwrap(), finished.stderr)
}

/// What `pod-tools inspect` says of a component.
fn inspected(component: &[u8]) -> (Value, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("composed.wasm"), component).unwrap();
    let as_json = within(directory.path(), ["inspect", "composed.wasm", "--json"]);
    assert_eq!(as_json.code, Some(0), "{as_json:?}");
    let shown = within(directory.path(), ["inspect", "composed.wasm"]);
    (serde_json::from_str(&as_json.stdout).unwrap(), shown.stdout)
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn names(interfaces: &Value) -> Vec<&str> {
    interfaces.as_array().unwrap().iter().map(|interface| interface["name"].as_str().unwrap()).collect()
}

#[test]
fn the_plugin_in_a_composition_is_the_bundled_one_to_the_byte() {
    let (component, said) = composed("wasmtime");
    let (inspection, shown) = inspected(&component);
    let parts = inspection["components"].as_array().unwrap();
    assert_eq!(parts.len(), 3, "plugin, remote, adapter: {parts:?}");
    let plugin: Vec<_> = parts.iter().filter(|part| part["sha256"] == sha256(BUNDLED)).collect();
    assert_eq!(plugin.len(), 1, "{parts:?}");
    assert_eq!(plugin[0]["bytes"], BUNDLED.len());
    assert!(said.contains(&sha256(BUNDLED)), "{said}");

    let inside = shown.split_once("components in it").unwrap().1;
    for (what, count) in [("the bundled plugin", 1), ("(remote: ", 1), ("(plain: ", 1), ("sha256 ", 3)] {
        assert_eq!(inside.matches(what).count(), count, "{inside}");
    }
}

#[test]
fn the_composition_for_act_says_what_it_is_and_the_most_that_it_may_be_granted() {
    let (component, said) = composed("act");
    let (inspection, shown) = inspected(&component);
    let parts = inspection["components"].as_array().unwrap();
    assert_eq!(parts.len(), 3, "plugin, remote, adapter: {parts:?}");
    assert_eq!(parts.iter().filter(|part| part["sha256"] == sha256(BUNDLED)).count(), 1, "{parts:?}");
    assert!(shown.contains("(act: "), "{shown}");
    // Its functions are asynchronous, so it is read where it cannot be compiled.
    assert_eq!(names(&inspection["exports"]), ["act:tools/tool-provider@0.2.0"]);
    assert_eq!(inspection["exports"][0]["functions"], serde_json::json!(["list-tools", "call-tool"]));
    // Beside types it asks for what it asks for elsewhere.
    let (plain, _) = inspected(&composed("wasmtime").0);
    let imports = names(&inspection["imports"]);
    let more: Vec<_> = imports.iter().filter(|import| !names(&plain["imports"]).contains(import)).collect();
    assert_eq!(more, [&"act:core/types@0.4.0", &"act:tools/types@0.2.0"]);

    // The section is the last: its number, its length, the length of its name, its name, and CBOR.
    let name = b"act:component";
    let at = component.windows(name.len()).rposition(|bytes| bytes == name).unwrap();
    let manifest = &component[at + name.len()..];
    let length = name.len() + 1 + manifest.len();
    assert!((0x80..0x4000).contains(&length));
    assert_eq!(component[at - 4..at], [0, length as u8 | 0x80, (length >> 7) as u8, name.len() as u8]);
    let manifest: Value = cbor4ii::serde::from_slice(manifest).unwrap();
    let capabilities = manifest["std"]["capabilities"].as_object().unwrap();
    assert_eq!(capabilities.keys().collect::<Vec<_>>(), ["wasi:sockets"]);
    for allowed in capabilities["wasi:sockets"]["constraints"].as_array().unwrap() {
        assert!(["127.0.0.1", "::1"].contains(&allowed["host"].as_str().unwrap()), "{allowed}");
        assert_eq!(allowed["protocols"], serde_json::json!(["tcp"]));
    }
    for part in ["--allow sockets=127.0.0.1:8123/tcp", "pod-tools gateway", "--metadata-file act.json"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn two_compositions_have_the_same_bytes() {
    for host in ["act", "wasmcloud", "wasmtime"] {
        assert!(composed(host).0 == composed(host).0, "{host}");
    }
    assert!(composed_tool("StopPod").0 == composed_tool("StopPod").0);
}

#[test]
fn what_a_composition_asks_of_its_host_is_said_and_is_no_more_than_tcp_and_an_environment() {
    let (component, said) = composed("wasmtime");
    let (inspection, _) = inspected(&component);
    let asked = said.lines().find_map(|line| line.strip_prefix("It asks of its host: ")).unwrap();
    let mut imports = names(&inspection["imports"]);
    imports.sort_unstable();
    assert_eq!(asked.split(", ").collect::<Vec<_>>(), imports);
    let without_versions: Vec<_> = imports.iter().map(|import| import.split('@').next().unwrap()).collect();
    assert_eq!(
        without_versions,
        [
            "pod:tools/types",
            "wasi:cli/environment",
            "wasi:clocks/monotonic-clock",
            "wasi:io/error",
            "wasi:io/poll",
            "wasi:io/streams",
            "wasi:sockets/instance-network",
            "wasi:sockets/network",
            "wasi:sockets/tcp-create-socket",
            "wasi:sockets/tcp",
        ]
    );
    assert_eq!(names(&inspection["exports"]), ["pod:tools/tools@0.1.0"]);
    for part in ["-S inherit-network,udp=n", "pod-tools gateway --listen 127.0.0.1:", "--env POD_TOOLS_TOKEN"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_readme_and_the_launcher_grant_what_compose_says() {
    let (_, said) = composed("wasmtime");
    let words: Vec<_> = said.split_ascii_whitespace().collect();
    let granted: Vec<_> =
        words.windows(2).filter(|pair| ["-W", "-S"].contains(&pair[0])).map(|pair| pair[1]).collect();
    assert_eq!(granted.len(), 2, "{said}");
    let readme = include_str!("../../../README.md");
    let launcher = include_str!("../../../tests/hosts/wasmtime/host.py");
    for rights in granted {
        assert!(readme.contains(rights) && launcher.contains(rights), "{rights}");
    }
}

#[test]
fn for_wasmcloud_it_handles_messages_and_asks_for_no_more_than_to_answer_them() {
    let (component, said) = composed("wasmcloud");
    let (inspection, shown) = inspected(&component);
    assert_eq!(names(&inspection["exports"]), ["wasmcloud:messaging/handler@0.2.0"]);
    let (plain, _) = inspected(&composed("wasmtime").0);
    let more = ["wasmcloud:messaging/consumer@0.2.0", "wasmcloud:messaging/types@0.2.0"];
    let wanted: BTreeSet<_> = names(&plain["imports"]).into_iter().chain(more).collect();
    let asked: BTreeSet<_> = names(&inspection["imports"]).into_iter().collect();
    assert_eq!(asked, wanted);
    let consumer = inspection["imports"].as_array().unwrap().iter();
    let mut consumer = consumer.filter(|import| import["name"] == "wasmcloud:messaging/consumer@0.2.0");
    let functions = &consumer.next().unwrap()["functions"];
    assert_eq!(functions.as_array().unwrap().len(), 1, "publish, and no request: {functions}");
    for what in ["the bundled plugin", "(remote: ", "(nats: "] {
        assert_eq!(shown.matches(what).count(), 1, "{shown}");
    }
    for part in [
        "--allow-host-loopback --socket-egress enforce --default-heap-memory 256MiB",
        "--max-output 128KiB",
        "pods.v1.NODE.CALLER.*",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let workload = said.split_once("\n    {\n").unwrap().1.split_once("\n    }\n").unwrap().0;
    let workload: Value = serde_json::from_str(&format!("{{{workload}}}")).unwrap();
    let granted = &workload["workload"]["witWorld"]["components"][0]["localResources"];
    assert_eq!(granted["allowedHostLoopbackPorts"], serde_json::json!(["8123"]));
    assert_eq!(granted["environment"]["POD_TOOLS_GATEWAY"], "127.255.255.254:8123");
}

#[test]
fn for_zeroclaw_it_is_one_tool_and_asks_for_its_token_and_connections_that_zeroclaw_checks() {
    let (component, _) = composed_tool("ListPods");
    let (inspection, shown) = inspected(&component);
    assert_eq!(
        names(&inspection["exports"]),
        ["zeroclaw:plugin/plugin-info@0.1.0", "zeroclaw:plugin/tool@0.1.0"]
    );
    let mut asked: Vec<_> =
        names(&inspection["imports"]).iter().map(|import| import.split('@').next().unwrap()).collect();
    asked.sort_unstable();
    assert_eq!(
        asked,
        [
            "pod:tools/types",
            "wasi:clocks/monotonic-clock",
            "wasi:io/poll",
            "zeroclaw:plugin/secrets",
            "zeroclaw:plugin/sockets",
        ]
    );
    for what in ["the bundled plugin", "(remote: ", "(zeroclaw: ", "(chosen: "] {
        assert_eq!(shown.matches(what).count(), 1, "{shown}");
    }
}

#[test]
fn in_zeroclaw_each_composition_is_the_tool_that_was_chosen() {
    let engine = wasmtime::Engine::default();
    for (tool, plugin) in
        [("ListPods", "pod-tools-list-pods"), ("ReadPodOutput", "pod-tools-read-pod-output")]
    {
        let component = wasmtime::component::Component::new(&engine, composed_tool(tool).0).unwrap();
        let mut linker = wasmtime::component::Linker::<()>::new(&engine);
        linker.define_unknown_imports_as_traps(&component).unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let mut told = |interface: &str, function: &str| {
            let (_, interface) = instance.get_export(&mut store, None, interface).unwrap();
            let (_, function) = instance.get_export(&mut store, Some(&interface), function).unwrap();
            let function = instance.get_typed_func::<(), (String,)>(&mut store, function).unwrap();
            function.call(&mut store, ()).unwrap().0
        };
        assert_eq!(told("zeroclaw:plugin/tool@0.1.0", "name"), tool);
        assert_eq!(told("zeroclaw:plugin/plugin-info@0.1.0", "plugin-name"), plugin);
        let schema: Value =
            serde_json::from_str(&told("zeroclaw:plugin/tool@0.1.0", "parameters-schema")).unwrap();
        assert_eq!(schema["type"], "object");
        assert_ne!(told("zeroclaw:plugin/tool@0.1.0", "description"), "");
    }
}

#[test]
fn the_manifest_and_the_grants_for_zeroclaw_are_shown_as_they_are_read() {
    let (_, said) = composed_tool("ReadPodOutput");
    let indented: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let at = |start| indented.iter().position(|line| line.starts_with(start)).unwrap();
    let texts = |list: &toml::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let read = |lines: &[&str]| toml::from_str::<toml::Table>(&lines.join("\n")).unwrap();
    let manifest = read(&indented[at("name = ")..at("zeroclaw plugin install")]);
    assert_eq!(manifest["name"].as_str(), Some("pod-tools-read-pod-output"));
    assert_eq!(texts(&manifest["permissions"]), ["config_read", "socket_client"]);
    assert_eq!(manifest["config_schema"]["properties"]["token"]["x-secret"].as_bool(), Some(true));
    let entry = &read(&indented[at("[[plugins.entries]]")..])["plugins"]["entries"][0];
    // `["pod-tools-read-pod-output","tool","pod-tools-read-pod-output"]`, in base64 for addresses.
    let instance =
        "zpi1_WyJwb2QtdG9vbHMtcmVhZC1wb2Qtb3V0cHV0IiwidG9vbCIsInBvZC10b29scy1yZWFkLXBvZC1vdXRwdXQiXQ";
    assert_eq!(entry["name"].as_str(), Some(instance));
    for granted in ["egress_hosts", "egress_allow_private"] {
        assert_eq!(texts(&entry[granted]), ["127.0.0.1"]);
    }
}

#[test]
fn a_tool_is_to_be_chosen_for_zeroclaw_alone_and_among_those_there_are() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, code, part) in [
        (&["--for", "zeroclaw"][..], 2, "--tool"),
        (&["--for", "zeroclaw", "--tool", "Nonsense"], 1, "ListPods, SendToPod"),
        (&["--for", "zeroclaw", "--tool", ""], 1, "ListPods, SendToPod"),
        (&["--for", "wasmtime", "--tool", "ListPods"], 1, "leave out `--tool`"),
    ] {
        let finished = within(directory.path(), ["compose"].iter().chain(arguments));
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.stderr.contains(part), "{finished:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn the_commands_name_the_file_as_a_shell_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let finished = within(directory.path(), ["compose", "--for", "wasmtime", "-o", "it's a file.wasm"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(directory.path().join("it's a file.wasm").is_file());
    assert!(finished.stderr.contains(r"'it'\''s a file.wasm'"), "{finished:?}");
}

#[test]
fn a_host_that_is_not_known_is_answered_with_those_that_are() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["compose", "--for", "nonsense"][..], &["compose", "--for", ""], &["compose"]] {
        let finished = within(directory.path(), arguments);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("--for"), "{finished:?}");
        if arguments.len() > 1 {
            assert!(finished.stderr.contains("act, wasmtime"), "{finished:?}");
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn what_cannot_be_composed_or_written_is_named_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let finished = within(directory.path(), ["compose", "--for", "wasmtime", "-o", "no/such/directory.wasm"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("cannot write no/such/directory.wasm"), "{finished:?}");

    let plugin = directory.path().join("plugin.wasm");
    fs::write(&plugin, wat::parse_str("(component)").unwrap()).unwrap();
    let finished = within(directory.path(), ["compose", "--for", "wasmtime", "--component", "plugin.wasm"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("plugin.wasm"), "{finished:?}");
    fs::remove_file(plugin).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn a_plugin_that_asks_for_more_than_its_contract_is_not_composed() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plugin.wasm"), pod_tools_hostile::COMPONENT).unwrap();
    let finished = within(directory.path(), ["compose", "--for", "wasmtime", "--component", "plugin.wasm"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("it imports `wasi:"), "{finished:?}");
    assert!(!directory.path().join("pod-tools-for-wasmtime.wasm").exists());
}
