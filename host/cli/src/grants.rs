//! `pod-tools grants check`: what a grants file allows, in plain words; or all that is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::grants_file::GrantsFile;
use crate::grants_file::explain::Explanation;
use crate::options::HostArgs;
use crate::stdout::{print, print_json};
use crate::streams::tell;

/// Look at a grants file
#[derive(Debug, clap::Args)]
pub struct GrantsArgs {
    #[command(subcommand)]
    command: GrantsCommand,
}

#[derive(Debug, Subcommand)]
enum GrantsCommand {
    Check(CheckArgs),
}

/// Explain what a grants file allows, on which pods, or say what is wrong with it
///
/// Nothing is changed, and no pod is talked to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
    A grants file is TOML:\n\n\
    # What this agent may do with pods.\n\
    grants = [\n  \
        \"list,read\",            # VERB[,VERB…][:PATTERN], as with --grant\n  \
        \"send:build-*\",\n\
    ]\n\
    allow-sockets = [\"/run/user/1000/insomnia\"]   # optional, as with --allow-sockets\n\n\
    [limits]                  # optional: names, units and bounds as the options'\n\
    op-timeout = \"5s\"\n\n\
    For `pod-tools gateway` and `pod-tools node`, in the place of `grants`, callers with grants of their own:\n\n\
    [[caller]]\n\
    name = \"alice\"                        # in logs; she has read cursors of her own\n\
    token-file = \"/etc/pod-tools/alice\"   # an absolute path; for the gateway\n\
    key = \"U…\"                            # for the node\n\
    grants = [\"list,read\"]\n\n\
    Exit status: 0 the file is good, 1 it is not, 2 used wrongly.")]
struct CheckArgs {
    /// The grants file
    file: PathBuf,

    /// Answer with one JSON document
    #[arg(long)]
    json: bool,
}

/// Exit status 0 for a good file, 1 for a bad one.
pub async fn run(args: GrantsArgs, host: HostArgs) -> anyhow::Result<ExitCode> {
    let GrantsCommand::Check(CheckArgs { file, json }) = args.command;
    let path = std::path::absolute(&file)?;
    let file = match GrantsFile::read(&path) {
        Ok(file) => file,
        Err(error) => {
            if json {
                let line = format!("{}\n", json!({ "file": path, "ok": false, "errors": error.faults }));
                print_json(line).await?;
            } else {
                tell(format_args!("{error}"));
            }
            return Ok(ExitCode::from(1));
        }
    };
    // Which pods there are is worth knowing, and not what is asked.
    let records = host.resolve().and_then(|host| host.records()).map_err(|error| format!("{error:#}"));
    // An agent is mostly started where its operator is.
    let directory = std::env::current_dir().ok();
    let explanation = Explanation::of(&file, records, directory.as_deref());
    if json {
        print_json(format!("{}\n", serde_json::to_string_pretty(&explanation)?)).await?;
    } else {
        print(explanation.to_string()).await?;
    }
    Ok(ExitCode::SUCCESS)
}
