//! The component: the plugin's tools, each call within a session.

use alloc::string::String;
use alloc::vec::Vec;

use bindings::exports::pod::tools::tools::{Definition, Document, Error, Guest, Output};
use bindings::pod::tools::{session, tools};

mod bindings {
    #![allow(missing_docs)]
    wit_bindgen::generate!({ path: "../../../wit", world: "adapter-plain" });
}

struct Component;

bindings::export!(Component with_types_in bindings);

impl Guest for Component {
    fn definitions() -> Vec<Definition> {
        tools::definitions().into_iter().map(Into::into).collect()
    }

    fn call(name: String, input_json: String) -> Result<Output, Error> {
        let tools::Output { summary, content: last, data } =
            within_session(|| tools::call(&name, &input_json))?;
        let appended = session::take_content();
        let content = match last {
            None if appended.is_empty() => None,
            last => Some(appended + &last.unwrap_or_default()),
        };
        Ok(Output { summary, content, data })
    }

    fn transcript(name: String) -> Result<Document, Error> {
        let tools::Document { media_type, text } = within_session(|| tools::transcript(&name))?;
        Ok(Document { media_type, text })
    }
}

/// What the call gives, or the error that ended its session.
fn within_session<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    session::begin()?;
    match call() {
        Ok(answer) => session::commit().map(|()| answer),
        Err(error) => Err(session::abort().unwrap_or(error)),
    }
}

impl From<tools::Definition> for Definition {
    fn from(tool: tools::Definition) -> Self {
        let tools::Effects { read_only, destructive, idempotent } = tool.effects;
        Self {
            name: tool.name,
            description: tool.description,
            input_schema: tool.input_schema,
            data_schema: tool.data_schema,
            content_property: tool.content_property,
            effects: bindings::exports::pod::tools::tools::Effects { read_only, destructive, idempotent },
        }
    }
}
