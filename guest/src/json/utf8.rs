//! UTF-8 that arrives in pieces, cut anywhere.

/// The check of one text: it holds the bytes of a character that is cut.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    cut: [u8; 4],
    length: u8,
}

impl Utf8 {
    /// Whether no character is cut.
    pub(super) fn is_complete(self) -> bool {
        self.length == 0
    }

    /// Takes the next bytes and hands on the whole characters. Fails with the place of the first byte that
    /// cannot stand where it does.
    pub(super) fn take(&mut self, bytes: &[u8], mut emit: impl FnMut(&str)) -> Result<(), usize> {
        let mut at = 0;
        while !self.is_complete() && at < bytes.len() {
            if !self.takes(bytes[at], &mut emit) {
                return Err(at);
            }
            at += 1;
        }
        let rest = &bytes[at..];
        let fault = match simdutf8::compat::from_utf8(rest) {
            Ok(text) => {
                emit(text);
                return Ok(());
            }
            Err(fault) => fault,
        };
        let (valid, cut) = rest.split_at(fault.valid_up_to());
        emit(str::from_utf8(valid).unwrap_or_default());
        at += valid.len();
        // A character that is cut, or bytes that are none.
        for &byte in cut {
            if !self.takes(byte, &mut emit) {
                return Err(at);
            }
            at += 1;
        }
        Ok(())
    }

    /// Takes the next byte of a character that is cut; `false` if the byte cannot stand there.
    fn takes(&mut self, byte: u8, emit: impl FnOnce(&str)) -> bool {
        let length = usize::from(self.length) + 1;
        self.cut[length - 1] = byte;
        match str::from_utf8(&self.cut[..length]) {
            Ok(character) => {
                emit(character);
                self.length = 0;
                true
            }
            Err(fault) if fault.error_len().is_some() => false,
            Err(_) => {
                self.length += 1;
                true
            }
        }
    }
}
