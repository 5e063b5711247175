//! The ids of the requests in bytes that are no message: whatever else is wrong with them, a client that waits
//! for an answer gets it under the id that it waits for.
//!
//! The bytes are scanned as they flow, and nothing of them is held but the token that is being read.

use serde_json::Value;

use crate::input_lines::Scan;

/// A token of more bytes is no id, nor the name of a member that counts.
const MAX_TOKEN: usize = 4 << 10;
/// Kinds of brackets that are remembered; deeper ones are only counted.
const MAX_DEPTH: usize = 4 << 10;
/// Ids that are remembered of one batch.
const MAX_IDS: usize = 4 << 10;

/// Reads ids out of bytes that come in pieces.
#[derive(Debug, Default)]
pub struct IdScanner {
    /// `true`: the bytes are an array of messages. `None`: nothing but blanks has come yet.
    batch: Option<bool>,
    /// The brackets that are open, as far as they are remembered.
    open: Vec<u8>,
    deeper: usize,
    lexeme: Lexeme,
    token: Vec<u8>,
    /// The name of the message's member that is being read.
    member: Option<String>,
    /// A colon has come behind that name.
    at_value: bool,
    message: Members,
    ids: Vec<Value>,
    /// Brackets did not match.
    torn: bool,
    ended: bool,
    nothing: bool,
}

/// Where in the text the scanner stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lexeme {
    #[default]
    Between,
    String {
        escaped: bool,
    },
    /// A number or a word.
    Scalar,
}

/// What has been seen of one message.
#[derive(Debug, Default)]
struct Members {
    id: Option<Value>,
    method: bool,
    outcome: bool,
    ambiguous: bool,
}

impl IdScanner {
    /// The ids in bytes that are all there.
    pub fn ids_in(bytes: &[u8]) -> Vec<Value> {
        let mut scanner = Self::default();
        scanner.scan(bytes);
        scanner.ids()
    }

    /// The ids of the requests, one for each; none where it cannot be read.
    pub fn ids(mut self) -> Vec<Value> {
        if !self.ended {
            self.end_message();
        }
        if self.nothing { Vec::new() } else { self.ids }
    }

    fn step(&mut self, byte: u8) {
        match self.lexeme {
            Lexeme::String { escaped } => {
                self.keep(byte);
                if byte == b'"' && !escaped {
                    self.lexeme = Lexeme::Between;
                    self.end_token();
                } else {
                    self.lexeme = Lexeme::String { escaped: byte == b'\\' && !escaped };
                }
            }
            Lexeme::Scalar if !(byte.is_ascii_whitespace() || b"\",:{}[]".contains(&byte)) => self.keep(byte),
            _ => {
                if self.lexeme == Lexeme::Scalar {
                    self.lexeme = Lexeme::Between;
                    self.end_token();
                }
                self.structure(byte);
            }
        }
    }

    fn structure(&mut self, byte: u8) {
        if byte.is_ascii_whitespace() {
            return;
        }
        let Some(batch) = self.batch else {
            match byte {
                b'{' | b'[' => {
                    self.batch = Some(byte == b'[');
                    self.open.push(byte);
                }
                // A byte order mark.
                0xef | 0xbb | 0xbf => {}
                _ => self.nothing = true,
            }
            return;
        };
        if self.ended {
            // What comes behind the end belongs to it, where brackets have not matched.
            self.nothing |= self.torn;
            return;
        }
        match byte {
            b'"' => self.begin_token(Lexeme::String { escaped: false }, byte),
            b':' if self.in_message() => self.begin_value(),
            b',' if self.in_message() => self.end_member(),
            b':' | b',' => {}
            b'{' | b'[' if self.open.len() < MAX_DEPTH => self.open.push(byte),
            b'{' | b'[' => self.deeper += 1,
            b'}' | b']' if self.deeper > 0 => self.deeper -= 1,
            b'}' | b']' => self.close(if byte == b'}' { b'{' } else { b'[' }, batch),
            _ => self.begin_token(Lexeme::Scalar, byte),
        }
    }

    /// Closes the innermost bracket of that kind, with what was left open in it.
    fn close(&mut self, kind: u8, batch: bool) {
        let Some(at) = self.open.iter().rposition(|open| *open == kind) else {
            self.torn = true;
            return;
        };
        self.torn |= at + 1 != self.open.len();
        let message = usize::from(batch);
        if at <= message && self.open.len() > message {
            self.end_message();
        }
        self.open.truncate(at);
        self.ended = at == 0;
    }

    /// Whether what is read now is a member of a message itself, and not of something in it.
    fn in_message(&self) -> bool {
        let depth = usize::from(self.batch == Some(true)) + 1;
        self.deeper == 0 && self.open.len() == depth && self.open.last() == Some(&b'{')
    }

    fn begin_token(&mut self, lexeme: Lexeme, byte: u8) {
        self.lexeme = lexeme;
        self.token.clear();
        self.keep(byte);
    }

    fn keep(&mut self, byte: u8) {
        if self.in_message() && self.token.len() <= MAX_TOKEN {
            self.token.push(byte);
        }
    }

    fn end_token(&mut self) {
        if !self.in_message() {
            return;
        }
        let token =
            if self.token.len() > MAX_TOKEN { None } else { serde_json::from_slice(&self.token).ok() };
        if !self.at_value {
            self.member = token.and_then(|name: Value| name.as_str().map(str::to_owned));
        } else if self.member.as_deref() == Some("id")
            && let Some(id @ (Value::String(_) | Value::Number(_))) = token
        {
            let same = *self.message.id.get_or_insert_with(|| id.clone()) == id;
            self.message.ambiguous |= !same;
        }
    }

    fn begin_value(&mut self) {
        self.at_value = true;
        match self.member.as_deref() {
            Some("method") => self.message.method = true,
            Some("result" | "error") => self.message.outcome = true,
            _ => {}
        }
    }

    fn end_member(&mut self) {
        self.member = None;
        self.at_value = false;
    }

    fn end_message(&mut self) {
        self.end_member();
        let message = std::mem::take(&mut self.message);
        // Under the id of an answer, an error would be taken for one to a request of the client's own.
        let request = message.method || !message.outcome;
        if let Some(id) = message.id
            && request
            && !message.ambiguous
            && self.ids.len() < MAX_IDS
        {
            self.ids.push(id);
        }
    }
}

impl Scan for IdScanner {
    fn scan(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.nothing {
                return;
            }
            self.step(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ids(bytes: &[u8]) -> Vec<Value> {
        let whole = IdScanner::ids_in(bytes);
        let mut scanner = IdScanner::default();
        bytes.chunks(1).for_each(|byte| scanner.scan(byte));
        assert_eq!(scanner.ids(), whole, "in pieces: {}", String::from_utf8_lossy(bytes));
        whole
    }

    #[test]
    fn an_id_is_read_whatever_stands_before_or_behind_it() {
        let deep = "[".repeat(MAX_DEPTH * 2);
        for broken in [
            "1e999",
            "\"cut \\ud83d\"",
            "\"\\x\"",
            "\"a\nb\"",
            "\"\u{1}\"",
            "nul",
            "[1,,2]",
            "[1 2]",
            "{\"a\":[1,2}",
            "{\"a\":1]]}",
            "\"id\"",
            "{\"id\":8}",
            "[{\"id\":8}]",
            "\",\\\"id\\\":8,\"",
            &format!("{deep}{}", deep.replace('[', "]")),
            &format!("\"{}\"", "x".repeat(3 * MAX_TOKEN)),
        ] {
            for id in [json!(7), json!("seven \" \\ {"), json!(-1), json!(1.5), json!(u64::MAX)] {
                let before =
                    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"m\",\"params\":{broken}}}");
                let behind =
                    format!("\u{feff} {{\"method\":\"m\", \"params\" : {broken} , \"id\" :{id} }}\n");
                assert_eq!(ids(before.as_bytes()), std::slice::from_ref(&id), "{before:.200}");
                assert_eq!(ids(behind.as_bytes()), [id], "{behind:.200}");
            }
        }
        assert_eq!(ids(br#"{"id":1,"method":"m","params":{"a":"#), [1]);
        assert_eq!(ids(b"{\"id\":1,\"method\":\"\xff\"}"), [1]);
        assert_eq!(ids(br#"{"\u0069d":1,"method":"m""#), [1]);
    }

    #[test]
    fn what_is_no_id_of_a_request_is_not_taken_for_one() {
        let long = format!("{{\"id\":\"{}\",\"method\":\"m\"}}", "x".repeat(MAX_TOKEN));
        for text in [
            "",
            "17",
            "\"id\":1",
            "{}",
            "{\"params\":{\"id\":1}}",
            "{\"id\":null,\"method\":\"m\"}",
            "{\"id\":[1],\"method\":\"m\"}",
            "{\"id\":{\"id\":1},\"method\":\"m\"}",
            // May have been cut off.
            "{\"method\":\"m\",\"id\":12",
            "{\"id\":\"a\\ud83d\",\"method\":\"m\"}",
            "{\"id\":1e999,\"method\":\"m\"}",
            // Which of them?
            "{\"id\":1,\"id\":2,\"method\":\"m\"}",
            // An answer.
            "{\"id\":1,\"result\":1e999}",
            "{\"error\":{\"id\":2},\"id\":1}",
            // The bracket that is wrong may be the one before `id`.
            "{\"method\":\"m\",\"params\":{\"a\":[1},\"id\":8},\"id\":7}",
            &long,
        ] {
            assert_eq!(ids(text.as_bytes()), [0; 0], "{text:.200}");
        }
    }

    #[test]
    fn a_batch_has_the_ids_of_its_requests() {
        let batch = br#" [{"id":1,"method":"m"}, {"method":"n","params":{"id":9}}, [{"id":8}], 5,
            {"id":3,"result":{}}, {"id":"b","method":"m","params":[1e999, {"id":7}]}, {"id":4"#;
        assert_eq!(ids(batch), [json!(1), json!("b")]);
        assert_eq!(ids(b"[]"), [0; 0]);
        let many = format!("[{}]", "{\"id\":1,\"method\":\"m\"},".repeat(2 * MAX_IDS));
        assert_eq!(IdScanner::ids_in(many.as_bytes()).len(), MAX_IDS);
    }
}
