//! Signatures of components: ECDSA over P-256 with SHA-256, of the component's bytes and nothing else, as
//! `cosign sign-blob --key` and `openssl dgst -sha256 -sign` make them and the same programs check them.
//!
//! Not within the component (as `wasmsign2` does it): signed by whoever, the plugin has the digest of the bundled one,
//! also inside of a composition. Not a second artifact, nor a bundle of sigstore: what goes with the manifest goes
//! with it to every mirror, and is there where a file is checked with no registry at hand; a bundle adds to the same
//! signature what an offline key has not, a certificate and an entry in a public log.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use super::error::ArtifactError;
use crate::secret_file;

/// Of a key's file, and of a signature's.
const MAX_FILE: u64 = 16 << 10;
/// What comes before the point in the DER of a P-256 public key: that it is one.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// How keys are made, for `--help` and errors.
pub const MAKE_KEYS: &str = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem && \
                             openssl pkey -in key.pem -pubout -out key.pub";

/// The key that signs.
pub struct SigningKey(EcdsaKeyPair);

/// The key by which signatures are known.
#[derive(Debug, Clone)]
pub struct VerifyKey {
    point: Vec<u8>,
    path: PathBuf,
}

impl SigningKey {
    /// Reads it: PKCS #8 in PEM, of a file that nobody else can read.
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let failed = |why: String| ArtifactError::Key { path: path.to_owned(), why };
        let pem = secret_file::read(path, "signing key", MAX_FILE)
            .map_err(|error| ArtifactError::Secret(format!("{error:#}")))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| failed(not_pkcs8(&pem)))?;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der(), &random);
        pair.map(Self).map_err(|_| failed(format!("is not one of ECDSA over P-256; make one: {MAKE_KEYS}")))
    }

    /// The signature of a component, in Base64.
    pub fn sign(&self, component: &[u8]) -> anyhow::Result<String> {
        let signature = self.0.sign(&SystemRandom::new(), component);
        Ok(STANDARD.encode(signature.map_err(|_| anyhow::anyhow!("this system gives no random numbers"))?))
    }
}

/// Why a key is none that signs.
fn not_pkcs8(pem: &[u8]) -> String {
    let text = String::from_utf8_lossy(pem);
    if text.contains("BEGIN EC PRIVATE KEY") {
        return "is in an older format; `openssl pkcs8 -topk8 -nocrypt -in FILE -out key.pem` writes it anew"
            .into();
    }
    if text.contains("BEGIN ENCRYPTED") {
        return format!(
            "is encrypted, and is not asked for; sign with what can decrypt it (`cosign sign-blob --key`) and name the \
             signature with --signature, or make another: {MAKE_KEYS}"
        );
    }
    format!("is no private key in PEM (PKCS #8); make one: {MAKE_KEYS}")
}

impl VerifyKey {
    /// Reads it: a public key in PEM, of a file that nobody else can write to, since what it says is believed.
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let failed = |why: String| ArtifactError::Key { path: path.to_owned(), why };
        let cannot = |error: std::io::Error| failed(format!("cannot be read: {error}"));
        let (file, exposure) = pod_tools_host::open_with_exposure(path).map_err(cannot)?;
        if !file.metadata().map_err(cannot)?.is_file() {
            return Err(failed("is not a regular file; name the file of a public key".into()));
        }
        if let Some(exposure) = exposure {
            return Err(failed(format!("is not believed: {exposure}")));
        }
        let mut pem = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut pem).map_err(cannot)?;
        let is_private = || {
            <(SectionKind, Vec<u8>)>::from_pem_slice(&pem)
                .is_ok_and(|(kind, _)| kind == SectionKind::PrivateKey)
        };
        let key = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_| {
            failed(if is_private() {
                "is the private one; give the public one: openssl pkey -in FILE -pubout".into()
            } else {
                format!("is no public key in PEM; make a pair: {MAKE_KEYS}")
            })
        })?;
        match key.strip_prefix(&P256) {
            Some(point) if point.len() == 65 => Ok(Self { point: point.to_vec(), path: path.to_owned() }),
            _ => Err(failed(format!("is not one of ECDSA over P-256; make a pair: {MAKE_KEYS}"))),
        }
    }

    /// Fails where the signature is not this key's of that component.
    pub fn verify(&self, what: &str, component: &[u8], signature: Option<&str>) -> Result<(), ArtifactError> {
        let signature = signature.ok_or_else(|| ArtifactError::NoSignature { what: what.to_owned() })?;
        let decoded = STANDARD.decode(signature.trim()).map_err(|_| ArtifactError::BadSignature {
            what: what.to_owned(),
            why: "it is not in Base64".to_owned(),
        })?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        key.verify(component, &decoded).map_err(|_| ArtifactError::WrongSignature {
            what: what.to_owned(),
            key: self.path.display().to_string(),
        })
    }
}

/// Where the signature of a component in a file is: beside it, in a file with `.sig` behind the name.
pub fn beside(component: &Path) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// The signature in a file, in Base64; `None` where there is no file.
pub fn read(path: &Path) -> Result<Option<String>, ArtifactError> {
    let failed = |why: String| ArtifactError::File { path: path.to_owned(), why };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    if !file.metadata().map_err(|error| failed(error.to_string()))?.is_file() {
        return Err(failed("it is no regular file".into()));
    }
    let mut text = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut text).map_err(|error| failed(error.to_string()))?;
    // What is not ASCII is not Base64, and found to be none when it is decoded.
    Ok(Some(String::from_utf8_lossy(&text).trim().to_owned()))
}
