//! The text of one call's answer, as it is handed over in pieces.

use super::context::PodCtx;
use crate::authority::Authority;
use crate::authority::limits::LimitReached;

/// What a call has handed over so far, taken out of its context so that a piece can be copied straight from where the
/// plugin has it.
pub(crate) struct Growing {
    text: String,
    most: usize,
    authority: Authority,
}

impl Growing {
    /// Appends a piece, where the answer may have that much.
    pub(crate) fn append(&mut self, piece: &str) -> Result<(), LimitReached> {
        if piece.len() > self.most.saturating_sub(self.text.len()) {
            return Err(LimitReached::Transfer(self.most));
        }
        self.authority.count_answer(piece.len())?;
        self.text.push_str(piece);
        Ok(())
    }
}

impl PodCtx {
    /// The content, to be appended to and [kept](Self::keep_content). Counted, as every call of a host function is.
    pub(crate) fn growing_content(&mut self) -> wasmtime::Result<Growing> {
        self.count()?;
        let (authority, most) = (self.authority().clone(), self.limits().transfer);
        Ok(Growing { text: self.take_content(), most, authority })
    }

    /// Keeps the content that was appended to.
    pub(crate) fn keep_content(&mut self, grown: Growing) {
        self.content = grown.text;
    }
}
