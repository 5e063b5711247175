//! One exchange with a pod: what the pod sends, read in pieces and decoded event by event.

use alloc::vec::Vec;

use crate::host::{Error, Host, Reason};
use crate::protocol::decoder::{Decoder, Ending};
use crate::protocol::event::Event;
use crate::protocol::item_sink::Sink;
use crate::protocol::malformed::Malformed;

/// How much is read from a pod at once, in bytes: more than a socket's buffer holds by default.
pub(super) const PIECE_BYTES: u32 = 256 * 1024;

/// The events of an exchange. Dropping it closes the connection.
pub(crate) struct Events<'a, H: Host> {
    host: &'a H,
    exchange: H::Exchange,
    items: Sink<'a>,
    decoder: Decoder,
    /// The bytes that were read last, and how many of them are decoded.
    piece: Vec<u8>,
    decoded: usize,
    /// The pod has closed the connection.
    has_ended: bool,
}

/// What comes next in an exchange.
#[derive(Debug)]
pub(crate) enum Next {
    /// An event.
    Event(Event),
    /// An event whose line lacks its line end: the end of the connection completes it.
    LastEvent(Event),
    /// A line that is not the pod protocol's. The lines behind it can still be read.
    Malformed(Malformed),
    /// The end of the connection.
    End(End),
}

/// Where a connection ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    BetweenLines,
    WithinLine,
}

impl From<End> for Error {
    /// The error of a reader that needs an answer.
    fn from(end: End) -> Self {
        Error::failed(
            Reason::Closed,
            match end {
                End::BetweenLines => "connection closed before response",
                End::WithinLine => "connection closed before response, within a line",
            },
        )
    }
}

impl<'a, H: Host> Events<'a, H> {
    /// The events of an exchange that was opened. The items of a history go to `items`; where there is no
    /// sink, a history is an event like any other.
    pub(crate) fn of(host: &'a H, exchange: H::Exchange, items: Sink<'a>) -> Self {
        Self {
            host,
            exchange,
            items,
            decoder: Decoder::new(),
            piece: Vec::new(),
            decoded: 0,
            has_ended: false,
        }
    }

    /// The next event, read from the pod if it has not arrived. Fails as the host's `read` does.
    pub(crate) fn next(&mut self) -> Result<Next, Error> {
        while !self.has_ended {
            match self.arrived() {
                Some(next) => return Ok(next),
                None => self.read(None)?,
            }
        }
        Ok(self.at_end())
    }

    /// The next event, or malformed line, of the bytes that were read; `None` when they are used up.
    pub(crate) fn arrived(&mut self) -> Option<Next> {
        let mut rest = &self.piece[self.decoded..];
        if rest.is_empty() {
            return None;
        }
        let decoded = self.decoder.next(&mut rest, reborrow(&mut self.items));
        self.decoded = self.piece.len() - rest.len();
        match decoded {
            Ok(Some(event)) => Some(Next::Event(event)),
            Ok(None) => None,
            Err(malformed) => Some(Next::Malformed(malformed)),
        }
    }

    /// Reads the next piece, in place of the one that was read last.
    pub(crate) fn read(&mut self, within_ms: Option<u32>) -> Result<(), Error> {
        // Freed before the next piece comes: one piece is in memory at a time.
        self.piece = Vec::new();
        self.decoded = 0;
        self.piece = self.host.read(&self.exchange, PIECE_BYTES, within_ms)?;
        self.has_ended = self.piece.is_empty();
        Ok(())
    }

    /// The connection.
    pub(crate) fn exchange(&self) -> &H::Exchange {
        &self.exchange
    }

    /// Whether the pod has closed the connection, as far as was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What comes next if the pod sends nothing more.
    pub(crate) fn at_end(&mut self) -> Next {
        match self.decoder.end(reborrow(&mut self.items)) {
            Ok(Ending::Event(event)) => Next::LastEvent(event),
            Ok(Ending::BetweenLines) => Next::End(End::BetweenLines),
            Ok(Ending::WithinLine) => Next::End(End::WithinLine),
            Err(malformed) => Next::Malformed(malformed),
        }
    }
}

/// The same sink, for the time of one call.
fn reborrow<'a>(items: &'a mut Sink<'_>) -> Sink<'a> {
    match items {
        Some(items) => Some(&mut **items),
        None => None,
    }
}
