//! What a real Prometheus scraped from a real failure, as a test for `promtool test rules`.

use std::fmt::Write as _;
use std::path::Path;

use testkit::prometheus::{Prometheus, Series, promtool};

use super::rules;

/// A scrape each second represents one every 30 seconds.
const INTERVAL: u64 = rules::FASTER;

/// What was scraped of a job in the last `seconds`, with the alerts that fire at the end.
pub async fn record(prometheus: &Prometheus, job: &str, seconds: u64, alerts: &[&str]) -> String {
    let names = rules::metrics(&rules::shipped()).join("|");
    let selector = format!("{{job=\"{job}\", __name__=~\"{names}\"}}[{seconds}s]");
    let series = prometheus.query(&selector).await.unwrap();
    assert!(!series.is_empty(), "nothing was scraped of {job}");
    let times = || series.iter().flat_map(|series| series.samples.iter());
    let begun = times().map(|(time, _)| *time).fold(f64::MAX, f64::min);
    let ended = times().map(|(time, _)| *time).fold(f64::MIN, f64::max);
    let last = index(ended - begun);
    let mut text = format!(
        "# Scraped by a real Prometheus from the real operator, once a second, taken as every {INTERVAL} s. Written by a test:\n\
         # UPDATE=1 cargo test --test cluster each_alert_fires\n\
         rule_files: [rules.yml]\n\
         evaluation_interval: {INTERVAL}s\n\
         tests:\n\
         \x20 - name: {job}\n\
         \x20   interval: {INTERVAL}s\n\
         \x20   input_series:\n"
    );
    let mut lines: Vec<String> = series
        .iter()
        .map(|series| {
            format!(
                "      - series: '{}'\n        values: '{}'\n",
                selector_of(series),
                values(series, begun, last)
            )
        })
        .collect();
    lines.sort();
    text.extend(lines);
    write!(
        text,
        "    promql_expr_test:\n\
         \x20     # These alerts fire, and no others.\n\
         \x20     - expr: sort(count by (alertname, job) (ALERTS{{alertstate=\"firing\"}}))\n\
         \x20       eval_time: {}s\n\
         \x20       exp_samples:{}\n",
        u64::try_from(last).unwrap() * INTERVAL,
        if alerts.is_empty() { " []" } else { "" }
    )
    .unwrap();
    for alert in alerts {
        write!(
            text,
            "          - labels: '{{alertname=\"{alert}\", job=\"{job}\"}}'\n            value: 1\n"
        )
        .unwrap();
    }
    text
}

/// Runs `promtool test rules` on a recording with the shipped rules.
pub fn replay(recording: &str) -> testkit::Result<String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("rules.yml", &rules::shipped().to_string());
    write("test.yml", recording);
    promtool(&["test", "rules", "test.yml"], folder.path(), "")
}

/// Where the recordings are.
pub fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monitoring")
}

fn selector_of(series: &Series) -> String {
    // The address of the target is another one in every run.
    let labels: Vec<String> = series
        .labels
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "__name__" | "instance"))
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    format!("{}{{{}}}", series.labels["__name__"], labels.join(", "))
}

fn index(seconds: f64) -> usize {
    seconds.round() as usize
}

/// The samples in promtool's notation, with `_` where there is none, equal ones in a row as `VALUE+0xTIMES`.
fn values(series: &Series, begun: f64, last: usize) -> String {
    let mut grid = vec!["_".to_owned(); last + 1];
    for (time, value) in &series.samples {
        grid[index(time - begun)] = format!("{value}");
    }
    let mut written: Vec<String> = Vec::new();
    for run in grid.chunk_by(|one, next| one == next) {
        let value = &run[0];
        written.push(match (value.as_str(), run.len()) {
            (_, 1) => value.clone(),
            ("_", length) => format!("_x{length}"),
            (_, length) => format!("{value}+0x{}", length - 1),
        });
    }
    written.join(" ")
}
