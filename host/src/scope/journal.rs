//! The file beside the table that lets the next process finish what a killed one began.
//!
//! Three parts: a checksum of the rest in hexadecimal digits and a newline, the digest of the table as it was
//! and a newline, and the new table. It is written before the table is touched and removed when the table is
//! whole again, both under the lock.

use xxhash_rust::xxh3::xxh3_128;

/// How long a digest is, with its newline.
const DIGEST: usize = 33;

/// What a change was about to do.
pub(super) struct Journal<'a> {
    old_digest: &'a [u8],
    new: &'a [u8],
}

/// What is to be done about a journal that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The change was not begun, or is complete.
    Drop,
    /// The table was torn while it was rewritten: write it again.
    Finish,
    /// A process that knows no journal has written since. Its table stands; what it may have lost to a torn
    /// one is to be added.
    Merge,
}

/// The journal of a change from the text of that [`digest`] to a new one.
pub(super) fn encode(old_digest: &[u8], new: &[u8]) -> Vec<u8> {
    let mut body = [old_digest, new].concat();
    let mut bytes = digest(&body);
    bytes.append(&mut body);
    bytes
}

impl<'a> Journal<'a> {
    /// Reads a journal; `None` where it is not whole.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (checksum, body) = bytes.split_at_checked(DIGEST)?;
        let (old_digest, new) = body.split_at_checked(DIGEST)?;
        (checksum == digest(body)).then_some(Self { old_digest, new })
    }

    /// The digest of the table as it was.
    pub(super) fn old_digest(&self) -> &'a [u8] {
        self.old_digest
    }

    /// The table that was to be.
    pub(super) fn new_text(&self) -> &'a [u8] {
        self.new
    }

    /// Compares with the table as it was found.
    pub(super) fn judge(&self, table: &[u8]) -> Verdict {
        if table == self.new || digest(table) == self.old_digest {
            Verdict::Drop
        } else if self.new.starts_with(table) {
            Verdict::Finish
        } else {
            Verdict::Merge
        }
    }
}

/// A text's digest, with its newline.
pub(super) fn digest(bytes: &[u8]) -> Vec<u8> {
    format!("{:032x}\n", xxh3_128(bytes)).into_bytes()
}
