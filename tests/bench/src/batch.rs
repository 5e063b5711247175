//! What users run: `pod-tools call --batch` against the native tools as a process that answers the same lines. The
//! clock runs here, from the line to the answer.

use std::process::Command;
use std::time::Instant;

use pod_tools_bench_native::usage::Usage;
use serde_json::{Value, json};

use crate::history::Shape;
use crate::measure::{Effort, Pairs, Sample};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Row, Unit};
use crate::side::{Lines, Which};

/// A row, and the most that sandboxed ÷ native may be.
pub struct Batch {
    pub name: String,
    pods: usize,
    allocations: usize,
    work: Work,
    goal: f64,
    /// Switches a call, and processor time as a multiple of native's.
    counts: Option<(f64, f64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    List,
    Send,
    /// A process finds all of a pod's text new once: so each sample has a process of its own, and all pods but the
    /// first, with which it warms up, are read once.
    ReadNew,
    ReadNothingNew,
    /// A pod is stopped once: the same, with one pod.
    Stop,
}

const SMALL: Shape = Shape { items: 10, item_bytes: 200 };
/// Pods that are read once in a sample.
const READ_ONCE: usize = 64;

pub fn all() -> Vec<Batch> {
    let row = |name: &str, work, goal| Batch {
        name: format!("batch: {name}"),
        pods: 1,
        allocations: 10,
        work,
        goal,
        counts: None,
    };
    let mut all = Vec::new();
    for (pods, goal) in [(1, 1.3), (100, 1.0), (1000, 0.8)] {
        let counts = (pods == 1).then_some((1.5, 1.8));
        all.push(Batch { pods, counts, ..row(&format!("ListPods, {pods} live pod(s)"), Work::List, goal) });
    }
    all.push(row("SendToPod, short message", Work::Send, 1.2));
    let new = row("ReadPodOutput, history of 10 items, all new", Work::ReadNew, 1.3);
    all.push(Batch { pods: READ_ONCE + 1, ..new });
    let nothing = row("ReadPodOutput, history of 10 items, nothing new", Work::ReadNothingNew, 1.1);
    all.push(Batch { counts: Some((3.5, 1.8)), ..nothing });
    for (allocations, goal) in [(10, 1.2), (1000, 1.1)] {
        let name = format!("StopPod, table of {allocations} allocations");
        all.push(Batch { allocations, ..row(&name, Work::Stop, goal) });
    }
    all
}

/// A process that answers batch lines.
struct Process(Lines);

impl Process {
    fn start(which: Which, place: &Place, programs: &Programs) -> anyhow::Result<Self> {
        let mut command = match which {
            Which::Native => {
                let mut command = Command::new(programs.native());
                command.arg("batch").arg(place.registry()).arg(place.scope_lock());
                command
            }
            Which::Sandboxed => {
                let mut command = programs.pod_tools_at(place)?;
                command.args(["call", "--batch"]);
                command
            }
        };
        Lines::start(&mut command).map(Self)
    }

    /// The content of the answer.
    fn content(&mut self, call: &str) -> anyhow::Result<Value> {
        let answer: Value = serde_json::from_str(&self.0.ask(call)?)?;
        anyhow::ensure!(answer["ok"].is_object(), "{call}: {answer}");
        Ok(answer["ok"]["content"].clone())
    }

    fn sample(&mut self, calls: impl Iterator<Item = String>) -> anyhow::Result<Sample> {
        let calls: Vec<String> = calls.collect();
        let used = Usage::of_threads(self.0.id())?;
        let began = Instant::now();
        for call in &calls {
            let answer = self.0.ask(call)?;
            anyhow::ensure!(answer.starts_with(r#"{"ok":"#), "{call}: {answer}");
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(Sample { seconds, usage: Usage::of_threads(self.0.id())? - used })
    }
}

fn call(tool: &str, input: &Value) -> String {
    json!({ "tool": tool, "input_json": input.to_string() }).to_string()
}

fn read(pod: &str) -> String {
    call("ReadPodOutput", &json!({ "name": pod }))
}

impl Work {
    fn call(self, pod: &str) -> String {
        match self {
            Work::List => call("ListPods", &json!({})),
            Work::Send => {
                call("SendToPod", &json!({ "name": pod, "message": "Please look at \"reader.rs\" again.\n" }))
            }
            Work::ReadNew | Work::ReadNothingNew => read(pod),
            Work::Stop => call("StopPod", &json!({ "name": pod })),
        }
    }

    /// A sample by a process of its own, which is warm.
    fn once(self, which: Which, place: &mut Place, programs: &Programs) -> anyhow::Result<Sample> {
        if self == Work::Stop {
            place.renew()?;
        } else {
            place.forget_cursors()?;
        }
        let mut process = Process::start(which, place, programs)?;
        let first = place.names()[0].clone();
        if self == Work::Stop {
            process.content(&read(&first))?;
            return process.sample(std::iter::once(self.call(&first)));
        }
        process.content(&self.call(&first))?;
        let sample = process.sample(place.names()[1..].iter().map(|name| self.call(name)))?;
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let calls = (place.names().len() - 1) as f64;
        let Sample { seconds, usage: Usage { cpu, switches } } = sample;
        Ok(Sample { seconds: seconds / calls, usage: Usage { cpu: cpu / calls, switches: switches / calls } })
    }
}

pub fn measure(batch: &Batch, programs: &Programs, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let place = std::cell::RefCell::new(Place::new(batch.pods, Behaviour::Answer(SMALL), batch.allocations)?);
    let pairs = if let Work::ReadNew | Work::Stop = batch.work {
        let once = |which| batch.work.once(which, &mut place.borrow_mut(), programs);
        Pairs::take(effort, 1, |_| once(Which::Sandboxed), |_| once(Which::Native))?
    } else {
        let start = |which| Process::start(which, &place.borrow(), programs);
        let (mut sandboxed, mut native) = (start(Which::Sandboxed)?, start(Which::Native)?);
        let call = batch.work.call(&place.borrow().names()[0]);
        // Both do the same, or nothing is compared.
        let (ours, theirs) = (sandboxed.content(&call)?, native.content(&call)?);
        anyhow::ensure!(ours == theirs, "{}: {ours}, native {theirs}", batch.name);
        let calls = |times: u32| (0..times).map(|_| call.clone());
        Pairs::take(
            effort,
            1000,
            |times| sandboxed.sample(calls(times)),
            |times| native.sample(calls(times)),
        )?
    };
    let mut rows = vec![Row::new(&batch.name, Unit::Ratio, pairs.ratio(), Some(batch.goal)).with(&pairs)];
    if let Some((switches, cpu)) = batch.counts {
        rows.push(Row::of_switches(&batch.name, &pairs, switches));
        rows.push(Row::of_cpu(&batch.name, &pairs, cpu));
    }
    Ok(rows)
}
