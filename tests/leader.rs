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
use oauthclient_operator::leader::{Leader, LeaderStatus, Leadership, Settings};
use oauthclient_operator::metrics::Metrics;
use oauthclient_operator::server::Liveness;
use testkit::control_plane::{ControlPlane, shared};
use testkit::fault_proxy::{Answer, Fault, FaultProxy, Rule};
use tokio::time::timeout;

/// Short, but with room for a machine that is busy.
const TIMINGS: Timings = Timings {
    duration: Duration::from_secs(5),
    renew_deadline: Duration::from_millis(3500),
    retry: Duration::from_millis(400),
};

fn stand(client: &kube::Client, namespace: &str, identity: &str) -> Leader {
    let clock = Clock::system();
    let settings = Settings {
        namespace: namespace.to_owned(),
        name: "oauthclient-operator".to_owned(),
        identity: identity.to_owned(),
        timings: TIMINGS,
    };
    let heartbeat = Liveness::new(clock.clone()).register("leader election");
    Leader::start(
        client.clone(),
        settings,
        clock.clone(),
        Metrics::new(clock),
        heartbeat,
    )
}

async fn becomes(leader_status: &LeaderStatus, wanted: impl Fn(Leadership) -> bool) -> Leadership {
    let mut state = leader_status.watch();
    let waiting = state.wait_for(|now| wanted(*now));
    *timeout(Duration::from_secs(30), waiting)
        .await
        .expect("in time")
        .expect("still standing")
}

async fn leads(leader_status: &LeaderStatus) -> u32 {
    match becomes(leader_status, |now| {
        matches!(now, Leadership::Leading { .. })
    })
    .await
    {
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
    assert_eq!(leads(&first.status()).await, 0);
    assert!(first.status().leads());

    let second = stand(&client, &namespace, "second");
    tokio::time::sleep(2 * TIMINGS.duration).await;
    assert_eq!(second.status().leadership(), Leadership::Standby);
    assert!(first.status().leads() && !second.status().leads());

    let before = lease(&client, &namespace).await;
    assert_eq!(holder(&before), Some("first"));
    let leader_status = first.status();
    first.release().await;
    assert!(!leader_status.leads());
    let spec = lease(&client, &namespace).await.spec.unwrap();
    assert!(matches!(
        spec.holder_identity.as_deref(),
        Some("" | "second")
    ));

    assert_eq!(leads(&second.status()).await, 1);
    let after = lease(&client, &namespace).await.spec.unwrap();
    assert_eq!(after.holder_identity.as_deref(), Some("second"));
    assert_eq!(
        (after.lease_transitions, after.lease_duration_seconds),
        (Some(1), Some(5))
    );
    assert!(after.acquire_time.unwrap().0 > before.spec.unwrap().acquire_time.unwrap().0);
    second.release().await;
}

#[tokio::test]
async fn a_leader_that_vanishes_is_followed_after_the_lease_duration_and_not_before() {
    let plane = shared().await;
    let (client, namespace) = (plane.client().unwrap(), plane.namespace().await.unwrap());
    let first = stand(&client, &namespace, "first");
    leads(&first.status()).await;
    let second = stand(&client, &namespace, "second");
    tokio::time::sleep(TIMINGS.retry * 3).await;
    let clock = Clock::system();
    drop(first);
    assert_eq!(leads(&second.status()).await, 1);
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
    leads(&leader.status()).await;
    let api: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let taken = serde_json::json!({"spec": {"holderIdentity": "somebody"}});
    api.patch(
        "oauthclient-operator",
        &PatchParams::default(),
        &Patch::Merge(taken),
    )
    .await
    .unwrap();
    becomes(&leader.status(), |now| now == Leadership::Lost).await;
    assert!(!leader.status().leads());
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
    leads(&leader.status()).await;
    plane
        .run_kubectl(
            &["delete", "rolebinding", "leader-election", "-n", &namespace],
            "",
        )
        .await
        .unwrap();
    let lost = becomes(&leader.status(), |now| now == Leadership::Lost).await;
    assert_eq!(lost, Leadership::Lost);
    assert!(!leader.status().leads());
    leader.release().await;
}

/// A client of the administrator whose calls go through `proxy`.
fn through(plane: &ControlPlane, proxy: &FaultProxy) -> kube::Client {
    let identity = plane.admin_identity().with_server(proxy.url());
    identity.client().expect("a client")
}

#[tokio::test]
async fn writes_that_go_through_but_are_answered_with_504_or_not_at_all_cost_no_seat() {
    let plane = shared().await;
    let namespace = plane.namespace().await.unwrap();
    let proxy = FaultProxy::start(plane).await.unwrap();
    let client = through(plane, &proxy);
    // The creation, and then a renewal of each kind.
    let lost = Rule::new(Fault::AnswerAfter(Answer::timeout()));
    proxy.add(lost.writes().path_has("/leases").once());
    let leader = stand(&client, &namespace, "first");
    assert_eq!(leads(&leader.status()).await, 0);
    for fault in [
        Fault::AnswerAfter(Answer::timeout()),
        Fault::DropAfter,
        Fault::DropBefore,
    ] {
        let rule = proxy.add(Rule::new(fault).writes().path_has("/leases").once());
        proxy
            .wait_for_hits(rule, 1, TIMINGS.duration)
            .await
            .unwrap();
        tokio::time::sleep(TIMINGS.renew_deadline).await;
        assert!(leader.status().leads());
    }
    let spec = lease(&plane.client().unwrap(), &namespace)
        .await
        .spec
        .unwrap();
    assert_eq!(spec.lease_transitions, Some(0));
    leader.release().await;
}

#[tokio::test]
async fn a_leader_cut_off_from_the_api_gives_up_before_another_may_start() {
    let plane = shared().await;
    let (client, namespace) = (plane.client().unwrap(), plane.namespace().await.unwrap());
    let proxy = FaultProxy::start(plane).await.unwrap();
    let cut_off = stand(&through(plane, &proxy), &namespace, "cut-off");
    leads(&cut_off.status()).await;
    let other = stand(&client, &namespace, "other");
    tokio::time::sleep(TIMINGS.retry * 3).await;

    // Answers stay away while connections stay open: what a half-open network does.
    let held = proxy.add(Rule::new(Fault::HoldRequest).path_has("/leases"));
    let clock = Clock::system();
    becomes(&cut_off.status(), |now| now == Leadership::Lost).await;
    let given_up = clock.elapsed();
    assert!(
        given_up < TIMINGS.renew_deadline + TIMINGS.retry,
        "after {given_up:?}"
    );
    assert_ne!(
        other.status().leadership(),
        Leadership::Leading { fence: 1 }
    );
    assert_eq!(leads(&other.status()).await, 1);
    assert!(!cut_off.status().leads());

    // What was held back arrives late, and changes nothing; neither does the release of what is no longer one's own.
    proxy.release(held);
    proxy.remove(held);
    cut_off.release().await;
    tokio::time::sleep(TIMINGS.renew_deadline).await;
    assert!(other.status().leads());
    assert_eq!(holder(&lease(&client, &namespace).await), Some("other"));
    other.release().await;
}

#[tokio::test]
async fn without_leader_election_one_always_leads() {
    let leader_status = LeaderStatus::always(Clock::system());
    assert!(leader_status.leads());
    assert_eq!(leader_status.leadership(), Leadership::Leading { fence: 0 });
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
    let life = || Settings::new(&run.election, "system", None, &Clock::system()).identity;
    let (one, two) = (life(), life());
    assert!(one.starts_with("operator-7d9f_"), "{one}");
    assert_ne!(one, two);
}
