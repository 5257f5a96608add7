//! `refresh`: a new token now, by the annotation that the operator acts on once.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::sleep;

use super::args::{ConnectionArgs, RefreshArgs};
use super::cluster::{CLIENTS, Cluster, Deed};
use super::status::Summary;
use super::target::resource;
use super::{NOT_READY, Problem, say};
use crate::api::REFRESH_ANNOTATION;
use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::command::Command;
use crate::time::Time;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Asks, and waits where that is wanted.
pub(super) async fn run(connection: &ConnectionArgs, args: &RefreshArgs) -> Result<u8, Problem> {
    let clock = Clock::system();
    let cluster = Cluster::connect(connection).await?;
    let name = &args.name;
    let before = resource(&cluster, name).await?;
    let place = &cluster.namespace;
    if before.spec.suspend {
        return Err(Problem::new(format!(
            "{place}/{name} is suspended, so no token is asked for. To go on: {}",
            Command::kubectl(&["patch", "oac"])
                .value(name)
                .namespace(place)
                .fixed(&["--type", "merge", "-p", r#"{"spec":{"suspend":false}}"#])
        )));
    }
    let asked_at = clock.now();
    let asked = asked_at.rfc3339_millis();
    let patch = json!({"metadata": {"annotations": {REFRESH_ANNOTATION: asked}}});
    let deed = Deed {
        verb: "patch",
        resource: CLIENTS,
        name,
    };
    let api = cluster.api::<OAuthClient>();
    cluster
        .call(
            deed,
            api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)),
        )
        .await?;
    if !args.wait {
        say::line(&format!(
            "Asked for a new token for {place}/{name}. To see what comes of it: {}",
            Command::kubectl(&["oauthclient", "status"])
                .value(name)
                .namespace(place)
        ));
        return Ok(0);
    }
    let deadline = Duration::from_secs(args.timeout_seconds.into());
    let begun = clock.elapsed();
    loop {
        let now = resource(&cluster, name).await?;
        if let Some(ended) = ended(&now, &asked, asked_at) {
            let summary = Summary::of(&now, clock.now());
            say::line(&summary.in_full());
            return Ok(if ended { 0 } else { NOT_READY });
        }
        if clock.elapsed().saturating_sub(begun) >= deadline {
            return Err(Problem {
                message: format!(
                    "the operator has not answered within {} s: does it run, and does it serve namespace {place}? (kubectl -n oauthclient-system logs deployment/oauthclient-operator)",
                    args.timeout_seconds
                ),
                code: NOT_READY,
            });
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Whether it was answered: `true` by a new token, `false` by a failure or by something that stands in the way.
fn ended(resource: &OAuthClient, asked: &str, asked_at: Time) -> Option<bool> {
    let status = resource.status.as_ref()?;
    let condition = |kind: &str| {
        status
            .conditions
            .iter()
            .any(|condition| condition.type_ == kind && condition.status == "True")
    };
    let failed_since = status
        .attempt
        .as_ref()
        .and_then(|attempt| Time::parse_rfc3339(&attempt.time))
        // Written to the second.
        .is_some_and(|time| time.seconds() >= asked_at.seconds());
    if condition("RefreshFailing") && failed_since {
        return Some(false);
    }
    if status.last_refresh_request.as_deref() == Some(asked) {
        return Some(condition("Ready"));
    }
    (condition("Stalled") && status.attempt.is_none()).then_some(false)
}
