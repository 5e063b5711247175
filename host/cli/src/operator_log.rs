//! Which log lines are the operator's alone: a client that could hear them would learn where its grants are
//! written.

/// The target of such lines. They go to standard error, and to no client.
pub const OPERATOR: &str = "pod_tools::operator";
