//! `pod-tools tools`: the definitions of the plugin's tools: for people as the help of a command is, for programs as a
//! model would be shown them.

use std::fmt::Write;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, Styles};
use clap::{Arg, ArgAction, Command};
use pod_tools_host::Definition;
use serde_json::Value;

use crate::options::Loading;
use crate::stdout::{print, print_json};
use crate::tool_arguments::kind_of;

/// Show the tools that the plugin offers, and their arguments
#[derive(Debug, clap::Args)]
pub struct ToolsArgs {
    /// Answer with a JSON array: name, description, schemas of input and data, effects
    #[arg(long)]
    json: bool,
}

pub async fn run(args: ToolsArgs, loading: &Loading) -> anyhow::Result<ExitCode> {
    let tools = loading.load_for_one()?;
    let definitions = tools.definitions();
    let mut out = String::new();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(definitions)?)?;
        print_json(out).await?;
        return Ok(ExitCode::SUCCESS);
    }
    for (i, tool) in definitions.iter().enumerate() {
        let blank = if i == 0 { "" } else { "\n" };
        write!(out, "{blank}{} [{}]\n{}", tool.name, effects(tool), arguments(tool))?;
    }
    print(out).await?;
    Ok(ExitCode::SUCCESS)
}

fn effects(tool: &Definition) -> String {
    let effects = [
        (tool.effects.read_only, "read-only"),
        (!tool.effects.read_only && !tool.effects.destructive, "changes something"),
        (tool.effects.destructive, "destructive"),
        (tool.effects.idempotent, "idempotent"),
    ];
    let effects: Vec<&str> = effects.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    effects.join(", ")
}

/// What it does, how it is called, and a row for each argument: laid out by what lays out the help.
fn arguments(tool: &Definition) -> String {
    let schema: Value = serde_json::from_str(tool.input_schema.get()).unwrap_or_default();
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_required = |key: &str| required.iter().any(|one| one == key);
    let properties = schema["properties"].as_object();
    let mut properties: Vec<_> = properties.into_iter().flatten().collect();
    properties.sort_by_key(|(key, _)| !is_required(key));
    let arguments = properties.into_iter().map(|(key, property)| argument(key, property, is_required(key)));
    let mut command = Command::new("call")
        .about(tool.description.clone())
        .help_template("{about-with-newline}\n  {usage}\n\n{positionals}")
        .override_usage(usage(tool, &schema))
        .styles(Styles::plain())
        .disable_help_flag(true)
        .args(arguments);
    let shown = command.render_help().ansi().to_string();
    shown
        .trim_end()
        .lines()
        .map(|line| if line.trim().is_empty() { "\n".to_owned() } else { format!("{line}\n") })
        .collect()
}

fn argument(key: &str, property: &Value, is_required: bool) -> Arg {
    let kind = kind_of(property);
    let described = property["description"].as_str().unwrap_or_default();
    let default = property.get("default").filter(|default| !default.is_null());
    let default = default.map_or(String::new(), |default| format!(" [default: {default}]"));
    let need = if is_required { "required" } else { "optional" };
    let argument = Arg::new(key.to_owned())
        .action(ArgAction::Set)
        .value_name(key.to_owned())
        .required(is_required)
        .help(format!("{kind}, {need}: {described}{default}"));
    let values: Vec<String> = property["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if values.is_empty() { argument } else { argument.value_parser(PossibleValuesParser::new(values)) }
}

fn usage(tool: &Definition, schema: &Value) -> String {
    let mut usage = format!("pod-tools call {}", tool.name);
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for key in required {
        let _ = write!(usage, " {key}={}", key.to_uppercase());
    }
    let optional = schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key);
    for key in optional {
        if !usage.contains(&format!(" {key}=")) {
            let _ = write!(usage, " [{key}={}]", key.to_uppercase());
        }
    }
    usage
}
