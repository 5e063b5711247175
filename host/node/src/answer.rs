//! A signed answer, in pieces that each fit a server's payload limit and say where in it they stand. A place counts
//! bytes, not pieces: the limit may be another one when a part is sent again.

use nkeys::KeyPair;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::signed::{LONGEST, sha256, sign, verify};

const WORD: &str = "answer";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    node: String,
    request: String,
    start: usize,
    last: bool,
    sha256: String,
}

/// A piece: its signed head and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The envelope.
    pub head: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// How many bytes of an answer fit into a message of at most `limit` bytes, its head included.
fn room(limit: usize) -> Result<usize, Refusal> {
    limit.checked_sub(LONGEST).filter(|room| *room > 0).ok_or(Refusal::NoRoom { limit })
}

/// Signs the piece from `start` on of `answer` to the request with the digest `request`, of at most `limit` bytes,
/// head included. `None` behind the end; an empty answer is one empty piece: silence must not pass for an answer.
pub fn piece(
    answer: &[u8],
    start: usize,
    request: &str,
    limit: usize,
    key: &KeyPair,
) -> Result<Option<Piece>, Refusal> {
    let room = room(limit)?;
    if start > answer.len() || (start == answer.len() && start > 0) {
        return Ok(None);
    }
    let end = answer.len().min(start + room);
    let bytes = &answer[start..end];
    let head = Head {
        node: key.public_key(),
        request: request.to_owned(),
        start,
        last: end == answer.len(),
        sha256: sha256(bytes),
    };
    Ok(Some(Piece { head: sign(WORD, &head, key)?.0, bytes: bytes.to_vec() }))
}

/// An answer as its pieces come in.
pub struct Assembly {
    node: String,
    request: String,
    most: usize,
    bytes: Vec<u8>,
    done: bool,
}

impl Assembly {
    /// Awaits the answer of the node with the public key `node` to the request with the digest `request`, of
    /// at most `most` bytes.
    pub fn new(node: &str, request: &str, most: usize) -> Self {
        let (node, request) = (node.to_owned(), request.to_owned());
        Self { node, request, most, bytes: Vec::new(), done: false }
    }

    /// How many bytes there are already: where the piece begins that is awaited.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Awaits another answer to the same request in the place of what has come.
    pub fn begin_again(&mut self) {
        self.bytes.clear();
        self.done = false;
    }

    /// Takes the next piece; the whole answer with the last. A piece that was taken already changes nothing.
    pub fn take(&mut self, piece: &Piece) -> Result<Option<Vec<u8>>, Refusal> {
        let (head, _) = verify(WORD, &piece.head, |head: &Head| head.node.clone())?;
        if head.node != self.node {
            return Err(Refusal::Unexpected("signed by another node"));
        }
        if head.request != self.request {
            return Err(Refusal::Unexpected("of another request"));
        }
        if head.sha256 != sha256(&piece.bytes) {
            return Err(Refusal::Altered);
        }
        if head.start < self.bytes.len() || self.done {
            return Ok(None);
        }
        if head.start > self.bytes.len() {
            return Err(Refusal::Unexpected("one before it is missing"));
        }
        if piece.bytes.len() > self.most - self.bytes.len() {
            return Err(Refusal::TooLong { most: self.most });
        }
        self.bytes.extend_from_slice(&piece.bytes);
        self.done = head.last;
        Ok(self.done.then(|| std::mem::take(&mut self.bytes)))
    }
}
