//! How a scope and a time are worded.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use crate::escape::Shown;
use crate::host::{Permission, ScopeRule};

/// A pod's scope on one line.
pub(crate) fn scope_summary(scope: &[ScopeRule]) -> String {
    if scope.is_empty() {
        return "(none)".into();
    }
    let mut out = String::new();
    for rule in scope {
        let separator = if out.is_empty() { "" } else { ", " };
        let permission = match rule.permission {
            Permission::Read => "read",
            Permission::Write => "write",
        };
        let tag = if rule.recursive { "" } else { " [non-recursive]" };
        // Writing to a string cannot fail.
        let _ = write!(out, "{separator}{permission}:{}{tag}", Shown(&rule.target));
    }
    out
}

/// A time, in seconds: `5 s`, `0.25 s`.
pub(crate) fn seconds(milliseconds: u32) -> String {
    let (whole, rest) = (milliseconds / 1000, milliseconds % 1000);
    if rest == 0 {
        return format!("{whole} s");
    }
    let fraction = format!("{rest:03}");
    format!("{whole}.{} s", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_seconds() {
        for (milliseconds, shown) in
            [(5000, "5 s"), (250, "0.25 s"), (1500, "1.5 s"), (1, "0.001 s"), (0, "0 s"), (60_050, "60.05 s")]
        {
            assert_eq!(seconds(milliseconds), shown);
        }
    }
}
