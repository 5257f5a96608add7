//! The leader election on a real API server.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use oauthclient_operator::clock::Clock;
use oauthclient_operator::leader::election::Timings;
use oauthclient_operator::leader::{Leader, Leadership, Seat, Settings};
use oauthclient_operator::metrics::Metrics;
use oauthclient_operator::server::Liveness;
use testkit::control_plane::shared;
use tokio::time::timeout;

/// As short as the flags allow.
const TIMINGS: Timings = Timings {
    duration: Duration::from_secs(3),
    renew_deadline: Duration::from_secs(2),
    retry: Duration::from_millis(300),
};

fn stand(client: &kube::Client, namespace: &str, identity: &str) -> Leader {
    let clock = Clock::system();
    let settings = Settings {
        namespace: namespace.to_owned(),
        name: "oauthclient-operator".to_owned(),
        identity: identity.to_owned(),
        timings: TIMINGS,
    };
    let beat = Liveness::new(clock.clone()).register("leader election");
    Leader::start(
        client.clone(),
        settings,
        clock.clone(),
        Metrics::new(clock),
        beat,
    )
}

async fn becomes(seat: &Seat, wanted: impl Fn(Leadership) -> bool) -> Leadership {
    let mut state = seat.watch();
    let waiting = state.wait_for(|now| wanted(*now));
    *timeout(Duration::from_secs(20), waiting)
        .await
        .expect("in time")
        .expect("still standing")
}

async fn leads(seat: &Seat) -> u32 {
    match becomes(seat, |now| matches!(now, Leadership::Leading { .. })).await {
        Leadership::Leading { fence } => fence,
        other => panic!("{other:?}"),
    }
}

async fn lease(client: &kube::Client, namespace: &str) -> Lease {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    api.get("oauthclient-operator").await.expect("a Lease")
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

#[tokio::test]
async fn the_first_creates_the_lease_and_the_next_takes_it_as_soon_as_it_is_released() {
    let plane = shared().await;
    let (client, namespace) = (plane.client().unwrap(), plane.namespace().await.unwrap());
    let first = stand(&client, &namespace, "first");
    assert_eq!(leads(&first.seat()).await, 0);
    assert!(first.seat().leads());

    let second = stand(&client, &namespace, "second");
    tokio::time::sleep(2 * TIMINGS.duration).await;
    assert_eq!(second.seat().leadership(), Leadership::Standby);
    assert!(first.seat().leads() && !second.seat().leads());

    let before = lease(&client, &namespace).await;
    assert_eq!(holder(&before), Some("first"));
    let seat = first.seat();
    first.release().await;
    assert!(!seat.leads());
    let spec = lease(&client, &namespace).await.spec.unwrap();
    assert!(matches!(
        spec.holder_identity.as_deref(),
        Some("" | "second")
    ));

    assert_eq!(leads(&second.seat()).await, 1);
    let after = lease(&client, &namespace).await.spec.unwrap();
    assert_eq!(after.holder_identity.as_deref(), Some("second"));
    assert_eq!(
        (after.lease_transitions, after.lease_duration_seconds),
        (Some(1), Some(3))
    );
    assert!(after.acquire_time.unwrap().0 > before.spec.unwrap().acquire_time.unwrap().0);
    second.release().await;
}

#[tokio::test]
async fn a_leader_that_vanishes_is_followed_after_the_lease_duration_and_not_before() {
    let plane = shared().await;
    let (client, namespace) = (plane.client().unwrap(), plane.namespace().await.unwrap());
    let first = stand(&client, &namespace, "first");
    leads(&first.seat()).await;
    let second = stand(&client, &namespace, "second");
    tokio::time::sleep(TIMINGS.retry * 3).await;
    let clock = Clock::system();
    drop(first);
    assert_eq!(leads(&second.seat()).await, 1);
    let waited = clock.elapsed();
    assert!(
        waited > TIMINGS.duration - 2 * TIMINGS.retry,
        "after {waited:?}"
    );
}

#[tokio::test]
async fn a_lease_taken_by_hand_is_lost_at_the_next_renewal_and_left_to_its_new_holder() {
    let plane = shared().await;
    let (client, namespace) = (plane.client().unwrap(), plane.namespace().await.unwrap());
    let leader = stand(&client, &namespace, "first");
    leads(&leader.seat()).await;
    let api: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let taken = serde_json::json!({"spec": {"holderIdentity": "somebody"}});
    api.patch(
        "oauthclient-operator",
        &PatchParams::default(),
        &Patch::Merge(taken),
    )
    .await
    .unwrap();
    becomes(&leader.seat(), |now| now == Leadership::Lost).await;
    assert!(!leader.seat().leads());
    leader.release().await;
    assert_eq!(holder(&lease(&client, &namespace).await), Some("somebody"));
}

#[tokio::test]
async fn the_role_of_deploy_suffices_and_without_it_the_seat_is_given_up_at_the_renew_deadline() {
    let plane = shared().await;
    let namespace = plane.namespace().await.unwrap();
    let rbac = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: leader-election, namespace: {namespace}}}
rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: leader-election, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: leader-election}}
subjects: [{{kind: ServiceAccount, name: default, namespace: {namespace}}}]
"
    );
    plane.apply(&rbac).await.unwrap();
    let token = plane
        .service_account_token(&namespace, "default")
        .await
        .unwrap();
    let leader = stand(&plane.client_as(&token).unwrap(), &namespace, "with-a-role");
    leads(&leader.seat()).await;
    plane
        .run_kubectl(
            &["delete", "rolebinding", "leader-election", "-n", &namespace],
            "",
        )
        .await
        .unwrap();
    let lost = becomes(&leader.seat(), |now| now == Leadership::Lost).await;
    assert_eq!(lost, Leadership::Lost);
    assert!(!leader.seat().leads());
    leader.release().await;
}

#[tokio::test]
async fn without_leader_election_one_always_leads() {
    let seat = Seat::always(Clock::system());
    assert!(seat.leads());
    assert_eq!(seat.leadership(), Leadership::Leading { fence: 0 });
}

#[test]
fn two_lives_of_one_pod_go_by_different_names() {
    use clap::Parser;
    use oauthclient_operator::cli::{Cli, Command};
    let arguments = [
        "oauthclient-operator",
        "run",
        "--lease-identity",
        "operator-7d9f",
    ];
    let Command::Run(run) = Cli::parse_from(arguments).command else {
        panic!("not run")
    };
    let life = || Settings::new(&run.election, "system", &Clock::system()).identity;
    let (one, two) = (life(), life());
    assert!(one.starts_with("operator-7d9f_"), "{one}");
    assert_ne!(one, two);
}
