//! The component: one of the plugin's tools as ZeroClaw knows tools, each call within a session.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use serde_json::Value;
use serde_json::value::RawValue;

use bindings::exports::zeroclaw::plugin::{plugin_info, tool};
use bindings::pod::adapter_zeroclaw::chosen;
use bindings::pod::tools::types::{Error, ErrorKind};
use bindings::pod::tools::{session, tools};
use bindings::zeroclaw::plugin::secrets;

use crate::answer;

mod bindings {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: ["../../../wit", "wit"],
        world: "pod:adapter-zeroclaw/adapter-zeroclaw",
        generate_all,
    });
}
#[path = "../../kind.rs"]
mod kind;
#[path = "../../reason.rs"]
mod reason;

struct Component;

bindings::export!(Component with_types_in bindings);

impl plugin_info::Guest for Component {
    fn plugin_name() -> String {
        chosen::plugin()
    }

    fn plugin_version() -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }
}

impl tool::Guest for Component {
    fn name() -> String {
        chosen::tool()
    }

    fn description() -> String {
        definition().map(|tool| tool.description).unwrap_or_default()
    }

    fn parameters_schema() -> String {
        definition().map(|tool| tool.input_schema).unwrap_or_default()
    }

    fn execute(args: String) -> Result<tool::ToolResult, String> {
        Ok(match call(&args) {
            Ok(output) => tool::ToolResult { success: true, output, error: None },
            Err(Error { kind, reason, message }) => {
                let output = answer::of_error(kind::word(kind), reason.map(reason::word));
                tool::ToolResult { success: false, output, error: Some(message) }
            }
        })
    }
}

/// The tool's, among the plugin's.
fn definition() -> Option<tools::Definition> {
    let name = chosen::tool();
    tools::definitions().into_iter().find(|tool| tool.name == name)
}

fn call(args: &str) -> Result<String, Error> {
    // The values as the texts that they are: ZeroClaw bounds what one call may compute, and to read a message of some
    // megabytes and write it again would use that up.
    let mut input: BTreeMap<String, &RawValue> = serde_json::from_str(args).map_err(no_object)?;
    session::begin_at(&gateway(input.remove(CONFIG))?, &token()?)?;
    let input = serde_json::to_string(&input).map_err(no_object)?;
    let tools::Output { summary, content: last, data } =
        tools::call(&chosen::tool(), &input).map_err(|error| session::abort().unwrap_or(error))?;
    let appended = session::take_content();
    let content = match last {
        None if appended.is_empty() => None,
        last => Some(appended + &last.unwrap_or_default()),
    };
    let output = answer::of_output(&summary, content.as_deref(), &data);
    // Last, when nothing more can fail: from here on the text counts as read.
    session::commit()?;
    Ok(output)
}

/// Under this name ZeroClaw puts the plugin's configuration into the arguments, in place of what a caller has put there.
const CONFIG: &str = "__config";

fn no_object(error: serde_json::Error) -> Error {
    let message = format!("the arguments are no JSON object: {error}");
    Error { kind: ErrorKind::InvalidArgument, reason: None, message }
}

fn gateway(config: Option<&RawValue>) -> Result<String, Error> {
    let mut config: Option<Value> = config.and_then(|config| serde_json::from_str(config.get()).ok());
    match config.as_mut().and_then(|config| config.get_mut("gateway")).map(Value::take) {
        Some(Value::String(gateway)) if !gateway.is_empty() => Ok(gateway),
        _ => Err(not_configured("`gateway`, the address that `pod-tools gateway` has printed")),
    }
}

fn token() -> Result<String, Error> {
    match secrets::get("token") {
        Ok(token) if !token.is_empty() => Ok(token),
        Ok(_) | Err(secrets::SecretError::NotFound) => {
            Err(not_configured("the secret `token`, a token that the gateway takes"))
        }
        Err(error) => {
            let why = error.name().replace('-', " ");
            Err(not_configured(&format!("the secret `token` ({why}: it takes the permission `config_read`)")))
        }
    }
}

fn not_configured(what: &str) -> Error {
    let message =
        format!("ZeroClaw's configuration of this plugin (`plugins.entries`) does not give it {what}");
    Error { kind: ErrorKind::ExecutionFailed, reason: None, message }
}
