//! Which processes are beneath a process, as `/proc` tells it: the only place that knows those which have made a
//! process group or a session of their own.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use rustix::process::Pid;

/// The processes beneath this one that have not ended. None where there is no `/proc`.
pub fn descendants(root: Pid) -> Vec<Pid> {
    beneath(root).into_iter().map(|(pid, _)| pid).collect()
}

/// The process groups that they are in. A group is signalled as a whole, at one moment: what only lives until it has
/// started the next process cannot get away from that.
pub fn groups_beneath(root: Pid) -> HashSet<Pid> {
    beneath(root).into_iter().filter_map(|(_, group)| Pid::from_raw(group)).collect()
}

/// The processes beneath this one, each with its group.
fn beneath(root: Pid) -> Vec<(Pid, i32)> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has gone meanwhile is none of them any more.
        let Ok(stat) = fs::read(entry.path().join("stat")) else { continue };
        if let Some((parent, group, ended)) = parse(&stat) {
            children.entry(parent).or_default().push(Process { pid, group, ended });
        }
    }
    let (mut found, mut next) = (Vec::new(), vec![root.as_raw_nonzero().get()]);
    while let Some(parent) = next.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            next.push(child.pid);
            if !child.ended {
                found.extend(Pid::from_raw(child.pid).map(|pid| (pid, child.group)));
            }
        }
    }
    found
}

struct Process {
    pid: i32,
    group: i32,
    ended: bool,
}

/// The parent, the process group, and whether the process has ended and waits to be reaped. The name, in brackets, may hold anything.
fn parse(stat: &[u8]) -> Option<(i32, i32, bool)> {
    let behind_name = &stat[stat.iter().rposition(|byte| *byte == b')')? + 1..];
    let mut words = std::str::from_utf8(behind_name).ok()?.split_ascii_whitespace();
    let ended = matches!(words.next()?, "Z" | "X");
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_parent() {
        assert_eq!(parse(b"7 (a) S 1 ) (b) R 5 7 7 0"), Some((5, 7, false)));
        assert_eq!(parse(b"7 (\xff\n) Z 5 7"), Some((5, 7, true)));
        assert_eq!(parse(b"7 (a"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn children_and_their_children_are_found() {
        use std::io::Read;
        use std::process::{Command, Stdio};
        // Two `sh`, held by the outer one's standard input: in the background it would be /dev/null.
        let script = "exec 3<&0; sh -c 'echo $$; read x <&3' & echo $$; wait";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = child.stdout.take().unwrap();
        while said.matches('\n').count() < 2 {
            let mut bytes = [0; 64];
            let read = stdout.read(&mut bytes).unwrap();
            said.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        let found = descendants(rustix::process::getpid());
        for pid in said.split_whitespace() {
            assert!(found.contains(&Pid::from_raw(pid.parse().unwrap()).unwrap()), "{said}: {found:?}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
