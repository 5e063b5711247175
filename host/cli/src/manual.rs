//! `pod-tools man`: the manual, a page for the program and one for each of its commands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;

use crate::stdout::print;
use crate::streams::tell;

/// Print the manual's page, or install all of its pages
///
/// `pod-tools man | man -l -` reads it. With --install DIR the pages are written to DIR/man1, one for each command; where
/// DIR is one of those that `manpath` names, `man pod-tools-call` finds them.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write all pages beneath this directory, such as ~/.local/share/man
    #[arg(long, value_name = "DIR")]
    install: Option<PathBuf>,
}

/// `root` is as the commands are read.
pub async fn run(args: ManArgs, root: Command) -> anyhow::Result<ExitCode> {
    match args.install {
        None => print(String::from_utf8(page(root, "pod-tools")?)?).await?,
        Some(directory) => {
            tell(format_args!("wrote {} pages to {}", install(root, &directory)?, directory.display()))
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn install(root: Command, directory: &Path) -> anyhow::Result<usize> {
    let directory = directory.join("man1");
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    let mut pages = vec![("pod-tools".to_owned(), page(root.clone(), "pod-tools")?)];
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("pod-tools-{}", command.get_name());
        let after = "Options that all commands share: pod-tools(1).";
        let own = command.get_after_help().map_or(after.to_owned(), |own| format!("{own}\n\n{after}"));
        let command = command.clone().after_help(own).disable_help_subcommand(true);
        pages.push((name.clone(), page(command, &name)?));
    }
    for (name, page) in &pages {
        let file = directory.join(format!("{name}.1"));
        std::fs::write(&file, page).with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    Ok(pages.len())
}

fn page(command: Command, name: &str) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // What a variable says here and now is not the manual's.
    let command = command
        .name(name.to_owned())
        .mut_args(|arg| if arg.get_action().takes_values() { arg.hide_env_values(true) } else { arg });
    let command =
        command.display_name(name.to_owned()).bin_name(name.replacen('-', " ", 2).replacen(' ', "-", 1));
    Man::new(command).render(&mut page)?;
    Ok(page)
}
