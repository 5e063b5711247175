//! Native processes that share the scope table: other programs, that know `flock` and nothing of any host.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;

/// Another process, which holds the lock on a file until it is killed or dropped.
pub(super) struct Holder(Child);

impl Holder {
    /// Returns when it holds the lock.
    pub(super) fn start(file: &Path) -> Result<Self, Failure> {
        let mut flock = Command::new("flock");
        // One process, so that the lock goes with it.
        flock.arg("--no-fork").arg(file).args(["sh", "-c", "echo held; exec sleep 100000"]);
        let mut holder = Self(flock.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        let mut line = String::new();
        if let Some(stdout) = holder.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line == "held\n" {
            return Ok(holder);
        }
        Err(Failure::new("another process to hold the lock", format!("{line:?} from flock(1)")))
    }

    /// Kills it, with the lock in its hands.
    pub(super) fn kill(self) {
        drop(self);
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that adds allocations of process `pid` to a table, each under the lock and in place, as native
/// ones do: `NAME-1` to `NAME-COUNT`. The table must hold another one already.
pub(super) fn registrar(table: &Path, name: &str, pid: u32, count: usize) -> Result<Child, Failure> {
    const ADD: &str = r#"
        entry="{\"pod_name\":\"$2\",\"pid\":$3,\"socket\":\"/nowhere\",\"scope_allow\":[],\"delegated_from\":null}"
        new=$(sed "s|\"allocations\": *\[|&$entry,|" "$1") && printf %s "$new" > "$1"
    "#;
    const LOOP: &str = r#"
        n=1
        while [ $n -le $4 ]; do
            flock "$1" sh -ec "$5" sh "$1" "$2-$n" "$3" || exit 1
            n=$((n + 1))
        done
    "#;
    let mut shell = Command::new("sh");
    shell.args(["-ec", LOOP, "sh"]).arg(table).args([name, &pid.to_string(), &count.to_string(), ADD]);
    Ok(shell.stdin(Stdio::null()).spawn()?)
}
