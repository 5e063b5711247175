//! What one caller of a node may have: options of `pod-tools node` for all, and keys of a `[[caller]]` for one, with one
//! unit and one bound for both.

use pod_tools_node::node::CallerLimits;

use crate::units::{bytes_in_memory, count};

/// Keys of a `[[caller]]`.
pub const CALLS: &str = "max-calls";
pub const RATE: &str = "max-rate";
pub const BYTES: &str = "max-bytes";

/// As the options of the node say, for callers who have none of their own.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Node")]
pub struct CallerLimitArgs {
    /// Calls of one caller that run at once
    ///
    /// One more waits at its caller's and is tried again. A caller's `max-calls` in the grants file says otherwise for him
    #[arg(
        long,
        value_name = "N",
        default_value = "64",
        value_parser = some::<usize>,
        hide_short_help = true
    )]
    max_caller_calls: usize,

    /// Requests of one caller in a second
    ///
    /// Repeated ones count; twice as many may come at once. A caller's `max-rate` says otherwise for him
    #[arg(
        long,
        value_name = "N",
        default_value = "1000",
        value_parser = some::<u32>,
        hide_short_help = true
    )]
    max_caller_rate: u32,

    /// Bytes of one caller that are held here
    ///
    /// Of requests that are carried out, and of answers that were not yet delivered. A caller's `max-bytes` says otherwise
    /// for him
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "256MiB",
        value_parser = some_bytes,
        hide_short_help = true
    )]
    max_caller_bytes: usize,
}

impl CallerLimitArgs {
    pub fn limits(&self) -> CallerLimits {
        let (calls, rate, bytes) = (self.max_caller_calls, self.max_caller_rate, self.max_caller_bytes);
        CallerLimits { calls, rate, bytes }
    }
}

/// Those that a `[[caller]]` has of his own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnLimits {
    calls: Option<usize>,
    rate: Option<u32>,
    bytes: Option<usize>,
}

impl OwnLimits {
    /// Sets the one of that key.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            CALLS => self.calls = Some(some(text)?),
            RATE => self.rate = Some(some(text)?),
            _ => self.bytes = Some(some_bytes(text)?),
        }
        Ok(())
    }

    /// These, and the others as they are for everybody.
    pub fn or(&self, others: &CallerLimits) -> CallerLimits {
        CallerLimits {
            calls: self.calls.unwrap_or(others.calls),
            rate: self.rate.unwrap_or(others.rate),
            bytes: self.bytes.unwrap_or(others.bytes),
        }
    }
}

/// Whoever may have nothing is better not there: he would be told to try again for ever.
fn some<T: std::str::FromStr + Default + PartialEq>(text: &str) -> Result<T, String> {
    count(text).and_then(more_than_none)
}

fn some_bytes(text: &str) -> Result<usize, String> {
    bytes_in_memory(text).and_then(more_than_none)
}

fn more_than_none<T: Default + PartialEq>(number: T) -> Result<T, String> {
    if number == T::default() {
        return Err("it is one at least; to shut a caller out, take out his [[caller]]".to_owned());
    }
    Ok(number)
}
