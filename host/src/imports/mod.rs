//! The imports of the contract. Each function begins at the [gate](crate::call::gate), and carries out the operation
//! with what the gate gave it.

pub(crate) mod bindings;
mod content;
mod convert;
#[cfg(any(around_the_gate, through_the_gate))]
mod gate_test;
mod pods;
mod scope_lock;
mod spawned;
mod unix_socket;

use wasmtime::component::{HasData, Linker};

use self::bindings::pod::tools as wit;
use crate::call::host_error::HostError;
use crate::call::{PodCtxView, PodView};

/// The marker by which the generated bindings find the context in a store.
struct HasPods;

impl HasData for HasPods {
    type Data<'a> = PodCtxView<'a>;
}

impl wit::types::Host for PodCtxView<'_> {
    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<wit::types::Error> {
        match error {
            HostError::Value(error) => Ok(self.ctx.explain(error).into()),
            HostError::Trap(trap) => Err(trap),
        }
    }
}

/// Adds the imports of `pod:tools` to a linker, for runtimes that bring their own wasmtime.
///
/// The store's data gives access to the [`PodCtx`](crate::PodCtx) of its call through [`PodView`]. The
/// engine needs nothing but the component model; calls have to be made with wasmtime's `_async` functions,
/// within a tokio runtime. The bundled component imports nothing else. For one that was built with a language's standard
/// library, WASI is the runtime's own affair: `wasmtime_wasi::p2::add_to_linker_async`, with a context that grants
/// nothing, is enough.
///
/// The context enforces the grants and those limits that concern the host's side: times, host calls,
/// exchanges, lines. Memory, tables, CPU time and what is transferred are the store's, and the embedder's to
/// set; [`PodTools`](crate::PodTools) does it for those who do not bring a wasmtime of their own.
///
/// # Errors
///
/// Fails if the linker holds one of these interfaces already.
pub fn add_to_linker<T: PodView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wit::types::add_to_linker::<T, HasPods>(linker, T::pods)?;
    content::add_to_linker(linker)?;
    wit::pods::add_to_linker::<T, HasPods>(linker, T::pods)?;
    wit::unix_socket::add_to_linker::<T, HasPods>(linker, T::pods)?;
    wit::scope_lock::add_to_linker::<T, HasPods>(linker, T::pods)
}
