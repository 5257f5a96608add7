//! Groups of operators on one cluster, each with the resources that its selector matches. If two selectors match the same
//! resource, the group in the state of its token Secret serves it, and the other one leaves it alone and reports it.
//!
//! A resource that leaves a group is released: its old group removes its name from the state. If the old group no longer
//! exists, nobody refreshes the token: then another group takes the resource over while the token is still valid.

use crate::messages::{Audience, EventFinding};
use crate::model::{Observed, Resource, SecretSeen};
use crate::time::Time;

use super::events::{Notice, NoticeKind};

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
    let lead = state.expires().since(state.refresh);
    let until = state.refresh + lead.scale(0.5);
    (now < until).then_some(OtherGroup { name, until })
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
) -> Notice {
    let finding = EventFinding::ServedByAnotherGroup {
        resource: resource.name.clone(),
        serving: other.name.clone(),
        own: own.map(str::to_owned),
        until: other.until,
    };
    Notice {
        kind: NoticeKind::Warning,
        reason: finding.reason(),
        // Only operators on a cluster form groups.
        message: finding.told(Audience::Cluster).message(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{Spec, at, current, refresh_of};

    /// A resource whose token a group has issued, seen by an operator of another one.
    fn seen(by: Option<&'static str>, owner: Option<&str>) -> Observed {
        let mut seen = current(&Spec::default());
        let target = seen.target.as_mut().unwrap();
        let mut state = target.state().unwrap();
        state.owner.as_mut().unwrap().group = owner.map(str::to_owned);
        let written = state.write().into_iter();
        target
            .annotations
            .extend(written.filter_map(|(key, value)| Some((key, value?))));
        seen.rules.group = by;
        seen
    }

    #[test]
    fn a_resource_is_served_by_the_group_in_its_state() {
        for (by, owner, other) in [
            (Some("b"), Some("a"), true),
            (None, Some("a"), true),
            (Some("a"), Some("a"), false),
            (Some("b"), None, false),
            (None, None, false),
            // No name of a group: somebody else has written it.
            (Some("b"), Some("a b"), false),
        ] {
            let found = other_group(&seen(by, owner), at(10));
            assert_eq!(found.is_some(), other, "{by:?} {owner:?}");
        }
    }

    #[test]
    fn what_its_group_does_not_refresh_is_taken_over_while_the_token_is_valid() {
        let mut seen = seen(Some("b"), Some("a"));
        let expires = seen.target.as_ref().unwrap().state().unwrap().expires();
        let until = other_group(&seen, at(10)).unwrap().until;
        assert!(refresh_of(&seen) < until && until < expires);
        assert_eq!(other_group(&seen, until), None);
        seen.resource.deleting = true;
        assert_eq!(other_group(&seen, at(10)), None);
    }

    #[test]
    fn a_released_resource_is_taken_without_a_request() {
        let mut seen = seen(Some("b"), None);
        let plan = crate::policy::tests::plan(&mut seen, 20);
        let crate::policy::Action::Write(write) = plan.action else {
            panic!("{:?}", crate::policy::tests::told(&plan));
        };
        assert_eq!(
            write.state.owner.clone().unwrap().group.as_deref(),
            Some("b")
        );
        assert!(!write.repairs && write.data.is_empty());
    }

    #[test]
    fn the_report_names_both_groups() {
        let seen = seen(Some("b"), Some("a"));
        let other = other_group(&seen, at(10)).unwrap();
        let notice = served_by_another_group(&seen.resource, &other, Some("b"));
        let message = notice.message.to_string();
        assert!(message.contains("Group a serves OAuthClient books"));
        assert!(message.contains("group b selects it too"));
    }
}
