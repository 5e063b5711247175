//! The fault of bytes that are not JSON.

/// Why some bytes are not JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson {
    pub(crate) why: &'static str,
    /// The first byte that cannot stand where it does, counted from the start of the bytes.
    pub(crate) at: usize,
}

impl NotJson {
    /// The fault's place in bytes that begin so many earlier.
    pub(crate) fn behind(self, bytes: usize) -> Self {
        Self { at: bytes + self.at, ..self }
    }
}
