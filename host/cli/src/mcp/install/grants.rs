//! The grants of an agent whose operator has named none: a file of his own, which lists and reads.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::grants_file::GrantsFile;
use crate::options::{HostOptions, SetUpError};

/// What the file says when it is made.
const TEXT: &str = "\
# What agents may do with pods: those whose entry names this file. A running server follows it.
# `pod-tools grants check FILE` says what it allows; `pod-tools grants check --help`, what may stand here.
grants = [\"list,read\"]
";

/// Where the grants are.
#[derive(Debug)]
pub enum Grants {
    /// The options say them, or a file that they name.
    Given,
    /// In this file, which is there.
    Found(PathBuf),
    /// In this one, which is not there yet.
    ToBeMade(PathBuf),
}

impl Grants {
    /// Looks where they are, and whether a file that has them can be used. `own` is the operator's own
    /// directory.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file.
    pub fn of(host: &HostOptions, own: &Path) -> anyhow::Result<Self> {
        if !host.grants_everything() {
            host.grants_file().map(check).transpose()?;
            return Ok(Self::Given);
        }
        let file = own.join("grants.toml");
        if let Err(error) = fs::symlink_metadata(&file)
            && error.kind() == io::ErrorKind::NotFound
        {
            return Ok(Self::ToBeMade(file));
        }
        check(&file)?;
        Ok(Self::Found(file))
    }

    /// The file, where it is not named by the options.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Given => None,
            Self::Found(file) | Self::ToBeMade(file) => Some(file),
        }
    }

    /// What is to be written by hand, if the file is to be made.
    pub fn by_hand(&self) -> String {
        match self {
            Self::ToBeMade(file) => {
                format!("and this into {}, for you alone to write (chmod 600):\n{TEXT}", file.display())
            }
            Self::Given | Self::Found(_) => String::new(),
        }
    }

    /// Makes the file, if it is to be made.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be, or would not be believed there.
    pub fn make(&self) -> anyhow::Result<()> {
        let Self::ToBeMade(file) = self else { return Ok(()) };
        let directory = file.parent().unwrap_or(Path::new("/"));
        let made = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            // For the user alone, as temporary files are.
            let mut new = tempfile::NamedTempFile::new_in(directory)?;
            new.write_all(TEXT.as_bytes())?;
            new.persist_noclobber(file).map(drop).map_err(|error| error.error)
        };
        match made() {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                anyhow::bail!("{} cannot be made: {error}", file.display())
            }
            _ => check(file),
        }
    }
}

fn check(file: &Path) -> anyhow::Result<()> {
    Ok(GrantsFile::read(file).and_then(|found| found.refuse_callers()).map_err(SetUpError::from)?)
}
