//! Requests to the server's other endpoints, which take the same client authentication as the token endpoint: device
//! authorization (RFC 8628 section 3.1), revocation (RFC 7009 section 2.1).

use crate::oauth::request::write::Text;
use crate::oauth::{
    Client, Credentials, Format, HttpRequest, Method, RequestContext, SecretKind, SentSecrets,
};
use crate::secret::Secret;
use crate::trust::lender::Lenders;

use super::client_authentication::identify;
use super::credentials::{Reader, lenders};
use super::headers::{headers, with_proof};
use super::problem::CredentialsProblem;
use super::write;

/// Builds a form-encoded POST to `endpoint` with these parameters, authenticated as the client's token requests are. The
/// resource's own headers are sent along, its own parameters and scopes are not. `own`: the lenders of the parameters.
///
/// # Errors
/// [`CredentialsProblem`], for the first credential that cannot be used.
pub fn build_call(
    client: &Client,
    endpoint: &url::Url,
    (parameters, own): (Vec<(String, Secret)>, &Lenders),
    credentials: &Credentials,
    context: &RequestContext<'_>,
) -> Result<HttpRequest, CredentialsProblem> {
    let reader = Reader::new(credentials, &client.keys);
    let mut form = Client {
        format: Format::Form,
        ..client.clone()
    };
    // It describes the token request's body, not this one.
    form.headers
        .retain(|header| !header.name.eq_ignore_ascii_case("content-type"));
    let mut list = Vec::new();
    identify(&form, &reader, context, &mut list)?;
    let mut secrets = SentSecrets::default();
    for (name, value) in parameters {
        let text = value.expose().unwrap_or_default();
        secrets.add(SecretKind::Token, text);
        list.push((name, Text::new(text.to_owned())));
    }
    let headers = headers(&form, &reader, context, (None, false))?;
    let headers = with_proof(&form, (Method::Post, endpoint), headers, &reader, context)?;
    secrets.extend(reader.secrets(context));
    Ok(HttpRequest {
        method: Method::Post,
        url: endpoint.as_str().into(),
        headers,
        body: Secret::new(write::form(&list)),
        secrets,
        lenders: lenders(credentials, context).union(own),
    })
}
