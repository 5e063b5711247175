//! What somebody meant who named a tool or a pod that there is not, and how a tool is called that was called wrongly.

use clap::error::{ContextKind, ContextValue};
use pod_tools_host::{ErrorKind, Reason, ToolError};

use crate::alike::did_you_mean;
use crate::caller::Caller;
use crate::tool_arguments::example;

/// The bundled plugin's tools, where it is not worth the time to ask the plugin.
pub const TOOLS: [&str; 5] = ["ListPods", "SendToPod", "ReadPodOutput", "StopPod", "WaitForPods"];

/// Where a tool was named in the place of a command: how it is called.
pub fn tool_for_command(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let tool = TOOLS.iter().find(|tool| tool.eq_ignore_ascii_case(word))?;
    Some(format!("`{tool}` is a tool: `pod-tools call {tool}`"))
}

/// The error of a call, with what will help beside. Of pods it names those alone that a `list` grant covers.
pub fn explained(mut error: ToolError, caller: &Caller, tool: &str, pod: Option<&str>) -> ToolError {
    let more = match (error.kind, error.reason) {
        (ErrorKind::UnknownTool, _) => {
            let tools = caller.definitions().iter().map(|tool| tool.name.as_str());
            let known = tools.clone().collect::<Vec<_>>().join(", ");
            match did_you_mean(tool, tools) {
                // The bundled plugin names them itself.
                meant if meant.is_empty() && error.message.contains(&known) => String::new(),
                meant if meant.is_empty() => format!("; the tools are {known}"),
                meant => meant,
            }
        }
        (ErrorKind::InvalidArgument, Some(Reason::UnknownPod)) => of_pod(caller, pod),
        (ErrorKind::InvalidArgument, None) => {
            let definition = caller.definitions().iter().find(|definition| definition.name == tool);
            definition.map_or(String::new(), |definition| format!("; for example: {}", example(definition)))
        }
        _ => String::new(),
    };
    error.message.push_str(&more);
    error
}

/// The pod that was meant.
fn of_pod(caller: &Caller, pod: Option<&str>) -> String {
    let (Some(pod), Ok(authority)) = (pod, caller.authority()) else { return String::new() };
    let names = authority.listed_names().unwrap_or_default();
    let shown: Vec<String> = names.iter().map(|name| name.escape_debug().to_string()).collect();
    did_you_mean(pod, shown.iter().map(String::as_str))
}
