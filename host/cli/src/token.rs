//! The token that clients must show: read from a file that nobody else can read, compared in a time
//! that does not tell how much of a guess was right.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, ensure};
use subtle::ConstantTimeEq;

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
        let mode = metadata.mode() & 0o777;
        Reader::this_process()?.check(metadata.uid(), metadata.gid(), mode, &shown)?;
        let mut text = String::new();
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .with_context(|| format!("the token file {shown} cannot be read"))?;
        let token = text.trim();
        ensure!(
            text.len() as u64 <= MAX_BYTES
                && LENGTH.contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_graphic()),
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

/// Who reads a file: a user in groups.
struct Reader {
    user: u32,
    groups: Vec<u32>,
}

impl Reader {
    fn this_process() -> anyhow::Result<Self> {
        let groups =
            rustix::process::getgroups().context("the groups of this process cannot be asked for")?;
        let groups = groups.into_iter().chain([rustix::process::getegid()]).map(|group| group.as_raw());
        Ok(Self { user: rustix::process::geteuid().as_raw(), groups: groups.collect() })
    }

    /// Fails where others than this reader and root could have written the file, or read it: root's file may
    /// be readable by a group of this reader's, which is how a secret is mounted for one who is not root.
    fn check(&self, owner: u32, group: u32, mode: u32, shown: &impl Display) -> anyhow::Result<()> {
        ensure!(
            owner == self.user || owner == 0,
            "the token file {shown} belongs to user {owner}, not to you"
        );
        let for_group = if owner == 0 && self.groups.contains(&group) { 0o040 } else { 0 };
        ensure!(
            mode & 0o077 & !for_group == 0,
            "the token file {shown} can be read or written by others (mode {mode:03o}): {}",
            if owner == self.user {
                format!("chmod 600 {shown}")
            } else {
                format!("its mode must be 440 with a group of yours, or 400; its group is {group}")
            }
        );
        Ok(())
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
    fn a_group_may_read_what_is_roots_and_nothing_else() {
        let us = Reader { user: 1000, groups: vec![1000, 2000] };
        let root = Reader { user: 0, groups: vec![0] };
        for (reader, owner, group, mode) in [
            (&us, 1000, 1000, 0o600),
            (&us, 1000, 5, 0o400),
            (&us, 0, 1000, 0o440),
            (&us, 0, 2000, 0o640),
            (&root, 0, 0, 0o440),
        ] {
            reader.check(owner, group, mode, &"file").unwrap();
        }
        for (reader, owner, group, mode) in [
            (&us, 1000, 1000, 0o640),
            (&us, 0, 5, 0o440),
            (&us, 0, 1000, 0o444),
            (&us, 0, 1000, 0o404),
            (&us, 0, 1000, 0o460),
            (&us, 0, 1000, 0o450),
            (&us, 1001, 1000, 0o440),
            (&root, 0, 5, 0o440),
            (&root, 1000, 0, 0o400),
        ] {
            reader.check(owner, group, mode, &"file").unwrap_err();
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
