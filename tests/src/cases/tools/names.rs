//! Names that hold anything: they are shown so that they deceive nobody, and are never taken for paths.

use serde_json::json;

use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant};

use super::read::with_history;
use super::send::turn_start;

/// A pod that does whatever it is asked, and says `text`.
pub(crate) fn obliging(text: &str) -> Script {
    with_history(&[assistant(text)]).on("run", [turn_start()]).stopping()
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "tools/names-escaped",
        "control characters in names and scopes are shown escaped by every tool, and told to programs as they are",
        |t| {
            let name = "x [alive] scope=(none)\ny\t\u{1b}[2J\u{0}\u{7f}\u{85}é`\\";
            let shown = "x [alive] scope=(none)\\ny\\t\\u{1b}[2J\\u{0}\\u{7f}\\u{85}é`\\";
            let mut record = t.place().native_record(name);
            record["socket_path"] = json!(t.place().socket("pod"));
            record["scope_delegated"] = json!([
                { "target": "/a\nb [alive] scope=(none)", "permission": "read", "recursive": true },
                { "target": "/c, write:/", "permission": "read", "recursive": false },
            ]);
            t.place().record(record)?;
            let _pod = t.pod_at(&t.place().socket("pod"), name, obliging(name))?;
            let scope = "read:/a\\nb [alive] scope=(none), read:/c, write:/ [non-recursive]";
            t.list()?
                .says("1 pod(s) known")?
                .with_content(&format!("{shown} [alive] scope={scope}"))?
                .with_data("/pods/0/name", name)?;
            t.send(name, "hello")?.says(&format!("sent message to `{shown}`"))?;
            t.read(name)?
                .says(&format!("pod `{shown}`: 2 new line(s) of assistant text; now idle"))?
                .with_content(name)?;
            t.stop(name)?.says(&format!("stopped pod `{shown}`; reclaimed scope: {scope}"))?;
            t.stop(name)?.with_message(&format!("no spawned pod named `{shown}`"))?;
            Ok(())
        },
    )
    .catches(&[Flaw::ShowsControls]),
    Case::new(
        "tools/names-directed",
        "line separators and marks that turn the direction of a text are shown escaped by every tool",
        |t| {
            let marks = "\u{200e}\u{200f}\u{61c}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
            let shown: String = marks.chars().map(|mark| format!("\\u{{{:x}}}", u32::from(mark))).collect();
            let mut record = t.place().native_record(marks);
            record["socket_path"] = json!(t.place().socket("pod"));
            record["scope_delegated"] =
                json!([{ "target": format!("/{marks}"), "permission": "read", "recursive": true }]);
            t.place().record(record)?;
            let _pod = t.pod_at(&t.place().socket("pod"), marks, obliging(marks))?;
            t.list()?
                .says("1 pod(s) known")?
                .with_content(&format!("{shown} [alive] scope=read:/{shown}"))?
                .with_data("/pods/0/name", marks)?;
            t.send(marks, "hello")?.says(&format!("sent message to `{shown}`"))?;
            t.read(marks)?.naming(&format!("pod `{shown}`: "))?.with_content(marks)?;
            t.stop(marks)?.says(&format!("stopped pod `{shown}`; reclaimed scope: read:/{shown}"))?;
            t.stop(marks)?.with_message(&format!("no spawned pod named `{shown}`"))?;
            t.grant("list").restart()?;
            t.send(marks, "hello")?.fails("denied", "not-granted")?.naming(&format!("`{shown}`"))?;
            Ok(())
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::ShowsControls]),
    Case::new("tools/names-no-paths", "a name that looks like a path leads nowhere", |t| {
        let names =
            ["../spawner", "..", ".", "", "/etc/passwd", "a/b", "spawned_pods.json", "pod-1/../pod-2", " "];
        let pods = names.iter().enumerate().map(|(n, name)| {
            t.pod_in(&format!("pod-{n}"), name, obliging(&format!("text of {n}")))
        });
        let _pods = pods.collect::<Result<Vec<_>, _>>()?;
        for (n, name) in names.into_iter().enumerate() {
            t.send(name, "hello")?.says(&format!("sent message to `{name}`"))?;
            t.read(name)?.with_content(&format!("text of {n}"))?;
            t.stop(name)?.says(&format!("stopped pod `{name}`; reclaimed scope: write:/work/{name}"))?;
        }
        t.list()?.says("no spawned pods")?;
        t.restart()?;
        let beside: Vec<_> = std::fs::read_dir(t.place().root())?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<std::io::Result<_>>()?;
        same("what lies beside the base", beside, ["base"])?;
        let left = std::fs::read_dir(t.place().runtime_dir())?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<std::io::Result<Vec<_>>>()?;
        let files = ["spawned_pods.json", "spawned_pods.lock", "read_cursors.json"];
        let others: Vec<_> = left.into_iter().filter(|name| files.iter().all(|file| name != file)).collect();
        same("what else lies in the spawner's directory", others, Vec::<std::ffi::OsString>::new())
    }),
    Case::new(
        "tools/names-repeated",
        "of records with the same name all are listed, and the first is meant",
        |t| {
            let first = t.pod_in("first", "twin", obliging("first"))?;
            let second = t.pod_in("second", "twin", obliging("second"))?;
            let line = "twin [alive] scope=write:/work/twin";
            t.list()?.says("2 pod(s) known")?.with_content(&format!("{line}\n{line}"))?;
            t.send("twin", "hello")?.output()?;
            t.read("twin")?.with_content("first")?;
            t.stop("twin")?.output()?;
            same("what the first pod was asked", first.methods(), ["run", "get_history", "shutdown"])?;
            same("what the second pod was asked", second.methods(), Vec::<String>::new())?;
            same("the registry", t.place().recorded()?, ["twin"])?;
            t.read("twin")?.with_content("second")?;
            Ok(())
        },
    )
    .catches(&[Flaw::CallsTwice]),
    Case::new("tools/names-exact", "a name is compared as it is, case and space included", |t| {
        let _pod = t.pod("worker", Script::new().on("run", [Step::Hang]))?;
        for name in ["Worker", "worker ", " worker", "work", "worker\u{0}", "*", "w?rker"] {
            t.read(name)?.fails("invalid-argument", "unknown-pod")?;
        }
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
];
