//! The events of a pod, decoded out of the pieces in which they arrive. How the stream is cut makes no
//! difference. No line is held: nothing is kept of an event that the tools do not know, and the items of a
//! history are handed on as they pass.
//!
//! The decoder is lenient where the protocol is (blank lines, CRLF, a last line without its `\n`, keys in any
//! order, events of unknown kinds, unknown members and values), and strict where it is not: a line that is
//! not JSON, or not an object with a string `event`, is an error, and so is a line in which a member that the
//! tools look at stands twice.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{NotJson, TextSink, Token, Tokenizer, Word};
use crate::protocol::event::{Beside, ErrorCode, Event, PodError, RunResult};
use crate::protocol::item_sink::Sink;
use crate::protocol::malformed::Malformed;

/// How much of a malformed line its error shows, in bytes.
const EXCERPT_BYTES: usize = 48;

/// How much of the message of a pod's error, and of what it asks, is kept, in bytes.
const MESSAGE_BYTES: usize = 1024;

const EVENT: Word = Word::of("event");
const TURN_START: Word = Word::of("turn_start");
const ERROR: Word = Word::of("error");
const HISTORY: Word = Word::of("history");
const SHUTDOWN: Word = Word::of("shutdown");
const RUN_END: Word = Word::of("run_end");
const NOTIFICATION: Word = Word::of("notification");
const DATA: Word = Word::of("data");
const ITEMS: Word = Word::of("items");
const CODE: Word = Word::of("code");
const ALREADY_RUNNING: Word = Word::of("already_running");
const PROVIDER_ERROR: Word = Word::of("provider_error");
const INTERNAL: Word = Word::of("internal");
const MESSAGE: Word = Word::of("message");
const ASKED: Word = Word::of("asked");
const STREAMED: Word = Word::of("streamed");
const RESULT: Word = Word::of("result");
const LIMIT_REACHED: Word = Word::of("limit_reached");
const PAUSED: Word = Word::of("paused");

/// What the end of the stream means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The stream ended between lines.
    BetweenLines,
    /// The stream's end completed the last line, which had no `\n`.
    Event(Event),
    /// The stream ended within a line.
    WithinLine,
}

/// The decoder of one connection's events.
#[derive(Debug)]
pub(super) struct Decoder {
    tokenizer: Tokenizer,
    members: Members,
    /// A history item has begun.
    in_item: bool,
    /// How many bytes of the line were consumed.
    offset: u64,
    /// The line's first bytes.
    beginning: Vec<u8>,
    /// The line is malformed, and the rest of it is skipped.
    skipping: bool,
}

/// The members of the line's object that were decoded so far.
#[derive(Debug, Default)]
struct Members {
    is_object: bool,
    kind: Kind,
    /// The last key of the line's object.
    key: Key,
    /// The last key of the object in `data`.
    data_key: DataKey,
    items: Items,
    code: Option<ErrorCode>,
    message: String,
    /// What the pod asks a person.
    asked: String,
    /// How much the run that goes on has said, in bytes.
    streamed: Option<u64>,
    result: RunResult,
    /// The keys that were decoded, one bit each.
    seen: u16,
    /// A key of the object in `data` stands there twice.
    repeated: bool,
}

impl Members {
    /// Notes a key by its bit; `true` if it was noted before.
    fn note(&mut self, bit: u8) -> bool {
        let before = self.seen & 1 << bit != 0;
        self.seen |= 1 << bit;
        before
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Missing,
    TurnStart,
    Error,
    History,
    Shutdown,
    RunEnd,
    Notification,
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Key {
    #[default]
    Other = 0,
    Event = 1,
    Data = 2,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DataKey {
    #[default]
    Other = 0,
    // Numbered on from `Key`: both share the bits of `Members::seen`.
    Items = 3,
    Code = 4,
    Message = 5,
    Result = 6,
    Asked = 7,
    Streamed = 8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Items {
    #[default]
    Missing,
    Open,
    Complete,
}

/// The fault of a line, in the byte that comes next: what the line is not, and why.
struct Fault(String);

impl Fault {
    fn not_json(why: &str) -> Self {
        Self(format!("JSON: {why}"))
    }

    fn not_event(why: &str) -> Self {
        Self(format!("an event: {why}"))
    }

    fn not_history(why: &str) -> Self {
        Self(format!("a history: {why}"))
    }
}

/// How far the decoder came in a line.
enum Step {
    /// The bytes are used up.
    NeedsMore,
    /// The line ended, and was blank.
    BlankLine,
    /// The line ended.
    Event(Event),
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            tokenizer: Tokenizer::new(),
            members: Members::default(),
            in_item: false,
            offset: 0,
            beginning: Vec::new(),
            skipping: false,
        }
    }

    /// The next event, or `None` when the piece is used up; `piece` moves on behind the event. The items of a
    /// history go to `items`; where there is no sink, a history is an event like any other. After an error,
    /// the next call skips the rest of the malformed line.
    pub(super) fn next(
        &mut self,
        piece: &mut &[u8],
        mut items: Sink<'_>,
    ) -> Result<Option<Event>, Malformed> {
        loop {
            if self.skipping {
                let Some(end) = piece.iter().position(|&byte| byte == b'\n') else {
                    *piece = &[];
                    return Ok(None);
                };
                *piece = &piece[end + 1..];
                self.begin_line();
            }
            let room = EXCERPT_BYTES - self.beginning.len();
            self.beginning.extend(piece.iter().take(room).take_while(|&&byte| byte != b'\n'));
            let before = piece.len();
            let step = self.step(piece, &mut items);
            self.offset += (before - piece.len()) as u64;
            match step {
                Ok(Step::NeedsMore) => return Ok(None),
                Ok(Step::BlankLine) => self.begin_line(),
                Ok(Step::Event(event)) => {
                    self.begin_line();
                    return Ok(Some(event));
                }
                Err(fault) => {
                    self.skipping = true;
                    return Err(self.malformed(fault));
                }
            }
        }
    }

    /// What the stream's end means for the line that has begun.
    pub(super) fn end(&mut self, items: Sink<'_>) -> Result<Ending, Malformed> {
        if self.skipping || self.tokenizer.at_line_start() {
            return Ok(Ending::BetweenLines);
        }
        if !self.tokenizer.at_line_end() {
            return Ok(Ending::WithinLine);
        }
        let mut line_end = b"\n".as_slice();
        match self.next(&mut line_end, items)? {
            Some(event) => Ok(Ending::Event(event)),
            None => Ok(Ending::BetweenLines),
        }
    }

    fn begin_line(&mut self) {
        self.tokenizer = Tokenizer::new();
        self.members = Members::default();
        self.in_item = false;
        self.offset = 0;
        self.beginning.clear();
        self.skipping = false;
    }

    fn malformed(&self, Fault(is_not): Fault) -> Malformed {
        let at = self.offset;
        // Up to the fault only: how much of the line arrived behind the fault depends on how the stream is
        // cut.
        let shown = (at + 1).min(self.beginning.len() as u64) as usize;
        let beginning = String::from_utf8_lossy(&self.beginning[..shown]);
        let beginning = beginning.trim_end_matches(char::REPLACEMENT_CHARACTER).into();
        Malformed { is_not, at, beginning }
    }

    /// Goes on to the line's end, or to the end of the bytes.
    fn step(&mut self, bytes: &mut &[u8], sink: &mut Sink<'_>) -> Result<Step, Fault> {
        let all = bytes.len();
        loop {
            if let Some(items) = sink
                && self.in_item
            {
                match items.item(bytes) {
                    Ok(Some(taken)) => *bytes = &bytes[taken..],
                    Ok(None) => {
                        *bytes = &[];
                        return Ok(Step::NeedsMore);
                    }
                    Err(NotJson { why, at }) => {
                        *bytes = &bytes[at..];
                        return Err(Fault::not_json(why));
                    }
                }
                self.in_item = false;
                self.tokenizer.skip_value();
            }
            if let Some(items) = sink
                && self.may_be_history()
            {
                while let [b' ' | b'\t' | b'\r', rest @ ..] = bytes {
                    *bytes = rest;
                }
                if bytes.first().is_some_and(|&byte| self.tokenizer.value_begins_with(byte)) {
                    items.item_begins(self.tokenizer.nesting(), self.offset + (all - bytes.len()) as u64);
                    self.in_item = true;
                    continue;
                }
            }
            let Self { tokenizer, members, .. } = self;
            let is_of_data = members.key == Key::Data && tokenizer.nesting().depth() == 2;
            let kept = match members.data_key {
                DataKey::Message if is_of_data => Some(&mut members.message),
                DataKey::Asked if is_of_data => Some(&mut members.asked),
                _ => None,
            };
            let mut kept = kept.map(|text| TextSink { text, most: MESSAGE_BYTES });
            let token = tokenizer.next(bytes, kept.as_mut()).map_err(Fault::not_json)?;
            match token {
                None => return Ok(Step::NeedsMore),
                Some(Token::LineEnd) => {
                    let step = if self.tokenizer.at_line_start() {
                        Step::BlankLine
                    } else {
                        Step::Event(self.event(sink)?)
                    };
                    *bytes = &bytes[1..];
                    return Ok(step);
                }
                Some(token) => self.take(token, sink)?,
            }
        }
    }

    /// Whether the next value may be an item of a history: `event` may come behind `data`.
    fn may_be_history(&self) -> bool {
        self.members.items == Items::Open && matches!(self.members.kind, Kind::History | Kind::Missing)
    }

    fn take(&mut self, token: Token, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let Self { tokenizer, members, .. } = self;
        match (tokenizer.nesting().depth(), token) {
            (1, Token::ObjectBegins) => members.is_object = true,
            (1, Token::Key) => {
                members.key = match tokenizer.word() {
                    EVENT => Key::Event,
                    DATA => Key::Data,
                    _ => Key::Other,
                };
                if members.key != Key::Other && members.note(members.key as u8) {
                    return Err(Fault::not_event("it has `event` or `data` twice"));
                }
            }
            (1, Token::Text) if members.key == Key::Event => {
                members.kind = match tokenizer.word() {
                    TURN_START => Kind::TurnStart,
                    ERROR => Kind::Error,
                    HISTORY => Kind::History,
                    SHUTDOWN => Kind::Shutdown,
                    RUN_END => Kind::RunEnd,
                    NOTIFICATION => Kind::Notification,
                    _ => Kind::Other,
                };
            }
            (2, Token::Key) if members.key == Key::Data => {
                members.data_key = match tokenizer.word() {
                    ITEMS => DataKey::Items,
                    CODE => DataKey::Code,
                    MESSAGE => DataKey::Message,
                    RESULT => DataKey::Result,
                    ASKED => DataKey::Asked,
                    STREAMED => DataKey::Streamed,
                    _ => DataKey::Other,
                };
                let matters = !matches!(members.data_key, DataKey::Other | DataKey::Result);
                if matters && members.note(members.data_key as u8) {
                    members.repeated = true;
                }
            }
            (2, Token::Text) if members.key == Key::Data => match members.data_key {
                DataKey::Code => {
                    members.code = Some(match tokenizer.word() {
                        ALREADY_RUNNING => ErrorCode::AlreadyRunning,
                        PROVIDER_ERROR => ErrorCode::ProviderError,
                        INTERNAL => ErrorCode::Internal,
                        _ => ErrorCode::Other,
                    });
                }
                DataKey::Result => {
                    members.result = match tokenizer.word() {
                        LIMIT_REACHED => RunResult::LimitReached,
                        PAUSED => RunResult::Paused,
                        _ => RunResult::Finished,
                    };
                }
                DataKey::Message | DataKey::Asked | DataKey::Streamed | DataKey::Items | DataKey::Other => {}
            },
            (2, Token::Scalar) if members.key == Key::Data && members.data_key == DataKey::Streamed => {
                members.streamed = tokenizer.integer();
            }
            (3, Token::ArrayBegins) if members.key == Key::Data && members.data_key == DataKey::Items => {
                members.items = Items::Open;
                if let Some(items) = sink {
                    items.begin(members.kind == Kind::History);
                }
            }
            (2, Token::Ends) if members.items == Items::Open => members.items = Items::Complete,
            _ => {}
        }
        Ok(())
    }

    /// What the line says, now that it is complete.
    fn event(&mut self, sink: &Sink<'_>) -> Result<Event, Fault> {
        let members = &mut self.members;
        Ok(match members.kind {
            Kind::Missing if !members.is_object => return Err(Fault::not_event("it is not an object")),
            Kind::Missing => return Err(Fault::not_event("it has no `event` that is a string")),
            Kind::TurnStart => Event::TurnStart,
            Kind::Shutdown => Event::Shutdown,
            Kind::RunEnd => Event::RunEnd(members.result),
            Kind::Notification => Event::Notification,
            Kind::Other => Event::Other,
            Kind::Error | Kind::History if members.repeated => {
                return Err(Fault::not_event("its `data` has the same member twice"));
            }
            Kind::Error => match members.code {
                Some(code) => Event::Error(PodError { code, message: core::mem::take(&mut members.message) }),
                None => Event::Other,
            },
            Kind::History if sink.is_none() => Event::Other,
            Kind::History if members.items != Items::Complete => {
                return Err(Fault::not_history("its `data` has no `items` that are an array"));
            }
            Kind::History => Event::History(Beside {
                asked: Some(core::mem::take(&mut members.asked)).filter(|asked| !asked.is_empty()),
                streamed: members.streamed,
            }),
        })
    }
}

#[cfg(test)]
mod tests;
