//! Which names a resource's own parameters and headers may not take.

use std::collections::BTreeSet;

use crate::oauth::assertion::Placement;
use crate::oauth::request::problem::NameProblem;
use crate::oauth::{Client, ClientAuthentication, Format, Grant, Parameter, Place};

/// The parameters that may be sent more than once (RFC 8707 section 2, RFC 8693 section 2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// Headers that belong to the connection or to the sender.
const SENDER_HEADERS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl NameProblem {
    /// The field of the resource that contains it.
    pub fn field(&self) -> &'static str {
        match self {
            NameProblem::Reserved { .. }
            | NameProblem::Repeated { .. }
            | NameProblem::InUrl { .. } => "spec.parameters",
            _ => "spec.request.headers",
        }
    }
}

/// The parameters that this client's request sets by itself, which the resource's own may therefore not be called.
///
/// Client id and secret are reserved under every method: what a method does not send as a parameter it sends as a
/// header, and one secret must not go both ways (RFC 6749 section 2.3). With `none`, `client_secret` is free.
pub fn reserved_parameters(client: &Client) -> Vec<&'static str> {
    let mut names = vec!["grant_type", "client_id", "scope"];
    if client.authentication != ClientAuthentication::None {
        names.push("client_secret");
    }
    if matches!(
        client.authentication,
        ClientAuthentication::PrivateKeyJwt(_) | ClientAuthentication::ClientSecretJwt(_)
    ) {
        names.extend(["client_assertion", "client_assertion_type"]);
    }
    if client.grant.jwt_bearer().is_some() {
        names.push("assertion");
    }
    if client.grant == Grant::Password {
        names.extend(["username", "password"]);
    }
    if let ClientAuthentication::ServiceAccountToken(_) = &client.authentication {
        names.extend(["client_assertion", "client_assertion_type"]);
    }
    if let Grant::TokenExchange(_) = &client.grant {
        names.extend(super::exchange::PARAMETERS);
    }
    if client.grant == Grant::RefreshToken {
        names.push("refresh_token");
    }
    names
}

/// The headers, in lower case, that this client's request or its sender sets by itself. `accept` and `content-type`
/// are not among them: the resource's own take their place.
pub fn reserved_headers(client: &Client) -> Vec<&'static str> {
    let mut names = SENDER_HEADERS.to_vec();
    let bearer = client.grant.jwt_bearer();
    if matches!(
        client.authentication,
        ClientAuthentication::ClientSecretBasic { .. }
    ) || bearer.is_some_and(|jwt| jwt.placement == Placement::AuthorizationHeader)
    {
        names.push("authorization");
    }
    if client.dpop {
        names.push(crate::oauth::dpop::HEADER);
    }
    names
}

/// Checks the names of the resource's own parameters and headers: none reserved, none twice.
///
/// # Errors
/// The first [`NameProblem`], parameters first.
pub fn check_names(client: &Client) -> Result<(), NameProblem> {
    check_parameters(client)?;
    check_headers(client)
}

fn check_parameters(client: &Client) -> Result<(), NameProblem> {
    let reserved = reserved_parameters(client);
    let mut seen = BTreeSet::new();
    for parameter in &client.parameters {
        let name = parameter.name.as_str();
        if reserved.contains(&name) {
            return Err(NameProblem::Reserved {
                name: name.to_owned(),
            });
        }
        if !seen.insert(name) && !REPEATABLE.contains(&name) {
            return Err(NameProblem::Repeated {
                name: name.to_owned(),
            });
        }
    }
    let in_query: BTreeSet<&str> = client
        .parameters
        .iter()
        .filter(|one| (client.format == Format::Query) == goes_by_format(client, one))
        .map(|one| one.name.as_str())
        .collect();
    if client.format == Format::Query || !in_query.is_empty() {
        let sets = |name: &str| client.format == Format::Query && reserved.contains(&name);
        for (name, _) in client.token_url.query_pairs() {
            if sets(&name) || in_query.contains(name.as_ref()) {
                return Err(NameProblem::InUrl {
                    name: name.into_owned(),
                });
            }
        }
    }
    Ok(())
}

fn check_headers(client: &Client) -> Result<(), NameProblem> {
    let reserved = reserved_headers(client);
    let mut seen = BTreeSet::new();
    for header in &client.headers {
        let name = header.name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(NameProblem::HeaderName { name });
        }
        if reserved.contains(&name.as_str()) {
            return Err(NameProblem::ReservedHeader { name });
        }
        if !seen.insert(name.clone()) {
            return Err(NameProblem::RepeatedHeader { name });
        }
    }
    Ok(())
}

/// Whether a parameter goes where the format puts all of them.
pub(super) fn goes_by_format(client: &Client, parameter: &Parameter) -> bool {
    match parameter.place {
        Place::ByFormat => true,
        Place::Query => client.format == Format::Query,
        Place::Body => client.format != Format::Query,
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
