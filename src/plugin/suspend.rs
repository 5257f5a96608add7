//! `suspend` and `resume`: `spec.suspend`, for one resource or several.

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::command::Command;
use crate::plugin::problem::Problem;

use super::args::{ConnectionArgs, SuspendArgs};
use super::cluster::{ApiOperation, CLIENTS, Cluster};
use super::output;
use super::status::{Summary, all};
use super::target::resource;

/// Sets `spec.suspend`.
pub(super) async fn run(
    connection: &ConnectionArgs,
    args: &SuspendArgs,
    suspend: bool,
) -> Result<u8, Problem> {
    let clock = Clock::system();
    let cluster = Cluster::connect(connection).await?;
    let mut found = Vec::new();
    for name in &args.names {
        found.push(resource(&cluster, name).await?);
    }
    if args.selector.is_some() {
        found = all(&cluster, false, args.selector.as_deref()).await?;
        if found.is_empty() {
            return Err(Problem::new(format!(
                "no OAuthClient in namespace {} has these labels: nothing was changed",
                cluster.namespace
            )));
        }
    }
    for one in &found {
        if one.spec.suspend != suspend {
            set(&cluster, &one.name_any(), suspend).await?;
        }
        output::line(&outcome(one, suspend, &clock));
    }
    Ok(0)
}

async fn set(cluster: &Cluster, name: &str, suspend: bool) -> Result<(), Problem> {
    let patch = Patch::Merge(json!({"spec": {"suspend": suspend}}));
    let operation = ApiOperation {
        verb: "patch",
        resource: CLIENTS,
        name,
    };
    let api = cluster.api::<OAuthClient>();
    let params = PatchParams::default();
    let call = api.patch(name, &params, &patch);
    cluster.call(operation, call).await?;
    Ok(())
}

/// What was done, what still works, and how to undo it.
fn outcome(before: &OAuthClient, suspend: bool, clock: &Clock) -> String {
    let summary = Summary::of(before, clock.now());
    let (namespace, name) = (&summary.namespace, &summary.name);
    let same = before.spec.suspend == suspend;
    let command = |word: &'static str| {
        Command::kubectl(&["oauthclient", word])
            .value(name)
            .namespace(namespace)
    };
    if !suspend {
        let done = if same {
            "was not suspended"
        } else {
            "resumed: a token is requested when one is due"
        };
        return format!(
            "{namespace}/{name} {done}. To see the status: {}",
            command("status")
        );
    }
    let done = if same {
        "was already suspended"
    } else {
        "suspended: no more tokens are requested"
    };
    let until = match &summary.expiration_time {
        Some(time) if summary.ready => {
            format!(" The published token stays valid until {time}.")
        }
        _ if summary.ready => " The published token stays until it expires.".to_owned(),
        _ => " There is no valid token.".to_owned(),
    };
    format!(
        "{namespace}/{name} {done}.{until} To resume: {}",
        command("resume")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_still_works_and_how_to_go_on() {
        let resource: OAuthClient = serde_json::from_value(json!({
            "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": "api", "namespace": "shop"},
            "spec": {"provider": {}, "tokenSecret": {"name": "t"}},
        }))
        .unwrap();
        let clock = Clock::system();
        let text = outcome(&resource, true, &clock);
        assert!(
            text.contains(
                "There is no valid token. To resume: kubectl oauthclient resume api -n shop"
            ),
            "{text}"
        );
        assert!(outcome(&resource, false, &clock).contains("was not suspended"));
    }
}
