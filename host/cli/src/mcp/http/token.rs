//! The bearer token that clients must show: read from a file that nobody else can read, compared in a time
//! that does not tell how much of a guess was right.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, ensure};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

/// Fewer characters can be guessed, more are none that a person has made.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=4096;

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
        // Without waiting for a writer, should it be a FIFO.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .with_context(|| format!("the token file {shown} cannot be opened"))?;
        let metadata =
            file.metadata().with_context(|| format!("the token file {shown} cannot be examined"))?;
        ensure!(metadata.is_file(), "the token file {shown} is not a regular file");
        let us = rustix::process::geteuid().as_raw();
        ensure!(
            metadata.uid() == us || metadata.uid() == 0,
            "the token file {shown} belongs to user {}, not to you",
            metadata.uid()
        );
        ensure!(
            metadata.mode() & 0o077 == 0,
            "the token file {shown} can be read or written by others (mode {:03o}): chmod 600 {shown}",
            metadata.mode() & 0o777
        );
        let mut text = String::new();
        file.take(2 * *LENGTH.end() as u64)
            .read_to_string(&mut text)
            .with_context(|| format!("the token file {shown} cannot be read"))?;
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

    /// Whether a request shows it.
    pub fn is_shown_by(&self, headers: &HeaderMap) -> bool {
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let (Some(shown), None) = (shown.next(), shown.next()) else { return false };
        let Some((scheme, token)) = shown.as_bytes().split_at_checked("Bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(token.trim_ascii().ct_eq(&self.0))
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
        for mode in [0o644, 0o640, 0o602] {
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
        let shown = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            token.is_shown_by(&headers)
        };
        assert!(shown(&[&format!("Bearer {TOKEN}")]));
        assert!(shown(&[&format!("bearer {TOKEN}")]));
        let twice = format!("Bearer {TOKEN}");
        for refused in [
            &[][..],
            &["Bearer "],
            &["Bearer"],
            &[TOKEN],
            &[&format!("Bearer {TOKEN}0")],
            &[&format!("Bearer {}", &TOKEN[1..])],
            &[&format!("Basic {TOKEN}")],
            &[&*twice, &*twice],
        ] {
            assert!(!shown(refused), "{refused:?}");
        }
    }
}
