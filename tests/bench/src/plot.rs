//! The plots, as SVG: a bar a workload, and the curves.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::report::{Curve, Report, Row, Unit};

type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 900;
const SANDBOXED: RGBColor = RGBColor(0x1f, 0x6f, 0xb2);
const NATIVE: RGBColor = RGBColor(0xc4, 0x6a, 0x1b);

/// Writes `ratios.svg`, and a file for each curve.
pub fn write(report: &Report, directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)?;
    let failed = |error: Box<dyn Error>| anyhow::anyhow!("cannot draw: {error}");
    let is_time = |row: &&Row| matches!(row.unit, Unit::Ratio) && row.seconds.is_some();
    let rows: Vec<&Row> = report.rows.iter().filter(is_time).collect();
    if !rows.is_empty() {
        ratios(&rows, &directory.join("ratios.svg")).map_err(failed)?;
    }
    for curve in &report.curves {
        let name: String = curve
            .name
            .trim_start_matches("growth: ")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        draw(curve, &directory.join(name.replace("--", "-") + ".svg")).map_err(failed)?;
    }
    Ok(())
}

/// Sandboxed ÷ native, a bar a workload, from the best to the worst as they are listed; a mark where the goal
/// is, and a line at 1.
fn ratios(rows: &[&Row], file: &Path) -> Drawn {
    let count = u32::try_from(rows.len())?;
    let area = SVGBackend::new(file, (WIDTH, 90 + 26 * count)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = rows.iter().map(|row| row.value.high.max(row.goal.unwrap_or(0.0))).fold(1.0, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(&area)
        .caption("sandboxed ÷ native, time", ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(330)
        .build_cartesian_2d(0.0..most, (0..count).into_segmented())?;
    let name = |at: &SegmentValue<u32>| match at {
        SegmentValue::CenterOf(index) => {
            rows.iter().rev().nth(*index as usize).map_or_else(String::new, |row| row.name.clone())
        }
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(rows.len())
        .y_label_formatter(&name)
        .label_style(("sans-serif", 12))
        .draw()?;
    for (index, row) in (0..count).zip(rows.iter().rev()) {
        let (from, to) = (SegmentValue::Exact(index), SegmentValue::Exact(index + 1));
        let mut bar = Rectangle::new([(0.0, from), (row.value.median, to)], SANDBOXED.mix(0.7).filled());
        bar.set_margin(5, 5, 0, 0);
        chart.draw_series([bar])?;
        let middle = SegmentValue::CenterOf(index);
        chart.draw_series([PathElement::new(
            vec![(row.value.low, middle.clone()), (row.value.high, middle)],
            BLACK.stroke_width(1),
        )])?;
        if let Some(goal) = row.goal {
            let mark = [(goal, SegmentValue::Exact(index)), (goal, SegmentValue::Exact(index + 1))];
            chart.draw_series([PathElement::new(mark, NATIVE.stroke_width(2))])?;
        }
    }
    area.present()?;
    Ok(())
}

/// Both axes logarithmic: what grows as its work does is a straight line at 45 degrees.
fn draw(curve: &Curve, file: &Path) -> Drawn {
    let area = SVGBackend::new(file, (WIDTH, 500)).into_drawing_area();
    area.fill(&WHITE)?;
    let (Some(first), Some(last)) = (curve.points.first(), curve.points.last()) else { return Ok(()) };
    let seconds = curve.points.iter().flat_map(|point| [point.sandboxed, point.native]);
    let (least, most) = seconds.fold((f64::MAX, 0.0), |(least, most), s| (least.min(s), f64::max(most, s)));
    #[expect(clippy::cast_precision_loss, reason = "a place on an axis")]
    let x = |size: usize| size as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption(curve.name, ("sans-serif", 18))
        .margin(15)
        .x_label_area_size(45)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (x(first.size)..x(last.size)).log_scale(),
            (least * 1e3 / 1.5..most * 1e3 * 1.5).log_scale(),
        )?;
    chart.configure_mesh().x_desc(curve.of).y_desc("milliseconds").draw()?;
    for (name, color, native) in [("sandboxed", SANDBOXED, false), ("native", NATIVE, true)] {
        let points: Vec<(f64, f64)> = curve
            .points
            .iter()
            .map(|point| (x(point.size), 1e3 * if native { point.native } else { point.sandboxed }))
            .collect();
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart.configure_series_labels().border_style(BLACK.mix(0.3)).background_style(WHITE).draw()?;
    area.present()?;
    Ok(())
}
