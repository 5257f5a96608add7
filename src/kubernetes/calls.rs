//! Calls of the Kubernetes API: each with a deadline, a slot and a gauge, each failure typed. An error never means
//! "absent".

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kube::api::GetParams;
use kube::core::Status;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::messages::WriteRefusal;
use crate::metrics::Metrics;
use crate::reconcile::{StoreError, WriteError};

use super::api_limiter::{ApiLimiter, CallPurpose};

/// The field manager in `managedFields`.
pub(super) const MANAGER: &str = "oauthclient-operator";
/// The deadline of one call, because the client itself has no read time-out.
const CALL_DEADLINE: Duration = Duration::from_secs(15);
/// The maximum wait for a slot before that: then the API is hopelessly overloaded.
const SLOT_DEADLINE: Duration = Duration::from_secs(60);
/// For how long all reads request the newest after a read from a cache was not answered: the cache is far behind, or
/// versions began anew after a restore of etcd.
const CACHE_PAUSE: Duration = Duration::from_secs(60);

/// The only access to the API, except for watches.
#[derive(Clone)]
pub(super) struct Calls {
    client: Client,
    limiter: ApiLimiter,
    metrics: Metrics,
    clock: Clock,
    /// Until when no read is for a cache, in milliseconds of the monotonic clock.
    newest_until: Arc<AtomicU64>,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// The server's answer.
    Refused(Box<Status>),
    /// No answer in time.
    TimedOut,
    /// No connection, or one that broke.
    Broken,
    /// An answer that cannot be parsed.
    Garbled,
}

impl Calls {
    pub(super) fn new(client: Client, most: u32, metrics: Metrics, clock: Clock) -> Self {
        Calls {
            client,
            limiter: ApiLimiter::new(most as usize, clock.clone()),
            metrics,
            clock,
            newest_until: Arc::default(),
        }
    }

    pub(super) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// For cluster-scoped kinds.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// One call, with its deadline and a slot.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError> {
        self.call_for(CallPurpose::Work, call).await
    }

    /// How many calls wait for a slot: for token Secrets, and for statuses.
    pub(super) fn waiting(&self) -> (usize, usize) {
        self.limiter.waiting()
    }

    /// The same, with its purpose.
    pub(super) async fn call_for<T>(
        &self,
        what: CallPurpose,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError> {
        let Ok(_slot) = timeout(SLOT_DEADLINE, self.limiter.take(what)).await else {
            return Err(CallError::TimedOut);
        };
        let _counted = self.metrics.api_request();
        // Boxed: the client's futures are large, and a caller with several of them would reserve memory for each.
        let ended = match timeout(CALL_DEADLINE, Box::pin(call)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(CallError::from(error)),
            Err(_) => Err(CallError::TimedOut),
        };
        let outcome = ended.as_ref().err().map_or("success", CallError::outcome);
        self.metrics.api_request_ended(outcome);
        ended
    }

    /// One object; `None` if the server says that it does not exist.
    pub(super) async fn get<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, StoreError>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        self.get_since(namespace, name, 0).await
    }

    /// The same, not older than this resourceVersion, so that the API server may answer from its watch cache, at less than
    /// half the cost. 0 requests the newest.
    ///
    /// That the answer is not older than a version says nothing about later changes: what is written because of it needs the
    /// answer's version as its precondition.
    pub(super) async fn get_since<K>(
        &self,
        namespace: &str,
        name: &str,
        version: u64,
    ) -> Result<Option<K>, StoreError>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let api = self.api::<K>(namespace);
        if version != 0 && self.uses_cache() {
            let params = GetParams::at(&version.to_string());
            match self.call(api.get_with(name, &params)).await {
                Ok(object) => return Ok(Some(object)),
                Err(error) if error.is_not_found() => return Ok(None),
                // Another call would not help.
                Err(error) if error.is_throttled() => return Err(error.into()),
                Err(error) => {
                    // The cache has not reached the version: request the newest.
                    if error.is_late() {
                        self.pause_cache();
                    }
                }
            }
        }
        match self.call(api.get(name)).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(CallError::Refused(status)) if status.code == 403 => Err(StoreError::Unreadable {
                permission: format!("get {}", K::plural(&K::DynamicType::default())),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

impl Calls {
    fn uses_cache(&self) -> bool {
        millis(self.clock.elapsed()) >= self.newest_until.load(Ordering::Relaxed)
    }

    fn pause_cache(&self) {
        let until = millis(self.clock.elapsed() + CACHE_PAUSE);
        self.newest_until.store(until, Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => CallError::Refused(status),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => CallError::Garbled,
            _ => CallError::Broken,
        }
    }
}

impl CallError {
    /// The label value for the metric.
    fn outcome(&self) -> &'static str {
        match self {
            CallError::Refused(status) => match status.code {
                404 => "not_found",
                409 => "conflict",
                401 | 403 => "forbidden",
                429 => "throttled",
                400..500 => "refused",
                _ => "server_error",
            },
            CallError::TimedOut => "timeout",
            CallError::Broken => "unreachable",
            CallError::Garbled => "unreadable",
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        // A 404 without a Kubernetes reason comes from a proxy and means nothing.
        matches!(self, CallError::Refused(status) if status.code == 404 && status.reason == "NotFound")
    }

    /// Whether the resource (or its UID) no longer exists. A precondition on the UID that fails is a 409 like one on the
    /// resourceVersion, and only the message tells them apart: such an answer has no `details.causes`.
    pub(super) fn is_other_object(&self) -> bool {
        matches!(self, CallError::Refused(status) if status.code == 422
            || (status.code == 409 && status.message.contains("UID")))
    }

    /// Whether the object has another version by now.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, CallError::Refused(status) if status.code == 409)
    }

    /// Whether a permission is missing.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, CallError::Refused(status) if status.code == 403)
    }

    fn is_throttled(&self) -> bool {
        matches!(self, CallError::Refused(status) if status.code == 429)
    }

    /// Whether the API server did not answer in time, or said so.
    fn is_late(&self) -> bool {
        match self {
            CallError::Refused(status) => status.code >= 500,
            CallError::TimedOut => true,
            CallError::Broken | CallError::Garbled => false,
        }
    }

    pub(super) fn is_transient(&self) -> bool {
        match self {
            CallError::Refused(status) => matches!(status.code, 409 | 429) || status.code >= 500,
            CallError::TimedOut | CallError::Broken | CallError::Garbled => true,
        }
    }

    /// Its meaning for a write of a token Secret. The server's message is not passed on, because a webhook's may quote
    /// the object.
    pub(super) fn of_write(&self, creating: bool) -> WriteError {
        let CallError::Refused(status) = self else {
            return WriteError::Passing(self.summary());
        };
        let terminating = status.details.as_ref().is_some_and(|details| {
            details
                .causes
                .iter()
                .any(|cause| cause.reason == "NamespaceTerminating")
        });
        // Quota, RBAC and webhooks all answer with the reason `Forbidden`, and `details` holds no more than kind and
        // name of the object. Only the message tells them apart. A message that is not recognised is a refusal that may pass.
        match status.code {
            _ if terminating => WriteError::NamespaceTerminating,
            404 if creating && status.reason == "NotFound" => WriteError::NamespaceTerminating,
            404 | 409 => WriteError::Raced,
            422 if self.names_field("metadata.uid") => WriteError::Raced,
            403 if status.message.contains("exceeded quota") => {
                WriteError::Refused(WriteRefusal::Quota)
            }
            403 if status.message.contains("cannot ")
                && status.message.contains(" is forbidden: User ") =>
            {
                WriteError::Forbidden(WriteRefusal::Role)
            }
            401 => WriteError::Forbidden(WriteRefusal::Identity),
            403 => WriteError::Refused(refusal(status)),
            400 | 413 | 422 => WriteError::Rejected(refusal(status)),
            _ => WriteError::Passing(self.summary()),
        }
    }

    fn names_field(&self, field: &str) -> bool {
        matches!(self, CallError::Refused(status) if status
            .details
            .as_ref()
            .is_some_and(|details| details.causes.iter().any(|cause| cause.field == field)))
    }

    /// What happened, as text.
    pub(super) fn summary(&self) -> String {
        match self {
            CallError::Refused(status) => {
                format!(
                    "the API server answered {} {}",
                    status.code,
                    machine_reason(&status.reason)
                )
            }
            CallError::TimedOut => "the API server did not answer in time".to_owned(),
            CallError::Broken => "the API server could not be reached".to_owned(),
            CallError::Garbled => "the API server's answer could not be read".to_owned(),
        }
    }
}

/// A machine-readable reason, if it is one.
fn machine_reason(reason: &str) -> &str {
    if reason.chars().all(|c| c.is_ascii_alphanumeric()) {
        reason
    } else {
        ""
    }
}

/// Who refused a write: only the name of a webhook or policy, because its message may quote the object. The API server gives the
/// name in the message and nowhere else.
fn refusal(status: &Status) -> WriteRefusal {
    let named = |before: &str, quote: char| {
        let (_, rest) = status.message.split_once(before)?;
        let (name, _) = rest.split_once(quote)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        (name.len() < 254 && name.chars().all(plain)).then(|| name.to_owned())
    };
    if let Some(name) = named("admission webhook \"", '"') {
        WriteRefusal::Webhook { name }
    } else if let Some(name) = named("ValidatingAdmissionPolicy '", '\'') {
        WriteRefusal::Policy { name }
    } else {
        WriteRefusal::Server {
            status: status.code,
            word: machine_reason(&status.reason).to_owned(),
        }
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match &error {
            CallError::Refused(status) if matches!(status.code, 401 | 403) => {
                StoreError::Forbidden(error.summary())
            }
            _ => StoreError::Passing(error.summary()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refused_a_write_is_told_by_name_and_no_more() {
        let refused = |message: &str| {
            let status = Status {
                code: 422,
                reason: "Invalid".to_owned(),
                message: message.to_owned(),
                ..Status::default()
            };
            refusal(&status).text().to_string()
        };
        assert_eq!(
            refused("admission webhook \"deny.example.com\" denied the request: token abc"),
            "the admission webhook deny.example.com refused it"
        );
        assert_eq!(
            refused(
                "x is forbidden: ValidatingAdmissionPolicy 'no-tokens' with binding 'b' denied request: token abc"
            ),
            "the ValidatingAdmissionPolicy no-tokens refused it"
        );
        let vague = "the API server refused it with 422 Invalid";
        assert_eq!(refused("token abc"), vague);
        assert_eq!(refused("admission webhook \"token abc\" said no"), vague);
    }
}
