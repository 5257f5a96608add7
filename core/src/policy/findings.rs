//! What prevents a request, as findings: the fields come from the observation, the words from [`crate::messages`].

use url::Url;

use crate::conditions::Reason;
use crate::messages::{
    CredentialsFinding, Flaw, Foreign, NoToken, Note, ReferenceFinding, RefusedCredential,
    RequestFinding, SpecFinding, TokenSecretFinding, TrustFinding,
};
use crate::model::{ConfigMapKey, Observed, Problem, SecretSeen, SpecProblem, Validated};
use crate::oauth::error::ProviderCode;
use crate::oauth::request::CredentialsProblem;
use crate::policy::brakes::{CredentialKind, CredentialRefusal};
use crate::time::Time;

fn namespace(seen: &Observed) -> String {
    seen.resource.namespace.clone()
}

fn resource(seen: &Observed) -> String {
    seen.resource.name.clone()
}

/// Finds [`SpecFinding::Invalid`], or [`SpecFinding::InvalidTemplate`] if only templates are wrong.
pub fn invalid_spec(problems: &[SpecProblem]) -> Problem {
    let all_of_templates = problems
        .iter()
        .all(|problem| problem.field.starts_with("spec.tokenSecret.data"));
    let mut flaws = problems.iter();
    let first = flaws.next();
    let first = Flaw::At {
        field: first.map_or_else(|| "spec".to_owned(), |problem| problem.field.clone()),
        problem: first.map_or_else(String::new, |problem| problem.message.clone()),
    };
    let others = flaws.map(|problem| problem.field.clone()).collect();
    Problem::stalled(match all_of_templates {
        true => SpecFinding::InvalidTemplate { first, others },
        false => SpecFinding::Invalid { first, others },
    })
}

/// Finds [`TrustFinding::PermissionMissing`].
pub fn permission_denied(namespace: &str, right: &str) -> Problem {
    Problem::stalled(TrustFinding::PermissionMissing {
        right: right.to_owned(),
        namespace: namespace.to_owned(),
    })
}

/// Finds [`SpecFinding::HttpNotAllowed`].
pub fn http_not_allowed(spec: &Validated, field: &'static str, url: &Url) -> Problem {
    let issuer = spec.client.issuer.as_ref();
    let is_located = issuer.is_some_and(|located| located.endpoints.is_some());
    Problem::stalled(SpecFinding::HttpNotAllowed {
        field,
        discovered: is_located && field == spec.client.provider_field(),
        host: url.host_str().unwrap_or_default().to_owned(),
    })
}

/// The credentials Secret, for messages that exist only if there is one.
pub fn secret_name(spec: &Validated) -> &str {
    spec.credentials_secret.as_deref().unwrap_or_default()
}

/// Finds [`ReferenceFinding::NotReady`] where another resource is going to write the Secret, else
/// [`CredentialsFinding::NotFound`].
pub fn no_credentials(seen: &Observed, spec: &Validated) -> Problem {
    if let Some(client) = &seen.credentials_publisher {
        return Problem::waiting(ReferenceFinding::NotReady {
            client: client.clone(),
            namespace: namespace(seen),
            why: NoToken::NotIssued,
        });
    }
    Problem::waiting(CredentialsFinding::NotFound {
        secret: secret_name(spec).to_owned(),
        namespace: namespace(seen),
    })
}

/// Finds [`CredentialsFinding::NotLabelled`].
pub fn not_labelled(seen: &Observed, name: &str) -> Problem {
    Problem::waiting(CredentialsFinding::NotLabelled {
        secret: name.to_owned(),
        namespace: namespace(seen),
    })
}

/// Finds [`CredentialsFinding::Unusable`].
pub fn credentials(name: &str, problem: &CredentialsProblem) -> Problem {
    Problem::waiting(CredentialsFinding::Unusable {
        secret: name.to_owned(),
        problem: problem.clone(),
    })
}

/// Finds [`CredentialsFinding::CaNotFound`].
pub fn no_ca(seen: &Observed, bundle: &ConfigMapKey) -> Problem {
    Problem::waiting(CredentialsFinding::CaNotFound {
        config_map: bundle.name.clone(),
        namespace: namespace(seen),
        key: bundle.key.clone(),
    })
}

/// Finds [`CredentialsFinding::CaKeyMissing`].
pub fn no_ca_key(seen: &Observed, bundle: &ConfigMapKey) -> Problem {
    Problem::waiting(CredentialsFinding::CaKeyMissing {
        config_map: bundle.name.clone(),
        namespace: namespace(seen),
        key: bundle.key.clone(),
    })
}

/// Finds [`CredentialsFinding::CaInvalid`].
pub fn bad_ca(bundle: &ConfigMapKey, why: &str) -> Problem {
    Problem::waiting(CredentialsFinding::CaInvalid {
        config_map: bundle.name.clone(),
        key: bundle.key.clone(),
        problem: why.to_owned(),
    })
}

/// Finds [`TokenSecretFinding::Predecessor`].
pub fn predecessor(target: &SecretSeen) -> Problem {
    Problem::waiting(TokenSecretFinding::Predecessor {
        secret: target.name.clone(),
    })
}

/// Finds [`TokenSecretFinding::Deleting`].
pub fn being_deleted(target: &SecretSeen) -> Problem {
    Problem::waiting(TokenSecretFinding::Deleting {
        secret: target.name.clone(),
    })
}

/// Finds [`TokenSecretFinding::Contested`].
pub fn contested(secret: &str, holder: &str) -> Problem {
    Problem::stalled(TokenSecretFinding::Contested {
        secret: secret.to_owned(),
        holder: holder.to_owned(),
    })
}

/// Finds [`TokenSecretFinding::NotOwned`].
pub fn foreign(seen: &Observed, target: &SecretSeen, why: Foreign) -> Problem {
    Problem::stalled(TokenSecretFinding::NotOwned {
        secret: target.name.clone(),
        namespace: namespace(seen),
        resource: resource(seen),
        why,
    })
}

/// Finds [`TokenSecretFinding::Immutable`].
pub fn immutable(seen: &Observed, target: &SecretSeen) -> Problem {
    Problem::stalled(TokenSecretFinding::Immutable {
        secret: target.name.clone(),
        namespace: namespace(seen),
    })
}

/// Finds [`TokenSecretFinding::TypeMismatch`].
pub fn wrong_type(seen: &Observed, spec: &Validated, target: &SecretSeen) -> Problem {
    Problem::stalled(TokenSecretFinding::TypeMismatch {
        secret: target.name.clone(),
        namespace: namespace(seen),
        is: target.type_.clone(),
        wanted: spec.token_secret.type_.clone(),
    })
}

/// Finds [`TokenSecretFinding::StateNotOwned`].
pub fn foreign_state(seen: &Observed, state: &SecretSeen) -> Problem {
    Problem::stalled(TokenSecretFinding::StateNotOwned {
        secret: state.name.clone(),
        namespace: namespace(seen),
        resource: resource(seen),
    })
}

/// Another process of the operator may have a refresh token in flight.
pub fn awaiting_another_process(until: Time) -> Problem {
    Problem::waiting(TokenSecretFinding::ReservedByAnotherProcess { until })
}

/// Finds [`TokenSecretFinding::StateNameTaken`].
pub fn state_name_taken(name: &str) -> Problem {
    Problem::stalled(TokenSecretFinding::StateNameTaken {
        secret: name.to_owned(),
    })
}

/// Finds [`TokenSecretFinding::StateImmutable`].
pub fn immutable_state(seen: &Observed, state: &SecretSeen) -> Problem {
    Problem::stalled(TokenSecretFinding::StateImmutable {
        secret: state.name.clone(),
        namespace: namespace(seen),
    })
}

/// Finds [`TokenSecretFinding::StateUnreadable`].
pub fn unreadable_state(seen: &Observed, state: &SecretSeen) -> Problem {
    Problem::stalled(TokenSecretFinding::StateUnreadable {
        secret: state.name.clone(),
        namespace: namespace(seen),
    })
}

/// `known`: the provider has refused it; otherwise it is unknown whether it was used.
pub fn reauthorize(seen: &Observed, known: bool, provider_code: Option<&ProviderCode>) -> Problem {
    Problem::stalled(CredentialsFinding::Reauthorize {
        resource: resource(seen),
        namespace: namespace(seen),
        refused: known,
        code: provider_code.cloned(),
    })
}

/// The note about a provided refresh token that was not accepted, while the previous one stays in use. `known`: it was
/// refused; otherwise the outcome is unknown.
pub fn refused_provided_token(secret: &str, key: &str, known: bool) -> Note {
    Note::NewRefreshTokenRefused {
        secret: secret.to_owned(),
        key: key.to_owned(),
        refused: known,
    }
}

/// Finds [`CredentialsFinding::AwaitingLogin`].
pub fn no_refresh_token(seen: &Observed, spec: &Validated) -> Problem {
    let login = seen.family.login.as_ref().filter(|login| !login.deleting);
    if let Some(login) = login.filter(|login| !super::refresh_token::is_opted_in(login)) {
        return not_labelled(seen, &login.name);
    }
    Problem::waiting(CredentialsFinding::AwaitingLogin {
        resource: resource(seen),
        namespace: namespace(seen),
        secret: spec.credentials_secret.clone(),
        key: spec.client.keys.refresh_token.clone(),
    })
}

/// Finds [`TokenSecretFinding::Contended`].
pub fn contended(seen: &Observed, spec: &Validated, repairs: u32) -> Problem {
    Problem::stalled(TokenSecretFinding::Contended {
        secret: spec.token_secret.name.clone(),
        namespace: namespace(seen),
        repairs,
    })
}

/// A credential that was refused before, in a request of this or another resource.
pub fn braked(seen: &Observed, spec: &Validated, refusal: &CredentialRefusal) -> RequestFinding {
    let host = spec.endpoint().host_str().unwrap_or("The provider");
    RequestFinding::RefusedBefore {
        what: match refusal.kind {
            CredentialKind::Password => RefusedCredential::Password,
            CredentialKind::RefreshToken => RefusedCredential::RefreshToken,
            CredentialKind::ClientSecret => RefusedCredential::ClientSecret,
        },
        host: host.to_owned(),
        time: refusal.time,
        reason: Reason::parse(refusal.reason).unwrap_or(Reason::RequestRefused),
        secret: secret_name(spec).to_owned(),
        namespace: namespace(seen),
        resource: resource(seen),
    }
}
