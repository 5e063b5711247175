//! SendToPod among what others make the pod say: events go to every client, and the answer is among them.

use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{Failure, Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, event};
use crate::trial::Trial;

use super::send::turn_start;

fn error(code: &str, message: &str) -> Value {
    event("error", json!({ "code": code, "message": message }))
}

fn refusal() -> Value {
    error("already_running", "Pod is already executing a turn")
}

/// A turn begins, and in the same piece a message is refused.
fn turn_and_refusal() -> Step {
    Step::text(format!("{}\n{}\n", event("turn_start", json!({ "turn": 3 })), refusal()))
}

/// What a pod had to say before anybody listened: as many notifications as it keeps, 1 MiB, several times what
/// a socket holds.
pub(crate) fn large_replay() -> Vec<Step> {
    let note = json!({ "level": "warn", "source": "pod", "message": "m".repeat(2 << 10), "timestamp_ms": 1 });
    vec![Step::line(event("notification", note)); 512]
}

/// A pod that answers a message so; and what SendToPod makes of it.
fn sent(t: &mut Trial, status: &str, steps: Vec<Step>) -> Result<crate::answer::Answer, Failure> {
    let name = format!("pod-{}", t.place().recorded()?.len());
    let pod = t.pod(&name, Script::new().on("run", steps))?;
    pod.set_status(status)?;
    t.send(&name, "hello")
}

fn is_sent(answer: crate::answer::Answer) -> Verdict {
    answer.naming("sent message to `pod-")?.output()?;
    Ok(())
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "tools/send-other-turn",
        "while the pod is not known to be idle, a refusal right behind another client's turn wins",
        |t| {
            for status in ["running", "paused", "asleep"] {
                sent(t, status, vec![turn_and_refusal(), Step::Hang])?
                    .fails("execution-failed", "already-running")?
                    .naming("is already running a turn; wait for it to finish and retry")?;
            }
            Ok(())
        },
    )
    .catches(&[Flaw::BelievesInTurns]),
    Case::new("tools/send-own-turn", "the first turn of an idle pod is ours, whatever follows", |t| {
        is_sent(sent(t, "idle", vec![turn_and_refusal(), Step::Hang])?)
    }),
    Case::new(
        "tools/send-no-refusal",
        "a turn of a pod that is not idle is ours when no refusal follows",
        |t| {
            let chatter = event("text_delta", json!({ "text": "and so on" })).to_string() + "\n";
            for rest in [
                Step::Hang,
                Step::Close,
                Step::line(error("not_running", "another client's")),
                Step::text("not JSON\n"),
                Step::Repeat(chatter.into_bytes()),
            ] {
                is_sent(sent(t, "running", vec![turn_start(), rest])?)?;
            }
            Ok(())
        },
    ),
    Case::new("tools/send-errors-of-others", "errors that answer other clients are passed over", |t| {
        let others = ["not_running", "not_paused", "provider_error", "tool_error", "internal"];
        let mut steps: Vec<_> = others.map(|code| Step::line(error(code, "not for us"))).into();
        steps.push(turn_start());
        is_sent(sent(t, "idle", steps)?)
    }),
    Case::new("tools/send-newer-pod", "events and fields that nobody knows yet are passed over", |t| {
        let banner = json!({ "banner": "x".repeat(1 << 20), "v": [1, { "a": null }] });
        let script = Script::new().greeting([Step::line(event("greeting", banner))]).on(
            "run",
            [
                Step::line(event("user_message", json!({ "text": "hello" }))),
                Step::line(event("error", json!({ "code": "a_new_code", "message": 7 }))),
                Step::line(json!({ "event": "usage", "data": { "input_tokens": "many" }, "version": 2 })),
                Step::line(event("turn_end", json!(3))),
                Step::line(json!({ "v": 9, "data": { "turn": "first", "new": {} }, "event": "turn_start" })),
            ],
        );
        let _pod = t.pod("worker", script)?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        Ok(())
    }),
    Case::new(
        "tools/send-any-pieces",
        "lines may be blank, end in CRLF or not at all, and come in any pieces",
        |t| {
            let stream =
                "\n\r\n{\"event\":\"text_done\",\"data\":{\"text\":\"ä\"}}\r\n \n{\"event\":\"turn_start\"}";
            for size in [1, 2, 3, stream.len()] {
                is_sent(sent(t, "idle", vec![Step::Pieces(stream.into(), size), Step::Close])?)?;
            }
            Ok(())
        },
    ),
    Case::new(
        "tools/send-large-after-replay",
        "a pod that has much to say before it listens gets a large message all the same",
        |t| {
            let script = Script::new().greeting(large_replay()).on("run", [turn_start()]);
            let pod = t.pod("worker", script)?;
            let message = "x".repeat(8 << 20);
            t.send("worker", &message)?.says("sent message to `worker`")?;
            let received: Value = serde_json::from_str(&pod.received()[0])?;
            same(
                "bytes of the message",
                received["params"]["input"].as_str().map(str::len),
                Some(message.len()),
            )
        },
    )
    .needs(&[Need::LongInput]),
    Case::new(
        "tools/send-closed",
        "a pod that closes before it has answered has not taken the message",
        |t| {
            for steps in [
                vec![Step::Close],
                vec![Step::line(event("usage", Value::Null)), Step::Close],
                vec![Step::text("{\"event\":\"turn_st"), Step::Close],
            ] {
                sent(t, "idle", steps)?
                    .fails("execution-failed", "closed")?
                    .naming("send to `pod-")?
                    .naming("connection closed before response")?;
            }
            Ok(())
        },
    )
    .catches(&[Flaw::WrongKinds]),
    Case::new("tools/send-shutting-down", "a pod that shuts down has not taken the message", |t| {
        sent(t, "idle", vec![Step::line(event("shutdown", Value::Null)), Step::Close])?
            .fails("execution-failed", "closed")?;
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("tools/send-invalid-method", "a pod that does not know the method is quoted", |t| {
        let answer = error("internal", "invalid method: unknown variant `run`");
        sent(t, "idle", vec![Step::line(answer), Step::Hang])?
            .fails("execution-failed", "pod-error")?
            .naming("send to `pod-0`: ")?
            .naming("invalid method: unknown variant `run`")?;
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("tools/send-not-the-protocol", "a line that is not the pod protocol is told", |t| {
        let lines: [&[u8]; 6] = [
            b"turn_start\n",
            b"{\"event\":\"turn_start\",}\n",
            b"{\"event\":\"\xff\xfe\"}\n",
            b"[]\n",
            b"{\"data\":{}}\n",
            b"{\"event\":1}\n",
        ];
        for line in lines {
            sent(t, "idle", vec![Step::Send(line.into()), Step::Hang])?
                .fails("execution-failed", "protocol")?
                .naming("send to `pod-")?;
        }
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("tools/send-unreachable", "a pod that takes no connection cannot be sent to", |t| {
        t.dead_pod("gone")?;
        t.crashed_pod("crashed")?;
        for name in ["gone", "crashed"] {
            t.send(name, "hello")?
                .fails("execution-failed", "unreachable")?
                .naming(&format!("send to `{name}`: connect"))?;
        }
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
];
