//! The events of a pod, decoded out of the pieces in which they arrive. How the stream is cut makes no
//! difference. No line is held: of an event that the tools do not know nothing is kept, and the items of a
//! history are handed on as they pass.
//!
//! Lenient where the protocol is (blank lines, CRLF, a last line without its `\n`, keys in any order, events
//! of unknown kinds, unknown members and values), strict where it is not: a line that is not JSON, or not an
//! object with a string `event`, is an error, and so is a member twice that the tools look at.

use std::fmt;

use crate::grammar::{Grammar, Token};
use crate::host::{Error, Reason};
use crate::scan::{Nesting, NotJson};
use crate::string::{TextSink, Word};
use crate::text::Shown;

/// How much of a faulty line its error shows, in bytes.
const EXCERPT_BYTES: usize = 48;

/// How much of the message of a pod's error is kept, in bytes.
const MESSAGE_BYTES: usize = 1024;

const EVENT: Word = Word::of("event");
const TURN_START: Word = Word::of("turn_start");
const ERROR: Word = Word::of("error");
const HISTORY: Word = Word::of("history");
const SHUTDOWN: Word = Word::of("shutdown");
const DATA: Word = Word::of("data");
const ITEMS: Word = Word::of("items");
const CODE: Word = Word::of("code");
const ALREADY_RUNNING: Word = Word::of("already_running");
const INTERNAL: Word = Word::of("internal");
const MESSAGE: Word = Word::of("message");

/// An event that the tools look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A turn has begun, of whichever client.
    TurnStart,
    /// The pod answers one of its clients with an error.
    Error(PodError),
    /// A history; its items have been given to the `ItemSink`.
    History,
    /// The pod shuts down.
    Shutdown,
    /// Anything else.
    Other,
}

/// An error that a pod sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodError {
    pub(crate) code: ErrorCode,
    /// Its first kilobyte.
    pub(crate) message: String,
}

/// The codes that make a difference to the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    AlreadyRunning,
    Internal,
    Other,
}

impl PodError {
    /// Whether the pod says that it does not know the request. Errors go to all clients, so nothing else
    /// that a pod says of its own faults can be told from the answer to another client.
    pub(crate) fn is_invalid_method(&self) -> bool {
        self.code == ErrorCode::Internal && self.message.starts_with("invalid method")
    }
}

/// Takes the items of a history, and finds out where each of them ends.
pub(crate) trait ItemSink {
    /// Items follow, from the first one; whatever was given before was not of the history. `is_history`: they are
    /// the history's, or an error follows; else they may turn out not to be.
    fn begin(&mut self, is_history: bool);
    /// An item follows, within the brackets that are open around it.
    fn item_begins(&mut self, around: Nesting);
    /// The item's next bytes, and perhaps more. Gives how many of them belong to the item when they hold its
    /// end, `None` when all of them do and more are needed.
    fn item(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson>;
}

/// The sink, where anybody wants items.
type Sink<'a> = Option<&'a mut dyn ItemSink>;

/// A line that is not the protocol's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    what: String,
    /// From the line's start.
    at: u64,
    beginning: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, at, beginning } = self;
        write!(
            f,
            "the pod sent a line that is not {what} (byte {at}, the line begins `{}`)",
            Shown(beginning)
        )
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Error::failed(Reason::Protocol, malformed.to_string())
    }
}

/// What the end of the stream means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It came between lines.
    BetweenLines,
    /// It ended the last line, which had no `\n`.
    Event(Event),
    /// It came within a line.
    WithinLine,
}

/// The decoder of one connection's events.
#[derive(Debug)]
pub(crate) struct Decoder {
    grammar: Grammar,
    line: Line,
    /// A history item has begun.
    in_item: bool,
    /// Bytes of the line that were consumed.
    offset: u64,
    /// The line's first bytes.
    beginning: Vec<u8>,
    /// The line is faulty: nothing of it is looked at any more.
    skipping: bool,
}

/// What is known of the line so far.
#[derive(Debug, Default)]
struct Line {
    is_object: bool,
    kind: Kind,
    /// The last key of the line's object, and of `data`.
    key: Key,
    data_key: DataKey,
    items: Items,
    code: Option<ErrorCode>,
    message: String,
    /// Which keys stood there, one bit each, and whether one of `data`'s did twice.
    seen: u8,
    repeated: bool,
}

impl Line {
    /// Notes a key by its bit; `true`: it stood there before.
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
    // Behind those of `Key`, with which they share the bits of `Line::seen`.
    Items = 3,
    Code = 4,
    Message = 5,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Items {
    #[default]
    Missing,
    Open,
    Complete,
}

/// What a line is not, as shows in the byte that comes next.
struct Not(String);

impl Not {
    fn json(why: &str) -> Self {
        Self(format!("JSON: {why}"))
    }
}

enum Step {
    /// The bytes are used up.
    More,
    BlankLine,
    Line(Event),
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            grammar: Grammar::new(),
            line: Line::default(),
            in_item: false,
            offset: 0,
            beginning: Vec::new(),
            skipping: false,
        }
    }

    /// The next event, or `None` when the piece is used up; `piece` moves on behind it. Items of a history go
    /// to `items`; where there is no sink, a history is an event like any other. After an error the rest of
    /// its line is skipped by the next call.
    pub(crate) fn next(
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
                Ok(Step::More) => return Ok(None),
                Ok(Step::BlankLine) => self.begin_line(),
                Ok(Step::Line(event)) => {
                    self.begin_line();
                    return Ok(Some(event));
                }
                Err(not) => {
                    self.skipping = true;
                    return Err(self.malformed(not));
                }
            }
        }
    }

    /// What the stream's end means for the line that has begun.
    pub(crate) fn end(&mut self, items: Sink<'_>) -> Result<Ending, Malformed> {
        if self.skipping || self.grammar.at_line_start() {
            return Ok(Ending::BetweenLines);
        }
        if !self.grammar.at_line_end() {
            return Ok(Ending::WithinLine);
        }
        Ok(self.next(&mut b"\n".as_slice(), items)?.map_or(Ending::BetweenLines, Ending::Event))
    }

    fn begin_line(&mut self) {
        self.grammar = Grammar::new();
        self.line = Line::default();
        self.in_item = false;
        self.offset = 0;
        self.beginning.clear();
        self.skipping = false;
    }

    fn malformed(&self, Not(what): Not) -> Malformed {
        let at = self.offset;
        // Up to the fault only: what was seen of the line behind it depends on how the stream is cut.
        let seen = self.beginning.iter().zip(0..=at).map(|(&byte, _)| byte).collect::<Vec<u8>>();
        let beginning = String::from_utf8_lossy(&seen);
        let beginning = beginning.trim_end_matches(char::REPLACEMENT_CHARACTER).into();
        Malformed { what, at, beginning }
    }

    /// Goes on to the line's end, or to the end of the bytes.
    fn step(&mut self, bytes: &mut &[u8], sink: &mut Sink<'_>) -> Result<Step, Not> {
        loop {
            if let Some(items) = sink
                && self.in_item
            {
                let taken = items.item(bytes).map_err(|NotJson { why, at }| {
                    *bytes = &bytes[at..];
                    Not::json(why)
                })?;
                let Some(taken) = taken else {
                    *bytes = &[];
                    return Ok(Step::More);
                };
                *bytes = &bytes[taken..];
                self.in_item = false;
                self.grammar.skip_value();
            }
            if let Some(items) = sink
                && self.may_be_history()
            {
                while let [b' ' | b'\t' | b'\r', rest @ ..] = bytes {
                    *bytes = rest;
                }
                if bytes.first().is_some_and(|&byte| self.grammar.value_begins_with(byte)) {
                    items.item_begins(self.grammar.nesting());
                    self.in_item = true;
                    continue;
                }
            }
            let Self { grammar, line, .. } = self;
            let is_message = line.key == Key::Data && line.data_key == DataKey::Message;
            let is_message = is_message && grammar.nesting().depth() == 2;
            let mut message = TextSink { text: &mut line.message, most: MESSAGE_BYTES };
            match grammar.next(bytes, is_message.then_some(&mut message)).map_err(Not::json)? {
                None => return Ok(Step::More),
                Some(Token::LineEnd) => {
                    let step = if self.grammar.at_line_start() {
                        Step::BlankLine
                    } else {
                        Step::Line(self.event(sink)?)
                    };
                    *bytes = &bytes[1..];
                    return Ok(step);
                }
                Some(token) => self.take(token, sink)?,
            }
        }
    }

    /// Whether the next value is an item of what may be a history: `event` may well come behind `data`.
    fn may_be_history(&self) -> bool {
        self.line.items == Items::Open && matches!(self.line.kind, Kind::History | Kind::Missing)
    }

    fn take(&mut self, token: Token, sink: &mut Sink<'_>) -> Result<(), Not> {
        let Self { grammar, line, .. } = self;
        match (grammar.nesting().depth(), token) {
            (1, Token::ObjectBegins) => line.is_object = true,
            (1, Token::Key) => {
                line.key = match grammar.word() {
                    EVENT => Key::Event,
                    DATA => Key::Data,
                    _ => Key::Other,
                };
                if line.key != Key::Other && line.note(line.key as u8) {
                    return Err(Not("an event: it has `event` or `data` twice".into()));
                }
            }
            (1, Token::Text) if line.key == Key::Event => {
                line.kind = match grammar.word() {
                    TURN_START => Kind::TurnStart,
                    ERROR => Kind::Error,
                    HISTORY => Kind::History,
                    SHUTDOWN => Kind::Shutdown,
                    _ => Kind::Other,
                };
            }
            (2, Token::Key) if line.key == Key::Data => {
                line.data_key = match grammar.word() {
                    ITEMS => DataKey::Items,
                    CODE => DataKey::Code,
                    MESSAGE => DataKey::Message,
                    _ => DataKey::Other,
                };
                if line.data_key != DataKey::Other && line.note(line.data_key as u8) {
                    line.repeated = true;
                }
            }
            (2, Token::Text) if line.key == Key::Data => match line.data_key {
                DataKey::Code => {
                    line.code = Some(match grammar.word() {
                        ALREADY_RUNNING => ErrorCode::AlreadyRunning,
                        INTERNAL => ErrorCode::Internal,
                        _ => ErrorCode::Other,
                    });
                }
                DataKey::Message | DataKey::Items | DataKey::Other => {}
            },
            (3, Token::ArrayBegins) if line.key == Key::Data && line.data_key == DataKey::Items => {
                line.items = Items::Open;
                if let Some(items) = sink {
                    items.begin(line.kind == Kind::History);
                }
            }
            (2, Token::Ends) if line.items == Items::Open => line.items = Items::Complete,
            _ => {}
        }
        Ok(())
    }

    /// What the line says, now that it is complete.
    fn event(&mut self, sink: &Sink<'_>) -> Result<Event, Not> {
        let line = &mut self.line;
        Ok(match line.kind {
            Kind::Missing if !line.is_object => return Err(Not("an event: it is not an object".into())),
            Kind::Missing => return Err(Not("an event: it has no `event` that is a string".into())),
            Kind::TurnStart => Event::TurnStart,
            Kind::Shutdown => Event::Shutdown,
            Kind::Other => Event::Other,
            Kind::Error | Kind::History if line.repeated => {
                return Err(Not("an event: its `data` has the same member twice".into()));
            }
            Kind::Error => match line.code {
                Some(code) => Event::Error(PodError { code, message: std::mem::take(&mut line.message) }),
                None => Event::Other,
            },
            Kind::History if sink.is_none() => Event::Other,
            Kind::History if line.items != Items::Complete => {
                return Err(Not("a history: its `data` has no `items` that are an array".into()));
            }
            Kind::History => Event::History,
        })
    }
}

#[cfg(test)]
mod tests;
