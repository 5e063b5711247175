//! Plugins whose attack lies in how they are made, each a component of its own.

use pod_tools_host::{ErrorKind, LoadError, PodTools};

use crate::attack::Attack;

#[test]
pub fn asks_for_sockets() {
    let component = pod_tools_hostile::raw_component("asks_for_sockets").unwrap();
    match PodTools::builder().component_bytes(component).cache_dir(None).load() {
        Err(LoadError::MissingImports { imports, .. }) => {
            assert_eq!(imports, ["wasi:sockets/tcp-create-socket@0.2.0", "wasi:http/outgoing-handler@0.2.0"])
        }
        other => panic!("{other:?}"),
    }
}

#[test]
pub fn traps_at_instantiation() {
    Attack::raw_load("traps_at_instantiation")
        .run()
        .fails(ErrorKind::Internal, "is refused: the plugin failed: wasm trap: wasm `unreachable`");
}

#[test]
pub fn loops_at_instantiation() {
    Attack::raw_load("loops_at_instantiation").run().fails(ErrorKind::Limit, "the given component");
}

#[test]
pub fn fills_tables() {
    Attack::raw("fills_tables").run().fails(ErrorKind::Limit, "more than 20000 table elements");
}

#[test]
pub fn starts_with_gigabytes() {
    Attack::raw_load("starts_with_gigabytes")
        .run()
        .fails(ErrorKind::Limit, "is refused: the plugin needs more than 536870912 bytes of memory");
}

#[test]
pub fn brings_many_instances() {
    Attack::raw_load("brings_many_instances")
        .run()
        .fails(ErrorKind::Limit, "is refused: the plugin needs more than 16 instances");
}

#[test]
pub fn traps_in_its_allocator() {
    Attack::raw("traps_in_its_allocator").run().fails(ErrorKind::Internal, "unreachable");
}

#[test]
pub fn loops_in_its_allocator() {
    Attack::raw("loops_in_its_allocator").in_little_time().run().fails(ErrorKind::Limit, "(set CPU time)");
}

#[test]
pub fn allocates_beyond_its_memory() {
    Attack::raw("allocates_beyond_its_memory").run().fails(ErrorKind::Internal, "beyond end of memory");
}

#[test]
pub fn traps_after_its_answer() {
    Attack::raw("traps_after_its_answer").run().fails(ErrorKind::Internal, "unreachable");
}

#[test]
pub fn answers_text_that_is_not_text() {
    Attack::raw("answers_text_that_is_not_text").run().fails(ErrorKind::Internal, "utf-8");
}

#[test]
pub fn answers_from_beyond_its_memory() {
    Attack::raw("answers_from_beyond_its_memory").run().fails(ErrorKind::Internal, "out of bounds");
}

#[test]
pub fn answers_an_error_of_no_kind() {
    Attack::raw("answers_an_error_of_no_kind").run().fails(ErrorKind::Internal, "");
}

#[test]
pub fn answers_definitions_without_end() {
    let attack = Attack::raw_load("answers_definitions_without_end");
    // It is asked for them with no authority, and so with no remedy.
    attack.run().fails(ErrorKind::Limit, "more than 4194304 bytes at once");
}

#[test]
pub fn answers_definitions_that_are_not_json() {
    let attack = Attack::raw_load("answers_definitions_that_are_not_json");
    attack.run().fails(ErrorKind::Internal, "its tool `x`: its input schema is not a JSON object");
}
