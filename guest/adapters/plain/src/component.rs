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
        session::begin()?;
        let tools::Output { summary, content: last, data } =
            tools::call(&name, &input_json).map_err(|error| session::abort().unwrap_or(error))?;
        let appended = session::take_content();
        let content = match last {
            None if appended.is_empty() => None,
            last => Some(appended + &last.unwrap_or_default()),
        };
        // Last, when nothing more can fail: from here on the text counts as read.
        session::commit()?;
        Ok(Output { summary, content, data })
    }

    fn transcript(name: String) -> Result<Document, Error> {
        session::begin()?;
        let document = tools::transcript(&name);
        // A document moves no cursor.
        match session::abort() {
            Some(error) => Err(error),
            None => document.map(|tools::Document { media_type, text }| Document { media_type, text }),
        }
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
