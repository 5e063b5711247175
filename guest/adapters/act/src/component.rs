//! The component: the plugin's tools as ACT knows tools, each call within a session.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use cbor4ii::serde::{from_slice, to_vec};
use serde::Serialize;
use serde_json::Value;

use bindings::act::core::types::{Error, LocalizedString, Metadata};
use bindings::act::tools::types::{ContentPart, ListToolsResponse, ToolDefinition, ToolEvent};
use bindings::exports::act::tools::tool_provider::{Guest, ToolResult};
use bindings::pod::tools::types::{self, ErrorKind};
use bindings::pod::tools::{session, tools};

mod bindings {
    #![allow(missing_docs)]
    // What is called may wait: the plugin's imports are plain functions, and so is what is exported here.
    wit_bindgen::generate!({
        path: ["../../../wit", "wit"],
        world: "pod:adapter-act/adapter-act",
        generate_all,
        async: false,
    });
}
#[path = "../../reason.rs"]
mod reason;

struct Component;

bindings::export!(Component with_types_in bindings);

impl Guest for Component {
    fn list_tools(_: Metadata) -> Result<ListToolsResponse, Error> {
        let tools = tools::definitions().into_iter().map(Into::into).collect();
        Ok(ListToolsResponse { metadata: Vec::new(), tools })
    }

    fn call_tool(name: String, arguments: Vec<u8>, metadata: Metadata) -> ToolResult {
        ToolResult::Immediate(match call(&name, &arguments, &metadata) {
            Ok(answer) => answer,
            Err(error) => vec![ToolEvent::Error(error.into())],
        })
    }
}

fn call(name: &str, arguments: &[u8], metadata: &Metadata) -> Result<Vec<ToolEvent>, types::Error> {
    let input = input_json(arguments)?;
    session::begin_at(&told(metadata, "pod-tools:gateway")?, &told(metadata, "pod-tools:token")?)?;
    let tools::Output { summary, content: last, data } =
        tools::call(name, &input).map_err(|error| session::abort().unwrap_or(error))?;
    let content = session::take_content() + &last.unwrap_or_default();
    let mut answer = vec![text(summary, vec![("pod-tools:data".to_owned(), cbor(&data))])];
    if !content.is_empty() {
        answer.push(text(content, Vec::new()));
    }
    // Last, when nothing more can fail: from here on the text counts as read.
    session::commit()?;
    Ok(answer)
}

/// The arguments as the JSON text that a tool takes.
fn input_json(arguments: &[u8]) -> Result<String, types::Error> {
    if arguments.is_empty() {
        return Ok(String::new());
    }
    let input: Value = from_slice(arguments)
        .map_err(|error| invalid(format!("the arguments are no CBOR that has the form of JSON: {error}")))?;
    Ok(input.to_string())
}

/// What the operator has told ACT under that key.
fn told(metadata: &Metadata, key: &str) -> Result<String, types::Error> {
    let value = metadata.iter().find(|(name, _)| name == key);
    let text = value.and_then(|(_, value)| from_slice::<String>(value).ok()).filter(|text| !text.is_empty());
    text.ok_or_else(|| types::Error {
        kind: ErrorKind::ExecutionFailed,
        reason: None,
        message: format!(
            "ACT's metadata has no text under `{key}`; run act with `--metadata-file FILE`, a JSON object with \
             `pod-tools:gateway` (the address that `pod-tools gateway` has printed) and `pod-tools:token` (a token that \
             the gateway takes) in it"
        ),
    })
}

fn text(text: String, metadata: Metadata) -> ToolEvent {
    let mime_type = Some("text/plain".to_owned());
    ToolEvent::Content(ContentPart { data: text.into_bytes(), mime_type, metadata })
}

fn cbor(value: &impl Serialize) -> Vec<u8> {
    to_vec(Vec::new(), value).unwrap_or_default()
}

fn invalid(message: String) -> types::Error {
    types::Error { kind: ErrorKind::InvalidArgument, reason: None, message }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        let kind = match error.kind {
            ErrorKind::InvalidArgument => "std:invalid-args",
            ErrorKind::ExecutionFailed => "pod-tools:execution-failed",
            ErrorKind::UnknownTool => "std:not-found",
            ErrorKind::Denied => "std:capability-denied",
            ErrorKind::Timeout => "std:timeout",
            ErrorKind::Limit => "pod-tools:limit",
            ErrorKind::Internal => "std:internal",
        };
        let reason = error.reason.map(|reason| ("pod-tools:reason".to_owned(), cbor(&reason::word(reason))));
        Self {
            kind: kind.to_owned(),
            message: LocalizedString::Plain(error.message),
            metadata: reason.into_iter().collect(),
        }
    }
}

impl From<tools::Definition> for ToolDefinition {
    fn from(tool: tools::Definition) -> Self {
        let tools::Effects { read_only, destructive, idempotent } = tool.effects;
        let effects =
            [("std:read-only", read_only), ("std:destructive", destructive), ("std:idempotent", idempotent)];
        Self {
            name: tool.name,
            description: LocalizedString::Plain(tool.description),
            parameters_schema: tool.input_schema,
            metadata: effects.map(|(key, is)| (key.to_owned(), cbor(&is))).into(),
        }
    }
}
