//! The results: as Markdown for people, and for programs as they are.

use std::fmt::Write;

use pod_tools_bench_native::usage::Usage;
use serde::Serialize;

use crate::measure::{Pairs, Spread};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: String,
    pub rows: Vec<Row>,
    pub curves: Vec<Curve>,
}

/// One figure and its goal.
#[derive(Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub unit: Unit,
    pub value: Spread,
    /// The most that the value may be.
    pub goal: Option<f64>,
    pub samples: usize,
    /// Seconds of one call: sandboxed, native.
    pub seconds: Option<(Spread, Option<Spread>)>,
    /// What one call used: sandboxed, native.
    pub usage: Option<(Usage, Usage)>,
    /// Peak of the whole process in bytes: sandboxed, native.
    pub peaks: Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub enum Unit {
    /// Sandboxed ÷ native.
    Ratio,
    Switches,
    PerSecond,
    Microseconds,
    Milliseconds,
    /// Than native.
    MillisecondsMore,
    Mebibytes,
    Megabytes,
    Kilobytes,
}

/// Time over the size of the work.
#[derive(Debug, Serialize)]
pub struct Curve {
    pub name: &'static str,
    pub of: &'static str,
    pub points: Vec<Point>,
}

/// Medians, in seconds.
#[derive(Debug, Serialize)]
pub struct Point {
    pub size: usize,
    pub sandboxed: f64,
    pub native: f64,
}

impl Row {
    pub fn new(name: &str, unit: Unit, value: Spread, goal: Option<f64>) -> Self {
        Self { name: name.to_owned(), unit, value, goal, samples: 1, seconds: None, usage: None, peaks: None }
    }

    /// The same with what either side took.
    pub fn with(mut self, pairs: &Pairs) -> Self {
        self.samples = pairs.len();
        self.seconds = Some((pairs.sandboxed(), Some(pairs.native())));
        self.usage = Some(pairs.usage());
        self
    }

    /// The processor time of a call, and how many times native's it may be.
    pub fn of_cpu(name: &str, pairs: &Pairs, goal: f64) -> Self {
        let (sandboxed, native) = pairs.usage();
        let ratio = Spread::exactly(sandboxed.cpu / native.cpu);
        let mut row = Self::new(&format!("processor time: {name}"), Unit::Ratio, ratio, Some(goal));
        row.usage = Some((sandboxed, native));
        row
    }

    /// How often the sandboxed side's threads wait in a call.
    pub fn of_switches(name: &str, pairs: &Pairs, goal: f64) -> Self {
        let (sandboxed, native) = pairs.usage();
        let switches = Spread::exactly(sandboxed.switches);
        let mut row = Self::new(&format!("switches: {name}"), Unit::Switches, switches, Some(goal));
        row.usage = Some((sandboxed, native));
        row
    }

    pub fn is_met(&self) -> Option<bool> {
        self.goal.map(|goal| self.value.median <= goal)
    }
}

impl Report {
    pub fn new() -> Self {
        Self { machine: machine(), rows: Vec::new(), curves: Vec::new() }
    }

    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}. Ratios hold, absolute times do not.\n", self.machine)?;
        writeln!(
            out,
            "| workload | sandboxed | native | sandboxed ÷ native [25–75 %] | goal | | processor time, switches: sandboxed; native | peak memory: sandboxed, native |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let (sandboxed, native) = match &row.seconds {
                Some((sandboxed, native)) => {
                    (time(sandboxed.median), native.as_ref().map_or_else(String::new, |n| time(n.median)))
                }
                None => Default::default(),
            };
            let met = match row.is_met() {
                Some(true) => "met",
                Some(false) => "**not met**",
                None => "",
            };
            let goal = row.goal.map_or_else(String::new, |goal| format!("≤ {}", row.unit.show(goal)));
            let peaks = row.peaks.map_or_else(String::new, |(s, n)| format!("{}, {}", memory(s), memory(n)));
            let used = row.usage.map_or_else(String::new, |(s, n)| format!("{}; {}", usage(s), usage(n)));
            let value = row.unit.show(row.value.median);
            let spread = match row.samples {
                1 => String::new(),
                _ => format!(" [{}–{}]", row.unit.number(row.value.low), row.unit.number(row.value.high)),
            };
            writeln!(
                out,
                "| {} | {sandboxed} | {native} | {value}{spread} | {goal} | {met} | {used} | {peaks} |",
                row.name
            )?;
        }
        for curve in &self.curves {
            writeln!(
                out,
                "\n{}\n\n| {} | sandboxed | native | ratio |\n|---|---|---|---|",
                curve.name, curve.of
            )?;
            for Point { size, sandboxed, native } in &curve.points {
                let ratio = Unit::Ratio.show(sandboxed / native);
                writeln!(out, "| {size} | {} | {} | {ratio} |", time(*sandboxed), time(*native))?;
            }
        }
        Ok(())
    }
}

impl Unit {
    fn number(self, value: f64) -> String {
        match self {
            Unit::Ratio | Unit::Switches => format!("{value:.2}"),
            Unit::Kilobytes | Unit::PerSecond | Unit::Microseconds => format!("{value:.0}"),
            Unit::Milliseconds | Unit::MillisecondsMore | Unit::Mebibytes | Unit::Megabytes => {
                format!("{value:.1}")
            }
        }
    }

    fn show(self, value: f64) -> String {
        let unit = match self {
            Unit::Ratio | Unit::Switches => "",
            Unit::PerSecond => " /s",
            Unit::Microseconds => " µs",
            Unit::Milliseconds => " ms",
            Unit::MillisecondsMore => " ms more",
            Unit::Mebibytes => " MiB",
            Unit::Megabytes => " MB",
            Unit::Kilobytes => " KB",
        };
        self.number(value) + unit
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

fn usage(usage: Usage) -> String {
    format!("{}, {:.1}", time(usage.cpu), usage.switches)
}

fn memory(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// What it was measured on.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let processor = processor.map_or("unknown processor", |(_, name)| name);
    let kernel = read("/proc/sys/kernel/osrelease");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{processor}, {threads} threads, Linux {}", kernel.trim())
}
