//! Several host processes at once on the same registry.

use serde_json::json;

use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::failure::{Verdict, same};
use crate::flaw::Flaw;
use crate::host::Host;
use crate::need::Need;
use crate::script::assistant;
use crate::trial::Trial;

const HOSTS: usize = 4;
const PODS: usize = 5;

fn pod_name(host: usize, n: usize) -> String {
    format!("pod-{host}-{n}")
}

/// Has each of several hosts call the tool for each of its pods, all of them at the same time.
fn call_at_once(t: &mut Trial, tool: &str) -> Verdict {
    let mut hosts = (0..HOSTS).map(|_| t.start()).collect::<Result<Vec<Host>, _>>()?;
    for (host, process) in hosts.iter_mut().enumerate() {
        for n in 0..PODS {
            process.ask(json!({ "tool": tool, "input": { "name": pod_name(host, n) } }).to_string());
        }
    }
    for process in &mut hosts {
        for _ in 0..PODS {
            process.answer()?.output()?;
        }
    }
    hosts.into_iter().try_for_each(Host::finish)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "state/stops-at-once",
        "hosts that stop pods at the same time forget those, and no others",
        |t| {
            let bad = json!({ "pod_name": 7 });
            t.dead_pod("first")?;
            for host in 0..HOSTS {
                for n in 0..PODS {
                    t.dead_pod(&pod_name(host, n))?;
                }
            }
            t.place().record(bad.clone())?;
            t.dead_pod("last")?;
            call_at_once(t, "StopPod")?;
            same("the registry", t.place().recorded()?, ["first", "last"])?;
            t.list()?.says("2 pod(s) known; 1 record could not be read")?;
            Ok(())
        },
    )
    .catches(&[Flaw::KeepsRecords]),
    Case::new(
        "state/reads-at-once",
        "hosts that read pods at the same time lose no cursor of each other's",
        |t| {
            let mut pods = Vec::new();
            for host in 0..HOSTS {
                for n in 0..PODS {
                    let name = pod_name(host, n);
                    pods.push(t.pod(&name, with_history(&[assistant(&name)]))?);
                }
            }
            call_at_once(t, "ReadPodOutput")?;
            for host in 0..HOSTS {
                for n in 0..PODS {
                    let name = pod_name(host, n);
                    t.read(&name)?.says(&format!("pod `{name}` idle; no new assistant text"))?;
                }
            }
            Ok(())
        },
    )
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors]),
    Case::new(
        "state/readers-at-once",
        "of hosts that read one pod at the same time none misses the text",
        |t| {
            let _pod = t.pod("worker", with_history(&[assistant("one")]))?;
            let ask = json!({ "tool": "ReadPodOutput", "input": { "name": "worker" } }).to_string();
            let mut hosts = (0..HOSTS).map(|_| t.start()).collect::<Result<Vec<Host>, _>>()?;
            for host in &mut hosts {
                host.ask(ask.clone());
            }
            let mut given = 0;
            for host in &mut hosts {
                match host.answer()?.output()?.content.as_deref() {
                    Some("one") => given += 1,
                    None => {}
                    Some(other) => return Err(crate::failure::Failure::new("the text, or nothing", other)),
                }
            }
            hosts.into_iter().try_for_each(Host::finish)?;
            crate::failure::holds(given > 0, "one of them at least to give the text", given)?;
            t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
            Ok(())
        },
    )
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors]),
];
