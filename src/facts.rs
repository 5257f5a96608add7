//! Converts a custom resource into the engine's facts about it.

use std::sync::Arc;

use crate::api::{OAuthClient, OAuthClientStatus, Validated, validate};
use crate::engine::ResourceFacts;
use crate::inputs;
use crate::model::{FailedAttempt, request_name, short};
use crate::names::REFRESH_ANNOTATION;
use crate::policy::uid_fact;
use crate::time::Time;

/// The facts about a resource; `host_queue` is the host queue of its requests ([`host_queue`], unless the driver knows a discovered
/// token endpoint).
pub(crate) fn resource_facts(
    resource: &OAuthClient,
    host_queue: impl FnOnce(&Validated) -> Arc<str>,
) -> ResourceFacts {
    let spec = validate(resource).ok();
    let inputs = spec
        .as_ref()
        .map_or(0, |spec| inputs::short(inputs::of(spec).whole()));
    let host = spec.as_ref().map_or_else(|| Arc::from(""), host_queue);
    known_facts(resource, inputs, host)
}

/// The same if inputs and host are known from an earlier observation of the same spec, because most events are about
/// the status only.
pub(crate) fn known_facts(resource: &OAuthClient, inputs: u64, host: Arc<str>) -> ResourceFacts {
    let none = OAuthClientStatus::default();
    let status = resource.status.as_ref().unwrap_or(&none);
    let metadata = &resource.metadata;
    let generation = metadata.generation.unwrap_or(0);
    let requested = metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(REFRESH_ANNOTATION));
    ResourceFacts {
        uid: uid_fact(metadata.uid.as_deref().unwrap_or_default()),
        generation,
        inputs,
        host,
        refresh_request: requested.map_or(0, |requested| short(&request_name(requested))),
        suspended: resource.spec.suspend,
        deleting: metadata.deletion_timestamp.is_some(),
        reported: status.observed_generation == generation,
        reported_refresh: status
            .token
            .as_ref()
            .and_then(|token| Time::parse_rfc3339(&token.refresh_time)),
        attempt: FailedAttempt::from_status(status).map(|attempt| attempt.fact()),
    }
}
