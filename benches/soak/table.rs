//! A line a minute, and the table at the end.

use std::process::ExitCode;
use std::time::Duration;

use testkit::soak::trend::{Trend, Verdict};

use super::end;
use super::now;
use super::replicas::{Sample, Slot};
use super::world::World;

/// A leader has settled after this long.
const SETTLED: f64 = 60.0;

pub fn begin(world: &World) {
    let world = world.clone();
    tokio::spawn(async move {
        for minute in 1_u64.. {
            tokio::time::sleep(Duration::from_secs(60)).await;
            if let Some(statuses) = end::statuses(&world).await {
                end::refresh_tokens(&world, &statuses).await;
                world.findings().ready = statuses.values().filter(|one| one.ready).count();
            }
            line(&world, minute);
        }
    });
}

/// Requests so far, the sum of the bounds, and the resources above theirs.
fn requests(world: &World) -> (u64, f64, Vec<String>) {
    let at = now();
    let items = world.items();
    let outages = world.outages();
    let mut all = (0, 0.0, Vec::new());
    for item in items.0.values() {
        let bound = items.bound(item, at, &outages);
        all.0 += item.requests;
        all.1 += bound;
        if item.requests as f64 > bound {
            let name = &item.name;
            all.2.push(format!("{name}: {} of {bound}", item.requests));
        }
    }
    all
}

fn line(world: &World, minute: u64) {
    let (sent, bound, above) = requests(world);
    let live = world.items().live().count();
    let sizes: Vec<String> = world.slots.iter().map(size).collect();
    let findings = world.findings();
    println!(
        "minute {minute}: {live} resources, {} ready; {sent} requests (bound {bound:.0}, {} resources above theirs); expired {} ({} excused); {} broken; {}",
        findings.ready,
        above.len(),
        findings.expired,
        findings.expired_excused,
        findings.count,
        sizes.join("; ")
    );
}

fn size(slot: &Slot) -> String {
    let Some(last) = slot.samples().last().copied() else {
        return format!("{} has no sample", slot.name);
    };
    let leads = if last.led > 0.0 { ", leads" } else { "" };
    format!(
        "{}{leads} {:.1} MiB {} threads {} descriptors {} series",
        slot.name, last.resident_mib, last.threads, last.descriptors, last.series
    )
}

/// The promises, and whether each was kept.
struct Table {
    rows: Vec<[String; 4]>,
    broken: bool,
}

impl Table {
    fn row(&mut self, what: &str, value: String, promised: &str, kept: bool) {
        let word = if kept { "yes" } else { "NO" };
        self.broken |= !kept;
        self.add(what, value, promised, word);
    }

    fn plain(&mut self, what: &str, value: String) {
        self.add(what, value, "", "");
    }

    fn add(&mut self, what: &str, value: String, promised: &str, kept: &str) {
        let row = [what.to_owned(), value, promised.to_owned(), kept.to_owned()];
        self.rows.push(row);
    }
}

pub fn finish(world: &World) -> ExitCode {
    let mut table = Table {
        rows: Vec::new(),
        broken: false,
    };
    promises(world, &mut table);
    faults(world, &mut table);
    for slot in &world.slots {
        trends(world, slot, &mut table);
    }
    println!("\n| measurement | value | promised | kept |\n|---|---|---|---|");
    for row in &table.rows {
        println!("| {} |", row.join(" | "));
    }
    let findings = world.findings();
    for what in &findings.list {
        println!("broken: {what}");
    }
    println!(
        "\n{} (SEED={} replays the faults)",
        if table.broken {
            "A promise was broken"
        } else {
            "All promises were kept"
        },
        world.settings.seed
    );
    match table.broken {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn promises(world: &World, table: &mut Table) {
    let (sent, bound, above) = requests(world);
    let live = world.items().live().count();
    let findings = world.findings();
    table.row(
        "expired tokens, without an outage longer than their rest",
        findings.expired.to_string(),
        "0",
        findings.expired == 0,
    );
    table.plain(
        "expired tokens that an outage excuses",
        findings.expired_excused.to_string(),
    );
    table.row(
        "token requests",
        format!(
            "{sent}; {} resources above their bound {}",
            above.len(),
            above.join(", ")
        ),
        &format!("each resource within its bound, in all {bound:.0}"),
        above.is_empty() && sent > 0,
    );
    table.row(
        "resources that are ready at the end",
        format!("{} of {live}", findings.ready),
        "all",
        findings.ready == live,
    );
    table.row(
        "changes that led to a request",
        format!(
            "{}; the slowest after {:.1} s",
            findings.changes_seen, findings.slowest_change
        ),
        "all, within the bound after faults",
        findings.changes_seen > 0,
    );
    table.row(
        "broken promises of any kind",
        findings.count.to_string(),
        "0",
        findings.count == 0,
    );
}

fn faults(world: &World, table: &mut Table) {
    let findings = world.findings();
    for (name, count) in &findings.faults {
        table.plain(name, count.to_string());
    }
    table.plain(
        "refresh tokens that strict providers lost with a killed leader, and that were replaced",
        findings.refresh_tokens_lost_with_kill.to_string(),
    );
    table.plain(
        "leaders that ended because they lost the Lease in an outage",
        findings.leases_lost.to_string(),
    );
    table.plain(
        "longest time without a leader",
        format!("{:.1} s", findings.leaderless),
    );
}

/// What a column of the samples is, and what rise is tolerated over the time of the samples: at least this, or this part.
type Column = (&'static str, fn(&Sample) -> f64, f64, f64);

const COLUMNS: [Column; 4] = [
    ("resident MiB", |sample| sample.resident_mib, 1.0, 0.05),
    ("threads", |sample| sample.threads, 1.0, 0.0),
    // Connections come and go with the faults.
    ("descriptors", |sample| sample.descriptors, 16.0, 0.1),
    ("series", |sample| sample.series, 8.0, 0.05),
];

fn trends(world: &World, slot: &Slot, table: &mut Table) {
    let seconds = world.settings.hours * 3600.0;
    // The last hour of a run of two hours or more, else the last half.
    let from = world.begun.max(now() - (seconds / 2.0).min(3600.0));
    let samples = slot.samples();
    let samples: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.at >= from && sample.led >= SETTLED)
        .collect();
    table.plain(&format!("{}: starts", slot.name), slot.starts().to_string());
    for (name, value, least, part) in COLUMNS {
        let points: Vec<(f64, f64)> = samples
            .iter()
            .map(|sample| (sample.at, value(sample)))
            .collect();
        let trend = Trend::of(&points);
        let verdict = trend.verdict(least, part);
        let what = format!("{}, while it leads: {name}", slot.name);
        let measured = format!(
            "{verdict}: mean {:.1}, {:+.2} an hour, {:+.2} over {} samples",
            trend.mean, trend.per_hour, trend.rise, trend.samples
        );
        let promised = format!("flat: at most {least} or {:.0} % more", part * 100.0);
        match verdict {
            Verdict::TooFew => table.plain(&what, measured),
            _ => table.row(&what, measured, &promised, verdict == Verdict::Flat),
        }
    }
}
