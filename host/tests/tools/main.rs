//! The four tools, from the outside: through the component, against fake pods on real sockets, a real registry
//! and a real scope lock. Rows are those of the list of what the native tools get wrong.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod descriptors;
mod grants;
mod ledger;
mod list_pods;
mod odd_records;
mod read_cursor;
mod read_pod_output;
#[path = "../support/remedy.rs"]
mod remedy;
mod replaced;
mod send_to_pod;
mod sockets;
mod stop_pod;
mod support;
mod transcript;
mod vectors;
