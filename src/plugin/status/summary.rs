//! A summary of one resource from its status. Pure, except for reading the metadata of its token Secret.

#[cfg(test)]
mod tests;

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::ResourceExt as _;
use kube::api::PartialObjectMeta;
use serde::Serialize;

use crate::api::conditions::Reason;
use crate::api::spec::OAuthClient;
use crate::plugin::cluster::{ApiOperation, Cluster, SECRETS};
use crate::plugin::paint::{Painted, Tone};
use crate::plugin::status::moment::Moment;
use crate::time::{Span, Time};

use super::details::Details;

const EXPIRES: &str = "oauthclient.dev/expires-at";
const REFRESH: &str = "oauthclient.dev/refresh-at";
/// How long after the expiry of a token its status may still say that it is valid: the operator reports within seconds, and
/// the clocks of two machines differ.
const UNREPORTED: Span = Span::from_seconds(60);

/// A summary of one resource. The JSON form is stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) ready: bool,
    /// The reason.
    pub(crate) reason: String,
    /// What happened, and the next step.
    pub(crate) message: String,
    pub(crate) stalled: bool,
    /// Work is in progress or waiting.
    pub(crate) reconciling: bool,
    pub(crate) suspended: bool,
    pub(crate) token_secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issued_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expiration_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    #[serde(flatten)]
    pub(crate) details: Details,
    #[serde(skip)]
    now: Time,
}

/// The last request, if it failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) time: String,
    pub(crate) failures: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_time: Option<String>,
}

impl Summary {
    /// The summary of a resource.
    pub(crate) fn of(resource: &OAuthClient, now: Time) -> Summary {
        let status = resource.status.clone().unwrap_or_default();
        let condition = |kind: &str| {
            status
                .conditions
                .iter()
                .find(|condition| condition.type_ == kind)
        };
        let holds = |kind: &str| condition(kind).is_some_and(|found| found.status == "True");
        let leading = ["Stalled", "Reconciling"]
            .into_iter()
            .find(|kind| holds(kind));
        let leading = condition(leading.unwrap_or("Ready")).or_else(|| condition("Ready"));
        let (reason, message) = match leading {
            Some(found) => (found.reason.clone(), found.message.clone()),
            None => (
                "Unknown".to_owned(),
                "The operator has not observed it yet. To check whether the operator runs and serves this namespace: kubectl oauthclient doctor".to_owned(),
            ),
        };
        let failing = condition("RefreshFailing").filter(|found| found.status == "True");
        let failure = status.attempt.as_ref().map(|attempt| Failure {
            reason: attempt.reason.clone(),
            message: failing
                .map(|found| found.message.clone())
                .unwrap_or_default(),
            time: attempt.time.clone(),
            failures: attempt.failures,
            next_time: attempt.next_time.clone(),
        });
        let summary = Summary {
            namespace: resource.namespace().unwrap_or_default(),
            name: resource.name_any(),
            ready: holds("Ready"),
            reason,
            message,
            stalled: holds("Stalled"),
            reconciling: holds("Reconciling"),
            suspended: resource.spec.suspend,
            token_secret: resource.spec.token_secret.name.clone(),
            issued_time: status.token.as_ref().map(|token| token.issued_time.clone()),
            expiration_time: status
                .token
                .as_ref()
                .map(|token| token.expiration_time.clone()),
            refresh_time: status
                .token
                .as_ref()
                .map(|token| token.refresh_time.clone()),
            failure,
            details: Details::of(resource, &status),
            now,
        };
        summary.or_unreported()
    }

    /// A token that has expired is not ready, whatever a status says that nobody has written since.
    fn or_unreported(mut self) -> Summary {
        let time = self.expiration_time.as_deref();
        let expired = time
            .and_then(Time::parse_rfc3339)
            .is_some_and(|time| self.now.since(time) > UNREPORTED);
        if let (true, true, Some(time)) = (self.ready, expired, time) {
            self.message = format!(
                "The published token expired at {time}, and the operator has reported nothing since. Workloads are refused. To check whether the operator runs: kubectl oauthclient doctor"
            );
            self.reason = Reason::TokenExpired.as_str().to_owned();
            self.ready = false;
            self.reconciling = false;
        }
        self
    }

    /// If the status has no times, the annotations of the token Secret have them. Its data is not read.
    pub(super) async fn look_at_secret(&mut self, cluster: &Cluster, now: Time) {
        if self.expiration_time.is_some() || !self.ready {
            return;
        }
        self.now = now;
        let operation = ApiOperation {
            verb: "get",
            resource: SECRETS,
            name: &self.token_secret,
        };
        let api = cluster.api::<ApiSecret>();
        let found: Result<PartialObjectMeta<ApiSecret>, _> = cluster
            .call(operation, api.get_metadata(&self.token_secret))
            .await;
        if let Ok(found) = found {
            self.expiration_time = found.annotations().get(EXPIRES).cloned();
            self.refresh_time = found.annotations().get(REFRESH).cloned();
        }
        *self = self.clone().or_unreported();
    }

    /// The severity.
    pub(crate) fn tone(&self) -> Tone {
        match (self.ready, self.stalled || self.failure.is_some()) {
            (true, false) => Tone::Good,
            (true, true) => Tone::Warn,
            (false, false) if self.reconciling || self.suspended => Tone::Warn,
            (false, _) => Tone::Bad,
        }
    }

    /// The most informative reason and message: a failure says more than that the token is still valid, or that the
    /// request is retried.
    pub(crate) fn shown(&self) -> (&str, &str) {
        match &self.failure {
            Some(failure) if self.ready || self.reason == "Retrying" => {
                let message = Some(failure.message.as_str()).filter(|text| !text.is_empty());
                (&failure.reason, message.unwrap_or(&self.message))
            }
            _ => (&self.reason, &self.message),
        }
    }

    /// For people, in lines.
    pub(crate) fn in_full(&self) -> Painted {
        let ready = match (self.ready, self.suspended) {
            (true, false) => "ready",
            (true, true) => "ready, but suspended",
            (false, false) => "not ready",
            (false, true) => "not ready, and suspended",
        };
        let out = Painted::default()
            .tone(Tone::Strong, &format!("{}/{}", self.namespace, self.name))
            .text(": ")
            .tone(self.tone(), ready)
            .text(&format!(" ({})\n", self.reason));
        let lines = self.lines().into_iter();
        lines
            .fold(out, |out, (name, text)| {
                let name = match name {
                    "" => String::new(),
                    name => format!("{name}:"),
                };
                out.text("  ")
                    .tone(Tone::Quiet, &format!("{name:<15}"))
                    .text(&text)
                    .text("\n")
            })
            .trimmed()
    }

    /// Name and text of each line.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let moment = Moment(self.now);
        let mut lines = Vec::new();
        if let Some(time) = &self.expiration_time {
            lines.push(("Expires", moment.of(time)));
        }
        if let Some(time) = &self.refresh_time {
            lines.push(("Refresh", moment.of(time)));
        }
        lines.push(("Secret", self.token_secret.clone()));
        lines.extend(self.details.lines(moment));
        if let Some(failure) = &self.failure {
            let Failure {
                reason,
                failures,
                time,
                ..
            } = failure;
            let last = moment.of(time);
            lines.push((
                "Failure",
                format!("{reason}, {failures} in a row, last {last}"),
            ));
            if !failure.message.is_empty() && failure.message != self.message {
                lines.push(("", failure.message.clone()));
            }
            let next = failure.next_time.as_deref().map_or_else(
                || "when the resource or its credentials change".to_owned(),
                |time| moment.of(time),
            );
            lines.push(("Next try", next));
        }
        lines.push(("Message", self.message.clone()));
        lines
    }

    /// A time relative to now.
    pub(super) fn span(&self, text: Option<&String>) -> String {
        let time = text.and_then(|text| Time::parse_rfc3339(text));
        match time {
            Some(time) if time >= self.now => format!("in {}", time.since(self.now)),
            Some(time) => format!("{} ago", self.now.since(time)),
            None => "-".to_owned(),
        }
    }
}
