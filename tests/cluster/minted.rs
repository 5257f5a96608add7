//! Tokens of ServiceAccounts that are issued and then refused: by the provider, by the owner of the account, by the API
//! server itself.
//! It is reported, and a token is not issued or sent again at once.

use testkit::control_plane::{AuditMark, ControlPlane, Options};
use testkit::deploy::install_deploy;
use testkit::fault_proxy::{Answer, Fault as ApiFault, Rule};
use testkit::operator::Launch;
use testkit::provider::{Authentication, Behaviour, Fault};

use super::exchange::{AUDIENCE, any_grant, of_account};
use super::fleet::Fleet;
use super::harness::{PATH, PROGRAM, Plane, SOON, Stage, Start, deploy, resource};

/// A second issuer name of the API server.
const CLUSTER: &str = "cluster.example.com";

/// A provider that takes a ServiceAccount's token for a client secret, and as a subject.
fn trusting() -> Behaviour {
    let mut behaviour = any_grant();
    behaviour.accepts.clients.clear();
    behaviour.accepts.authentication = vec![Authentication::Basic, Authentication::None];
    behaviour
}

/// A resource whose client secret is a token of the ServiceAccount `lent`.
fn proved(name: &str, url: &str, audience: &str) -> String {
    let more = format!(
        "  clientAuthentication: {{method: service_account_token, clientID: shop, serviceAccountToken: {{serviceAccountName: lent, audience: {audience:?}}}}}"
    );
    resource(name, url, &more).replace("  credentials: {secretName: client}\n", "")
}

impl Stage {
    /// Creates a resource whose client secret is a token of the ServiceAccount `lent`.
    async fn proved(&self, name: &str, audience: &str) {
        let manifest = proved(name, &self.provider.url(PATH), audience);
        self.apply(&manifest).await;
    }

    /// How many tokens of ServiceAccounts the API server made in this namespace.
    pub(super) async fn made(&self, since: AuditMark) -> usize {
        let events = self.plane.audit_since(since).await.unwrap();
        let made = events.iter().filter(|event| {
            event.namespace == self.namespace
                && event.rule_resource() == "serviceaccounts/token"
                && event.code == 201
        });
        made.count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_refuses_is_told_with_what_to_look_at_and_not_made_again_at_once() {
    let stage = Stage::with(trusting()).await;
    let fleet = Fleet::of(&stage);
    stage.may_make_tokens().await;
    stage.lent_account("lent", AUDIENCE).await;
    let _operator = stage.operator(Start::default()).await;
    let since = stage.plane.audit_mark().await.unwrap();
    // As a client secret, and as the subject of an exchange, in the two ways that providers refuse one.
    let cases = [
        ("proved", "invalid_client", "InvalidClient"),
        // What RFC 8693 section 2.2.2 prescribes.
        ("subject", "invalid_request", "InvalidRequest"),
        ("granted", "invalid_grant", "InvalidGrant"),
    ];
    let path = |name: &str| format!("/{name}");
    for (name, code, _) in cases {
        let refusing = trusting().with_fault(Fault::error(code));
        stage.provider.set(&path(name), refusing);
        let url = stage.provider.url(&path(name));
        stage
            .apply(&match name {
                "proved" => proved(name, &url, AUDIENCE),
                _ => resource(name, &url, &of_account("lent")),
            })
            .await;
    }
    let names = cases.map(|(name, ..)| name);
    let told = fleet
        .until("each is told", &names, SOON, |name, look| {
            let (_, _, reason) = cases.iter().find(|case| case.0 == name).unwrap();
            ["Stalled", "RefreshFailing"]
                .iter()
                .all(|kind| look.condition(kind).reason == *reason)
        })
        .await;
    for name in names {
        let field = match name {
            "proved" => "spec.clientAuthentication.serviceAccountToken",
            _ => "spec.grant.tokenExchange",
        };
        let message = told[name].condition("Stalled").message;
        assert!(message.contains("the provider trusts"), "{message}");
        assert!(message.contains(field), "{message}");
    }
    for _ in 0..32 {
        assert_eq!(stage.provider.total(), names.len());
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    assert_eq!(stage.made(since).await, names.len());
    // The provider trusts it again: asked for, it is tried at once.
    for name in names {
        stage.provider.set_fault(&path(name), None);
    }
    fleet.refresh("mended").await;
    fleet.well(&names).await;
    assert_eq!(
        stage.made(since).await,
        stage.provider.total(),
        "each is sent once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_taken_back_between_two_attempts_is_told_and_nothing_is_made_or_sent() {
    let stage = Stage::with(trusting()).await;
    stage.may_make_tokens().await;
    stage.lent_account("lent", AUDIENCE).await;
    let _operator = stage.operator(Start::default()).await;
    stage.proved("main", AUDIENCE).await;
    let token = stage.wait_ready("main").await;
    // A failure that is tried again by itself, and meanwhile the account is taken back.
    stage.provider.set_fault(PATH, Some(Fault::status(500)));
    stage.request_refresh("main").await;
    stage
        .wait_for("main", "RefreshFailing", "True", "ServerError")
        .await;
    let again = [
        ("other", "127.0.0.1", "ServiceAccountNotOptedIn"),
        (AUDIENCE, "auth.example.com", "HostNotAllowed"),
    ];
    for (audiences, hosts, reason) in again {
        stage.lends("lent", audiences, hosts).await;
        let since = stage.plane.audit_mark().await.unwrap();
        let before = stage.requests();
        stage.request_refresh("main").await;
        let told = stage.wait_for("main", "Reconciling", "True", reason).await;
        assert!(
            told.contains("kubectl annotate serviceaccount lent"),
            "{told}"
        );
        // One attempt may have been in progress when the opt-in was withdrawn.
        let made = stage.made(since).await;
        assert!(made <= 1, "{made}");
        let before = before.max(stage.requests());
        stage.quiet(before, 8).await;
        assert_eq!(stage.made(since).await, made);
        assert_eq!(stage.valid_token("main-token").await.as_ref(), Some(&token));
        stage.wait_for("main", "Ready", "True", "").await;
    }
    // Given back: it is found without anybody asking.
    stage.provider.set_fault(PATH, None);
    stage.lends("lent", AUDIENCE, "127.0.0.1").await;
    stage
        .until("a new token", || async {
            stage
                .valid_token("main-token")
                .await
                .is_some_and(|now| now != token)
        })
        .await;
    stage.wait_for("main", "Reconciling", "False", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_cluster_itself_would_take_is_sent_nowhere() {
    let audiences = format!("--api-audiences=https://kubernetes.default.svc,{CLUSTER}");
    let plane = ControlPlane::start(Options {
        api_server_args: vec![audiences],
        ..Options::default()
    });
    let plane = Plane::Own(Box::new(plane.await.unwrap()));
    install_deploy(&plane, &deploy(), "oauthclient-system")
        .await
        .unwrap();
    let stage = Stage::on(plane, trusting()).await;
    stage.may_make_tokens().await;
    stage.lent_account("lent", CLUSTER).await;
    let since = stage.plane.audit_mark().await.unwrap();
    // By the operator's own token it is known beforehand.
    let operator = stage.operator(Start::default()).await;
    stage.proved("known", CLUSTER).await;
    let refused = |name: &'static str| stage.wait_for(name, "Stalled", "True", "AudienceRefused");
    let told = refused("known").await;
    assert!(told.contains(CLUSTER), "{told}");
    assert_eq!(stage.made(since).await, 0);
    assert!(operator.terminate(SOON).await.unwrap().success());

    // Whose own token says nothing of the cluster learns it by asking the API server, once.
    let operator = Launch::run_as(PROGRAM, stage.plane.admin_identity())
        .args(["--allow-loopback", "--leader-elect=false"])
        .args([format!("--watch-namespaces={}", stage.namespace)])
        .start()
        .unwrap();
    operator.wait_until_ready(SOON).await.unwrap();
    stage.proved("learnt", CLUSTER).await;
    refused("learnt").await;
    stage.quiet(0, 8).await;
    assert_eq!(stage.made(since).await, 1);
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_api_server_could_not_make_is_told_and_made_when_it_can() {
    let stage = Stage::with(trusting()).await;
    stage.may_make_tokens().await;
    stage.lent_account("lent", AUDIENCE).await;
    let proxy = stage.proxy().await;
    let fault = Rule::new(ApiFault::Answer(Answer::internal_error()));
    let rule = proxy.add(fault.path_has("/serviceaccounts/lent/token"));
    let operator = stage.operator_behind(&proxy).await;
    stage.proved("main", AUDIENCE).await;
    let told = stage
        .wait_for(
            "main",
            "RefreshFailing",
            "True",
            "ServiceAccountTokenFailed",
        )
        .await;
    assert!(told.contains("ServiceAccount lent"), "{told}");
    assert_eq!(stage.requests(), 0);
    // Once for each try, and these wait longer each time: nothing is asked in a loop.
    let tries = proxy.hits(rule);
    assert!(tries < 8, "{tries}");
    proxy.clear();
    stage.wait_ready("main").await;
    assert_eq!(stage.requests(), 1);
    stage.nothing_leaked(&operator).await;
}
