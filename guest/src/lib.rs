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
//! Where what is: [`host`] the trait and its types; `definitions` the tools as a model sees them; `tools` one
//! module a tool, and one for the conversation as a document, with `input`, `quoted` and `text` for what goes in and
//! comes out; `event`, `grammar` and `string` the pod protocol, decoded out of pieces of any size; `transcript`, `item`
//! and `scan` a history and what of it is new, with `marks` and `digest` to be fast; `component` the glue to the
//! imports and exports.

#[cfg(target_family = "wasm")]
mod component;
mod definitions;
mod digest;
mod event;
mod grammar;
pub mod host;
mod input;
mod item;
mod marks;
mod object;
mod quoted;
mod scan;
mod string;
mod text;
mod tools;
mod transcript;

pub use definitions::{Definition, Effects, definitions};
use host::{Error, ErrorKind, Host};
pub use tools::Output;
pub use tools::transcript::Document;

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
        definitions::STOP_POD => tools::stop::call(host, input_json),
        _ => {
            let names: Vec<&str> = definitions().iter().map(|tool| tool.name).collect();
            let known = names.join(", ");
            let message = format!("no tool named `{}`; there are: {known}", text::excerpt(name, 100));
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
