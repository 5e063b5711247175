//! `pod-tools completions`: what a shell is to do for the Tab key. The shell asks this program each time, by a hidden
//! command, and is given one candidate a line: no name becomes a part of a script, and each is quoted where it is put in.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::ValueParser;
use clap::{Arg, Command, FromArgMatches, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, complete};
use pod_tools_host::escape::steers;

use crate::nearest::TOOLS;
use crate::options::HostArgs;
use crate::stdout::print;

/// The word behind the program's name by which a shell asks.
pub const ASKED: &str = "__complete";

/// Print what a shell needs to complete commands, options and the names of living pods
///
/// For the shell that is running, and in its configuration for those to come:
///
///   bash   source <(pod-tools completions bash)              in ~/.bashrc
///   zsh    source <(pod-tools completions zsh)               in ~/.zshrc, behind compinit
///   fish   pod-tools completions fish | source               in ~/.config/fish/config.fish
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub async fn run(args: CompletionsArgs) -> anyhow::Result<ExitCode> {
    let script = match args.shell {
        Shell::Bash => include_str!("completions/pod-tools.bash"),
        Shell::Zsh => include_str!("completions/pod-tools.zsh"),
        Shell::Fish => include_str!("completions/pod-tools.fish"),
    };
    print(script.to_owned()).await?;
    Ok(ExitCode::SUCCESS)
}

/// What may stand in the place of the last of these words, the first of which is the program: one a line. Nothing where
/// nothing is known, or anything is wrong: who is in the middle of a command line needs no errors.
pub fn candidates(root: Command, words: Vec<OsString>) -> String {
    let Some(last) = words.len().checked_sub(1) else { return String::new() };
    let at = words.clone();
    let mut root = of_pods(root, &at);
    let current = std::env::current_dir().ok();
    let found = complete(&mut root, words, last, current.as_deref()).unwrap_or_default();
    let mut lines = String::new();
    for candidate in found {
        // What is no text, or would be more than a line, is no word that could be completed.
        if let Some(word) = candidate.get_value().to_str().filter(|word| !word.chars().any(steers)) {
            lines.push_str(word);
            lines.push('\n');
        }
    }
    lines
}

/// The commands, where a pod is to be named with the names there are.
fn of_pods(root: Command, words: &[OsString]) -> Command {
    let names = names(root.clone(), words);
    let as_words: Vec<String> = names.iter().map(|name| format!("name={name}")).collect();
    // What all commands share is given where nothing else is meant.
    let root = root.mut_args(|arg| if arg.is_global_set() { of_files(arg).hide(true) } else { arg });
    root.mut_subcommands(|command| {
        // A new pod is called as no other is.
        let is_new = matches!(command.get_name(), "pod" | "spawn");
        let is_call = command.get_name() == "call";
        command.mut_args(|arg| match arg.get_id().as_str() {
            "name" | "names" if !is_new => one_of(arg, names.clone()),
            "input" if is_call => one_of(arg, as_words.clone()),
            "tool" if is_call => one_of(arg, TOOLS.map(str::to_owned).to_vec()),
            _ => of_files(arg),
        })
    })
}

fn one_of(arg: Arg, words: Vec<String>) -> Arg {
    let candidates = move || words.iter().map(CompletionCandidate::new).collect::<Vec<_>>();
    arg.value_parser(ValueParser::string()).add(ArgValueCandidates::new(candidates))
}

/// An option that takes a file or a directory by its word is completed by what is there.
fn of_files(arg: Arg) -> Arg {
    let hint = match arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()) {
        Some("DIR") => ValueHint::DirPath,
        Some("FILE" | "FILE|REF" | "PATH") => ValueHint::AnyPath,
        _ => return arg,
    };
    if arg.get_action().takes_values() { arg.value_hint(hint) } else { arg }
}

/// The pods that may be listed where these words say that pods are.
fn names(root: Command, words: &[OsString]) -> Vec<String> {
    let before = words.split_last().map_or(&[][..], |(_, before)| before);
    let parsed = root.ignore_errors(true).try_get_matches_from(before);
    let host = parsed.ok().and_then(|matches| HostArgs::from_arg_matches(&matches).ok());
    let listed = host.and_then(|host| host.resolve().ok()).and_then(|host| host.listed_names());
    listed.unwrap_or_default()
}
