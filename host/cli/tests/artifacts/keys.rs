//! Key pairs, in the files in which `pod-tools` takes them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// What is before the point in a public key of P-256, in DER.
const HEAD: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";

/// The files of a pair.
pub struct Keys {
    pub private: PathBuf,
    pub public: PathBuf,
}

/// A new pair in that directory.
pub fn make(directory: &Path, name: &str) -> Keys {
    let random = SystemRandom::new();
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref(), &random).unwrap();
    let mut public = STANDARD.decode(HEAD).unwrap();
    // Its first byte is in the head already.
    public.extend(&pair.public_key().as_ref()[1..]);
    let keys = Keys {
        private: directory.join(format!("{name}.pem")),
        public: directory.join(format!("{name}.pub")),
    };
    fs::write(&keys.private, pem("PRIVATE KEY", private.as_ref())).unwrap();
    fs::write(&keys.public, pem("PUBLIC KEY", &public)).unwrap();
    fs::set_permissions(&keys.private, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&keys.public, Permissions::from_mode(0o644)).unwrap();
    keys
}

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}
