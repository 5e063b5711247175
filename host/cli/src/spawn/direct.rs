//! A pod that is started by this process, in a session of its own.

use std::ffi::OsString;
use std::process::Stdio;

use anyhow::Context;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::started::Started;
use crate::exit::TERMINATED;
use crate::interrupt::Interrupt;
use crate::pod::{SERVICE_MANAGER, Tail};
use crate::streams::tell;

/// The line that says that a pod is ready has at most so many bytes: it has a path in it, and what a fence lacks.
const LONGEST_LINE: u64 = 64 << 10;
/// How much of the end of what a pod says at its start is shown.
const SAID: usize = 16 << 10;

/// Starts it, and waits until it is ready or has failed.
pub async fn start(arguments: &[OsString], interrupt: &mut Interrupt) -> anyhow::Result<Started> {
    let mut pod = Command::new(program()?);
    // A service manager that waits for this process is not to be told that the pod is ready.
    pod.arg0("pod-tools").args(arguments).env_remove(SERVICE_MANAGER);
    let pod = pod.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut pod = pod.spawn().context("cannot start the pod's process")?;
    let (out, err) = (pod.stdout.take(), pod.stderr.take());
    let (mut said, mut line) = (Tail::new(SAID), Vec::new());
    let (Some(out), Some(mut err)) = (out, err) else { anyhow::bail!("the pod's process has no streams") };
    let interrupted = {
        let mut out = out.take(LONGEST_LINE);
        // The pod lets go of its standard error before it says that it is ready.
        let told = async { tokio::join!(out.read_to_end(&mut line), read_all(&mut err, &mut said)) };
        interrupt.or(told).await.is_none()
    };
    if interrupted {
        terminate(&pod);
    }
    // It tells nobody any more; or it lives.
    if !interrupted && line.ends_with(b"\n") {
        show(&said);
        return Ok(Started::Ready(String::from_utf8_lossy(&line).into_owned()));
    }
    let status = pod.wait().await.context("cannot wait for the pod's process")?;
    if interrupted {
        return Ok(Started::Interrupted);
    }
    show(&said);
    let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
    if code.is_none() {
        tell(format_args!("pod-tools: the pod's process ended before it was ready, with {status}"));
    }
    Ok(Started::Failed(code.unwrap_or(TERMINATED)))
}

/// This very program, also where its file has been replaced meanwhile.
fn program() -> std::io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

async fn read_all(stream: &mut (impl AsyncRead + Unpin), tail: &mut Tail) {
    let mut piece = vec![0; 4 << 10];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        tail.push(&piece[..read]);
    }
}

fn show(said: &Tail) {
    let said = said.text();
    if !said.trim().is_empty() {
        tell(format_args!("{}", said.trim_end()));
    }
}

fn terminate(pod: &Child) {
    let id = pod.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}
