//! The credentials of a request in terms of the brakes ([`crate::policy::brakes`]), and the consequences of an earlier
//! refusal.

use crate::conditions::Reason;
use crate::engine::Requeue;
use crate::inputs;
use crate::model::{
    ClientSecret, FailedAttempt, Failure, Observed, RedeemedGrant, Redemption, RequestOutcome,
    RequestTimes, SecretSeen, Validated, short,
};
use crate::names::RETRY_REQUESTED;
use crate::oauth::disclosure::DISCLOSED_KEYS;
use crate::oauth::error::{FailureClass, Reached, RefusalSubject};
use crate::oauth::refresh::Origin;
use crate::oauth::request::single_line;
use crate::oauth::{ClientAuthentication, CredentialKeys, Grant};
use crate::policy::brakes::{
    BrakedRequest, Credential, CredentialKind, CredentialOutcome, CredentialRefusal,
};
use crate::policy::ownership::our_target;
use crate::secret::Secret;
use crate::time::{Span, Time};

use super::answer::failed;
use super::findings;
use super::readiness::endpoint;
use super::refresh_token;
use super::rotation::{self};

/// The next request in terms of the brakes. `host` is its destination, with the port.
pub fn braked_request(
    seen: &Observed,
    spec: &Validated,
    redemption: Option<&Redemption>,
    host: &str,
) -> BrakedRequest {
    let sent = SentCredentials { seen, spec, host };
    let grant = redemption.map(|redemption| &redemption.grant);
    let mut credentials = Vec::new();
    match grant {
        Some(RedeemedGrant::RefreshToken(token)) => credentials.push(sent.refresh_token(token)),
        Some(RedeemedGrant::Password) => credentials.extend(sent.password()),
        None => credentials.extend(sent.passwords()),
    }
    credentials.extend(sent.client_secrets(rotation::next_secret(seen, spec)));
    let sends_refresh_token = matches!(grant, Some(RedeemedGrant::RefreshToken(_)));
    BrakedRequest {
        namespace: seen.resource.namespace.clone(),
        proven: holds_a_token_made_with_them(seen, spec, sends_refresh_token),
        form: short(inputs::of(spec).sent()),
        timeout: spec.timeout,
        credentials,
    }
}

/// Whether the published token was obtained with the current credentials.
fn holds_a_token_made_with_them(seen: &Observed, spec: &Validated, refreshing: bool) -> bool {
    let Some(state) = our_target(seen, spec).and_then(SecretSeen::state) else {
        return false;
    };
    let same_version = seen.credentials_version().is_some_and(|version| {
        let known = seen.memory.fingerprint.as_ref();
        let content = seen.content_with(rotation::first(seen, spec));
        state.credentials == version
            || known.is_some_and(|known| {
                known.version == short(&state.credentials) && Some(known.content) == content
            })
    });
    // Refresh tokens differ each time, so what else was sent proves nothing about them.
    let own_failure = seen
        .memory
        .attempt
        .as_ref()
        .is_some_and(|attempt| attempt.time > state.issued);
    same_version && !own_failure && !refreshing
}

/// What a response says about the credentials that were sent.
pub fn braked_outcome(
    spec: &Validated,
    redemption: Option<&Redemption>,
    failure: &Failure,
) -> CredentialOutcome {
    if failure.reached == Reached::Never || failure.reached == Reached::Unknown {
        return CredentialOutcome::Unknown;
    }
    let grant = redemption.map(|redemption| &redemption.grant);
    let kind = match grant {
        Some(RedeemedGrant::RefreshToken(_)) => Some(CredentialKind::RefreshToken),
        Some(RedeemedGrant::Password) => Some(CredentialKind::Password),
        None => spec
            .client
            .sends_password()
            .then_some(CredentialKind::Password),
    };
    let refused = |kind| CredentialOutcome::Refused {
        kind,
        reason: failure.reason(),
    };
    let Some(about) = failure.about() else {
        return CredentialOutcome::Unknown;
    };
    let is_final = failure.class == FailureClass::NeedsPerson;
    match kind {
        Some(kind) if is_final && about.may_refuse_grant() => refused(kind),
        _ if failure.class == FailureClass::Transient => CredentialOutcome::Unknown,
        _ if about.refuses_client() => refused(CredentialKind::ClientSecret),
        // What proves who the client is may be a part of the grant.
        _ if about == RefusalSubject::Grant && is_own_grant(spec) => {
            refused(CredentialKind::ClientSecret)
        }
        _ => CredentialOutcome::Unknown,
    }
}

/// Whether only parameters and headers of the resource prove anything to the provider.
fn is_own_grant(spec: &Validated) -> bool {
    matches!(spec.client.grant, Grant::Other(_))
        && spec.client.authentication == ClientAuthentication::None
}

/// Refused credentials according to a resource's status and refresh state: noted before anything is sent.
pub fn refused_before(seen: &Observed) -> Vec<(Credential, CredentialRefusal)> {
    let Ok(spec) = &seen.resource.spec else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if spec.client.is_located() {
        let host = host_of(&spec.client.token_url);
        let sent = SentCredentials {
            seen,
            spec,
            host: &host,
        };
        if let Some(attempt) = seen.memory.attempt.as_deref() {
            sent.refused_by_attempt(attempt, &mut found);
        }
    }
    if let Some(refreshing) = &spec.refreshing {
        let url = refreshing.url.as_ref().unwrap_or(&spec.client.token_url);
        let host = host_of(url);
        let sent = SentCredentials {
            seen,
            spec,
            host: &host,
        };
        for token in refresh_token::refused_tokens(seen, spec) {
            let refusal = CredentialRefusal {
                kind: CredentialKind::RefreshToken,
                reason: Reason::ReauthorizationRequired.as_str(),
                time: seen.now,
                failures: 1,
                next: None,
            };
            found.push((sent.refresh_token(&token), refusal));
        }
    }
    found
}

/// The destination of a request: the host without a trailing dot, and the port.
pub fn host_of(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    format!("{host}:{}", url.port_or_known_default().unwrap_or(0))
}

struct SentCredentials<'a> {
    seen: &'a Observed,
    spec: &'a Validated,
    host: &'a str,
}

impl SentCredentials<'_> {
    fn keys(&self) -> &CredentialKeys {
        &self.spec.client.keys
    }

    /// A value of the credentials Secret as it is sent.
    fn value(&self, key: &str) -> Option<&str> {
        let credentials = self.seen.credentials.as_ref()?;
        credentials.data.get(key)?.expose().map(single_line)
    }

    fn client_id(&self) -> String {
        let login = self.seen.family.login.as_ref();
        let of_login = || {
            login?
                .data
                .get(refresh_token::LOGIN_CLIENT_ID)?
                .expose()
                .map(single_line)
        };
        let fixed = self.spec.client.client_id.as_deref();
        fixed
            .or_else(|| self.value(&self.keys().client_id))
            .or_else(of_login)
            .unwrap_or_default()
            .to_owned()
    }

    /// The client that a password is sent for, as the credentials say: another name in a resource makes no other password.
    fn client_of_password(&self) -> String {
        let of_secret = self.value(&self.keys().client_id);
        of_secret.unwrap_or_default().to_owned()
    }

    fn credential(&self, kind: CredentialKind, parts: &[&[u8]]) -> Credential {
        let retry = self.seen.retry_requested().unwrap_or_default();
        let mut content = Vec::new();
        for part in parts.iter().copied().chain([retry.as_bytes()]) {
            content.extend((part.len() as u64).to_le_bytes());
            content.extend(part);
        }
        Credential {
            kind,
            host: self.host.to_owned(),
            client: match kind {
                CredentialKind::Password => self.client_of_password(),
                CredentialKind::RefreshToken | CredentialKind::ClientSecret => self.client_id(),
            },
            content: Secret::new(content),
        }
    }

    fn password(&self) -> Option<Credential> {
        let user = self.value(&self.keys().username)?;
        let password = self.value(&self.keys().password)?;
        let parts = [user.as_bytes(), password.as_bytes()];
        Some(self.credential(CredentialKind::Password, &parts))
    }

    /// All passwords that a request without a refresh token sends: of the password grant, and in parameters and headers. Of
    /// the latter nobody knows which parameter names the user, so they count for the user of the Secret and by themselves.
    fn passwords(&self) -> Vec<Credential> {
        let of_grant = self.spec.client.grant == Grant::Password;
        let mut all: Vec<Credential> = of_grant
            .then(|| self.password())
            .flatten()
            .into_iter()
            .collect();
        let user = self.value(&self.keys().username).unwrap_or_default();
        for key in self.spec.client.sent_passwords() {
            let Some(password) = self.value(key) else {
                continue;
            };
            for user in [user, ""] {
                let parts = [user.as_bytes(), password.as_bytes()];
                all.push(self.credential(CredentialKind::Password, &parts));
            }
        }
        all
    }

    /// A refresh token belongs to one client, so another client secret may have been the problem.
    fn refresh_token(&self, token: &Secret) -> Credential {
        let secret = self.client_secret(rotation::next_secret(self.seen, self.spec));
        let secret = secret
            .as_ref()
            .map_or(&[][..], |one| one.content.expose_bytes());
        self.credential(
            CredentialKind::RefreshToken,
            &[token.expose_bytes(), secret],
        )
    }

    fn client_secret(&self, which: ClientSecret) -> Option<Credential> {
        let key = match &self.spec.client.authentication {
            ClientAuthentication::PrivateKeyJwt(_) => &self.keys().private_key,
            _ if self.spec.client.uses_client_secret() => which.key(self.keys()),
            _ => return None,
        };
        let value = self.value(key)?;
        Some(self.credential(CredentialKind::ClientSecret, &[value.as_bytes()]))
    }

    /// What proves who the client is: its secret or key, or, with none of these, the secret values in parameters and headers.
    fn client_secrets(&self, which: ClientSecret) -> Vec<Credential> {
        let client = &self.spec.client;
        if client.authentication != ClientAuthentication::None {
            return self.client_secret(which).into_iter().collect();
        }
        let passwords: Vec<&str> = client.sent_passwords().collect();
        client
            .sent_keys()
            .map(|(_, key)| key)
            .filter(|key| !DISCLOSED_KEYS.contains(key) && !passwords.contains(key))
            .filter_map(|key| self.value(key))
            .map(|value| self.credential(CredentialKind::ClientSecret, &[value.as_bytes()]))
            .collect()
    }

    /// What an attempt with the current credentials says about them.
    fn refused_by_attempt(
        &self,
        attempt: &FailedAttempt,
        found: &mut Vec<(Credential, CredentialRefusal)>,
    ) {
        let same = self.seen.credentials_version().is_some_and(|version| {
            attempt.credentials == version
                || (attempt.content.is_some() && attempt.content == self.seen.whole_content())
        });
        let Some(reason) = Reason::parse(&attempt.reason) else {
            return;
        };
        if !same || attempt.endpoint != endpoint(self.spec) {
            return;
        }
        let refusal = |kind| CredentialRefusal {
            kind,
            reason: reason.as_str(),
            time: attempt.time,
            failures: attempt.failures,
            next: attempt.next,
        };
        let Some(about) = RefusalSubject::of_reason(reason.as_str()) else {
            return;
        };
        let of_client = about.refuses_client();
        if attempt.next.is_none() && about.may_refuse_grant() {
            let origin = self.spec.refreshing.as_ref().map(|one| one.origin);
            if origin == Some(Origin::Password) {
                let password = self.password();
                found
                    .extend(password.map(|password| (password, refusal(CredentialKind::Password))));
            } else if origin.is_none() {
                let sent = self.passwords().into_iter();
                found.extend(sent.map(|password| (password, refusal(CredentialKind::Password))));
            }
        } else if (of_client || about == RefusalSubject::Grant && is_own_grant(self.spec))
            && attempt.class != FailureClass::Transient
        {
            let secrets = [ClientSecret::Current, ClientSecret::Next];
            let mut refused = secrets
                .into_iter()
                .filter(|secret| attempt.refused.contains(secret.key(self.keys())))
                .collect::<Vec<_>>();
            if refused.is_empty() {
                refused.push(rotation::next_secret(self.seen, self.spec));
            }
            let refused = refused.into_iter().flat_map(|one| self.client_secrets(one));
            found.extend(refused.map(|secret| (secret, refusal(CredentialKind::ClientSecret))));
        }
    }
}

/// The consequences of an earlier refusal: nothing is sent, and the resource reports it as if its own request had
/// failed.
pub fn braked(
    seen: &Observed,
    spec: &Validated,
    refusal: &CredentialRefusal,
    now: Time,
    jitter: f64,
) -> RequestOutcome {
    let failure = Failure::new(
        match refusal.next {
            None => FailureClass::NeedsPerson,
            Some(_) => FailureClass::Permanent,
        },
        findings::braked(seen, spec, refusal),
        Reached::Never,
    );
    let at = RequestTimes {
        sent: now,
        received: now,
        jitter,
    };
    let mut outcome = failed(seen, spec, &failure, at);
    let Some(attempt) = &mut outcome.attempt else {
        return outcome;
    };
    // With two client secrets, the other one is tried as after a refusal.
    if attempt.class != failure.class {
        return outcome;
    }
    let issued = our_target(seen, spec)
        .and_then(SecretSeen::state)
        .map(|state| state.issued)
        .filter(|issued| *issued <= now);
    attempt.failures = refusal.failures;
    // A later request says nothing about this credential, but an older failure does not count.
    attempt.time = refusal
        .time
        .min(now)
        .max(
            seen.memory
                .last_sent
                .filter(|sent| *sent <= now)
                .unwrap_or(refusal.time),
        )
        .max(issued.unwrap_or(refusal.time));
    attempt.next = refusal.next.map(|next| next.max(now + SHORTEST));
    outcome.requeue = match attempt.next {
        Some(next) => Requeue::RequestAt(next),
        None => Requeue::OnChange,
    };
    outcome.assessment.attempt = Some(attempt.clone());
    outcome
}

/// The minimum pause before a refused credential is requested again.
const SHORTEST: Span = Span::from_millis(2500);

impl RequestOutcome {
    /// Postpones the next attempt to the time that all resources with the same client secret wait for.
    pub fn postpone(&mut self, next: Option<Time>) {
        let Some(next) = next else { return };
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        if attempt.class == FailureClass::Permanent && attempt.next.is_some_and(|own| own < next) {
            attempt.next = Some(next);
            self.assessment.attempt = Some(attempt.clone());
            if matches!(self.requeue, Requeue::RequestAt(_)) {
                self.requeue = Requeue::RequestAt(next);
            }
        }
    }
}

impl Observed {
    /// Whether the owner of the credentials Secret requests another attempt with refused credentials.
    pub fn retry_requested(&self) -> Option<&str> {
        let credentials = self.credentials.as_ref()?;
        let requested = credentials.annotations.get(RETRY_REQUESTED)?;
        Some(requested.as_str())
    }
}
