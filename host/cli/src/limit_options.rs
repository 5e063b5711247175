//! The limits of a call as they are set: each an option, an environment variable and a key of a grants file,
//! with one name, one unit and one bound for all three.

use std::sync::Arc;

use clap::error::Error;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use pod_tools_host::Limits;

use crate::units::{bytes, bytes_in_memory, count, duration};

/// A limit that can be set.
#[derive(Debug)]
pub struct Limit {
    /// The option without its dashes, and the key in a grants file.
    pub name: &'static str,
    variable: &'static str,
    value_name: &'static str,
    /// As it would be written; a test compares it with [`Limits::default`].
    pub default: &'static str,
    help: &'static str,
    read: fn(&str) -> Result<Change, String>,
}

/// What a given value does to the limits.
type Change = Arc<dyn Fn(&mut Limits) + Send + Sync>;

/// A limit that was given a value.
#[derive(Clone)]
pub struct GivenLimit {
    /// Which limit.
    pub limit: &'static Limit,
    /// The value, as it was written.
    pub text: String,
    change: Change,
}

impl std::fmt::Debug for GivenLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {:?}", self.limit.name, self.text)
    }
}

/// All of them, in the order in which they are shown.
pub static LIMITS: [Limit; 13] = [
    Limit {
        name: "op-timeout",
        variable: "POD_TOOLS_OP_TIMEOUT",
        value_name: "DURATION",
        default: "5s",
        help: "Time of one operation: connecting, waiting for bytes, waiting for a lock",
        read: |text| change(duration(text), |limits| &mut limits.operation_time),
    },
    Limit {
        name: "call-timeout",
        variable: "POD_TOOLS_CALL_TIMEOUT",
        value_name: "DURATION",
        default: "30s",
        help: "Time of the whole call, waits included",
        read: |text| change(duration(text), |limits| &mut limits.call_time),
    },
    Limit {
        name: "cpu-time",
        variable: "POD_TOOLS_CPU_TIME",
        value_name: "DURATION",
        default: "10s",
        help: "Time that the plugin may compute, and the host for it, waits excluded",
        read: |text| change(duration(text), |limits| &mut limits.cpu_time),
    },
    Limit {
        name: "memory",
        variable: "POD_TOOLS_MEMORY",
        value_name: "BYTES",
        default: "512MiB",
        help: "Memory of the plugin, with what the host holds for it: the records of its handles",
        read: |text| change(bytes_in_memory(text), |limits| &mut limits.memory),
    },
    Limit {
        name: "max-line",
        variable: "POD_TOOLS_MAX_LINE",
        value_name: "BYTES",
        default: "256MiB",
        help: "Bytes of one line that a pod sends",
        read: |text| change(bytes(text), |limits| &mut limits.line),
    },
    Limit {
        name: "max-output",
        variable: "POD_TOOLS_MAX_OUTPUT",
        value_name: "BYTES",
        default: "no bound",
        help: "Bytes of a pod's text in one answer, in UTF-8 and before any escapes: as many whole items as fit, \
               and a longer one in parts, of one character at least. The answer says what is left; the next one \
               goes on from there. `none` or 0: no bound. 64KiB for `pod-tools mcp`",
        read: |text| {
            let bound = if text == "none" { Ok(0) } else { bytes(text) };
            change(bound.map(|bound| Some(bound).filter(|bound| *bound > 0)), |limits| &mut limits.output)
        },
    },
    Limit {
        name: "max-transfer",
        variable: "POD_TOOLS_MAX_TRANSFER",
        value_name: "BYTES",
        default: "256MiB",
        help: "Bytes that the plugin may hand over in one go",
        read: |text| change(bytes_in_memory(text), |limits| &mut limits.transfer),
    },
    Limit {
        name: "max-data",
        variable: "POD_TOOLS_MAX_DATA",
        value_name: "BYTES",
        default: "1MiB",
        help: "Bytes of an answer's data and of its summary, of each, and of an error's message: what programs read. \
               A listing has some 100 bytes of data a pod, and its scope. Not the text of an answer: --max-output \
               cuts that, and --max-transfer bounds it",
        read: |text| change(bytes_in_memory(text), |limits| &mut limits.data),
    },
    Limit {
        name: "table-elements",
        variable: "POD_TOOLS_TABLE_ELEMENTS",
        value_name: "N",
        default: "20000",
        help: "Elements of the plugin's tables, together; at most 100000",
        read: |text| {
            let most = Limits::MAX_TABLE_ELEMENTS;
            let number = count(text).and_then(|number: usize| {
                if number <= most { Ok(number) } else { Err(format!("tables have at most {most} elements")) }
            });
            change(number, |limits| &mut limits.table_elements)
        },
    },
    Limit {
        name: "instances",
        variable: "POD_TOOLS_INSTANCES",
        value_name: "N",
        default: "16",
        help: "Instances, memories and tables of the plugin, of each",
        read: |text| change(count(text), |limits| &mut limits.instances),
    },
    Limit {
        name: "host-calls",
        variable: "POD_TOOLS_HOST_CALLS",
        value_name: "N",
        default: "1000000",
        help: "Calls of host functions",
        read: |text| change(count(text), |limits| &mut limits.host_calls),
    },
    Limit {
        name: "handles",
        variable: "POD_TOOLS_HANDLES",
        value_name: "N",
        default: "100000",
        help: "Handles to pods and exchanges that the plugin may hold",
        read: |text| change(count(text), |limits| &mut limits.handles),
    },
    Limit {
        name: "exchanges",
        variable: "POD_TOOLS_EXCHANGES",
        value_name: "N",
        default: "128",
        help: "Connections that the plugin may have open",
        read: |text| change(count(text), |limits| &mut limits.exchanges),
    },
];

fn change<T: Copy + Send + Sync + 'static>(
    value: Result<T, String>,
    field: fn(&mut Limits) -> &mut T,
) -> Result<Change, String> {
    let value = value?;
    Ok(Arc::new(move |limits| *field(limits) = value))
}

impl Limit {
    /// Gives it a value, as it is written on a command line or in a file.
    pub fn set(&'static self, text: &str) -> Result<GivenLimit, String> {
        Ok(GivenLimit { limit: self, text: text.to_owned(), change: (self.read)(text)? })
    }

    fn option(&'static self) -> Arg {
        Arg::new(self.name)
            .long(self.name)
            .global(true)
            .env(self.variable)
            .value_name(self.value_name)
            .help(format!("{} [default: {}]", self.help, self.default))
            .value_parser(|text: &str| self.set(text))
    }
}

/// The limits that were given a value. None of them twice.
#[derive(Debug, Clone, Default)]
pub struct GivenLimits(pub Vec<GivenLimit>);

impl GivenLimits {
    /// Changes those that were given.
    pub fn apply(&self, limits: &mut Limits) {
        for setting in &self.0 {
            (setting.change)(limits);
        }
    }
}

impl Args for GivenLimits {
    fn augment_args(command: Command) -> Command {
        command.next_help_heading("Limits of a call").args(LIMITS.iter().map(Limit::option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for GivenLimits {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(LIMITS.iter().filter_map(|limit| matches.get_one(limit.name).cloned()).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let given = Self::from_arg_matches(matches)?;
        self.0.retain(|old| given.0.iter().all(|new| new.limit.name != old.limit.name));
        self.0.extend(given.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pod_tools_host::Setting;

    use super::*;
    use crate::options::remedy::remedy;

    #[test]
    fn every_default_that_is_shown_is_the_default() {
        for limit in LIMITS.iter().filter(|limit| limit.default != "no bound") {
            let mut limits = Limits::default();
            GivenLimits(vec![limit.set(limit.default).unwrap()]).apply(&mut limits);
            assert_eq!(limits, Limits::default(), "{}", limit.name);
        }
    }

    #[test]
    fn every_limit_changes_one_field_of_its_own() {
        let mut seen = Vec::new();
        for limit in &LIMITS {
            let mut limits = Limits::default();
            GivenLimits(vec![limit.set("7").unwrap()]).apply(&mut limits);
            assert!(limits != Limits::default() && !seen.contains(&limits), "{}", limit.name);
            seen.push(limits);
        }
    }

    #[test]
    fn the_error_of_every_limit_names_the_option_that_sets_it() {
        let remedies: Vec<&str> = Setting::ALL.iter().map(|&setting| remedy(setting)).collect();
        // Reaching `max-output` is no error.
        for limit in LIMITS.iter().filter(|limit| limit.name != "max-output") {
            let names_it = |remedy: &&&str| remedy.ends_with(&format!(" with --{})", limit.name));
            assert_eq!(remedies.iter().filter(names_it).count(), 1, "{}", limit.name);
        }
    }

    #[test]
    fn an_answer_is_not_bounded_by_nothing() {
        let limit = LIMITS.iter().find(|limit| limit.name == "max-output").unwrap();
        for (text, output) in
            [("none", None), ("0", None), ("0KiB", None), ("1", Some(1)), ("64KiB", Some(65_536))]
        {
            let mut limits = Limits::default();
            limits.output = Some(9);
            GivenLimits(vec![limit.set(text).unwrap()]).apply(&mut limits);
            assert_eq!(limits.output, output, "{text}");
        }
        for text in ["None", "", "-1", "all"] {
            limit.set(text).unwrap_err();
        }
    }

    #[test]
    fn a_value_without_its_bounds_is_refused() {
        for (name, text) in [("op-timeout", "0"), ("table-elements", "100001"), ("handles", "-1")] {
            let limit = LIMITS.iter().find(|limit| limit.name == name).unwrap();
            limit.set(text).unwrap_err();
        }
    }
}
