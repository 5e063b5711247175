//! Which component is meant: a file of this machine, or what a registry has by a digest.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::component_file;
use super::error::ArtifactError;
use super::fetch::{self, Bounds};
use super::reference::{Reference, SCHEME};
use super::signature;
use super::trust::Trust;

/// A component that is not the bundled one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// With a digest.
    Registry(Reference),
}

/// A component's bytes, believed.
pub struct Believed {
    /// For messages.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Source {
    /// Reads it: what begins with `oci://` is a reference, and whatever else is the name of a file.
    pub fn parse(text: OsString) -> Result<Self, String> {
        match text.to_str().filter(|text| text.starts_with(SCHEME)) {
            None => Ok(Self::File(text.into())),
            Some(text) => {
                let reference: Reference = text.parse()?;
                if reference.digest.is_none() {
                    return Err(ArtifactError::NoDigest { reference: text.to_owned() }.to_string());
                }
                Ok(Self::Registry(reference))
            }
        }
    }

    /// The bytes of it, if they are what they should be.
    pub fn read(&self, bounds: &Bounds, trust: &Trust) -> Result<Believed, ArtifactError> {
        let name = self.to_string();
        let (bytes, signature) = match self {
            Self::File(file) => {
                let bytes = component_file::read(file, bounds.component)?;
                let signature = if trust.asks() { signature::read(&signature::beside(file))? } else { None };
                (bytes, signature)
            }
            Self::Registry(reference) => {
                let fetched = fetch::fetch_once(reference, bounds)?;
                (fetched.component, fetched.signature)
            }
        };
        trust.check(&name, &bytes, signature.as_deref())?;
        Ok(Believed { name, bytes })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}
