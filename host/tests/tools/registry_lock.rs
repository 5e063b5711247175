//! The registry's own lock, held by another process: what StopPod says of it, and that nothing is lost.

use std::fs::File;

use crate::support::{Spawner, dead_socket, hasty, patient};
use pod_tools_host::{ErrorKind, Reason};

/// The scope is free by then, and the record is still there.
#[tokio::test]
async fn a_registry_that_is_locked_keeps_the_record_and_the_next_try_works() {
    let mut spawner = Spawner::limited(hasty());
    dead_socket(&spawner.place.socket("child"));
    spawner.place.record(spawner.place.native_record("child")).unwrap();
    let lock = File::create(spawner.place.runtime_dir().join("spawned_pods.lock")).unwrap();
    lock.lock().unwrap();
    let error = spawner.stop_fails("child").await;
    assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::LockBusy)));
    assert!(error.message.starts_with("stop `child`: update spawned_pods.json: "), "{error}");
    assert_eq!(spawner.place.recorded().unwrap(), ["child"]);
    lock.unlock().unwrap();
    spawner.reopen(patient());
    assert_eq!(
        spawner.stop("child").await.summary,
        "stopped pod `child`; reclaimed scope: write:/work/child"
    );
    assert!(spawner.place.recorded().unwrap().is_empty());
}
