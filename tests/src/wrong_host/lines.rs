//! What wrong hosts do to the lines that go through them.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pod_tools_conformance::flaw::Flaw;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::files::Files;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only whether it can be decoded is asked")]
struct Call {
    tool: String,
    input: Option<Value>,
    input_json: Option<String>,
}

/// Whether a host could make a call of the line.
pub fn is_a_call(line: &[u8]) -> bool {
    serde_json::from_slice::<Call>(line).is_ok()
}

/// Whether the text of the answer breaks off within an item.
pub fn is_cut(answer: &[u8]) -> bool {
    serde_json::from_slice(answer).is_ok_and(|answer: Value| answer["ok"]["data"]["cut"] == true)
}

/// The answer as this wrong host gives it; `None` where it gives none.
pub fn rewrite(
    flaw: Flaw,
    request: &[u8],
    answer: Vec<u8>,
    files: &Files,
) -> anyhow::Result<Option<Vec<u8>>> {
    let mut answer: Value = serde_json::from_slice(&answer)?;
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let name = request["input"]["name"].as_str().unwrap_or_default();
    let reason = answer["err"]["reason"].as_str().unwrap_or_default().to_owned();
    let kind = answer["err"]["kind"].as_str().unwrap_or_default().to_owned();
    let failed = answer.get("err").is_some();
    match flaw {
        Flaw::WrongWording if !failed => {
            let summary = answer["ok"]["summary"].as_str().unwrap_or_default();
            answer["ok"]["summary"] = format!("Done: {summary}").into();
        }
        Flaw::HidesFailures if !failed => {
            let summary = answer["ok"]["summary"].as_str().unwrap_or_default();
            let told =
                ["; the last turn failed: ", "; a turn failed: "].iter().find_map(|told| summary.find(told));
            if let Some(told) = told {
                answer["ok"]["summary"] = summary[..told].into();
            }
        }
        Flaw::CutsText if answer["ok"]["content"].is_string() => {
            let content = answer["ok"]["content"].as_str().unwrap_or_default();
            answer["ok"]["content"] = content.lines().next().unwrap_or_default().into();
        }
        Flaw::WrongKinds if failed => {
            answer["err"]["kind"] = "execution-failed".into();
            answer["err"]["reason"] = Value::Null;
        }
        Flaw::HidesFaults if kind == "execution-failed" && request["tool"] == "ReadPodOutput" => {
            answer = success(&format!("pod `{name}` is stopped (unreachable)"));
        }
        Flaw::BelievesInStops if reason == "still-running" => {
            answer = success(&format!("stopped pod `{name}`; reclaimed scope: write:/work/{name}"));
        }
        Flaw::BelievesInTurns if reason == "already-running" => {
            answer = success(&format!("sent message to `{name}`"));
        }
        Flaw::TellsOfPods if reason == "not-granted" && !files.recorded()?.iter().any(|pod| pod == name) => {
            answer["err"]["kind"] = "invalid-argument".into();
            answer["err"]["reason"] = "unknown-pod".into();
        }
        Flaw::CallsStuckStopped if answer["ok"]["content"].is_string() => {
            let content = answer["ok"]["content"].as_str().unwrap_or_default().to_owned();
            let stuck = files.stuck()?;
            answer["ok"]["content"] = stuck
                .iter()
                .fold(content, |content, pod| {
                    content.replace(&format!("{pod} [alive]"), &format!("{pod} [stopped]"))
                })
                .into();
        }
        Flaw::SkipsRewritten if answer["ok"]["data"]["rewritten"] == true => {
            answer["ok"]["summary"] = format!("pod `{name}` idle; no new assistant text").into();
            answer["ok"]["content"] = Value::Null;
        }
        Flaw::AnswersEarly if answer["ok"]["data"]["waited"] == "time-up" => {
            answer["ok"]["data"]["waited"] = "ended".into();
        }
        Flaw::AnswersEarly if answer["ok"]["data"]["outcome"] == "time-up" => {
            answer["ok"]["data"]["outcome"] = "done".into();
        }
        Flaw::WaitsForAnother if answer["ok"]["data"]["pods"][1]["outcome"].is_string() => {
            let pods = &mut answer["ok"]["data"]["pods"];
            let first = pods[0]["outcome"].take();
            pods[0]["outcome"] = pods[1]["outcome"].take();
            pods[1]["outcome"] = first;
        }
        Flaw::ShowsControls => {
            for text in ["/ok/summary", "/ok/content", "/err/message"] {
                if let Some(Value::String(text)) = answer.pointer_mut(text) {
                    *text = text.replace("\\n", "\n").replace("\\u{202e}", "\u{202e}");
                }
            }
        }
        Flaw::TellsContent if matches!(&*reason, "registry-damaged" | "lock-damaged") => {
            let message = answer["err"]["message"].as_str().unwrap_or_default();
            answer["err"]["message"] = format!("{message}: {}", files.content()).into();
        }
        Flaw::WaitsForEver
            if kind == "timeout" || matches!(&*reason, "socket-timeout" | "still-running" | "lock-busy") =>
        {
            return Ok(None);
        }
        _ => {}
    }
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    Ok(Some(line))
}

/// How long the call is to wait.
pub fn wait_of(request: &[u8]) -> Duration {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    Duration::from_secs(request["input"]["wait_seconds"].as_u64().unwrap_or_default())
}

/// The call, with no time to wait.
pub fn without_a_wait(request: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<Value>(request) {
        Ok(mut request) if request["input"]["wait_seconds"].is_u64() => {
            request["input"]["wait_seconds"] = 0.into();
            format!("{request}\n").into_bytes()
        }
        _ => request.to_owned(),
    }
}

/// Stops a pod as one does who closes the connection as soon as the request is written. `None` for other calls,
/// and for pods that take no connection.
pub fn hang_up(request: &[u8], files: &Files) -> io::Result<Option<Vec<u8>>> {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let name = request["input"]["name"].as_str().unwrap_or_default();
    let socket = if request["tool"] == "StopPod" { files.socket(name)? } else { None };
    let Some(mut pod) = socket.and_then(|socket| UnixStream::connect(socket).ok()) else { return Ok(None) };
    pod.write_all(b"{\"method\":\"shutdown\"}\n")?;
    drop(pod);
    let mut answer = success(&format!("stopped pod `{name}`; reclaimed scope: write:/work/{name}"));
    answer["ok"]["data"] = json!({ "pod": name, "confirmed": true });
    Ok(Some(format!("{answer}\n").into_bytes()))
}

fn success(summary: &str) -> Value {
    json!({ "ok": { "summary": summary, "content": null, "data": {} } })
}
