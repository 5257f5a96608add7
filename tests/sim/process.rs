//! One process of the operator: it runs, is frozen, ends, and is started anew.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use clap::Parser as _;
use oauthclient_operator::cli::{Cli, Command, RunArgs};
use oauthclient_operator::clock::Clock;
use oauthclient_operator::kubernetes::{Accounts, ClientWith, ProcessEnvironment, run_in};
use tokio::sync::Notify;
use tokio::sync::watch;

use super::World;
use super::clock::ProcessTime;
use super::draws::Draws;
use super::network;
use super::server::Server;

pub struct Process {
    pub slot: usize,
    pub number: u64,
    dead: AtomicBool,
    died: Notify,
    stop: Notify,
    frozen: watch::Sender<bool>,
    /// Until when it does not reach its Lease, in milliseconds of true time.
    lease_is_cut_until: AtomicI64,
}

impl Process {
    fn new(slot: usize, number: u64) -> Self {
        Process {
            slot,
            number,
            dead: AtomicBool::new(false),
            died: Notify::new(),
            stop: Notify::new(),
            frozen: watch::channel(false).0,
            lease_is_cut_until: AtomicI64::new(0),
        }
    }

    /// Waits while it is frozen, and for ever once it is dead.
    pub async fn runs(&self) {
        if *self.frozen.borrow() {
            let mut frozen = self.frozen.subscribe();
            let _ = frozen.wait_for(|frozen| !frozen).await;
        }
        if self.dead.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }

    pub fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.died.notify_one();
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.stop.notify_one();
    }

    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    pub fn cut_lease(&self, until: i64) {
        self.lease_is_cut_until.store(until, Ordering::Relaxed);
    }

    pub fn lease_is_cut(&self, now: i64) -> bool {
        now < self.lease_is_cut_until.load(Ordering::Relaxed)
    }
}

/// The flags: a Lease that costs few calls, and what a token host of a simulation needs.
fn arguments(slot: usize, elects: bool) -> RunArgs {
    let identity = format!("--lease-identity=replica-{slot}");
    let cli = Cli::parse_from([
        "oauthclient-operator",
        "run",
        "--lease-namespace=operator",
        "--lease-duration-seconds=240",
        "--lease-renew-deadline-seconds=180",
        "--lease-retry-seconds=60",
        "--drain-seconds=30",
        &identity,
        if elects {
            "--leader-elect=true"
        } else {
            "--leader-elect=false"
        },
    ]);
    match cli.command {
        Command::Run(arguments) => *arguments,
        _ => unreachable!("it was told to run"),
    }
}

/// Keeps one replica running for ever.
pub async fn replica(world: Arc<World>, slot: usize) {
    let arguments = arguments(slot, world.elects);
    for start in 0.. {
        let number = (slot as u64) << 32 | start;
        let process = Arc::new(Process::new(slot, number));
        world.processes.lock().unwrap()[slot] = Some(Arc::clone(&process));
        world.checks.lock().unwrap().starts += 1;
        let server = |account| Server {
            world: Arc::clone(&world),
            process: Arc::clone(&process),
            account,
        };
        let with_account = server(true);
        let client_with: ClientWith =
            Arc::new(move |_| Some(kube::Client::new(with_account.clone(), "operator")));
        let draws = Draws::of(world.seed, "process", number);
        let time = ProcessTime::new(world.begun, Arc::clone(&world.clock_offset), draws);
        let clock = Clock::from_source(Arc::new(time));
        let environment = ProcessEnvironment {
            clock: clock.clone(),
            client: kube::Client::new(server(false), "operator"),
            accounts: Accounts::with(client_with),
            namespace: "operator".to_owned(),
            sender: network::sender(&world, &process, clock),
            gauge_interval: Duration::from_secs(300),
        };
        let run = run_in(environment, &arguments, process.stop.notified());
        tokio::select! {
            biased;
            () = process.died.notified() => {}
            _ = run => {}
        }
        process.kill();
        let mut draws = Draws::of(world.seed, "restart", number);
        tokio::time::sleep(Duration::from_millis(draws.between(1_000, 30_000) as u64)).await;
    }
}
