//! How the client identifies and authenticates itself (RFC 6749 section 2.3): the parameters and the Basic header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::oauth::assertion::{CLIENT_ASSERTION_TYPE, SentAs};
use crate::oauth::token_source::TokenSource;
use crate::oauth::{BasicEncoding, Client, ClientAuthentication, RequestContext};
use crate::secret::Secret;

use super::assertion;
use super::credentials::{Reader, client_id, optional_client_id};
use super::problem::CredentialsProblem;
use super::write::{self, Parameters, Text};

/// The client secret from the credentials, or the empty text if the resource declares that it is empty.
fn client_secret(client: &Client, reader: &Reader<'_>) -> Result<Text, CredentialsProblem> {
    match client.empty_secret {
        true => Ok(Text::default()),
        false => reader.credential(&client.keys.client_secret),
    }
}

/// Adds the parameters that identify or authenticate the client (RFC 6749 section 2.3), for any endpoint.
pub(super) fn identify(
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

/// HTTP Basic (RFC 7617), with id and secret form-encoded first (RFC 6749 section 2.3.1) or as they are.
pub(super) fn basic(
    client: &Client,
    encoding: BasicEncoding,
    reader: &Reader<'_>,
) -> Result<Secret, CredentialsProblem> {
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
    STANDARD.encode_string(pair.as_bytes(), &mut value);
    reader.made(&pair);
    reader.made(&value);
    Ok(Secret::from(value.as_str()))
}
