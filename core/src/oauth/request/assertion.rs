//! Signing what a request carries: client assertions and authorization grants (RFC 7521, RFC 7523).
//!
//! `iat` lies a little in the past, so that a server whose clock is behind ours does not refuse it as made in the future;
//! `exp - iat` is the lifetime that the resource sets, so `exp` is never further away than that.

use serde_json::Value;

use crate::oauth::assertion::{Audience, CertificateHeader, ClientAssertion, JwtBearer, Placement};
use crate::oauth::jwt::{
    Algorithm, Chain, Fields, KeyKind, KeyProblem, SigningKey, compact, identifier,
};
use crate::oauth::request::write::Text;
use crate::oauth::{Client, ParameterValue, RequestContext};
use crate::secret::Secret;
use crate::time::Span;

use super::credentials::{Reader, client_id};
use super::problem::CredentialsProblem;

/// The client assertion of `private_key_jwt`.
pub(super) fn private_key(
    client: &Client,
    assertion: &ClientAssertion,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Text, CredentialsProblem> {
    let name = &client.keys.private_key;
    let key = signing_key(name, reader, context)?;
    if key.kind() == KeyKind::Symmetric {
        return Err(bad(name)(KeyProblem::Symmetric));
    }
    client_assertion(client, assertion, (name, &key), reader, context)
}

/// The client assertion of `client_secret_jwt`.
pub(super) fn client_secret(
    client: &Client,
    assertion: &ClientAssertion,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Text, CredentialsProblem> {
    let name = &client.keys.client_secret;
    let secret = reader.text(name)?;
    let key = SigningKey::symmetric(&secret, &context.nonce.random);
    client_assertion(client, assertion, (name, &key), reader, context)
}

fn client_assertion(
    client: &Client,
    assertion: &ClientAssertion,
    (name, key): (&str, &SigningKey),
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Text, CredentialsProblem> {
    let algorithm = key.choose(assertion.algorithm).map_err(bad(name))?;
    let mut header = header(&assertion.type_, assertion.key_id.as_deref(), key);
    if let Some(certificate) = &assertion.certificate {
        add_certificate(&mut header, certificate, key, reader)?;
    }
    let mut claims = Fields::default();
    for (name, own) in [("iss", &assertion.issuer), ("sub", &assertion.subject)] {
        match own {
            Some(own) => claims.add(name, own.as_str()),
            None => claims.add(name, client_id(client, reader)?.as_str()),
        }
    }
    claims.add("aud", audience(&assertion.audience, client));
    let issued = dates(&mut claims, assertion.lifetime, assertion.backdate, context);
    // Entra requires it, and other servers must ignore it (RFC 7523 section 3).
    claims.add("nbf", issued);
    claims.add("jti", identifier(context.nonce.id));
    for claim in &assertion.claims {
        claims.add(&claim.name, value(&claim.value, reader, context)?);
    }
    sign((name, key), algorithm, (&header, &claims), reader, context)
}

/// The authorization grant of the JWT bearer grant.
pub(super) fn grant(
    client: &Client,
    grant: &JwtBearer,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Text, CredentialsProblem> {
    let name = &client.keys.private_key;
    let key = signing_key(name, reader, context)?;
    let algorithm = key.choose(grant.algorithm).map_err(bad(name))?;
    let mut header = header(&grant.type_, grant.key_id.as_deref(), &key);
    if let Some(certificate) = &grant.certificate {
        add_certificate(&mut header, certificate, &key, reader)?;
    }
    let mut claims = Fields::default();
    match (&grant.issuer, key.service_account()) {
        (Some(issuer), _) => claims.add("iss", issuer.as_str()),
        (None, Some(account)) => claims.add("iss", account.email.as_str()),
        (None, None) => claims.add("iss", client_id(client, reader)?.as_str()),
    }
    claims.add_some("sub", grant.subject.as_deref());
    if let Some(whom) = &grant.audience {
        claims.add("aud", audience(whom, client));
    }
    dates(&mut claims, grant.lifetime, grant.backdate, context);
    // Another identifier than that of the client assertion, which the same request may carry.
    claims.add("jti", identifier(context.nonce.id.map(|byte| !byte)));
    if grant.scope_inside && !client.scopes.is_empty() {
        claims.add("scope", client.scopes.join(&client.scope_separator));
    }
    for claim in &grant.claims {
        claims.add(&claim.name, value(&claim.value, reader, context)?);
    }
    sign((name, &key), algorithm, (&header, &claims), reader, context)
}

/// The `Authorization` header of a grant that goes there (RFC 6750 section 2.1).
pub(super) fn bearer(
    client: &Client,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Option<Secret>, CredentialsProblem> {
    match client.grant.jwt_bearer() {
        Some(one) if one.placement == Placement::AuthorizationHeader => {
            let token = grant(client, one, reader, context)?;
            let value = Text::new(format!("Bearer {}", *token));
            Ok(Some(Secret::from(value.as_str())))
        }
        _ => Ok(None),
    }
}

fn signing_key(
    name: &str,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<SigningKey, CredentialsProblem> {
    let text = reader.text(name)?;
    SigningKey::parse(text.as_bytes(), &context.nonce.random).map_err(bad(name))
}

fn header(type_: &str, id: Option<&str>, key: &SigningKey) -> Fields {
    let mut header = Fields::default();
    header.add("typ", type_);
    header.add_some("kid", id.or(key.id()));
    header
}

/// Adds what names the certificate of the key: a thumbprint, the chain (RFC 7515 section 4.1.6), or both.
fn add_certificate(
    header: &mut Fields,
    certificate: &CertificateHeader,
    key: &SigningKey,
    reader: &Reader<'_>,
) -> Result<(), CredentialsProblem> {
    let text = reader.text(&certificate.key)?;
    let chain = Chain::read(text.as_bytes(), key).map_err(bad(&certificate.key))?;
    if let Some(which) = certificate.thumbprint {
        header.add(which.header(), chain.thumbprint(which));
    }
    if certificate.chain {
        header.add("x5c", chain.x5c());
    }
    Ok(())
}

/// Adds `iat` and `exp`; returns the one.
fn dates(claims: &mut Fields, lifetime: Span, backdate: Span, context: &RequestContext<'_>) -> i64 {
    let issued = context.now.seconds().saturating_sub(backdate.seconds());
    claims.add("iat", issued);
    claims.add("exp", issued.saturating_add(lifetime.seconds()));
    issued
}

fn audience<'a>(audience: &'a Audience, client: &'a Client) -> &'a str {
    match audience {
        Audience::Issuer => client.provider(),
        Audience::TokenUrl => client.token_url.as_str(),
        Audience::Text(text) => text,
    }
}

fn value(
    value: &ParameterValue,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Value, CredentialsProblem> {
    Ok(match value {
        ParameterValue::Fixed(text) => Value::from(text.as_str()),
        ParameterValue::Json(text) => serde_json::from_str(text).unwrap_or_default(),
        ParameterValue::CredentialsKey(key) => Value::from(reader.text(key)?.as_str()),
        ParameterValue::Time(time) => Value::from(time.text(context.now)),
    })
}

fn sign(
    (name, key): (&str, &SigningKey),
    algorithm: Algorithm,
    (header, claims): (&Fields, &Fields),
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Text, CredentialsProblem> {
    let token =
        compact(key, algorithm, header, claims, &context.nonce.random).map_err(bad(name))?;
    reader.made(token.expose().unwrap_or_default());
    Ok(Text::new(token.expose().unwrap_or_default().to_owned()))
}

fn bad(name: &str) -> impl Fn(KeyProblem) -> CredentialsProblem + use<'_> {
    move |problem| CredentialsProblem::Key {
        key: name.to_owned(),
        problem,
    }
}
