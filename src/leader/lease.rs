//! The Lease on the API server: every call has a deadline, and every failure is one of the answers that the rules know.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error};
use tokio::time::timeout;

use super::election::{Call, CallResult, LeaseView};
use crate::clock::Clock;
use crate::metrics::{Metrics, WriteKind};

/// The field manager of our writes in `managedFields`.
const FIELD_MANAGER: &str = "oauthclient-operator";

/// The location of the Lease; displayed as `namespace/name`.
pub(super) struct LeaseName {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Reads and writes one Lease.
pub(super) struct LeaseClient {
    api: Api<Lease>,
    name: LeaseName,
    duration: Duration,
    clock: Clock,
    metrics: Metrics,
    /// As last read or written. A write keeps its labels, annotations and `acquireTime`.
    last: Option<Lease>,
    /// The last failure that was logged, so that an outage is one line and not one every two seconds.
    logged: Option<String>,
}

impl LeaseClient {
    pub(super) fn new(
        client: Client,
        name: LeaseName,
        duration: Duration,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        LeaseClient {
            api: Api::namespaced(client, &name.namespace),
            name,
            duration,
            clock,
            metrics,
            last: None,
            logged: None,
        }
    }

    pub(super) fn name(&self) -> &LeaseName {
        &self.name
    }

    /// Sends the call and waits for its response for at most `deadline`.
    pub(super) async fn call(
        &mut self,
        call: &Call,
        holder: &str,
        deadline: Duration,
    ) -> CallResult {
        let write = match call {
            Call::Read => None,
            Call::Create => Some(self.lease(holder, None, 0, true)),
            Call::Replace {
                version,
                transitions,
                acquired,
            } => Some(self.lease(holder, Some(version.clone()), *transitions, *acquired)),
        };
        let result = {
            let _in_flight = self.metrics.api_request();
            timeout(deadline, self.send(write.as_ref())).await
        };
        let answer = self.result(result, deadline);
        if write.is_some() {
            let success = matches!(answer, CallResult::Lease(_));
            self.metrics.api_write(WriteKind::Lease, success);
        }
        answer
    }

    async fn send(&self, write: Option<&Lease>) -> Result<Option<Lease>, Error> {
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match write {
            None => self.api.get_opt(&self.name.name).await,
            Some(lease) if lease.metadata.resource_version.is_none() => {
                self.api.create(&parameters, lease).await.map(Some)
            }
            Some(lease) => self
                .api
                .replace(&self.name.name, &parameters, lease)
                .await
                .map(Some),
        }
    }

    fn result(
        &mut self,
        result: Result<Result<Option<Lease>, Error>, tokio::time::error::Elapsed>,
        deadline: Duration,
    ) -> CallResult {
        let problem = match result {
            Ok(Ok(lease)) => {
                if self.logged.take().is_some() {
                    tracing::info!(lease = %self.name, "the Lease can be reached again");
                }
                let answer = lease
                    .as_ref()
                    .map_or(CallResult::Absent, |lease| CallResult::Lease(view(lease)));
                self.last = lease;
                return answer;
            }
            Ok(Err(Error::Api(status))) if status.code == 409 => return CallResult::Conflict,
            Ok(Err(Error::Api(status))) if status.code == 404 && self.last.is_some() => {
                self.last = None;
                return CallResult::Absent;
            }
            Ok(Err(Error::Api(status))) if status.code == 403 => format!(
                "{}; grant get, create and update on leases in its namespace (see deploy/)",
                status.message
            ),
            Ok(Err(Error::Api(status))) if status.code == 404 => {
                format!("{}; does the namespace exist?", status.message)
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", deadline.as_secs()),
        };
        if self.logged.as_ref() != Some(&problem) {
            tracing::warn!(lease = %self.name, problem, "cannot read or write the Lease; trying again");
            self.logged = Some(problem);
        }
        CallResult::Unknown
    }

    /// The desired Lease: the existing one, with this process (or nobody) as its holder.
    fn lease(
        &self,
        holder: &str,
        version: Option<String>,
        transitions: u32,
        acquired: bool,
    ) -> Lease {
        let last = version.is_some().then(|| self.last.clone()).flatten();
        let (mut metadata, mut spec) = last
            .map(|lease| (lease.metadata, lease.spec.unwrap_or_default()))
            .unwrap_or_default();
        metadata = ObjectMeta {
            name: Some(self.name.name.clone()),
            namespace: Some(self.name.namespace.clone()),
            resource_version: version,
            managed_fields: None,
            ..metadata
        };
        // For people: nothing compares these times.
        let now = Timestamp::from_millisecond(self.clock.now().millis())
            .ok()
            .map(MicroTime);
        if acquired {
            spec.acquire_time.clone_from(&now);
        }
        spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            lease_transitions: i32::try_from(transitions).ok(),
            renew_time: now,
            ..spec
        };
        Lease {
            metadata,
            spec: Some(spec),
        }
    }

    /// Releases the Lease if `holder` has it. A failure is logged; others then only wait for the lease duration.
    pub(super) async fn release(&mut self, holder: &str, deadline: Duration) {
        if timeout(deadline, self.try_release(holder, deadline))
            .await
            .is_err()
        {
            tracing::warn!(lease = %self.name, "could not release the Lease in time; it expires after its duration");
        }
    }

    async fn try_release(&mut self, holder: &str, deadline: Duration) {
        // Twice: a renewal in flight may arrive between reading and writing.
        for _ in 0..2 {
            let CallResult::Lease(lease) = self.call(&Call::Read, holder, deadline).await else {
                return;
            };
            if lease.holder != holder {
                return;
            }
            let release = Call::Replace {
                version: lease.version,
                transitions: lease.transitions,
                acquired: false,
            };
            if let CallResult::Lease(_) = self.call(&release, "", deadline).await {
                tracing::info!(lease = %self.name, "released the Lease");
                return;
            }
        }
    }
}

fn view(lease: &Lease) -> LeaseView {
    let spec = lease.spec.as_ref();
    let seconds = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0);
    LeaseView {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec
            .and_then(|spec| spec.holder_identity.clone())
            .unwrap_or_default(),
        duration: seconds.map(Duration::from_secs),
        transitions: spec
            .and_then(|spec| spec.lease_transitions)
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or_default(),
    }
}
