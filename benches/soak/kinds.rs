//! The kinds of resources: every grant that the scripted provider plays, each with a provider of its own.

use serde_json::{Map, Value, json};
use testkit::jose::Keys;
use testkit::provider::{
    Account, AssertionRule, Authentication, Behaviour, Lifetime, RefreshTokens,
};

/// The lifetime of all tokens.
pub const LIFETIME: f64 = 60.0;
/// The least time between two scheduled requests for such a token: `L - 1.2 r`, with `r = L/2`.
const BETWEEN: f64 = LIFETIME - 1.2 * LIFETIME / 2.0;
/// With this much left, a caching provider makes a new token.
const UNTIL_LEFT: f64 = 30.0;
/// Requests for a token of a caching provider: `log2(L/C) + 3`.
const FOR_CACHED: f64 = 4.0;
/// Who signs assertions.
pub const SIGNER: &str = "signer";
pub const AUDIENCE: &str = "api://soak";
pub const PATH: &str = "/token";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Basic,
    Post,
    Cached,
    Password,
    RefreshStrict,
    RefreshCaching,
    JwtBearer,
    PrivateKeyJwt,
    ExchangeAccount,
    ExchangeOther,
}

pub const KINDS: [Kind; 10] = [
    Kind::Basic,
    Kind::Post,
    Kind::Cached,
    Kind::Password,
    Kind::RefreshStrict,
    Kind::RefreshCaching,
    Kind::JwtBearer,
    Kind::PrivateKeyJwt,
    Kind::ExchangeAccount,
    Kind::ExchangeOther,
];

impl Kind {
    /// The number of its provider.
    pub fn provider(self) -> usize {
        KINDS.iter().position(|kind| *kind == self).unwrap()
    }

    /// The name of a resource of this kind.
    pub fn name(self, number: usize) -> String {
        format!("{self:?}-{number}").to_lowercase()
    }

    pub fn has_refresh_token(self) -> bool {
        matches!(self, Kind::RefreshStrict | Kind::RefreshCaching)
    }

    fn caches(self) -> bool {
        matches!(self, Kind::Cached | Kind::RefreshCaching)
    }

    /// Whether it proves itself with a client secret, which can be replaced at any time.
    pub fn has_secret(self) -> bool {
        !matches!(self, Kind::JwtBearer | Kind::PrivateKeyJwt)
    }

    /// The most requests that the schedule makes in so many seconds: `ceil(t / (L - 1.2 r)) + 2`; at a caching provider
    /// `log2(L/C) + 3` for each token, of which one comes in `L - C` seconds.
    pub fn scheduled(self, seconds: f64) -> f64 {
        match self.caches() {
            true => ((seconds / (LIFETIME - UNTIL_LEFT)).ceil() + 1.0) * FOR_CACHED + 2.0,
            false => (seconds / BETWEEN).ceil() + 2.0,
        }
    }

    /// When a new token could first be had: the time of the refresh. A caching provider has none earlier than `C` before the end,
    /// and the schedule asks it half of that later.
    pub fn first_chance(self, refresh_at: f64, expires_at: f64) -> f64 {
        match self.caches() {
            true => refresh_at.max(expires_at - UNTIL_LEFT / 2.0),
            false => refresh_at,
        }
    }

    /// What its provider does.
    pub fn behaviour(self, keys: &Keys) -> Behaviour {
        let mut behaviour = Behaviour::living(LIFETIME);
        if self.caches() {
            behaviour.lifetime = Lifetime::Cached {
                seconds: LIFETIME,
                until_left: UNTIL_LEFT,
            };
        }
        if self.has_refresh_token() {
            behaviour.refresh_tokens = RefreshTokens {
                issue: true,
                rotate: true,
                grace_seconds: if self.caches() { 60.0 } else { 0.0 },
            };
        }
        let accepts = &mut behaviour.accepts;
        if matches!(self, Kind::JwtBearer | Kind::PrivateKeyJwt) {
            accepts.clients = vec![Account {
                id: SIGNER.to_owned(),
                public_jwk: keys.public_jwk.clone(),
                ..Account::default()
            }];
            accepts.assertion = AssertionRule {
                skew_seconds: 30,
                ..AssertionRule::default()
            };
            accepts.grant_assertion = self == Kind::JwtBearer;
            accepts.authentication = vec![Authentication::ClientAssertion];
            if self == Kind::JwtBearer {
                accepts.authentication = vec![Authentication::None];
                // No client has an empty id: the assertion alone identifies it.
                accepts.clients.push(Account::default());
            }
        }
        behaviour
    }

    /// What the credentials Secret of a resource holds.
    pub fn credentials(self, name: &str, keys: &Keys, refresh_token: Option<String>) -> Value {
        match self {
            Kind::JwtBearer | Kind::PrivateKeyJwt => {
                json!({"client_id": SIGNER, "private_key": keys.pkcs8})
            }
            Kind::Password => {
                json!({"client_id": name, "client_secret": "first", "username": "reader", "password": "a-password"})
            }
            _ => {
                let mut data = json!({"client_id": name, "client_secret": "first"});
                if let Some(token) = refresh_token {
                    data["refresh_token"] = token.into();
                }
                data
            }
        }
    }

    /// The spec of a resource; `subject` is the resource whose token it exchanges.
    pub fn spec(self, name: &str, url: &str, subject: &str) -> Value {
        let mut spec = json!({
            "provider": {"tokenURL": url, "timeoutSeconds": 5},
            "credentials": {"secretName": format!("{name}-client")},
            "tokenSecret": {"name": format!("{name}-token")},
            // How the provider's record knows whose request it is.
            "parameters": [{"name": "resource_name", "value": name}],
        });
        let more = match self {
            Kind::Basic => json!({"tokenSecret": {
                "name": format!("{name}-token"),
                "labels": {"oauthclient.dev/credentials": "true"},
                "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
            }}),
            Kind::Cached => json!({}),
            Kind::Post => json!({"clientAuthentication": {"method": "client_secret_post"}}),
            Kind::Password => json!({"grant": {"type": "password"}}),
            Kind::RefreshStrict | Kind::RefreshCaching => {
                json!({"grant": {"type": "refresh_token"}})
            }
            Kind::JwtBearer => json!({
                "grant": {
                    "type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                    "jwtBearer": {"algorithm": "ES256", "issuer": SIGNER, "audience": url, "lifetimeSeconds": 60},
                },
                "clientAuthentication": {"method": "none"},
            }),
            Kind::PrivateKeyJwt => json!({"clientAuthentication": {
                "method": "private_key_jwt", "privateKeyJWT": {"algorithm": "ES256"},
            }}),
            Kind::ExchangeAccount => {
                let token = json!({"serviceAccountName": "lent", "audience": AUDIENCE});
                json!({"grant": {"type": EXCHANGE, "tokenExchange": {"subjectToken": {"serviceAccountToken": token}}}})
            }
            Kind::ExchangeOther => {
                json!({"grant": {"type": EXCHANGE, "tokenExchange": {"subjectToken": {"oauthClientName": subject}}}})
            }
        };
        let none = Map::new();
        for (key, value) in more.as_object().unwrap_or(&none) {
            spec[key] = value.clone();
        }
        spec
    }
}
