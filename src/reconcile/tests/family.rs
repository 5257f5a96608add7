//! Refresh tokens through crashes: a provider that lets each work once, a state Secret, and processes that end anywhere.

mod field;
mod histories;
mod offers;
mod room;
mod rotation;
mod sentences;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::FamilySeen;
use crate::oauth::error::Reached;
use crate::policy::{login_name, state_name};
use crate::time::HostTime;

use super::*;
pub(super) use histories::cases;

/// What becomes of a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It has a normal response.
    Answered,
    /// It never arrives.
    Unsent,
    /// It arrives, and its answer is lost.
    Lost,
    /// The process ends before it arrives.
    CrashBefore,
    /// The process ends after it arrived.
    CrashAfter,
    /// HTTP 503, without having been looked at.
    Unavailable,
    /// The client is not accepted.
    InvalidClient,
    /// The response reports success and has a refresh token, but its access token cannot be used.
    Unusable,
    /// The connection is reset before the provider reads the request, which nobody can know.
    Reset,
    /// This, from something that did not look at the refresh token.
    Raw(u16, &'static str),
}

/// A refresh token as the provider knows it.
struct Known {
    family: u32,
    replaced: Option<Time>,
}

/// A provider whose refresh tokens rotate.
#[derive(Default)]
pub(super) struct FamilyScript {
    pub(super) process: u32,
    /// The machine that it runs on.
    pub(super) machine: u32,
    /// How far the wall clock was set ahead.
    pub(super) ahead: Span,
    /// How an old token remains valid; never for a strict provider.
    pub(super) grace: Span,
    /// A response has no new refresh token: the old one remains valid.
    pub(super) keeps_tokens: bool,
    /// What an answer says of the refresh token's life.
    pub(super) life: Option<i64>,
    /// The lifetime of access tokens.
    pub(super) access_life: i64,
    known: BTreeMap<String, Known>,
    dead: BTreeSet<u32>,
    /// Which refresh tokens have arrived, in order; a password shows as itself.
    pub(super) arrived: Vec<String>,
    /// Refresh tokens that went out, whether they arrived or not.
    pub(super) sent: Vec<String>,
    /// By which process each was sent, and when by a clock that is never set.
    pub(super) sent_at: Vec<(String, u32, Time)>,
    pub(super) requests: VecDeque<Sent>,
    pub(super) keeps: VecDeque<Fault>,
    /// How often the outcome of a request was lost.
    pub(super) lost: u32,
    looks: u32,
    issued: u32,
}

impl FamilyScript {
    fn issue(&mut self, family: u32) -> String {
        self.issued += 1;
        let token = format!("refresh-{}", self.issued);
        let known = Known {
            family,
            replaced: None,
        };
        self.known.insert(token.clone(), known);
        token
    }

    /// A refresh token as a login gives it.
    pub(super) fn login(&mut self) -> String {
        let family = self.issued + 1000;
        self.issue(family)
    }

    /// Everything that was granted is revoked.
    pub(super) fn revoke(&mut self) {
        self.dead
            .extend(self.known.values().map(|known| known.family));
    }

    /// What the provider makes of a refresh token: its successor, if it takes it.
    fn take(&mut self, token: &str, now: Time) -> Option<Option<String>> {
        let (grace, keeps) = (self.grace, self.keeps_tokens);
        let known = self.known.get_mut(token)?;
        let family = known.family;
        if self.dead.contains(&family) {
            return None;
        }
        if known
            .replaced
            .is_some_and(|replaced| now.since(replaced) > grace || grace == Span::ZERO)
        {
            self.dead.insert(family);
            return None;
        }
        if keeps {
            return Some(None);
        }
        known.replaced = Some(known.replaced.unwrap_or(now));
        Some(Some(self.issue(family)))
    }
}

impl Inner {
    pub(super) fn process(&mut self) -> FamilySeen {
        self.family.looks += 1;
        FamilySeen {
            process: format!("process-{}", self.family.process),
            attempt: format!("attempt-{}", self.family.looks),
            // Every process counts from its own start, but nothing here runs long enough for a difference.
            elapsed: self.now.since(at(0)) - self.family.ahead,
            host_time: Some(self.host_time()),
            drain: span(10),
            ..FamilySeen::default()
        }
    }

    /// The clock that the processes of one machine share.
    pub(super) fn host_time(&self) -> HostTime {
        let host = format!("machine-{}", self.family.machine);
        let since = self.now.since(at(0)) - self.family.ahead;
        // Each machine was started at another time.
        let millis = since.millis() + 1_000_000 * i64::from(self.family.machine);
        HostTime { host, millis }
    }

    /// The refresh token that the state Secret holds.
    fn stored(&self) -> Option<String> {
        let state = self.secrets.get(&state_name("books"))?;
        Some(state.data.get("refresh_token")?.expose()?.to_owned())
    }

    fn answer(&mut self, form: &BTreeMap<String, String>) -> (u16, String) {
        let token = form.get("refresh_token").cloned();
        self.family
            .arrived
            .push(token.clone().unwrap_or_else(|| "password".to_owned()));
        let now = self.real();
        let next = match &token {
            Some(token) => match self.family.take(token, now) {
                Some(next) => next,
                None => return (400, r#"{"error":"invalid_grant"}"#.to_owned()),
            },
            None if form.get("password").map(String::as_str) != Some("right") => {
                return (400, r#"{"error":"invalid_grant"}"#.to_owned());
            }
            None => Some(self.family.login()),
        };
        let mut answer = serde_json::json!({
            "access_token": format!("token-{}", self.family.arrived.len()),
            "expires_in": self.family.access_life,
        });
        if let Some(next) = next {
            answer["refresh_token"] = next.into();
        }
        if let Some(life) = self.family.life {
            answer["refresh_expires_in"] = life.into();
        }
        (200, answer.to_string())
    }
}

/// The claims of the proof of possession in a request.
pub(super) fn proof(request: &HttpRequest) -> Option<serde_json::Value> {
    use base64::Engine as _;
    let mut headers = request.headers.iter();
    let (_, value) = headers.find(|(name, _)| name == "dpop")?;
    let claims = value.expose()?.split('.').nth(1)?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims);
    serde_json::from_slice(&claims.ok()?).ok()
}

/// The client secret that a request was sent with.
fn client_secret(request: &HttpRequest) -> Option<String> {
    use base64::Engine as _;
    let mut headers = request.headers.iter();
    let (_, value) = headers.find(|(name, _)| name == "authorization")?;
    let pair = base64::engine::general_purpose::STANDARD
        .decode(value.expose()?.strip_prefix("Basic ")?)
        .ok()?;
    let pair = String::from_utf8(pair).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

fn attempt_failed(reached: Reached, reason: &'static str) -> Failure {
    Failure::new(
        FailureClass::Transient,
        *crate::policy::tests::failing(reason),
        reached,
    )
}

impl Scene {
    /// A resource that works with refresh tokens, whose credentials hold this one.
    pub(super) fn family(extra: &'static str, token: Option<&str>) -> Scene {
        let scene = Scene::new(&Spec::extra(extra));
        {
            let mut inner = scene.inner();
            inner.family.access_life = 3600;
            let seed = inner.family.login();
            let given = token.map_or(seed, str::to_owned);
            drop(inner);
            scene.offer(Some(&given));
        }
        scene
    }

    /// Nothing goes wrong any more.
    pub(super) fn calm(&self) {
        let mut inner = self.inner();
        inner.family.requests.clear();
        inner.family.keeps.clear();
        inner.writes.clear();
        inner.looks.clear();
    }

    /// Puts a refresh token into the credentials, or takes it out.
    pub(super) fn offer(&self, token: Option<&str>) {
        let mut inner = self.inner();
        let version = inner.version + 1;
        inner.version = version;
        if let Some(credentials) = &mut inner.credentials {
            credentials.resource_version = version.to_string();
            match token {
                Some(token) => credentials
                    .data
                    .insert("refresh_token".into(), Secret::from(token)),
                None => credentials.data.remove("refresh_token"),
            };
        }
    }

    /// Puts another client secret into the credentials.
    pub(super) fn with_client_secret(&self, secret: &str) {
        let mut inner = self.inner();
        if let Some(credentials) = &mut inner.credentials {
            let value = Secret::from(secret);
            credentials.data.insert("client_secret".into(), value);
        }
    }

    /// Makes the login Secret.
    pub(super) fn log_in(&self, token: &str) {
        let mut login = credentials(1, "pw");
        login.name = login_name("books");
        login.data = crate::policy::tests::data(&[("refresh_token", token)]);
        self.put(login);
    }

    pub(super) async fn exchange(&self, request: &HttpRequest) -> Result<HttpAnswer, Failure> {
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.body.expose_bytes())
                .into_owned()
                .collect();
        let fate = {
            let mut inner = self.inner();
            inner.requests += 1;
            let url = request.url.expose().unwrap_or_default().to_owned();
            inner.sent_to.push(url);
            inner.sent_secrets.extend(client_secret(request));
            inner.now = inner.now + Span::from_millis(100);
            if let Some(token) = form.get("refresh_token") {
                inner.family.sent.push(token.clone());
                let sent = (token.clone(), inner.family.process, inner.real());
                inner.family.sent_at.push(sent);
                inner.may_jump();
                // The stored token is the one that is redeemed, once there is one: a known successor is never passed
                // over.
                let stored = inner.stored();
                let new_seed = inner
                    .family
                    .sent
                    .iter()
                    .filter(|sent| *sent == token)
                    .count()
                    == 1;
                let never_issued = !inner.family.known.contains_key(token);
                let passed_over = stored.is_some() && stored.as_ref() != Some(token);
                assert!(!passed_over || new_seed || never_issued);
            }
            inner.family.requests.pop_front().unwrap_or(Sent::Answered)
        };
        let (status, body) = match fate {
            Sent::Answered => self.inner().answer(&form),
            Sent::Unusable => {
                let (status, body) = self.inner().answer(&form);
                (status, body.replace("\"token-", "\"token-\\n"))
            }
            Sent::Unsent => return Err(attempt_failed(Reached::Never, "ConnectFailed")),
            Sent::Lost => {
                let mut inner = self.inner();
                inner.answer(&form);
                inner.family.lost += 1;
                inner.now = inner.now + span(10);
                return Err(attempt_failed(Reached::Unknown, "Timeout"));
            }
            Sent::CrashBefore | Sent::CrashAfter => {
                if fate == Sent::CrashAfter {
                    self.inner().answer(&form);
                }
                self.end();
                return std::future::pending().await;
            }
            Sent::Reset => {
                self.inner().family.lost += 1;
                return Err(attempt_failed(Reached::Unknown, "ConnectFailed"));
            }
            Sent::Raw(status, body) => (status, body.to_owned()),
            Sent::Unavailable => (503, String::new()),
            Sent::InvalidClient => (401, r#"{"error":"invalid_client"}"#.to_owned()),
        };
        let body = match proof(request) {
            Some(_) => body.replacen('{', r#"{"token_type":"DPoP","#, 1),
            None => body,
        };
        Ok(HttpAnswer {
            headers: Vec::new(),
            status,
            content_type: Some("application/json".into()),
            retry_after: None,
            body: Secret::from(body),
            sent: request.secrets.clone(),
        })
    }

    pub(super) async fn keep_state(&self, body: &SecretBody) -> Result<SecretSeen, WriteError> {
        self.inner().may_jump();
        let fault = self.inner().family.keeps.pop_front().unwrap_or(Fault::Fine);
        let lost = || WriteError::Passing("no answer".into());
        match fault {
            Fault::Fine => self.inner().apply(body),
            Fault::Conflict => Err(WriteError::Raced),
            Fault::Lost => Err(lost()),
            Fault::Committed => self.inner().apply(body).and(Err(lost())),
            Fault::Forbidden => Err(WriteError::Forbidden(WriteRefusal::Role)),
            Fault::Refused => Err(WriteError::Refused(WriteRefusal::Quota)),
            Fault::Rejected => Err(WriteError::Rejected(WriteRefusal::Server {
                status: 422,
                word: "Invalid".into(),
            })),
            Fault::Terminating => Err(WriteError::NamespaceTerminating),
            Fault::CrashBefore | Fault::CrashAfter => {
                if fault == Fault::CrashAfter {
                    let _ = self.inner().apply(body);
                }
                self.end();
                std::future::pending().await
            }
        }
    }

    /// The process ends, and with it what only it knew.
    fn end(&self) {
        let mut inner = self.inner();
        inner.family.lost += 1;
        inner.crashed = true;
    }

    /// How often each refresh token arrived at the provider, most often first.
    pub(super) fn most_often(&self) -> usize {
        let inner = self.inner();
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for token in inner
            .family
            .arrived
            .iter()
            .filter(|token| *token != "password")
        {
            *counts.entry(token).or_default() += 1;
        }
        counts.values().copied().max().unwrap_or(0)
    }
}
