//! The operators: two replicas, of which one leads, and one that is never ended. What ends is started again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::metrics::Metrics;
use testkit::operator::{Launch, Operator};
use testkit::process::{self, Signal};
use testkit::soak::outages::Scope;

use super::now;
use super::world::World;

/// How often operators are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// From the end of a process to its next start.
const RESTART: Duration = Duration::from_secs(2);
/// A leader may lose its Lease in an outage of the API that is this long, or longer.
const LEASE_LOST: f64 = 5.0;
/// A killed process may have had a response in hand for this long.
const IN_HAND: f64 = 30.0;
/// How often a process is sampled.
const SAMPLE: f64 = 10.0;

/// One sample of a process.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: f64,
    /// How long it had been the leader.
    pub led: f64,
    pub resident_mib: f64,
    pub threads: f64,
    pub descriptors: f64,
    pub series: f64,
}

/// A place for a process.
pub struct Slot {
    pub name: &'static str,
    pub group: usize,
    args: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    operator: Option<Arc<Operator>>,
    /// Its end was asked for.
    planned: bool,
    leads_since: Option<f64>,
    samples: Vec<Sample>,
    sampled: f64,
    kills: Vec<f64>,
    starts: u32,
}

impl Slot {
    pub fn all() -> Vec<Slot> {
        let slot = |name, group: usize, more: &[&str]| {
            let mut args = vec![
                "--allow-loopback".to_owned(),
                "--log-level=warn".to_owned(),
                format!("--resource-selector=soak=group-{group}"),
                format!("--resource-group=group-{group}"),
            ];
            args.extend(more.iter().map(|arg| (*arg).to_owned()));
            Slot {
                name,
                group,
                args,
                state: Mutex::default(),
            }
        };
        vec![
            slot("replica A", 0, &[]),
            slot("replica B", 0, &[]),
            slot("steady", 1, &["--leader-elect=false"]),
        ]
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn operator(&self) -> Option<Arc<Operator>> {
        self.state().operator.clone()
    }

    pub fn leads(&self) -> bool {
        self.state().leads_since.is_some()
    }

    pub fn samples(&self) -> Vec<Sample> {
        self.state().samples.clone()
    }

    pub fn starts(&self) -> u32 {
        self.state().starts
    }

    /// Whether a leader of this group was killed so soon after `at` that it may have had a response in hand.
    pub fn killed_near(&self, group: usize, at: f64) -> bool {
        let state = self.state();
        let mut kills = state.kills.iter();
        group == self.group
            && kills.any(|kill| (kill - IN_HAND..kill + 2.0 * IN_HAND).contains(&at))
    }

    /// Ends the process.
    pub fn end(&self, kill: bool) {
        let mut state = self.state();
        let Some(operator) = &state.operator else {
            return;
        };
        match kill {
            true => operator.kill(),
            false => operator.signal(Signal::Terminate).unwrap(),
        }
        state.planned = true;
        if kill {
            state.kills.push(now());
        }
    }

    /// The end of the log of the process, for a finding.
    fn last_words(&self) -> String {
        let text = self.operator().map(|operator| operator.stderr());
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.join(" / ")
    }
}

/// Starts all, and keeps them running.
pub async fn begin(world: &World) {
    for number in 0..world.slots.len() {
        start(world, &world.slots[number]).await;
        tokio::spawn(supervise(world.clone(), number));
    }
    for group in [0, 1] {
        tokio::spawn(leaders(world.clone(), group));
    }
}

async fn start(world: &World, slot: &Slot) {
    let account = loop {
        let account = world
            .plane
            .service_account("oauthclient-system", "oauthclient-operator");
        match account.await {
            Ok(account) => break account,
            // The API server is away.
            Err(_) => tokio::time::sleep(PERIOD).await,
        }
    };
    let account = account.with_server(format!("https://{}", world.proxy.address()));
    let folder = tempfile::tempdir().unwrap().keep();
    let ca = folder.join("ca.crt");
    std::fs::write(&ca, &world.ca).unwrap();
    let operator = Launch::run_as(env!("CARGO_BIN_EXE_oauthclient-operator"), account)
        .args(slot.args.clone())
        .env("SSL_CERT_FILE", ca.display().to_string())
        .start()
        .unwrap();
    let mut state = slot.state();
    state.operator = Some(Arc::new(operator));
    state.planned = false;
    state.leads_since = None;
    state.starts += 1;
}

/// Samples a process, and starts it again when it has ended.
async fn supervise(world: World, number: usize) {
    let slot = &world.slots[number];
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(operator) = slot.operator() else {
            continue;
        };
        if let Some(status) = operator.exited() {
            let planned = std::mem::take(&mut slot.state().planned);
            if !planned {
                unplanned(&world, slot, status);
            }
            slot.state().leads_since = None;
            tokio::time::sleep(RESTART).await;
            start(&world, slot).await;
            continue;
        }
        let url = format!("http://{}/metrics", operator.address());
        let metrics = async {
            let answer = client.get(url).send().await.ok()?;
            Metrics::parse(&answer.text().await.ok()?).ok()
        };
        let Some(metrics) = metrics.await else {
            continue;
        };
        note(slot, &operator, &metrics);
    }
}

fn note(slot: &Slot, operator: &Operator, metrics: &Metrics) {
    let leads = metrics.get("oauthclient_leader", &[]) == Some(1.0);
    let mut state = slot.state();
    let at = now();
    state.leads_since = leads.then(|| state.leads_since.unwrap_or(at));
    if at - state.sampled < SAMPLE {
        return;
    }
    state.sampled = at;
    let pid = operator.pid();
    let led = state.leads_since.map_or(0.0, |since| at - since);
    let (Ok(resident), Ok(threads), Ok(descriptors)) = (
        process::resident_kib(pid),
        process::threads(pid),
        process::descriptors(pid),
    ) else {
        return;
    };
    state.samples.push(Sample {
        at,
        led,
        resident_mib: resident as f64 / 1024.0,
        threads: threads as f64,
        descriptors: descriptors as f64,
        series: metrics.samples().len() as f64,
    });
}

/// A process ended by itself: it may do so if it lost its Lease in an outage of the API.
fn unplanned(world: &World, slot: &Slot, status: std::process::ExitStatus) {
    let at = now();
    let mut outages = world
        .outages()
        .lengths(at - 40.0, at, |scope| scope == Scope::Api)
        .collect::<Vec<_>>()
        .into_iter();
    let words = slot.last_words();
    let excused = slot.group == 0
        && words.contains("lost the Lease")
        && outages.any(|length| length >= LEASE_LOST);
    let mut findings = world.findings();
    match excused {
        true => findings.leases_lost += 1,
        false => findings.broken(format!("{} ended by itself ({status}): {words}", slot.name)),
    }
}

/// Notes when no operator of a group leads.
async fn leaders(world: World, group: usize) {
    let leads = || {
        let mut slots = world.slots.iter().filter(|slot| slot.group == group);
        slots.any(Slot::leads)
    };
    loop {
        tokio::time::sleep(PERIOD / 2).await;
        if leads() {
            continue;
        }
        let began = now() - PERIOD.as_secs_f64();
        let number = world.outages().begin(Scope::Leader(group), began);
        while !leads() {
            tokio::time::sleep(PERIOD / 2).await;
        }
        let ended = now();
        world.outages().end(number, ended);
        let mut findings = world.findings();
        findings.leaderless = findings.leaderless.max(ended - began);
    }
}
