//! Draws the dashboard from what a real Prometheus answers: `docs/images/dashboard.svg`. There is no Grafana here.

use std::fmt::Write as _;

use testkit::prometheus::Series;

use super::dashboard::{self, Kind, Panel};

/// Pixels of one column and one line of Grafana's grid.
const CELL: (f64, f64) = (58.0, 30.0);
const GAP: f64 = 4.0;
const COLOURS: [&str; 8] = [
    "#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffa6b0",
];
/// Series that a panel shows; a picture needs no more.
const MOST: usize = 8;

/// What a panel's queries returned, each series with its legend.
pub type Drawn = Vec<(String, Series)>;

/// The whole dashboard.
pub fn draw(find: impl Fn(&Panel) -> Drawn) -> String {
    let rows = dashboard::placed();
    let lines = rows
        .iter()
        .flat_map(|(_, panels)| panels.iter().map(|(_, [_, y, _, h])| y + h))
        .max()
        .unwrap();
    let (width, height) = (24.0 * CELL.0 + GAP, lines as f64 * CELL.1 + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#111217\"/>\n"
    );
    for (title, panels) in rows {
        let y = (panels[0].1[1] - 1) as f64 * CELL.1 + 20.0;
        text(&mut svg, (8.0, y), 14.0, "#ccccdc", title);
        for (panel, [x, y, w, h]) in panels {
            let place = [
                x as f64 * CELL.0 + GAP,
                y as f64 * CELL.1 + GAP,
                w as f64 * CELL.0 - GAP,
                h as f64 * CELL.1 - GAP,
            ];
            one(&mut svg, &panel, place, &find(&panel));
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn one(svg: &mut String, panel: &Panel, [x, y, w, h]: [f64; 4], drawn: &Drawn) {
    writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"2\" fill=\"#181b1f\" stroke=\"#2c3235\"/>"
    )
    .unwrap();
    text(svg, (x + 8.0, y + 17.0), 11.0, "#ccccdc", panel.title);
    if panel.kind == Kind::Stat {
        stat(svg, panel, [x, y, w, h], drawn);
    } else {
        lines(svg, panel, [x, y, w, h], drawn);
    }
}

fn stat(svg: &mut String, panel: &Panel, [x, y, _, h]: [f64; 4], drawn: &Drawn) {
    let shown = drawn.iter().take(3).enumerate();
    for (number, (legend, series)) in shown {
        let value = series.samples.last().map_or(f64::NAN, |(_, value)| *value);
        let bad = panel.bad.is_some_and(|bad| value >= bad);
        let colour = if bad { COLOURS[4] } else { COLOURS[0] };
        let several = drawn.len() > 1 || legend != panel.title;
        let said = if several {
            format!("{legend}  {}", with_unit(value, panel.unit))
        } else {
            with_unit(value, panel.unit)
        };
        let (size, step) = if several { (13.0, 20.0) } else { (30.0, 0.0) };
        let top = if several {
            y + 42.0
        } else {
            y + h / 2.0 + 18.0
        };
        text(
            svg,
            (x + 10.0, top + number as f64 * step),
            size,
            colour,
            &said,
        );
    }
}

fn lines(svg: &mut String, panel: &Panel, [x, y, w, h]: [f64; 4], drawn: &Drawn) {
    let (left, top, wide, tall) = (x + 56.0, y + 28.0, w - 68.0, h - 74.0);
    let mut shown: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for (legend, series) in drawn.iter().take(MOST) {
        let mut samples: Vec<(f64, f64)> = series
            .samples
            .iter()
            .copied()
            .filter(|(_, value)| value.is_finite())
            .collect();
        if panel.kind == Kind::Stacked
            && let Some((_, below)) = shown.last()
        {
            for (sample, (_, under)) in samples.iter_mut().zip(below) {
                sample.1 += under;
            }
        }
        shown.push((legend.clone(), samples));
    }
    let all = || shown.iter().flat_map(|(_, samples)| samples.iter());
    let times = all().map(|(time, _)| *time);
    let (from, to) = times.fold((f64::MAX, f64::MIN), |(low, high), time| {
        (low.min(time), high.max(time))
    });
    let (low, high) = all().fold((0.0_f64, 0.0_f64), |(low, high), (_, value)| {
        (low.min(*value), high.max(*value))
    });
    let span = if high > low { high - low } else { 1.0 };
    for part in 0..=3 {
        let value = low + span * f64::from(part) / 3.0;
        let at = top + tall * (1.0 - f64::from(part) / 3.0);
        writeln!(
            svg,
            "<line x1=\"{left:.0}\" x2=\"{:.0}\" y1=\"{at:.0}\" y2=\"{at:.0}\" stroke=\"#2c3235\"/>",
            left + wide
        )
        .unwrap();
        text(
            svg,
            (x + 6.0, at + 3.0),
            9.0,
            "#8e8e9a",
            &with_unit(value, panel.unit),
        );
    }
    for (number, (legend, samples)) in shown.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<String> = samples
            .iter()
            .map(|(time, value)| {
                let across = if to > from {
                    (time - from) / (to - from)
                } else {
                    0.0
                };
                let up = (value - low) / span;
                format!("{:.0},{:.0}", left + wide * across, top + tall * (1.0 - up))
            })
            .collect();
        writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
            points.join(" ")
        )
        .unwrap();
        let column = wide / 4.0;
        let at = (
            x + 10.0 + (number % 4) as f64 * column,
            y + h - 26.0 + (number / 4) as f64 * 14.0,
        );
        writeln!(
            svg,
            "<rect x=\"{:.0}\" y=\"{:.0}\" width=\"10\" height=\"3\" fill=\"{colour}\"/>",
            at.0,
            at.1 - 4.0
        )
        .unwrap();
        let room = (column / 5.6) as usize;
        let short: String = legend.chars().take(room).collect();
        text(svg, (at.0 + 14.0, at.1), 9.0, "#ccccdc", &short);
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), size: f64, colour: &str, said: &str) {
    let said = said.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        svg,
        "<text x=\"{x:.0}\" y=\"{y:.0}\" font-size=\"{size}\" fill=\"{colour}\">{said}</text>"
    )
    .unwrap();
}

fn with_unit(value: f64, unit: &str) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let step = steps.iter().find(|(least, _)| value.abs() >= *least);
        step.map_or_else(
            || number(value),
            |(least, name)| format!("{} {name}", number(value / least)),
        )
    };
    match unit {
        "s" => scaled(&[
            (86_400.0, "d"),
            (3600.0, "h"),
            (60.0, "min"),
            (1.0, "s"),
            (0.001, "ms"),
        ]),
        "bytes" => scaled(&[
            (1_073_741_824.0, "GiB"),
            (1_048_576.0, "MiB"),
            (1024.0, "KiB"),
        ]),
        "percentunit" => format!("{} %", number(value * 100.0)),
        "reqps" => format!("{}/s", number(value)),
        "wps" => format!("{}/s", number(value)),
        _ => number(value),
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
