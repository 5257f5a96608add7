//! Another version of the operator takes over a fleet, and hands it back: no token is requested, and no refresh token is lost.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use testkit::jose;
use testkit::operator::Operator;
use testkit::provider::{Account, AssertionRule, Authentication, Behaviour, Provider};
use testkit::tls::Leaf;

use super::certificates;
use super::endpoint::trust;
use super::exchange::{AUDIENCE, any_grant, of_account};
use super::fleet::Fleet;
use super::harness::{
    CLIENT_ID, CLIENT_SECRET, PATH, PROGRAM, SOON, Stage, Start, credentials, living, resource,
};
use super::refresh_tokens::{SPEC, strict, with_token};

/// Longer than the test, so that nothing is due.
const LIFETIME: f64 = 86_400.0;
const STRICT: &str = "/strict/token";
const EXCHANGE: &str = "/exchange/token";
const SIGNED: &str = "/signed/token";
/// As many manifests are applied at a time: `kubectl` has a minute.
const AT_ONCE: usize = 50;
/// Contents of Secrets are looked at so often after a start.
const LOOKS_PER_SECOND: u64 = 20;
const KINDS: [Kind; 9] = [
    Kind::Plain,
    Kind::Templates,
    Kind::Password,
    Kind::RefreshToken,
    Kind::Revoked,
    Kind::Signed,
    Kind::Certificate,
    Kind::ServiceAccount,
    Kind::Exchange,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Templates,
    Password,
    RefreshToken,
    Revoked,
    Signed,
    Certificate,
    ServiceAccount,
    Exchange,
}

/// A stage with resources of every kind, and what they are served by.
struct Scene {
    stage: Stage,
    mutual: Provider,
    names: Vec<String>,
    refreshed: Vec<String>,
}

impl Scene {
    async fn new(each: usize) -> Scene {
        let mut behaviour = living(LIFETIME);
        let account = &mut behaviour.accepts.clients[0];
        account
            .users
            .insert("reader".to_owned(), "a-password".to_owned());
        let stage = Stage::with(behaviour).await;
        let mut behaviour = strict(LIFETIME);
        stage.provider.set(STRICT, behaviour);
        behaviour = any_grant();
        behaviour.lifetime = living(LIFETIME).lifetime;
        stage.provider.set(EXCHANGE, behaviour);
        let keys = jose::make("rsa").unwrap();
        let signed = signed(&stage.provider.url(SIGNED), &keys);
        stage.provider.set(SIGNED, signed);
        stage.may_make_tokens().await;
        stage.lent_account("lent", AUDIENCE).await;
        let (authority, mutual) = certificates::provider();
        mutual.update(PATH, |behaviour| {
            behaviour.lifetime = living(LIFETIME).lifetime;
        });
        let identity = authority.issue_client(Leaf::Good, "shop").unwrap();
        stage.apply(&trust("mutual-ca", &authority)).await;
        stage
            .apply(&certificates::secret_of("shop-tls", &identity))
            .await;
        let key = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": "signing",
                "labels": {"oauthclient.dev/credentials": "true"},
                "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
            },
            "stringData": {"client_id": CLIENT_ID, "private_key": keys.pkcs8},
        });
        let person = credentials("person", CLIENT_ID, CLIENT_SECRET).replace(
            "client_id:",
            "username: reader, password: a-password, client_id:",
        );
        stage.apply(&format!("{key}\n---\n{person}")).await;
        let mut scene = Scene {
            stage,
            mutual,
            names: Vec::new(),
            refreshed: Vec::new(),
        };
        let mut manifests = vec![scene.subject()];
        for number in 0..each {
            for kind in KINDS {
                manifests.push(scene.manifest(kind, number));
            }
        }
        for some in manifests.chunks(AT_ONCE) {
            scene.stage.apply(&some.join("\n---\n")).await;
        }
        scene
    }

    /// The resource whose token others exchange.
    fn subject(&mut self) -> String {
        self.names.push("subject".to_owned());
        self.stage.manifest("subject", "").replace(
            "name: subject-token",
            "name: subject-token, labels: {oauthclient.dev/credentials: \"true\"}",
        )
    }

    fn manifest(&mut self, kind: Kind, number: usize) -> String {
        let name = format!("{kind:?}-{number}").to_lowercase();
        let at = |path: &str, more: &str| resource(&name, &self.stage.provider.url(path), more);
        let lends = |secret: &str, manifest: String| {
            manifest.replace("secretName: client}", &format!("secretName: {secret}}}"))
        };
        let manifest = match kind {
            Kind::Plain => at(PATH, "  scopes: [read]"),
            Kind::Templates => at(PATH, "").replace(
                "-token}",
                "-token, data: {authorization: \"{{ token_type }} {{ access_token }}\", access_token: \"{{ access_token }}\"}}",
            ),
            Kind::Password => lends("person", at(PATH, "  grant: {type: password}")),
            Kind::RefreshToken => {
                let token = self.stage.provider.issue_refresh_token(STRICT, CLIENT_ID);
                let secret = format!("{name}-client");
                let manifest = lends(&secret, at(STRICT, SPEC));
                format!("{}---\n{manifest}", with_token(&secret, &token))
            }
            Kind::Revoked => at(PATH, "  revocation: {onDeletion: true, previousToken: {afterSeconds: 86400}}").replace(
                "caBundle:",
                &format!("revocationURL: {:?}, caBundle:", self.stage.provider.url("/revoke")),
            ),
            Kind::Signed => lends(
                "signing",
                at(
                    SIGNED,
                    "  clientAuthentication: {method: private_key_jwt, privateKeyJWT: {algorithm: RS256}}",
                ),
            ),
            Kind::Certificate => certificates::manifest(&name, &self.mutual)
                .replace(&format!("{name}-tls"), "shop-tls"),
            Kind::ServiceAccount => at(EXCHANGE, &of_account("lent")),
            Kind::Exchange => at(
                EXCHANGE,
                "  grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    tokenExchange: {subjectToken: {oauthClientName: subject}}",
            ),
        };
        if kind == Kind::RefreshToken {
            self.refreshed.push(name.clone());
        }
        self.names.push(name);
        manifest
    }

    fn requests(&self) -> usize {
        self.stage.provider.total() + self.mutual.total()
    }

    /// The operator of `program`, until it has looked at everything: nothing was requested, and nothing has changed.
    async fn taken_over_by(&self, program: &str) -> Operator {
        let fleet = Fleet::of(&self.stage);
        let (requests, before) = (self.requests(), fleet.look().await);
        let operator = self.start(program).await;
        let seconds = self.names.len() as u64 / LOOKS_PER_SECOND + 8;
        for _ in 0..seconds * 2 {
            assert_eq!(self.requests(), requests, "token requests");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let after = self.all_well().await;
        for (name, look) in after {
            assert_eq!(look.data, before[&name].data, "{name}");
        }
        operator
    }

    async fn start(&self, program: &str) -> Operator {
        let start = Start {
            program: PathBuf::from(program),
            log_level: "info",
            ..Start::with(&["--drain-seconds=1"])
        };
        self.stage.operator(start).await
    }

    async fn all_well(&self) -> std::collections::BTreeMap<String, super::fleet::Look> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let fleet = Fleet::of(&self.stage);
        // Each has its turn, in classes of eight requests to a host.
        let within = SOON + Duration::from_secs(self.names.len() as u64);
        let well = |_: &str, look: &super::fleet::Look| {
            look.is("Ready", "True")
                && look.is("RefreshFailing", "False")
                && look.is("Stalled", "False")
        };
        fleet.until("all are well", &names, within, well).await
    }

    /// Every chain goes on: each refresh token that is sent is the newest, and none is sent twice.
    async fn chains_go_on(&self) {
        let fleet = Fleet::of(&self.stage);
        let before = fleet.look().await;
        for name in &self.refreshed {
            self.stage.request_refresh(name).await;
        }
        let names: Vec<&str> = self.refreshed.iter().map(String::as_str).collect();
        let within = SOON + Duration::from_secs(self.names.len() as u64);
        let replaced = |name: &str, look: &super::fleet::Look| look.token() != before[name].token();
        fleet.until("new tokens", &names, within, replaced).await;
        self.all_well().await;
        let requests = self.stage.provider.requests_to(STRICT);
        let mut sent = BTreeSet::new();
        for request in &requests {
            assert_eq!(request.refused, None);
            assert!(
                sent.insert(request.form_value("refresh_token")),
                "sent twice"
            );
        }
    }
}

fn signed(url: &str, keys: &jose::Keys) -> Behaviour {
    let mut behaviour = Behaviour::living(LIFETIME);
    behaviour.accepts.clients = vec![Account {
        id: CLIENT_ID.to_owned(),
        public_jwk: keys.public_jwk.clone(),
        ..Account::default()
    }];
    behaviour.accepts.authentication = vec![Authentication::ClientAssertion];
    behaviour.accepts.assertion = AssertionRule {
        audiences: vec![url.to_owned()],
        longest_seconds: 60,
        skew_seconds: 10,
        ..AssertionRule::default()
    };
    behaviour
}

/// From `one` to the `other` and back.
async fn there_and_back(one: &str, other: &str, each: usize) {
    let scene = Scene::new(each).await;
    let operator = scene.start(one).await;
    scene.all_well().await;
    assert!(operator.terminate(SOON).await.unwrap().success());
    for program in [other, one] {
        let operator = scene.taken_over_by(program).await;
        scene.chains_go_on().await;
        assert!(operator.terminate(SOON).await.unwrap().success());
        scene.stage.nothing_leaked(&operator).await;
    }
    eprintln!(
        "upgrade: {} resources, {} token requests: one for each, and one for each refresh that was asked for",
        scene.names.len(),
        scene.requests()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_requests_no_token_of_any_kind_of_resource_and_loses_no_refresh_token() {
    there_and_back(PROGRAM, PROGRAM, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a program of another revision: make test-upgrade REVISION=..."]
async fn an_upgrade_and_a_downgrade_of_five_hundred_resources_request_no_token() {
    let other = std::env::var("UPGRADE_FROM").expect("the path of the other operator");
    there_and_back(&other, PROGRAM, 500_usize.div_ceil(KINDS.len())).await;
}
