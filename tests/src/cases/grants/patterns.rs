//! The patterns of grants, and how grants add up.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::case::Case;
use crate::failure::{Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

/// Of these names, the grants let ListPods show those.
fn shows(t: &mut Trial, grants: &[&str], names: &[&str]) -> Verdict {
    t.restart()?;
    t.without_option("--grant");
    for grant in grants {
        t.grant(grant);
    }
    let data = t.list()?.output()?.data;
    let listed = data["pods"].as_array().into_iter().flatten();
    let listed: BTreeSet<_> = listed.filter_map(|pod| pod["name"].as_str()).collect();
    same(&format!("the pods that {grants:?} covers"), listed, names.iter().copied().collect::<BTreeSet<_>>())
}

fn dead_pods(t: &Trial, names: &[&str]) -> Verdict {
    names.iter().try_for_each(|name| t.dead_pod(name))
}

/// A host with this grant ends as one that is used wrongly.
fn no_grant(t: &mut Trial, grant: &str) -> Verdict {
    t.without_option("--grant").grant(grant);
    let mut host = t.start()?;
    host.ask_last(r#"{"tool":"ListPods"}"#);
    let status = host.wait()?;
    t.without_option("--grant");
    same(&format!("the exit status of a host with the grant {grant:?}"), status.code(), Some(2))
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("grants/pattern-star", "`*` stands for any characters, none included", |t| {
        let all = ["", "a", "ab", "a-b-b-c", "a\nb/ü", "ba"];
        dead_pods(t, &all)?;
        shows(t, &["list"], &all)?;
        shows(t, &["list:*"], &all)?;
        shows(t, &["list:**"], &all)?;
        shows(t, &["list:a*"], &["a", "ab", "a-b-b-c", "a\nb/ü"])?;
        shows(t, &["list:*a"], &["a", "ba"])?;
        shows(t, &["list:a*b*c"], &["a-b-b-c"])?;
        shows(t, &["list:*b*"], &["ab", "a-b-b-c", "a\nb/ü", "ba"])
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new(
        "grants/pattern-question-mark",
        "`?` stands for one character, however many bytes it has",
        |t| {
            dead_pods(t, &["", "a", "ü", "🦀", "\n", "ab", "üb", "abc"])?;
            shows(t, &["list:?"], &["a", "ü", "🦀", "\n"])?;
            shows(t, &["list:??"], &["ab", "üb"])?;
            shows(t, &["list:?b"], &["ab", "üb"])?;
            shows(t, &["list:?*"], &["a", "ü", "🦀", "\n", "ab", "üb", "abc"])?;
            shows(t, &["list:a?c"], &["abc"])
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new(
        "grants/pattern-plain",
        "a pattern covers whole names, and no other character is special",
        |t| {
            let names = [
                "a", "A", "ab", "xa", "[a]", "a.c", "abc", "a+", "{a,b}", "a,b", "a:b", "a\\*", "!a", "^a$",
                "../a", "a b",
            ];
            dead_pods(t, &names)?;
            for name in names {
                let covered: &[&str] = if name == "a\\*" { &["a\\*"] } else { &[name] };
                shows(t, &[&format!("list:{name}")], covered)?;
            }
            shows(t, &["list:*/*"], &["../a"])
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/pattern-characters-of-names", "a name that holds `*` or `?` is no pattern", |t| {
        dead_pods(t, &["*", "?", "worker"])?;
        t.grant("list,read:worker");
        for name in ["*", "?", "work*"] {
            t.read(name)?.fails("denied", "not-granted")?;
        }
        t.list()?.says("1 pod(s) known")?;
        shows(t, &["list:?"], &["*", "?"])
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/pattern-hard", "a pattern of many stars is decided in no time", |t| {
        let name = "a".repeat(200);
        t.dead_pod(&name)?;
        let pattern = format!("list:{}b", "a*".repeat(60));
        shows(t, &[&pattern], &[])?;
        shows(t, &[&pattern[..pattern.len() - 1]], &[&name])
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/no-grant", "what is no grant is refused before anything is called", |t| {
        for grant in ["read:", "read,stop:", ":x", "", "write", "READ", "read,", "read;stop", "*"] {
            no_grant(t, grant)?;
        }
        Ok(())
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new("grants/add-up", "grants only add: each covers what it covers alone", |t| {
        dead_pods(t, &["a", "b", "ab"])?;
        shows(t, &["list:a", "list:b"], &["a", "b"])?;
        shows(t, &["list:a*", "list:a"], &["a", "ab"])?;
        shows(t, &["list:a", "send,read,stop"], &["a"])?;
        shows(t, &["read:*", "list:nobody"], &[])?;
        t.list()?.says("no spawned pods")?;
        Ok(())
    })
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new(
        "grants/verbs-keep-their-pattern",
        "the verb of one grant does not pass to the pattern of another",
        |t| {
            dead_pods(t, &["a", "b"])?;
            t.grant("read,list:a").grant("stop:b");
            t.read("b")?.fails("denied", "not-granted")?;
            t.stop("a")?.fails("denied", "not-granted")?;
            t.send("a", "hello")?.fails("denied", "not-granted")?;
            t.read("a")?.says("pod `a` is stopped (unreachable)")?;
            t.list()?.says("1 pod(s) known")?;
            t.stop("b")?.output()?;
            same("the registry", t.place().recorded()?, ["a"])
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
    Case::new(
        "grants/denial-names-the-grant",
        "a denial names the pod, escaped, and the grant that is missing",
        |t| {
            t.grant("list");
            for (tool, verb) in [("SendToPod", "send"), ("ReadPodOutput", "read"), ("StopPod", "stop")] {
                let input = serde_json::json!({ "name": "x\ny", "message": "hello" });
                t.call(tool, input)?
                    .fails("denied", "not-granted")?
                    .naming("pod `x\\ny`")?
                    .naming(&format!("`{verb}:x\\ny`"))?;
            }
            t.restart()?;
            t.without_option("--grant").grant("read");
            let denial = t.call("ListPods", Value::Null)?.fails("denied", "not-granted")?;
            denial.naming("`list`")?;
            Ok(())
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants, Flaw::ShowsControls]),
];
