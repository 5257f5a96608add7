//! Which tokens exist, how long each is valid, and which were revoked.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use super::behaviour::{Behaviour, Lifetime, TokenForm, Tokens};
use super::check::{Checked, Refused};
use super::span::{later, seconds};

/// One access token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token itself.
    pub token: String,
    /// The endpoint's path.
    pub path: String,
    /// The client's identifier.
    pub client: String,
    /// The `grant_type`.
    pub grant: String,
    /// When it was made.
    pub issued: Timestamp,
    /// When it ends of itself.
    pub expires: Timestamp,
    /// When it was killed before its end, if it was.
    pub killed: Option<Timestamp>,
}

impl IssuedToken {
    /// Whether it works at this time.
    #[must_use]
    pub fn is_valid_at(&self, at: Timestamp) -> bool {
        at < self.expires && self.killed.is_none_or(|killed| at < killed)
    }

    /// What is left of its life at this time; never negative.
    pub(crate) fn left_at(&self, at: Timestamp) -> SignedDuration {
        self.expires.duration_since(at).max(SignedDuration::ZERO)
    }
}

/// What is handed out for a request.
#[derive(Clone, Debug)]
pub(crate) struct Handout {
    pub(crate) token: IssuedToken,
    pub(crate) refresh_token: Option<String>,
}

/// All tokens of one provider.
#[derive(Default)]
pub(crate) struct Ledger {
    tokens: HashMap<String, IssuedToken>,
    /// In order of issue.
    order: Vec<String>,
    /// How many were issued, forgotten ones included.
    issued: usize,
    /// The newest token of each cache key.
    cached: HashMap<Vec<String>, String>,
    /// The newest token and the number of tokens of each client at each endpoint.
    clients: HashMap<(String, String), (String, u64)>,
    refresh: HashMap<String, Refresh>,
    /// The assertions that were used, by endpoint and `jti`, and when.
    assertions: HashMap<(String, String), Timestamp>,
}

struct Refresh {
    /// Its place in the order of issue.
    number: usize,
    path: String,
    client: String,
    family: u64,
    replaced: Option<Timestamp>,
    dead: bool,
}

impl Ledger {
    /// Hands out a token for a request that is in order: a new one, or the cached one.
    pub(crate) fn hand_out(
        &mut self,
        path: &str,
        behaviour: &Behaviour,
        request: &Checked,
        length: usize,
        now: Timestamp,
    ) -> Result<Handout, Refused> {
        for id in &request.assertions {
            let key = (path.to_owned(), id.clone());
            if self.assertions.insert(key, now).is_some() {
                return Err(Refused {
                    refusal: behaviour.accepts.refusals.client.clone(),
                    why: "the assertion's jti was used before".to_owned(),
                    challenge: false,
                });
            }
        }
        let spent = match request.grant.as_str() {
            "refresh_token" => Some(self.spend(path, behaviour, request, now)?),
            _ => None,
        };
        let token = self.access_token(path, behaviour, request, length, now);
        let rules = &behaviour.refresh_tokens;
        let refresh_token = match spent {
            Some(family) if rules.rotate => Some(self.refresh_token(path, &request.client, family)),
            None if rules.issue => Some(self.first_refresh_token(path, &request.client)),
            _ => None,
        };
        Ok(Handout {
            token,
            refresh_token,
        })
    }

    fn access_token(
        &mut self,
        path: &str,
        behaviour: &Behaviour,
        request: &Checked,
        length: usize,
        now: Timestamp,
    ) -> IssuedToken {
        let client = (path.to_owned(), request.client.clone());
        let (previous, count) = self.clients.get(&client).cloned().unwrap_or_default();
        let cache_key = cache_key(path, request);
        let life = match behaviour.lifetime_for(&request.grant) {
            Lifetime::Fixed { seconds } => *seconds,
            Lifetime::Shrinking { seconds, by, least } => (seconds - by * count as f64).max(*least),
            Lifetime::Cached {
                seconds: life,
                until_left,
            } => {
                let cached = self
                    .cached
                    .get(&cache_key)
                    .and_then(|token| self.tokens.get(token));
                if let Some(cached) = cached
                    && cached.is_valid_at(now)
                    && cached.left_at(now) > seconds(*until_left)
                {
                    return cached.clone();
                }
                *life
            }
        };
        if behaviour.invalidates_previous {
            self.kill(&previous, now);
        }
        let expires = later(now, seconds(life));
        self.issued += 1;
        let token = make_token(&behaviour.tokens, self.issued, length, now, expires);
        let issued = IssuedToken {
            token: token.clone(),
            path: path.to_owned(),
            client: request.client.clone(),
            grant: request.grant.clone(),
            issued: now,
            expires,
            killed: None,
        };
        self.tokens.insert(token.clone(), issued.clone());
        self.order.push(token.clone());
        self.cached.insert(cache_key, token.clone());
        self.clients.insert(client, (token, count + 1));
        issued
    }

    /// Spends a refresh token; its family. An old one that is used again kills the family (RFC 9700 section 4.14).
    fn spend(
        &mut self,
        path: &str,
        behaviour: &Behaviour,
        request: &Checked,
        now: Timestamp,
    ) -> Result<u64, Refused> {
        let refused = |why: &str| Refused {
            refusal: behaviour.accepts.refusals.credentials.clone(),
            why: why.to_owned(),
            challenge: false,
        };
        let token = request.parameter("refresh_token").unwrap_or_default();
        let Some(known) = self.refresh.get_mut(token) else {
            return Err(refused("the refresh token is not known"));
        };
        if known.dead || known.path != path || known.client != request.client {
            return Err(refused("the refresh token is dead or not this client's"));
        }
        let family = known.family;
        let grace = seconds(behaviour.refresh_tokens.grace_seconds);
        match known.replaced {
            Some(replaced) if now.duration_since(replaced) > grace || grace.is_zero() => {
                for refresh in self
                    .refresh
                    .values_mut()
                    .filter(|refresh| refresh.family == family)
                {
                    refresh.dead = true;
                }
                Err(refused(
                    "the refresh token was used before: the family is dead",
                ))
            }
            Some(_) => Ok(family),
            None => {
                if behaviour.refresh_tokens.rotate {
                    known.replaced = Some(now);
                }
                Ok(family)
            }
        }
    }

    /// The first refresh token of a new family.
    pub(crate) fn first_refresh_token(&mut self, path: &str, client: &str) -> String {
        let family = self.refresh.len() as u64;
        self.refresh_token(path, client, family)
    }

    fn refresh_token(&mut self, path: &str, client: &str, family: u64) -> String {
        let number = self.refresh.len() + 1;
        let token = format!("scripted-refresh-{number}-{}", random());
        let refresh = Refresh {
            number,
            path: path.to_owned(),
            client: client.to_owned(),
            family,
            replaced: None,
            dead: false,
        };
        self.refresh.insert(token.clone(), refresh);
        token
    }

    pub(crate) fn refresh_tokens(&self, path: &str) -> Vec<String> {
        let all = self.refresh.iter();
        let mut all: Vec<_> = all.filter(|(_, refresh)| refresh.path == path).collect();
        all.sort_by_key(|(_, refresh)| refresh.number);
        all.into_iter().map(|(token, _)| token.clone()).collect()
    }

    pub(crate) fn get(&self, token: &str) -> Option<&IssuedToken> {
        self.tokens.get(token)
    }

    pub(crate) fn issued(&self, path: &str) -> Vec<IssuedToken> {
        self.order
            .iter()
            .filter_map(|token| self.tokens.get(token))
            .filter(|token| token.path == path)
            .cloned()
            .collect()
    }

    /// Forgets tokens that ended, and assertions that were used, before `before`.
    pub(crate) fn forget(&mut self, before: Timestamp) {
        self.tokens.retain(|_, token| token.expires >= before);
        let tokens = &self.tokens;
        self.order.retain(|token| tokens.contains_key(token));
        self.cached.retain(|_, token| tokens.contains_key(token));
        self.assertions.retain(|_, used| *used >= before);
    }

    /// Revokes a token. Returns whether it existed and was valid.
    pub(crate) fn kill(&mut self, token: &str, now: Timestamp) -> bool {
        match self.tokens.get_mut(token) {
            Some(token) if token.killed.is_none() => {
                token.killed = Some(now);
                true
            }
            _ => false,
        }
    }
}

fn cache_key(path: &str, request: &Checked) -> Vec<String> {
    let mut key = vec![path.to_owned(), request.client.clone()];
    for (name, value) in &request.parameters {
        if matches!(
            name.as_str(),
            "grant_type" | "audience" | "resource" | "scope" | "username"
        ) {
            key.push(format!("{name}={value}"));
        }
    }
    key.sort();
    key
}

fn make_token(
    tokens: &Tokens,
    number: usize,
    length: usize,
    now: Timestamp,
    expires: Timestamp,
) -> String {
    let mut token = match tokens.form {
        TokenForm::Opaque => format!("{}-{number}-{}", tokens.prefix, random()),
        TokenForm::Jwt => {
            let claims = serde_json::json!({
                "iat": now.as_second(),
                "exp": expires.as_second(),
                "jti": format!("{}-{number}-{}", tokens.prefix, random()),
            });
            let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let (head, claims) = (
                part(br#"{"alg":"RS256","typ":"JWT"}"#),
                part(claims.to_string().as_bytes()),
            );
            format!("{head}.{claims}.{}", part(random().as_bytes()))
        }
    };
    let length = length.max(tokens.length);
    token.extend(std::iter::repeat_n('x', length.saturating_sub(token.len())));
    token
}

fn random() -> String {
    // Without randomness the number in front still keeps tokens of one provider apart.
    crate::random::hex().unwrap_or_default()
}
