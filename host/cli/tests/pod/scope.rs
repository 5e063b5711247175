//! Scopes: conflicts, delegation, and the spawner's registry.

use serde_json::json;

use crate::harness::*;

#[test]
fn a_conflict_is_refused_and_the_holder_named() {
    let world = World::new();
    let (work, below) = (world.work_dir("work"), world.work_dir("work/below"));
    let _holder = world.pod("holder", &["--scope", &format!("write:{}", work.display())], &["cat"]);
    for scope in [format!("write:{}", below.display()), format!("write-flat:{}", world.path("").display())] {
        let (code, said) = world.refused("x", &["--scope", &scope], &["cat"]);
        assert_eq!(code, 1);
        assert!(said.contains("`holder`") && said.contains("conflicts"), "{said}");
        assert_eq!(world.traces("x"), Vec::<String>::new());
    }
    // Reading is in nobody's way.
    world.pod("reader", &["--scope", &format!("read:{}", below.display())], &["cat"]);
}

#[test]
fn a_flat_scope_leaves_what_is_further_below_to_others() {
    let world = World::new();
    let (work, deep) = (world.work_dir("work"), world.work_dir("work/a/b"));
    let flat = world.pod("flat", &["--scope", &format!("write-flat:{}", work.display())], &["cat"]);
    world.pod("deep", &["--scope", &format!("write:{}", deep.display())], &["cat"]);
    let rule = json!({"target": work, "permission": "write", "recursive": false});
    assert_eq!(world.allocations()[0]["scope_allow"], json!([rule]));
    let summary = flat.connect().history()["greeting"]["scope_summary"].clone();
    assert_eq!(summary, format!("write:{} [non-recursive]", work.display()));
}

#[test]
fn two_names_of_one_directory_conflict() {
    let world = World::new();
    let work = world.work_dir("work");
    std::os::unix::fs::symlink(&work, world.path("link")).unwrap();
    let _holder = world.pod("holder", &["--scope", &format!("write:{}", work.display())], &["cat"]);
    let link = format!("write:{}", world.path("link").display());
    let (code, said) = world.refused("x", &["--scope", &link], &["cat"]);
    assert!(code == 1 && said.contains("`holder`"), "{said}");
}

#[test]
fn a_pod_of_a_spawner_with_an_entry_holds_a_part_of_its_scope() {
    let world = World::new();
    let (work, part) = (world.work_dir("work"), world.work_dir("work/part"));
    let elsewhere = world.work_dir("elsewhere");
    let mut parent = world.pod("parent", &["--scope", &format!("write:{}", work.display())], &["cat"]);
    let part = format!("write:{}", part.display());
    let mut child = world.pod("child", &["--spawner", "parent", "--scope", &part], &["cat"]);
    assert_eq!(world.allocations()[1]["delegated_from"], "parent");
    assert_eq!(world.records("parent")[0]["pod_name"], "child");
    assert_eq!(world.records("parent")[0]["callback_address"], json!(parent.dir.join("sock")));

    let outside = format!("read:{}", elsewhere.display());
    let (code, said) = world.refused("other", &["--spawner", "parent", "--scope", &outside], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains("`parent`") && said.contains("elsewhere"), "{said}");
    let (code, said) = world.refused("other", &["--spawner", "parent", "--scope", &part], &["cat"]);
    assert!(code == 1 && said.contains("`child`"), "{said}");
    assert_eq!((world.allocations().len(), world.records("parent").len()), (2, 1));

    // A parent that ends takes the record along, and hands its child on; the child is none the worse.
    parent.connect().send("shutdown");
    assert_eq!(parent.ended().0.code(), Some(0));
    assert_eq!(world.allocations()[0]["delegated_from"], json!(null));
    child.connect().send("shutdown");
    let (status, said) = child.ended();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    assert!(world.allocations().is_empty());
}

#[test]
fn a_spawner_without_an_entry_delegates_nothing_but_keeps_the_record() {
    let world = World::new();
    std::fs::create_dir_all(world.base().join("spawner")).unwrap();
    let work = format!("write:{}", world.work_dir("work").display());
    let _pod = world.pod("x", &["--spawner", "spawner", "--scope", &work], &["cat"]);
    assert_eq!(world.allocations()[0]["delegated_from"], json!(null));
    assert_eq!(world.records("spawner")[0]["pod_name"], "x");
}
