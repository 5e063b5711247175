//! Entries that say beside the process's number how to know whether the pod lives, as pods of `pod-tools` write them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::case::Case;
use crate::cases::lock::life::{boot_id, reclaim};
use crate::failure::{Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

/// The file that pods lock bytes of.
fn open_lives(t: &Trial) -> io::Result<File> {
    let path = t.place().scope_lock().with_extension("lock.lives");
    File::options().create(true).truncate(false).read(true).write(true).open(path)
}

/// A byte of the file for this case alone, as pods have bytes by chance: one above what fits into a double.
fn byte_of(file: &File) -> io::Result<u64> {
    Ok((1 << 61) + 4 * file.metadata()?.ino() + 1)
}

/// What a holder says of its lock.
fn lock_of(file: &File, byte: u64) -> io::Result<Value> {
    let found = file.metadata()?;
    Ok(json!({ "device": found.dev(), "inode": found.ino(), "byte": byte }))
}

/// An entry of the kit's own process, with a holder that has it started so many ticks later than it did.
fn started(t: &Trial, ticks: u64) -> io::Result<Value> {
    let pid = i64::from(std::process::id());
    let mut entry = t.place().native_allocation("worker", pid);
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let own = fields.split_whitespace().nth(19).and_then(|field| field.parse::<u64>().ok());
    let namespace = |name: &str| fs::metadata(format!("/proc/self/ns/{name}")).map(|of| of.ino());
    entry["holder"] = json!({
        "pid": pid, "boot_id": boot_id()?, "pid_namespace": namespace("pid")?,
        "time_namespace": namespace("time").ok(), "start_ticks": own.map(|own| own + ticks),
    });
    Ok(entry)
}

/// Stopping it fails, and leaves entry and record.
fn stays(t: &mut Trial) -> Verdict {
    t.stop("worker")?.fails("execution-failed", "still-running")?.naming("stop `worker`: ")?;
    same("the registry", t.place().recorded()?, ["dead", "worker"])?;
    same("the scope table", t.place().allocated()?, ["worker"])
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "lock/holder-by-its-lock",
        "a pod lives as long as the byte that its holder names is locked, or the one behind it; then it is gone",
        |t| {
            t.dead_pod("dead")?;
            t.dead_pod("worker")?;
            let file = open_lives(t)?;
            let byte = byte_of(&file)?;
            let mut entry = t.place().stale_allocation("worker");
            entry["holder"] = json!({
                "pid": entry["pid"], "boot_id": boot_id()?, "pid_namespace": 1, "lock": lock_of(&file, byte)?,
            });
            t.option("--op-timeout", "300ms");
            // By its own process, then by something that it has started.
            for byte in [byte, byte + 1] {
                let file = open_lives(t)?;
                byte_lock::take(&file, byte)?;
                reclaim(t, &entry)?;
                stays(t)?;
            }
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock, Need::OpTimeout])
    .catches(&[Flaw::BelievesNumbers, Flaw::BelievesInStops]),
    Case::new(
        "lock/holder-without-its-lock",
        "a pod is gone when both bytes are free that its holder names, though its number is a living process's",
        |t| {
            t.dead_pod("worker")?;
            let file = open_lives(t)?;
            let byte = byte_of(&file)?;
            let mut entry = started(t, 0)?;
            entry["holder"]["lock"] = lock_of(&file, byte)?;
            // Another pod's.
            byte_lock::take(&file, byte + 2)?;
            let before = open_lives(t)?;
            byte_lock::take(&before, byte - 1)?;
            t.place().write_table(&[entry])?;
            t.list()?.with_data("/stale_reclaimed", 1)?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope]),
    Case::new(
        "lock/holder-by-its-start",
        "a pod whose lock is not to be found is its process, and no other of its number that started at another time",
        |t| {
            t.dead_pod("dead")?;
            t.dead_pod("worker")?;
            let lost = json!({ "device": 1, "inode": 1, "byte": 1 });
            let mut entry = started(t, 0)?;
            entry["holder"]["lock"] = lost.clone();
            reclaim(t, &entry)?;
            t.option("--op-timeout", "300ms").restart()?;
            stays(t)?;
            entry = started(t, 1)?;
            entry["holder"]["lock"] = lost;
            t.place().write_table(&[entry])?;
            t.list()?.with_data("/stale_reclaimed", 1)?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock, Need::OpTimeout])
    .catches(&[Flaw::KeepsScope, Flaw::BelievesInStops]),
    Case::new(
        "lock/holder-of-another-form",
        "of a pod whose holder says something that nobody here understands nobody can tell: it keeps everything",
        |t| {
            t.dead_pod("dead")?;
            t.dead_pod("worker")?;
            for holder in [json!("worker"), json!({ "id": 1 }), json!({ "pid": 1, "start_ticks": "soon" })] {
                let mut entry = t.place().stale_allocation("worker");
                entry["holder"] = holder;
                reclaim(t, &entry)?;
                stays(t)?;
            }
            Ok(())
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::BelievesNumbers, Flaw::BelievesInStops]),
    Case::new(
        "lock/holder-of-another-process",
        "a holder beside another number than its own counts for nothing",
        |t| {
            t.dead_pod("worker")?;
            let mut entry = t.place().stale_allocation("worker");
            entry["holder"] = json!({ "pid": std::process::id(), "pid_namespace": 1 });
            t.place().write_table(&[entry])?;
            t.list()?.with_data("/stale_reclaimed", 1)?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope]),
];

#[cfg(any(target_os = "linux", target_os = "android"))]
mod byte_lock {
    use std::fs::File;
    use std::io;

    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    /// Locks a byte for reading until the file is closed.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "small constants; below 2^62"
    )]
    pub(super) fn take(file: &File, byte: u64) -> io::Result<()> {
        let lock = libc::flock {
            l_type: libc::F_RDLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: byte as libc::off_t,
            l_len: 1,
            l_pid: 0,
        };
        Ok(fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).map(drop)?)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod byte_lock {
    use std::fs::File;
    use std::io;

    pub(super) fn take(_: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
