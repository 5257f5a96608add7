//! Validation: the only conversion of an `OAuthClient` into the typed values that the rest of the program uses.
//!
//! Everything that the API server checks is checked here again, with the same schema and the same rules, because
//! `local` has no API server and because an object may be older than the rules. What only a program can check (whether
//! a URL or a template can be parsed) is checked only here, and becomes `Stalled`.

mod assertion;
mod provider;
mod refresh;
mod restart;
mod revocation;
mod token_secret;

use super::check;
use super::problem::SpecProblem;
use super::spec::{self, OAuthClient, OAuthClientSpec};
use crate::names::ROTATE_KEY_ANNOTATION;
use crate::oauth::assertion::JWT_BEARER;
use crate::oauth::error::ErrorMeaning;
use crate::oauth::request::check_names;
use crate::oauth::{
    BasicEncoding, Client, ClientAuthentication, CredentialKeys, ErrorShape, ExpiryShape,
    ExpiryUnit, Format, Grant, IssuedType, Method, Parameter, ParameterValue, Place, ResponseShape,
    SuccessShape, TimeFormat, TimeValue,
};
use crate::render::Templates;
use crate::schedule::{Lead, Policy, TokenReuse};
use crate::time::Span;
use oauthclient_core::conditions::Reason;

pub use crate::model::{
    ClientCertificate, ConfigMapKey, Dpop, Restart, Revocation, TokenSecret, Validated,
    WorkloadKind,
};

/// The longest request for a new key that is told apart, in bytes.
const LONGEST_ROTATION: usize = 256;

/// Validates a resource.
///
/// # Errors
/// Every problem of the spec, with its field; never empty.
pub fn validate(resource: &OAuthClient) -> Result<Validated, Vec<SpecProblem>> {
    let mut problems = Vec::new();
    match serde_json::to_value(&resource.spec) {
        Ok(mut value) => check::check_spec(&mut value, &mut problems),
        Err(_) => problems.push(SpecProblem::new("spec", "cannot be read")),
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let rotation = resource
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(ROTATE_KEY_ANNOTATION))
        .map(|value| value.chars().take(LONGEST_ROTATION).collect());
    build(&resource.spec, rotation)
}

fn build(spec: &OAuthClientSpec, rotation: Option<String>) -> Result<Validated, Vec<SpecProblem>> {
    let mut problems = Vec::new();
    let provider = provider::of(&spec.provider).map_err(|problem| problems.push(problem));
    let refreshing = refresh::of(spec).map_err(|problem| problems.push(problem));
    let templates = Templates::parse(&spec.token_secret.data).map_err(|found| {
        problems.extend(found.into_iter().map(|problem| SpecProblem {
            field: check::map_key("spec.tokenSecret.data", &problem.key),
            message: match problem.line {
                0 | 1 => problem.message,
                line => format!("in its line {line} {}", problem.message),
            },
            line: None,
            reason: Reason::InvalidTemplate,
        }));
    });
    if let Ok(templates) = &templates {
        problems.extend(token_secret::problems(&spec.token_secret, templates));
    }
    let revocation = revocation::of(spec).map_err(|problem| problems.push(problem));
    let (Ok(provider), Ok(refreshing), Ok(templates), Ok(revocation)) =
        (provider, refreshing, templates, revocation)
    else {
        return Err(problems);
    };
    assertion::check_json(spec, &mut problems);
    let of_key = ["dpop_key", "dpop_jwk"];
    if spec.dpop.is_none() && of_key.iter().any(|name| templates.uses(name)) {
        problems.push(SpecProblem::new(
            "spec.tokenSecret.data",
            "uses dpop_key or dpop_jwk, which are there only with spec.dpop: set that, or remove them",
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let client = client(spec, provider);
    let errors = client.response.errors.iter();
    let mut errors = errors.map(|error| error.means.as_str());
    if client.sends_password() && errors.any(|means| means != "ReauthorizationRequired") {
        return Err(vec![SpecProblem::new(
            "spec.response.errors",
            "can only mean ReauthorizationRequired where a parameter sends a password: a refused password is not sent again, whatever the code (more tries lock the account)",
        )]);
    }
    let refresh = refreshing
        .as_ref()
        .map(|refreshing| refreshing.client(&client));
    let names = check_names(&client).and_then(|()| refresh.as_ref().map_or(Ok(()), check_names));
    if let Err(problem) = names {
        let message = format!("cannot be sent: {problem}");
        return Err(vec![SpecProblem::new(problem.field(), message)]);
    }
    Ok(Validated {
        client,
        refreshing,
        policy: policy(&spec.refresh),
        credentials_secret: spec
            .credentials
            .as_ref()
            .map(|credentials| credentials.secret_name.clone()),
        client_certificate: spec
            .client_certificate_secret()
            .map(|secret| ClientCertificate {
                secret: secret.to_owned(),
                self_signed: spec.client_authentication.method == "self_signed_tls_client_auth",
            }),
        ca_bundle: spec.provider.ca_bundle.as_ref().map(|bundle| ConfigMapKey {
            name: bundle.config_map_name.clone(),
            key: bundle.key.clone(),
        }),
        timeout: Span::from_seconds(spec.provider.timeout_seconds.into()),
        token_secret: TokenSecret {
            name: spec.token_secret.name.clone(),
            type_: spec.token_secret.type_.clone(),
            labels: spec.token_secret.labels.clone(),
            annotations: spec.token_secret.annotations.clone(),
            templates,
        },
        revocation,
        restart: spec.restart.iter().map(restart::of).collect(),
        dpop: spec.dpop.as_ref().map(|_| Dpop { rotation }),
        suspended: spec.suspend,
    })
}

// The choices below were checked against their lists in the schema; any other value is the default.

fn client(spec: &OAuthClientSpec, provider: provider::Provider) -> Client {
    let has_issuer = provider.issuer.is_some();
    let no_keys = spec::CredentialKeys::default();
    let keys = spec
        .credentials
        .as_ref()
        .map_or(&no_keys, |credentials| &credentials.keys);
    Client {
        token_url: provider.token_url,
        issuer: provider.issuer,
        grant: match (&spec.grant.token_exchange, spec.grant.type_.as_str()) {
            (Some(exchange), _) => Grant::TokenExchange(Box::new(exchange.meaning())),
            (None, "client_credentials") => Grant::ClientCredentials,
            (None, "password") => Grant::Password,
            (None, JWT_BEARER) => Grant::JwtBearer(Box::new(assertion::jwt_bearer(
                spec.grant.jwt_bearer.as_ref(),
                has_issuer,
            ))),
            (None, "refresh_token") => Grant::RefreshToken,
            (None, other) => Grant::Other(other.to_owned()),
        },
        authentication: authentication(&spec.client_authentication, has_issuer),
        shows_certificate: spec.client_certificate_secret().is_some(),
        client_id: spec.client_authentication.client_id.clone(),
        keys: CredentialKeys {
            client_id: keys.client_id.clone(),
            client_secret: keys.client_secret.clone(),
            next_client_secret: keys.next_client_secret.clone(),
            username: keys.username.clone(),
            password: keys.password.clone(),
            private_key: keys.private_key.clone(),
            refresh_token: keys.refresh_token.clone(),
        },
        dpop: spec.dpop.is_some(),
        empty_secret: spec.client_authentication.empty_client_secret,
        scopes: spec.scopes.clone(),
        scope_separator: spec.request.scope_separator.clone(),
        parameters: parameters(spec, |parameter| !is_header(parameter)),
        headers: spec
            .request
            .headers
            .iter()
            .map(|h| named(&h.name, h.value.as_ref(), h.credentials_key.as_ref()))
            .chain(parameters(spec, is_header))
            .collect(),
        format: match spec.request.format.as_str() {
            "json" => Format::Json,
            "query" => Format::Query,
            _ => Format::Form,
        },
        method: match spec.request.method.as_str() {
            "GET" => Method::Get,
            "PUT" => Method::Put,
            _ => Method::Post,
        },
        response: ResponseShape {
            dpop: spec.dpop.is_some(),
            ..response(&spec.response, spec.grant.token_exchange.as_ref())
        },
    }
}

fn authentication(spec: &spec::ClientAuthentication, issuer: bool) -> ClientAuthentication {
    if let Some(token) = &spec.service_account_token {
        return ClientAuthentication::ServiceAccountToken(token.meaning());
    }
    match spec.method.as_str() {
        "client_secret_post" => ClientAuthentication::ClientSecretPost,
        "private_key_jwt" => ClientAuthentication::PrivateKeyJwt(Box::new(
            assertion::private_key_jwt(spec.private_key_jwt.as_ref(), issuer),
        )),
        "client_secret_jwt" => ClientAuthentication::ClientSecretJwt(Box::new(
            assertion::client_secret_jwt(spec.client_secret_jwt.as_ref(), issuer),
        )),
        "none" => ClientAuthentication::None,
        "tls_client_auth" => ClientAuthentication::TlsClientAuth,
        "self_signed_tls_client_auth" => ClientAuthentication::SelfSignedTlsClientAuth,
        _ => {
            let raw = spec
                .client_secret_basic
                .as_ref()
                .is_some_and(|basic| basic.encoding == "Raw");
            ClientAuthentication::ClientSecretBasic {
                encoding: if raw {
                    BasicEncoding::Raw
                } else {
                    BasicEncoding::FormEncoded
                },
            }
        }
    }
}

fn is_header(parameter: &spec::Parameter) -> bool {
    parameter.in_.as_deref() == Some("header")
}

/// Some of the resource's own parameters.
fn parameters(spec: &OAuthClientSpec, which: impl Fn(&spec::Parameter) -> bool) -> Vec<Parameter> {
    let chosen = spec.parameters.iter().filter(|one| which(one));
    chosen
        .map(|one| Parameter {
            name: one.name.clone(),
            value: match &one.time {
                Some(time) => ParameterValue::Time(TimeValue {
                    after: Span::from_seconds(time.after_seconds),
                    format: TimeFormat::parse(&time.format),
                }),
                None => assertion::value(
                    one.value.clone(),
                    one.json_value.clone(),
                    one.credentials_key.clone(),
                ),
            },
            place: match one.in_.as_deref() {
                Some("query") => Place::Query,
                Some("body") => Place::Body,
                _ => Place::ByFormat,
            },
        })
        .collect()
}

fn named(name: &str, value: Option<&String>, key: Option<&String>) -> Parameter {
    Parameter {
        name: name.to_owned(),
        value: match key {
            Some(key) => ParameterValue::CredentialsKey(key.clone()),
            None => ParameterValue::Fixed(value.cloned().unwrap_or_default()),
        },
        place: Place::ByFormat,
    }
}

fn response(spec: &spec::Response, exchange: Option<&spec::TokenExchange>) -> ResponseShape {
    let requested = exchange.map(|exchange| &exchange.requested_token_type);
    ResponseShape {
        dpop: false,
        issued_type: match requested {
            None => IssuedType::Unsaid,
            Some(None) => IssuedType::Any,
            Some(Some(wanted)) => IssuedType::Requested(wanted.clone()),
        },
        headers: spec
            .headers
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect(),
        access_token: spec.access_token_pointer.clone(),
        token_type: spec.token_type_pointer.clone(),
        scope: spec.scope_pointer.clone(),
        refresh_token: spec.refresh_token_pointer.clone(),
        expiry: spec.expiry.as_ref().map(|expiry| ExpiryShape {
            pointer: expiry.pointer.clone(),
            unit: match expiry.unit.as_str() {
                "Milliseconds" => ExpiryUnit::Milliseconds,
                "EpochSeconds" => ExpiryUnit::EpochSeconds,
                "EpochMilliseconds" => ExpiryUnit::EpochMilliseconds,
                "RFC3339" => ExpiryUnit::Rfc3339,
                _ => ExpiryUnit::Seconds,
            },
        }),
        jwt_expiry: spec.use_jwt_expiry,
        success: spec.success.as_ref().map(|success| SuccessShape {
            pointer: success.pointer.clone(),
            value: success.value.clone(),
        }),
        error: spec.error_pointer.clone(),
        errors: spec.errors.iter().filter_map(error_shape).collect(),
    }
}

/// `None` does not happen: the schema knows the words.
fn error_shape(error: &spec::ProviderError) -> Option<ErrorShape> {
    Some(ErrorShape {
        pointer: error.pointer.clone(),
        values: error.values.clone(),
        means: ErrorMeaning::parse(&error.means)?,
    })
}

fn policy(spec: &spec::Refresh) -> Policy {
    let percent = spec
        .before_percent
        .and_then(|percent| u8::try_from(percent).ok());
    Policy {
        lead: match (spec.before_seconds, percent) {
            (Some(seconds), _) => Lead::Before(Span::from_seconds(seconds.into())),
            (None, Some(percent)) => Lead::Percent(percent),
            (None, None) => Lead::Default,
        },
        assumed_lifetime: Span::from_seconds(spec.assumed_lifetime_seconds.into()),
        token_reuse: match spec.token_reuse.as_str() {
            "InvalidatesPrevious" => TokenReuse::InvalidatesPrevious,
            _ => TokenReuse::Independent,
        },
        cache_window: spec
            .cache_window_seconds
            .map(|seconds| Span::from_seconds(seconds.into())),
    }
}
