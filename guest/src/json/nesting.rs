//! The brackets that are open at some place in a JSON text.

/// How many brackets may be open at once. `serde_json` draws the same line, one level earlier.
const MAX_DEPTH: u32 = 128;

/// The open brackets, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nesting {
    /// The lowest bit is the innermost bracket; set for `[`.
    arrays: u128,
    depth: u32,
}

impl Nesting {
    /// How many brackets are open.
    pub(crate) fn depth(self) -> u32 {
        self.depth
    }

    /// Whether the innermost bracket is `[`.
    pub(crate) fn in_array(self) -> bool {
        self.arrays & 1 == 1
    }

    /// Opens a bracket. Fails with what is wrong.
    pub(crate) fn open(&mut self, bracket: u8) -> Result<(), &'static str> {
        if self.depth == MAX_DEPTH {
            return Err("it nests deeper than 128 levels");
        }
        self.depth += 1;
        self.arrays = self.arrays << 1 | u128::from(bracket == b'[');
        Ok(())
    }

    /// Closes the innermost bracket, which must be of the same kind. Fails with what is wrong.
    pub(crate) fn close(&mut self, bracket: u8) -> Result<(), &'static str> {
        if self.depth == 0 || self.in_array() != (bracket == b']') {
            return Err("a bracket closes what was not opened");
        }
        self.depth -= 1;
        self.arrays >>= 1;
        Ok(())
    }
}
