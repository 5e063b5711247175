//! Pods of many machines: calls over a server of NATS to nodes, against a plain request of as many bytes over the
//! same server, and against the same call in process. Nodes are processes of this machine, which they share with
//! all else.

mod crowd;
mod listing;
mod plain;
mod world;

use std::sync::Arc;
use std::time::Instant;

use pod_tools_bench_native::usage::Usage;
use serde_json::json;

pub use self::plain::{PlainArgs, run as run_plain};
use crate::history::Shape;
use crate::measure::{Effort, Spread};
use crate::nodes::crowd::{Taken, crowd, percentile};
use crate::nodes::world::World;
use crate::programs::Programs;
use crate::report::{Row, Unit};
use crate::side::Lines;

/// What the rows have in common, to be chosen by.
pub const NAME: &str = "nodes";

/// Each pod's. It is read whole by each call, which leaves it to be read.
const HISTORY: Shape = Shape { items: 10, item_bytes: 200 };
/// Calls of a sample, of all callers together.
const CALLS: usize = 256;

/// The rows; none where there is no server.
pub fn measure(programs: &Programs, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let pods = if effort.quick { 10 } else { 100 };
    let mut rows = Vec::new();
    for nodes in [1, 3, 10] {
        let Some(world) = World::start(nodes, pods, programs)? else {
            eprintln!("{NAME}: not run: there is no nats-server");
            return Ok(rows);
        };
        eprintln!("{NAME}: {nodes} × {pods} pods …");
        for callers in [1, 8, 64] {
            rows.extend(of_round_trips(&world, callers, effort)?);
        }
        if nodes == 1 {
            rows.extend(of_one_node(&world, programs, effort)?);
        }
    }
    rows.extend(listing::measure(programs, effort)?);
    Ok(rows)
}

fn rounds(effort: Effort) -> usize {
    if effort.quick { 3 } else { 21 }
}

/// What is measured in turns: about `calls` calls by so many callers at once, on each side.
struct Sides<'a> {
    world: &'a World,
    callers: usize,
    calls: usize,
}

impl Sides<'_> {
    fn remote(&self) -> anyhow::Result<Taken> {
        let world = self.world.shared.clone();
        crowd(&self.world.runtime, self.callers, self.calls, move |number| {
            let world = world.clone();
            async move { world.call(number).await }
        })
    }

    fn plain(&self) -> anyhow::Result<Taken> {
        let plain = self.world.plain.clone();
        crowd(&self.world.runtime, self.callers, self.calls, move |_| {
            let plain = plain.clone();
            async move { plain.ask().await }
        })
    }

    fn local(&self) -> anyhow::Result<Taken> {
        let local = self.world.local.clone();
        crowd(&self.world.runtime, self.callers, self.calls, move |number| {
            let local = local.clone();
            async move { local.call(number).await }
        })
    }
}

fn of_round_trips(world: &World, callers: usize, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let calls = if effort.quick { 64 } else { CALLS };
    let sides = Sides { world, callers, calls };
    // Warms up.
    sides.remote()?;
    sides.plain()?;
    sides.local()?;
    let (mut remote, mut plain, mut local) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds(effort) {
        // Not always in one order.
        for turn in 0..3 {
            match (round + turn) % 3 {
                0 => remote.push(sides.remote()?),
                1 => plain.push(sides.plain()?),
                _ => local.push(sides.local()?),
            }
        }
    }
    let medians = |samples: &[Taken]| samples.iter().map(|taken| taken.percentile(0.5)).collect::<Vec<_>>();
    let (r, p, l) = (medians(&remote), medians(&plain), medians(&local));
    let above = r.iter().zip(&p).zip(&l).map(|((remote, plain), local)| (remote - plain) / local);
    let name = format!("{NAME}: {} × {} pods, {callers} caller(s)", world.nodes(), world.pods);
    let row = |what: &str, unit, value, goal| {
        let mut row = Row::new(&format!("{name}: {what}"), unit, value, goal);
        row.samples = remote.len();
        row
    };
    let mut half =
        row("median above a plain request ÷ local", Unit::Ratio, Spread::of(above.collect()), Some(1.3));
    half.seconds = Some((Spread::of(r), Some(Spread::of(p))));
    let all =
        |samples: &[Taken]| samples.iter().flat_map(|taken| taken.latencies.clone()).collect::<Vec<_>>();
    let (r, p) = (percentile(all(&remote), 0.99), percentile(all(&plain), 0.99));
    let mut most = row("99 % ÷ of a plain request", Unit::Ratio, Spread::exactly(r / p), None);
    most.samples = 1;
    most.seconds = Some((Spread::exactly(r), Some(Spread::exactly(p))));
    let rates = |samples: &[Taken]| Spread::of(samples.iter().map(Taken::rate).collect());
    Ok(vec![
        half,
        most,
        row("calls a second", Unit::PerSecond, rates(&remote), None),
        row("plain requests a second", Unit::PerSecond, rates(&plain), None),
        row("calls a second in process", Unit::PerSecond, rates(&local), None),
    ])
}

/// What one node does with many callers beside `call --batch`, and who computes for how long in a call.
fn of_one_node(world: &World, programs: &Programs, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let calls = if effort.quick { 64 } else { 4 * CALLS };
    let sides = Sides { world, callers: 64, calls };
    let place = world.place(0);
    let mut command = programs.pod_tools_at(place)?;
    command.args(["call", "--batch"]);
    let mut batch = Lines::start(&mut command)?;
    let mut batched = || -> anyhow::Result<f64> {
        let began = Instant::now();
        for name in place.names().iter().cycle().take(calls) {
            let call = json!({ "tool": "ReadPodOutput", "input": { "name": name }, "peek": true });
            let answer = batch.ask(&call.to_string())?;
            anyhow::ensure!(
                answer.contains(&format!("`{name}`")) && answer.starts_with(r#"{"ok""#),
                "{answer}"
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let calls = calls as f64;
        Ok(began.elapsed().as_secs_f64() / calls)
    };
    batched()?;
    sides.remote()?;
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut used = [Usage::default(); 3];
    for round in 0..rounds(effort) {
        let (mut one, mut other) = (0.0, 0.0);
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                let before = world.usage()?;
                one = 1.0 / sides.remote()?.rate();
                let after = world.usage()?;
                for (sum, (after, before)) in used.iter_mut().zip(after.into_iter().zip(before)) {
                    *sum = *sum + (after - before);
                }
            } else {
                other = batched()?;
            }
        }
        ratios.push(one / other);
        ours.push(one);
        theirs.push(other);
    }
    let name = format!("{NAME}: 1 × {} pods, 64 callers", world.pods);
    // 0.7 of the throughput.
    let mut row = Row::new(
        &format!("{name}: time a call ÷ that of `call --batch`"),
        Unit::Ratio,
        Spread::of(ratios),
        Some(1.0 / 0.7),
    );
    row.samples = ours.len();
    row.seconds = Some((Spread::of(ours), Some(Spread::of(theirs))));
    let mut rows = vec![row];
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let all = (calls * rounds(effort)) as f64;
    for (who, used) in ["the node", "its caller", "the server"].into_iter().zip(used) {
        let (cpu, switches) = (used.cpu / all * 1e6, used.switches / all);
        let name = |what: &str| format!("{name}: {what} of {who}, a call");
        rows.push(Row::new(&name("processor time"), Unit::Microseconds, Spread::exactly(cpu), None));
        rows.push(Row::new(&name("switches"), Unit::Switches, Spread::exactly(switches), None));
    }
    Ok(rows)
}

/// What is called: the text of a pod of some node, and what it has to be.
struct Shared {
    remote: pod_tools_node::Remote,
    authority: pod_tools_host::Authority,
    names: Vec<pod_tools_node::NodeName>,
    pods: usize,
    text: Arc<str>,
}

impl Shared {
    async fn call(&self, number: usize) -> anyhow::Result<()> {
        let node = &self.names[number % self.names.len()];
        let pod = number / self.names.len() % self.pods;
        let input = format!(r#"{{"name":"pod-{pod}"}}"#);
        let answer = self.remote.call(&self.authority, node, "ReadPodOutput", &input).await?;
        is_text_of(pod, &answer, &self.text)
    }
}

/// The same in process.
struct Local {
    tools: pod_tools_host::PodTools,
    authority: pod_tools_host::Authority,
    pods: usize,
    text: Arc<str>,
}

impl Local {
    async fn call(&self, number: usize) -> anyhow::Result<()> {
        let pod = number % self.pods;
        let input = format!(r#"{{"name":"pod-{pod}"}}"#);
        let answer = self.tools.call(&self.authority, "ReadPodOutput", &input).await?;
        is_text_of(pod, &answer, &self.text)
    }
}

fn is_text_of(pod: usize, answer: &pod_tools_host::Answer, text: &str) -> anyhow::Result<()> {
    let output = answer.output();
    let named = output.summary.contains(&format!("`pod-{pod}`"));
    anyhow::ensure!(named && output.content.as_deref() == Some(text), "pod-{pod}: {}", output.summary);
    Ok(())
}
