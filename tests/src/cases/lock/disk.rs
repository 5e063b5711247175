//! Disks that are full, and directories that cannot be written.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::Case;
use crate::failure::{Failure, Verdict, holds, same};
use crate::flaw::Flaw;
use crate::need::{Need, WITHOUT_OVERRIDE};
use crate::trial::Trial;

/// Runs a command in a mount namespace of its own, where `$1` is a small file system in memory that holds what
/// the directory held.
const ON_SMALL_DISK: &str = r#"
    directory=$1; kept=$2; shift 2
    cp -a "$directory/." "$kept"
    mount -t tmpfs -o size=64k,mode=700 none "$directory"
    cp -a "$kept/." "$directory"
    exec "$@"
"#;

/// The same, where `$1` cannot be written.
const READ_ONLY: &str = r#"
    directory=$1; shift 2
    mount --bind "$directory" "$directory"
    mount -o remount,bind,ro "$directory"
    exec "$@"
"#;

/// Has the host run where `script` has changed what is at `directory`, and gives the path by which this
/// process sees it there.
fn host_sees(t: &mut Trial, script: &str, directory: &Path) -> Result<PathBuf, Failure> {
    let kept = t.place().root().join("kept");
    fs::create_dir(&kept)?;
    let words = ["unshare", "--mount", "sh", "-ec", script, "sh"].map(OsString::from);
    t.run_by(words.into_iter().chain([directory.into(), kept.into_os_string()]));
    // An answer says that the host runs, and everything before it has been done.
    t.call("Nothing", Value::Null)?.fails("unknown-tool", None)?;
    let root = format!("/proc/{}/root", t.host()?.pid());
    Ok(Path::new(&root).join(directory.strip_prefix("/").unwrap_or(directory)))
}

/// Has the host run as one whom permissions stop.
fn stopped_by_permissions(t: &mut Trial) {
    if rustix::process::geteuid().is_root() {
        t.run_by(WITHOUT_OVERRIDE);
    }
}

/// Fills the disk, to the last byte.
fn fill(directory: &Path) -> Result<PathBuf, Failure> {
    let filler = directory.join("filler");
    let mut file = fs::File::create(&filler)?;
    while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    Ok(filler)
}

/// A pod that is dead, its record and its allocation.
fn with_dead_pod(t: &Trial) -> Verdict {
    t.dead_pod("worker")?;
    let own = i64::from(std::process::id());
    Ok(t.place()
        .write_table(&[t.place().stale_allocation("worker"), t.place().native_allocation("other", own)])?)
}

fn is_unwritable(t: &mut Trial) -> Verdict {
    t.stop("worker")?.fails("execution-failed", "state-unwritable")?.naming("stop `worker`: ")?;
    Ok(())
}

/// Names in a file of this directory.
fn names(file: &Path, list: &str) -> Result<Vec<String>, Failure> {
    let value: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let entries = value.pointer(list).and_then(Value::as_array).into_iter().flatten();
    Ok(entries.filter_map(|entry| entry["pod_name"].as_str().map(str::to_owned)).collect())
}

const STOPPED: &str = "stopped pod `worker`; reclaimed scope: write:/work/worker";

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("lock/full-disk", "a full disk loses nothing: with room again, the call works", |t| {
        with_dead_pod(t)?;
        let base = host_sees(t, ON_SMALL_DISK, &t.place().base())?;
        let filler = fill(&base)?;
        is_unwritable(t)?;
        same("the registry", names(&base.join("spawner/spawned_pods.json"), "")?, ["worker"])?;
        let table = names(&base.join("scope.lock"), "/allocations")?;
        holds(table == ["worker", "other"] || table == ["other"], "the old table or the new one", table)?;
        fs::remove_file(filler)?;
        t.stop("worker")?.says(STOPPED)?;
        same("the registry", names(&base.join("spawner/spawned_pods.json"), "")?, Vec::<String>::new())?;
        same("the scope table", names(&base.join("scope.lock"), "/allocations")?, ["other"])
    })
    .needs(&[Need::ScopeLock, Need::Root, Need::Tmpfs])
    .catches(&[Flaw::WrongKinds]),
    Case::new(
        "lock/read-only-file-system",
        "where the registry cannot be written a pod is stopped and not forgotten, and the call fails",
        |t| {
            with_dead_pod(t)?;
            host_sees(t, READ_ONLY, &t.place().runtime_dir())?;
            is_unwritable(t)?;
            t.list()?.says("1 pod(s) known")?;
            same("the registry", t.place().recorded()?, ["worker"])
        },
    )
    .needs(&[Need::ScopeLock, Need::Root, Need::Tmpfs])
    .catches(&[Flaw::WrongKinds]),
    Case::new("lock/read-only-directory", "a directory that cannot be written loses nothing", |t| {
        with_dead_pod(t)?;
        stopped_by_permissions(t);
        let directories = [t.place().base(), t.place().runtime_dir()];
        for directory in &directories {
            fs::set_permissions(directory, Permissions::from_mode(0o500))?;
        }
        let failed = is_unwritable(t);
        for directory in &directories {
            fs::set_permissions(directory, Permissions::from_mode(0o700))?;
        }
        failed?;
        same("the registry", t.place().recorded()?, ["worker"])?;
        t.stop("worker")?.says(STOPPED)?;
        same("the scope table", t.place().allocated()?, ["other"])
    })
    .needs(&[Need::ScopeLock, Need::Unprivileged])
    .catches(&[Flaw::WrongKinds]),
    Case::new(
        "lock/unreadable-table",
        "a table that may not be read is named, and nothing is forgotten",
        |t| {
            with_dead_pod(t)?;
            stopped_by_permissions(t);
            fs::set_permissions(t.place().scope_lock(), Permissions::from_mode(0o000))?;
            t.stop("worker")?.fails("execution-failed", "lock-damaged")?.naming("scope.lock")?;
            t.list()?.naming("1 pod(s) known; ")?.naming("stale entries not reclaimed")?;
            same("the registry", t.place().recorded()?, ["worker"])?;
            fs::set_permissions(t.place().scope_lock(), Permissions::from_mode(0o600))?;
            same("the scope table", t.place().allocated()?, ["worker", "other"])?;
            t.stop("worker")?.says(STOPPED)?;
            Ok(())
        },
    )
    .needs(&[Need::ScopeLock, Need::Unprivileged])
    .catches(&[Flaw::WrongKinds]),
];
