//! The certificate that the client shows (mutual TLS, RFC 8705).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What authentication by a client certificate needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsClientAuth {
    /// Name of a Secret in this namespace with the certificate (tls.crt) and its private key (tls.key), as cert-manager writes
    /// it. It opts in by the label oauthclient.dev/credentials: "true", as the credentials do. Leave out where the credentials
    /// Secret holds these keys itself. A renewed certificate is used from the next token request on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}

/// A certificate that is shown besides another client authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// Name of a Secret in this namespace with the certificate (tls.crt) and its private key (tls.key), as cert-manager writes
    /// it. It opts in by the label oauthclient.dev/credentials: "true", as the credentials do.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}
