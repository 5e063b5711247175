//! `content`: the text of the answer, handed over in pieces.

use super::bindings::pod::tools::content as wit;
use crate::call::PodCtxView;

impl wit::Host for PodCtxView<'_> {
    fn append(&mut self, text: String) -> wasmtime::Result<()> {
        self.ctx.append_content(text)
    }
}
