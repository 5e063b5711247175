//! `pod-tools`: an agent's pod tools as a sandboxed plugin, from the command line.
//!
//! Exit status: 0 done, 1 the tool failed, 2 used wrongly, 3 what was waited for is not over, 130 interrupted. Results go to standard output,
//! everything else to standard error.

mod afar;
mod alike;
mod answer;
mod artifacts;
mod audit;
mod call;
mod caller;
mod caller_limits;
mod completions;
mod compose;
mod demo;
mod escaped;
mod exit;
mod gateway;
mod grants;
mod grants_file;
#[cfg(test)]
#[path = "../../../tests/fuzz/properties/grants_file.rs"]
mod grants_file_properties;
mod help;
mod in_force;
mod inherited;
mod inotify;
mod input_lines;
mod inspect;
mod interrupt;
mod limit_options;
mod listing;
mod logs;
mod ls;
mod manual;
mod mcp;
mod nearest;
mod newcomers;
mod node;
mod operator_log;
mod options;
mod painted;
mod places;
mod pod;
mod pod_files;
mod read;
mod reader;
mod screen;
mod secret_file;
mod send;
mod spawn;
mod stdin;
mod stdout;
mod stop;
mod streams;
mod table;
mod token;
mod tool_arguments;
mod tools;
mod units;
mod wait;
mod watcher;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use options::SetUpError;
use streams::tell;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Talk to an agent's pods through a sandboxed WebAssembly plugin.
///
/// A pod is a process that listens on a Unix socket and speaks JSON lines. The plugin has tools for
/// them, and reaches nothing but the pods, the verbs and the directories that were granted.
#[derive(Debug, Parser)]
#[command(
    name = "pod-tools",
    version,
    disable_help_subcommand = true,
    after_help = "Begin with `pod-tools demo`. Then: `pod-tools spawn NAME -- COMMAND` makes a pod of any command, and `pod-tools send NAME MESSAGE --wait` talks to it."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    host: options::HostArgs,

    /// Say more on standard error; -vv for everything. RUST_LOG says it in detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Call(call::CallArgs),
    Tools(tools::ToolsArgs),
    Inspect(inspect::InspectArgs),
    Compose(compose::ComposeArgs),
    Push(artifacts::push::PushArgs),
    Pull(artifacts::pull::PullArgs),
    Mcp(mcp::McpArgs),
    Gateway(gateway::GatewayArgs),
    Node(node::NodeArgs),
    Pod(pod::PodArgs),
    Spawn(spawn::SpawnArgs),
    Ls(ls::LsArgs),
    Send(send::SendArgs),
    Read(read::ReadArgs),
    Wait(wait::WaitArgs),
    Logs(logs::LogsArgs),
    Stop(stop::StopArgs),
    Answer(answer::AnswerArgs),
    Demo(demo::DemoArgs),
    Grants(grants::GrantsArgs),
    Completions(completions::CompletionsArgs),
    Man(manual::ManArgs),
    Help(help::HelpArgs),
}

fn main() -> ExitCode {
    inherited::unblock_signals();
    if std::env::args_os().nth(1).is_some_and(|word| word == pod::SUPERVISOR) {
        return pod::run_supervisor();
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == options::COMPILER) {
        return pod_tools_host::run_compiler(std::env::args_os().skip(2));
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == completions::ASKED) {
        let found = completions::candidates(commands(), std::env::args_os().skip(2).collect());
        let _ = streams::write_out(&found, streams::Form::Text, 0);
        return ExitCode::SUCCESS;
    }
    let mut command = commands();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let parsed = command.try_get_matches_from_mut(&arguments);
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if is_help(&error) => return shown(&help::asked(commands(), &arguments).unwrap_or(error)),
        Err(error) => {
            let status = shown(&error);
            if let Some(tool) = nearest::tool_for_command(&error) {
                tell(format_args!("{tool}"));
            }
            return status;
        }
    };
    log(&cli);
    let of_pod = match (command.find_subcommand("spawn"), matches.subcommand_matches("spawn")) {
        (Some(spawn), Some(given)) => spawn::pod_arguments(spawn, given),
        _ => Vec::new(),
    };
    let done = runtime(&cli.command)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        // Dropping the runtime waits for what was begun and may not be cut off: changes of state.
        .and_then(|runtime| runtime.block_on(run(cli, of_pod)));
    done.unwrap_or_else(|error| {
        // A reader that has gone away needs no message about it.
        if !is_broken_pipe(&error) {
            tell(format_args!("pod-tools: {error:#}"));
        }
        ExitCode::from(if is_wrong_use(&error) { 2 } else { 1 })
    })
}

/// What a command's futures run on. One caller waits for one answer after the other: then a second thread would be
/// woken for nothing. What waits for a lock or a disk has threads of its own in either case.
fn runtime(command: &Command) -> tokio::runtime::Builder {
    match command {
        Command::Call(_)
        | Command::Spawn(_)
        | Command::Ls(_)
        | Command::Send(_)
        | Command::Read(_)
        | Command::Wait(_)
        | Command::Logs(_)
        | Command::Stop(_) => tokio::runtime::Builder::new_current_thread(),
        Command::Mcp(args) if args.is_on_pipes() => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    }
}

/// All commands with their options, as they are read.
fn commands() -> clap::Command {
    without_empty_variables(Cli::command().styles(Styles::plain()))
}

fn is_help(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)
}

/// An environment variable that is empty is one that is not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(None::<&str>) } else { arg })
        .mut_subcommands(without_empty_variables)
}

/// Shows help and version on standard output, and what is wrong with a command line on standard error.
fn shown(error: &clap::Error) -> ExitCode {
    // With the escapes of what it quotes: arguments, and variables in the help. It has none of its own.
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        tell(format_args!("{}", text.trim_end_matches('\n')));
        return ExitCode::from(2);
    }
    match streams::write_out(&text, streams::Form::Text, 0) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.kind() != io::ErrorKind::BrokenPipe {
                tell(format_args!("pod-tools: {error}"));
            }
            ExitCode::from(1)
        }
    }
}

/// What the operator wrote is wrong, on the command line or in a file that it names.
fn is_wrong_use(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(
            SetUpError::GrantsFile(_)
                | SetUpError::Audit(_)
                | SetUpError::NoToken
                | SetUpError::NoKey
                | SetUpError::Afar(_)
        )
    ) || error.is::<pod::NoProgram>()
        || error.is::<pod::AgentFault>()
        || error.is::<pod::NoTable>()
        || error.is::<answer::NoAnswer>()
        || error.is::<send::NoMessage>()
        || error.is::<help::NoTopic>()
        || error.is::<tool_arguments::ArgumentFault>()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |io: &std::io::Error| io.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        let of_json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        cause.downcast_ref().is_some_and(kind) || of_json == Some(std::io::ErrorKind::BrokenPipe)
    })
}

async fn run(cli: Cli, of_pod: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let loading = cli.host.loading().clone();
    match cli.command {
        Command::Call(args) => at(cli.host, async |host| call::run(args, host).await).await,
        Command::Mcp(args) => at(cli.host, async |host| mcp::run(args, host).await).await,
        Command::Gateway(args) => at(cli.host, async |host| gateway::run(args, host).await).await,
        Command::Node(args) => at(cli.host, async |host| node::run(args, host).await).await,
        Command::Pod(args) => at(cli.host, async |host| pod::run(args, host).await).await,
        Command::Spawn(args) => at(cli.host, async |host| spawn::run(args, host, of_pod).await).await,
        Command::Ls(args) => at(cli.host, async |host| ls::run(args, host).await).await,
        Command::Send(args) => at(cli.host, async |host| send::run(args, host).await).await,
        Command::Read(args) => at(cli.host, async |host| read::run(args, host).await).await,
        Command::Wait(args) => at(cli.host, async |host| wait::run(args, host).await).await,
        Command::Logs(args) => at(cli.host, async |host| logs::run(args, host).await).await,
        Command::Stop(args) => at(cli.host, async |host| stop::run(args, host).await).await,
        Command::Answer(args) => at(cli.host, async |host| answer::run(args, host).await).await,
        Command::Tools(args) => tools::run(args, &loading).await,
        Command::Inspect(args) => inspect::run(args, &loading).await,
        Command::Compose(args) => compose::run(args, &loading).await,
        Command::Push(args) => artifacts::push::run(args, &loading).await,
        Command::Pull(args) => artifacts::pull::run(args, &loading).await,
        Command::Grants(args) => grants::run(args, cli.host).await,
        Command::Demo(demo::DemoArgs {}) => demo::run(&loading).await,
        Command::Completions(args) => completions::run(args).await,
        Command::Man(args) => manual::run(args, commands()).await,
        Command::Help(args) => {
            stdout::print(help::of_topic(commands(), &args)?).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs a command that needs to know where pods are.
async fn at(
    host: options::HostArgs,
    command: impl AsyncFnOnce(&options::HostOptions) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    match host.resolve() {
        Ok(host) => {
            let done = command(&host).await;
            afar::settle().await;
            done
        }
        Err(error) => {
            tell(format_args!("pod-tools: {error:#}"));
            Ok(ExitCode::from(2))
        }
    }
}

fn log(cli: &Cli) {
    let default = match cli.verbose {
        // What the protocol's machinery tells of are errors that a client gets, and clients that have left.
        0 => "warn,rmcp=off",
        1 => "warn,pod_tools=info,pod_tools_host=info",
        _ => "info,pod_tools=debug,pod_tools_host=debug",
    };
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|filter| !filter.trim().is_empty());
    let filter = wanted.and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt::layer().with_writer(|| streams::Log).with_target(false);
    // A server's clients have log levels of their own.
    let clients = matches!(cli.command, Command::Mcp(_)).then_some(mcp::ClientLog);
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(clients).init();
}
