//! `refresh`: requests a new token with the annotation that the operator handles once.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::sleep;

use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::command::Command;
use crate::names::REFRESH_ANNOTATION;
use crate::plugin::problem::{NOT_READY, Problem};
use crate::time::Time;

use super::args::{ConnectionArgs, RefreshArgs};
use super::cluster::{ApiOperation, CLIENTS, Cluster};
use super::output;
use super::status::Summary;
use super::target::resource;

/// How often to check.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sets the annotation, and waits if requested.
pub(super) async fn run(connection: &ConnectionArgs, args: &RefreshArgs) -> Result<u8, Problem> {
    let clock = Clock::system();
    let cluster = Cluster::connect(connection).await?;
    let name = &args.name;
    let place = &cluster.namespace;
    let (requested, requested_at) = request(&cluster, name, &clock).await?;
    if !args.wait {
        output::line(&format!(
            "Requested a new token for {place}/{name}. To see what comes of it: {}",
            Command::kubectl(&["oauthclient", "status"])
                .value(name)
                .namespace(place)
        ));
        return Ok(0);
    }
    let deadline = Duration::from_secs(args.timeout_seconds.into());
    let waiting = format!("Waiting for the operator to answer for {place}/{name}");
    let quiet = cluster.quietly();
    let answer = answer(&quiet, args, &clock, (&requested, requested_at), deadline);
    let (now, ended) = output::progress(&waiting, answer).await?;
    output::painted(&Summary::of(&now, clock.now()).in_full());
    Ok(if ended { 0 } else { NOT_READY })
}

/// Waits until the request was handled. Returns the resource, and whether it got a token.
async fn answer(
    cluster: &Cluster,
    args: &RefreshArgs,
    clock: &Clock,
    (requested, requested_at): (&str, Time),
    deadline: Duration,
) -> Result<(OAuthClient, bool), Problem> {
    let (name, place) = (&args.name, &cluster.namespace);
    let begun = clock.elapsed();
    loop {
        let now = resource(cluster, name).await?;
        if let Some(ended) = ended(&now, requested, requested_at) {
            return Ok((now, ended));
        }
        if clock.elapsed().saturating_sub(begun) >= deadline {
            return Err(Problem {
                message: format!(
                    "the operator has not answered within {} s: to see whether it runs and serves namespace {place}, run: kubectl oauthclient doctor",
                    args.timeout_seconds
                ),
                code: NOT_READY,
            });
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Requests a new token. Returns the value that the operator echoes, and the time.
pub(super) async fn request(
    cluster: &Cluster,
    name: &str,
    clock: &Clock,
) -> Result<(String, Time), Problem> {
    let before = resource(cluster, name).await?;
    let place = &cluster.namespace;
    if before.spec.suspend {
        return Err(Problem::new(format!(
            "{place}/{name} is suspended, so no token is requested. To resume: {}",
            Command::kubectl(&["oauthclient", "resume"])
                .value(name)
                .namespace(place)
        )));
    }
    let requested_at = clock.now();
    let requested = requested_at.rfc3339_millis();
    let patch = json!({"metadata": {"annotations": {REFRESH_ANNOTATION: requested}}});
    let operation = ApiOperation {
        verb: "patch",
        resource: CLIENTS,
        name,
    };
    let api = cluster.api::<OAuthClient>();
    cluster
        .call(
            operation,
            api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)),
        )
        .await?;
    Ok((requested, requested_at))
}

/// Whether the request was handled: `true` with a new token, `false` with a failure or an obstacle.
fn ended(resource: &OAuthClient, requested: &str, requested_at: Time) -> Option<bool> {
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
        // The status has whole seconds.
        .is_some_and(|time| time.seconds() >= requested_at.seconds());
    if condition("RefreshFailing") && failed_since {
        return Some(false);
    }
    if status.last_refresh_request.as_deref() == Some(requested) {
        return Some(condition("Ready"));
    }
    (condition("Stalled") && status.attempt.is_none()).then_some(false)
}
