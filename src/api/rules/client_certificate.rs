//! Rules for the client certificate (RFC 8705).

use serde_json::Value;

use super::rule::{Rule, field, object_name, text};

pub(super) const RULES: &[Rule] = &[
    Rule {
        at: "spec.clientAuthentication",
        field: ".tlsClientAuth",
        cel: "!has(self.tlsClientAuth) || self.method in ['tls_client_auth', 'self_signed_tls_client_auth']",
        message: "belongs to the methods tls_client_auth and self_signed_tls_client_auth: set clientAuthentication.method to one of them, or name the Secret in provider.clientCertificate to present the certificate in addition to another method",
        holds: |v| v.get("tlsClientAuth").is_none() || is_tls(field(v, "method")),
    },
    object_name("spec.clientAuthentication.tlsClientAuth.secretName"),
    object_name("spec.provider.clientCertificate.secretName"),
    Rule {
        at: "spec",
        field: ".provider.clientCertificate",
        cel: "!has(self.provider.clientCertificate) || !(self.clientAuthentication.method in ['tls_client_auth', 'self_signed_tls_client_auth'])",
        message: "is for a certificate in addition to another method: with tls_client_auth and self_signed_tls_client_auth, name the Secret in clientAuthentication.tlsClientAuth instead",
        holds: |v| v.pointer("/provider/clientCertificate").is_none() || !is_tls(method(v)),
    },
    Rule {
        at: "spec",
        field: ".provider",
        cel: "!(has(self.provider.clientCertificate) || self.clientAuthentication.method in ['tls_client_auth', 'self_signed_tls_client_auth']) || \
              ((!has(self.provider.tokenURL) || !self.provider.tokenURL.startsWith('http://')) && (!has(self.provider.issuerURL) || !self.provider.issuerURL.startsWith('http://')))",
        message: "must use https for a client certificate, which is presented in the TLS handshake",
        holds: |v| {
            let http = ["/provider/tokenURL", "/provider/issuerURL"]
                .into_iter()
                .filter_map(|pointer| v.pointer(pointer))
                .any(|url| text(url).starts_with("http://"));
            !http || !(v.pointer("/provider/clientCertificate").is_some() || is_tls(method(v)))
        },
    },
    Rule {
        at: "spec",
        field: ".tokenSecret.name",
        cel: "(!has(self.clientAuthentication.tlsClientAuth) || !has(self.clientAuthentication.tlsClientAuth.secretName) || self.tokenSecret.name != self.clientAuthentication.tlsClientAuth.secretName) && \
              (!has(self.provider.clientCertificate) || self.tokenSecret.name != self.provider.clientCertificate.secretName)",
        message: "is the Secret with the client certificate, which the operator never writes to: choose another name for the token Secret",
        holds: |v| {
            let name = v.pointer("/tokenSecret/name");
            [
                "/clientAuthentication/tlsClientAuth/secretName",
                "/provider/clientCertificate/secretName",
            ]
            .into_iter()
            .filter_map(|pointer| v.pointer(pointer))
            .all(|other| Some(other) != name)
        },
    },
];

/// Whether a client authentication method uses a certificate.
pub(super) fn is_tls(method: &str) -> bool {
    matches!(method, "tls_client_auth" | "self_signed_tls_client_auth")
}

fn method(spec: &Value) -> &str {
    spec.pointer("/clientAuthentication/method")
        .map(text)
        .unwrap_or_default()
}
