//! Verbs: each tool needs its own.

use serde_json::json;

use crate::answer::Answer;
use crate::case::Case;
use crate::failure::{Failure, Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, event};
use crate::trial::Trial;

/// A pod that does whatever it is asked.
fn obliging() -> Script {
    crate::cases::tools::names::obliging("text")
}

type Call = fn(&mut Trial) -> Result<Answer, Failure>;

/// With all verbs but `verb`, the tool that needs it is refused before the pod sees so much as a connection.
fn refused_without(t: &mut Trial, verb: &str, call: Call) -> Verdict {
    let pod = t.pod("worker", obliging())?;
    let others: Vec<_> =
        ["list", "send", "read", "stop"].into_iter().filter(|other| *other != verb).collect();
    t.grant(&others.join(","));
    let before = std::fs::read(t.place().registry())?;
    call(t)?.fails("denied", "not-granted")?.naming(verb)?;
    same("connections to the pod", pod.connections(), 0)?;
    same("the registry", std::fs::read(t.place().registry())? == before, true)
}

/// With `verb` alone, the tool that needs it works.
fn allowed_with(t: &mut Trial, verb: &str, call: Call) -> Verdict {
    let _pod = t.pod("worker", obliging())?;
    t.grant(verb);
    call(t)?.output()?;
    Ok(())
}

/// Each verb, and the tool that needs it.
const TOOLS: [(&str, Call); 4] = [
    ("list", Trial::list),
    ("send", |t| t.send("worker", "hello")),
    ("read", |t| t.read("worker")),
    ("stop", |t| t.stop("worker")),
];

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("grants/list-denied", "without `list`, ListPods is refused", |t| {
        refused_without(t, "list", Trial::list)
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants, Flaw::WrongKinds]),
    Case::new("grants/send-denied", "without `send`, SendToPod is refused", |t| {
        refused_without(t, "send", |t| t.send("worker", "hello"))
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/read-denied", "without `read`, ReadPodOutput is refused", |t| {
        refused_without(t, "read", |t| t.read("worker"))
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/stop-denied", "without `stop`, StopPod is refused", |t| {
        refused_without(t, "stop", |t| t.stop("worker"))
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/list-alone", "`list` is enough for ListPods", |t| allowed_with(t, "list", Trial::list))
        .needs(&[Need::Grants]),
    Case::new("grants/send-alone", "`send` is enough for SendToPod", |t| {
        allowed_with(t, "send", |t| t.send("worker", "hello"))
    })
    .needs(&[Need::Grants]),
    Case::new("grants/read-alone", "`read` is enough for ReadPodOutput, the pod's state included", |t| {
        allowed_with(t, "read", |t| t.read("worker")?.with_data("/state", "idle"))
    })
    .needs(&[Need::Grants]),
    Case::new("grants/stop-alone", "`stop` is enough for StopPod", |t| {
        allowed_with(t, "stop", |t| t.stop("worker"))
    })
    .needs(&[Need::Grants]),
    Case::new(
        "grants/list-shows-what-is-granted",
        "ListPods shows and counts what a `list` grant covers",
        |t| {
            t.dead_pod("build-1")?;
            t.dead_pod("secret")?;
            t.grant("list:build-*").grant("read,stop");
            t.list()?.says("1 pod(s) known")?.with_content("build-1 [stopped] scope=write:/work/build-1")?;
            Ok(())
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new(
        "grants/unreadable-of-others",
        "a record that cannot be read is counted where a `list` grant covers its name, or it has none",
        |t| {
            t.dead_pod("abc")?;
            for bad in [json!({ "pod_name": "ab" }), json!({ "pod_name": "bc" }), json!({})] {
                t.place().record(bad)?;
            }
            t.grant("list:a*").grant("send,read,stop");
            t.list()?
                .says("1 pod(s) known; 2 records could not be read")?
                .with_content("abc [stopped] scope=write:/work/abc")?;
            Ok(())
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/each-verb-alone", "one verb opens one tool, and none of the others", |t| {
        let pod = t.pod("worker", obliging())?;
        for (verb, _) in TOOLS {
            t.without_option("--grant").grant(verb);
            for (_, other) in TOOLS.iter().filter(|(other, _)| *other != verb) {
                other(t)?.fails("denied", "not-granted")?;
            }
            same("connections before the tool that is granted", pod.connections(), 0)?;
            t.restart()?;
        }
        Ok(())
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants, Flaw::WrongKinds]),
    Case::new("grants/state-for-send", "who may send may know whether the pod is idle", |t| {
        let turn = event("turn_start", json!({ "turn": 0 }));
        let refusal = event("error", json!({ "code": "already_running", "message": "another client's" }));
        let _pod = t.pod("worker", Script::new().on("run", [Step::text(format!("{turn}\n{refusal}\n"))]))?;
        t.grant("send");
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        Ok(())
    })
    .needs(&[Need::Grants]),
    Case::new(
        "grants/list-asks-what-is-granted",
        "a pod that ListPods does not show sees no connection",
        |t| {
            let shown = t.pod("build-1", Script::new())?;
            let hidden = t.pod("secret", Script::new())?;
            t.grant("list:build-*");
            t.list()?.with_content("build-1 [alive] scope=write:/work/build-1")?;
            same("connections to the pod that is shown", shown.connections(), 1)?;
            same("connections to the pod that is not", hidden.connections(), 0)
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/refusal-tells-nothing", "a refusal is the same whether the pod exists or not", |t| {
        let _pod = t.pod("secret-1", obliging())?;
        t.grant("list,send,read,stop:build-*");
        let refusals = |t: &mut Trial, name: &str| {
            let answers = [t.send(name, "hello")?, t.read(name)?, t.stop(name)?];
            let refusals = answers.map(|answer| match answer.fails("denied", "not-granted")? {
                Answer::Err(error) => Ok::<_, Failure>(error.message.replace(name, "NAME")),
                Answer::Ok(_) => Ok(String::new()),
            });
            refusals.into_iter().collect::<Result<Vec<_>, _>>()
        };
        let there = refusals(t, "secret-1")?;
        same("the refusals for a pod that there is not", &refusals(t, "secret-2")?, &there)?;
        t.read("build-1")?.fails("invalid-argument", "unknown-pod")?;
        // Not even a registry that cannot be read is told to who may not read.
        t.place().write_registry("garbled")?;
        same("the refusals when the registry is damaged", &refusals(t, "secret-1")?, &there)
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants, Flaw::TellsOfPods]),
    Case::new("grants/revoked", "two processes at the same place have each their own grants", |t| {
        let pod = t.pod("worker", obliging())?;
        t.grant("read,send");
        t.read("worker")?.with_content("text")?;
        t.without_option("--grant").grant("read:other").grant("list");
        let mut revoked = t.start()?;
        let before = pod.connections();
        let input = json!({ "name": "worker", "message": "hello" });
        for tool in ["ReadPodOutput", "SendToPod", "StopPod"] {
            revoked.call(tool, input.clone())?.fails("denied", "not-granted")?;
        }
        same("connections to the pod", pod.connections(), before)?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        revoked.call("ReadPodOutput", input)?.fails("denied", "not-granted")?;
        revoked.finish()?;
        same("methods", pod.methods(), ["get_history", "run"])
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
];
