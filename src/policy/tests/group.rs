use super::*;

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
fn times_that_somebody_wrote_into_the_state_hold_no_operator_off() {
    let mut seen = seen(Some("b"), Some("a"));
    let honest = other_group(&seen, at(10)).unwrap().until;
    let target = seen.target.as_mut().unwrap();
    let mut state = target.state().unwrap();
    state.refresh = at(1_000_000_000);
    let written = state.write().into_iter();
    target
        .annotations
        .extend(written.filter_map(|(key, value)| Some((key, value?))));
    let until = other_group(&seen, at(10)).map(|other| other.until);
    assert!(until.is_none_or(|until| until <= honest), "{until:?}");
}

#[test]
fn a_released_resource_is_taken_without_a_request() {
    let mut seen = seen(Some("b"), None);
    let plan = super::plan(&mut seen, 20);
    let crate::policy::Action::Write(write) = plan.action else {
        panic!("{:?}", super::decision(&plan));
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
    let event = served_by_another_group(&seen.resource, &other, Some("b"));
    let message = event.message.to_string();
    assert!(message.contains("Group a serves OAuthClient books"));
    assert!(message.contains("group b selects it too"));
}
