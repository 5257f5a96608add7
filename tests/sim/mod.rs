//! The shipped operator in a simulated world: an API server, token hosts, people and machines on virtual time.
//!
//! What runs is `kubernetes::run_in`: leader election, watches, index, engine, queue, reconcile, policies, brakes and revocation
//! queue, as they are shipped. What is simulated lies behind HTTP: the API server and the network to the token hosts.

#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "shared by a test and a benchmark that use different parts; its numbers are small"
)]

pub mod checks;
pub mod clock;
pub mod coverage;
pub mod draws;
pub mod faults;
pub mod fleet;
pub mod network;
pub mod objects;
pub mod people;
pub mod process;
pub mod provider;
pub mod server;
pub mod shrink;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use checks::Checks;
use faults::{Fault, Faults, HOUR};
use fleet::Plan;
use objects::{Kind, Objects, text};
use people::{Deed, Versions};
use process::Process;
use provider::Provider;

/// What a run is made of; all else follows from it.
#[derive(Clone, Debug)]
pub struct Scale {
    pub seed: u64,
    /// Which resources there are, by their numbers.
    pub resources: Vec<usize>,
    pub hours: i64,
    pub replicas: usize,
    pub with_faults: bool,
    /// How likely it is that a resource is meddled with, each time.
    pub meddling: f64,
    /// The lifetime of all tokens in seconds, instead of one for each host.
    pub life: Option<i64>,
    /// Whether Secrets lose their owners now and then, as backup tools restore them.
    pub restores: bool,
    /// Whether there is a Lease: of several replicas only one works.
    pub elects: bool,
    /// The call of each resource at which the process ends, and whether before it: for runs that try each of them.
    pub crash_at: Option<(u64, bool)>,
}

pub struct World {
    pub seed: u64,
    pub with_faults: bool,
    pub begun: Instant,
    pub elects: bool,
    pub clock_offset: Arc<AtomicI64>,
    pub plans: BTreeMap<usize, Plan>,
    pub key: String,
    pub objects: Mutex<Objects>,
    pub pages: Mutex<server::Pages>,
    pub changed: watch::Sender<u64>,
    pub provider: Mutex<Provider>,
    pub faults: Mutex<Faults>,
    pub checks: Mutex<Checks>,
    pub processes: Mutex<Vec<Option<Arc<Process>>>>,
    pub versions: Mutex<Versions>,
    pub deeds: Mutex<BTreeMap<Deed, u64>>,
    over: AtomicBool,
}

/// How a run ended.
pub struct Ended {
    pub violations: Vec<String>,
    pub faults: BTreeMap<Fault, u64>,
    pub deeds: BTreeMap<Deed, u64>,
    pub reasons: BTreeMap<String, u64>,
    /// Which branches of the operator's decisions were taken, and how often.
    pub branches: BTreeMap<String, u64>,
    /// What stands in the end, by resource: what counts of it.
    pub states: BTreeMap<String, Value>,
    /// The calls for the resource that had most of them.
    pub calls: u64,
    pub text: String,
}

impl World {
    fn new(scale: &Scale) -> Arc<Self> {
        let plans: Vec<Plan> = scale
            .resources
            .iter()
            .map(|index| Plan::of(scale.seed, *index))
            .collect();
        let span = match scale.with_faults {
            true => (HOUR, (scale.hours - 6) * HOUR),
            false => (0, 0),
        };
        let mut faults = Faults::new(scale.seed, span);
        faults.crash_at = scale.crash_at;
        Arc::new(World {
            seed: scale.seed,
            with_faults: scale.with_faults,
            begun: clock::instant(),
            elects: scale.elects,
            clock_offset: Arc::default(),
            key: fleet::private_key(),
            objects: Mutex::default(),
            pages: Mutex::default(),
            changed: watch::channel(0).0,
            provider: Mutex::new(Provider::new(
                plans.clone(),
                scale.seed,
                scale.hours,
                scale.with_faults,
            )),
            checks: Mutex::new(Checks::new(&plans, span)),
            plans: plans.into_iter().map(|plan| (plan.index, plan)).collect(),
            faults: Mutex::new(faults),
            processes: Mutex::new(vec![None; scale.replicas]),
            versions: Mutex::default(),
            deeds: Mutex::default(),
            over: AtomicBool::new(false),
        })
    }

    /// True time since the world began, in milliseconds.
    pub fn now(&self) -> i64 {
        clock::instant().duration_since(self.begun).as_millis() as i64
    }

    /// Ends a process at this very point.
    pub async fn crash<T>(&self, process: &Process) -> T {
        let now = self.now();
        self.checks
            .lock()
            .unwrap()
            .disturbed(now, now + 6 * faults::MINUTE);
        process.kill();
        std::future::pending().await
    }

    /// The checks look at what a process of the operator has just changed, and watches are told.
    pub fn look_at_changes(&self, process: &Process) {
        self.look(Some(process));
    }

    fn look_at_changes_of_others(&self) {
        self.look(None);
    }

    fn look(&self, process: Option<&Process>) {
        let now = self.now();
        let (fresh, version) = {
            let mut objects = self.objects.lock().unwrap();
            (std::mem::take(&mut objects.fresh), objects.version())
        };
        if fresh.is_empty() {
            return;
        }
        let provider = self.provider.lock().unwrap();
        let mut checks = self.checks.lock().unwrap();
        if let Some(process) = process {
            checks.worker = process.slot;
        }
        for (kind, change) in &fresh {
            if *kind == Kind::Secret {
                checks.secret_changed(change, &provider, now, process.is_some());
            }
        }
        drop((provider, checks));
        self.changed.send_replace(version);
    }

    /// What counts in the end of each resource: whether it is ready, why, and what stands around it.
    fn states(&self) -> BTreeMap<String, Value> {
        let objects = self.objects.lock().unwrap();
        let now = self.now();
        let checks = self.checks.lock().unwrap();
        let mut states = BTreeMap::new();
        for client in objects.list(Kind::OAuthClient, None) {
            let (namespace, name) = (
                text(client, "/metadata/namespace"),
                text(client, "/metadata/name"),
            );
            let conditions = client
                .pointer("/status/conditions")
                .and_then(Value::as_array);
            let mut told: Vec<String> = conditions
                .into_iter()
                .flatten()
                .filter(|condition| {
                    text(condition, "/status") == "True" || text(condition, "/type") == "Ready"
                })
                .map(|one| {
                    format!(
                        "{}={} {}",
                        text(one, "/type"),
                        text(one, "/status"),
                        text(one, "/reason")
                    )
                })
                .collect();
            told.sort();
            let secret = objects.get(
                Kind::Secret,
                namespace,
                text(client, "/spec/tokenSecret/name"),
            );
            let uid = text(client, "/metadata/uid");
            let owned = |object: &Value| text(object, "/metadata/ownerReferences/0/uid") == uid;
            let keys = |object: &Value| -> Vec<String> {
                let data = object.get("data").and_then(Value::as_object);
                data.into_iter()
                    .flat_map(|data| data.keys().cloned())
                    .collect()
            };
            let index = name
                .strip_prefix('r')
                .and_then(|number| number.parse().ok());
            let published =
                index.and_then(|index: usize| checks.items.get(&index)?.published.as_ref());
            let all = objects
                .list(Kind::Secret, Some(namespace))
                .filter(|object| owned(object));
            let state = json!({
                "conditions": told,
                "finalizers": client.pointer("/metadata/finalizers"),
                "keys": secret.as_deref().map(keys),
                "owned": secret.as_deref().map(owned),
                "valid": published.is_some_and(|(_, end)| *end > now),
                "secrets": all.count(),
            });
            states.insert(format!("{namespace}/{name}"), state);
        }
        states
    }
}

/// Runs a world to its end, on a thread of its own.
pub fn run(scale: &Scale) -> Ended {
    let scale = scale.clone();
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.unwrap_or_else(|error| unreachable!("no runtime: {error}"));
        let local = tokio::task::LocalSet::new();
        coverage::watched(|| local.block_on(&runtime, play(scale)))
    });
    running
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn play(scale: Scale) -> Ended {
    coverage::begins();
    let world = World::new(&scale);
    let plans: Vec<Plan> = world.plans.values().cloned().collect();
    let timeline = people::timeline(&scale, &plans);
    let mut replicas = tokio::task::JoinSet::new();
    for slot in 0..scale.replicas {
        replicas.spawn_local(process::replica(Arc::clone(&world), slot));
    }
    for (time, act) in timeline {
        let wait = time - world.now();
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait as u64)).await;
        }
        world.act(act);
    }
    let end = scale.hours * HOUR - world.now();
    tokio::time::sleep(Duration::from_millis(end.max(0) as u64)).await;
    world.over.store(true, Ordering::Relaxed);
    let states = world.states();
    replicas.shutdown().await;
    let now = world.now();
    let mut checks = world.checks.lock().unwrap();
    checks.at_the_end(now);
    for line in coverage::leaked() {
        checks.violation(now, &line);
    }
    let mut faults = world.faults.lock().unwrap();
    let outages = world.provider.lock().unwrap().outages() as u64;
    if outages > 0 {
        faults.met.insert(Fault::Outage, outages);
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} resources, {} hours, seed {}: {} token requests ({} by thieves), {} writes of Secrets, {} calls, {} starts, {} logins, {} Secrets restored",
        world.plans.len(),
        scale.hours,
        scale.seed,
        checks.requests,
        checks.evil_requests,
        checks.writes,
        faults.numbered.values().sum::<u64>(),
        checks.starts,
        checks.logins,
        checks.restored,
    );
    Ended {
        violations: std::mem::take(&mut checks.violations),
        faults: faults.met.clone(),
        deeds: world.deeds.lock().unwrap().clone(),
        reasons: std::mem::take(&mut checks.reasons_told),
        branches: coverage::taken(),
        states,
        calls: faults.numbered.values().max().copied().unwrap_or(0),
        text,
    }
}
