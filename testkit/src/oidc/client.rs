//! The clients that the server knows.

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Error, Result};

/// How a client authenticates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    #[default]
    /// HTTP Basic, form-encoded before base64; nothing else is accepted from this client.
    ClientSecretBasic,
    /// In the body; nothing else is accepted from this client.
    ClientSecretPost,
    /// An assertion signed with the secret (OpenID Connect Core section 9).
    ClientSecretJwt,
    /// An assertion signed with a private key; its public key is [`Client::public_jwk`].
    PrivateKeyJwt,
    /// The identifier alone: a public client.
    None,
    /// A certificate of [`Client::subject`] that the server's authority has signed (RFC 8705 section 2.1). The tokens are bound to it.
    TlsClientAuth,
    /// The certificate [`Client::certificate`] (RFC 8705 section 2.2). The tokens are bound to it.
    SelfSignedTlsClientAuth,
}

impl Method {
    /// Whether the client shows a certificate.
    pub(super) fn is_mutual(self) -> bool {
        matches!(
            self,
            Method::TlsClientAuth | Method::SelfSignedTlsClientAuth
        )
    }
}

/// A client that the server knows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Client {
    /// Its identifier: printable ASCII (RFC 6749 appendix A.1).
    #[serde(rename = "client_id")]
    pub id: String,
    /// Its secret: printable ASCII.
    #[serde(rename = "client_secret", skip_serializing_if = "String::is_empty")]
    pub secret: String,
    /// How it authenticates.
    #[serde(rename = "token_endpoint_auth_method")]
    pub method: Method,
    /// The algorithm of its assertions; any by default.
    #[serde(
        rename = "token_endpoint_auth_signing_alg",
        skip_serializing_if = "Option::is_none"
    )]
    pub algorithm: Option<String>,
    /// The public key of [`Method::PrivateKeyJwt`].
    #[serde(
        rename = "jwks",
        skip_serializing_if = "Option::is_none",
        serialize_with = "as_set"
    )]
    pub public_jwk: Option<Value>,
    /// The subject of [`Method::TlsClientAuth`], such as `CN=shop`.
    #[serde(
        rename = "tls_client_auth_subject_dn",
        skip_serializing_if = "Option::is_none"
    )]
    pub subject: Option<String>,
    /// The certificate of [`Method::SelfSignedTlsClientAuth`], PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Client {
    /// The client's registration at the server.
    pub(super) fn metadata(&self) -> Value {
        let mut all = json!(self);
        if let (true, Some(fields)) = (self.method.is_mutual(), all.as_object_mut()) {
            let bound = "tls_client_certificate_bound_access_tokens";
            fields.insert(bound.to_owned(), true.into());
        }
        all
    }

    /// A request that this client authenticates with its secret (RFC 6749 section 2.3.1).
    pub(super) fn proves(
        &self,
        request: RequestBuilder,
        form: &[(&str, &str)],
    ) -> Result<RequestBuilder> {
        let (id, secret) = (self.id.as_str(), self.secret.as_str());
        match self.method {
            Method::ClientSecretPost => {
                Ok(request.form(&[form, &[("client_id", id), ("client_secret", secret)]].concat()))
            }
            Method::None => Ok(request.form(&[form, &[("client_id", id)]].concat())),
            Method::ClientSecretBasic => {
                let encoded = |text: &str| -> String {
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let request = request.form(&form);
                Ok(request.basic_auth(encoded(id), Some(encoded(secret))))
            }
            _ => Err(Error::new(
                "only a client with a plain secret, or with none, can ask",
            )),
        }
    }
}

fn as_set<S: serde::Serializer>(
    key: &Option<Value>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    json!({"keys": [key]}).serialize(to)
}
