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
use crate::item::NotJson;
use crate::scan::ValueScan;
use crate::text::Shown;

/// How much of a faulty line its error shows, in bytes.
const EXCERPT_BYTES: usize = 48;

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
    /// Its first kilobyte or so, unescaped.
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

/// Takes the items of a history, each in one or more pieces.
pub(crate) trait ItemSink {
    /// Items follow, from the first one; whatever was given before was not of the history.
    fn begin(&mut self);
    /// Bytes of the current item; `end`: the last ones. Fails when the item is not JSON.
    fn item(&mut self, bytes: &[u8], end: bool) -> Result<(), NotJson>;
}

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
    /// The history item that has begun, and where in the line it did.
    item: Option<(ValueScan, u64)>,
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
    message: Option<String>,
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

/// What is wrong with a line: it is not this. Where: in the byte that comes next, or in another one.
struct Fault {
    what: String,
    at: Option<u64>,
}

impl Fault {
    fn not(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: None }
    }

    fn not_json(why: &str) -> Self {
        Self::not(format!("JSON: {why}"))
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
            item: None,
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
        items: Option<&mut dyn ItemSink>,
    ) -> Result<Option<Event>, Malformed> {
        let mut sink = Sink(items);
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
            let step = self.step(piece, &mut sink);
            self.offset += (before - piece.len()) as u64;
            match step {
                Ok(Step::More) => return Ok(None),
                Ok(Step::BlankLine) => self.begin_line(),
                Ok(Step::Line(event)) => {
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
    pub(crate) fn end(&mut self, items: Option<&mut dyn ItemSink>) -> Result<Ending, Malformed> {
        if self.skipping || self.grammar.at_line_start() {
            return Ok(Ending::BetweenLines);
        }
        if !self.grammar.at_line_end() {
            return Ok(Ending::WithinLine);
        }
        Ok(self.next(&mut b"\n".as_slice(), items)?.map_or(Ending::BetweenLines, Ending::Event))
    }

    fn begin_line(&mut self) {
        self.grammar.reset();
        self.line = Line::default();
        self.item = None;
        self.offset = 0;
        self.beginning.clear();
        self.skipping = false;
    }

    fn malformed(&self, Fault { what, at }: Fault) -> Malformed {
        let at = at.unwrap_or(self.offset);
        // Up to the fault only: what was seen of the line behind it depends on how the stream is cut.
        let seen = self.beginning.iter().zip(0..=at).map(|(&byte, _)| byte).collect::<Vec<u8>>();
        let beginning = String::from_utf8_lossy(&seen);
        let beginning = beginning.trim_end_matches(char::REPLACEMENT_CHARACTER).into();
        Malformed { what, at, beginning }
    }

    /// Goes on to the line's end, or to the end of the bytes.
    fn step(&mut self, bytes: &mut &[u8], sink: &mut Sink<'_>) -> Result<Step, Fault> {
        let total = bytes.len();
        loop {
            if let Some((scan, start)) = &mut self.item {
                match scan.feed(bytes) {
                    Ok(None) => {
                        sink.item(std::mem::take(bytes), false, *start)?;
                        return Ok(Step::More);
                    }
                    Ok(Some(end)) => {
                        let item;
                        (item, *bytes) = bytes.split_at(end);
                        sink.item(item, true, *start)?;
                        self.item = None;
                        self.grammar.skip_value();
                    }
                    Err((at, fault)) => {
                        *bytes = &bytes[at..];
                        return Err(Fault::not_json(fault));
                    }
                }
            }
            if self.in_items() && sink.0.is_some() {
                while let [b' ' | b'\t' | b'\r', rest @ ..] = bytes {
                    *bytes = rest;
                }
                if bytes.first().is_some_and(|&byte| self.grammar.value_begins_with(byte)) {
                    let start = self.offset + (total - bytes.len()) as u64;
                    self.item = Some((ValueScan::within(self.grammar.nesting()), start));
                    continue;
                }
            }
            match self.grammar.next(bytes).map_err(Fault::not_json)? {
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
    fn in_items(&self) -> bool {
        self.line.items == Items::Open && matches!(self.line.kind, Kind::History | Kind::Missing)
    }

    fn take(&mut self, token: Token, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let Self { grammar, line, .. } = self;
        let text = || grammar.text();
        match (grammar.nesting().depth(), token) {
            (1, Token::ObjectBegins) => line.is_object = true,
            (1, Token::Key) => {
                line.key = match text().as_deref() {
                    Some("event") => Key::Event,
                    Some("data") => Key::Data,
                    _ => Key::Other,
                };
                if line.key != Key::Other && line.note(line.key as u8) {
                    return Err(Fault::not("an event: it has `event` or `data` twice"));
                }
            }
            (1, Token::Text) if line.key == Key::Event => {
                line.kind = match text().as_deref() {
                    Some("turn_start") => Kind::TurnStart,
                    Some("error") => Kind::Error,
                    Some("history") => Kind::History,
                    Some("shutdown") => Kind::Shutdown,
                    _ => Kind::Other,
                };
            }
            (2, Token::Key) if line.key == Key::Data => {
                line.data_key = match text().as_deref() {
                    Some("items") => DataKey::Items,
                    Some("code") => DataKey::Code,
                    Some("message") => DataKey::Message,
                    _ => DataKey::Other,
                };
                if line.data_key != DataKey::Other && line.note(line.data_key as u8) {
                    line.repeated = true;
                }
            }
            (2, Token::Text) if line.key == Key::Data => match line.data_key {
                DataKey::Code => {
                    line.code = Some(match text().as_deref() {
                        Some("already_running") => ErrorCode::AlreadyRunning,
                        Some("internal") => ErrorCode::Internal,
                        _ => ErrorCode::Other,
                    });
                }
                DataKey::Message => line.message = Some(grammar.beginning()),
                DataKey::Items | DataKey::Other => {}
            },
            (3, Token::ArrayBegins) if line.key == Key::Data && line.data_key == DataKey::Items => {
                line.items = Items::Open;
                if let Some(sink) = &mut sink.0 {
                    sink.begin();
                }
            }
            (2, Token::Ends) if line.items == Items::Open => line.items = Items::Complete,
            _ => {}
        }
        Ok(())
    }

    /// What the line says, now that it is complete.
    fn event(&mut self, sink: &Sink<'_>) -> Result<Event, Fault> {
        let line = &mut self.line;
        Ok(match line.kind {
            Kind::Missing if !line.is_object => return Err(Fault::not("an event: it is not an object")),
            Kind::Missing => return Err(Fault::not("an event: it has no `event` that is a string")),
            Kind::TurnStart => Event::TurnStart,
            Kind::Shutdown => Event::Shutdown,
            Kind::Other => Event::Other,
            Kind::Error | Kind::History if line.repeated => {
                return Err(Fault::not("an event: its `data` has the same member twice"));
            }
            Kind::Error => match line.code {
                Some(code) => {
                    Event::Error(PodError { code, message: line.message.take().unwrap_or_default() })
                }
                None => Event::Other,
            },
            Kind::History if sink.0.is_none() => Event::Other,
            Kind::History if line.items != Items::Complete => {
                return Err(Fault::not("a history: its `data` has no `items` that are an array"));
            }
            Kind::History => Event::History,
        })
    }
}

/// The sink, if there is one, and the words for its errors.
struct Sink<'a>(Option<&'a mut dyn ItemSink>);

impl Sink<'_> {
    fn item(&mut self, bytes: &[u8], end: bool, start: u64) -> Result<(), Fault> {
        match &mut self.0 {
            Some(sink) => sink
                .item(bytes, end)
                .map_err(|NotJson { why, at }| Fault { at: Some(start + at as u64), ..Fault::not_json(why) }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
