//! The token request as data (RFC 6749 sections 2.3, 3.2 and 4), to be compared byte for byte.
//!
//! What is settled here:
//!
//! - A key of the credentials Secret that is there but empty is always an error, never anonymous access. A missing key
//!   is one where the request needs it; `none` sends `client_id` when the Secret has one.
//! - One trailing line break is cut off a value that is a single line (see [`single_line`]): `echo secret > file` puts
//!   it there, no credential of RFC 6749 appendix A may hold it, and sent along it fails as "bad secret". A value of
//!   several lines, such as a PEM document in a parameter, is sent as it is.
//! - Id and secret go into the header or into the parameters, never into both (RFC 6749 section 2.3).
//! - No parameter is sent twice but `resource` and `audience` (RFC 8707 section 2), none without a value (section 3.1).

mod assertion;
mod call;
mod client_authentication;
mod credentials;
mod exchange;
mod headers;
mod names;
mod problem;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use crate::oauth::request::write::Text;
use crate::secret::Secret;

use super::assertion::{JWT_BEARER, Placement};
use super::exchange::TOKEN_EXCHANGE;
use super::{Client, Credentials, Format, Grant, HttpRequest, ParameterValue, RequestContext};
use client_authentication::identify;
use credentials::{Reader, lenders};
use headers::{headers, with_proof};
use names::goes_by_format;
use write::Parameters;

pub use super::parameter::single_line;
pub use crate::oauth::request::problem::{CredentialsProblem, NameProblem};
pub use call::build_call;
pub use credentials::required_keys;
pub use names::{check_names, reserved_headers, reserved_parameters};

/// Builds the token request of a client, or returns the credential that prevents it.
///
/// Parameters come in this order: `grant_type`, client id and secret, user name and password or refresh token, `scope`,
/// then the resource's own in their order. Headers: `accept`, `content-type`, `authorization`, then the resource's own, which
/// replace ours of the same name.
///
/// # Errors
/// [`CredentialsProblem`], for the first credential in the order above that cannot be used.
pub fn build(
    client: &Client,
    credentials: &Credentials,
    context: &RequestContext<'_>,
) -> Result<HttpRequest, CredentialsProblem> {
    check_names(client)?;
    let reader = Reader::new(credentials, &client.keys);
    let (parameters, placed) = parameters(client, &reader, context)?;
    let bearer = assertion::bearer(client, &reader, context)?;
    let headers = headers(client, &reader, context, (bearer, !placed.is_empty()))?;
    if !client.is_located() {
        // The parts built so far are dropped: they only show that the credentials are valid.
        return Err(CredentialsProblem::NotLocated);
    }
    let headers = with_proof(
        client,
        (client.method, &client.token_url),
        headers,
        &reader,
        context,
    )?;
    let (url, body) = match client.format {
        Format::Form => (
            write::url(&client.token_url, &placed),
            Secret::new(write::form(&parameters)),
        ),
        Format::Json => (
            write::url(&client.token_url, &placed),
            Secret::new(write::json(&parameters, &client.parameters)),
        ),
        Format::Query => (
            write::url(&client.token_url, &parameters),
            Secret::new(write::form(&placed)),
        ),
    };
    Ok(HttpRequest {
        method: client.method,
        url,
        headers,
        body,
        secrets: reader.secrets(context),
        lenders: lenders(credentials, context),
    })
}

/// The name under which a grant goes over the wire (RFC 6749 sections 4.3.2 and 4.4.2).
pub fn grant_type(grant: &Grant) -> &str {
    match grant {
        Grant::ClientCredentials => "client_credentials",
        Grant::Password => "password",
        Grant::JwtBearer(_) => JWT_BEARER,
        Grant::TokenExchange(_) => TOKEN_EXCHANGE,
        Grant::RefreshToken => "refresh_token",
        Grant::Other(name) => name,
    }
}

/// The parameters that go where the format says, and those that the resource puts into the other of body and query.
fn parameters(
    client: &Client,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<(Parameters, Parameters), CredentialsProblem> {
    let mut placed = Vec::new();
    let mut list = Vec::new();
    let jwt = client.grant.jwt_bearer();
    if jwt.is_none_or(|jwt| jwt.placement == Placement::Parameter) {
        let name = grant_type(&client.grant).to_owned();
        list.push(("grant_type".to_owned(), Text::new(name)));
    }
    identify(client, reader, context, &mut list)?;
    if let Grant::TokenExchange(exchange) = &client.grant {
        list.extend(exchange::parameters(exchange, reader, context)?);
    }
    let mut add = |name: &str, value: Text| list.push((name.to_owned(), value));
    if client.grant == Grant::Password {
        add("username", reader.credential(&client.keys.username)?);
        add("password", reader.credential(&client.keys.password)?);
    }
    if let Some(jwt) = jwt
        && jwt.placement == Placement::Parameter
    {
        add("assertion", assertion::grant(client, jwt, reader, context)?);
    }
    if client.grant == Grant::RefreshToken {
        add(
            "refresh_token",
            reader.credential(&client.keys.refresh_token)?,
        );
    }
    if !client.scopes.is_empty() && !jwt.is_some_and(|jwt| jwt.scope_inside) {
        add(
            "scope",
            Text::new(client.scopes.join(&client.scope_separator)),
        );
    }
    for parameter in &client.parameters {
        let value = match &parameter.value {
            ParameterValue::Fixed(value) | ParameterValue::Json(value) => Text::new(value.clone()),
            ParameterValue::CredentialsKey(key) => reader.text(key)?,
            ParameterValue::Time(time) => Text::new(time.text(context.now)),
        };
        // RFC 6749 section 3.1: a parameter without a value counts as omitted, so it is.
        if value.is_empty() {
            continue;
        }
        match goes_by_format(client, parameter) {
            true => add(&parameter.name, value),
            false => placed.push((parameter.name.clone(), value)),
        }
    }
    Ok((list, placed))
}
