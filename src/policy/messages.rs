//! Messages for people about what prevents a request: what is wrong, where, and what to do.

use url::Url;

use crate::api::SpecProblem;
use crate::api::conditions::Reason;
use crate::api::validate::{ConfigMapKey, Validated};
use crate::command::Command;
use crate::model::{ADOPT, Observed, Problem, ProblemKind, SecretSeen};
use crate::oauth::error::ProviderCode;
use crate::oauth::request::CredentialsProblem;
use crate::policy::brakes::{Kind, Refusal};
use crate::time::Time;

/// The command with which the owner of a Secret opts in.
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

fn login(seen: &Observed) -> Command {
    let resource = &seen.resource;
    seen.rules
        .audience
        .login(&resource.name, &resource.namespace)
}

/// The folder of a Secret, for people with files.
pub(super) fn folder(seen: &Observed, secret: &str) -> String {
    format!("{}/{secret} in the output folder", seen.resource.namespace)
}

/// What people with files do about the Secret that keeps a refresh token.
const RESTORE_STATE: &str =
    "Restore its file in the state folder, or delete that and log in again.";

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
            "The operator lacks the permission to {right} in namespace {namespace}, so no token is requested and the Secret cannot be read. Ask its administrator to apply its roles (kubectl apply -k deploy/). To check: {check}."
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

/// The credentials Secret, for messages that exist only if there is one.
pub(super) fn secret_name(spec: &Validated) -> &str {
    spec.credentials_secret.as_deref().unwrap_or_default()
}

pub(super) fn no_credentials(seen: &Observed, spec: &Validated) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = secret_name(spec);
    waiting(
        Reason::CredentialsNotFound,
        format!(
            "There is no Secret {name} in namespace {namespace} (spec.credentials.secretName). Create it with the provider's credentials and the label oauthclient.dev/credentials=true. It is used at once."
        ),
    )
}

pub(super) fn not_labelled(seen: &Observed, name: &str) -> Problem {
    let namespace = &seen.resource.namespace;
    waiting(
        Reason::CredentialsNotLabelled,
        format!(
            "Secret {name} lacks the label oauthclient.dev/credentials=true. If you own it and want it sent to this provider, {}",
            seen.rules.audience.choose(
                format!("run: {}", opt_in(name, namespace)),
                "put the label oauthclient.dev/credentials: \"true\" into its manifest.",
            )
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
            "Secret {name} in namespace {namespace}: {problem}. A change takes effect at once."
        ),
    )
}

pub(super) fn no_ca(seen: &Observed, bundle: &ConfigMapKey) -> Problem {
    let namespace = &seen.resource.namespace;
    waiting(
        Reason::CANotFound,
        format!(
            "There is no ConfigMap {} in namespace {namespace} (spec.provider.caBundle). Create it with PEM certificates under the key {}. It is checked every minute.",
            bundle.name, bundle.key
        ),
    )
}

pub(super) fn no_ca_key(seen: &Observed, bundle: &ConfigMapKey) -> Problem {
    let namespace = &seen.resource.namespace;
    waiting(
        Reason::CANotFound,
        format!(
            "ConfigMap {} in namespace {namespace} has no key {} (spec.provider.caBundle). Add it, or name another key. It is checked every minute.",
            bundle.name, bundle.key
        ),
    )
}

pub(super) fn bad_ca(seen: &Observed, bundle: &ConfigMapKey, why: &str) -> Problem {
    let namespace = &seen.resource.namespace;
    waiting(
        Reason::CAInvalid,
        format!(
            "Key {} of ConfigMap {} in namespace {namespace} is not a CA bundle: {why}. It must contain PEM certificates. It is checked every minute.",
            bundle.key, bundle.name
        ),
    )
}

pub(super) fn predecessor(target: &SecretSeen) -> Problem {
    waiting(
        Reason::AwaitingGarbageCollection,
        format!(
            "Secret {} belongs to a deleted resource of the same name. Kubernetes is deleting it; the new token is requested after that.",
            target.name
        ),
    )
}

pub(super) fn vanishing(target: &SecretSeen) -> Problem {
    waiting(
        Reason::AwaitingGarbageCollection,
        format!(
            "Secret {} is being deleted; the token is written after that. If it stays, check its finalizers.",
            target.name
        ),
    )
}

pub(super) fn contested(secret: &str, holder: &str) -> Problem {
    stalled(
        Reason::SecretContested,
        format!(
            "Secret {secret} belongs to OAuthClient {holder}, and two resources cannot write the same Secret. Set another spec.tokenSecret.name; nothing is sent until then."
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
    let otherwise = seen.rules.audience.choose(
        format!(
            "let this resource take it over (it is then deleted with this resource): {hand_over}"
        ),
        format!("move {} away", folder(seen, name)),
    );
    stalled(
        Reason::SecretNotOwned,
        format!(
            "Secret {name} is not changed: {why}. Set another spec.tokenSecret.name, or {otherwise}. It is checked every minute."
        ),
    )
}

fn delete_it(seen: &Observed, name: &str) -> String {
    seen.rules.audience.choose(
        format!(
            "Delete it, and it is created again: {}",
            delete(name, &seen.resource.namespace)
        ),
        format!("Delete {}, and it is created again.", folder(seen, name)),
    )
}

pub(super) fn immutable(seen: &Observed, target: &SecretSeen) -> Problem {
    let name = &target.name;
    stalled(
        Reason::SecretImmutable,
        format!(
            "Secret {name} is immutable, so its token cannot be refreshed. {}",
            delete_it(seen, name)
        ),
    )
}

pub(super) fn wrong_type(seen: &Observed, spec: &Validated, target: &SecretSeen) -> Problem {
    let name = &target.name;
    stalled(
        Reason::SecretTypeMismatch,
        format!(
            "Secret {name} is of type {}, spec.tokenSecret.type is {}, and the type of a Secret is immutable. {}",
            target.type_,
            spec.token_secret.type_,
            delete_it(seen, name)
        ),
    )
}

pub(super) fn foreign_state(seen: &Observed, state: &SecretSeen) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &state.name;
    let adopt = Command::kubectl(&["annotate", "secret"])
        .value(name)
        .namespace(namespace)
        .pair(ADOPT, &seen.resource.name);
    let remedy = seen.rules.audience.choose(
        format!(
            "Look at it ({}). To hand it over to this resource with the refresh token in it, run: {adopt}. Otherwise give this resource another name.",
            show(name, namespace)
        ),
        RESTORE_STATE,
    );
    stalled(
        Reason::SecretNotOwned,
        format!(
            "Secret {name} is where the refresh token of this resource is kept, and this resource did not make it. It stays as it is, and nothing is sent. {remedy}"
        ),
    )
}

/// Another process of the operator may have a refresh token in flight.
pub(super) fn awaiting_another_process(until: Time) -> Problem {
    waiting(
        Reason::Requesting,
        format!(
            "An earlier process of the operator ended, or another one is at work, and its request with the refresh token may still be answered. So that the token is not used twice, it is sent again only at {until}. Nobody needs to act."
        ),
    )
}

pub(super) fn state_name_taken(name: &str) -> Problem {
    stalled(
        Reason::SecretContested,
        format!(
            "Secret {name} has the name for this resource's refresh token. Set another spec.tokenSecret.name or spec.credentials.secretName; nothing is sent until then."
        ),
    )
}

pub(super) fn immutable_state(seen: &Observed, state: &SecretSeen) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &state.name;
    stalled(
        Reason::SecretImmutable,
        format!(
            "Secret {name} with the refresh token is immutable, so no new one could be stored and none is used. {}",
            seen.rules.audience.choose(
                format!(
                    "Replace it by a mutable Secret with the same content: {}",
                    show(name, namespace)
                ),
                RESTORE_STATE,
            )
        ),
    )
}

pub(super) fn unreadable_state(seen: &Observed, state: &SecretSeen) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &state.name;
    stalled(
        Reason::ReauthorizationRequired,
        format!(
            "Secret {name}, where the refresh token is kept, was altered, or a newer version of the operator wrote it: it cannot be read, so nothing is sent. {}",
            seen.rules.audience.choose(
                format!(
                    "Restore it from a backup, or upgrade the operator. If neither is possible, create the resource under another name and log in anew. To look at it: {}",
                    show(name, namespace)
                ),
                RESTORE_STATE,
            )
        ),
    )
}

/// `known`: the provider has refused it; otherwise it is unknown whether it was used.
pub(super) fn reauthorize(seen: &Observed, known: bool, said: Option<&ProviderCode>) -> Problem {
    let what = if known {
        let with = said.map_or_else(String::new, |said| format!(" with {said}"));
        format!(
            "The provider refuses the refresh token{with}: it has expired, was revoked, or was used elsewhere."
        )
    } else {
        "A refresh token was sent, its answer was lost, and sending it once more did not help. It is not sent again, since that may revoke what the provider has granted.".to_owned()
    };
    stalled(
        Reason::ReauthorizationRequired,
        format!(
            "{what} To get a new one, run {}, or put one into the credentials Secret under refresh_token. It is used at once.",
            login(seen)
        ),
    )
}

/// The message about a provided refresh token that was not accepted, while the previous one stays in use. `known`: it
/// was refused; otherwise the outcome is unknown.
pub(super) fn refused_offer(seen: &Observed, secret: &str, key: &str, known: bool) -> String {
    let what = if known {
        "was refused by the provider"
    } else {
        "was sent, the response was lost, and sending it once more did not help"
    };
    format!(
        "The new refresh token under {key} in Secret {secret} {what}. It is not sent again until it, the spec or the client's credentials change; the previous refresh token stays in use. Put another one there, or run {}.",
        login(seen)
    )
}

pub(super) fn no_refresh_token(seen: &Observed, spec: &Validated) -> Problem {
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
            "There is no refresh token yet. Run {}{or_else}. It is used at once.",
            login(seen)
        ),
    )
}

pub(super) fn fought_over(seen: &Observed, spec: &Validated, repairs: u32) -> Problem {
    let name = &spec.token_secret.name;
    let command = Command::kubectl(&["get", "secret"]).value(name).fixed(&[
        "--show-managed-fields",
        "-o",
        "jsonpath={.metadata.managedFields[*].manager}",
    ]);
    let remedy = seen.rules.audience.choose(
        format!("Find out who does it: {command}."),
        format!("Find out who changes {}.", folder(seen, name)),
    );
    stalled(
        Reason::Contested,
        format!(
            "Someone else keeps altering or deleting Secret {name}: it was repaired {repairs} times in a row, so the next repair waits. {remedy}"
        ),
    )
}

/// The message about a credential that was refused before, in a request of this or another resource.
pub(super) fn braked(seen: &Observed, spec: &Validated, refusal: &Refusal) -> String {
    let namespace = &seen.resource.namespace;
    let host = spec.endpoint().host_str().unwrap_or("The provider");
    let Refusal { reason, time, .. } = refusal;
    let name = secret_name(spec);
    let retry = super::RETRY_REQUESTED;
    let allow = seen.rules.audience.choose(
        format!(
            ": kubectl annotate secret {name} -n {namespace} --overwrite {retry}=\"$(date +%s)\""
        ),
        format!(
            " with the annotation {retry} in its manifest: any value that it did not have before."
        ),
    );
    match refusal.kind {
        Kind::Password => format!(
            "{host} refused this user name and password at {time} ({reason}). No resource sends them again, because more attempts can lock the account. Correct Secret {name}. If they are correct, its owner can allow one more attempt{allow}"
        ),
        Kind::RefreshToken => format!(
            "{host} refused this refresh token at {time} ({reason}). No resource sends it again, because that can revoke all tokens of the login. Log in again: {}.",
            login(seen)
        ),
        Kind::ClientSecret => format!(
            "{host} refused this client secret at {time} ({reason}), and all resources that use it wait. Correct Secret {name}. If it is correct, its owner can allow an attempt at once{allow}"
        ),
    }
}
