//! Which of several replicas works: a Lease, fenced.
//!
//! [`election`] holds the rules; here they meet the API server. Losing the Lease means: no new work from that moment on.
//! What was sent or received already is still written, under preconditions on UID and resourceVersion, for up to the drain
//! time; then the process ends. The Lease is released after the drain, never before.

pub mod election;
mod lease;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kube::Client;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cli::ElectionArgs;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::server::Beat;
use election::{Election, Standing, Timings};
use lease::{LeaseClient, LeaseName};

/// How long releasing the Lease may take; without it others wait for the lease duration, no more.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

/// The longest that one call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(5);

/// Whether this process works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Another one does, or none yet.
    Standby,
    /// This one does, as holder number `fence`.
    Leading {
        /// Grows with every change of the holder.
        fence: u32,
    },
    /// It did and may no longer: drain and exit.
    Lost,
}

/// What an election needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// What the Lease's holder goes by: unlike any other's, also one's own of an earlier run.
    pub identity: String,
    /// How long things take.
    pub timings: Timings,
}

/// Tells whether this process may begin new work. Cheap to clone.
#[derive(Clone)]
pub struct Seat {
    state: watch::Receiver<Leadership>,
    until: Arc<AtomicU64>,
    clock: Clock,
}

/// A running election. Dropping it stops renewing without releasing.
pub struct Leader {
    seat: Seat,
    identity: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Settings {
    /// From the command line; `client_namespace` is the pod's or the kubeconfig's.
    pub fn new(arguments: &ElectionArgs, client_namespace: &str, clock: &Clock) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let base = arguments.lease_identity.clone().or_else(host_name);
        Settings {
            namespace: arguments
                .lease_namespace
                .clone()
                .unwrap_or_else(|| client_namespace.to_owned()),
            name: arguments.lease_name.clone(),
            identity: unlike_any_other(base.as_deref().unwrap_or("oauthclient-operator"), clock),
            timings: Timings {
                duration: seconds(arguments.lease_duration_seconds),
                renew_deadline: seconds(arguments.lease_renew_deadline_seconds),
                retry: seconds(arguments.lease_retry_seconds),
            },
        }
    }
}

/// A restarted container keeps its pod's name: without the random part it would take its own old Lease for its own new
/// one, while the old process may still be writing.
fn unlike_any_other(base: &str, clock: &Clock) -> String {
    let part = || clock.draw() * f64::from(u32::MAX);
    format!("{base}_{:08x}{:08x}", whole(part()), whole(part()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "drawn between 0 and the largest u32"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

impl Seat {
    /// A seat that nobody else wants: without leader election.
    pub fn always(clock: Clock) -> Self {
        // Without its sender a receiver keeps the last value, which is all that is asked of it.
        let (_, state) = watch::channel(Leadership::Leading { fence: 0 });
        Seat {
            state,
            until: Arc::new(AtomicU64::new(u64::MAX)),
            clock,
        }
    }

    /// Whether new work may begin right now. To be asked before every piece of it: a process that was frozen, or whose
    /// machine was suspended, finds out here that its time is over, before any message could tell it.
    pub fn leads(&self) -> bool {
        matches!(*self.state.borrow(), Leadership::Leading { .. })
            && millis(self.clock.elapsed_with_sleep()) < self.until.load(Ordering::Acquire)
    }

    /// To be told of every change. Its sender is gone once nothing will change any more.
    pub fn watch(&self) -> watch::Receiver<Leadership> {
        self.state.clone()
    }

    /// Where we stand.
    pub fn leadership(&self) -> Leadership {
        *self.state.borrow()
    }
}

impl Leader {
    /// Stands for election from now on, until [`Leader::release`]. `beat` is given at every look at the Lease.
    pub fn start(
        client: Client,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        beat: Beat,
    ) -> Self {
        let (publish, state) = watch::channel(Leadership::Standby);
        let until = Arc::new(AtomicU64::new(0));
        let seat = Seat {
            state,
            until: Arc::clone(&until),
            clock: clock.clone(),
        };
        let name = LeaseName {
            namespace: settings.namespace,
            name: settings.name,
        };
        let duration = settings.timings.duration;
        let lease = LeaseClient::new(client, name, duration, clock.clone(), metrics.clone());
        let standing = Candidate {
            election: Election::new(settings.identity.clone(), settings.timings),
            timings: settings.timings,
            lease,
            clock,
            metrics,
            publish,
            until,
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(standing.run(beat, stopped));
        Leader {
            seat,
            identity: settings.identity,
            stop: Some(stop),
            task,
        }
    }

    /// What tells others whether they may work.
    pub fn seat(&self) -> Seat {
        self.seat.clone()
    }

    /// The name in the Lease's `spec.holderIdentity` while this one leads.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Ends the election and gives the Lease back if it is ours, so that another need not wait for it to expire. To be
    /// called after the drain: until then the Lease is renewed. Takes a few seconds at most.
    pub async fn release(mut self) {
        drop(self.stop.take());
        if timeout(2 * RELEASE_DEADLINE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task that stands for election.
struct Candidate {
    election: Election,
    timings: Timings,
    lease: LeaseClient,
    clock: Clock,
    metrics: Metrics,
    publish: watch::Sender<Leadership>,
    until: Arc<AtomicU64>,
}

impl Candidate {
    async fn run(mut self, beat: Beat, mut stopped: oneshot::Receiver<()>) {
        let lease = self.lease.name();
        tracing::info!(%lease, identity = self.election.identity(), "standing for election");
        self.campaign(&beat, &mut stopped).await;
        beat.finish();
        if self.publish.borrow().eq(&Leadership::Lost) {
            // Nothing more to do until the drain is over.
            let _ = stopped.await;
        }
        self.withdraw().await;
    }

    /// Until stopped or lost.
    async fn campaign(&mut self, beat: &Beat, stopped: &mut oneshot::Receiver<()>) {
        while *self.election.standing() != Standing::Lost {
            beat.tick();
            let pause = tokio::select! {
                // A write that is cut off may still come through; releasing reads the Lease first.
                _ = &mut *stopped => return,
                pause = self.turn() => pause,
            };
            tokio::select! {
                _ = &mut *stopped => return,
                () = sleep(pause) => {}
            }
            self.election.tick(self.clock.elapsed_with_sleep());
            self.announce();
        }
    }

    /// One call. Returns the pause before the next.
    async fn turn(&mut self) -> Duration {
        let sent = self.clock.elapsed_with_sleep();
        let identity = self.election.identity().to_owned();
        let call = self.election.call().clone();
        let deadline = self.left(sent).min(CALL_DEADLINE);
        let answer = self.lease.call(&call, &identity, deadline).await;
        let now = self.clock.elapsed_with_sleep();
        let at_once = self.election.answered(sent, now, answer);
        self.announce();
        if at_once {
            return Duration::ZERO;
        }
        // Candidates that were started together are spread; a leader is in no crowd, and must not be late.
        let retry = match self.election.standing() {
            Standing::Standby => self.timings.retry.mul_f64(1.0 + 0.2 * self.clock.draw()),
            Standing::Leading { .. } | Standing::Lost => self.timings.retry,
        };
        retry.min(self.left(now))
    }

    /// How long until the renew deadline, for a leader.
    fn left(&self, now: Duration) -> Duration {
        match self.election.standing() {
            Standing::Leading { until, .. } => until.saturating_sub(now),
            Standing::Standby | Standing::Lost => Duration::MAX,
        }
    }

    /// Tells everybody where we stand, if that is news.
    fn announce(&mut self) {
        let (leadership, until) = match *self.election.standing() {
            Standing::Standby => (Leadership::Standby, Duration::ZERO),
            Standing::Leading { fence, until } => (Leadership::Leading { fence }, until),
            Standing::Lost => (Leadership::Lost, Duration::ZERO),
        };
        self.until.store(millis(until), Ordering::Release);
        let news = self.publish.send_if_modified(|now| {
            let news = *now != leadership;
            *now = leadership;
            news
        });
        if !news {
            return;
        }
        self.metrics
            .leader(matches!(leadership, Leadership::Leading { .. }));
        let lease = self.lease.name();
        match leadership {
            Leadership::Standby => tracing::info!(%lease, "standing by"),
            Leadership::Leading { fence } => {
                tracing::info!(%lease, identity = self.election.identity(), fence, "leading");
            }
            Leadership::Lost => tracing::error!(
                %lease,
                "lost the Lease (it could not be renewed in time, or was taken): beginning nothing new, finishing what is \
                 in flight, then exiting. If this happens again, look at the API server's latency"
            ),
        }
    }

    /// Gives up the seat and, if it is ours, the Lease.
    async fn withdraw(mut self) {
        let held = self.publish.borrow().ne(&Leadership::Standby);
        self.until.store(0, Ordering::Release);
        self.publish.send_replace(Leadership::Lost);
        self.metrics.leader(false);
        if held {
            let identity = self.election.identity().to_owned();
            self.lease.release(&identity, RELEASE_DEADLINE).await;
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
