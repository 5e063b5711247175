//! `content`: the text of the answer, handed over in pieces.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmStr};

use super::bindings::pod::tools::content as wit;
use crate::call::{PodCtxView, PodView};

impl wit::Host for PodCtxView<'_> {
    fn append(&mut self, text: String) -> wasmtime::Result<()> {
        let mut content = self.ctx.growing_content()?;
        content.append(&text)?;
        self.ctx.keep_content(content);
        Ok(())
    }
}

/// Adds the interface to a linker. What is generated for it makes a text of each piece before it is appended; this
/// copies it from where the plugin has it.
pub(super) fn add_to_linker<T: PodView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.instance("pod:tools/content@0.1.0")?.func_wrap("append", append)
}

fn append<T: PodView + 'static>(
    mut store: StoreContextMut<'_, T>,
    (piece,): (WasmStr,),
) -> wasmtime::Result<()> {
    let mut content = store.data_mut().pods().ctx.growing_content()?;
    content.append(&piece.to_str(&store)?)?;
    store.data_mut().pods().ctx.keep_content(content);
    Ok(())
}
