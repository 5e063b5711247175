//! What a client of the MCP server sends, from any bytes: what it means does not depend on where it was cut, and an
//! error goes to the request that it is about.
//!
//! The first line of an input is where the rest is cut: the length of a piece each.

use std::fmt;

use rmcp::model::ClientJsonRpcMessage;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::frame::decode;
use super::ids::IdScanner;
use crate::input_lines::{Input, LineCutter, Scan};

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

/// The longest line that is taken.
const LIMIT: u64 = 256;
/// A longer token is no id.
const MAX_ID: usize = 4000;

/// The lines of a stream that comes in pieces of these lengths; the ids of those that are too long.
fn lines(mut bytes: &[u8], lengths: &[u8]) -> Vec<Result<Vec<u8>, Vec<Value>>> {
    let mut cutter = LineCutter::<IdScanner>::new(LIMIT);
    let mut lengths = lengths.iter().cycle();
    let mut lines = Vec::new();
    let mut take = |line: Input<IdScanner>| match line {
        Input::Line(line) => lines.push(Ok(line)),
        Input::TooLong(scanned) => lines.push(Err(scanned.ids())),
        Input::Failed(error) => panic!("{error}"),
    };
    while !bytes.is_empty() {
        let length = lengths.next().map_or(bytes.len(), |length| usize::from(*length).max(1));
        let (mut piece, rest) = bytes.split_at(length.min(bytes.len()));
        while let Some(line) = cutter.next(&mut piece) {
            take(line);
        }
        bytes = rest;
    }
    cutter.end().into_iter().for_each(take);
    lines
}

/// The members of an object, repeated ones too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

impl Members {
    /// The ids of the request that this is, as an answer would need them.
    fn ids(&self) -> Vec<Value> {
        let has = |name: &str| self.0.iter().any(|(member, _)| member == name);
        let is_id = |value: &&Value| matches!(value, Value::String(_) | Value::Number(_));
        let mut ids: Vec<Value> =
            self.0.iter().filter(|(name, _)| name == "id").map(|(_, id)| id).filter(is_id).cloned().collect();
        ids.dedup();
        let is_request = has("method") || !(has("result") || has("error"));
        if is_request && ids.len() == 1 { ids } else { Vec::new() }
    }
}

fn check_line(line: &[u8], lengths: &[u8]) {
    let ids = IdScanner::ids_in(line);
    let mut scanner = IdScanner::default();
    let mut rest = line;
    let mut lengths = lengths.iter().cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(usize::MAX, |length| usize::from(*length).max(1));
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        scanner.scan(piece);
        rest = behind;
    }
    assert_eq!(scanner.ids(), ids);
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let members = serde_json::from_slice::<Members>(line);
    if let Ok(members) = &members
        && line.len() < MAX_ID
    {
        assert_eq!(ids, members.ids());
    }
    match decode(line) {
        Ok(Some(ClientJsonRpcMessage::Request(request))) => {
            let ids = members.unwrap().ids();
            // `5.0` is taken for 5.
            assert!(ids.iter().all(Value::is_f64) || ids == [request.id.into_json_value()]);
        }
        Ok(_) => {}
        Err(refusal) => {
            let document: Value = serde_json::from_slice(&refusal.to_document()).unwrap();
            assert!(document["jsonrpc"] == "2.0" && document["error"]["message"].is_string());
            let lines = refusal.to_lines();
            assert!(lines.ends_with('\n'));
            let answered: Vec<Value> = lines
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
                .collect();
            // A number that is not whole is no id of this protocol, and may come back rounded in its last place.
            if !ids.iter().any(Value::is_f64) {
                assert!(if ids.is_empty() { answered == [Value::Null] } else { answered == ids });
            }
        }
    }
}

/// The property of what the parts say.
pub fn check(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (lengths, stream) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let whole = lines(stream, &[]);
    assert_eq!(lines(stream, lengths), whole);
    for line in whole.into_iter().flatten() {
        check_line(&line, lengths);
    }
    // As HTTP has it, a body is one message.
    check_line(stream, lengths);
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_rules_of_messages() {
    corpus::check_each("frame", check);
}
