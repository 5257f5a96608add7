//! A user who may only write OAuthClients sends no secret to a host that its owner has not allowed: each way that was found to
//! do so, with a second provider that records what reaches it.

use testkit::provider::{Authentication, Behaviour, Fault, Provider, Script};

use super::exchange::{AUDIENCE, any_grant};
use super::harness::{CLIENT_ID, CLIENT_SECRET, PATH, Stage, Start};
use super::refresh_tokens::{SPEC, quick, strict};
use super::revocation::REVOKE;

/// A provider that takes whatever comes, on a port that no owner has allowed.
fn stranger() -> Provider {
    let script = Script::one(PATH, Behaviour::default()).with(REVOKE, accepted());
    Provider::plain(script).unwrap()
}

fn accepted() -> Behaviour {
    Behaviour::default().with_fault(Fault::Answer {
        status: 200,
        content_type: String::new(),
        body: String::new(),
        headers: Vec::new(),
    })
}

fn start() -> Start {
    let mut start = quick();
    start.args.push("--allow-http".to_owned());
    start
}

/// Host and port of a provider, as a list names them.
fn host(provider: &Provider) -> String {
    let url = url::Url::parse(&provider.url(PATH)).unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// A Secret that has opted in for these hosts.
fn lent(name: &str, hosts: &str, more: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: {name}
  labels: {{oauthclient.dev/credentials: \"true\"}}
  annotations: {{oauthclient.dev/allowed-hosts: {hosts:?}}}
stringData: {{client_id: {CLIENT_ID:?}, client_secret: {CLIENT_SECRET:?}{more}}}
"
    )
}

fn at(manifest: &str, stage: &Stage, provider: &Provider) -> String {
    let (from, to) = (stage.provider.url(PATH), provider.url(PATH));
    assert!(manifest.contains(&from));
    manifest.replace(&from, &to)
}

impl Stage {
    /// Waits until a resource with a valid token reports that the next one waits for this.
    async fn waits(&self, name: &str, reason: &str) -> String {
        self.wait_for(name, "Reconciling", "True", reason).await
    }

    async fn opt_out(&self, secret: &str) {
        let label = "oauthclient.dev/credentials-";
        self.kubectl(&["label", "secret", secret, label]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_resource_opts_in_goes_only_where_the_owner_of_its_credentials_lets_tokens_go()
 {
    let stage = Stage::new(3600.0).await;
    let stranger = stranger();
    stage
        .apply(&lent("client", &host(&stage.provider), ""))
        .await;
    let _operator = stage.operator(start()).await;
    let opted_in = format!(
        "name: main-token, labels: {{oauthclient.dev/credentials: \"true\"}}, annotations: {{oauthclient.dev/allowed-hosts: \"{}\"}}, data: {{access_token: \"{{{{ access_token }}}}\", client_id: \"{{{{ token_type }}}}\", client_secret: \"{{{{ access_token }}}}\"}}",
        host(&stranger)
    );
    let main = stage
        .manifest("main", "")
        .replace("name: main-token", &opted_in);
    stage.apply(&main).await;
    let published = stage.wait_ready("main").await;
    let thief = at(&stage.manifest("thief", ""), &stage, &stranger)
        .replace("secretName: client", "secretName: main-token");
    stage.apply(&thief).await;
    let told = stage
        .wait_for("thief", "Reconciling", "True", "HostNotAllowed")
        .await;
    let command = format!(
        "kubectl annotate secret client -n {} --overwrite oauthclient.dev/allowed-token-hosts=",
        stage.namespace
    );
    assert!(
        told.contains(&command) && told.contains(&host(&stranger)),
        "{told}"
    );
    assert_eq!(stranger.count(PATH), 0);

    // The owner of the credentials lets tokens go there: the opt-in of the token Secret restricts that, and is enough now.
    let allow = format!("oauthclient.dev/allowed-token-hosts={}", host(&stranger));
    stage
        .kubectl(&["annotate", "secret", "client", &allow])
        .await;
    stage.request_refresh("thief").await;
    stage
        .until("it is asked", || async { stranger.count(PATH) == 1 })
        .await;
    // The owner opts out: everything that was obtained with it stays where it is.
    stage.opt_out("client").await;
    stage.request_refresh("thief").await;
    stage
        .wait_for("thief", "Reconciling", "True", "CredentialsNotLabelled")
        .await;
    assert_eq!(stranger.count(PATH), 1);
    assert_eq!(stage.valid_token("main-token").await, Some(published));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_service_account_goes_to_no_endpoint_that_its_owner_has_not_allowed() {
    let mut behaviour = any_grant();
    behaviour.accepts.clients.clear();
    behaviour.accepts.authentication = vec![Authentication::Basic, Authentication::None];
    let stage = Stage::with(behaviour).await;
    let stranger = stranger();
    stage.may_make_tokens().await;
    stage.kubectl(&["create", "serviceaccount", "lent"]).await;
    stage.lends("lent", AUDIENCE, &host(&stage.provider)).await;
    stage
        .apply(&lent("client", "127.0.0.1", ", refresh_token: first"))
        .await;
    stage.provider.set(REVOKE, accepted());
    let _operator = stage.operator(start()).await;
    let since = stage.plane.audit_mark().await.unwrap();
    let proved = format!(
        "  clientAuthentication: {{method: service_account_token, clientID: shop, serviceAccountToken: {{serviceAccountName: lent, audience: {AUDIENCE:?}}}}}"
    );
    let elsewhere = stage
        .manifest("main", &format!("{SPEC}\n{proved}"))
        .replacen(
            "caBundle",
            &format!("refreshURL: {:?}, caBundle", stranger.url(PATH)),
            1,
        );
    stage.apply(&elsewhere).await;
    stage
        .wait_for("main", "Reconciling", "True", "HostNotAllowed")
        .await;
    assert_eq!(stranger.count(PATH), 0);
    assert_eq!(
        stage.made(since).await,
        0,
        "no token is made for what is not sent"
    );

    // Revocation: with a token where the account allows it, and without one where it does not.
    for (name, endpoint) in [
        ("here", stage.provider.url(REVOKE)),
        ("there", stranger.url(REVOKE)),
    ] {
        let manifest = stage
            .manifest(
                name,
                &format!("{proved}\n  revocation: {{onDeletion: true}}"),
            )
            .replacen(
                "caBundle",
                &format!("revocationURL: {endpoint:?}, caBundle"),
                1,
            );
        let manifest = manifest.replace("  credentials: {secretName: client}\n", "");
        stage.apply(&manifest).await;
        stage.wait_ready(name).await;
    }
    let made = stage.made(since).await;
    stage.kubectl(&["delete", "oauthclient", "here"]).await;
    let revoked = stage.provider.requests_to(REVOKE);
    assert_eq!(revoked.len(), 1);
    assert!(revoked[0].form_value("client_assertion").is_some());
    assert_eq!(stage.made(since).await, made + 1);
    stage.kubectl(&["delete", "oauthclient", "there"]).await;
    assert_eq!(stranger.count(REVOKE), 0);
    assert_eq!(stage.made(since).await, made + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_stays_with_the_hosts_of_its_lenders_whatever_the_spec_becomes() {
    let stage = Stage::with(strict(3600.0)).await;
    let stranger = stranger();
    let here = host(&stage.provider);
    let first = stage.provider.issue_refresh_token(PATH, CLIENT_ID);
    stage
        .apply(&lent(
            "client",
            &here,
            &format!(", refresh_token: {first:?}"),
        ))
        .await;
    let _operator = stage.operator(start()).await;
    stage.resource("main", SPEC).await;
    let published = stage.wait_ready("main").await;
    let sent = stage.requests();

    // Without the credentials that it came with, at another provider.
    let public =
        format!("{SPEC}\n  clientAuthentication: {{method: none, clientID: {CLIENT_ID:?}}}");
    let bare = stage
        .manifest("main", &public)
        .replace("  credentials: {secretName: client}\n", "");
    stage.apply(&at(&bare, &stage, &stranger)).await;
    let told = stage.waits("main", "HostNotAllowed").await;
    assert!(
        told.contains("client") && told.contains(&host(&stranger)),
        "{told}"
    );
    // The lender opts out, or is gone: nothing is sent anywhere, and the published token stays.
    stage.opt_out("client").await;
    stage.apply(&bare).await;
    stage.request_refresh("main").await;
    stage.waits("main", "CredentialsNotLabelled").await;
    stage.kubectl(&["delete", "secret", "client"]).await;
    stage.request_refresh("main").await;
    stage.waits("main", "CredentialsNotFound").await;
    assert_eq!(stage.requests(), sent);
    assert_eq!(stranger.count(PATH), 0);
    assert_eq!(stage.valid_token("main-token").await, Some(published));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_revoked_only_where_the_login_that_brought_it_allows() {
    let stage = Stage::with(strict(3600.0)).await;
    let stranger = stranger();
    let first = stage.provider.issue_refresh_token(PATH, CLIENT_ID);
    let more = format!(", refresh_token: {first:?}");
    stage
        .apply(&lent("main-login", &host(&stage.provider), &more))
        .await;
    let _operator = stage.operator(start()).await;
    let revoking = stage
        .manifest(
            "main",
            &format!("{SPEC}\n  revocation: {{onDeletion: true}}"),
        )
        .replacen(
            "caBundle",
            &format!("revocationURL: {:?}, caBundle", stranger.url(REVOKE)),
            1,
        );
    stage.apply(&revoking).await;
    stage.wait_ready("main").await;
    stage.kubectl(&["delete", "oauthclient", "main"]).await;
    assert_eq!(stranger.count(REVOKE), 0);
    stage
        .until("it is told", || async {
            let events = stage.events("main").await;
            events.contains(&"Warning RevocationFailed".to_owned())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_allowed_for_a_path_go_to_no_other_path_of_that_host() {
    let stage = Stage::new(3600.0).await;
    let list = format!("{}/oauth/", host(&stage.provider));
    stage.apply(&lent("client", &list, "")).await;
    let _operator = stage.operator(start()).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    for (name, path) in [
        ("other", "/other/token"),
        ("beside", "/oauthx/token"),
        ("above", "/oauth/%2e%2e%2fother"),
    ] {
        let manifest = stage
            .manifest(name, "")
            .replace(&stage.provider.url(PATH), &stage.provider.url(path));
        stage.apply(&manifest).await;
        let told = stage
            .wait_for(name, "Reconciling", "True", "HostNotAllowed")
            .await;
        assert!(told.contains(path) && told.contains(&list), "{told}");
        assert_eq!(stage.provider.count(path), 0);
    }
}
