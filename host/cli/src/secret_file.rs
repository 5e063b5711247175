//! Files with a secret: read only where nobody else could have read or written them.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, ensure};

/// The content of a file, of at most so many bytes. `what` it is, for messages.
pub fn read(path: &Path, what: &str, limit: u64) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    // Without waiting for a writer, should it be a FIFO.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .with_context(|| format!("the {what} {shown} cannot be opened"))?;
    let metadata = file.metadata().with_context(|| format!("the {what} {shown} cannot be examined"))?;
    ensure!(metadata.is_file(), "the {what} {shown} is not a regular file");
    let mode = metadata.mode() & 0o777;
    Reader::this_process()?.check(metadata.uid(), metadata.gid(), mode, &what, &shown)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("the {what} {shown} cannot be read"))?;
    ensure!(bytes.len() as u64 <= limit, "the {what} {shown} has more than {limit} bytes; name another");
    Ok(bytes)
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
    fn check(
        &self,
        owner: u32,
        group: u32,
        mode: u32,
        what: &impl Display,
        shown: &impl Display,
    ) -> anyhow::Result<()> {
        ensure!(owner == self.user || owner == 0, "the {what} {shown} belongs to user {owner}, not to you");
        let for_group = if owner == 0 && self.groups.contains(&group) { 0o040 } else { 0 };
        ensure!(
            mode & 0o077 & !for_group == 0,
            "the {what} {shown} can be read or written by others (mode {mode:03o}): {}",
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
    use super::*;

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
            reader.check(owner, group, mode, &"token", &"file").unwrap();
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
            reader.check(owner, group, mode, &"token", &"file").unwrap_err();
        }
    }
}
