//! The events of a pod that the tools look at.

use alloc::string::String;

use crate::escape::excerpt;

/// How much of a pod's error is quoted, in characters.
const QUOTED_CHARACTERS: usize = 200;

/// An event, as far as the tools look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A turn has begun; any client may have started it.
    TurnStart,
    /// The pod answers one of its clients with an error.
    Error(PodError),
    /// A history; its items have been given to the `ItemSink`.
    History(Beside),
    /// A run has ended.
    RunEnd(RunResult),
    /// The pod has something to say to people: that it asks one of them, among others.
    Notification,
    /// The pod shuts down.
    Shutdown,
    /// Any other event.
    Other,
}

/// What a pod tells beside its history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// What it asks a person, where it does: its first kilobyte.
    pub(crate) asked: Option<String>,
    /// How many bytes of text the run that goes on has said so far, where one goes on and the pod says it.
    pub(crate) streamed: Option<u64>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RunResult {
    /// It is finished; so is one of a result that is not known.
    #[default]
    Finished,
    /// It waits for somebody.
    Paused,
    /// It reached a limit.
    LimitReached,
}

impl RunResult {
    /// Why the run failed, if it did.
    pub(crate) fn failed(self) -> Option<&'static str> {
        match self {
            Self::LimitReached => Some("too long: it reached its limit"),
            Self::Finished | Self::Paused => None,
        }
    }
}

/// An error that a pod sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodError {
    pub(crate) code: ErrorCode,
    /// The first kilobyte of the pod's message.
    pub(crate) message: String,
}

/// The codes that make a difference to the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    AlreadyRunning,
    ProviderError,
    Internal,
    Other,
}

impl PodError {
    /// Whether the pod says that it does not know the request. Errors go to all clients of a pod, so no other
    /// error of code `internal` can be told from the answer to another client.
    pub(crate) fn is_invalid_method(&self) -> bool {
        self.code == ErrorCode::Internal && self.message.starts_with("invalid method")
    }

    /// Why a turn failed, where the error says that one did. Native pods tell it so, and nowhere else.
    pub(crate) fn failed_turn(&self) -> Option<&str> {
        match (self.code, self.message.as_str()) {
            (ErrorCode::ProviderError, message) => Some(message),
            (ErrorCode::Internal, "Cancelled") => Some("cancelled"),
            _ => None,
        }
    }

    /// The message as an error of ours quotes it: on one line, and not longer than an excerpt.
    pub(crate) fn quoted(&self) -> String {
        excerpt(&self.message, QUOTED_CHARACTERS)
    }
}
