//! What the sandbox itself costs: a store and an instance are made, called for nothing, and wiped.
//!
//! ```sh
//! cargo run --release --locked -p pod-tools-bench --example instance [FILE]
//! ```
//!
//! CPU time a call, user and system, of each of ten runs. The component is the bundled one, or the file that is named.

use anyhow::Result;
use pod_tools_host::{Authority, PodTools};
use rustix::time::{ClockId, clock_gettime};

const CALLS: u32 = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let tools = match std::env::args_os().nth(1) {
        Some(file) => PodTools::builder().component_file(file).load()?,
        None => PodTools::bundled()?,
    };
    let authority = Authority::builder().build()?;
    for _ in 0..10 {
        let before = clock_gettime(ClockId::ThreadCPUTime);
        for _ in 0..CALLS {
            // There is no such tool, so the plugin asks the host for nothing.
            let answer = tools.call(&authority, "", "").await;
            anyhow::ensure!(answer.is_err(), "a tool without a name was found");
        }
        let took = clock_gettime(ClockId::ThreadCPUTime) - before;
        let nanoseconds = i128::from(took.tv_sec) * 1_000_000_000 + i128::from(took.tv_nsec);
        println!("{:.2} µs", nanoseconds as f64 / f64::from(CALLS) / 1000.0);
    }
    Ok(())
}
