//! Carries out the plan of faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use testkit::provider::Fault;
use testkit::soak::outages::Scope;
use testkit::soak::plan::{Event, Failure, plan};
use testkit::tcp_proxy::TcpMode;
use tokio::task::JoinSet;

use super::items::CHURN;
use super::kinds::{KINDS, PATH};
use super::now;
use super::world::World;

/// How many resources beside the fleet there are at a time.
const CHURNED: usize = 30;

/// How many faults of each provider overlap.
type Faulty = Arc<Mutex<BTreeMap<usize, usize>>>;

fn fault(how: Failure) -> Fault {
    match how {
        Failure::Unavailable => Fault::status(503),
        Failure::Internal => Fault::status(500),
        Failure::Hang => Fault::Hang,
        Failure::Close => Fault::Close,
        Failure::Reset => Fault::Reset,
        Failure::Html => Fault::Html,
    }
}

/// Carries out the whole plan; returns when all faults have ended.
pub async fn run(world: &World) {
    let seconds = world.settings.hours * 3600.0;
    let plan = plan(world.settings.seed, seconds, KINDS.len());
    let begun = now();
    let faulty = Faulty::default();
    let mut tasks = JoinSet::new();
    let mut churned = 0;
    for planned in plan {
        let pause = begun + planned.at - now();
        tokio::time::sleep(Duration::from_secs_f64(pause.max(0.0))).await;
        let event = planned.event;
        if let Event::Churn(_) = event {
            churned += 1;
        }
        let number = CHURN + churned;
        *world.findings().faults.entry(name(&event)).or_default() += 1;
        let (world, faulty) = (world.clone(), Arc::clone(&faulty));
        tasks.spawn(async move { carry_out(&world, &faulty, event, number).await });
        // A task that panicked ends the run.
        while let Some(done) = tasks.try_join_next() {
            done.unwrap();
        }
    }
    let rest = begun + seconds - now();
    tokio::time::sleep(Duration::from_secs_f64(rest.max(0.0))).await;
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Provider { .. } => "failures of a provider",
        Event::ApiServer { .. } => "restarts of the API server",
        Event::Cut => "cuts of all connections to it",
        Event::Silence { .. } => "silences of all connections to it",
        Event::Leader { kill: true } => "leaders killed",
        Event::Leader { kill: false } => "leaders terminated",
        Event::Rotate(_) => "credentials replaced",
        Event::Churn(_) => "creations and deletions",
    }
}

async fn carry_out(world: &World, faulty: &Faulty, event: Event, number: usize) {
    let pause = |seconds: f64| tokio::time::sleep(Duration::from_secs_f64(seconds));
    match event {
        Event::Provider {
            number,
            how,
            seconds,
        } => provider_fails(world, faulty, number, how, seconds).await,
        Event::ApiServer { seconds } => {
            let _one_at_a_time = world.api_faults.lock().await;
            let outage = world.outages().begin(Scope::Api, now());
            world.plane.stop_api_server();
            pause(seconds).await;
            world.plane.start_api_server().await.unwrap();
            world.outages().end(outage, now());
        }
        Event::Cut => {
            let _one_at_a_time = world.api_faults.lock().await;
            let outage = world.outages().begin(Scope::Api, now());
            world.proxy.cut();
            world.outages().end(outage, now());
        }
        Event::Silence { seconds } => {
            let _one_at_a_time = world.api_faults.lock().await;
            let outage = world.outages().begin(Scope::Api, now());
            world.proxy.set(TcpMode::Silent);
            pause(seconds).await;
            world.proxy.set(TcpMode::Pass);
            world.outages().end(outage, now());
        }
        Event::Leader { kill } => {
            let mut replicas = world.slots.iter().filter(|slot| slot.group == 0);
            let Some(leader) = replicas.find(|slot| slot.leads()) else {
                return;
            };
            leader.end(kill);
            if kill {
                // What it had sent, and not yet written, is requested again.
                let mut items = world.items();
                let affected = items.0.values_mut().filter(|item| item.group == 0);
                affected.for_each(|item| item.excused += 1.0);
            }
        }
        Event::Rotate(which) => rotate(world, which).await,
        Event::Churn(which) => {
            let kind = KINDS[(which % KINDS.len() as u64) as usize];
            world.create_item(kind, number).await;
            let oldest = world.items().take_oldest_churned(CHURNED, now());
            if let Some(name) = oldest {
                world.delete_item(&name).await;
            }
        }
    }
}

async fn provider_fails(world: &World, faulty: &Faulty, number: usize, how: Failure, seconds: f64) {
    let provider = &world.providers[number];
    let outage = world.outages().begin(Scope::Provider(number), now());
    *faulty.lock().unwrap().entry(number).or_default() += 1;
    provider.set_fault(PATH, Some(fault(how)));
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let left = {
        let mut faulty = faulty.lock().unwrap();
        let count = faulty.entry(number).or_default();
        *count -= 1;
        *count
    };
    if left == 0 {
        provider.set_fault(PATH, None);
    }
    // Requests that hang end with their time-out.
    let waits = if how == Failure::Hang { 5.0 } else { 0.0 };
    world.outages().end(outage, now() + waits);
}

/// Replaces the client secret of one resource of the fleet.
async fn rotate(world: &World, which: u64) {
    let chosen = {
        let items = world.items();
        let fits: Vec<&String> = items
            .live()
            .filter(|item| item.number < CHURN && item.kind.has_secret() && item.changed.is_none())
            .map(|item| &item.name)
            .collect();
        let at = which % fits.len().max(1) as u64;
        fits.get(at as usize).map(|name| (*name).clone())
    };
    if let Some(name) = chosen {
        let secret = format!("secret-{which}");
        world
            .replace_credentials(&name, json!({"client_secret": secret}))
            .await;
    }
}
