//! Why an envelope was refused.

/// Why a request or an answer was refused. Nothing was done for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no envelope, or a longer one than is read.
    #[error("envelope not understood: {0}; caller and node must be of one version")]
    Malformed(&'static str),
    /// The signature is not that of the key that the envelope names.
    #[error("signature is not that of `{key}`: forged, or altered on its way")]
    Forged {
        /// The public key that the envelope names.
        key: String,
    },
    /// The input is not the one that was signed.
    #[error("input is not the one that was signed: altered on its way")]
    Altered,
    /// The caller's key is not one that this node grants anything.
    #[error("caller `{key}` is not known here; give it a `[[caller]]` in this node's file of grants")]
    UnknownCaller {
        /// The caller's public key.
        key: String,
    },
    /// The request is for another node.
    #[error("request is for node `{asked}`, and this is `{here}`")]
    OtherNode {
        /// The node that the request names.
        asked: String,
        /// The node that refuses.
        here: String,
    },
    /// The request is for another tool than the subject on which it came.
    #[error("request is for tool `{signed}`, and came as one for `{asked}`")]
    OtherTool {
        /// The tool that was signed.
        signed: String,
        /// The tool that the subject names.
        asked: String,
    },
    /// The subject names another caller than the one who has signed.
    #[error("request came on the subject of another caller than the one who has signed it")]
    OtherCaller,
    /// The request was made for an earlier run of this node.
    #[error("node was restarted and does not know whether this was done; look before you ask again")]
    Restarted,
    /// The deadline is past, by more than clocks may differ.
    #[error(
        "request came {by} ms after its deadline; clocks may differ by {skew} ms here (`pod-tools node --skew`): set the clocks"
    )]
    Late {
        /// Milliseconds since the deadline.
        by: u64,
        /// The skew that the node allows, in milliseconds.
        skew: u64,
    },
    /// The deadline is further off than any may be: the clocks differ, or the caller asks for too much time.
    #[error(
        "deadline is {ahead} ms off, at most {longest}, and clocks may differ by {skew} ms here (`pod-tools node \
         --skew`): set the clocks, or ask for less time"
    )]
    Skewed {
        /// Milliseconds until the deadline.
        ahead: u64,
        /// The longest time that a request may have, in milliseconds.
        longest: u64,
        /// The skew that the node allows, in milliseconds.
        skew: u64,
    },
    /// There is no answer to that request that could have been delivered.
    #[error("node knows no answer that was delivered with this; its text will be given again")]
    Forgotten,
    /// The nonce was used for another request.
    #[error("nonce was used for another request; make a new one for each")]
    NonceReused,
    /// The caller has as many requests in memory as it may.
    #[error(
        "caller has {most} requests in memory, the most there may be; wait until their deadlines are past"
    )]
    TooMany {
        /// How many a caller may have.
        most: usize,
    },
    /// A piece of an answer is not the next one, or not of this request.
    #[error("piece of an answer is not the one awaited: {0}")]
    Unexpected(&'static str),
    /// The answer is longer than the caller reads.
    #[error("answer is longer than {most} bytes")]
    TooLong {
        /// The most bytes that are read.
        most: usize,
    },
    /// A server's limit leaves no room for an answer.
    #[error("payload limit of {limit} bytes leaves no room for an answer; raise `max_payload` of the server")]
    NoRoom {
        /// The server's limit in bytes.
        limit: usize,
    },
    /// This side's own key cannot sign.
    #[error("own key cannot sign; give its seed, not its public part")]
    CannotSign,
}

impl Refusal {
    /// Whether whoever carries a request can bring this about for a request that is good: by altering a copy of it, or
    /// where it comes from. Then it says nothing of the request itself, which may have come in another message.
    pub fn is_of_the_way(&self) -> bool {
        matches!(
            self,
            Self::Malformed(_)
                | Self::Forged { .. }
                | Self::Altered
                | Self::OtherTool { .. }
                | Self::OtherCaller
        )
    }
}
