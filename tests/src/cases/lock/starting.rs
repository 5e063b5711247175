//! A pod that is starting lives: between its entry in the table and its listening there is nothing but its process.

use std::fs;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::case::Case;
use crate::cases::lock::life::reclaim;
use crate::failure::{Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

/// Neither who lists nor who stops takes its entry and its record away.
fn keeps_everything(t: &mut Trial) -> Verdict {
    let entry = t.place().native_allocation("worker", i64::from(std::process::id()));
    reclaim(t, &entry)?;
    same("the scope table after ListPods", t.place().allocated()?, ["worker"])?;
    t.stop("worker")?.fails("execution-failed", "still-running")?.naming("stop `worker`: ")?;
    same("the registry", t.place().recorded()?, ["dead", "worker"])?;
    same("the scope table after StopPod", t.place().allocated()?, ["worker"])
}

/// The cases.
pub const CASES: &[Case] = &[Case::new(
    "lock/starting-pod",
    "a pod lives from its entry on: before its directory, its socket, and its listening are there",
    |t| {
        t.option("--op-timeout", "300ms");
        t.dead_pod("dead")?;
        t.dead_pod("worker")?;
        keeps_everything(t)?;
        let directory = t.place().base().join("worker");
        fs::create_dir(&directory)?;
        keeps_everything(t)?;
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)
            .map_err(std::io::Error::from)?;
        let address = SocketAddrUnix::new(t.place().socket("worker")).map_err(std::io::Error::from)?;
        rustix::net::bind(&socket, &address).map_err(std::io::Error::from)?;
        keeps_everything(t)
    },
)
.needs(&[Need::ScopeLock, Need::OpTimeout])
.catches(&[Flaw::TakesSilenceForDeath, Flaw::BelievesInStops])];
