//! The workloads: what is called, on what pods, and how much slower or faster it may be.

use pod_tools_bench_native::drive::{Reply, Request};
use serde_json::json;

use crate::history::Shape;
use crate::measure::{Effort, Pairs, Sample, Spread};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Row, Unit};
use crate::side::{Side, Which};

/// A workload, and the most that sandboxed ÷ native may be.
pub struct Workload {
    pub name: String,
    pods: usize,
    behaviour: Behaviour,
    /// In the scope table, those of the pods included.
    allocations: usize,
    work: Work,
    goal: f64,
    /// The same of processor time, where that tells more.
    cpu: Option<f64>,
    memory: Option<MemoryGoal>,
}

enum Work {
    /// The call, and whether each has to find everything new.
    Calls { tool: &'static str, input: String, anew: bool },
    /// One call each, on a pod that is there again for the next.
    Stop,
    /// So many calls at once: sends and reads in turns.
    AtOnce { calls: usize, anew: bool },
}

/// What the peak of the whole process may be.
#[derive(Clone, Copy)]
enum MemoryGoal {
    /// So many times native's.
    OfNative(f64),
    /// So many bytes more than when it is idle.
    AboveIdle(u64),
}

const MIB: u64 = 1 << 20;
const SMALL: Shape = Shape { items: 10, item_bytes: 200 };
const HALF_MESSAGE: usize = 32;

impl Workload {
    fn new(name: impl Into<String>, goal: f64, work: Work) -> Self {
        let behaviour = Behaviour::Answer(SMALL);
        Self { name: name.into(), pods: 1, behaviour, allocations: 10, work, goal, cpu: None, memory: None }
    }

    fn pods(mut self, pods: usize, behaviour: Behaviour) -> Self {
        (self.pods, self.behaviour) = (pods, behaviour);
        self
    }

    fn memory(mut self, goal: MemoryGoal) -> Self {
        self.memory = Some(goal);
        self
    }

    pub fn history_bytes(&self) -> usize {
        match self.behaviour {
            Behaviour::Answer(shape) => shape.bytes(),
            Behaviour::NeverAccept | Behaviour::Dead => 0,
        }
    }
}

fn send(bytes: usize) -> Work {
    let text = "Please look at \"reader.rs\" again.\n".repeat(bytes / HALF_MESSAGE + 1);
    let message = &text[..bytes];
    Work::Calls {
        tool: "SendToPod",
        input: json!({ "name": "pod-0", "message": message }).to_string(),
        anew: false,
    }
}

fn list() -> Work {
    Work::Calls { tool: "ListPods", input: String::new(), anew: false }
}

/// The call that sends the first pod a short message.
pub fn send_short() -> Request {
    let Work::Calls { tool, input, anew } = send(40) else { unreachable!("it is a call") };
    Request::Calls { tool: tool.into(), input, times: 1, anew }
}

/// The call that reads the first pod's output.
pub fn read(anew: bool) -> Request {
    let input = json!({ "name": "pod-0" }).to_string();
    Request::Calls { tool: "ReadPodOutput".into(), input, times: 1, anew }
}

/// Calls at once over those pods: sends and reads in turns.
pub fn at_once(calls: usize, names: &[String], anew: bool) -> Request {
    let calls = (0..calls).map(|call| {
        // Each pod is read as often as it is sent to, where there are calls enough.
        let name = &names[call / 2 % names.len()];
        if call.is_multiple_of(2) {
            ("ReadPodOutput".into(), json!({ "name": name }).to_string())
        } else {
            ("SendToPod".into(), json!({ "name": name, "message": "go on" }).to_string())
        }
    });
    Request::AtOnce { calls: calls.collect(), anew }
}

fn reading(items: usize, item_bytes: usize, words: &str, all_new: f64, nothing_new: f64) -> [Workload; 2] {
    [(true, "all new", all_new), (false, "nothing new", nothing_new)].map(|(anew, what, goal)| {
        let input = json!({ "name": "pod-0" }).to_string();
        let work = Work::Calls { tool: "ReadPodOutput", input, anew };
        Workload::new(format!("ReadPodOutput, {words}, {what}"), goal, work)
            .pods(1, Behaviour::Answer(Shape { items, item_bytes }))
    })
}

/// All of them, as the table has them.
pub fn all() -> Vec<Workload> {
    let mut all = vec![
        Workload::new("SendToPod, short message", 1.3, send(40)),
        Workload::new("SendToPod, 64 KiB message", 1.1, send(64 << 10)),
    ];
    all.extend(reading(1, 200, "history of 1 item", 1.2, 1.2));
    all.extend(reading(10, 200, "history of 10 items", 1.2, 1.2));
    all.extend(reading(10_000, 200, "10,000 items × 200 B", 0.35, 0.12));
    let [new, nothing] = reading(335_544, 200, "335,544 × 200 B", 0.4, 0.15);
    all.push(new.memory(MemoryGoal::OfNative(0.5)));
    all.push(nothing.memory(MemoryGoal::AboveIdle(32 * MIB)));
    let [new, nothing] = reading(64, 1 << 20, "64 × 1 MiB", 0.6, 0.8);
    all.push(new.memory(MemoryGoal::OfNative(1.0)));
    all.push(nothing.memory(MemoryGoal::AboveIdle(32 * MIB)));
    for (pods, goal) in [(1, 1.5), (100, 1.0), (1000, 0.8)] {
        let name = format!("ListPods, {pods} live pod(s)");
        all.push(Workload::new(name, goal, list()).pods(pods, Behaviour::Answer(SMALL)));
    }
    let name = "ListPods, 10 pods that never accept";
    all.push(Workload::new(name, 1.0, list()).pods(10, Behaviour::NeverAccept));
    all.push(Workload::new("ListPods, 10 dead pods", 1.0, list()).pods(10, Behaviour::Dead));
    for (allocations, goal) in [(10, 1.5), (1000, 1.2)] {
        let name = format!("StopPod, table of {allocations} allocations");
        all.push(Workload { allocations, ..Workload::new(name, goal, Work::Stop) });
    }
    for (anew, what) in [(false, "nothing new"), (true, "all new")] {
        for calls in [1, 8, 64] {
            let name = format!("{calls} call(s) at once over 16 pods, {what}");
            let work = Work::AtOnce { calls, anew };
            let workload = Workload::new(name, 1.2, work).pods(16, Behaviour::Answer(SMALL));
            all.push(Workload { cpu: Some(1.2), ..workload });
        }
    }
    all
}

impl Work {
    fn request(&self, times: u32, place: &Place) -> Request {
        match self {
            Work::Calls { tool, input, anew } => {
                Request::Calls { tool: (*tool).into(), input: input.clone(), times, anew: *anew }
            }
            Work::Stop => Request::Calls {
                tool: "StopPod".into(),
                input: json!({ "name": place.names()[0] }).to_string(),
                times: 1,
                anew: false,
            },
            Work::AtOnce { calls, anew } => at_once(*calls, place.names(), *anew),
        }
    }

    /// How many calls a sample may have.
    fn most(&self, behaviour: Behaviour) -> u32 {
        match (self, behaviour) {
            (Work::Stop | Work::AtOnce { .. }, _) => 1,
            // A backlog that nobody empties fills up.
            (_, Behaviour::NeverAccept) => 100,
            _ => 1000,
        }
    }
}

/// Measures one workload: its time, and where there is a goal for it, its memory.
pub fn measure(workload: &Workload, programs: &Programs, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let place = std::cell::RefCell::new(Place::new(workload.pods, workload.behaviour, workload.allocations)?);
    let start = |which| Side::start(which, &place.borrow(), programs);
    let (mut sandboxed, mut native) = (start(Which::Sandboxed)?, start(Which::Native)?);

    let sample = |side: &mut Side, times: u32| -> anyhow::Result<_> {
        if let Work::Stop = workload.work {
            place.borrow_mut().renew()?;
            side.ask(&Request::Reload)?;
        } else if let Behaviour::NeverAccept = workload.behaviour {
            place.borrow_mut().listen()?;
        }
        side.ask(&workload.work.request(times, &place.borrow()))
    };
    // Both do the same, or nothing is compared.
    let text = |side: &mut Side| sample(side, 1).map(|reply| reply.text);
    let (ours, theirs) = (text(&mut sandboxed)?, text(&mut native)?);
    if !matches!(workload.work, Work::AtOnce { .. }) {
        anyhow::ensure!(ours == theirs, "{}: the two sides give different texts", workload.name);
    }

    let taken = |reply: &Reply| Sample { seconds: reply.seconds, usage: reply.usage };
    let pairs = Pairs::take(
        effort,
        workload.work.most(workload.behaviour),
        |times| Ok(taken(&sample(&mut sandboxed, times)?)),
        |times| Ok(taken(&sample(&mut native, times)?)),
    )?;
    drop((sandboxed, native));

    // Memory is that of a fresh process and one call; or, where nothing is new, of the second.
    let peak = |which| -> anyhow::Result<(u64, u64)> {
        let mut side = start(which)?;
        let idle = side.ask(&Request::Rest)?.resident;
        let peak = sample(&mut side, 1)?.peak;
        let again = matches!(workload.work, Work::Calls { tool: "ReadPodOutput", anew: false, .. });
        Ok((idle, if again { sample(&mut side, 1)?.peak } else { peak }))
    };
    let (sandboxed, native) = (peak(Which::Sandboxed)?, peak(Which::Native)?);

    let mut time = Row::new(&workload.name, Unit::Ratio, pairs.ratio(), Some(workload.goal)).with(&pairs);
    time.peaks = Some((sandboxed.1, native.1));
    let mut rows = vec![time];
    rows.extend(workload.cpu.map(|goal| Row::of_cpu(&workload.name, &pairs, goal)));
    if let Some(goal) = workload.memory {
        #[expect(clippy::cast_precision_loss, reason = "sizes of memory")]
        let (name, unit, value, goal) = match goal {
            MemoryGoal::OfNative(goal) => {
                ("peak memory", Unit::Ratio, sandboxed.1 as f64 / native.1 as f64, goal)
            }
            MemoryGoal::AboveIdle(goal) => {
                ("peak memory above idle", Unit::Mebibytes, mib(sandboxed.1 - sandboxed.0), mib(goal))
            }
        };
        let name = format!("{name}: {}", workload.name);
        let mut row = Row::new(&name, unit, Spread::exactly(value), Some(goal));
        row.peaks = Some((sandboxed.1, native.1));
        rows.push(row);
    }
    Ok(rows)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of memory")]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}
