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
mod credentials;
mod exchange;
mod names;
mod problem;
#[cfg(test)]
mod tests;
mod write;

use crate::oauth::request::write::Text;
use crate::oauth::token_source::TokenSource;
use crate::secret::Secret;
use crate::trust::lender::Lenders;

use super::assertion::{CLIENT_ASSERTION_TYPE, JWT_BEARER, Placement, SentAs};
use super::exchange::TOKEN_EXCHANGE;
use super::jwt::{SigningKey, identifier};
use super::{
    BasicEncoding, Client, ClientAuthentication, Credentials, Format, Grant, HttpRequest, Method,
    ParameterValue, RequestContext, dpop,
};
use credentials::{Reader, client_id, optional_client_id};
use names::goes_by_format;

pub use super::parameter::single_line;
pub use crate::oauth::request::problem::{CredentialsProblem, NameProblem};
pub use call::build_call;
pub use credentials::required_keys;
pub use names::{check_names, reserved_headers, reserved_parameters};

/// The parameters of a request, in order.
type Parameters = Vec<(String, Text)>;

/// Builds the token request of a client, or returns the credential that prevents it.
///
/// Parameters come in this order: `grant_type`, client id and secret, user name and password or refresh token, `scope`,
/// then the
/// resource's own in their order. Headers: `accept`, `content-type`, `authorization`, then the resource's own; an
/// `accept`
/// or `content-type` of the resource replaces ours.
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

/// Everybody whose secrets a request may hold. That a value is not used this time makes no difference: what a request needs
/// is a matter of the spec, which its lenders have not written.
fn lenders(credentials: &Credentials, context: &RequestContext<'_>) -> Lenders {
    credentials
        .lenders()
        .clone()
        .union(context.tokens.lenders())
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

/// The client secret: of the credentials, or the empty text where the resource says that it is that.
fn client_secret(client: &Client, reader: &Reader<'_>) -> Result<Text, CredentialsProblem> {
    match client.empty_secret {
        true => Ok(Text::default()),
        false => reader.credential(&client.keys.client_secret),
    }
}

/// Adds the parameters by which the client says or proves who it is (RFC 6749 section 2.3), for whatever endpoint.
fn identify(
    client: &Client,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
    list: &mut Parameters,
) -> Result<(), CredentialsProblem> {
    let mut add = |name: &str, value: Text| list.push((name.to_owned(), value));
    match &client.authentication {
        ClientAuthentication::ClientSecretBasic { .. } => {}
        ClientAuthentication::ClientSecretPost => {
            add("client_id", client_id(client, reader)?);
            add("client_secret", client_secret(client, reader)?);
        }
        ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => {
            add("client_id", client_id(client, reader)?);
        }
        ClientAuthentication::PrivateKeyJwt(own) | ClientAuthentication::ClientSecretJwt(own) => {
            let proof = match &client.authentication {
                ClientAuthentication::PrivateKeyJwt(_) => assertion::private_key,
                _ => assertion::client_secret,
            };
            if own.send_client_id {
                add("client_id", client_id(client, reader)?);
            }
            let proof = proof(client, own, reader, context)?;
            if own.sent_as == SentAs::ClientSecret {
                add("client_secret", proof);
                return Ok(());
            }
            add(
                "client_assertion_type",
                Text::new(CLIENT_ASSERTION_TYPE.to_owned()),
            );
            add("client_assertion", proof);
        }
        // The assertion identifies the client.
        ClientAuthentication::None
            if client
                .grant
                .jwt_bearer()
                .is_some_and(|jwt| !jwt.send_client_id) => {}
        ClientAuthentication::None => {
            if let Some(id) = optional_client_id(client, reader)? {
                add("client_id", id);
            }
        }
        ClientAuthentication::ServiceAccountToken(token) => {
            if let Some(id) = optional_client_id(client, reader)? {
                add("client_id", id);
            }
            let source = TokenSource::ServiceAccount(token.clone());
            let assertion = context.tokens.get(&source)?.expose();
            let assertion = assertion.ok_or(CredentialsProblem::NoToken)?;
            add(
                "client_assertion_type",
                Text::new(CLIENT_ASSERTION_TYPE.to_owned()),
            );
            add("client_assertion", Text::new(assertion.to_owned()));
        }
    }
    Ok(())
}

fn headers(
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
fn with_proof(
    client: &Client,
    (method, endpoint): (Method, &url::Url),
    mut headers: Vec<(String, Secret)>,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Vec<(String, Secret)>, CredentialsProblem> {
    let proving = match &context.dpop {
        Some(proving) => proving,
        None if client.dpop => return Err(CredentialsProblem::NoToken),
        None => return Ok(headers),
    };
    let bad = |problem| CredentialsProblem::Key {
        key: dpop::KEY.to_owned(),
        problem,
    };
    let random = &context.nonce.random;
    let key = SigningKey::parse(proving.key.expose_bytes(), random).map_err(bad)?;
    // Another identifier than those of the assertions that the same request may carry.
    let id = identifier(context.nonce.id.map(|byte| byte ^ 0x5a));
    let purpose = dpop::Purpose {
        method,
        url: endpoint.as_str(),
        id: &id,
        now: context.now,
        nonce: proving.nonce.as_deref(),
    };
    let proof = dpop::proof(&key, &purpose, random).map_err(bad)?;
    reader.made(proof.expose().unwrap_or_default());
    headers.push((dpop::HEADER.to_owned(), proof));
    Ok(headers)
}

/// HTTP Basic (RFC 7617), with id and secret form-encoded first (RFC 6749 section 2.3.1) or as they are.
fn basic(
    client: &Client,
    encoding: BasicEncoding,
    reader: &Reader<'_>,
) -> Result<Secret, CredentialsProblem> {
    use base64::Engine as _;
    let id = client_id(client, reader)?;
    let secret = client_secret(client, reader)?;
    let pair = match encoding {
        BasicEncoding::FormEncoded => {
            let mut pair = Text::default();
            write::form_encode(&mut pair, &id);
            pair.push(':');
            write::form_encode(&mut pair, &secret);
            pair
        }
        // The server splits at the first colon (RFC 7617 section 2): the rest of the id would become part of the secret.
        BasicEncoding::Raw if id.contains(':') => {
            return Err(CredentialsProblem::Colon {
                key: client.keys.client_id.clone(),
            });
        }
        BasicEncoding::Raw => Text::new(format!("{}:{}", *id, *secret)),
    };
    let mut value = Text::new("Basic ".to_owned());
    base64::engine::general_purpose::STANDARD.encode_string(pair.as_bytes(), &mut value);
    reader.made(&pair);
    reader.made(&value);
    Ok(Secret::from(value.as_str()))
}
