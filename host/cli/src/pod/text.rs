//! Text out of a byte stream that comes in pieces: whole characters as they complete, and the end of a stream.

/// Decodes UTF-8 that is cut anywhere. What is not UTF-8 becomes U+FFFD, one for each broken sequence.
#[derive(Debug, Default)]
pub struct Utf8Stream {
    /// The beginning of a character, at most three bytes.
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// The characters that these bytes complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let joined: Vec<u8>;
        let mut rest = if self.pending.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.pending)[..], bytes].concat();
            &joined
        };
        let mut text = String::with_capacity(rest.len());
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => error,
            };
            let (valid, broken) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            match error.error_len() {
                Some(length) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &broken[length..];
                }
                None => {
                    self.pending = broken.to_vec();
                    return text;
                }
            }
        }
    }

    /// What is left at the end of the stream: a character that was never completed.
    pub fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.pending).is_empty() { "" } else { "\u{fffd}" }
    }
}

/// The last bytes of a stream.
#[derive(Debug)]
pub struct Tail {
    limit: usize,
    bytes: Vec<u8>,
}

impl Tail {
    /// Keeps the last `limit` bytes.
    pub fn new(limit: usize) -> Tail {
        Tail { limit, bytes: Vec::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let excess = self.bytes.len().saturating_sub(self.limit);
        self.bytes.drain(..excess);
    }

    /// The bytes as text, without the piece of a character at which they may begin.
    pub fn text(&self) -> String {
        let cut = self.bytes.iter().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count();
        String::from_utf8_lossy(&self.bytes[cut..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> String {
        let mut stream = Utf8Stream::default();
        let mut text: String = pieces.iter().map(|piece| stream.push(piece)).collect();
        text.push_str(stream.finish());
        text
    }

    #[test]
    fn text_is_the_same_wherever_it_is_cut() {
        let text = "a é € 🦀 z";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let bytes = text.as_bytes();
                assert_eq!(decode(&[&bytes[..first], &bytes[first..second], &bytes[second..]]), text);
            }
        }
    }

    #[test]
    fn broken_sequences_become_replacement_characters_wherever_they_are_cut() {
        let bytes = b"a\xff\xe2\x82b\xf0\x9f";
        let whole = String::from_utf8_lossy(bytes);
        for cut in 0..=bytes.len() {
            assert_eq!(decode(&[&bytes[..cut], &bytes[cut..]]), whole);
        }
    }

    #[test]
    fn a_tail_keeps_the_end_and_begins_with_a_whole_character() {
        let mut tail = Tail::new(6);
        tail.push(b"lost");
        tail.push("xé€ok".as_bytes());
        assert_eq!(tail.text(), "€ok");
    }
}
