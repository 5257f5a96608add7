//! The table of measurements, and where the processor time went.

use std::time::{Duration, Instant};

use testkit::operator::Operator;
use testkit::process;

use super::place::Place;

/// What is printed at the end.
#[derive(Default)]
pub struct Report {
    rows: Vec<[String; 4]>,
    shares: Vec<Share>,
}

/// Where the processor time of a part of the run went, in processors. The last user is everything else on the machine.
struct Share {
    part: String,
    elapsed: Duration,
    users: Vec<(&'static str, f64)>,
}

/// The processor times at the beginning of a part.
pub struct Begun {
    at: Instant,
    times: Vec<(&'static str, Duration)>,
}

/// Processor time of everything so far; the operators are those that run.
fn times(place: &Place, operators: &[&Operator]) -> Vec<(&'static str, Duration)> {
    let mut all = place.plane.cpu_times();
    let operator = operators.iter().filter_map(|one| one.cpu_time().ok()).sum();
    let provider = process::cpu_time_of_threads("provider").unwrap_or_default();
    let whole = process::cpu_time(std::process::id()).unwrap_or_default();
    all.push(("operator", operator));
    all.push(("provider", provider));
    all.push(("benchmark", whole.saturating_sub(provider)));
    all.push((OTHERS, busy()));
    all
}

/// What other processes of the machine used. It is measured as the processor time of all.
const OTHERS: &str = "other processes";

/// The processor time of the whole machine, without what was idle.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks = line.split_whitespace().skip(1);
    let ticks: Vec<u64> = ticks.filter_map(|ticks| ticks.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq (proc(5)), in hundredths of a second.
    let idle = |at: usize| at == 3 || at == 4;
    let busy = ticks.iter().take(7).enumerate();
    let busy: u64 = busy
        .filter(|(at, _)| !idle(*at))
        .map(|(_, ticks)| ticks)
        .sum();
    Duration::from_millis(busy * 10)
}

impl Begun {
    /// The beginning of a part; `operators` run already.
    pub fn now(place: &Place, operators: &[&Operator]) -> Begun {
        Begun {
            at: Instant::now(),
            times: times(place, operators),
        }
    }
}

impl Report {
    /// A measurement with a target.
    pub fn row(&mut self, what: &str, value: String, target: &str, met: bool) {
        let met = if met { "yes" } else { "no" };
        self.add(what, value, target, met);
    }

    /// A measurement without one.
    pub fn plain(&mut self, what: &str, value: String) {
        self.add(what, value, "", "");
    }

    fn add(&mut self, what: &str, value: String, target: &str, met: &str) {
        println!("{what}: {value}");
        let row = [what.to_owned(), value, target.to_owned(), met.to_owned()];
        self.rows.push(row);
    }

    /// The end of a part; `operators` are those of its beginning and those that were started in it.
    pub fn share(&mut self, part: &str, begun: &Begun, place: &Place, operators: &[&Operator]) {
        let elapsed = begun.at.elapsed();
        let before = |name: &str| {
            let mut all = begun.times.iter();
            all.find(|(known, _)| *known == name)
                .map_or(Duration::ZERO, |(_, time)| *time)
        };
        let users = times(place, operators).into_iter().map(|(name, time)| {
            let used = time.saturating_sub(before(name));
            (name, used.as_secs_f64() / elapsed.as_secs_f64())
        });
        let mut users: Vec<(&'static str, f64)> = users.collect();
        let ours: f64 = users.iter().rev().skip(1).map(|(_, used)| used).sum();
        if let Some((OTHERS, used)) = users.last_mut() {
            *used = (*used - ours).max(0.0);
        }
        self.shares.push(Share {
            part: part.to_owned(),
            elapsed,
            users,
        });
    }

    pub fn print(&self) {
        println!("\n| measurement | value | target | met |\n|---|---|---|---|");
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        println!(
            "\nProcessors in use, of {processors}. Where their sum is near {processors}, the machine is the limit.\n"
        );
        let names: Vec<&str> = self
            .shares
            .first()
            .map(|share| share.users.iter().map(|(name, _)| *name).collect())
            .unwrap_or_default();
        println!("| part | seconds | {} | sum |", names.join(" | "));
        println!("|---|---|{}---|", "---|".repeat(names.len()));
        for share in &self.shares {
            let users = share.users.iter().map(|(_, used)| format!("{used:.2}"));
            let users: Vec<String> = users.collect();
            let sum: f64 = share.users.iter().map(|(_, used)| used).sum();
            let seconds = share.elapsed.as_secs_f64();
            println!(
                "| {} | {seconds:.0} | {} | {sum:.2} |",
                share.part,
                users.join(" | ")
            );
        }
    }
}

/// MiB, from KiB.
pub fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// A quantile of some times, in milliseconds.
pub fn quantile(times: &[Duration], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let at = ((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len()) - 1;
    sorted[at].as_secs_f64() * 1e3
}
