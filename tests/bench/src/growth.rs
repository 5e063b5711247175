//! How the cost grows with the work: over the size of a history, and over the number of pods.

use pod_tools_bench_native::drive::Request;

use crate::history::Shape;
use crate::measure::{Effort, Pairs};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Curve, Point};
use crate::side::{Side, Which};
use crate::workload::read;

/// A curve.
pub struct Growth {
    pub name: &'static str,
    /// What is on the horizontal axis.
    of: &'static str,
    over: Over,
}

enum Over {
    HistoryBytes { anew: bool },
    Pods,
}

const ITEM: usize = 200;
const HISTORIES: [usize; 10] =
    [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20];
const PODS: [usize; 9] = [1, 5, 10, 50, 100, 500, 1000, 2500, 5000];

pub fn all() -> [Growth; 3] {
    let history = |name, anew| Growth {
        name,
        of: "bytes of history, in items of 200 B",
        over: Over::HistoryBytes { anew },
    };
    [
        history("growth: ReadPodOutput over history size, all new", true),
        history("growth: ReadPodOutput over history size, nothing new", false),
        Growth { name: "growth: ListPods over number of pods", of: "live pods", over: Over::Pods },
    ]
}

pub fn measure(growth: &Growth, programs: &Programs, effort: Effort) -> anyhow::Result<Curve> {
    let list = Request::Calls { tool: "ListPods".into(), input: String::new(), times: 1, anew: false };
    let (sizes, request) = match growth.over {
        Over::HistoryBytes { anew } => (&HISTORIES[..], read(anew)),
        Over::Pods => (&PODS[..], list),
    };
    let mut points = Vec::new();
    for &size in sizes {
        let (pods, shape) = match growth.over {
            Over::HistoryBytes { .. } => (1, Shape { items: size / ITEM, item_bytes: ITEM }),
            Over::Pods => (size, Shape { items: 10, item_bytes: ITEM }),
        };
        if !effort.includes(shape.bytes()) {
            continue;
        }
        eprintln!("  {size} {}", growth.of);
        points.push(point(size, &Place::new(pods, Behaviour::Answer(shape), 10)?, &request, programs)?);
    }
    Ok(Curve { name: growth.name, of: growth.of, points })
}

/// A tenth of the samples that a row of the table has: a curve shows where it bends.
fn point(size: usize, place: &Place, request: &Request, programs: &Programs) -> anyhow::Result<Point> {
    let mut sandboxed = Side::start(Which::Sandboxed, place, programs)?;
    let mut native = Side::start(Which::Native, place, programs)?;
    let seconds = |side: &mut Side, calls: u32| {
        let mut request = request.clone();
        if let Request::Calls { times, .. } = &mut request {
            *times = calls;
        }
        side.ask(&request).map(|reply| reply.seconds)
    };
    let pairs = Pairs::take(
        Effort { quick: true },
        100,
        |times| seconds(&mut sandboxed, times),
        |times| seconds(&mut native, times),
    )?;
    Ok(Point { size, sandboxed: pairs.sandboxed().median, native: pairs.native().median })
}
