//! `pod-tools call --batch`: a JSON line in, a JSON line out, in order, flushed.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::process::Stdio;

use cli::{Batch, RealPod, Refusal, at, call, snapshot};
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

/// No options.
const PLAIN: [&str; 0] = [];

/// All of the input at once; the answers, and the exit status.
fn answers(place: &Place, input: &[u8]) -> (Vec<Value>, Option<i32>) {
    let mut batch = Batch::start(place, PLAIN);
    batch.send(input);
    let (output, code) = batch.finish();
    assert!(output.is_empty() || output.ends_with('\n'));
    (output.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), code)
}

#[test]
fn a_bad_line_gets_an_error_line_in_its_place_and_the_next_line_its_answer() {
    let place = Place::new().unwrap();
    for (line, why) in [
        (&b"{"[..], "EOF while parsing"),
        (b"hello", "expected"),
        (b"[]", "invalid"),
        (b"\"ListPods\"", "invalid type"),
        (b"{}", "missing field `tool`"),
        (br#"{"tool":1}"#, "invalid type"),
        (br#"{"tool":"ListPods","input":{},"input_json":"{}"}"#, "both `input` and `input_json`"),
        (br#"{"tool":"ListPods","input_json":{}}"#, "expected a string"),
        (br#"{"tool":"ListPods","arguments":{}}"#, "unknown field `arguments`"),
        (br#"{"tool":"ListPods","tool":"ListPods"}"#, "duplicate field"),
        (br#"{"tool":"ListPods"} {"tool":"ListPods"}"#, "trailing characters"),
        (b"{\"tool\":\"List\xffPods\"}", "invalid"),
        (b"\xff\xfe", "expected"),
        (b"{\"tool\":\"StopPod\",\"input\":{\"name\":\"\xff\"}}", "invalid"),
    ] {
        let input = [line, b"\n{\"tool\":\"ListPods\"}\n"].concat();
        let (answers, code) = answers(&place, &input);
        let shown = String::from_utf8_lossy(line);
        assert_eq!((answers.len(), code), (2, Some(0)), "{shown}: {answers:?}");
        let refusal = Refusal::of(&answers[0]["err"]);
        assert_eq!(refusal.words(), ("invalid-argument", ""), "{shown}");
        assert!(refusal.message.starts_with("invalid batch line: "), "{shown}: {}", refusal.message);
        assert!(refusal.message.contains(why), "{shown}: {}", refusal.message);
        assert_eq!(answers[1]["ok"]["summary"], "no spawned pods", "{shown}");
    }
}

#[test]
fn no_input_at_all_is_no_answer_and_no_error() {
    let place = Place::new().unwrap();
    assert_eq!(answers(&place, b""), (vec![], Some(0)));
}

#[test]
fn the_four_tools_on_real_pods_within_one_process_and_across_processes() {
    let place = Place::new().unwrap();
    let work = place.root().display();
    let mut pod = RealPod::start(&place, "echo", &["--scope", &format!("write:{work}")], &["cat"]);
    let mut batch = Batch::start(&place, PLAIN);
    let listed = batch.ask("ListPods", json!({}));
    assert_eq!(listed["ok"]["content"], format!("echo [alive] scope=write:{work}"));

    let turn = TurnEnd::watch(&pod);
    assert_eq!(
        batch.ask("SendToPod", json!({"name": "echo", "message": "first"}))["ok"]["summary"],
        "sent message to `echo`"
    );
    turn.wait();
    assert_eq!(batch.ask("ReadPodOutput", json!({"name": "echo"}))["ok"]["content"], "first\n");
    assert_eq!(batch.finish(), (String::new(), Some(0)));

    let turn = TurnEnd::watch(&pod);
    call(&place, "SendToPod", &json!({"name": "echo", "message": "second"})).ok();
    turn.wait();
    let mut batch = Batch::start(&place, PLAIN);
    assert_eq!(batch.ask("ReadPodOutput", json!({"name": "echo"}))["ok"]["content"], "second\n");
    let again = call(&place, "ReadPodOutput", &json!({"name": "echo"})).ok();
    assert_eq!(again["summary"], "pod `echo` idle; no new assistant text");
    let stopped = batch.ask("StopPod", json!({"name": "echo"}));
    assert_eq!(stopped["ok"]["data"]["confirmed"], true, "{stopped}");
    assert!(pod.child.wait().unwrap().success());
    assert!(!pod.socket.exists());
    assert_eq!((place.recorded().unwrap(), place.allocated().unwrap()), (vec![], vec![]));
}

/// A connection to a pod, to see the end of a turn by.
struct TurnEnd(std::os::unix::net::UnixStream);

impl TurnEnd {
    fn watch(pod: &RealPod) -> Self {
        use std::io::{BufRead, BufReader, Write};

        let mut stream = std::os::unix::net::UnixStream::connect(&pod.socket).unwrap();
        // Once it is answered it is subscribed.
        stream.write_all(b"{\"method\":\"get_history\"}\n").unwrap();
        BufReader::new(&stream).read_line(&mut String::new()).unwrap();
        Self(stream)
    }

    /// Waits until the turn that was started since is over.
    fn wait(self) {
        use std::io::{BufRead, BufReader};

        let mut events = BufReader::new(self.0).lines();
        assert!(events.any(|line| line.unwrap().contains("\"run_end\"")));
    }
}

#[test]
fn ctrl_c_while_it_waits_for_a_pod_or_for_a_line_exits_with_130() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "silent", Script::new()).unwrap();
    let before = snapshot(place.root());
    let mut batch = Batch::start(&place, ["--op-timeout", "60m", "--call-timeout", "60m"]);
    batch.send(b"{\"tool\":\"ReadPodOutput\",\"input\":{\"name\":\"silent\"}}\n");
    pod.await_lines(1);
    batch.interrupt();
    assert_eq!(batch.finish(), (String::new(), Some(130)));
    assert_eq!(snapshot(place.root()), before);

    let mut waiting = Batch::start(&place, PLAIN);
    waiting.ask("ListPods", json!({}));
    waiting.interrupt();
    // Its input is still open.
    assert_eq!(waiting.code_without_closing(), Some(130));
}

#[test]
fn a_batch_whose_reader_has_gone_ends_and_does_not_move_the_cursor() {
    let place = Place::new().unwrap();
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("precious")]))]);
    let pod = FakePod::start(&place, "child", script).unwrap();
    let before = snapshot(place.root());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = at(&place, ["call", "--batch"]);
    let mut child = command.stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let read = b"{\"tool\":\"ReadPodOutput\",\"input\":{\"name\":\"child\"}}\n";
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, &read.repeat(2)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(pod.methods(), ["get_history"], "it went on without a reader");
    assert_eq!(snapshot(place.root()), before);
}

#[test]
fn an_answer_whose_delivery_is_awaited_is_delivered_by_the_line_that_says_so() {
    let place = Place::new().unwrap();
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("hello")]))]);
    let _pod = FakePod::start(&place, "child", script).unwrap();
    let read = r#"{"tool":"ReadPodOutput","input":{"name":"child"},"await_delivery":true}"#;
    let content = |input: &str| {
        let (answers, code) = answers(&place, input.as_bytes());
        assert_eq!(code, Some(0));
        let content = |answer: &Value| match answer.get("delivered") {
            Some(delivered) => delivered.clone(),
            None => answer["ok"]["content"].clone(),
        };
        answers.iter().map(content).collect::<Vec<_>>()
    };
    // The end of input is no word of it, nor is another call.
    assert_eq!(content(&format!("{read}\n")), ["hello"]);
    assert_eq!(content(&format!("{read}\n{read}\n")), ["hello", "hello"]);
    assert_eq!(content(&format!("{read}\n{{\"delivered\":false}}\n"))[0], "hello");
    let peeked = read.replace("await_delivery", "peek");
    assert_eq!(content(&format!("{peeked}\n{peeked}\n")), ["hello", "hello"]);
    let nothing = json!(null);
    assert_eq!(
        content(&format!("{{\"delivered\":true}}\n{read}\n {{\"delivered\":true}} \n{read}\n")),
        [json!(true), json!("hello"), json!(true), nothing.clone()]
    );
    assert_eq!(content(&format!("{read}\n")), [nothing]);
}
