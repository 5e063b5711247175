//! Files of state that others can write to: they are not believed, whatever they say. And what is wrong with a file is
//! told by its place, not by what stands there.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use serde_json::json;

use crate::case::Case;
use crate::cases::tools::names::obliging;
use crate::cases::tools::read::with_history;
use crate::failure::{Verdict, holds, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, assistant};
use crate::trial::Trial;

/// What no answer may hold.
const SECRET: &str = "xyzzy-plugh";
/// A user who is neither the kit's nor root.
pub(crate) const SOMEBODY: u32 = 65_533;

pub(crate) fn set_mode(path: &Path, mode: u32) -> Verdict {
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

/// Lets others enter the place, as far as its directories go.
pub(crate) fn let_others_in(t: &Trial) -> Verdict {
    for directory in [t.place().root(), &t.place().base(), &t.place().runtime_dir()] {
        set_mode(directory, 0o755)?;
    }
    Ok(())
}

/// A call with each of these tools, no answer to which may hold the secret.
fn all_keep_the_secret(t: &mut Trial, tools: &[&str], file: &str) -> Verdict {
    for tool in tools {
        let input = match *tool {
            "ListPods" => json!({}),
            "SendToPod" => json!({ "name": "worker", "message": "hello" }),
            _ => json!({ "name": "worker" }),
        };
        let answer = format!("{:?}", t.call(tool, input)?);
        holds(!answer.contains(SECRET), &format!("no word of {file} in the answer of {tool}"), answer)?;
    }
    Ok(())
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "state/registry-of-others",
        "a registry that others can write to is refused before it is believed, with the remedy",
        |t| {
            let pod = t.pod("worker", Script::new().stopping())?;
            let_others_in(t)?;
            set_mode(&t.place().registry(), 0o600)?;
            t.list()?.says("1 pod(s) known")?;
            let before = pod.connections();
            for mode in [0o666, 0o620, 0o602] {
                set_mode(&t.place().registry(), mode)?;
                t.list()?
                    .fails("execution-failed", "registry-damaged")?
                    .naming("spawned_pods.json")?
                    .naming("chmod go-w")?;
                t.send("worker", "hello")?.fails("execution-failed", "registry-damaged")?;
                t.stop("worker")?.fails("execution-failed", "registry-damaged")?;
            }
            same("connections to the pod", pod.connections(), before)?;
            set_mode(&t.place().registry(), 0o644)?;
            t.list()?.says("1 pod(s) known")?;
            Ok(())
        },
    )
    .needs(&[Need::OwnState, Need::OpenTemporary])
    .catches(&[Flaw::BelievesAnybody, Flaw::WrongKinds]),
    Case::new(
        "state/cursors-of-others",
        "cursors that others can write to are refused before they are believed, with the remedy",
        |t| {
            let _pod = t.pod("worker", with_history(&[assistant("one")]))?;
            let_others_in(t)?;
            t.read("worker")?.with_content("one")?;
            t.restart()?;
            let cursors = t.place().runtime_dir().join("read_cursors.json");
            set_mode(&cursors, 0o666)?;
            t.read("worker")?
                .fails("execution-failed", "registry-damaged")?
                .naming("read_cursors.json")?
                .naming("chmod go-w")?;
            set_mode(&cursors, 0o600)?;
            t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
            Ok(())
        },
    )
    .needs(&[Need::OwnState, Need::OpenTemporary, Need::CursorsOnDisk])
    .catches(&[Flaw::BelievesAnybody, Flaw::WrongKinds]),
    Case::new(
        "state/directory-of-others",
        "no file counts in a directory that others can write to, whoever owns the file",
        |t| {
            t.dead_pod("worker")?;
            let_others_in(t)?;
            set_mode(&t.place().registry(), 0o600)?;
            for mode in [0o777, 0o1777, 0o775] {
                set_mode(&t.place().runtime_dir(), mode)?;
                t.list()?.fails("execution-failed", "registry-damaged")?.naming("chmod go-w")?;
                t.restart()?;
                t.stop("worker")?.fails("execution-failed", "registry-damaged")?;
            }
            set_mode(&t.place().runtime_dir(), 0o755)?;
            t.list()?.says("1 pod(s) known")?;
            Ok(())
        },
    )
    .needs(&[Need::OwnState, Need::OpenTemporary])
    .catches(&[Flaw::BelievesAnybody, Flaw::WrongKinds]),
    Case::new(
        "state/behind-a-private-directory",
        "what others cannot reach they cannot change: behind a directory that is closed to them, every mode is fine",
        |t| {
            let _pod = t.pod("worker", with_history(&[assistant("one")]).stopping())?;
            set_mode(t.place().root(), 0o700)?;
            set_mode(&t.place().base(), 0o777)?;
            set_mode(&t.place().runtime_dir(), 0o775)?;
            set_mode(&t.place().registry(), 0o666)?;
            t.place().write_table(&[t.place().stale_allocation("dead")])?;
            set_mode(&t.place().scope_lock(), 0o664)?;
            t.list()?.says("1 pod(s) known")?;
            t.read("worker")?.with_content("one")?;
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            Ok(())
        },
    )
    .needs(&[Need::OwnState])
    .catches(&[Flaw::WrongWording]),
    Case::new(
        "state/registry-of-another-user",
        "a registry of another user is refused, wherever it lies",
        |t| {
            t.dead_pod("worker")?;
            set_mode(&t.place().registry(), 0o600)?;
            chown(t.place().registry(), Some(SOMEBODY), None)?;
            t.list()?.fails("execution-failed", "registry-damaged")?.naming("spawned_pods.json")?;
            t.stop("worker")?.fails("execution-failed", "registry-damaged")?;
            chown(t.place().registry(), Some(rustix::process::geteuid().as_raw()), None)?;
            t.list()?.says("1 pod(s) known")?;
            Ok(())
        },
    )
    .needs(&[Need::OwnState, Need::Root])
    .catches(&[Flaw::WrongKinds, Flaw::BelievesAnybody]),
    Case::new(
        "state/errors-keep-secrets",
        "what is wrong with a file is told by its place: no answer repeats what stands there",
        |t| {
            let pod = t.pod("worker", obliging("one"))?;
            pod.set_status(SECRET)?;
            let asking = ["ListPods", "SendToPod", "ReadPodOutput"];
            all_keep_the_secret(t, &asking, "status.json")?;
            let cursors = t.place().runtime_dir().join("read_cursors.json");
            for text in [
                format!("\"{SECRET}\""),
                SECRET.to_owned(),
                format!("{{\"version\":\"{SECRET}\"}}\n"),
                format!("{{\"version\":2}}\n\"{SECRET}\"\n"),
                format!("{{\"version\":2}}\n{{\"pod\":[\"{SECRET}\"]}}\n"),
                format!("{{\"version\":2}}\n{{\"pod\":\"worker\",\"items\":\"{SECRET}\"}}\n"),
                format!("{{\"version\":1,\"pods\":\"{SECRET}\"}}"),
                format!("{{\"version\":1,\"pods\":{{\"worker\":{{\"items\":\"{SECRET}\"}}}}}}"),
            ] {
                t.restart()?;
                fs::write(&cursors, &text)?;
                t.read("worker")?.fails("execution-failed", "registry-damaged")?;
                all_keep_the_secret(t, &asking, "read_cursors.json")?;
            }
            fs::remove_file(&cursors)?;
            drop(pod);
            let stopping = ["ListPods", "StopPod"];
            for text in [
                format!("\"{SECRET}\""),
                format!("{{\"allocations\":\"{SECRET}\"}}"),
                format!("{{\"allocations\":[],\"allocations\":[\"{SECRET}\"]}}"),
                format!("{{\"allocations\":[]}} {SECRET}"),
                SECRET.to_owned(),
            ] {
                fs::write(t.place().scope_lock(), &text)?;
                all_keep_the_secret(t, &stopping, "scope.lock")?;
            }
            for text in [
                format!("\"{SECRET}\""),
                format!("[] {SECRET}"),
                format!("{{\"pod_name\":\"{SECRET}\"}}"),
                format!("[{{\"pod_name\":\"a\",\n\"socket_path\":\n{SECRET}}}]"),
            ] {
                t.place().write_registry(&text)?;
                all_keep_the_secret(t, &stopping, "spawned_pods.json")?;
            }
            // The last of them is wrong in its third line.
            let told = format!("{:?}", t.list()?.fails("execution-failed", "registry-damaged")?);
            holds(told.contains("line 3") || told.contains("byte "), "the place of the error", told)
        },
    )
    .needs(&[Need::ScopeLock, Need::CursorsOnDisk])
    .catches(&[Flaw::TellsContent, Flaw::WrongKinds]),
];
