//! A scope table and a journal that others can write to: nobody loses his scope by them.

use std::fs;

use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use crate::case::Case;
use crate::cases::state::others::{let_others_in, set_mode};
use crate::failure::{Failure, Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

/// A pod that is gone, and its entry.
fn with_dead_pod(t: &Trial) -> Verdict {
    t.dead_pod("worker")?;
    let_others_in(t)?;
    t.place().write_table(&[t.place().stale_allocation("worker")])?;
    set_mode(&t.place().scope_lock(), 0o600)
}

/// Nothing is released, and the answers name the file and the remedy.
fn is_refused(t: &mut Trial, file: &str) -> Verdict {
    let before = fs::read(t.place().scope_lock())?;
    t.stop("worker")?.fails("execution-failed", "lock-damaged")?.naming(file)?.naming("chmod go-w")?;
    t.list()?.naming("1 pod(s) known; ")?.naming("stale entries not reclaimed")?;
    same("the scope table", fs::read(t.place().scope_lock())?, before)?;
    same("the registry", t.place().recorded()?, ["worker"])
}

/// With the remedy it works.
fn is_stopped(t: &mut Trial) -> Result<(), Failure> {
    t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
    same("the scope table", t.place().allocated()?, Vec::<String>::new())
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "lock/table-of-others",
        "a scope table that others can write to is refused before it is believed, with the remedy",
        |t| {
            with_dead_pod(t)?;
            for mode in [0o666, 0o660, 0o602] {
                set_mode(&t.place().scope_lock(), mode)?;
                is_refused(t, "scope.lock")?;
            }
            set_mode(&t.place().scope_lock(), 0o600)?;
            is_stopped(t)
        },
    )
    .needs(&[Need::ScopeLock, Need::OwnState, Need::OpenTemporary])
    .catches(&[Flaw::BelievesAnybody, Flaw::WrongKinds]),
    Case::new(
        "lock/table-directory-of-others",
        "no scope table counts in a directory that others can write to",
        |t| {
            with_dead_pod(t)?;
            for mode in [0o777, 0o1777, 0o775] {
                set_mode(&t.place().base(), mode)?;
                is_refused(t, "base")?;
            }
            set_mode(&t.place().base(), 0o755)?;
            is_stopped(t)
        },
    )
    .needs(&[Need::ScopeLock, Need::OwnState, Need::OpenTemporary])
    .catches(&[Flaw::BelievesAnybody, Flaw::WrongKinds]),
    Case::new(
        "lock/journal-of-others",
        "a journal that others can write to is refused before it is believed: no forged entry gets into the table",
        |t| {
            with_dead_pod(t)?;
            let digest = |text: &str| format!("{:032x}\n", xxh3_128(text.as_bytes()));
            // As if another program had written the table since: what the journal has more is added.
            let forged = [t.place().native_allocation("forged", i64::from(std::process::id()))];
            let body = digest("") + &json!({ "allocations": forged }).to_string();
            fs::write(t.place().scope_journal(), digest(&body) + &body)?;
            set_mode(&t.place().scope_journal(), 0o666)?;
            is_refused(t, "scope.lock.next")?;
            fs::remove_file(t.place().scope_journal())?;
            is_stopped(t)
        },
    )
    .needs(&[Need::ScopeLock, Need::OwnState, Need::OpenTemporary])
    .catches(&[Flaw::BelievesAnybody, Flaw::WrongKinds]),
];
