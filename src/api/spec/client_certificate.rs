//! The client certificate (mutual TLS, RFC 8705).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of authentication with a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsClientAuth {
    /// Name of a Secret in this namespace with the certificate (tls.crt) and its private key (tls.key), as cert-manager writes
    /// it. It must have the label oauthclient.dev/credentials: "true". Defaults to the credentials Secret. A renewed certificate
    /// is used from the next token request on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}

/// A client certificate that is presented in addition to another client authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// Name of a Secret in this namespace with the certificate (tls.crt) and its private key (tls.key), as cert-manager writes
    /// it. It must have the label oauthclient.dev/credentials: "true".
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}
