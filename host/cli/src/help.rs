//! Help in three extents: `-h` is what is used daily, `--help` of a command is a screen, and `pod-tools help COMMAND` is
//! all that is to be said. The options that all commands share stand in `pod-tools help options` alone.

use std::ffi::OsString;

use clap::builder::{StyledStr, Styles};
use clap::{Arg, Command};

use crate::alike::did_you_mean;

/// What is no command, and has help all the same.
const OPTIONS: &str = "options";

/// A command with more than a line to be said about it.
const TEACHING: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Commands that a person needs seldom: `-h` of the program gives their names alone.
const SELDOM: [&str; 13] = [
    "tools",
    "inspect",
    "compose",
    "push",
    "pull",
    "gateway",
    "node",
    "grants",
    "logs",
    "answer",
    "completions",
    "man",
    "help",
];

/// Show the help of a command, or of the options that all commands share
///
/// `pod-tools COMMAND -h` is the shortest, `pod-tools COMMAND --help` a screen, and this is all of it.
#[derive(Debug, clap::Args)]
pub struct HelpArgs {
    /// The command; or `options`: what all commands share (places, grants, limits)
    #[arg(value_name = "COMMAND|options")]
    topic: Vec<String>,
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Brief,
    Screen,
    Whole,
}

/// A word behind `help` that is no command.
#[derive(Debug, thiserror::Error)]
#[error("there is no help for `{}`{meant}; `pod-tools --help` names the commands, and there is `pod-tools help options`", .word.escape_debug())]
pub struct NoTopic {
    word: String,
    meant: String,
}

/// The help that a command line asks for which has been found to ask for some. `root` is as it was written, unbuilt.
pub fn asked(root: Command, arguments: &[OsString]) -> Option<clap::Error> {
    let mut before_command = arguments.iter().take_while(|word| *word != "--");
    let extent = if before_command.any(|word| word == "--help") { Extent::Screen } else { Extent::Brief };
    // The renderer's own long form spends three lines on an option.
    let short =
        arguments.iter().map(|word| if word == "--help" { OsString::from("-h") } else { word.clone() });
    shown(root, extent).try_get_matches_from(short).err()
}

/// The whole help of a topic.
///
/// # Errors
///
/// Fails where there is no such command.
pub fn of_topic(root: Command, args: &HelpArgs) -> Result<String, NoTopic> {
    let topic: Vec<&str> = args.topic.iter().map(String::as_str).collect();
    if topic == [OPTIONS] {
        return Ok(text(&shared(&root).render_help()));
    }
    // Of the program there is no more to say than a screen.
    let extent = if topic.is_empty() { Extent::Screen } else { Extent::Whole };
    let mut root = shown(root, extent);
    root.build();
    let mut command = &mut root;
    for word in topic {
        if command.find_subcommand(word).is_none() {
            let known = command.get_subcommands().map(Command::get_name).chain([OPTIONS]);
            let meant = did_you_mean(word, known);
            return Err(NoTopic { word: word.to_owned(), meant });
        }
        command = command.find_subcommand_mut(word).expect("it was found");
    }
    Ok(text(&command.render_help()))
}

/// The commands, each with its help in that extent, and without the options that all share.
pub fn shown(root: Command, extent: Extent) -> Command {
    let root = root.mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    let path = root.get_name().to_owned();
    let mut root = in_extent(root, &path, extent);
    if extent == Extent::Brief {
        let seldom = |name: &str| SELDOM.contains(&name);
        let others: Vec<&str> =
            root.get_subcommands().map(Command::get_name).filter(|name| seldom(name)).collect();
        let others = format!("Also: {}. `pod-tools --help` says what they do.", others.join(", "));
        root = root.after_help(others).mut_subcommands(|command| {
            let hide = seldom(command.get_name());
            command.hide(hide)
        });
    }
    root
}

/// The options that all commands share, as a command of their own.
pub fn shared(root: &Command) -> Command {
    let options = root.get_arguments().cloned().map(|arg| paragraphs(arg, Extent::Whole));
    Command::new(OPTIONS)
        .about(
            "Options that all commands share, before the command or behind it. An option wins over its variable, and \
             both over a grants file.",
        )
        .help_template("{about}\n\n{all-args}")
        .styles(Styles::plain())
        .disable_help_flag(true)
        .args(options)
}

/// One layout for all: the renderer's short one, with as much text as is wanted in it.
fn in_extent(command: Command, path: &str, extent: Extent) -> Command {
    let command = command.mut_args(|arg| paragraphs(arg, extent)).mut_subcommands(|command| {
        let path = format!("{path} {}", command.get_name());
        in_extent(command, &path, extent)
    });
    let plain = |text: Option<&StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    if extent == Extent::Brief {
        return command.after_help("");
    }
    // Beneath the first line, which stands in the list of commands too.
    let about = plain(command.get_about());
    let teaches = plain(command.get_long_about());
    let teaches = teaches.trim_start_matches(&*about).trim_start_matches('.').trim_start().to_owned();
    let longer = plain(command.get_after_long_help());
    let has_more = !longer.is_empty() || command.get_arguments().any(|arg| arg.get_long_help().is_some());
    let more = match path.split_once(' ') {
        Some((_, topic)) if extent == Extent::Screen && has_more => {
            format!("In full: `pod-tools help {topic}`. Options of all commands: `pod-tools help options`")
        }
        _ => "Options of all commands: `pod-tools help options`".to_owned(),
    };
    let longer = if extent == Extent::Whole { longer } else { String::new() };
    let after = [plain(command.get_after_help()), longer, more];
    let after = after.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    let command = command.mut_args(|arg| arg.long_help(None::<&str>));
    let command = command.long_about(None::<&str>).after_long_help(None::<&str>).after_help(after);
    if teaches.is_empty() { command } else { command.before_help(teaches).help_template(TEACHING) }
}

fn paragraphs(arg: Arg, extent: Extent) -> Arg {
    let takes_value = arg.get_action().takes_values();
    let arg = if takes_value && extent != Extent::Whole { arg.hide_env(true) } else { arg };
    if extent == Extent::Brief {
        return if takes_value { arg.hide_default_value(true) } else { arg };
    }
    let whole = arg.get_long_help().filter(|_| extent == Extent::Whole).map(ToString::to_string);
    let arg = arg.hide_short_help(false);
    match whole {
        Some(whole) => arg.help(whole.replace("\n\n", ". ")),
        None => arg,
    }
}

/// Without styles, and with the escapes of what it quotes.
fn text(shown: &StyledStr) -> String {
    shown.ansi().to_string()
}
