//! Revocation of a token (RFC 7009): which token, where, and whether it may be sent there. Pure.

use crate::messages::NotRevoked;
use crate::model::{Observed, Prerequisite, SecretSeen, token_hash};
use crate::oauth::{self, HttpAnswer, HttpRequest, ResponseShape};
use crate::policy::ownership::our_target;
use crate::secret::Secret;
use crate::time::{Span, Time};
use crate::trust::Lenders;

use super::provenance::{self, RequestPart};
use super::{accounts, dpop, findings, rotation};

/// The name of an access token in a revocation (RFC 7009 section 2.1).
pub const ACCESS_TOKEN: &str = "access_token";

/// A token with its lenders; `None` if they are unknown.
#[derive(Clone)]
pub struct TokenWithLenders {
    /// The token.
    pub token: Secret,
    /// Its lenders.
    pub lenders: Option<Lenders>,
}

/// The name of a refresh token in a revocation.
const REFRESH_TOKEN: &str = "refresh_token";

/// What to do to revoke a token.
pub enum RevocationStep {
    /// Fetch this prerequisite.
    Fetch(Prerequisite),
    /// Send this request.
    Send(Box<HttpRequest>),
    /// Nothing can be done.
    Impossible(NotRevoked),
}

/// The meaning of a response to a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The token is revoked.
    Done,
    /// It may succeed later.
    Retry(NotRevoked),
    /// It does not succeed.
    Refused(NotRevoked),
}

impl Observed {
    /// Whether [`super::REVOCATION_FINALIZER`] must be added or removed: only resources with revocation on deletion have it.
    pub fn finalizer_change(&self) -> Option<bool> {
        if self.resource.deleting {
            return None;
        }
        let spec = self.resource.spec.as_ref().ok()?;
        let choice = spec.revocation.as_ref();
        let wanted = choice.is_some_and(|choice| choice.on_deletion);
        (wanted != self.resource.has_finalizer()).then_some(wanted)
    }
}

/// The published access token in the Secret: the value, or its last word, whose hash is in the state.
fn published_token(seen: &Observed) -> Option<TokenWithLenders> {
    let spec = seen.resource.spec.as_ref().ok()?;
    let target = our_target(seen, spec)?;
    let state = target.state()?;
    let uid = &seen.resource.uid;
    let ours = state.managed.data.iter();
    ours.filter_map(|key| target.data.get(key)?.expose())
        .flat_map(|value| [value, value.rsplit(' ').next().unwrap_or(value)])
        .map(Secret::from)
        .find(|token| token_hash(uid, token) == state.token_hash)
        .map(|token| TokenWithLenders {
            token,
            lenders: state.lenders.clone(),
        })
}

/// The tokens of a deleted resource, with their names in a revocation (RFC 7009 section 2.1). The refresh token comes
/// first, because it lives longest, and many servers revoke the access token with it.
pub fn tokens_to_revoke(seen: &Observed) -> Vec<(TokenWithLenders, &'static str)> {
    let state = seen.family.state.as_ref();
    let ours = state.is_some_and(|state| state.is_owned_by(&seen.resource));
    let record = seen.record().filter(|_| ours).and_then(Result::ok);
    let refresh = record.and_then(|record| {
        let token = TokenWithLenders {
            token: record.refresh_token?,
            lenders: record.lenders,
        };
        Some((token, REFRESH_TOKEN))
    });
    let access = published_token(seen).map(|token| (token, ACCESS_TOKEN));
    refresh.into_iter().chain(access).collect()
}

/// The token that a new one replaced, and when to revoke it: `None` if that is not configured, it is the same, or it
/// expires before.
pub fn replaced_token(
    seen: &Observed,
    new_hash: &str,
    now: Time,
) -> Option<(TokenWithLenders, Span)> {
    let spec = seen.resource.spec.as_ref().ok()?;
    if spec.refreshing.is_some() {
        // A provider may revoke the refresh token together with an access token that was issued with it (RFC 7009
        // section 2.1).
        return None;
    }
    let after = spec.revocation.as_ref()?.previous_after?;
    let state = our_target(seen, spec).and_then(SecretSeen::state)?;
    if state.token_hash == new_hash || state.expires() <= now + after {
        return None;
    }
    Some((published_token(seen)?, after))
}

/// How to revoke a token; `hint` is its name, `again` means that the provider has refused the client
/// ([`has_another_secret`]). The rules for token requests apply: opt-in, allowed hosts, https.
pub fn revocation_step(
    seen: &Observed,
    token: &TokenWithLenders,
    hint: &str,
    again: bool,
    now: Time,
) -> RevocationStep {
    let cannot = RevocationStep::Impossible;
    let Ok(spec) = &seen.resource.spec else {
        return cannot(NotRevoked::InvalidSpec);
    };
    let Some(choice) = &spec.revocation else {
        return cannot(NotRevoked::NotConfigured);
    };
    if !spec.client.is_located() {
        return RevocationStep::Fetch(Prerequisite::Discovery);
    }
    if spec.credentials_secret.is_some() && seen.credentials.is_none() {
        return cannot(NotRevoked::CredentialsGone);
    }
    if spec.client_certificate.is_some() && seen.certificate.facts().is_none() {
        return cannot(NotRevoked::CertificateGone);
    }
    let discovered = spec.client.issuer.as_ref();
    let discovered = discovered.and_then(|located| located.endpoints.as_ref()?.revocation.as_ref());
    let (field, endpoint) = match (&choice.url, discovered) {
        (Some(url), _) => ("spec.provider.revocationURL", url),
        (None, Some(url)) => (spec.client.provider_field(), url),
        (None, None) => {
            return cannot(NotRevoked::NoEndpoint);
        }
    };
    if endpoint.scheme() != "https" && !seen.rules.allow_http {
        return cannot(NotRevoked::HttpEndpoint);
    }
    let part = match hint {
        REFRESH_TOKEN => RequestPart::RefreshToken,
        _ => RequestPart::Returned,
    };
    let Some(stored) = &token.lenders else {
        return cannot(NotRevoked::OwnersUnknown);
    };
    let lenders = match provenance::of_call(seen, spec, (stored, part), (field, endpoint)) {
        Ok(lenders) => lenders,
        Err(problem) => {
            let finding = problem.finding;
            return cannot(NotRevoked::Prevented { finding });
        }
    };
    // Only now, because no ServiceAccount token is created for a request that is not sent.
    if let Some(prerequisite) = accounts::needed_for_call(seen, spec) {
        return RevocationStep::Fetch(prerequisite);
    }
    let values = seen.credentials.as_ref();
    let values = values.map(|secret| secret.data.clone()).unwrap_or_default();
    let credentials = oauth::Credentials::new(values, lenders.clone());
    let parameters = vec![
        ("token".to_owned(), token.token.clone()),
        ("token_type_hint".to_owned(), Secret::from(hint)),
    ];
    let other = again.then(|| rotation::other_client(seen, spec)).flatten();
    let mut context = oauth::RequestContext::new(now, &seen.nonce);
    context.tokens = seen.created_tokens.clone();
    context.dpop = dpop::proof_key(seen, spec, endpoint);
    let request = oauth::request::build_call(
        &other.unwrap_or_else(|| rotation::client(seen, spec)),
        endpoint,
        (parameters, &lenders),
        &credentials,
        &context,
    );
    match request {
        Ok(request) => RevocationStep::Send(Box::new(request)),
        Err(problem) => {
            let secret = findings::secret_name(spec);
            let finding = findings::credentials(secret, &problem).finding;
            RevocationStep::Impossible(NotRevoked::Prevented { finding })
        }
    }
}

/// Whether a response refuses the client, and the credentials contain another client secret to try.
pub fn has_another_secret(seen: &Observed, answer: &HttpAnswer, now: Time) -> bool {
    let Ok(spec) = &seen.resource.spec else {
        return false;
    };
    let refused = oauth::response::decode(&spec.client.response, answer, now)
        .is_err_and(|error| matches!(error.reason(), "InvalidClient" | "Unauthorized"));
    refused && rotation::other_client(seen, spec).is_some()
}

/// The meaning of a response's status (RFC 7009 section 2.2): 200 also for a token that was already invalid.
pub fn revoked(shape: &ResponseShape, answer: &HttpAnswer, now: Time) -> Revoked {
    let status = answer.status;
    let why = || NotRevoked::Answered {
        status,
        code: match oauth::response::decode(shape, answer, now) {
            Err(error) => error.provider_code().cloned(),
            Ok(_) => None,
        },
    };
    match status {
        200..=299 => Revoked::Done,
        408 | 425 | 429 | 500.. => Revoked::Retry(why()),
        _ => Revoked::Refused(why()),
    }
}
