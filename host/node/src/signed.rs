//! A text and the signature over it. What is signed is the text as it was sent, so that no two readings of
//! one signature exist; a word before it keeps a request's signature from passing as an answer's.

use base64::{Engine, engine::general_purpose::STANDARD};
use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::refusal::Refusal;

/// The longest envelope that is read, in bytes.
pub(crate) const LONGEST: usize = 2048;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    text: String,
    signature: String,
}

pub(crate) fn sign<T: Serialize>(word: &str, body: &T, key: &KeyPair) -> Result<(String, String), Refusal> {
    let text = serde_json::to_string(body).map_err(|_| Refusal::Malformed("cannot be written"))?;
    let signature = key.sign(&message(word, &text)).map_err(|_| Refusal::CannotSign)?;
    let digest = sha256(text.as_bytes());
    let envelope = serde_json::to_string(&Signed { text, signature: STANDARD.encode(signature) })
        .map_err(|_| Refusal::Malformed("cannot be written"))?;
    if envelope.len() > LONGEST {
        return Err(Refusal::Malformed("longer than 2048 bytes"));
    }
    Ok((envelope, digest))
}

/// The body, once the key that `whose` finds in it has been found to have signed it; and the digest of its
/// text.
pub(crate) fn verify<T: for<'a> Deserialize<'a>>(
    word: &str,
    envelope: &str,
    whose: impl Fn(&T) -> String,
) -> Result<(T, String), Refusal> {
    if envelope.len() > LONGEST {
        return Err(Refusal::Malformed("longer than 2048 bytes"));
    }
    let signed: Signed =
        serde_json::from_str(envelope).map_err(|_| Refusal::Malformed("not a signed text"))?;
    let signature =
        STANDARD.decode(&signed.signature).map_err(|_| Refusal::Malformed("signature is not base64"))?;
    let body: T =
        serde_json::from_str(&signed.text).map_err(|_| Refusal::Malformed("not the fields of this kind"))?;
    let key = whose(&body);
    let pair = KeyPair::from_public_key(&key).map_err(|_| Refusal::Malformed("key is not a public nkey"))?;
    // Only users call and answer: an account's or an operator's key signs other things.
    if pair.key_pair_type() != KeyPairType::User {
        return Err(Refusal::Malformed("key is not a user's"));
    }
    pair.verify(&message(word, &signed.text), &signature).map_err(|_| Refusal::Forged { key })?;
    Ok((body, sha256(signed.text.as_bytes())))
}

/// The text that is signed, unverified.
pub(crate) fn text_of(envelope: &str) -> Option<String> {
    if envelope.len() > LONGEST {
        return None;
    }
    serde_json::from_str(envelope).ok().map(|Signed { text, .. }| text)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn message(word: &str, text: &str) -> Vec<u8> {
    format!("pods.v1 {word}\n{text}").into_bytes()
}
