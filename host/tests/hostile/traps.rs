//! Plugins that end in the middle of something.

use std::io;
use std::sync::{Arc, Mutex};

use pod_tools_conformance::Place;
use pod_tools_host::{ErrorKind, Limits};

use crate::attack::{Attack, alone};
use crate::honest::{HOSTILE, authority, honest_call};

#[test]
pub fn traps_at_once() {
    Attack::new("traps_at_once").run().fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn traps_inside_a_connection() {
    let attack = Attack::new("traps_inside_a_connection").sends(&["get_history"]);
    attack.run().fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn traps_between_release_and_forget() {
    let attack = Attack::new("traps_between_release_and_forget")
        .gone("gone")
        .grants(&["stop:gone"])
        .input("gone")
        .changes(&["scope.lock"]);
    let aftermath = attack.run();
    assert!(!aftermath.place.allocated().unwrap().contains(&"gone".to_owned()));
    assert!(aftermath.place.recorded().unwrap().contains(&"gone".to_owned()));
    // What was begun can be finished.
    let (summary, _) = honest_call(&aftermath.place, "StopPod", r#"{"name":"gone"}"#).unwrap();
    assert_eq!(summary, "stopped pod `gone`; reclaimed scope: write:/work/gone");
    assert!(!aftermath.place.recorded().unwrap().contains(&"gone".to_owned()));
    aftermath.fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn traps_after_setting_a_cursor() {
    Attack::new("traps_after_setting_a_cursor").run().fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn exits() {
    Attack::new("exits").run().fails(ErrorKind::Internal, "the plugin failed");
}

/// A log that is kept, line by line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Of a plugin without a standard error, too, as the bundled one is.
#[test]
fn the_log_names_the_functions_in_which_a_plugin_trapped() {
    let _alone = alone();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = Place::new().unwrap();
    let authority = authority(&place, &[], Limits::default());
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(HOSTILE.call(&authority, "traps_at_once", "")).unwrap_err();
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("it trapped: ")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("pod_tools_hostile_plugin"), "{log}");
}

/// The other way in is guarded as the first one is.
#[test]
fn a_transcript_is_no_way_out() {
    for (name, kind, says) in [
        ("traps_at_once", ErrorKind::Internal, "the plugin failed"),
        ("exits", ErrorKind::Internal, "the plugin failed"),
        ("recurses_for_ever", ErrorKind::Internal, "the plugin failed"),
        ("floods_the_host_with_calls", ErrorKind::Limit, "(set host calls)"),
        ("answers_without_end", ErrorKind::Limit, "(set transfer)"),
        ("fails_with_a_gigantic_message", ErrorKind::Limit, "(set transfer)"),
    ] {
        Attack::transcript(name).run().fails(kind, says);
    }
    let endless = Attack::transcript("loops_for_ever").in_little_time();
    endless.run().fails(ErrorKind::Limit, "(set CPU time)");
    // What it says is not read as anything but text.
    Attack::transcript("answers_what_is_not_json").run();
}
