//! The headers of a request, and the proof of possession among them.

use crate::oauth::jwt::{SigningKey, identifier};
use crate::oauth::{
    Client, ClientAuthentication, Format, Method, ParameterValue, RequestContext, dpop,
};
use crate::secret::Secret;

use super::client_authentication::basic;
use super::credentials::{self, Reader};
use super::problem::{CredentialsProblem, NameProblem};
use super::write::Text;

/// The headers: `accept`, `content-type`, `authorization`, then the resource's own, which replace ours of the same name.
pub(super) fn headers(
    client: &Client,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
    (bearer, has_placed): (Option<Secret>, bool),
) -> Result<Vec<(String, Secret)>, CredentialsProblem> {
    let mut own = Vec::new();
    for header in &client.headers {
        let value = match &header.value {
            ParameterValue::Fixed(value) if value.chars().all(credentials::fits_header) => {
                Text::new(value.clone())
            }
            ParameterValue::Time(time) => Text::new(time.text(context.now)),
            ParameterValue::Fixed(_) | ParameterValue::Json(_) => {
                return Err(NameProblem::HeaderValue {
                    name: header.name.clone(),
                }
                .into());
            }
            ParameterValue::CredentialsKey(key) => reader.header(key)?,
        };
        own.push((
            header.name.to_ascii_lowercase(),
            Secret::from(value.as_str()),
        ));
    }
    let mut list = Vec::new();
    let mut add = |name: &str, value: Secret| {
        if !own.iter().any(|(taken, _)| taken == name) {
            list.push((name.to_owned(), value));
        }
    };
    add("accept", "application/json".into());
    match client.format {
        Format::Form => add("content-type", "application/x-www-form-urlencoded".into()),
        Format::Json => add("content-type", "application/json".into()),
        Format::Query if has_placed => {
            add("content-type", "application/x-www-form-urlencoded".into());
        }
        Format::Query => {}
    }
    if let ClientAuthentication::ClientSecretBasic { encoding } = &client.authentication {
        add("authorization", basic(client, *encoding, reader)?);
    }
    if let Some(bearer) = bearer {
        add("authorization", bearer);
    }
    list.extend(own);
    Ok(list)
}

/// Adds the proof of possession (RFC 9449 section 4), where the request takes one.
pub(super) fn with_proof(
    client: &Client,
    (method, endpoint): (Method, &url::Url),
    mut headers: Vec<(String, Secret)>,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Vec<(String, Secret)>, CredentialsProblem> {
    let proof_key = match &context.dpop {
        Some(proof_key) => proof_key,
        None if client.dpop => return Err(CredentialsProblem::NoToken),
        None => return Ok(headers),
    };
    let bad = |problem| CredentialsProblem::Key {
        key: dpop::KEY.to_owned(),
        problem,
    };
    let random = &context.nonce.random;
    let key = SigningKey::parse(proof_key.key.expose_bytes(), random).map_err(bad)?;
    // Another identifier than those of the assertions that the same request may carry.
    let id = identifier(context.nonce.id.map(|byte| byte ^ 0x5a));
    let purpose = dpop::ProofPurpose {
        method,
        url: endpoint.as_str(),
        id: &id,
        now: context.now,
        nonce: proof_key.nonce.as_deref(),
    };
    let proof = dpop::proof(&key, &purpose, random).map_err(bad)?;
    reader.made(proof.expose().unwrap_or_default());
    headers.push((dpop::HEADER.to_owned(), proof));
    Ok(headers)
}
