//! What people read when something stands in the way: what is wrong, where, and what to do next.

use url::Url;

use crate::api::SpecProblem;
use crate::api::conditions::Reason;
use crate::api::validate::{ConfigMapKey, Validated};
use crate::command::Command;
use crate::model::{ADOPT, Observed, Problem, ProblemKind, SecretSeen};
use crate::oauth::request::CredentialsProblem;
use crate::policy::brakes::{Kind, Refusal};

/// The command by which the owner of a Secret opts in.
pub(super) fn opt_in(secret: &str, namespace: &str) -> Command {
    Command::kubectl(&["label", "secret"])
        .value(secret)
        .namespace(namespace)
        .fixed(&["oauthclient.dev/credentials=true"])
}

fn delete(secret: &str, namespace: &str) -> Command {
    Command::kubectl(&["delete", "secret"])
        .value(secret)
        .namespace(namespace)
}

fn show(secret: &str, namespace: &str) -> Command {
    Command::kubectl(&["get", "secret"])
        .value(secret)
        .namespace(namespace)
        .fixed(&["-o", "yaml"])
}

fn login(resource: &str, namespace: &str) -> Command {
    Command::kubectl(&["oauthclient", "login"])
        .value(resource)
        .namespace(namespace)
}

fn waiting(reason: Reason, message: String) -> Problem {
    Problem {
        kind: ProblemKind::Waiting,
        reason,
        message,
    }
}

fn stalled(reason: Reason, message: String) -> Problem {
    Problem {
        kind: ProblemKind::Stalled,
        reason,
        message,
    }
}

pub(super) fn invalid_spec(problems: &[SpecProblem]) -> Problem {
    let told: Vec<String> = problems
        .iter()
        .take(5)
        .map(|problem| format!("{}: {}", problem.field, problem.message))
        .collect();
    let more = match problems.len().saturating_sub(told.len()) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let templates = problems
        .iter()
        .all(|problem| problem.field.starts_with("spec.tokenSecret.data"));
    let reason = if templates {
        Reason::InvalidTemplate
    } else {
        Reason::InvalidSpec
    };
    stalled(
        reason,
        format!(
            "{}{more}. Correct the resource; nothing is sent until then.",
            told.join("; ")
        ),
    )
}

pub(super) fn barred(namespace: &str, right: &str) -> Problem {
    let check = Command::can_i(right, namespace);
    stalled(
        Reason::PermissionMissing,
        format!(
            "The operator lacks the right to {right} in namespace {namespace}: no token is asked for, and the Secret cannot be looked at. Whoever runs the operator: apply its roles (kubectl apply -k deploy/), then see {check}."
        ),
    )
}

pub(super) fn http_not_allowed(spec: &Validated, field: &str, url: &Url) -> Problem {
    let host = url.host_str().unwrap_or_default();
    let what = match &spec.client.issuer {
        Some(located) if located.endpoints.is_some() && field == spec.client.provider_field() => {
            "The token endpoint that the discovery document names"
        }
        _ => field,
    };
    stalled(
        Reason::HTTPNotAllowed,
        format!(
            "{what} is http: credentials would cross the network to {host} readable by anyone. Use https, or start the operator with --allow-http."
        ),
    )
}

/// The credentials Secret, for messages about it: they are made only where one is named.
pub(super) fn secret_name(spec: &Validated) -> &str {
    spec.credentials_secret.as_deref().unwrap_or_default()
}

pub(super) fn no_credentials(seen: &Observed, spec: &Validated) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = secret_name(spec);
    waiting(
        Reason::CredentialsNotFound,
        format!(
            "There is no Secret {name} in namespace {namespace} (spec.credentials.secretName). Create it with the keys that the provider gave you and the label oauthclient.dev/credentials=true; it is picked up at once."
        ),
    )
}

pub(super) fn not_labelled(seen: &Observed, name: &str) -> Problem {
    let namespace = &seen.resource.namespace;
    waiting(
        Reason::CredentialsNotLabelled,
        format!(
            "Secret {name} has not opted in to be sent to a token endpoint. If it may be, run: {}",
            opt_in(name, namespace)
        ),
    )
}

pub(super) fn credentials(seen: &Observed, name: &str, problem: &CredentialsProblem) -> Problem {
    let namespace = &seen.resource.namespace;
    let reason = match problem {
        CredentialsProblem::Missing { .. } => Reason::CredentialsKeyMissing,
        _ => Reason::CredentialsKeyInvalid,
    };
    waiting(
        reason,
        format!(
            "Secret {name} in namespace {namespace}: {problem}. A change is picked up at once."
        ),
    )
}

pub(super) fn no_ca(seen: &Observed, bundle: &ConfigMapKey) -> Problem {
    let namespace = &seen.resource.namespace;
    waiting(
        Reason::CANotFound,
        format!(
            "There is no ConfigMap {} in namespace {namespace} (spec.provider.caBundle). Create it with the PEM certificates under the key {}; it is looked for every minute.",
            bundle.name, bundle.key
        ),
    )
}

pub(super) fn no_ca_key(seen: &Observed, bundle: &ConfigMapKey) -> Problem {
    let namespace = &seen.resource.namespace;
    waiting(
        Reason::CANotFound,
        format!(
            "ConfigMap {} in namespace {namespace} has no key {} (spec.provider.caBundle). Add it, or name another key; it is looked at every minute.",
            bundle.name, bundle.key
        ),
    )
}

pub(super) fn bad_ca(seen: &Observed, bundle: &ConfigMapKey, why: &str) -> Problem {
    let namespace = &seen.resource.namespace;
    waiting(
        Reason::CAInvalid,
        format!(
            "Key {} of ConfigMap {} in namespace {namespace} is not a CA bundle: {why}. It takes PEM certificates; it is looked at every minute.",
            bundle.key, bundle.name
        ),
    )
}

pub(super) fn predecessor(target: &SecretSeen) -> Problem {
    waiting(
        Reason::AwaitingGarbageCollection,
        format!(
            "Secret {} belongs to a deleted resource of the same name. It is being collected; the new token is asked for once it is gone.",
            target.name
        ),
    )
}

pub(super) fn vanishing(target: &SecretSeen) -> Problem {
    waiting(
        Reason::AwaitingGarbageCollection,
        format!(
            "Secret {} is being deleted. If it does not go, a finalizer on it holds it; the token is written once it is gone.",
            target.name
        ),
    )
}

pub(super) fn contested(secret: &str, holder: &str) -> Problem {
    stalled(
        Reason::SecretContested,
        format!(
            "Secret {secret} is held by OAuthClient {holder}: two resources cannot write one Secret. Name another one in spec.tokenSecret.name; nothing is sent until then."
        ),
    )
}

pub(super) fn foreign(seen: &Observed, target: &SecretSeen, why: &str) -> Problem {
    let namespace = &seen.resource.namespace;
    let resource = &seen.resource.name;
    let name = &target.name;
    let hand_over = Command::kubectl(&["annotate", "secret"])
        .value(name)
        .namespace(namespace)
        .fixed(&["--overwrite"])
        .pair(ADOPT, resource);
    stalled(
        Reason::SecretNotOwned,
        format!(
            "Secret {name} is left alone: {why}. Name another one in spec.tokenSecret.name, or hand it over (it then dies with this resource): {hand_over}. It is looked at again every minute."
        ),
    )
}

pub(super) fn immutable(seen: &Observed, target: &SecretSeen) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &target.name;
    stalled(
        Reason::SecretImmutable,
        format!(
            "Secret {name} has been made immutable, so its token cannot be replaced. Delete it, and it is written anew: {}",
            delete(name, namespace)
        ),
    )
}

pub(super) fn wrong_type(seen: &Observed, spec: &Validated, target: &SecretSeen) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &target.name;
    stalled(
        Reason::SecretTypeMismatch,
        format!(
            "Secret {name} is of type {}, spec.tokenSecret.type is {}, and a Secret's type cannot change. Delete it, and it is written anew: {}",
            target.type_,
            spec.token_secret.type_,
            delete(name, namespace)
        ),
    )
}

pub(super) fn foreign_state(seen: &Observed, state: &SecretSeen) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &state.name;
    stalled(
        Reason::SecretNotOwned,
        format!(
            "Secret {name} is where the refresh token of this resource is kept, and this resource did not make it: it is left alone, and nothing is sent. Look at it ({}) and delete or rename it, or give this resource another name. It is looked at again every minute.",
            show(name, namespace)
        ),
    )
}

pub(super) fn state_name_taken(name: &str) -> Problem {
    stalled(
        Reason::SecretContested,
        format!(
            "Secret {name} is where the refresh token of this resource is kept. Give another name in spec.tokenSecret.name or spec.credentials.secretName; nothing is sent until then."
        ),
    )
}

pub(super) fn immutable_state(seen: &Observed, state: &SecretSeen) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &state.name;
    stalled(
        Reason::SecretImmutable,
        format!(
            "Secret {name}, where the refresh token is kept, has been made immutable, so no new one could be stored and none is used. Copy it to an object of the same content that is not: {}",
            show(name, namespace)
        ),
    )
}

pub(super) fn unreadable_state(seen: &Observed, state: &SecretSeen) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &state.name;
    stalled(
        Reason::ReauthorizationRequired,
        format!(
            "Secret {name}, where the refresh token is kept, was altered and cannot be read, so nothing is sent. Restore it, or delete it and log in anew: {}",
            delete(name, namespace)
        ),
    )
}

/// `known`: the provider has refused it; otherwise nobody knows whether it was used.
pub(super) fn reauthorize(seen: &Observed, known: bool) -> Problem {
    let namespace = &seen.resource.namespace;
    let resource = &seen.resource.name;
    let what = if known {
        "The provider refuses the refresh token: it has expired, was revoked, or was used elsewhere."
    } else {
        "A refresh token was sent, its answer was lost, and sending it once more did not help. It is not sent again, since that may revoke what the provider has granted."
    };
    stalled(
        Reason::ReauthorizationRequired,
        format!(
            "{what} A new one is needed: run {}, or put one under refresh_token into the credentials Secret. It is picked up at once.",
            login(resource, namespace)
        ),
    )
}

/// A refresh token that was given, and that the provider did not take, while the one before goes on. `known`: it was refused;
/// otherwise nobody knows.
pub(super) fn refused_offer(seen: &Observed, secret: &str, key: &str, known: bool) -> String {
    let namespace = &seen.resource.namespace;
    let resource = &seen.resource.name;
    let what = if known {
        "was refused by the provider"
    } else {
        "was sent, its answer was lost, and sending it once more did not help"
    };
    format!(
        "The new refresh token under {key} in Secret {secret} {what}. It is not sent again before it, the spec or the client's credentials change; the refresh token that was used before goes on being used. Put another one there, or run {}.",
        login(resource, namespace)
    )
}

pub(super) fn no_refresh_token(seen: &Observed, spec: &Validated) -> Problem {
    let namespace = &seen.resource.namespace;
    let resource = &seen.resource.name;
    let key = &spec.client.keys.refresh_token;
    let credentials = spec.credentials_secret.as_ref();
    let or_else = credentials.map_or_else(String::new, |name| {
        format!(", or put one under {key} into Secret {name}")
    });
    let unlent = seen.chain.login.as_ref().filter(|login| !login.deleting);
    if let Some(login) = unlent.filter(|login| !super::refresh_token::is_lent(login)) {
        return not_labelled(seen, &login.name);
    }
    waiting(
        Reason::AwaitingLogin,
        format!(
            "There is no refresh token yet. Run {}{or_else}. It is picked up at once.",
            login(resource, namespace)
        ),
    )
}

pub(super) fn fought_over(spec: &Validated, repairs: u32) -> Problem {
    let name = &spec.token_secret.name;
    stalled(
        Reason::Contested,
        format!(
            "Secret {name} keeps being altered or deleted by someone else: it had to be written anew {repairs} times in a row, so the next repair waits. Find out who does it: {}.",
            Command::kubectl(&["get", "secret"]).value(name).fixed(&[
                "--show-managed-fields",
                "-o",
                "jsonpath={.metadata.managedFields[*].manager}"
            ])
        ),
    )
}

/// A credential that was refused before, in a request of this resource or of another one.
pub(super) fn braked(seen: &Observed, spec: &Validated, refusal: &Refusal) -> String {
    let namespace = &seen.resource.namespace;
    let host = spec.endpoint().host_str().unwrap_or("The provider");
    let Refusal { reason, time, .. } = refusal;
    let name = secret_name(spec);
    let retry = super::RETRY_REQUESTED;
    let command = format!(
        "kubectl annotate secret {name} -n {namespace} --overwrite {retry}=\"$(date +%s)\""
    );
    match refusal.kind {
        Kind::Password => format!(
            "{host} refused this user name and password at {time} ({reason}). They are not sent again by any resource: more tries can lock the account. Correct Secret {name}; if they are right by now, its owner runs {command} and they are sent once more."
        ),
        Kind::RefreshToken => format!(
            "{host} refused this refresh token at {time} ({reason}). It is not sent again by any resource: that can end all tokens of the login. Log in again: kubectl oauthclient login {} -n {namespace}.",
            seen.resource.name
        ),
        Kind::ClientSecret => format!(
            "{host} refused this client secret at {time} ({reason}), and all resources that use it wait together. Correct Secret {name}; if it is right by now, its owner runs {command} and it is sent at once."
        ),
    }
}
