//! A signed request: who asks which node for what, until when.

use nkeys::KeyPair;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::signed::{sha256, sign, text_of, verify};

const WORD: &str = "request";

/// What is signed of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The caller's public nkey, `U…`.
    pub caller: String,
    /// The node's name.
    pub node: String,
    /// The run of the node that the caller has spoken to: another one does not know what this one did.
    pub instance: String,
    /// The tool's name.
    pub tool: String,
    /// Which of the caller's readers reads, where he has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// No read cursor moves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub peek: bool,
    /// SHA-256 of the input, in hexadecimal digits. [`Request::seal`] sets it.
    pub input_sha256: String,
    /// When it is too late, in milliseconds since 1970.
    pub deadline: u64,
    /// How long it may run, in milliseconds. By the deadline alone, a clock that is ahead would leave it no time.
    pub time: u64,
    /// What tells this request from all others of its caller.
    pub nonce: String,
}

/// What a node accepts.
pub struct Expected<'a> {
    /// The node's name.
    pub node: &'a str,
    /// This run of it.
    pub instance: &'a str,
    /// The caller that the subject names: the one whose place at the server it came from.
    pub caller: &'a str,
    /// Whether that is one with grants here.
    pub known: bool,
    /// The tool that the subject names.
    pub tool: &'a str,
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// By how much clocks may differ, in milliseconds.
    pub skew: u64,
    /// The longest time that a request may have, in milliseconds.
    pub longest: u64,
}

/// A request that was verified. There is no other way to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    request: Request,
    digest: String,
}

impl Verified {
    /// What was signed.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// SHA-256 of the signed text: what an answer names.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// A new nonce: 128 random bits in hexadecimal digits. `None` if the system has no randomness to give.
pub fn nonce() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a text has the form of a nonce: 32 hexadecimal digits.
pub fn is_nonce(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Request {
    /// Signs the request for `input`: the envelope, and the digest that its answer names.
    pub fn seal(mut self, input: &[u8], key: &KeyPair) -> Result<(String, String), Refusal> {
        self.caller = key.public_key();
        self.input_sha256 = sha256(input);
        sign(WORD, &self, key)
    }
}

/// The digest that an answer to this envelope names, whether or not it is one that is accepted: so that a refusal can be
/// told from an answer to something else.
pub fn digest_of(envelope: &str) -> Option<String> {
    text_of(envelope).map(|text| sha256(text.as_bytes()))
}

/// Verifies an envelope and the input that came with it.
pub fn open(envelope: &str, input: &[u8], expected: &Expected<'_>) -> Result<Verified, Refusal> {
    let (request, digest) = verify(WORD, envelope, |request: &Request| request.caller.clone())?;
    if request.caller != expected.caller {
        return Err(Refusal::OtherCaller);
    }
    if !expected.known {
        return Err(Refusal::UnknownCaller { key: request.caller });
    }
    if request.node != expected.node {
        return Err(Refusal::OtherNode { asked: request.node, here: expected.node.to_owned() });
    }
    if request.tool != expected.tool {
        return Err(Refusal::OtherTool { signed: request.tool, asked: expected.tool.to_owned() });
    }
    if request.input_sha256 != sha256(input) {
        return Err(Refusal::Altered);
    }
    if !is_nonce(&request.nonce) {
        return Err(Refusal::Malformed("nonce is not 32 hexadecimal digits"));
    }
    let by = expected.now.saturating_sub(request.deadline);
    if by > expected.skew {
        return Err(Refusal::Late { by, skew: expected.skew });
    }
    let ahead = request.deadline.saturating_sub(expected.now);
    if ahead > expected.longest.saturating_add(expected.skew) {
        return Err(Refusal::Skewed { ahead, longest: expected.longest, skew: expected.skew });
    }
    if request.instance != expected.instance {
        return Err(Refusal::Restarted);
    }
    Ok(Verified { request, digest })
}
