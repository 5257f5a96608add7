//! Groups of operators on one cluster, each with the resources that its selector matches. If two selectors match the same
//! resource, the group in the state of its token Secret serves it, and the other one leaves it alone and reports it.
//!
//! A resource that leaves a group is released: its old group removes its name from the state. If the old group no longer
//! exists, nobody refreshes the token: then another group takes the resource over while the token is still valid.

use crate::messages::{Audience, EventFinding};
use crate::model::{Observed, Resource, SecretSeen};
use crate::time::Time;

use super::events::{EventType, ResourceEvent};

/// Another group that serves a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherGroup {
    /// Its name.
    pub name: String,
    /// Until when the resource is left to it: half of the time between the refresh and the expiry of the token is over.
    pub until: Time,
}

/// The other group that serves the observed resource; `None` if this one does.
pub fn other_group(seen: &Observed, now: Time) -> Option<OtherGroup> {
    if seen.resource.deleting {
        return None;
    }
    let target = seen.target.as_ref();
    let target = target.filter(|target| target.is_owned_by(&seen.resource))?;
    let name = group_of(target).filter(|group| Some(group.as_str()) != seen.rules.group)?;
    let state = target.state()?;
    let mut until = left_until(state.refresh, state.expires());
    // Others may write the state, but not the status: later times than there are not believed.
    if let Some(token) = &seen.resource.status.token {
        let refresh = Time::parse_rfc3339(&token.refresh_time)?;
        let expires = Time::parse_rfc3339(&token.expiration_time)?;
        until = until.min(left_until(refresh, expires));
    }
    (now < until).then_some(OtherGroup { name, until })
}

/// Half of the time between a refresh that did not come and the expiry.
fn left_until(refresh: Time, expires: Time) -> Time {
    refresh + expires.since(refresh).scale(0.5)
}

/// The group in the state of a token Secret. Others may write the annotation: what is no name of a group is ignored.
pub fn group_of(secret: &SecretSeen) -> Option<String> {
    let group = secret.state()?.owner?.group?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (group.len() <= 63 && group.chars().all(plain)).then_some(group)
}

/// What is reported about a resource that another group serves.
pub fn served_by_another_group(
    resource: &Resource,
    other: &OtherGroup,
    own: Option<&str>,
) -> ResourceEvent {
    let finding = EventFinding::ServedByAnotherGroup {
        resource: resource.name.clone(),
        serving: other.name.clone(),
        own: own.map(str::to_owned),
        until: other.until,
    };
    ResourceEvent {
        kind: EventType::Warning,
        reason: finding.reason(),
        // Only operators on a cluster form groups.
        message: finding.explain(Audience::Cluster).message(),
    }
}
