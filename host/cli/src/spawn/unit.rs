//! A pod that is started by the user's systemd, as a transient unit.
//!
//! The unit is of the type `notify`: `systemd-run` returns when the pod has said that it is ready, or has failed. What it
//! says until then is in files that this process has made, as the unit's streams cannot be this process's.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use anyhow::{Context, bail};
use tokio::process::Command;

use super::started::Started;
use crate::interrupt::Interrupt;
use crate::pod::{SERVICE_MANAGER, program};
use crate::streams::tell;

const SYSTEMD_RUN: &str = "systemd-run";

/// Starts it, and waits until it is ready or has failed.
pub async fn start(name: &str, arguments: &[OsString], interrupt: &mut Interrupt) -> anyhow::Result<Started> {
    program::check(SYSTEMD_RUN.as_ref()).context(
        "--unit has the pod started by your systemd; without it the pod outlives the terminal all the same",
    )?;
    let told = tempfile::Builder::new().prefix("pod-tools-").tempdir().context("no temporary directory")?;
    let (ready, said) = (told.path().join("ready"), told.path().join("said"));
    let unit = unit_name(name);
    let mut command = Command::new(SYSTEMD_RUN);
    command.args(["--user", "--quiet", "--collect"]).arg(unit_option(&unit));
    command.arg(format!("--description=pod {name:?}"));
    for property in ["Type=notify", "NotifyAccess=main", "KillMode=mixed", "StandardInput=null"] {
        command.arg(format!("--property={property}"));
    }
    command.arg(appending("StandardOutput", &ready)).arg(appending("StandardError", &said));
    let directory = std::env::current_dir().context("cannot tell the current directory")?;
    command.arg(joined("--working-directory=", directory.as_os_str()));
    // By name: the values are not on a command line, which others can read.
    for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_handed_on(variable)) {
        command.arg(joined("--setenv=", &variable));
    }
    command.arg("--").arg(std::env::current_exe().context("cannot find this program's own file")?);
    command.args(arguments).kill_on_drop(true);
    let ended = interrupt.or(command.output()).await;
    let Some(ended) = ended else {
        // systemd goes on starting it: what is not told that it is to end would be there.
        stop(&unit).await;
        return Ok(Started::Interrupted);
    };
    let ended = ended.context("cannot run `systemd-run`")?;
    let read = |file: &Path| fs::read(file).map(|text| String::from_utf8_lossy(&text).into_owned());
    let pod_said = read(&said).unwrap_or_default();
    if !pod_said.trim().is_empty() {
        tell(format_args!("{}", pod_said.trim_end()));
    }
    match read(&ready) {
        Ok(line) if ended.status.success() && line.ends_with('\n') => return Ok(Started::Ready(line)),
        _ if !pod_said.trim().is_empty() => return Ok(Started::Failed(1)),
        _ => {}
    }
    let why = String::from_utf8_lossy(&ended.stderr);
    bail!(
        "your systemd did not start the pod as the unit `{unit}`: {}; without --unit the pod outlives the terminal all the \
         same",
        match why.trim() {
            "" => format!("`systemd-run` ended with {}", ended.status),
            why => why.replace('\n', " "),
        }
    )
}

async fn stop(unit: &str) {
    let _ = Command::new("systemctl").args(["--user", "stop", unit]).output().await;
}

fn unit_option(unit: &str) -> String {
    format!("--unit={unit}")
}

/// A property that has a stream go to a file.
fn appending(stream: &str, file: &Path) -> OsString {
    joined(&format!("--property={stream}=append:"), file.as_os_str())
}

fn joined(option: &str, value: &OsStr) -> OsString {
    OsString::from_vec([option.as_bytes(), value.as_bytes()].concat())
}

/// Names that systemd does not take are passed over, and so is what it says to this process itself.
fn is_handed_on(variable: &OsStr) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = variable.as_bytes();
    variable != SERVICE_MANAGER
        && bytes.iter().all(is_name)
        && bytes.first().is_some_and(|first| !first.is_ascii_digit())
}

/// The unit of a pod of that name, with what is not for the name of a unit as systemd escapes it.
fn unit_name(pod: &str) -> String {
    let mut unit = "pod-tools-".to_owned();
    for byte in pod.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b':' => unit.push(byte.into()),
            other => unit.push_str(&format!("\\x{other:02x}")),
        }
    }
    unit + ".service"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_name_has_what_systemd_takes() {
        assert_eq!(unit_name("build-7"), "pod-tools-build-7.service");
        assert_eq!(unit_name("a b/ü"), "pod-tools-a\\x20b\\x2f\\xc3\\xbc.service");
    }

    #[test]
    fn variables_with_names_that_are_none_are_passed_over() {
        for (name, handed) in
            [("PATH", true), ("_x1", true), ("1x", false), ("BASH_FUNC_x%%", false), ("NOTIFY_SOCKET", false)]
        {
            assert_eq!(is_handed_on(name.as_ref()), handed, "{name}");
        }
    }
}
