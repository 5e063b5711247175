//! The policy in one place: every operation that a plugin can ask its host for, what it is called, the verbs of which
//! one allows it, and the line that it sends to a pod.

use std::fmt;

use serde::{Serialize, Serializer};

use super::grant::Verb;

/// What a plugin asks its host for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// To be given the pods that a `list` grant covers.
    ListPods,
    /// To be given a handle to a pod of a name, for listing.
    FindPod,
    /// To be given a handle to a pod for sending, and to send it a message.
    SendMessage,
    /// To be given a handle to a pod for reading, to read its history, its read cursor, and to move that.
    ReadOutput,
    /// To be given a handle to a pod for stopping, and to shut it down.
    StopPod,
    /// To listen to what a pod tells all its clients.
    ListenToPod,
    /// To read a pod's state.
    ReadState,
    /// To learn whether a pod's socket takes connections.
    ProbeSocket,
    /// To wait until a pod's socket takes no connections.
    AwaitClosed,
    /// To release a pod's allocation.
    ReleaseScope,
    /// To release the allocations of dead processes.
    ReclaimScope,
    /// To be told what a pod has spawned, and to be given handles to that.
    FindSpawned,
    /// To remove a pod's record.
    ForgetPod,
    /// To be told the name and the scope in the record of a pod that the plugin holds a handle to.
    DescribePod,
    /// To read on in an exchange that is open, or to wait for several.
    ReadOn,
}

/// What the table says of an operation.
struct Row {
    words: &'static str,
    verbs: &'static [Verb],
    method: Option<&'static str>,
}

/// An operation that sends a pod nothing.
const fn row(words: &'static str, verbs: &'static [Verb]) -> Row {
    Row { words, verbs, method: None }
}

/// An operation with a request that sends a pod this method.
const fn request(words: &'static str, verbs: &'static [Verb], method: &'static str) -> Row {
    Row { words, verbs, method: Some(method) }
}

impl Operation {
    /// The table.
    const fn row(self) -> Row {
        use Verb::{List, Read, Send, Stop};
        match self {
            Self::ListPods => row("listing pods", &[List]),
            Self::FindPod => row("finding it", &[List]),
            Self::SendMessage => request("sending a message", &[Send], "run"),
            Self::ReadOutput => request("reading its output", &[Read], "get_history"),
            Self::StopPod => request("stopping it", &[Stop], "shutdown"),
            Self::ListenToPod => row("listening to it", &[Read]),
            Self::ReadState => row("reading its state", &[Read, Send]),
            Self::ProbeSocket => row("probing its socket", &[List]),
            Self::AwaitClosed => row("awaiting its end", &[Stop]),
            Self::ReleaseScope => row("releasing its scope", &[Stop]),
            Self::ReclaimScope => row("reclaiming stale scope", &[List]),
            Self::FindSpawned => row("finding what it spawned", &[Stop]),
            Self::ForgetPod => row("forgetting it", &[Stop]),
            // The handle is the leave: it was given out for one of the verbs above.
            Self::DescribePod => row("describing it", &[]),
            Self::ReadOn => row("reading on", &[]),
        }
    }

    /// The name of the operation in messages to people and in audit logs, as in "sending a message".
    pub const fn as_str(self) -> &'static str {
        self.row().words
    }

    /// The verbs of which one allows the operation. None: holding the handle allows it, and nothing is recorded.
    pub const fn verbs(self) -> &'static [Verb] {
        self.row().verbs
    }

    /// The method that is sent to the pod: the protocol's word for it.
    pub(crate) const fn method(self) -> Option<&'static str> {
        self.row().method
    }

    /// To be given a handle to a pod for what that verb stands for.
    pub(crate) const fn find_for(purpose: Verb) -> Self {
        match purpose {
            Verb::List => Self::FindPod,
            Verb::Send => Self::SendMessage,
            Verb::Read => Self::ReadOutput,
            Verb::Stop => Self::StopPod,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_finds_pods_for_an_operation_that_this_verb_alone_allows() {
        for verb in Verb::ALL {
            assert_eq!(Operation::find_for(verb).verbs(), [verb]);
        }
    }
}
