//! Places in a text: where something in a file is wrong.

use serde::Serialize;

/// A place in the file. Both count from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    const START: Self = Self { line: 1, column: 1 };

    /// The place behind these bytes, which begin here.
    fn behind(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |Self { line, column }, byte| match byte {
            b'\n' => Self { line: line + 1, column: 1 },
            // In UTF-8 what begins otherwise goes on with a character.
            0x80..0xc0 => Self { line, column },
            _ => Self { line, column: column + 1 },
        })
    }
}

/// The places in a text. To find one takes as long in a long file, or a long line, as in a short one: as many are asked
/// for as there are rules.
pub struct Positions<'a> {
    bytes: &'a [u8],
    /// Where each block of the file begins.
    blocks: Vec<Position>,
}

/// Bytes of a block: as many are counted for a place, at most.
const BLOCK: usize = 256;

impl<'a> Positions<'a> {
    /// Of this text.
    pub fn of(bytes: &'a [u8]) -> Self {
        let mut blocks = vec![Position::START];
        blocks.extend(bytes.chunks_exact(BLOCK).scan(Position::START, |at, block| {
            *at = at.behind(block);
            Some(*at)
        }));
        Self { bytes, blocks }
    }

    /// Of the byte at `offset`.
    pub fn at(&self, offset: usize) -> Position {
        let (block, rest) = self.near(offset);
        block.behind(rest)
    }

    /// The beginning of its block, and what lies between.
    fn near(&self, offset: usize) -> (Position, &'a [u8]) {
        let offset = offset.min(self.bytes.len());
        let block = offset / BLOCK;
        (self.blocks[block], &self.bytes[block * BLOCK..offset])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "ä = 1\n# é ü\n\tx\n".as_bytes();
        let places = Positions::of(text);
        let at = |offset| {
            let Position { line, column } = places.at(offset);
            (line, column)
        };
        assert_eq!(
            [at(0), at(2), at(7), at(text.len() - 2), at(text.len())],
            [(1, 1), (1, 2), (2, 1), (3, 2), (4, 1)]
        );
        // What lies behind the end lies at the end.
        assert_eq!(at(1000), (4, 1));
    }

    #[test]
    fn a_place_is_found_by_counting_a_block_and_no_more() {
        // Characters of two bytes, which blocks cut; in one line, and in many.
        for text in ["aé".repeat(1000), "é\nb".repeat(1000), "x".repeat(2 * BLOCK)] {
            let places = Positions::of(text.as_bytes());
            for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
                assert!(places.near(offset).1.len() < BLOCK);
                let before = &text[..offset];
                let line = before.rfind('\n').map_or(before, |end| &before[end + 1..]);
                let counted =
                    Position { line: 1 + before.matches('\n').count(), column: 1 + line.chars().count() };
                assert_eq!(places.at(offset), counted, "{offset}");
            }
        }
    }
}
