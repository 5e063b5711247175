//! The token that clients must show: read from a file that nobody else can read, compared in a time
//! that does not tell how much of a guess was right.

use std::path::Path;

use anyhow::{Context, ensure};
use subtle::ConstantTimeEq;

use crate::secret_file;

/// Fewer characters can be guessed, more are none that a person has made.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=4096;
/// Of the file, with the white space around the token.
const MAX_BYTES: u64 = 8192;

/// A token.
pub struct Token(Vec<u8>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads it: one line of visible characters.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let bytes = secret_file::read(path, "token file", MAX_BYTES)?;
        let text =
            String::from_utf8(bytes).with_context(|| format!("the token file {shown} cannot be read"))?;
        let token = text.trim();
        ensure!(
            LENGTH.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()),
            "the token file {shown} must hold one line of {} to {} visible ASCII characters; \
             `openssl rand -hex 32` makes a good one",
            LENGTH.start(),
            LENGTH.end()
        );
        Ok(Self(token.as_bytes().to_vec()))
    }

    /// This one.
    #[cfg(test)]
    pub fn of(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    /// Whether both are the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is(&other.0)
    }

    /// Whether it is this one, in a time that tells no more than whether it is as long.
    pub fn is(&self, shown: &[u8]) -> bool {
        shown.ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_its_remedy() {
        for mode in [0o644, 0o660, 0o602] {
            let (_directory, path) = file(TOKEN, mode);
            let error = Token::read(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "short", "two words that are long enough", "0123456789abcdef\n0123456789abcdef\n"] {
            let (_directory, path) = file(text, 0o600);
            Token::read(&path).unwrap_err();
        }
        Token::read(Path::new("/dev/null")).unwrap_err();
        Token::read(Path::new("/nonexistent")).unwrap_err();
    }

    #[test]
    fn only_the_whole_token_counts() {
        let (_directory, path) = file(&format!("{TOKEN}\n"), 0o600);
        let token = Token::read(&path).unwrap();
        assert!(token.is(TOKEN.as_bytes()));
        for other in ["", &TOKEN[1..], &TOKEN[..31], &format!("{TOKEN}0"), &TOKEN.to_uppercase()] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
    }
}
