//! Whose signatures count, and for what: every component but the bundled one, which is part of this program and as
//! trustworthy as it is.

use std::path::Path;

use super::error::ArtifactError;
use super::signature::VerifyKey;

/// What is asked of a component before it is believed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    key: Option<VerifyKey>,
    required: bool,
}

impl Trust {
    /// With a key, components must be signed by it. That signatures are `required` refuses all of them where there is
    /// no key: nobody is let in because a key was forgotten.
    pub fn new(key: Option<&Path>, required: bool) -> Result<Self, ArtifactError> {
        Ok(Self { key: key.map(VerifyKey::read).transpose()?, required })
    }

    /// Something is asked.
    pub fn asks(&self) -> bool {
        self.required || self.key.is_some()
    }

    /// Fails where the component is not to be believed. `signature` is in Base64. Whether a signature was checked.
    pub fn check(
        &self,
        what: &str,
        component: &[u8],
        signature: Option<&str>,
    ) -> Result<bool, ArtifactError> {
        match &self.key {
            Some(key) => key.verify(what, component, signature).map(|()| true),
            None if self.required => Err(ArtifactError::NoVerifyKey { what: what.to_owned() }),
            None => Ok(false),
        }
    }
}
