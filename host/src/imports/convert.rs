//! The contract's types and this crate's own, into one another.

use super::bindings::pod::tools::{pods, types as wit, unix_socket};
use crate::authority::grant::Verb;
use crate::authority::operation::Operation;
use crate::error::{ErrorKind, Reason, ToolError};

/// Maps an enum from and to the contract's, whose variants have the same names. One that is missing here does not
/// compile.
macro_rules! same_names {
    ($name:ident { $($variant:ident),* $(,)? }) => {
        impl From<wit::$name> for $name {
            fn from(wit: wit::$name) -> Self {
                match wit { $(wit::$name::$variant => Self::$variant,)* }
            }
        }

        impl From<$name> for wit::$name {
            fn from(own: $name) -> Self {
                match own { $($name::$variant => Self::$variant,)* }
            }
        }
    };
}

same_names!(ErrorKind { InvalidArgument, ExecutionFailed, UnknownTool, Denied, Timeout, Limit, Internal });

same_names!(Reason {
    UnknownPod,
    AlreadyRunning,
    Unreachable,
    SocketTimeout,
    Closed,
    Protocol,
    PodError,
    StillRunning,
    LockBusy,
    LockDamaged,
    RegistryDamaged,
    StateUnwritable,
    DescriptorsExhausted,
    NotGranted,
    SocketRefused,
});

impl From<wit::Error> for ToolError {
    fn from(error: wit::Error) -> Self {
        Self::new(error.kind.into(), error.reason.map(Reason::from), error.message)
    }
}

impl From<ToolError> for wit::Error {
    fn from(error: ToolError) -> Self {
        Self { kind: error.kind.into(), reason: error.reason.map(Into::into), message: error.message }
    }
}

impl From<pods::Verb> for Verb {
    fn from(verb: pods::Verb) -> Self {
        match verb {
            pods::Verb::List => Self::List,
            pods::Verb::Send => Self::Send,
            pods::Verb::Read => Self::Read,
            pods::Verb::Stop => Self::Stop,
        }
    }
}

/// A request as the operation that sends it, and the text that goes with it.
pub(super) fn operation(request: unix_socket::Request) -> (Operation, Option<String>) {
    match request {
        unix_socket::Request::Run(input) => (Operation::SendMessage, Some(input)),
        unix_socket::Request::GetHistory => (Operation::ReadOutput, None),
        unix_socket::Request::Shutdown => (Operation::StopPod, None),
        unix_socket::Request::Listen => (Operation::ListenToPod, None),
    }
}
