//! The component: a message is a call within a session, and its answer a message.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bindings::exports::wasmcloud::messaging::handler::Guest;
use bindings::pod::tools::types::{Error, ErrorKind};
use bindings::pod::tools::{session, tools};
use bindings::wasmcloud::messaging::consumer;
use bindings::wasmcloud::messaging::types::BrokerMessage;

use crate::line;

mod bindings {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: ["../../../wit", "wit"],
        world: "pod:adapter-nats/adapter-nats",
        generate_all,
    });
}
#[path = "../../kind.rs"]
mod kind;
#[path = "../../reason.rs"]
mod reason;

/// The variable that says how many bytes the server takes in one message, and how many that are unless it was told
/// otherwise.
const MAX_PAYLOAD: &str = "POD_TOOLS_MAX_PAYLOAD";
const SERVERS_DEFAULT: usize = 1 << 20;

struct Component;

bindings::export!(Component with_types_in bindings);

impl Guest for Component {
    /// What it fails with is for the log of its host: all that the caller is to know is in the answer.
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let BrokerMessage { subject, body, reply_to } = message;
        let Some(reply_to) = reply_to else {
            return Err(format!(
                "`{}` was not called: the message has no reply subject, so nobody would get the answer; send it as a \
                 request",
                subject.escape_debug()
            ));
        };
        let outcome = answer(&subject, body);
        let is_answer = outcome.is_ok();
        let body = outcome.unwrap_or_else(|error| line_of(&error)).into_bytes();
        if let Err(reason) = consumer::publish(&BrokerMessage { subject: reply_to, body, reply_to: None }) {
            session::abort();
            return Err(format!("the answer could not be published: {reason}"));
        }
        if !is_answer {
            return Ok(());
        }
        // Last: from here on the text counts as read.
        session::commit().map_err(|error| format!("what was answered is given again: {}", error.message))
    }
}

/// The answer's line, in a session that can be committed; or an error, and no session.
fn answer(subject: &str, payload: Vec<u8>) -> Result<String, Error> {
    let called = max_payload().and_then(|max| call(subject, payload).and_then(|line| bounded(line, max)));
    // What the plugin has made of the end of its session knew only that something failed.
    let outcome = session::over().map_or(called, Err);
    if outcome.is_err() {
        session::abort();
    }
    outcome
}

fn call(subject: &str, payload: Vec<u8>) -> Result<String, Error> {
    let tool = subject.rsplit('.').next().unwrap_or_default();
    let input = String::from_utf8(payload)
        .map_err(|_| failed(ErrorKind::InvalidArgument, "the payload is no JSON: it is not in UTF-8"))?;
    session::begin()?;
    let tools::Output { summary, content: last, data } = tools::call(tool, &input)?;
    let appended = session::take_content();
    let content = match last {
        None if appended.is_empty() => None,
        last => Some(appended + &last.unwrap_or_default()),
    };
    line::of_output(&summary, content.as_deref(), &data)
        .ok_or_else(|| failed(ErrorKind::Internal, "the plugin answered data that are no JSON on one line"))
}

/// A line that the server takes.
fn bounded(line: String, max: usize) -> Result<String, Error> {
    if line.len() <= max {
        return Ok(line);
    }
    let message = format!(
        "the answer has {} bytes, and a message takes {max} ({MAX_PAYLOAD}, which is to be the `max_payload` of the \
         NATS server); it is not given, and counts as not read: have the gateway bound a pod's text in one answer \
         with --max-output, or raise both",
        line.len()
    );
    Err(failed(ErrorKind::Limit, message))
}

/// How many bytes the server takes in one message: a longer one would end this component before it could say so.
fn max_payload() -> Result<usize, Error> {
    let mut variables = wasip2::cli::environment::get_environment().into_iter();
    let set = variables.find(|(name, value)| name == MAX_PAYLOAD && !value.is_empty());
    let Some((_, value)) = set else { return Ok(SERVERS_DEFAULT) };
    value.parse().map_err(|_| {
        let message = format!(
            "{MAX_PAYLOAD} is `{}`, which is no number of bytes; set it to the `max_payload` of the NATS server",
            value.escape_debug()
        );
        failed(ErrorKind::ExecutionFailed, message)
    })
}

fn failed(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error { kind, reason: None, message: message.into() }
}

/// The line of an error. Its message is as long as the plugin, or the gateway, has made it.
fn line_of(error: &Error) -> String {
    let max = max_payload().unwrap_or(SERVERS_DEFAULT);
    let line = line::of_error(kind::word(error.kind), error.reason.map(reason::word), &error.message);
    bounded(line, max)
        .unwrap_or_else(|too_long| line::of_error(kind::word(too_long.kind), None, &too_long.message))
}
