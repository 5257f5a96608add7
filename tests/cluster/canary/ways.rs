//! Every kind of token request with its own secret: a refresh token, a key, a token from another issuer.

use serde_json::{Value, json};
use testkit::jose::{self, Keys};
use testkit::provider::{Account, Authentication, Behaviour, RefreshTokens};
use testkit::tls::{Authority, Identity, Leaf};

use super::{SECRETS, TOKEN};
use crate::harness::{Stage, resource};

/// The key of symmetric assertions, which must be long.
const HMAC: &str = "canary-hmac/+=&%\"-of-thirty-two-bytes-and-more-zq7t";
/// The actor token, out of the credentials.
const ACTOR: &str = "canary-actor/+=&%\"-zq8s";
/// The ServiceAccount whose tokens are made, and for whom.
pub const ACCOUNT: &str = "lent";
pub const AUDIENCE: &str = "api://canary";

/// The ways, by the first word of a resource's name.
pub const ALL: [&str; 12] = [
    "given",
    "login",
    "kept",
    "pem",
    "jwk",
    "hmac",
    "workload",
    "subject",
    "reference",
    "google",
    "app",
    "mutual",
];

/// What is secret of all ways together.
pub struct Ring {
    rsa: Keys,
    ec: Keys,
    certificate: Identity,
}

impl Ring {
    pub fn new(authority: &Authority) -> Ring {
        Ring {
            rsa: jose::make("rsa").unwrap(),
            ec: jose::make("p256").unwrap(),
            certificate: authority.issue_client(Leaf::Good, "shop").unwrap(),
        }
    }

    /// What must not be seen, whatever is sent.
    pub fn secrets(&self) -> Vec<String> {
        let keys = [
            &self.rsa.pkcs8,
            &self.rsa.jwk.to_string(),
            &self.ec.jwk.to_string(),
            &self.certificate.key_pem,
        ];
        let mut all: Vec<String> = keys
            .into_iter()
            .flat_map(|key| testkit::leaks::key_parts(key))
            .collect();
        assert!(all.len() > 25, "{}", all.len());
        all.extend([HMAC, ACTOR, TOKEN, "-zq7t", "-zq8s"].map(str::to_owned));
        all.extend(SECRETS.map(str::to_owned));
        all
    }

    /// An endpoint that takes what this way sends for the resource of this name. Each resource is a client of its own: what is
    /// refused of one client is not sent for others with the same secret.
    pub fn behaviour(&self, way: &str, name: &str) -> Behaviour {
        let mut behaviour = super::behaviour(3600.0);
        let accepts = &mut behaviour.accepts;
        let account = |id: &str, secret: &str, public_jwk: &Value| Account {
            id: id.to_owned(),
            secret: secret.to_owned(),
            public_jwk: public_jwk.clone(),
            ..Account::default()
        };
        match way {
            "given" | "login" | "kept" => {
                behaviour.refresh_tokens = RefreshTokens {
                    issue: true,
                    rotate: true,
                    grace_seconds: 0.0,
                };
            }
            "pem" | "jwk" | "hmac" => {
                let key = match way {
                    "pem" => &self.rsa.public_jwk,
                    "jwk" => &self.ec.public_jwk,
                    _ => &Value::Null,
                };
                accepts.authentication = vec![Authentication::ClientAssertion];
                accepts.clients = vec![account(name, HMAC, key)];
            }
            "workload" | "google" => accepts.authentication = vec![Authentication::None],
            "app" => {
                accepts.authentication = vec![Authentication::BearerAssertion];
                accepts.clients = vec![account(name, "", &self.rsa.public_jwk)];
                accepts.any_json = true;
            }
            "mutual" => accepts.authentication = vec![Authentication::Certificate],
            _ => {}
        }
        behaviour
    }

    /// A resource that asks in this way, and its Secrets; the endpoint must be there already.
    pub fn manifest(&self, way: &str, name: &str, stage: &Stage) -> String {
        let path = super::path(name);
        let url = stage.provider.url(&path);
        let client_id = format!("{}-{name}", SECRETS[0]);
        let refresh_token = || stage.provider.issue_refresh_token(&path, &client_id);
        let plain = json!({
            "client_id": client_id,
            "client_secret": SECRETS[1],
            "next_client_secret": SECRETS[4],
        });
        let mut secrets = Vec::new();
        let mut own = |data: Value| secrets.push(secret(&format!("{name}-client"), &data));
        match way {
            "given" => {
                let mut data = plain.clone();
                data["refresh_token"] = refresh_token().into();
                own(data);
            }
            "login" => {
                own(plain.clone());
                let mut data = plain.clone();
                data["refresh_token"] = refresh_token().into();
                secrets.push(secret(&format!("{name}-login"), &data));
            }
            "kept" => {
                let mut data = plain.clone();
                data["username"] = SECRETS[2].into();
                data["password"] = SECRETS[3].into();
                own(data);
            }
            "pem" | "app" => own(json!({"client_id": name, "private_key": self.rsa.pkcs8})),
            "jwk" => own(json!({"client_id": name, "private_key": self.ec.jwk.to_string()})),
            "hmac" => own(json!({"client_id": name, "client_secret": HMAC})),
            "google" => {
                let file = json!({
                    "type": "service_account",
                    "private_key_id": "key-1",
                    "private_key": self.rsa.pkcs8,
                    "client_email": "shop@example.iam.gserviceaccount.com",
                });
                own(json!({"private_key": file.to_string()}));
            }
            "mutual" => own(json!({
                "tls.crt": self.certificate.certificate_pem,
                "tls.key": self.certificate.key_pem,
            })),
            "workload" => {}
            _ => {
                let mut data = plain.clone();
                data["actor"] = ACTOR.into();
                own(data);
            }
        }
        let client = format!("secretName: {name}-client");
        let resource = resource(name, &url, &spec(way)).replace("secretName: client", &client);
        secrets.push(match way {
            "workload" => resource.replace(&format!("  credentials: {{{client}}}\n"), ""),
            _ => resource,
        });
        secrets.join("---\n")
    }
}

fn spec(way: &str) -> String {
    let account = format!("{{serviceAccountName: {ACCOUNT}, audience: \"{AUDIENCE}\"}}");
    let exchange = |subject: &str, more: &str| {
        format!(
            "  grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    tokenExchange: {{subjectToken: {{{subject}}}{more}}}"
        )
    };
    let bearer = |more: &str| {
        format!(
            "  grant: {{type: urn:ietf:params:oauth:grant-type:jwt-bearer, jwtBearer: {{algorithm: RS256{more}}}}}\n  clientAuthentication: {{method: none}}"
        )
    };
    match way {
        "given" | "login" => "  grant: {type: refresh_token}".to_owned(),
        "kept" => "  grant: {type: password, password: {useRefreshToken: true}}".to_owned(),
        "pem" | "jwk" => "  clientAuthentication: {method: private_key_jwt}".to_owned(),
        "hmac" => "  clientAuthentication: {method: client_secret_jwt}".to_owned(),
        "workload" => format!(
            "  clientAuthentication: {{method: service_account_token, clientID: shop, serviceAccountToken: {account}}}"
        ),
        "subject" => exchange(
            &format!("serviceAccountToken: {account}"),
            ", actorToken: {credentialsKey: actor}",
        ),
        "reference" => exchange(
            "oauthClientName: lender",
            ", actorToken: {credentialsKey: actor}",
        ),
        "google" => bearer(", audience: \"https://auth.example.com/\""),
        "app" => {
            bearer(", placement: AuthorizationHeader")
                + "\n  parameters: [{name: permissions, jsonValue: '{}'}]\n  request: {format: json}"
        }
        _ => "  clientAuthentication: {method: tls_client_auth, clientID: shop}".to_owned(),
    }
}

/// A Secret with the opt-in label; JSON is YAML too.
fn secret(name: &str, data: &Value) -> String {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {"oauthclient.dev/credentials": "true"},
            "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
        },
        "stringData": data,
    });
    format!("{secret}\n")
}
