//! A person's first consent as data: authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 9207) and device
//! authorization (RFC 8628). What comes of either is a refresh token.
//!
//! Pure, as the rest of `oauth`: chance and time are arguments, and nothing is sent from here.

pub mod authorization;
pub mod device;
mod id_token;
pub mod redirect;

use super::{
    Client, Credentials, CredentialsProblem, Document, Grant, HttpRequest, Parameter,
    ParameterValue, Place, RequestContext, ResponseShape, refresh, request,
};
use crate::secret::Secret;
use crate::trust::lender::Lenders;

pub use authorization::{AuthorizationRequest, Proof, request_uri};
pub use id_token::check_id_token;

/// The `grant_type` of a code exchange (RFC 6749 section 4.1.3).
pub const AUTHORIZATION_CODE: &str = "authorization_code";
/// The `grant_type` of a poll for a device (RFC 8628 section 3.4).
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Builds a request to the token endpoint with a grant of a login: the resource's client authentication, format,
/// headers
/// and parameters, and these secret ones. No scope is sent, because the authorization request contained it.
///
/// # Errors
/// [`CredentialsProblem`], for the first credential that cannot be used.
pub fn token_request(
    client: &Client,
    credentials: &Credentials,
    grant: &str,
    own: &[(&str, Secret)],
    context: &RequestContext<'_>,
) -> Result<HttpRequest, CredentialsProblem> {
    let mut client = client.clone();
    let mut credentials = credentials.clone();
    client.grant = Grant::Other(grant.to_owned());
    client.scopes = Vec::new();
    client
        .parameters
        .retain(|parameter| !own.iter().any(|(name, _)| *name == parameter.name));
    for (name, value) in own {
        // No key of a Secret contains a slash, so this hides none.
        let key = format!("/login/{name}");
        // Whoever logs in may send it to whom it came from.
        credentials.insert(key.clone(), value.clone(), &Lenders::none());
        client.parameters.push(Parameter {
            name: (*name).to_owned(),
            value: ParameterValue::CredentialsKey(key),
            place: Place::ByFormat,
        });
    }
    request::build(&client, &credentials, context)
}

/// The refresh token of an answer (RFC 6749 section 5.1); `None` where there is none that could be sent again.
pub fn refresh_token(shape: &ResponseShape, answer: &Document) -> Option<Secret> {
    refresh::returned(shape, answer).token
}

#[cfg(test)]
mod tests;
