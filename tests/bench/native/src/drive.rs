//! One side of the benchmark as a process: it reads what to do from standard input, a JSON line each, and
//! says how long it took. The clock runs here, around the calls alone.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::usage::Usage;

/// What is measured: tools that can be called.
pub trait Side: Send + Sync + 'static {
    /// What a call gives, and what is dropped when the clock has stopped.
    type Output: AsRef<str> + Send;

    /// One call, and whatever has to be done before the next one. An error ends the benchmark.
    fn call(&self, tool: &str, input: &str) -> impl Future<Output = Result<Self::Output, String>> + Send;

    /// Forgets how far histories were read.
    fn forget_cursors(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Takes note that the registry was written anew.
    fn reload(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// What a side is asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Calls, one after the other.
    Calls {
        /// The tool.
        tool: String,
        /// Its input.
        input: String,
        /// How many calls.
        times: u32,
        /// Forgets the cursors before each.
        anew: bool,
    },
    /// Calls, all at once: tool and input of each.
    AtOnce {
        /// Tool and input of each.
        calls: Vec<(String, String)>,
        /// Forgets the cursors before.
        anew: bool,
    },
    /// The registry was written anew.
    Reload,
    /// Nothing: the reply tells of the memory.
    Rest,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reply {
    /// How long all calls took together, in seconds.
    pub seconds: f64,
    /// What the process used meanwhile.
    pub usage: Usage,
    /// A digest of the text of the last answer, and its length. To compare, not to trust.
    pub text: (u64, usize),
    /// The most memory that the process ever had, in bytes.
    pub peak: u64,
    /// The memory that it has now, in bytes.
    pub resident: u64,
    /// Why it failed.
    pub error: Option<String>,
}

/// Serves requests until the end of input.
///
/// # Errors
///
/// Fails where standard input or output does, or a request cannot be read.
pub fn serve<S: Side>(side: S) -> io::Result<()> {
    // One caller needs one thread; many at once have what the machine has.
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let many = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let side = Arc::new(side);
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let request = serde_json::from_str(&line?)?;
        let runtime = if matches!(request, Request::AtOnce { .. }) { &many } else { &one };
        let mut reply = runtime
            .block_on(answer(&side, request))
            .unwrap_or_else(|error| Reply { error: Some(error), ..Reply::default() });
        (reply.peak, reply.resident) = memory()?;
        serde_json::to_writer(&mut out, &reply)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

async fn answer<S: Side>(side: &Arc<S>, request: Request) -> Result<Reply, String> {
    let mut reply = Reply::default();
    let mut seconds = Duration::ZERO;
    match request {
        Request::Calls { tool, input, times, anew } => {
            let mut last = None;
            let mut used = Usage::of_this();
            for _ in 0..times {
                if anew {
                    side.forget_cursors().await?;
                    used = Usage::of_this();
                }
                // Not two texts at a time: one call's memory is what is measured.
                drop(last.take());
                let began = Instant::now();
                let answer = side.call(&tool, &input).await?;
                seconds += began.elapsed();
                last = Some(answer);
                if anew {
                    reply.usage = reply.usage + (Usage::of_this() - used);
                }
            }
            if !anew {
                reply.usage = Usage::of_this() - used;
            }
            reply.text = last.as_ref().map_or((0, 0), |text| digest(text.as_ref()));
        }
        Request::AtOnce { calls, anew } => {
            if anew {
                side.forget_cursors().await?;
            }
            let (began, used) = (Instant::now(), Usage::of_this());
            let calls: Vec<_> = calls
                .into_iter()
                .map(|(tool, input)| {
                    let side = side.clone();
                    tokio::spawn(async move { side.call(&tool, &input).await })
                })
                .collect();
            for call in calls {
                reply.text = digest(call.await.map_err(|error| error.to_string())??.as_ref());
            }
            seconds = began.elapsed();
            reply.usage = Usage::of_this() - used;
        }
        Request::Reload => side.reload().await?,
        Request::Rest => {}
    }
    reply.seconds = seconds.as_secs_f64();
    Ok(reply)
}

fn digest(text: &str) -> (u64, usize) {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (hasher.finish(), text.len())
}

/// The most memory that this process ever had, and what it has now, in bytes.
fn memory() -> io::Result<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        let kib = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or(0, |kib| kib << 10)
    };
    Ok((field("VmHWM:"), field("VmRSS:")))
}
