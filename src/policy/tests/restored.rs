//! Secrets without a controller: which of them are a resource's own, restored from a backup or orphaned, and what a forged one is worth.

use super::*;
use crate::model::{STATE_LABEL, STATE_TYPE};
use crate::names::TOKEN_LABEL;
use crate::policy::{Ownership, ownership};
use crate::trust::Lenders;

/// The token Secret and the state Secret of `books`, as the operator wrote them, without their owners.
fn written() -> (Resource, [(SecretSeen, &'static str, &'static str); 2]) {
    let mut seen = current(&Spec::extra("  dpop: {}\n"));
    seen.family.process = "this".into();
    seen.target = None;
    seen.memory.last_sent = None;
    let Action::WriteState(body) = plan(&mut seen, 3000).action else {
        panic!("no key is kept");
    };
    let state = SecretSeen {
        owners: Vec::new(),
        ..applied(&body, None, 7)
    };
    let token = SecretSeen {
        owners: Vec::new(),
        ..current(&Spec::default()).target.unwrap()
    };
    let token_type = token.type_.clone();
    assert_eq!(
        (token_type.as_str(), state.type_.as_str()),
        ("Opaque", STATE_TYPE)
    );
    let secrets = [
        (token, "Opaque", TOKEN_LABEL),
        (state, STATE_TYPE, STATE_LABEL),
    ];
    (seen.resource, secrets)
}

#[test]
fn a_secret_is_taken_back_only_as_it_was_written_for_this_namespace_and_name() {
    let (resource, secrets) = written();
    for (secret, type_, label) in &secrets {
        let whose = |secret: &SecretSeen, resource: &Resource| ownership(secret, resource, type_);
        let is_restored = |secret: &SecretSeen, resource: &Resource| {
            whose(secret, resource) == Ownership::Restored
        };
        assert!(is_restored(secret, &resource), "{type_}");
        // The resource was restored too, as another object, and so was the Secret.
        let mut other = written().0;
        other.uid = "another".into();
        let moved = SecretSeen {
            uid: "another-secret".into(),
            resource_version: "1".into(),
            ..secret.clone()
        };
        assert!(is_restored(&moved, &other), "{type_}");
        // Copied to another namespace, or under the name of another resource.
        let mut elsewhere = written().0;
        elsewhere.namespace = "another".into();
        let mut namesake = written().0;
        namesake.name = "magazines".into();
        for resource in [&elsewhere, &namesake] {
            assert!(
                matches!(whose(secret, resource), Ownership::Foreign(_)),
                "{type_}"
            );
        }
        let mut unlabelled = secret.clone();
        unlabelled.labels.remove(*label);
        let mut altered = secret.clone();
        let key = altered.data.keys().next_back().unwrap().clone();
        altered.data.insert(key, Secret::from("altered"));
        let immutable = SecretSeen {
            immutable: true,
            ..secret.clone()
        };
        let retyped = SecretSeen {
            type_: "example.com/other".into(),
            ..secret.clone()
        };
        for (what, secret) in [
            ("without the label", unlabelled),
            ("with other data", altered),
            ("immutable", immutable),
            ("of another type", retyped),
        ] {
            assert!(
                matches!(whose(&secret, &resource), Ownership::Foreign(_)),
                "{type_} {what}"
            );
        }
        // With a controller it is that one's, whatever it says itself.
        let controlled = |owner: Owner| SecretSeen {
            owners: vec![owner],
            ..secret.clone()
        };
        let before = controlled(owner("books", "before"));
        assert_eq!(whose(&before, &resource), Ownership::Predecessor, "{type_}");
        let sibling = controlled(owner("magazines", "m"));
        assert!(
            matches!(whose(&sibling, &resource), Ownership::Sibling(_)),
            "{type_}"
        );
        let helper = controlled(Owner {
            controller: false,
            ..owner("web", "w")
        });
        assert!(is_restored(&helper, &resource), "{type_}");
    }
}

#[test]
fn a_forged_token_secret_is_worth_no_more_than_what_its_forger_put_in() {
    let (resource, [(token, ..), _]) = written();
    let mut forged = token;
    let mut state = forged.state().unwrap();
    // Who may write Secrets can make all of it fit: the token, its hash, and lenders that allow every host.
    forged
        .data
        .insert("access_token".into(), Secret::from("theirs"));
    state.lenders = Some(Lenders::none());
    state.end = crate::schedule::End::stored(at(1_000_000), false);
    let state = state.seal(&forged.data);
    let annotations = state.write().into_iter();
    forged
        .annotations
        .extend(annotations.filter_map(|(key, value)| Some((key, value?))));
    assert_eq!(ownership(&forged, &resource, "Opaque"), Ownership::Restored);

    // It is published as it is, and nothing is sent for it.
    let mut seen = current(&Spec::default());
    seen.target = Some(forged.clone());
    seen.memory = Memory::default();
    let plan = plan(&mut seen, 100);
    assert!(!matches!(plan.action, Action::Request(_)));
    if let Action::Write(write) = plan.action {
        assert!(
            write.body.data.is_empty(),
            "no data of others is written into it"
        );
    }

    // The credentials keep the hosts that their owner allows: a request for a new token takes nothing from the forged state.
    let mut seen = current(&Spec::default());
    seen.target = Some(SecretSeen {
        owners: vec![owner("books", UID)],
        ..forged
    });
    let secret = seen.credentials.as_mut().unwrap();
    secret.annotations.insert(
        ALLOWED_HOSTS_ANNOTATION.into(),
        "elsewhere.example.com".into(),
    );
    seen.resource.refresh_request = Some("now".into());
    let decision = decided(&mut seen, 100);
    assert!(
        matches!(decision, Decision::Stuck(Reason::HostNotAllowed, _)),
        "{decision:?}"
    );
}
