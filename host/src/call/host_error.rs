//! How a host function fails: with an error that the guest is given, or by ending the call; and the error of a call that
//! has ended that way.

use wasmtime::component::ResourceTableError;

use crate::authority::limits::{LimitReached, Limits};
use crate::error::ToolError;
use crate::registry::RegistryError;

/// A host function's failure.
#[derive(Debug)]
pub enum HostError {
    /// The guest is given this error, and may go on.
    Value(ToolError),
    /// The call ends here: the guest misbehaved or reached a limit on its own conduct.
    Trap(wasmtime::Error),
}

/// What host functions return.
pub(crate) type HostResult<T> = Result<T, HostError>;

impl From<ToolError> for HostError {
    fn from(error: ToolError) -> Self {
        Self::Value(error)
    }
}

impl From<RegistryError> for HostError {
    fn from(error: RegistryError) -> Self {
        Self::Value(error.into())
    }
}

impl From<wasmtime::Error> for HostError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<ResourceTableError> for HostError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl From<HostError> for ToolError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Value(error) => error,
            HostError::Trap(trap) => match trap.downcast_ref::<LimitReached>() {
                Some(limit) => (*limit).into(),
                None => Self::internal(format!("{trap:#}")),
            },
        }
    }
}

/// The limit that a trap tells of, if it does.
pub(crate) fn limit_of(trap: &wasmtime::Error, limits: &Limits) -> Option<LimitReached> {
    match trap.downcast_ref() {
        Some(ResourceTableError::Full) => Some(LimitReached::Handles(limits.handles)),
        _ => trap.downcast_ref().copied(),
    }
}

/// The error of what a trap has ended: the limit that was reached, else `what` has become of it, and why.
pub(crate) fn ended_by(trap: &wasmtime::Error, limits: &Limits, what: &str) -> ToolError {
    match limit_of(trap, limits) {
        Some(limit) => limit.into(),
        None => ToolError::internal(format!("{what}: {}", trap.root_cause())),
    }
}
