//! Whether a published token is still what the spec asks for: a hash of everything that is sent and rendered.
//!
//! The hash stands beside the token and in a failed attempt, across restarts and versions. It is taken of a canonical form:
//! what is absent and what is its default are equal, and so are orders without a meaning. When tokens are replaced, how long
//! a request may take, whom to trust, and what the token Secret is called and labelled are no part of it: changing those
//! asks for no token. The content of the credentials is no part of it either: whoever reads the hash could guess a password.

mod assertion;
mod canonical;
mod exchange;

use std::collections::BTreeMap;

use crate::api::Validated;
use crate::engine::ANY_INPUTS;
use crate::oauth::assertion::JWT_BEARER;
use crate::oauth::exchange::TOKEN_EXCHANGE;
use crate::oauth::refresh::{self, Origin};
use crate::oauth::{
    BasicEncoding, Client, ClientAuthentication, ExpiryUnit, Format, Grant, Method, ResponseShape,
};
use canonical::{Canonical, FORMAT, named};

/// Hashes of what a spec makes us send and render.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inputs {
    sent: String,
    whole: String,
}

impl Inputs {
    /// The hash of what is sent alone, as `v1:` and 32 hex digits: what a failed request failed with.
    pub fn sent(&self) -> &str {
        &self.sent
    }

    /// The hash of what is sent and of how the answer is read and rendered, as `v1:` and 32 hex digits: what a published
    /// token was made from.
    pub fn whole(&self) -> &str {
        &self.whole
    }
}

/// The inputs of a resource.
pub fn of(resource: &Validated) -> Inputs {
    let sent = sent(resource);
    let whole = rendered(resource, sent.clone());
    Inputs {
        sent: sent.finish(),
        whole: whole.finish(),
    }
}

/// A hash as the engine's records keep it. One of an unknown format is [`ANY_INPUTS`], which matches everything; never 0,
/// which stands for an invalid spec.
pub fn short(hash: &str) -> u64 {
    let digits = hash
        .strip_prefix(FORMAT)
        .and_then(|rest| rest.strip_prefix(':'))
        .filter(|digits| digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|digits| digits.get(..16));
    match digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(0) => 1,
        Some(ANY_INPUTS) => ANY_INPUTS - 1,
        Some(value) => value,
        None => ANY_INPUTS,
    }
}

fn sent(resource: &Validated) -> Canonical {
    let client = &resource.client;
    let mut form = Canonical::new();
    // The issuer, not what was discovered of it: an endpoint that moves must not refetch a fleet by itself.
    match &client.issuer {
        Some(located) => form.field("issuerURL", located.issuer.text()),
        None => form.field("tokenURL", client.token_url.as_str()),
    }
    form.field(
        "grant",
        match &client.grant {
            Grant::ClientCredentials => "client_credentials",
            Grant::Password => "password",
            Grant::JwtBearer(_) => JWT_BEARER,
            Grant::TokenExchange(_) => TOKEN_EXCHANGE,
            Grant::RefreshToken => "refresh_token",
            Grant::Other(name) => name,
        },
    );
    form.field(
        "authentication",
        match &client.authentication {
            ClientAuthentication::ClientSecretBasic {
                encoding: BasicEncoding::FormEncoded,
            } => "client_secret_basic",
            ClientAuthentication::ClientSecretBasic {
                encoding: BasicEncoding::Raw,
            } => "client_secret_basic raw",
            ClientAuthentication::ClientSecretPost => "client_secret_post",
            ClientAuthentication::PrivateKeyJwt(_) => "private_key_jwt",
            ClientAuthentication::ClientSecretJwt(_) => "client_secret_jwt",
            ClientAuthentication::None => "none",
            ClientAuthentication::TlsClientAuth => "tls_client_auth",
            ClientAuthentication::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            ClientAuthentication::ServiceAccountToken(_) => "service_account_token",
        },
    );
    form.field(
        "format",
        match client.format {
            Format::Form => "form",
            Format::Json => "json",
            Format::Query => "query",
        },
    );
    form.field(
        "method",
        match client.method {
            Method::Post => "POST",
            Method::Get => "GET",
            Method::Put => "PUT",
        },
    );
    if let Some(refreshing) = &resource.refreshing {
        if refreshing.origin == Origin::Password {
            form.field("useRefreshToken", "true");
        }
        if let Some(url) = &refreshing.url {
            form.field("refreshURL", url.as_str());
        }
    }
    credentials(&mut form, resource);
    assertion::all(&mut form, client);
    exchange::fields(&mut form, client);
    scopes(&mut form, client);
    named(&mut form, "parameter", &client.parameters, str::to_owned);
    named(
        &mut form,
        "header",
        &client.headers,
        str::to_ascii_lowercase,
    );
    form
}

/// The credentials that are used: an edit of the name of a key that nobody reads asks for nothing.
fn credentials(form: &mut Canonical, resource: &Validated) {
    let client = &resource.client;
    if let Some(name) = &resource.credentials_secret {
        form.field("secretName", name);
    }
    match &client.client_id {
        Some(id) => form.field("client_id", id),
        None => form.field("clientID", &client.keys.client_id),
    }
    if let Some(certificate) = &resource.client_certificate
        && resource.credentials_secret.as_ref() != Some(&certificate.secret)
    {
        form.field("clientCertificate", &certificate.secret);
    }
    if client.authentication.uses_client_secret() {
        form.field("clientSecret", &client.keys.client_secret);
    }
    if client.grant == Grant::Password {
        form.field("username", &client.keys.username);
        form.field("password", &client.keys.password);
    }
}

/// The order of scopes has no meaning (RFC 6749 section 3.3), and one alone needs no separator.
fn scopes(form: &mut Canonical, client: &Client) {
    let mut scopes: Vec<&str> = client.scopes.iter().map(String::as_str).collect();
    scopes.sort_unstable();
    for scope in &scopes {
        form.field("scope", scope);
    }
    if scopes.len() > 1 {
        form.field("scopeSeparator", &client.scope_separator);
    }
}

fn rendered(resource: &Validated, mut form: Canonical) -> Canonical {
    form.field("type", &resource.token_secret.type_);
    response(&mut form, &resource.client.response);
    let templates = &resource.token_secret.templates;
    for (key, template) in templates.sources() {
        form.field("key", key);
        form.field("template", template);
    }
    if templates.uses("credentials") {
        form.field("username", &resource.client.keys.username);
    }
    form
}

fn response(form: &mut Canonical, shape: &ResponseShape) {
    let pointers = BTreeMap::from([
        (
            "accessToken",
            shape.access_token.as_deref().unwrap_or("/access_token"),
        ),
        (
            "tokenType",
            shape.token_type.as_deref().unwrap_or("/token_type"),
        ),
        ("scope", shape.scope.as_deref().unwrap_or("/scope")),
    ]);
    for (name, pointer) in pointers {
        form.field(name, pointer);
    }
    let moved = |pointer: &&str| *pointer != refresh::POINTER;
    if let Some(pointer) = shape.refresh_token.as_deref().filter(moved) {
        form.field("refreshToken", pointer);
    }
    if shape.jwt_expiry {
        form.field("useJWTExpiry", "true");
    }
    if let Some(success) = &shape.success {
        form.field("success", &success.pointer);
        form.field("value", &success.value);
    }
    if let Some(error) = shape.error.as_deref().filter(|error| *error != "/error") {
        form.field("error", error);
    }
    if let Some(expiry) = &shape.expiry {
        form.field("expiry", &expiry.pointer);
        form.field(
            "unit",
            match expiry.unit {
                ExpiryUnit::Seconds => "Seconds",
                ExpiryUnit::Milliseconds => "Milliseconds",
                ExpiryUnit::EpochSeconds => "EpochSeconds",
                ExpiryUnit::EpochMilliseconds => "EpochMilliseconds",
                ExpiryUnit::Rfc3339 => "RFC3339",
            },
        );
    }
}

#[cfg(test)]
mod tests;
