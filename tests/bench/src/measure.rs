//! Samples of both sides in turns, and what is made of them.

use std::time::{Duration, Instant};

use pod_tools_bench_native::usage::Usage;
use serde::Serialize;

/// The time that one sample of the quicker side should take: long beside the clock and a wake-up.
const SAMPLE: f64 = 4e-3;

/// How much is put into the figures.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub quick: bool,
}

impl Effort {
    /// How long the samples of one workload are taken for.
    fn budget(self) -> Duration {
        if self.quick { Duration::from_millis(300) } else { Duration::from_secs(6) }
    }

    fn fewest(self) -> usize {
        if self.quick { 3 } else { 9 }
    }

    /// Whether histories of that size are measured.
    pub fn includes(self, history_bytes: usize) -> bool {
        !self.quick || history_bytes <= 16 << 20
    }
}

/// The median, and the quartiles around it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            let index = ((values.len() - 1) as f64 * part).round() as usize;
            values[index]
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    pub const fn exactly(value: f64) -> Self {
        Self { low: value, median: value, high: value }
    }
}

/// What some calls took together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    pub seconds: f64,
    pub usage: Usage,
}

impl Sample {
    fn per_call(self, calls: u32) -> Self {
        let calls = f64::from(calls);
        let usage = Usage { cpu: self.usage.cpu / calls, switches: self.usage.switches / calls };
        Self { seconds: self.seconds / calls, usage }
    }
}

/// Both sides, sample by sample, per call.
#[derive(Debug, Default)]
pub struct Pairs(Vec<(Sample, Sample)>);

impl Pairs {
    /// Takes samples in turns: `sandboxed` and `native` make so many calls and give what all of them took. `most` is
    /// how many calls a sample may have.
    pub fn take(
        effort: Effort,
        most: u32,
        mut sandboxed: impl FnMut(u32) -> anyhow::Result<Sample>,
        mut native: impl FnMut(u32) -> anyhow::Result<Sample>,
    ) -> anyhow::Result<Self> {
        // The first of each warms up, and tells how long a call takes.
        sandboxed(1)?;
        native(1)?;
        let once = sandboxed(1)?.seconds.min(native(1)?.seconds).max(1e-6);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
        let times = ((SAMPLE / once).ceil() as u32).clamp(1, most);

        let (began, mut pairs) = (Instant::now(), Vec::new());
        while pairs.len() < effort.fewest() || began.elapsed() < effort.budget() {
            let pair = if pairs.len() % 2 == 0 {
                let first = sandboxed(times)?;
                (first, native(times)?)
            } else {
                let first = native(times)?;
                (sandboxed(times)?, first)
            };
            pairs.push((pair.0.per_call(times), pair.1.per_call(times)));
        }
        Ok(Self(pairs))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn spread(&self, of: impl Fn(&Sample, &Sample) -> f64) -> Spread {
        Spread::of(self.0.iter().map(|(sandboxed, native)| of(sandboxed, native)).collect())
    }

    pub fn ratio(&self) -> Spread {
        self.spread(|sandboxed, native| sandboxed.seconds / native.seconds)
    }

    /// How much more the sandboxed side takes, in seconds.
    pub fn difference(&self) -> Spread {
        self.spread(|sandboxed, native| sandboxed.seconds - native.seconds)
    }

    pub fn sandboxed(&self) -> Spread {
        self.spread(|sandboxed, _| sandboxed.seconds)
    }

    pub fn native(&self) -> Spread {
        self.spread(|_, native| native.seconds)
    }

    /// What either side used for a call, on average: the kernel counts processor time in steps that may be longer than
    /// a sample.
    pub fn usage(&self) -> (Usage, Usage) {
        let (mut sandboxed, mut native) = (Usage::default(), Usage::default());
        for pair in &self.0 {
            (sandboxed, native) = (sandboxed + pair.0.usage, native + pair.1.usage);
        }
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let mean = |sum: Usage| Usage {
            cpu: sum.cpu / self.len() as f64,
            switches: sum.switches / self.len() as f64,
        };
        (mean(sandboxed), mean(native))
    }
}
