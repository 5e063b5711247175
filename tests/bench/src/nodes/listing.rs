//! ListPods over all nodes, by `pod-tools call --batch`, against what the slowest of them takes when all are asked
//! at once.

use std::time::{Duration, Instant};

use pod_tools_host::{Authority, Limits};

use super::world::World;
use super::{NAME, rounds};
use crate::measure::{Effort, Spread};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Row, Unit};
use crate::side::Lines;

const NODES: usize = 10;

/// The rows; none where there is no server.
pub fn measure(programs: &Programs, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let pods = if effort.quick { 100 } else { 1000 };
    eprintln!("{NAME}: ListPods over {NODES} × {pods} pods …");
    let Some(world) = World::start(NODES, pods, programs)? else { return Ok(Vec::new()) };
    let empty = Place::new(0, Behaviour::Dead, 1)?;
    let mut command = programs.pod_tools_at(&empty)?;
    command.args(["call", "--batch", "--nats", &world.server.url, "--op-timeout", "60s"]);
    // The data of one answer may have 1 MiB else, which is less than that of so many pods.
    command.args(["--call-timeout", "120s", "--max-data", "64MiB"]);
    command.arg("--creds").arg(world.file("caller.nk")).arg("--nodes").arg(world.file("nodes.toml"));
    let mut host = Lines::start(&mut command)?;
    let known = format!("{} pod(s) known", NODES * pods);
    let mut listing = || -> anyhow::Result<f64> {
        let began = Instant::now();
        let answer = host.ask(r#"{"tool":"ListPods"}"#)?;
        let seconds = began.elapsed().as_secs_f64();
        let start: String = answer.chars().take(300).collect();
        anyhow::ensure!(answer.starts_with(r#"{"ok""#) && answer.contains(&known), "{start}");
        anyhow::ensure!(!answer.contains("did not answer"), "{start}");
        Ok(seconds)
    };
    listing()?;
    let (mut ratios, mut all, mut slowest, mut alone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds(effort) {
        let (mut one, mut other) = (0.0, 0.0);
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                one = listing()?;
            } else {
                other = asked(&world, NODES)?;
            }
        }
        ratios.push(one / other);
        all.push(one);
        slowest.push(other);
        alone.push(asked(&world, 1)?);
    }
    let (all, alone) = (Spread::of(all), Spread::of(alone));
    let name = format!("{NAME}: ListPods over {NODES} × {pods} pods");
    let mut row = Row::new(
        &format!("{name} ÷ the slowest node's, of all asked at once"),
        Unit::Ratio,
        Spread::of(ratios),
        Some(1.5),
    );
    row.seconds = Some((all, Some(Spread::of(slowest))));
    let ratio = Spread::exactly(all.median / alone.median);
    let mut of_one = Row::new(&format!("{name} ÷ one node's, asked alone"), Unit::Ratio, ratio, None);
    of_one.seconds = Some((all, Some(alone)));
    row.samples = rounds(effort);
    Ok(vec![row, of_one])
}

/// What the slowest of so many nodes takes to list its pods, all asked at once.
fn asked(world: &World, nodes: usize) -> anyhow::Result<f64> {
    let mut limits = Limits::default();
    limits.call_time = Duration::from_secs(60);
    let authority = Authority::builder().limits(limits).build()?;
    let (shared, pods) = (world.shared.clone(), world.pods);
    let taken = super::crowd::crowd(&world.runtime, nodes, nodes, move |number| {
        let (shared, authority) = (shared.clone(), authority.clone());
        async move {
            let answer = shared.remote.call(&authority, &shared.names[number], "ListPods", "").await?;
            let summary = &answer.output().summary;
            anyhow::ensure!(summary.starts_with(&format!("{pods} pod(s) known")), "{summary}");
            Ok(())
        }
    })?;
    Ok(taken.percentile(1.0))
}
