//! Leader election: a Lease, with fencing.
//!
//! [`election`] contains the rules; this module connects them to the API server. After the loss of the Lease, no new
//! work starts. What was sent or received is still written, under preconditions on UID and resourceVersion, for up to
//! the drain time. Then the process exits. The Lease is released after the drain, never before.

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
use crate::server::Heartbeat;
use election::{Election, ElectionState, Timings};
use lease::{LeaseClient, LeaseName};

/// The deadline for releasing the Lease. Without a release, others only wait for the lease duration.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

/// The maximum time of one call.
const CALL_DEADLINE: Duration = Duration::from_secs(5);

/// Whether this process is the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Another process is the leader, or none yet.
    Standby,
    /// This process is the leader, with the number `fence`.
    Leading {
        /// Grows with every change of the holder.
        fence: u32,
    },
    /// It was the leader and must not be anymore: drain and exit.
    Lost,
}

/// The settings of an election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// The holder identity. It must differ from all others, including one's own in an earlier run.
    pub identity: String,
    /// Durations.
    pub timings: Timings,
}

/// Tells whether this process may start new work. Cheap to clone.
#[derive(Clone)]
pub struct LeaderStatus {
    state: watch::Receiver<Leadership>,
    until: Arc<AtomicU64>,
    clock: Clock,
}

/// A running election. Dropping it stops renewing without releasing the Lease.
pub struct Leader {
    leader_status: LeaderStatus,
    identity: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Settings {
    /// From the command line; `client_namespace` is the namespace of the pod or the kubeconfig.
    ///
    /// The Lease of a group has the group's name as its last part.
    pub fn new(
        arguments: &ElectionArgs,
        client_namespace: &str,
        group: Option<&str>,
        clock: &Clock,
    ) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let base = arguments.lease_identity.clone().or_else(host_name);
        Settings {
            namespace: arguments
                .lease_namespace
                .clone()
                .unwrap_or_else(|| client_namespace.to_owned()),
            name: match group {
                None => arguments.lease_name.clone(),
                Some(group) => format!("{}-{group}", arguments.lease_name),
            },
            identity: unique_identity(base.as_deref().unwrap_or("oauthclient-operator"), clock),
            timings: Timings {
                duration: seconds(arguments.lease_duration_seconds),
                renew_deadline: seconds(arguments.lease_renew_deadline_seconds),
                retry: seconds(arguments.lease_retry_seconds),
            },
        }
    }
}

/// A restarted container keeps the name of its pod. Without the random part, it would mistake its own old Lease for a
/// new one, while the old process may still be writing.
fn unique_identity(base: &str, clock: &Clock) -> String {
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

impl LeaderStatus {
    /// The status without leader election: this process always leads.
    pub fn always(clock: Clock) -> Self {
        // Without a sender, the receiver keeps the last value, which is all that is needed.
        let (_, state) = watch::channel(Leadership::Leading { fence: 0 });
        LeaderStatus {
            state,
            until: Arc::new(AtomicU64::new(u64::MAX)),
            clock,
        }
    }

    /// Whether new work may start now. Check this before every unit of work: a process that was frozen, or whose
    /// machine was suspended, finds out here that its time has passed, before any message can arrive.
    pub fn leads(&self) -> bool {
        matches!(*self.state.borrow(), Leadership::Leading { .. })
            && millis(self.clock.elapsed_with_sleep()) < self.until.load(Ordering::Acquire)
    }

    /// Receives every change. The sender is dropped when nothing changes anymore.
    pub fn watch(&self) -> watch::Receiver<Leadership> {
        self.state.clone()
    }

    /// The current state.
    pub fn leadership(&self) -> Leadership {
        *self.state.borrow()
    }
}

impl Leader {
    /// Takes part in the election from now on, until [`Leader::release`]. `heartbeat` is signalled at every check of the
    /// Lease.
    pub fn start(
        client: Client,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        heartbeat: Heartbeat,
    ) -> Self {
        let (publish, state) = watch::channel(Leadership::Standby);
        let until = Arc::new(AtomicU64::new(0));
        let leader_status = LeaderStatus {
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
        let candidate = ElectionTask {
            election: Election::new(settings.identity.clone(), settings.timings),
            timings: settings.timings,
            lease,
            clock,
            metrics,
            publish,
            until,
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(candidate.run(heartbeat, stopped));
        Leader {
            leader_status,
            identity: settings.identity,
            stop: Some(stop),
            task,
        }
    }

    /// Tells other parts of the program whether they may work.
    pub fn status(&self) -> LeaderStatus {
        self.leader_status.clone()
    }

    /// The name in the Lease's `spec.holderIdentity` while this process is the leader.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Ends the election and releases the Lease if this process holds it, so that others do not have to wait for it to
    /// expire. Call this after the drain; until then, the Lease is renewed. Takes a few seconds at most.
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

/// The task that takes part in the election.
struct ElectionTask {
    election: Election,
    timings: Timings,
    lease: LeaseClient,
    clock: Clock,
    metrics: Metrics,
    publish: watch::Sender<Leadership>,
    until: Arc<AtomicU64>,
}

/// Why a campaign ended.
enum CampaignEnd {
    /// The Lease is lost.
    Lost,
    /// The election is to end. The Lease may be lost as well.
    Stopped,
}

impl ElectionTask {
    async fn run(mut self, heartbeat: Heartbeat, mut stopped: oneshot::Receiver<()>) {
        let lease = self.lease.name();
        tracing::info!(%lease, identity = self.election.identity(), "standing for election");
        let ended = self.campaign(&heartbeat, &mut stopped).await;
        heartbeat.finish();
        match ended {
            // Nothing more to do until the drain is complete.
            CampaignEnd::Lost => drop(stopped.await),
            CampaignEnd::Stopped => {}
        }
        self.resign().await;
    }

    /// Runs until stopped or lost.
    async fn campaign(
        &mut self,
        heartbeat: &Heartbeat,
        stopped: &mut oneshot::Receiver<()>,
    ) -> CampaignEnd {
        while *self.election.state() != ElectionState::Lost {
            heartbeat.beat();
            let pause = tokio::select! {
                // A write that is cancelled may still reach the API server. Releasing reads the Lease first.
                _ = &mut *stopped => return CampaignEnd::Stopped,
                pause = self.send_call() => pause,
            };
            tokio::select! {
                _ = &mut *stopped => return CampaignEnd::Stopped,
                () = sleep(pause) => {}
            }
            self.election.tick(self.clock.elapsed_with_sleep());
            self.publish_state();
        }
        CampaignEnd::Lost
    }

    /// Sends one call. Returns the pause before the next.
    async fn send_call(&mut self) -> Duration {
        let sent = self.clock.elapsed_with_sleep();
        let identity = self.election.identity().to_owned();
        let call = self.election.call().clone();
        let deadline = self.remaining(sent).min(CALL_DEADLINE);
        let answer = self.lease.call(&call, &identity, deadline).await;
        let now = self.clock.elapsed_with_sleep();
        let at_once = self.election.handle_result(sent, now, answer);
        self.publish_state();
        if at_once {
            return Duration::ZERO;
        }
        // Jitter for candidates that start together; a leader must not be late.
        let retry = match self.election.state() {
            ElectionState::Standby => self.timings.retry.mul_f64(1.0 + 0.2 * self.clock.draw()),
            ElectionState::Leading { .. } | ElectionState::Lost => self.timings.retry,
        };
        retry.min(self.remaining(now))
    }

    /// For a leader: the time until the renew deadline.
    fn remaining(&self, now: Duration) -> Duration {
        match self.election.state() {
            ElectionState::Leading { until, .. } => until.saturating_sub(now),
            ElectionState::Standby | ElectionState::Lost => Duration::MAX,
        }
    }

    /// Publishes the current state, if it changed.
    fn publish_state(&mut self) {
        let (leadership, until) = match *self.election.state() {
            ElectionState::Standby => (Leadership::Standby, Duration::ZERO),
            ElectionState::Leading { fence, until } => (Leadership::Leading { fence }, until),
            ElectionState::Lost => (Leadership::Lost, Duration::ZERO),
        };
        self.until.store(millis(until), Ordering::Release);
        let changed = self.publish.send_if_modified(|now| {
            let changed = *now != leadership;
            *now = leadership;
            changed
        });
        if !changed {
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

    /// Ends leadership and, if the Lease is held, releases it.
    async fn resign(mut self) {
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

#[cfg(test)]
mod tests;
