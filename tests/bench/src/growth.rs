//! How the cost grows with the work: over the size of a history, the number of pods, and that of callers.

use pod_tools_bench_native::drive::Request;

use crate::history::Shape;
use crate::measure::{Effort, Pairs};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Curve, Point};
use crate::side::{Side, Which};
use crate::workload::{at_once, read};

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
    Callers,
}

const ITEM: usize = 200;
const HISTORIES: [usize; 10] =
    [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20];
const PODS: [usize; 9] = [1, 5, 10, 50, 100, 500, 1000, 2500, 5000];

const CALLERS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
const PODS_OF_CALLERS: usize = 16;

pub fn all() -> [Growth; 4] {
    let history = |name, anew| Growth {
        name,
        of: "bytes of history, in items of 200 B",
        over: Over::HistoryBytes { anew },
    };
    [
        history("growth: ReadPodOutput over history size, all new", true),
        history("growth: ReadPodOutput over history size, nothing new", false),
        Growth { name: "growth: ListPods over number of pods", of: "live pods", over: Over::Pods },
        Growth {
            name: "growth: calls at once over 16 pods, nothing new",
            of: "calls at once",
            over: Over::Callers,
        },
    ]
}

pub fn measure(growth: &Growth, programs: &Programs, effort: Effort) -> anyhow::Result<Curve> {
    let list = Request::Calls { tool: "ListPods".into(), input: String::new(), times: 1, anew: false };
    let sizes = match growth.over {
        Over::HistoryBytes { .. } => &HISTORIES[..],
        Over::Pods => &PODS,
        Over::Callers => &CALLERS,
    };
    let mut points = Vec::new();
    for &size in sizes {
        let (pods, shape) = match growth.over {
            Over::HistoryBytes { .. } => (1, Shape { items: size / ITEM, item_bytes: ITEM }),
            Over::Pods => (size, Shape { items: 10, item_bytes: ITEM }),
            Over::Callers => (PODS_OF_CALLERS, Shape { items: 10, item_bytes: ITEM }),
        };
        if !effort.includes(shape.bytes()) {
            continue;
        }
        eprintln!("  {size} {}", growth.of);
        let place = Place::new(pods, Behaviour::Answer(shape), 10)?;
        let request = match growth.over {
            Over::HistoryBytes { anew } => read(anew),
            Over::Pods => list.clone(),
            Over::Callers => at_once(size, place.names(), false),
        };
        points.push(point(size, &place, &request, programs)?);
    }
    Ok(Curve { name: growth.name, of: growth.of, points })
}

/// A tenth of the samples that a row of the table has: a curve shows where it bends.
fn point(size: usize, place: &Place, request: &Request, programs: &Programs) -> anyhow::Result<Point> {
    let mut sandboxed = Side::start(Which::Sandboxed, place, programs)?;
    let mut native = Side::start(Which::Native, place, programs)?;
    let sample = |side: &mut Side, calls: u32| {
        let mut request = request.clone();
        if let Request::Calls { times, .. } = &mut request {
            *times = calls;
        }
        side.sample(&request)
    };
    let most = if let Request::AtOnce { .. } = request { 1 } else { 100 };
    let pairs = Pairs::take(
        Effort { quick: true },
        most,
        |times| sample(&mut sandboxed, times),
        |times| sample(&mut native, times),
    )?;
    Ok(Point { size, sandboxed: pairs.sandboxed().median, native: pairs.native().median })
}
