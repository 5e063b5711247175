//! `pod-tools tools`: the definitions of the plugin's tools, as a model would be shown them.

use std::fmt::Write;
use std::process::ExitCode;

use crate::options::Loading;
use crate::stdout::{print, print_json};

/// Show the tools that the plugin offers
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
        let effects = [
            (tool.effects.read_only, "read-only"),
            (tool.effects.destructive, "destructive"),
            (tool.effects.idempotent, "idempotent"),
        ];
        let effects: Vec<&str> = effects.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        let blank = if i == 0 { "" } else { "\n" };
        writeln!(out, "{blank}{} [{}]", tool.name, effects.join(", "))?;
        writeln!(out, "  {}", tool.description)?;
        writeln!(out, "  input: {}", tool.input_schema.get())?;
    }
    print(out).await?;
    Ok(ExitCode::SUCCESS)
}
