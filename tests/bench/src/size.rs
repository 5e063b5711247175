//! What the plugin and its host weigh: on disk, and in memory when they have nothing to do.

use pod_tools_bench_native::drive::Request;

use crate::history::Shape;
use crate::measure::Spread;
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Row, Unit};
use crate::side::{Side, Which};
use crate::workload::mib;

/// What the rows have in common, to be chosen by.
pub const NAME: &str = "size";

#[expect(clippy::cast_precision_loss, reason = "sizes of files")]
pub fn rows(programs: &Programs) -> anyhow::Result<[Row; 3]> {
    let component = Spread::exactly(pod_tools_host::BUNDLED.len() as f64 / 1e3);
    let binary = Spread::exactly(std::fs::metadata(programs.pod_tools()?)?.len() as f64 / 1e6);

    // After a first call: what a runtime keeps while nobody asks for anything.
    let place = Place::new(1, Behaviour::Answer(Shape { items: 10, item_bytes: 200 }), 1)?;
    let mut side = Side::start(Which::Sandboxed, &place, programs)?;
    side.ask(&crate::workload::read(false))?;
    let idle = Spread::exactly(mib(side.ask(&Request::Rest)?.resident));
    Ok([
        Row::new("size: idle embedder, resident", Unit::Mebibytes, idle, Some(30.0)),
        Row::new("size: component", Unit::Kilobytes, component, Some(300.0)),
        Row::new("size: `pod-tools`, stripped", Unit::Megabytes, binary, Some(20.0)),
    ])
}
