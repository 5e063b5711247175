//! What the pods of the benchmark answer: histories of a given number of items of a given size.

/// A history's shape.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    pub items: usize,
    /// Bytes of each item on the wire, the comma behind it included. At least 100.
    pub item_bytes: usize,
}

impl Shape {
    pub const fn bytes(self) -> usize {
        self.items * self.item_bytes
    }
}

const BEFORE: &str = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":""#;
const BEHIND: &str = r#""}]},"#;
/// What an agent writes: words, a line break now and then, a quotation, a letter beyond ASCII.
const TEXT: &str = r#"The second run passed: all 112 cases, in 40 seconds.\nWhat was left is the note that \"half a line\" is no line — see `reader.rs`, where it is now an error. "#;

/// The event that answers `get_history`, as a line.
pub fn event(shape: Shape) -> Vec<u8> {
    let mut line = Vec::with_capacity(shape.bytes() + 300);
    line.extend_from_slice(br#"{"event":"history","data":{"items":["#);
    for number in 0..shape.items {
        push_item(&mut line, number, shape.item_bytes);
    }
    if shape.items > 0 {
        line.pop();
    }
    line.extend_from_slice(
        br#"],"greeting":{"pod_name":"pod","cwd":"/work","provider":"anthropic","model":"large","scope_summary":"write:/work","tools":["Read","Write","Bash"]}}}"#,
    );
    line.push(b'\n');
    line
}

/// One item of exactly that many bytes, its comma included.
fn push_item(line: &mut Vec<u8>, number: usize, bytes: usize) {
    line.extend_from_slice(BEFORE.as_bytes());
    let number = format!("{number} ");
    line.extend_from_slice(number.as_bytes());
    let mut left = bytes.saturating_sub(BEFORE.len() + BEHIND.len() + number.len());
    while left >= TEXT.len() {
        line.extend_from_slice(TEXT.as_bytes());
        left -= TEXT.len();
    }
    // Not within an escape or a letter.
    let plain = TEXT.bytes().take_while(|byte| *byte != b'\\').count().min(left);
    line.extend_from_slice(&TEXT.as_bytes()[..plain]);
    line.resize(line.len() + left - plain, b'x');
    line.extend_from_slice(BEHIND.as_bytes());
}
