//! A signed answer, in numbered pieces that each fit a server's payload limit.

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
    number: u64,
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

/// Signs `answer` to the request with the digest `request`, in pieces of at most `limit` bytes, head
/// included.
pub fn split(answer: &[u8], request: &str, limit: usize, key: &KeyPair) -> Result<Vec<Piece>, Refusal> {
    let room = limit.checked_sub(LONGEST).filter(|room| *room > 0).ok_or(Refusal::NoRoom { limit })?;
    // An empty answer is one empty piece: silence must not pass for an answer.
    let count = answer.len().div_ceil(room).max(1);
    let piece = |number: usize| {
        let start = number * room;
        let bytes = &answer[start..answer.len().min(start + room)];
        let head = Head {
            node: key.public_key(),
            request: request.to_owned(),
            number: number as u64,
            last: number + 1 == count,
            sha256: sha256(bytes),
        };
        Ok(Piece { head: sign(WORD, &head, key)?.0, bytes: bytes.to_vec() })
    };
    (0..count).map(piece).collect()
}

/// An answer as its pieces come in.
pub struct Assembly {
    node: String,
    request: String,
    most: usize,
    next: u64,
    bytes: Vec<u8>,
    done: bool,
}

impl Assembly {
    /// Awaits the answer of the node with the public key `node` to the request with the digest `request`, of
    /// at most `most` bytes.
    pub fn new(node: &str, request: &str, most: usize) -> Self {
        let (node, request) = (node.to_owned(), request.to_owned());
        Self { node, request, most, next: 0, bytes: Vec::new(), done: false }
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
        if head.number < self.next {
            return Ok(None);
        }
        if self.done || head.number > self.next {
            return Err(Refusal::Unexpected("one before it is missing"));
        }
        if piece.bytes.len() > self.most - self.bytes.len() {
            return Err(Refusal::TooLong { most: self.most });
        }
        self.bytes.extend_from_slice(&piece.bytes);
        self.next += 1;
        self.done = head.last;
        Ok(self.done.then(|| std::mem::take(&mut self.bytes)))
    }
}
