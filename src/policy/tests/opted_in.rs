//! The credentials that a resource uses from other Secrets, by version.

use super::*;

/// A resource that names no credentials Secret.
fn without_credentials() -> Observed {
    let object = parse_manifest(
        "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {name: books, namespace: shop}\nspec:\n  \
         provider: {tokenURL: \"https://auth.example.com/token\"}\n  clientAuthentication: {method: none, clientID: shop}\n  \
         tokenSecret: {name: token}\n",
    )
    .unwrap();
    let spec = validate(&object);
    Observed {
        credentials: None,
        resource: Resource {
            inputs: inputs::of(spec.as_ref().unwrap()).whole().to_owned(),
            spec,
            ..resource(&Spec::default())
        },
        ..fresh(&Spec::default())
    }
}

#[test]
fn a_resource_that_needs_no_secret_asks_without_one() {
    let mut seen = without_credentials();
    let plan = plan(&mut seen, 0);
    assert_eq!(
        decision(&plan),
        Decision::Requests(RefreshReason::FirstIssue)
    );
    let Action::Request(planned) = plan.action else {
        panic!("it asks")
    };
    assert_eq!(
        planned.request.body.expose(),
        Some("grant_type=client_credentials&client_id=shop")
    );
}

#[test]
fn a_resource_without_a_secret_asks_no_more_once_it_has_a_token() {
    let mut seen = without_credentials();
    let settled = grant(&seen, token("first", 3600), 0);
    seen.target = Some(applied(&settled.write.unwrap(), None, 10));
    let refresh = refresh_of(&seen);
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Waits(Requeue::RequestAt(refresh))
    );
}
