//! Whole processes: `pod-tools call ListPods` against a native program that does the same.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use pod_tools_bench_native::usage::Usage;

use crate::history::Shape;
use crate::measure::{Effort, Pairs, Sample, Spread};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Row, Unit};

/// The compilation cache that the process finds.
#[derive(Debug, Clone, Copy)]
pub enum Cache {
    Warm,
    Empty,
}

impl Cache {
    pub fn name(self) -> &'static str {
        match self {
            Cache::Warm => "cold: `pod-tools call ListPods`, cache warm",
            Cache::Empty => "cold: `pod-tools call ListPods`, cache empty",
        }
    }
}

pub fn measure(cache: Cache, programs: &Programs, effort: Effort) -> anyhow::Result<Row> {
    let place = Place::new(10, Behaviour::Answer(Shape { items: 10, item_bytes: 200 }), 10)?;
    let pod_tools = programs.pod_tools()?;
    let sandboxed = |cache_home: &Path| {
        let mut command = Command::new(&pod_tools);
        command.args(["call", "ListPods", "--base-dir"]).arg(place.base());
        command.arg("--runtime-dir").arg(place.runtime_dir());
        command.arg("--scope-lock").arg(place.scope_lock()).env("XDG_CACHE_HOME", cache_home);
        run(&mut command)
    };
    let native =
        |_| run(Command::new(programs.native()).arg("list").arg(place.registry()).arg(place.scope_lock()));
    let warm = place.root().join("cache");
    Ok(match cache {
        Cache::Warm => {
            let pairs = Pairs::take(effort, 1, |_| sandboxed(&warm), native)?;
            Row::new(cache.name(), Unit::MillisecondsMore, milli(pairs.difference()), Some(4.0)).with(&pairs)
        }
        Cache::Empty => {
            let empty = |_| sandboxed(tempfile::tempdir_in(place.root())?.path());
            let pairs = Pairs::take(effort, 1, empty, native)?;
            Row::new(cache.name(), Unit::Milliseconds, milli(pairs.sandboxed()), Some(400.0)).with(&pairs)
        }
    })
}

fn milli(seconds: Spread) -> Spread {
    let Spread { low, median, high } = seconds;
    Spread { low: low * 1e3, median: median * 1e3, high: high * 1e3 }
}

/// From the start of the process to its end.
fn run(command: &mut Command) -> anyhow::Result<Sample> {
    let (began, used) = (Instant::now(), Usage::of_children());
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(status.success(), "{command:?} failed: {status}");
    Ok(Sample { seconds, usage: Usage::of_children() - used })
}
