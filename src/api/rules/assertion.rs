//! Rules for assertions: `grant.jwtBearer`, `clientAuthentication.privateKeyJWT` and `.clientSecretJWT`.

use serde_json::Value;

use super::rule::{FIXED, FIXED_MESSAGE, Rule, below, data_key, field, items, own, text};
use crate::api::validators;
use crate::oauth::assertion::JWT_BEARER;

const PRINTABLE: &str = "self.matches('^[ -~]+$')";
const PRINTABLE_MESSAGE: &str = "must consist of printable ASCII characters";

const RESERVED_CLAIMS: [&str; 8] = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "scope"];

const fn printable(at: &'static str) -> Rule {
    own(at, PRINTABLE, PRINTABLE_MESSAGE, |v| {
        validators::is_printable(text(v))
    })
}

const fn one_line(at: &'static str) -> Rule {
    own(at, FIXED, FIXED_MESSAGE, |v| {
        validators::is_one_line(text(v))
    })
}

const fn claims_once(at: &'static str) -> Rule {
    own(
        at,
        "self.all(c, self.exists_one(d, d.name == c.name))",
        "name a claim twice: keep one of them (a list of values is one claim, with jsonValue)",
        |v| {
            items(v).all(|c| {
                let same = |d: &&Value| field(d, "name") == field(c, "name");
                items(v).filter(same).count() == 1
            })
        },
    )
}

const fn one_claim_value(at: &'static str) -> Rule {
    Rule {
        at,
        field: ".value",
        cel: "(has(self.value) ? 1 : 0) + (has(self.jsonValue) ? 1 : 0) + (has(self.credentialsKey) ? 1 : 0) == 1",
        message: "needs exactly one of value, jsonValue and credentialsKey: set the one, remove the others",
        holds: has_one_value,
    }
}

const fn sends_certificate(at: &'static str) -> Rule {
    Rule {
        at,
        field: ".thumbprint",
        cel: "self.thumbprint != 'None' || (has(self.sendChain) && self.sendChain)",
        message: "can be None only with sendChain true: else nothing of the certificate is sent",
        holds: |v| {
            field(v, "thumbprint") != "None"
                || v.get("sendChain").and_then(Value::as_bool) == Some(true)
        },
    }
}

/// Whether a parameter or claim has exactly one of its three values.
pub(super) fn has_one_value(item: &Value) -> bool {
    let there = |name: &str| usize::from(item.get(name).is_some());
    there("value") + there("jsonValue") + there("credentialsKey") == 1
}

/// Whether an assertion is still valid when it is created.
fn lives(assertion: &Value) -> bool {
    let number = |name: &str| assertion.get(name).and_then(Value::as_i64);
    number("backdateSeconds") < number("lifetimeSeconds")
}

fn method(spec: &Value) -> &str {
    spec.pointer("/clientAuthentication/method")
        .map(text)
        .unwrap_or_default()
}

fn is_jwt_bearer(spec: &Value) -> bool {
    spec.pointer("/grant/type").map(text) == Some(JWT_BEARER)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        at: "spec.grant",
        field: ".jwtBearer",
        cel: "!has(self.jwtBearer) || self.type == 'urn:ietf:params:oauth:grant-type:jwt-bearer'",
        message: "belongs to type urn:ietf:params:oauth:grant-type:jwt-bearer: remove it, or set grant.type to that",
        holds: |v| v.get("jwtBearer").is_none() || field(v, "type") == JWT_BEARER,
    },
    Rule {
        at: "spec.grant.jwtBearer",
        field: ".backdateSeconds",
        cel: "self.backdateSeconds < self.lifetimeSeconds",
        message: "must be less than lifetimeSeconds: the assertion would expire before it is sent",
        holds: lives,
    },
    printable("spec.grant.jwtBearer.keyID"),
    printable("spec.grant.jwtBearer.headerType"),
    one_line("spec.grant.jwtBearer.issuer"),
    one_line("spec.grant.jwtBearer.subject"),
    one_line("spec.grant.jwtBearer.audience"),
    Rule {
        at: "spec.grant.jwtBearer",
        field: ".audienceFrom",
        cel: "!(has(self.audience) && has(self.audienceFrom))",
        message: "cannot be combined with audience: remove one of the two",
        holds: |v| v.get("audience").is_none() || v.get("audienceFrom").is_none(),
    },
    Rule {
        at: "spec",
        field: ".grant.jwtBearer.audienceFrom",
        cel: "!has(self.grant.jwtBearer) || !has(self.grant.jwtBearer.audienceFrom) || self.grant.jwtBearer.audienceFrom != 'Issuer' || has(self.provider.issuerURL)",
        message: "can be Issuer only with provider.issuerURL: set that, or write the issuer into audience",
        holds: |v| {
            v.pointer("/grant/jwtBearer/audienceFrom").map(text) != Some("Issuer")
                || v.pointer("/provider/issuerURL").is_some()
        },
    },
    data_key("spec.grant.jwtBearer.certificate.credentialsKey"),
    sends_certificate("spec.grant.jwtBearer.certificate"),
    claims_once("spec.grant.jwtBearer.claims"),
    own(
        "spec.grant.jwtBearer.claims[].name",
        "!(self in ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'scope'])",
        "is a claim that other fields set: use issuer, subject, audience and lifetimeSeconds, and scopes with scopePlacement Assertion",
        |v| !RESERVED_CLAIMS.contains(&text(v)),
    ),
    one_line("spec.grant.jwtBearer.claims[].name"),
    one_claim_value("spec.grant.jwtBearer.claims[]"),
    one_line("spec.grant.jwtBearer.claims[].value"),
    data_key("spec.grant.jwtBearer.claims[].credentialsKey"),
    Rule {
        at: "spec",
        field: ".parameters",
        cel: "self.grant.type != 'urn:ietf:params:oauth:grant-type:jwt-bearer' || !has(self.parameters) || \
              !self.parameters.exists(p, p.name == 'assertion')",
        message: "must not set assertion with the JWT bearer grant, which signs it: set grant.jwtBearer and remove the parameter",
        holds: |v| {
            !is_jwt_bearer(v) || !below(v, "/parameters").any(|p| field(p, "name") == "assertion")
        },
    },
    Rule {
        at: "spec",
        field: ".clientAuthentication.method",
        cel: "!has(self.grant.jwtBearer) || self.grant.jwtBearer.placement != 'AuthorizationHeader' || \
              self.clientAuthentication.method == 'none'",
        message: "must be none with grant.jwtBearer.placement AuthorizationHeader, where only the assertion identifies the client",
        holds: |v| {
            v.pointer("/grant/jwtBearer/placement").map(text) != Some("AuthorizationHeader")
                || method(v) == "none"
        },
    },
    Rule {
        at: "spec",
        field: ".request.headers",
        cel: "!has(self.grant.jwtBearer) || self.grant.jwtBearer.placement != 'AuthorizationHeader' || \
              !has(self.request.headers) || !self.request.headers.exists(h, h.name.lowerAscii() == 'authorization')",
        message: "must not set Authorization with grant.jwtBearer.placement AuthorizationHeader, which sends the assertion there: remove the header",
        holds: |v| {
            v.pointer("/grant/jwtBearer/placement").map(text) != Some("AuthorizationHeader")
                || !below(v, "/request/headers")
                    .any(|h| field(h, "name").eq_ignore_ascii_case("authorization"))
        },
    },
    Rule {
        at: "spec.clientAuthentication",
        field: ".privateKeyJWT",
        cel: "!has(self.privateKeyJWT) || self.method == 'private_key_jwt'",
        message: "belongs to method private_key_jwt: remove it, or set clientAuthentication.method to private_key_jwt",
        holds: |v| v.get("privateKeyJWT").is_none() || field(v, "method") == "private_key_jwt",
    },
    Rule {
        at: "spec.clientAuthentication",
        field: ".clientSecretJWT",
        cel: "!has(self.clientSecretJWT) || self.method == 'client_secret_jwt'",
        message: "belongs to method client_secret_jwt: remove it, or set clientAuthentication.method to client_secret_jwt",
        holds: |v| v.get("clientSecretJWT").is_none() || field(v, "method") == "client_secret_jwt",
    },
    Rule {
        at: "spec",
        field: ".parameters",
        cel: "!(self.clientAuthentication.method in ['private_key_jwt', 'client_secret_jwt']) || !has(self.parameters) || \
              !self.parameters.exists(p, p.name in ['client_assertion', 'client_assertion_type'])",
        message: "must not set client_assertion or client_assertion_type with clientAuthentication.method private_key_jwt or \
                  client_secret_jwt, which sign it: remove the parameter",
        holds: |v| {
            !matches!(method(v), "private_key_jwt" | "client_secret_jwt")
                || !below(v, "/parameters").any(|p| {
                    matches!(
                        field(p, "name"),
                        "client_assertion" | "client_assertion_type"
                    )
                })
        },
    },
    Rule {
        at: "spec.clientAuthentication.privateKeyJWT",
        field: ".backdateSeconds",
        cel: "self.backdateSeconds < self.lifetimeSeconds",
        message: "must be less than lifetimeSeconds: the assertion would expire before it is sent",
        holds: lives,
    },
    printable("spec.clientAuthentication.privateKeyJWT.keyID"),
    printable("spec.clientAuthentication.privateKeyJWT.headerType"),
    one_line("spec.clientAuthentication.privateKeyJWT.audience"),
    Rule {
        at: "spec.clientAuthentication.privateKeyJWT",
        field: ".audienceFrom",
        cel: "!(has(self.audience) && has(self.audienceFrom))",
        message: "cannot be combined with audience: remove one of the two",
        holds: |v| v.get("audience").is_none() || v.get("audienceFrom").is_none(),
    },
    Rule {
        at: "spec",
        field: ".clientAuthentication.privateKeyJWT.audienceFrom",
        cel: "!has(self.clientAuthentication.privateKeyJWT) || !has(self.clientAuthentication.privateKeyJWT.audienceFrom) || self.clientAuthentication.privateKeyJWT.audienceFrom != 'Issuer' || has(self.provider.issuerURL)",
        message: "can be Issuer only with provider.issuerURL: set that, or write the issuer into audience",
        holds: |v| {
            v.pointer("/clientAuthentication/privateKeyJWT/audienceFrom")
                .map(text)
                != Some("Issuer")
                || v.pointer("/provider/issuerURL").is_some()
        },
    },
    data_key("spec.clientAuthentication.privateKeyJWT.certificate.credentialsKey"),
    sends_certificate("spec.clientAuthentication.privateKeyJWT.certificate"),
    one_line("spec.clientAuthentication.privateKeyJWT.issuer"),
    one_line("spec.clientAuthentication.privateKeyJWT.subject"),
    claims_once("spec.clientAuthentication.privateKeyJWT.claims"),
    own(
        "spec.clientAuthentication.privateKeyJWT.claims[].name",
        "!(self in ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti'])",
        "is a claim that other fields set: use issuer, subject, audience and lifetimeSeconds",
        |v| text(v) == "scope" || !RESERVED_CLAIMS.contains(&text(v)),
    ),
    one_line("spec.clientAuthentication.privateKeyJWT.claims[].name"),
    one_claim_value("spec.clientAuthentication.privateKeyJWT.claims[]"),
    one_line("spec.clientAuthentication.privateKeyJWT.claims[].value"),
    data_key("spec.clientAuthentication.privateKeyJWT.claims[].credentialsKey"),
    Rule {
        at: "spec.clientAuthentication.clientSecretJWT",
        field: ".backdateSeconds",
        cel: "self.backdateSeconds < self.lifetimeSeconds",
        message: "must be less than lifetimeSeconds: the assertion would expire before it is sent",
        holds: lives,
    },
    printable("spec.clientAuthentication.clientSecretJWT.keyID"),
    one_line("spec.clientAuthentication.clientSecretJWT.audience"),
    Rule {
        at: "spec.clientAuthentication.clientSecretJWT",
        field: ".audienceFrom",
        cel: "!(has(self.audience) && has(self.audienceFrom))",
        message: "cannot be combined with audience: remove one of the two",
        holds: |v| v.get("audience").is_none() || v.get("audienceFrom").is_none(),
    },
    Rule {
        at: "spec",
        field: ".clientAuthentication.clientSecretJWT.audienceFrom",
        cel: "!has(self.clientAuthentication.clientSecretJWT) || !has(self.clientAuthentication.clientSecretJWT.audienceFrom) || self.clientAuthentication.clientSecretJWT.audienceFrom != 'Issuer' || has(self.provider.issuerURL)",
        message: "can be Issuer only with provider.issuerURL: set that, or write the issuer into audience",
        holds: |v| {
            v.pointer("/clientAuthentication/clientSecretJWT/audienceFrom")
                .map(text)
                != Some("Issuer")
                || v.pointer("/provider/issuerURL").is_some()
        },
    },
    data_key("spec.credentials.keys.privateKey"),
];
