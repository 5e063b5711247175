//! Many callers at once, each of which makes its calls one after the other.

use std::future::Future;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// What their calls took.
pub struct Taken {
    /// Seconds of each.
    pub latencies: Vec<f64>,
    /// Of all of them.
    seconds: f64,
}

impl Taken {
    /// Calls a second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let calls = self.latencies.len() as f64;
        calls / self.seconds
    }

    /// What that part of them took at most.
    pub fn percentile(&self, part: f64) -> f64 {
        percentile(self.latencies.clone(), part)
    }
}

pub fn percentile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((values.len() - 1) as f64 * part).round() as usize;
    values[index]
}

/// About `calls` calls by `callers` at once. A call is given its number; one that fails ends all.
pub fn crowd<C, F>(runtime: &Runtime, callers: usize, calls: usize, call: C) -> anyhow::Result<Taken>
where
    C: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let each = (calls / callers).max(1);
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for caller in 0..callers {
            let call = call.clone();
            tasks.spawn(async move {
                let mut latencies = Vec::with_capacity(each);
                for turn in 0..each {
                    let began = Instant::now();
                    call(turn * callers + caller).await?;
                    latencies.push(began.elapsed().as_secs_f64());
                }
                anyhow::Ok(latencies)
            });
        }
        let mut latencies = Vec::with_capacity(each * callers);
        while let Some(done) = tasks.join_next().await {
            latencies.extend(done??);
        }
        Ok(Taken { latencies, seconds: began.elapsed().as_secs_f64() })
    })
}
