//! Four tools with which an agent talks to the pods that it has spawned: ListPods, SendToPod, ReadPodOutput
//! and StopPod. Compiled for `wasm32-wasip2`, this crate is a component of the world in `wit/`; it keeps no
//! state, and can do nothing but what its host does for it.
//!
//! Everything that a tool needs from a host is in one trait, [`Host`]. The component implements it over its
//! imports; natively anything can:
//!
//! ```
//! use pod_tools_guest::host::Host;
//! use pod_tools_guest::{Output, call, definitions};
//!
//! /// Calls every tool that needs no arguments.
//! fn look_around<H: Host>(host: &H) -> Vec<Output> {
//!     let lookers = definitions().iter().filter(|tool| tool.effects.idempotent);
//!     lookers.filter_map(|tool| call(host, tool.name, "{}").ok()).collect()
//! }
//! ```
//!
//! The rooms of the crate. A room uses only rooms that are named before it:
//!
//! - [`host`]: the trait and its types; `escape`: how text is shown that a pod or a spawner chose
//! - `json`: a streaming decoder of JSON
//! - `protocol`: the pod protocol: the events of an exchange, and a history and what of it is unread
//! - `tools`: one module a tool, and one for the conversation as a document
//! - `definitions`: the tools as a model sees them
//! - `component`: the imports and exports of the component; `runtime`: its memory, and its panics

#![cfg_attr(not(test), no_std)]

extern crate alloc;

#[cfg(target_family = "wasm")]
mod component;
mod definitions;
mod escape;
pub mod host;
mod json;
mod protocol;
#[cfg(target_family = "wasm")]
mod runtime;
mod tools;

use alloc::format;
use alloc::vec::Vec;

pub use definitions::{Definition, Effects, definitions};
use host::{Error, ErrorKind, Host};
pub use tools::{Document, Output};

/// Calls a tool. `input_json` is a JSON text; the empty text, `null` and `{}` all mean "no arguments".
///
/// # Errors
///
/// `unknown-tool`, `invalid-argument`, and whatever the tool ran into; see `wit/` for kinds and reasons.
pub fn call<H: Host>(host: &H, name: &str, input_json: &str) -> Result<Output, Error> {
    match name {
        definitions::LIST_PODS => tools::list::call(host),
        definitions::SEND_TO_POD => tools::send::call(host, input_json),
        definitions::READ_POD_OUTPUT => tools::read::call(host, input_json),
        definitions::WAIT_FOR_PODS => tools::wait_for_pods::call(host, input_json),
        definitions::STOP_POD => tools::stop::call(host, input_json),
        _ => {
            let names: Vec<&str> = definitions().iter().map(|tool| tool.name).collect();
            let known = names.join(", ");
            let message = format!("no tool named `{}`; there are: {known}", escape::excerpt(name, 100));
            Err(Error { kind: ErrorKind::UnknownTool, reason: None, message })
        }
    }
}

/// The whole conversation with the pod of that name, as a document. Moves no cursor.
///
/// # Errors
///
/// As ReadPodOutput, and `unreachable` where the pod is stopped.
pub fn transcript<H: Host>(host: &H, name: &str) -> Result<Document, Error> {
    tools::transcript::call(host, name)
}
