//! Verbs and patterns.

use crate::answer::Answer;
use crate::case::Case;
use crate::failure::{Failure, Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, assistant};
use crate::trial::Trial;

/// A pod that does whatever it is asked.
fn obliging() -> Script {
    let script = crate::cases::tools::read::with_history(&[assistant("text")]).stopping();
    Script {
        answers: script.answers.into_iter().chain(crate::cases::tools::send::obliging().answers).collect(),
        ..script
    }
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
    Case::new("grants/read-alone", "`read` is enough for ReadPodOutput", |t| {
        allowed_with(t, "read", |t| t.read("worker"))
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
    Case::new("grants/refusal-tells-nothing", "a refusal is the same whether the pod exists or not", |t| {
        t.dead_pod("secret-1")?;
        t.grant("read:build-*");
        let there = t.read("secret-1")?.fails("denied", "not-granted")?;
        let not_there = t.read("secret-2")?.fails("denied", "not-granted")?;
        let (Answer::Err(there), Answer::Err(not_there)) = (there, not_there) else { return Ok(()) };
        same("the refusal", not_there.message.replace("secret-2", "secret-1"), there.message)
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
];
