//! What results are shown on: how wide it is, and whether it has colours.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use crate::streams::output_is_terminal;

/// Standard output, as far as what is shown there depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// How many columns and rows a terminal has; `None`: it is none, or does not say, and lines are as long as they are.
    pub size: Option<(usize, usize)>,
    pub colours: bool,
}

impl Screen {
    /// As it is now: a terminal may have another width in a moment.
    pub fn of_output() -> Screen {
        let is_terminal = output_is_terminal();
        let colours = colours(is_terminal, |name| std::env::var_os(name));
        Screen { size: if is_terminal { size() } else { None }, colours }
    }

    pub fn width(self) -> Option<usize> {
        self.size.map(|(columns, _)| columns)
    }
}

/// By <https://no-color.org> and <https://bixense.com/clicolors>: what forbids wins, an empty variable is none.
fn colours<S: AsRef<OsStr>>(is_terminal: bool, variable: impl Fn(&str) -> Option<S>) -> bool {
    let value = |name| variable(name).filter(|value| !value.as_ref().is_empty());
    let is = |name, what: &str| value(name).is_some_and(|value| value.as_ref() == what);
    if value("NO_COLOR").is_some() {
        return false;
    }
    let forced = value("CLICOLOR_FORCE").is_some() && !is("CLICOLOR_FORCE", "0");
    let can = value("TERM").is_some() && !is("TERM", "dumb");
    forced || is_terminal && can && !is("CLICOLOR", "0")
}

fn size() -> Option<(usize, usize)> {
    let mut found = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the call fills the structure that it is given, for which zeros are values, too.
    let size = unsafe {
        if libc::ioctl(std::io::stdout().as_raw_fd(), libc::TIOCGWINSZ, found.as_mut_ptr()) != 0 {
            return None;
        }
        found.assume_init()
    };
    (size.ws_col > 0).then_some((size.ws_col.into(), size.ws_row.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_variables_say_otherwise() {
        let with = |is_terminal, set: &[(&str, &'static str)]| {
            let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            colours(is_terminal, value)
        };
        assert!(with(true, &[("TERM", "xterm")]) && with(true, &[("TERM", "xterm"), ("NO_COLOR", "")]));
        assert!(!with(false, &[("TERM", "xterm")]) && !with(true, &[]) && !with(true, &[("TERM", "dumb")]));
        assert!(!with(true, &[("TERM", "xterm"), ("CLICOLOR", "0")]));
        assert!(with(false, &[("CLICOLOR_FORCE", "1")]) && !with(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!with(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
    }
}
