//! A plugin whose tools are attacks: the name that is called selects one, and the input names a pod.
//!
//! Every attack that can answer answers what it found out, as its `data`.
#![cfg(target_family = "wasm")]

#[macro_use]
#[path = "../../attacks.rs"]
mod list;

mod ambient;
mod arguments;
mod authority;
mod connections;
mod exhaustion;
mod handles;
mod results;
mod state;
mod traps;

#[allow(missing_docs)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "plugin" });
}

use bindings::exports::pod::tools::tools::{Definition, Document, Guest, Output};
use bindings::pod::tools::pods::{self, Pod, Verb};
use bindings::pod::tools::types::{Error, ErrorKind};
use bindings::pod::tools::unix_socket::{self, Exchange, Request};
use serde_json::{Value, json};

/// How an attack ends, where it comes back at all.
type Found = Result<Value, Error>;

struct Component;

bindings::export!(Component with_types_in bindings);

impl Guest for Component {
    fn definitions() -> Vec<Definition> {
        Vec::new()
    }

    fn call(name: String, input: String) -> Result<Output, Error> {
        let called = name.clone();
        macro_rules! dispatch {
            ($($module:ident { $($attack:ident)* })*) => {
                match &*name {
                    $($(stringify!($attack) => $module::$attack(&input).map(answer),)*)*
                    "behaves" => behave(&input).map(answer),
                    _ => Err(Error { kind: ErrorKind::UnknownTool, reason: None, message: name }),
                }
            };
        }
        let answer = attacks!(dispatch);
        answer.map(|answer| results::with_all_that_is_asked(&called, answer))
    }

    /// The attack of that name, by way of the other export.
    fn transcript(name: String) -> Result<Document, Error> {
        let output = Self::call(name, String::new())?;
        Ok(Document { media_type: "text/plain".into(), text: output.data })
    }
}

/// `data` is a JSON value, or a text that may be none.
fn answer(data: impl ToString) -> Output {
    Output { summary: "done".into(), content: None, data: data.to_string() }
}

/// What an honest plugin would do, to be done while another instance attacks: how many bytes the history is.
fn behave(name: &str) -> Found {
    let exchange = unix_socket::open(&pods::find(name, Verb::Read)?, &Request::GetHistory, None)?;
    Ok(json!(read_line(&exchange)?.len()))
}

/// Reads up to a line break, or the end.
fn read_line(exchange: &Exchange) -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    loop {
        let piece = exchange.read(u32::MAX, None)?;
        line.extend_from_slice(&piece);
        if piece.is_empty() || line.ends_with(b"\n") {
            return Ok(line);
        }
    }
}

/// What a function of the host answered: `ok`, or the error.
fn outcome<T>(result: Result<T, Error>) -> Value {
    match result {
        Ok(_) => json!("ok"),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &Error) -> Value {
    json!({
        "kind": format!("{:?}", error.kind),
        "reason": error.reason.map(|reason| format!("{reason:?}")),
        "message": error.message,
    })
}
