//! Discovery as data: where an issuer's document is, what it must contain, and how long it may be used
//! (RFC 8414; OpenID Connect Discovery 1.0).
//!
//! - The document of RFC 8414 is requested first, then that of OpenID Connect: [`Issuer::documents`].
//! - Its `issuer` is compared with the configured one byte by byte (RFC 8414 section 3.3). The rest is used only if
//!   they
//!   are equal.
//! - Only endpoints are used. An address that no request can be sent to counts as missing.
//! - How long it may be used is bounded on both sides: [`freshness`].

mod freshness;

use std::fmt;

use serde_json::{Map, Value};
use url::Url;

use super::HttpAnswer;
use super::document;

pub use freshness::{Caching, LONGEST, SHORTEST, USUAL, freshness};

/// The longest address that is taken from a document, in bytes.
const LONGEST_URL: usize = 2048;
/// The longest issuer of a document that people are shown.
const LONGEST_SHOWN: usize = 256;

/// An issuer identifier (RFC 8414 section 2), as it is written: nothing about it is normalised, since it is compared byte
/// by byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Takes an issuer; `None` where it is no URL with a host, or has a query or a fragment.
    pub fn parse(text: &str) -> Option<Issuer> {
        let url = endpoint(text)?;
        (url.query().is_none() && !text.contains('#')).then(|| Issuer {
            text: text.to_owned(),
            url,
        })
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As a URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where its document may be, in the order of the requests.
    ///
    /// RFC 8414 section 3.1 puts `/.well-known/oauth-authorization-server` between host and path, OpenID Connect
    /// Discovery
    /// section 4 appends `/.well-known/openid-configuration`; both drop a slash at the end first.
    pub fn documents(&self) -> [Url; 2] {
        let path = self.url.path().trim_end_matches('/').to_owned();
        let with = |path: &str| {
            let mut url = self.url.clone();
            url.set_path(path);
            url
        };
        [
            with(&format!("/.well-known/oauth-authorization-server{path}")),
            with(&format!("{path}/.well-known/openid-configuration")),
        ]
    }
}

/// What an issuer's document says, as far as it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Where each kind of request goes.
    pub endpoints: Endpoints,
    /// The endpoint that takes authorization requests ahead of the browser (RFC 9126 section 5).
    pub pushed_authorization: Option<Url>,
    /// Whether it takes them in no other way.
    pub requires_pushed: bool,
    /// The endpoint that registers clients (RFC 7591).
    pub registration: Option<Url>,
    /// Whether it knows the scope `offline_access`, which brings a refresh token (OpenID Connect Core section 11).
    pub offline_access: bool,
    /// Whether every answer of the authorization endpoint names the issuer (RFC 9207 section 3).
    pub issuer_in_answers: bool,
    /// Where it goes when the client authenticates with a TLS certificate (RFC 8705 section 5), as far as that differs.
    pub mtls: Aliases,
}

/// The endpoints of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The token endpoint (RFC 6749 section 3.2).
    pub token: Url,
    /// The revocation endpoint (RFC 7009).
    pub revocation: Option<Url>,
    /// The authorization endpoint (RFC 6749 section 3.1).
    pub authorization: Option<Url>,
    /// The device authorization endpoint (RFC 8628).
    pub device_authorization: Option<Url>,
}

/// `mtls_endpoint_aliases` (RFC 8705 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// In place of the token endpoint.
    pub token: Option<Url>,
    /// In place of the revocation endpoint.
    pub revocation: Option<Url>,
    /// In place of the device authorization endpoint.
    pub device_authorization: Option<Url>,
    /// In place of the endpoint for pushed authorization requests.
    pub pushed_authorization: Option<Url>,
}

/// The member that names the endpoint for pushed authorization requests (RFC 9126 section 5).
const PUSHED: &str = "pushed_authorization_request_endpoint";

impl Metadata {
    /// Where a client pushes its authorization requests, if it can.
    pub fn pushed_for(&self, with_certificate: bool) -> Option<Url> {
        let alias = self.mtls.pushed_authorization.as_ref();
        let alias = alias.filter(|_| with_certificate);
        alias.or(self.pushed_authorization.as_ref()).cloned()
    }

    /// The endpoints for a client; the aliases count where it authenticates with a TLS certificate.
    pub fn endpoints_for(&self, with_certificate: bool) -> Endpoints {
        if !with_certificate {
            return self.endpoints.clone();
        }
        let or = |alias: &Option<Url>, usual: &Option<Url>| alias.clone().or_else(|| usual.clone());
        Endpoints {
            token: self
                .mtls
                .token
                .clone()
                .unwrap_or_else(|| self.endpoints.token.clone()),
            revocation: or(&self.mtls.revocation, &self.endpoints.revocation),
            authorization: self.endpoints.authorization.clone(),
            device_authorization: or(
                &self.mtls.device_authorization,
                &self.endpoints.device_authorization,
            ),
        }
    }
}

/// Why a response is not the issuer's document, the most informative reason first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is the document of another issuer, or the issuer is written in another way.
    OtherIssuer {
        /// What the document says, where it is short and plain enough to be shown.
        says: Option<String>,
    },
    /// It is no document, or lacks what is needed.
    NoDocument {
        /// What is wrong with it, in words that hold nothing of the body.
        problem: &'static str,
    },
    /// There is none here: an HTTP status that is not success.
    Status(u16),
}

/// Understands an answer: the document of `issuer`, or why it is not.
///
/// # Errors
/// [`Unusable`]; of the body only the issuer is in it.
pub fn decode(issuer: &Issuer, answer: &HttpAnswer) -> Result<Metadata, Unusable> {
    if answer.status != 200 {
        return Err(Unusable::Status(answer.status));
    }
    let none = |problem| Unusable::NoDocument { problem };
    let text = document::text(answer.body.expose_bytes()).map_err(none)?;
    let value = match text.chars().next() {
        None => return Err(none("its body is empty")),
        Some('<') => return Err(none("its body is HTML or XML")),
        _ => document::json(text).map_err(none)?,
    };
    let Value::Object(object) = value else {
        return Err(none("its body is not a JSON object"));
    };
    match object.get("issuer").and_then(Value::as_str) {
        None => return Err(none("it names no issuer")),
        Some(says) if says != issuer.text => {
            let says = is_plain(says).then(|| says.to_owned());
            return Err(Unusable::OtherIssuer { says });
        }
        Some(_) => {}
    }
    let Some(token) = at(&object, "token_endpoint") else {
        return Err(none("it names no token endpoint that can be sent to"));
    };
    let aliases = object
        .get("mtls_endpoint_aliases")
        .and_then(Value::as_object);
    let alias = |name| at(aliases?, name);
    Ok(Metadata {
        endpoints: Endpoints {
            token,
            revocation: at(&object, "revocation_endpoint"),
            authorization: at(&object, "authorization_endpoint"),
            device_authorization: at(&object, "device_authorization_endpoint"),
        },
        pushed_authorization: at(&object, PUSHED),
        registration: at(&object, "registration_endpoint"),
        offline_access: object
            .get("scopes_supported")
            .and_then(Value::as_array)
            .is_some_and(|scopes| scopes.iter().any(|scope| scope == "offline_access")),
        requires_pushed: object
            .get("require_pushed_authorization_requests")
            .is_some_and(|value| *value == Value::Bool(true)),
        issuer_in_answers: object
            .get("authorization_response_iss_parameter_supported")
            .is_some_and(|value| *value == Value::Bool(true)),
        mtls: Aliases {
            token: alias("token_endpoint"),
            revocation: alias("revocation_endpoint"),
            device_authorization: alias("device_authorization_endpoint"),
            pushed_authorization: alias(PUSHED),
        },
    })
}

fn at(object: &Map<String, Value>, name: &str) -> Option<Url> {
    endpoint(object.get(name)?.as_str()?)
}

/// An address that a request can be sent to: http or https, a host of letters, digits, `-`, `_` and `.` or an IP address, no
/// user name, no fragment. Whether http is allowed is for others to say.
pub fn endpoint(text: &str) -> Option<Url> {
    if text.len() > LONGEST_URL || text.contains('#') || !text.bytes().all(|b| b.is_ascii_graphic())
    {
        return None;
    }
    Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.host().is_some_and(|host| is_named(&host))
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// Whether a host is as a resource may name one: a document names no other.
fn is_named(host: &url::Host<&str>) -> bool {
    match host {
        url::Host::Domain(name) => name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
        _ => true,
    }
}

/// Whether an issuer that a document names can be shown: a plain address, so that nothing else of it reaches a status.
fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_SHOWN && Issuer::parse(text).is_some()
}

/// What is wrong, as the rest of a sentence about the document.
impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::OtherIssuer { says: Some(says) } => {
                write!(f, "it is the document of the issuer {says}")
            }
            Unusable::OtherIssuer { says: None } => {
                f.write_str("it is the document of another issuer")
            }
            Unusable::NoDocument { problem } => f.write_str(problem),
            Unusable::Status(status) => write!(f, "the answer was HTTP {status}"),
        }
    }
}

#[cfg(test)]
mod tests;
