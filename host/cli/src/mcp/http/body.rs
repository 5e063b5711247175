//! A request's body, held as far as it may be, and as far as there is room for all of them; of a longer one no more is
//! known than the ids in it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::input_lines::Scan;
use crate::mcp::ids::IdScanner;

/// Bytes of each body that are held in any case.
const OWN: usize = 64 << 10;
/// What longer ones may have together, in bodies of the greatest size.
const LONGER: usize = 16;
/// The pieces in which that is counted.
const PIECE: usize = 1 << 10;

/// The room for all bodies that are longer than most.
#[derive(Debug)]
pub struct Uploads {
    pieces: Arc<Semaphore>,
    limit: usize,
}

impl Uploads {
    /// Of bodies of at most so many bytes.
    pub fn new(limit: usize) -> Self {
        let pieces = limit.div_ceil(PIECE).saturating_mul(LONGER).min(u32::MAX as usize);
        Self { pieces: Arc::new(Semaphore::new(pieces)), limit }
    }

    /// A body that begins to come; to be empty unless it `may_have_bytes`.
    pub fn begin(&self, may_have_bytes: bool) -> Upload {
        let limit = if may_have_bytes { self.limit } else { 0 };
        Upload { limit, held: BytesMut::new(), state: State::Held, room: None, pieces: self.pieces.clone() }
    }
}

/// What has come of a body so far.
#[derive(Debug)]
pub struct Upload {
    limit: usize,
    held: BytesMut,
    state: State,
    room: Option<OwnedSemaphorePermit>,
    pieces: Arc<Semaphore>,
}

#[derive(Debug)]
enum State {
    Held,
    /// It is longer than it may be: what was seen of it.
    TooLong(IdScanner),
    /// Others have all the room: what was seen of it.
    NoRoom(IdScanner),
}

/// A body that has come.
#[derive(Debug)]
pub enum Body {
    /// All of it, and its room, to be kept until it is parsed.
    Whole(Bytes, Option<OwnedSemaphorePermit>),
    /// Longer than it may be.
    TooLong(IdScanner),
    /// Longer than most, and others have the room for that.
    NoRoom(IdScanner),
}

impl Upload {
    /// Reads to the end.
    pub async fn receive(&mut self, mut body: Incoming) -> hyper::Result<()> {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                self.take(&data);
            }
        }
        Ok(())
    }

    fn take(&mut self, data: &[u8]) {
        if let State::TooLong(scanner) | State::NoRoom(scanner) = &mut self.state {
            return scanner.scan(data);
        }
        let is_too_long = data.len() > self.limit - self.held.len();
        if !is_too_long && self.has_room(self.held.len() + data.len()) {
            return self.held.extend_from_slice(data);
        }
        let mut scanner = IdScanner::default();
        scanner.scan(&std::mem::take(&mut self.held));
        scanner.scan(data);
        self.room = None;
        self.state = if is_too_long { State::TooLong(scanner) } else { State::NoRoom(scanner) };
    }

    /// Takes what is lacking to hold so many bytes.
    fn has_room(&mut self, bytes: usize) -> bool {
        let wanted = bytes.saturating_sub(OWN).div_ceil(PIECE);
        let lacking = wanted.saturating_sub(self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if lacking == 0 {
            return true;
        }
        let more = u32::try_from(lacking).ok().map(|more| self.pieces.clone().try_acquire_many_owned(more));
        let Some(Ok(more)) = more else { return false };
        match &mut self.room {
            Some(room) => room.merge(more),
            None => self.room = Some(more),
        }
        true
    }

    /// What has come.
    pub fn end(self) -> Body {
        match self.state {
            State::Held => Body::Whole(self.held.freeze(), self.room),
            State::TooLong(scanner) => Body::TooLong(scanner),
            State::NoRoom(scanner) => Body::NoRoom(scanner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_bodies_share_their_room_and_short_ones_never_lack_theirs() {
        let uploads = Uploads::new(2 * OWN);
        let full = [0; 2 * OWN];
        let mut long: Vec<Upload> = (0..2 * LONGER + 1).map(|_| uploads.begin(true)).collect();
        for upload in &mut long {
            upload.take(&full[..OWN]);
            upload.take(&full[OWN..]);
        }
        // Each takes its own bytes besides.
        let (last, held) = long.split_last_mut().unwrap();
        assert!(held.iter().all(|upload| matches!(upload.state, State::Held)));
        assert!(matches!(last.state, State::NoRoom(_)));
        let mut short = uploads.begin(true);
        short.take(&full[..OWN]);
        assert!(matches!(short.end(), Body::Whole(body, None) if body.len() == OWN));
        long.clear();
        let mut again = uploads.begin(true);
        again.take(&full);
        assert!(matches!(again.end(), Body::Whole(_, Some(_))));
        let mut longer = uploads.begin(true);
        longer.take(&full);
        longer.take(b" ");
        assert!(matches!(longer.end(), Body::TooLong(_)));
        let mut none = uploads.begin(false);
        none.take(b" ");
        assert!(matches!(none.end(), Body::TooLong(_)));
    }
}
