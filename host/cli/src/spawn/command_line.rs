//! The command line of the pod's own process: what `spawn` was given, as `pod` takes it. Variables are inherited, and
//! stay what they are.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// What is `spawn`'s alone, or is said in any case.
const NOT_HANDED_ON: [&str; 3] = ["message", "unit", "background"];

/// The arguments behind the program's name. `spawn` is that command as it was read, with the options that all commands
/// share.
pub fn pod_arguments(spawn: &Command, given: &ArgMatches) -> Vec<OsString> {
    let mut options: Vec<OsString> = vec!["pod".into(), "--background".into()];
    let (mut names, mut command) = (Vec::new(), Vec::new());
    let is_given = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        !NOT_HANDED_ON.contains(&id) && given.value_source(id) == Some(ValueSource::CommandLine)
    };
    for arg in spawn.get_arguments().filter(is_given) {
        let id = arg.get_id().as_str();
        let values = || given.get_raw(id).into_iter().flatten().map(ToOwned::to_owned);
        match (arg.get_long(), arg.get_action()) {
            (None, _) if arg.is_last_set() => command.extend(values()),
            (None, _) => names.extend(values()),
            (Some(long), ArgAction::SetTrue) => options.push(format!("--{long}").into()),
            (Some(long), ArgAction::Count) => {
                options.extend((0..given.get_count(id)).map(|_| format!("--{long}").into()));
            }
            (Some(long), _) => options.extend(values().map(|value| {
                let mut option = OsString::from(format!("--{long}="));
                option.push(value);
                option
            })),
        }
    }
    options.extend(names);
    if !command.is_empty() {
        options.push("--".into());
        options.extend(command);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args;

    use crate::options::HostArgs;
    use crate::spawn::SpawnArgs;

    #[test]
    fn what_was_said_is_handed_on_and_what_was_not_is_not() {
        let spawn = SpawnArgs::augment_args(Command::new("spawn"));
        let mut all = HostArgs::augment_args(Command::new("pod-tools")).subcommand(spawn);
        let line =
            "pod-tools --base-dir /b spawn --env A,B x --grant list --message hello --unit --env=-C -- sh -c";
        let words = line.split(' ').map(OsString::from).chain(["--env D -- \n".into()]);
        let given = all.try_get_matches_from_mut(words).unwrap();
        let (_, given) = given.subcommand().unwrap();
        let mut handed_on = pod_arguments(all.find_subcommand("spawn").unwrap(), given);
        let command = handed_on.split_off(handed_on.len() - 5);
        assert_eq!(command, ["x", "--", "sh", "-c", "--env D -- \n"]);
        assert_eq!(handed_on[..2], ["pod", "--background"]);
        handed_on.sort();
        assert_eq!(
            handed_on,
            ["--background", "--base-dir=/b", "--env=-C", "--env=A", "--env=B", "--grant=list", "pod"]
        );
    }
}
