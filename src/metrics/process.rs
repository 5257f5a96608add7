//! The standard `process_*` metrics, read from `/proc` at every scrape. Without `/proc`, they are absent.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Ticks per second in the Linux kernel's user-space interface: 100 on every platform that Rust supports (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads this process's numbers.
#[derive(Debug)]
pub(super) struct Process {
    start_time: Option<f64>,
}

impl Process {
    /// Records when the process started.
    pub(super) fn start() -> Self {
        let booted = read("/proc/stat").and_then(|stat| field_after(&stat, "btime"));
        let started = read("/proc/self/stat").and_then(|stat| stat_field(&stat, 22));
        let start_time = booted
            .zip(started)
            .map(|(booted, ticks)| booted + ticks / TICKS_PER_SECOND);
        Process { start_time }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let help = "CPU time used, user and system.";
            let metric = encoder.encode_descriptor(
                "process_cpu",
                help,
                Some(&Unit::Seconds),
                MetricType::Counter,
            )?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        let status = read("/proc/self/status").unwrap_or_default();
        let bytes = |name| field_after(&status, name).map(|kilobytes| kilobytes * 1024.0);
        let limits = read("/proc/self/limits").unwrap_or_default();
        let gauges = [
            (
                "process_resident_memory",
                "Memory in use.",
                Some(Unit::Bytes),
                bytes("VmRSS:"),
            ),
            (
                "process_virtual_memory",
                "Address space in use.",
                Some(Unit::Bytes),
                bytes("VmSize:"),
            ),
            (
                "process_open_fds",
                "File descriptors in use.",
                None,
                open_fds(),
            ),
            (
                "process_max_fds",
                "File descriptors that may be in use.",
                None,
                field_after(&limits, "Max open files"),
            ),
            (
                "process_start_time",
                "When the process started, as a Unix time.",
                Some(Unit::Seconds),
                self.start_time,
            ),
        ];
        for (name, help, unit, value) in gauges {
            let Some(value) = value else { continue };
            let metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        Ok(())
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The number after `name` at the start of a line.
fn field_after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat`, numbered from 1 as in proc(5). The second one is the program's name in parentheses,
/// which may contain blanks and parentheses.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let index = number.checked_sub(3)?;
    after_name.split_whitespace().nth(index)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = read("/proc/self/stat")?;
    Some((stat_field(&stat, 14)? + stat_field(&stat, 15)?) / TICKS_PER_SECOND)
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 descriptors")]
fn open_fds() -> Option<f64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "17 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0 1234 0 0";
        assert_eq!(stat_field(stat, 14), Some(250.0));
        assert_eq!(stat_field(stat, 15), Some(50.0));
        assert_eq!(stat_field(stat, 22), Some(1234.0));
    }

    #[test]
    fn this_process_started_in_the_past_and_uses_some_memory() {
        let start = Process::start().start_time.unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a few years of seconds")]
        let now = crate::clock::Clock::system().now().seconds() as f64;
        assert!(
            start <= now + 1.0 && start > now - 86_400.0,
            "{start} {now}"
        );
        let status = read("/proc/self/status").unwrap();
        assert!(field_after(&status, "VmRSS:").unwrap() > 100.0);
        assert!(open_fds().unwrap() >= 3.0);
    }
}
