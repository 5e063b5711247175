//! A base directory that has several names: whichever a pod or its caller was given, it is the same directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::harness::*;

fn call(world: &World, base: &Path, tool: &str, input: &str) -> String {
    let output = world.command(base).args(["call", tool, input]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_pod_is_found_under_each_name_of_its_base_directory() {
    let world = World::new();
    fs::create_dir(world.base()).unwrap();
    symlink("base", world.path("link")).unwrap();
    let names = ["base", "link", "./link/../base//", "../link"].map(|name| match name.strip_prefix("../") {
        Some(name) => Path::new("base/..").join(name),
        None => world.path(name),
    });
    for (index, given) in names.iter().enumerate() {
        let name = format!("pod-{index}");
        let mut pod = world.pod_at(given, &name, &[], &["cat"]);
        // What others are told of it does not depend on the name.
        let socket = json!(world.base().canonicalize().unwrap().join(&name).join("sock"));
        assert_eq!(
            (&world.allocations()[0]["socket"], &world.records("pod-tools")[0]["socket_path"]),
            (&socket, &socket)
        );
        for asked in &names {
            assert_eq!(
                call(&world, asked, "ListPods", ""),
                format!("1 pod(s) known\n\n{name} [alive] scope=(none)\n")
            );
        }
        let (code, said) = world.start(&world.path("link"), &name, &[], &["cat"]).err().unwrap();
        assert!(code == 1 && said.contains("another process holds its directory"), "{said}");
        call(&world, &names[(index + 1) % names.len()], "StopPod", &json!({ "name": name }).to_string());
        assert!(pod.ended().0.success());
    }
}

#[test]
fn what_a_dead_pod_left_under_another_name_is_cleaned_up_by_the_next_of_its_name() {
    let world = World::new();
    fs::create_dir_all(world.base().join("pod-tools")).unwrap();
    symlink("base", world.path("link")).unwrap();
    let socket = world.path("link").join("child/sock");
    let left = json!([{"pod_name": "child", "socket_path": socket, "scope_delegated": []}]);
    fs::write(world.base().join("pod-tools/spawned_pods.json"), left.to_string()).unwrap();
    let _pod = world.pod("child", &[], &["cat"]);
    let records = world.records("pod-tools");
    assert_eq!(records.len(), 1, "{records:?}");
    assert_ne!(records[0]["socket_path"], json!(socket));
}

#[test]
fn a_pod_is_not_its_own_spawner_under_another_name_of_the_directory() {
    let world = World::new();
    fs::create_dir_all(world.base().join("child")).unwrap();
    symlink("base/child", world.path("link")).unwrap();
    let link = world.path("link");
    let (code, said) = world.refused("child", &["--runtime-dir", link.to_str().unwrap()], &["cat"]);
    assert!(code == 1 && said.contains("cannot be its own spawner"), "{said}");
}
