//! Whose the token Secret is, and whether it may be written: settled before anything is sent.

use super::*;

fn with_target(target: SecretSeen) -> Observed {
    Observed {
        target: Some(target),
        ..fresh(&Spec::default())
    }
}

fn owned_by(owner: Owner) -> SecretSeen {
    SecretSeen {
        owners: vec![owner],
        ..secret("token", 5)
    }
}

#[test]
fn a_foreign_secret_is_left_alone_and_looked_at_every_minute() {
    let deployment = Owner {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        ..owner("web", "d")
    };
    let namesake = Owner {
        api_version: "oauth.openshift.io/v1".into(),
        ..owner("books", UID)
    };
    for target in [secret("token", 5), owned_by(deployment), owned_by(namesake)] {
        let mut seen = with_target(target);
        let told = decided(&mut seen, 0);
        assert_eq!(
            told,
            Decision::Stuck(Reason::SecretNotOwned, Requeue::At(at(60)))
        );
    }
}

#[test]
fn the_secret_of_a_deleted_predecessor_is_awaited() {
    let mut seen = with_target(owned_by(owner("books", "another-uid")));
    let told = decided(&mut seen, 0);
    assert_eq!(
        told,
        Decision::Stuck(Reason::AwaitingGarbageCollection, Requeue::At(at(5)))
    );
    seen.target = None;
    assert_eq!(
        decided(&mut seen, 5),
        Decision::Requests(RefreshReason::FirstIssue)
    );
}

#[test]
fn the_secret_of_another_resource_is_contested_and_its_holder_is_named() {
    let mut seen = with_target(owned_by(owner("magazines", "m")));
    let plan = plan(&mut seen, 0);
    assert_eq!(
        decision(&plan),
        Decision::Stuck(Reason::SecretContested, Requeue::At(at(60)))
    );
    assert!(
        plan.assessment
            .problem
            .unwrap()
            .message()
            .contains("OAuthClient magazines")
    );
    let mut seen = fresh(&Spec::default());
    seen.memory.target_claimed_by = Some("magazines".into());
    assert_eq!(
        decided(&mut seen, 0),
        Decision::Stuck(Reason::SecretContested, Requeue::At(at(5))),
        "claimed by another resource before it exists"
    );
}

#[test]
fn the_owner_of_a_secret_is_not_disturbed_by_the_claim_of_another_resource() {
    let mut seen = current(&Spec::default());
    let undisturbed = decided(&mut seen, 100);
    assert!(matches!(undisturbed, Decision::Waits(_)), "{undisturbed:?}");
    seen.memory.target_claimed_by = Some("magazines".into());
    assert_eq!(decided(&mut seen, 100), undisturbed);
}

#[test]
fn a_secret_is_adopted_only_when_it_says_so_and_fits() {
    let adoptable = || SecretSeen {
        annotations: texts(&[(ADOPT_ANNOTATION, "books")]),
        ..secret("token", 5)
    };
    let mut seen = with_target(adoptable());
    assert_eq!(
        decided(&mut seen, 0),
        Decision::Requests(RefreshReason::FirstIssue)
    );
    let controller = Owner {
        api_version: "apps/v1".into(),
        ..owner("web", "d")
    };
    for (why, target) in [
        (
            "another name",
            SecretSeen {
                annotations: texts(&[(ADOPT_ANNOTATION, "magazines")]),
                ..adoptable()
            },
        ),
        (
            "another type",
            SecretSeen {
                type_: "kubernetes.io/tls".into(),
                ..adoptable()
            },
        ),
        (
            "immutable",
            SecretSeen {
                immutable: true,
                ..adoptable()
            },
        ),
        (
            "controlled",
            SecretSeen {
                owners: vec![controller.clone()],
                ..adoptable()
            },
        ),
    ] {
        let told = decided(&mut with_target(target), 0);
        assert_eq!(
            told,
            Decision::Stuck(Reason::SecretNotOwned, Requeue::At(at(60))),
            "{why}"
        );
    }
    let plain = Owner {
        controller: false,
        ..controller
    };
    let target = SecretSeen {
        owners: vec![plain.clone()],
        ..adoptable()
    };
    let mut seen = with_target(target.clone());
    assert_eq!(
        decided(&mut seen, 0),
        Decision::Requests(RefreshReason::FirstIssue),
        "owned, not controlled"
    );
    let write = grant(&seen, token("t", 3600), 0).write.unwrap();
    let after = applied(&write, Some(&target), 6);
    assert_eq!(
        after.owners,
        [plain, owner("books", UID)],
        "the other owner stays"
    );
    assert!(!after.annotations.contains_key(ADOPT_ANNOTATION));
    seen.target = Some(after);
    assert!(matches!(decided(&mut seen, 5), Decision::Waits(_)));
}

#[test]
fn a_secret_of_ours_that_cannot_be_changed_stalls() {
    let mut seen = current(&Spec::default());
    seen.target.as_mut().unwrap().immutable = true;
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Stuck(Reason::SecretImmutable, Requeue::At(at(70)))
    );
    let mut seen = current(&Spec::default());
    seen.target.as_mut().unwrap().type_ = "example.com/other".into();
    let plan = plan(&mut seen, 10);
    assert_eq!(
        decision(&plan),
        Decision::Stuck(Reason::SecretTypeMismatch, Requeue::At(at(70)))
    );
    assert!(
        plan.assessment.token.is_some_and(|token| token.valid),
        "what stands still works"
    );
}

#[test]
fn a_secret_on_its_way_out_takes_no_token() {
    let mut seen = current(&Spec::default());
    seen.target.as_mut().unwrap().deleting = true;
    let told = decided(&mut seen, 4000);
    assert_eq!(
        told,
        Decision::Stuck(Reason::AwaitingGarbageCollection, Requeue::At(at(4005)))
    );
}

#[test]
fn an_old_view_is_read_again_before_it_is_believed_and_then_acted_upon() {
    for target in [None, current(&Spec::default()).target] {
        let mut seen = current(&Spec::default());
        let newer = SecretSeen {
            resource_version: "12".into(),
            ..seen.target.clone().unwrap()
        };
        seen.memory.written = newer.written();
        seen.target = target;
        seen.may_request = false;
        if let Some(target) = &mut seen.target {
            target.data.clear();
        }
        for stale_reads in 0..MAX_STALE_READS {
            seen.memory.stale_reads = stale_reads;
            let plan = plan(&mut seen, 100);
            assert!(plan.stale_read, "doubted for the {stale_reads}. time");
            assert_eq!(decision(&plan), Decision::Waits(Requeue::At(at(102))));
        }
        seen.memory.stale_reads = MAX_STALE_READS;
        assert_eq!(decided(&mut seen, 108), Decision::Waits(Requeue::Request));
        seen.may_request = true;
        assert!(
            matches!(decided(&mut seen, 108), Decision::Requests(_)),
            "what is believed stays so when the permit comes"
        );
    }
}

#[test]
fn a_view_from_before_a_deletion_that_was_told_is_read_again_before_it_is_believed() {
    let mut seen = current(&Spec::default());
    let there = seen.target.clone().unwrap();
    seen.memory.written = there.written();
    seen.memory.deletion_reported = true;
    for stale_reads in 0..MAX_STALE_READS {
        seen.memory.stale_reads = stale_reads;
        assert!(
            plan(&mut seen, 10).stale_read,
            "doubted for the {stale_reads}. time"
        );
    }
    seen.target = None;
    assert_eq!(
        decided(&mut seen, 16),
        Decision::Requests(RefreshReason::Deleted)
    );
    // It is there all the same: what the watch told was not the last of it.
    seen.target = Some(there.clone());
    seen.memory.stale_reads = MAX_STALE_READS;
    assert!(!plan(&mut seen, 16).stale_read && !seen.memory.deletion_reported);
    assert!(!plan(&mut seen, 17).stale_read);
    // A newer version of it, such as one without our label, is no old view.
    seen.memory.deletion_reported = true;
    seen.target = Some(SecretSeen {
        resource_version: "12".into(),
        ..there
    });
    assert!(!plan(&mut seen, 18).stale_read);
}

#[test]
fn a_new_name_takes_the_token_along_without_a_request_and_the_old_secret_goes_then() {
    let mut seen = current(&Spec::default());
    let status = seen.resource.status.clone();
    seen.resource = resource(&Spec::named("renamed"));
    seen.resource.status = status;
    let old = seen.target.take().unwrap();
    seen.memory.written = old.written();
    seen.stale_secrets = vec![old.clone()];
    let moving = plan(&mut seen, 10);
    let Action::Write(write) = moving.action else {
        panic!("{:?}", decision(&moving))
    };
    assert_eq!(
        (write.name.as_str(), &write.mode),
        ("renamed", &WriteMode::Create)
    );
    assert_eq!(moving.delete, [], "not before the new one stands");
    assert_eq!(moving.requeue, Requeue::At(at(10)));
    let new = applied(&write, None, 20);
    assert!(new.data == old.data);
    assert_eq!(new.state().unwrap().refresh, old.state().unwrap().refresh);
    seen.memory.written = new.written();
    seen.target = Some(new);
    let after = plan(&mut seen, 11);
    assert!(matches!(
        decision(&after),
        Decision::Waits(Requeue::RequestAt(_))
    ));
    let stale = StaleSecret {
        name: "token".into(),
        uid: old.uid.clone(),
    };
    assert_eq!(after.delete, [stale]);
    seen.stale_secrets[0].owners = vec![owner("magazines", "m")];
    assert_eq!(
        plan(&mut seen, 12).delete,
        [],
        "what is not ours is not deleted"
    );
}

#[test]
fn a_new_name_together_with_other_inputs_asks_and_is_no_repair() {
    let mut seen = current(&Spec::default());
    let status = seen.resource.status.clone();
    seen.resource = resource(&Spec {
        extra: "  scopes: [a]\n",
        ..Spec::named("renamed")
    });
    seen.resource.status = status;
    seen.stale_secrets = seen.target.take().into_iter().collect();
    let plan = plan(&mut seen, 10);
    assert_eq!(
        decision(&plan),
        Decision::Requests(RefreshReason::FirstIssue)
    );
    assert_eq!(
        plan.assessment.token, None,
        "the Secret that the spec names holds none"
    );
    let outcome = grant(&seen, token("second", 3600), 10);
    assert_eq!(outcome.delete.len(), 1);
}
