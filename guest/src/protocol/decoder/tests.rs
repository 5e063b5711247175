//! The decoder of events: single lines, cut into pieces of every size.

use super::*;
use crate::json::{Nesting, ValueScan};
use crate::protocol::item_sink::ItemSink;

/// Notes the items that it is given.
#[derive(Default)]
struct Items {
    whole: Vec<String>,
    current: Vec<u8>,
    scan: Option<ValueScan>,
}

impl ItemSink for Items {
    fn begin(&mut self, _: bool) {
        *self = Self::default();
    }

    fn item_begins(&mut self, around: Nesting, _: u64) {
        self.scan = Some(ValueScan::within(around));
    }

    fn item(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        let end = self.scan.as_mut().unwrap().feed(bytes)?;
        self.current.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if end.is_some() {
            self.whole.push(String::from_utf8(std::mem::take(&mut self.current)).unwrap());
        }
        Ok(end)
    }
}

/// All events, or the first error, of a stream in pieces of `size`.
fn events(stream: &[u8], size: usize) -> Result<Vec<Event>, Malformed> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for mut piece in stream.chunks(size) {
        while let Some(event) = decoder.next(&mut piece, None)? {
            events.push(event);
        }
    }
    if let Ending::Event(event) = decoder.end(None)? {
        events.push(event);
    }
    Ok(events)
}

#[test]
fn the_events_that_the_tools_look_at_are_told_apart() {
    let stream = br#"{"event":"turn_start","data":{"turn":0,"new":{}}}
{"event":"error","data":{"code":"already_running","message":"Pod \u0069s"}}
{"data":{"message":"m","code":"internal"},"event":"error"}
{"event":"error","data":{"code":"not_paused"}}
{"event":"error","data":{"message":"no code"}}
{"event":"error","data":{"code":5,"message":[]}}
{"event":"error"}
{"event":"history","data":{"items":[]}}
{"event":"run_end","data":{"code":"internal","event":"shutdown"}}
{"data":{"result":"limit_reached"},"event":"run_end"}
{"event":"run_end","data":{"result":"limit_reached","result":"finished"}}
{"event":"run_end","data":{"result":"paused"}}
{"event":"notification","data":{"asked":"1: x"}}
{"data":{"data":{"items":[]}},"event":"x"}
{"event":"shutdown"}"#;
    let error = |code, message: &str| Event::Error(PodError { code, message: message.into() });
    for size in 1..stream.len() {
        assert_eq!(
            events(stream, size).unwrap(),
            [
                Event::TurnStart,
                error(ErrorCode::AlreadyRunning, "Pod is"),
                error(ErrorCode::Internal, "m"),
                error(ErrorCode::Other, ""),
                Event::Other,
                Event::Other,
                Event::Other,
                Event::Other,
                Event::RunEnd(RunResult::Finished),
                Event::RunEnd(RunResult::LimitReached),
                Event::RunEnd(RunResult::Finished),
                Event::RunEnd(RunResult::Paused),
                Event::Notification,
                Event::Other,
                Event::Shutdown,
            ]
        );
    }
}

#[test]
fn a_member_that_matters_must_not_be_there_twice() {
    for line in [
        r#"{"event":"a","event":"a"}"#,
        r#"{"event":"a","data":1,"data":2}"#,
        r#"{"event":"error","data":{"code":"internal","code":"internal"}}"#,
        r#"{"event":"error","data":{"message":1,"code":"internal","message":"m"}}"#,
        r#"{"event":"history","data":{"items":[],"items":[]}}"#,
    ] {
        assert!(events(line.as_bytes(), 5).is_err(), "{line}");
    }
    let other = br#"{"event":"a","x":1,"x":2,"data":{"code":1,"code":2}}"#;
    assert_eq!(events(other, 5).unwrap(), [Event::Other]);
}

#[test]
fn after_an_error_the_next_line_is_decoded() {
    for fault in ["x", "{\"event\":\"a\"", "{}", "[\"\u{1}\"]", "{\"event\":1} "] {
        let stream = format!("{fault}\n{{\"event\":\"shutdown\"}}\n");
        for size in 1..=stream.len() {
            let mut decoder = Decoder::new();
            let mut found = Vec::new();
            for mut piece in stream.as_bytes().chunks(size) {
                loop {
                    match decoder.next(&mut piece, None) {
                        Ok(None) => break,
                        Ok(Some(event)) => found.push(Some(event)),
                        Err(_) => found.push(None),
                    }
                }
            }
            assert_eq!(found, [None, Some(Event::Shutdown)], "{stream:?} in pieces of {size}");
        }
    }
}

#[test]
fn items_pass_as_they_were_written() {
    let items = [r#"{"a" : "]\"" }"#, "1", "\"é,\"", "[ ]", "-2.5", "null"];
    let stream = format!("{{\"data\":{{\"items\":[ {} ]}}, \"event\":\"history\"}}\n", items.join(" , "));
    for size in 1..=stream.len() {
        let (mut decoder, mut sink) = (Decoder::new(), Items::default());
        let mut found = Vec::new();
        for mut piece in stream.as_bytes().chunks(size) {
            while let Some(event) = decoder.next(&mut piece, Some(&mut sink)).unwrap() {
                found.push(event);
            }
        }
        assert_eq!(found, [Event::History(Beside::default())]);
        assert_eq!(sink.whole, items, "in pieces of {size}");
    }
}

#[test]
fn how_much_a_run_has_said_is_a_number_that_fits() {
    let max = u64::MAX.to_string();
    for (value, streamed) in [
        ("0", Some(0)),
        ("1048576", Some(1 << 20)),
        (&*max, Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-3", None),
        ("1.5", None),
        ("1e3", None),
        ("true", None),
        ("null", None),
        ("\"7\"", None),
        ("{\"streamed\":7}", None),
        ("[7]", None),
    ] {
        let stream = format!("{{\"event\":\"history\",\"data\":{{\"items\":[],\"streamed\":{value}}}}}\n");
        for size in 1..=stream.len() {
            let (mut decoder, mut sink) = (Decoder::new(), Items::default());
            let mut found = Vec::new();
            for mut piece in stream.as_bytes().chunks(size) {
                while let Some(event) = decoder.next(&mut piece, Some(&mut sink)).unwrap() {
                    found.push(event);
                }
            }
            assert_eq!(
                found,
                [Event::History(Beside { asked: None, streamed })],
                "{value} in pieces of {size}"
            );
        }
    }
}

#[test]
fn items_of_what_is_no_history_are_forgotten() {
    let stream = br#"{"data":{"items":[1,2]},"event":"other"}
{"event":"history","data":{"items":[3]}}
"#;
    let (mut decoder, mut sink) = (Decoder::new(), Items::default());
    let mut piece = stream.as_slice();
    assert_eq!(decoder.next(&mut piece, Some(&mut sink)), Ok(Some(Event::Other)));
    assert_eq!(decoder.next(&mut piece, Some(&mut sink)), Ok(Some(Event::History(Beside::default()))));
    assert_eq!(sink.whole, ["3"]);
}

#[test]
fn items_of_what_says_first_that_it_is_no_history_are_not_handed_on() {
    let (mut decoder, mut sink) = (Decoder::new(), Items::default());
    let mut piece = b"{\"event\":\"other\",\"data\":{\"items\":[1,2]}}\n".as_slice();
    assert_eq!(decoder.next(&mut piece, Some(&mut sink)), Ok(Some(Event::Other)));
    assert!(sink.whole.is_empty());
}

#[test]
fn nothing_is_kept_of_a_long_line() {
    for key in ["text", "message"] {
        let mut decoder = Decoder::new();
        let long = "x".repeat(100_000);
        let begin = format!("{{\"event\":\"text_delta\",\"data\":{{\"{key}\":\"");
        assert_eq!(decoder.next(&mut begin.as_bytes(), None), Ok(None));
        for _ in 0..100 {
            assert_eq!(decoder.next(&mut long.as_bytes(), None), Ok(None));
        }
        assert!(decoder.members.message.capacity() <= 2 * MESSAGE_BYTES);
        assert!(decoder.beginning.capacity() <= 2 * EXCERPT_BYTES);
        assert_eq!(decoder.next(&mut b"\"}}\n".as_slice(), None), Ok(Some(Event::Other)));
    }
}

#[test]
fn an_error_shows_where_the_line_went_wrong() {
    let fault = |line: &str| events(line.as_bytes(), 9).unwrap_err().to_string();
    assert_eq!(
        fault("\n{\"event\":\u{1b}\n"),
        "the pod sent a line that is not JSON: a value should follow (byte 9, the line begins `{\"event\":\\u{1b}`)"
    );
    let long = format!("{{\"event\":\"{}\" x}}\n", "ä".repeat(100));
    assert_eq!(
        fault(&long),
        format!(
            "the pod sent a line that is not JSON: a comma or the closing bracket should follow \
                 (byte 212, the line begins `{{\"event\":\"{}`)",
            "ä".repeat(19)
        )
    );
}

#[test]
fn the_end_is_told_from_an_end_within_a_line() {
    let ending = |stream: &[u8]| {
        let mut decoder = Decoder::new();
        let mut piece = stream;
        while let Ok(Some(_)) = decoder.next(&mut piece, None) {}
        decoder.end(None)
    };
    assert_eq!(ending(b""), Ok(Ending::BetweenLines));
    assert_eq!(ending(b"{\"event\":\"a\"}\n \r"), Ok(Ending::BetweenLines));
    assert_eq!(ending(b"garbage"), Ok(Ending::BetweenLines));
    assert_eq!(ending(b"{\"event\":\"shutdown\"}"), Ok(Ending::Event(Event::Shutdown)));
    assert_eq!(ending(b"{\"event\":\"shutdown\""), Ok(Ending::WithinLine));
    assert_eq!(ending(b"12"), Ok(Ending::WithinLine));
    assert!(ending(b"[]").is_err());
}
