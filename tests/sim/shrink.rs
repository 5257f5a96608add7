//! A run that fails is made smaller: as few resources as still fail, and a command that repeats it.

use std::collections::BTreeSet;

use super::fleet::{Plan, Way};
use super::{Ended, Scale, run};

/// How many runs a failing one may cost more.
const MOST_RUNS: usize = 16;

/// The smallest run that was found to fail as well, and how it ended.
pub fn shrink(scale: &Scale, ended: Ended) -> (Scale, Ended) {
    let mut best = (scale.clone(), ended);
    let mut runs = 0;
    let mut parts = 2;
    while best.0.resources.len() > 1 && runs < MOST_RUNS {
        let all = best.0.resources.clone();
        let size = all.len().div_ceil(parts);
        let mut smaller = None;
        for part in all.chunks(size) {
            runs += 1;
            let resources = with_sources(scale.seed, part);
            if resources.len() == all.len() {
                continue;
            }
            let scale = Scale {
                resources,
                ..best.0.clone()
            };
            let ended = run(&scale);
            if !ended.violations.is_empty() {
                smaller = Some((scale, ended));
                break;
            }
            if runs >= MOST_RUNS {
                break;
            }
        }
        match smaller {
            Some(smaller) => {
                best = smaller;
                parts = 2;
            }
            // Several resources are needed together: no half will do.
            None => break,
        }
    }
    best
}

/// These resources, and those whose tokens they exchange.
fn with_sources(seed: u64, part: &[usize]) -> Vec<usize> {
    let needs_other = |index: &&usize| Plan::of(seed, **index).way == Way::ExchangeOfOther;
    let sources = part.iter().filter(needs_other).map(|index| index - 1);
    let all: BTreeSet<usize> = part.iter().copied().chain(sources).collect();
    all.into_iter().collect()
}

/// The command that repeats a run.
pub fn command(scale: &Scale, test: &str) -> String {
    let numbers: Vec<String> = scale.resources.iter().map(usize::to_string).collect();
    format!(
        "SIM_SEED={} SIM_ONLY={} SIM_HOURS={} SIM_REPLICAS={} cargo test --test simulation -- --nocapture --exact {test}",
        scale.seed,
        numbers.join(","),
        scale.hours,
        scale.replicas,
    )
}
