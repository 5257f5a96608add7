//! Whether a published token still matches the spec: a hash of everything that is sent and rendered.
//!
//! The hash is stored with the token and in a failed attempt, across restarts and versions. It is computed from a
//! canonical form: absent values equal their defaults, and orders without meaning are ignored. The refresh settings,
//! time-outs, trusted certificates, and name and labels of the token Secret are not part of it: changing those requests
//! no token. Neither is the content of the credentials, because a reader of the hash could guess a password.

mod assertion;
mod canonical;
mod exchange;

use std::collections::BTreeMap;

use crate::engine::ANY_INPUTS;
use crate::model::Validated;
use crate::oauth::refresh::{self, Origin};
use crate::oauth::request::grant_type;
use crate::oauth::{
    BasicEncoding, Client, ClientAuthentication, ExpiryUnit, Format, Grant, Method, ResponseShape,
};
use canonical::{Canonical, FORMAT, named};

/// Hashes of what a spec makes the operator send and render.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inputs {
    sent: String,
    whole: String,
}

impl Inputs {
    /// The hash of what is sent, as `v1:` and 32 hex digits: the inputs of a failed request.
    pub fn sent(&self) -> &str {
        &self.sent
    }

    /// The hash of what is sent and of how the response is parsed and rendered, as `v1:` and 32 hex digits: the inputs
    /// of a published token.
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

/// A hash in the form of the engine's records. An unknown format becomes [`ANY_INPUTS`], which matches everything.
/// Never 0, which means an invalid spec.
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
    // The issuer, not its discovered endpoints: an endpoint that moves must not request tokens for a whole fleet.
    match &client.issuer {
        Some(located) => form.field("issuerURL", located.issuer.text()),
        None => form.field("tokenURL", client.token_url.as_str()),
    }
    form.field("grant", grant_type(&client.grant));
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
    if let Some(dpop) = &resource.dpop {
        form.field("dpop", "true");
        if let Some(rotation) = &dpop.rotation {
            form.field("rotation", rotation);
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

/// The credentials in use: changing the name of an unused key requests nothing.
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
    if client.empty_secret {
        form.field("emptyClientSecret", "true");
    }
    if client.uses_client_secret() {
        form.field("clientSecret", &client.keys.client_secret);
    }
    if client.grant == Grant::Password {
        form.field("username", &client.keys.username);
        form.field("password", &client.keys.password);
    }
}

/// The order of scopes has no meaning (RFC 6749 section 3.3), and a single one needs no separator.
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
    let mut headers: Vec<&String> = shape.headers.iter().collect();
    headers.sort_unstable();
    for header in headers {
        form.field("responseHeader", header);
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
    for error in &shape.errors {
        form.field("errorMeans", error.means.as_str());
        form.field("errorAt", error.pointer.as_deref().unwrap_or_default());
        for value in &error.values {
            form.field("errorValue", value);
        }
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
