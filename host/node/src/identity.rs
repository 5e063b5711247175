//! Who a caller or a node is: a key pair of a user of NATS, from the file with which it also logs in at the server.

use std::fmt;
use std::sync::Arc;

use async_nats::ConnectOptions;
use nkeys::{KeyPair, KeyPairType};

/// What stands before the token in a file of credentials.
const TOKEN: &str = "-----BEGIN NATS USER JWT-----";

/// A key pair, and the server's token for it where there is one.
#[derive(Clone)]
pub struct Identity {
    key: Arc<KeyPair>,
    credentials: Option<String>,
}

/// A text that is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There is no seed of a user in it.
    #[error("has no seed of a user (`SU…`); `pod-tools node --new-key FILE` makes one")]
    NoSeed,
    /// There is more than one.
    #[error("has more than one seed; leave the one that is meant")]
    Several,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public_key())
    }
}

impl Identity {
    /// A new one.
    pub fn new() -> Self {
        Self { key: Arc::new(KeyPair::new_user()), credentials: None }
    }

    /// Reads a file: a seed on a line of its own, or the file of credentials (`.creds`) that an operator of NATS gives out.
    ///
    /// # Errors
    ///
    /// Fails where it holds no seed of a user, or several.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let mut pairs = text.lines().filter_map(|line| {
            let pair = KeyPair::from_seed(line.trim()).ok()?;
            (pair.key_pair_type() == KeyPairType::User).then_some(pair)
        });
        let key = pairs.next().ok_or(IdentityError::NoSeed)?;
        if pairs.next().is_some() {
            return Err(IdentityError::Several);
        }
        let credentials = text.contains(TOKEN).then(|| text.to_owned());
        Ok(Self { key: Arc::new(key), credentials })
    }

    /// The public key, `U…`.
    pub fn public_key(&self) -> String {
        self.key.public_key()
    }

    /// The seed: the secret.
    pub fn seed(&self) -> Option<String> {
        self.key.seed().ok()
    }

    /// With which it signs.
    pub(crate) fn key(&self) -> &KeyPair {
        &self.key
    }

    /// With which it logs in.
    pub(crate) fn options(&self) -> std::io::Result<ConnectOptions> {
        match (&self.credentials, self.key.seed()) {
            (Some(credentials), _) => ConnectOptions::with_credentials(credentials),
            (None, Ok(seed)) => Ok(ConnectOptions::with_nkey(seed)),
            (None, Err(error)) => Err(std::io::Error::other(error.to_string())),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a text is the public key of a user.
pub fn is_public_key(text: &str) -> bool {
    KeyPair::from_public_key(text).is_ok_and(|pair| pair.key_pair_type() == KeyPairType::User)
}
