//! `content`: the text of the answer, handed over in pieces.

use crate::bindings::pod::tools::content as wit;
use crate::context::PodCtxView;

impl wit::Host for PodCtxView<'_> {
    fn append(&mut self, text: String) -> wasmtime::Result<()> {
        self.ctx.count()?;
        self.ctx.append_content(text)
    }
}
