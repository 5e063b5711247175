//! A [wasmtime] host for the pod tools plugin.
//!
//! An agent's sub-agents, "pods", listen on Unix sockets. The plugin, a WebAssembly component, gives the
//! agent's model the tools to talk to them: ListPods, SendToPod, ReadPodOutput, StopPod, WaitForPods. This crate gives
//! the plugin what it was granted, and nothing else: pods by name, verbs, directories, within limits.
//!
//! ```no_run
//! use pod_tools_host::{Authority, PodTools};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tools = PodTools::bundled()?;
//! let authority = Authority::builder()
//!     .allow_sockets("/run/user/1000/insomnia")
//!     .runtime_dir("/run/user/1000/insomnia/me")
//!     .scope_lock("/run/user/1000/insomnia/scope.lock")
//!     .grant("list,read:build-*".parse()?)
//!     .build()?;
//! let answer = tools.call(&authority, "ReadPodOutput", r#"{"name":"build-7"}"#).await?;
//! println!("{}", answer.output().summary);
//! answer.delivered().await?; // only now does the read cursor move
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! - [`Authority`]: what a plugin may reach; built from [`Grant`]s, [`Limits`], directories, a [`registry`]
//!   and the scope lock. An empty one allows nothing.
//! - [`PodTools`]: a loaded plugin. One fresh instance a call.
//! - [`Ledger`]: what a call has asked for and was given, for audit logs.
//! - [`PodCtx`], [`PodView`], [`add_to_linker`]: the same for runtimes that bring their own wasmtime.
//! - [`gateway`]: the same for clients elsewhere, over whatever carries bytes.
//! - [`registry`], [`scope`]: the files that other programs share, crash-safe.
//!
//! # Bring your own wasmtime
//!
//! ```
//! use pod_tools_host::{Authority, BUNDLED, PodCtx, PodCtxView, PodView, add_to_linker};
//! use wasmtime::component::{Component, Linker, ResourceTable, Val};
//! use wasmtime::{Engine, Store};
//!
//! struct State {
//!     pods: PodCtx,
//!     table: ResourceTable,
//! }
//!
//! impl PodView for State {
//!     fn pods(&mut self) -> PodCtxView<'_> {
//!         PodCtxView { ctx: &mut self.pods, table: &mut self.table }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::default();
//! let mut linker = Linker::<State>::new(&engine);
//! add_to_linker(&mut linker)?;
//! let component = Component::from_binary(&engine, BUNDLED)?;
//!
//! // Nothing is granted, so ListPods is denied: kindly.
//! let pods = PodCtx::new(&Authority::builder().build()?);
//! let state = State { pods, table: ResourceTable::new() };
//! let mut store = Store::new(&engine, state);
//! let instance = linker.instantiate_async(&mut store, &component).await?;
//! let tools = instance.get_export_index(&mut store, None, "pod:tools/tools@0.1.0").ok_or("no tools")?;
//! let call = instance.get_export_index(&mut store, Some(&tools), "call").ok_or("no call")?;
//! let call = instance.get_func(&mut store, call).ok_or("not a function")?;
//! let arguments = [Val::String("ListPods".into()), Val::String("{}".into())];
//! let mut results = [Val::Bool(false)];
//! call.call_async(&mut store, &arguments, &mut results).await?;
//! assert!(format!("{results:?}").contains("listing pods is not granted"));
//! // A long content is handed over in pieces, before the one in the answer.
//! assert_eq!(store.data_mut().pods.take_content(), "");
//! # Ok(())
//! # }
//! ```
//!
//! [wasmtime]: https://docs.rs/wasmtime

#![deny(missing_docs)]

mod authority;
mod call;
mod error;
pub mod escape;
mod files;
pub mod gateway;
mod imports;
pub mod registry;
mod runtime;
pub mod scope;
mod sockets;

/// The imports as Rust traits, implemented on [`PodCtxView`]: for a host that runs the tools' logic natively and
/// proves that the sandbox makes no difference to it. Generated, and no part of this crate's stable interface.
#[doc(hidden)]
pub mod contract {
    pub use crate::call::exchange::Exchange;
    pub use crate::call::gate::Pod;
    pub use crate::call::host_error::HostError;
    pub use crate::imports::bindings::pod::tools::{content, pods, scope_lock, types, unix_socket};
}

pub use authority::answer_memory::{AnswerMemory, AnswerShare};
pub use authority::grant::{Grant, GrantParseError, Verb};
pub use authority::grants::Grants;
pub use authority::ledger::{Decision, Ledger, RecordedRequest};
pub use authority::limits::Limits;
pub use authority::operation::Operation;
pub use authority::pod_directory::PodDirectory;
pub use authority::pod_events::PodEvents;
pub use authority::{Authority, AuthorityBuilder, AuthorityError};
pub use call::{Commit, CommitDone, PodCtx, PodCtxView, PodView, Staged};
pub use error::{ErrorKind, Reason, Remedy, Setting, ToolError};
pub use files::mounts::names_of_directory;
pub use files::state_file::open_with_exposure;
pub use imports::add_to_linker;
pub use runtime::{
    Answer, BUNDLED, Compiler, Definition, Document, Effects, Inside, Inspection, Interface, LoadError,
    Output, PodTools, PodToolsBuilder, run_compiler,
};
pub use sockets::{DirectoryError, GrantedDirectories};
