//! An adapter that does what the adapter `plain` does, but for one flaw, which the variable `FLAW` names: how a call of
//! the plugin is made a session is wrong.
#![cfg(target_family = "wasm")]

use std::sync::atomic::{AtomicU32, Ordering};

#[allow(missing_docs)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "adapter-plain" });
}

use bindings::exports::pod::tools::tools::{Definition, Document, Error, Guest, Output};
use bindings::pod::tools::{session, tools};

struct Component;

bindings::export!(Component with_types_in bindings);

static CALLS: AtomicU32 = AtomicU32::new(0);

impl Guest for Component {
    fn definitions() -> Vec<Definition> {
        Vec::new()
    }

    fn call(name: String, input: String) -> Result<Output, Error> {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let flaw = std::env::var("FLAW").unwrap_or_default();
        let (begins, ends) = match &*flaw {
            "two-calls-a-session" => (call.is_multiple_of(2), !call.is_multiple_of(2)),
            "keeps-its-session" => (call == 0, false),
            _ => (true, true),
        };
        if begins {
            session::begin()?;
        }
        let answer = tools::call(&name, &input);
        let content = session::take_content();
        if ends && flaw == "never-commits" {
            session::abort();
        } else if ends {
            session::commit()?;
        }
        let tools::Output { summary, content: last, data } = answer?;
        let content = content + &last.unwrap_or_default();
        Ok(Output { summary, content: (!content.is_empty()).then_some(content), data })
    }

    fn transcript(_: String) -> Result<Document, Error> {
        unreachable!("nobody asks")
    }
}
