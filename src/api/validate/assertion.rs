//! Converts assertions into typed values.

use crate::api::SpecProblem;
use crate::api::spec;
use crate::oauth::ParameterValue;
use crate::oauth::assertion::{
    Audience, CertificateHeader, Claim, ClientAssertion, JwtBearer, Placement, SentAs,
};
use crate::oauth::jwt::{Algorithm, Thumbprint};
use crate::time::Span;

/// `clientAuthentication.privateKeyJWT`, or its defaults.
pub(super) fn private_key_jwt(spec: Option<&spec::PrivateKeyJwt>, issuer: bool) -> ClientAssertion {
    let spec = spec.cloned().unwrap_or_default();
    ClientAssertion {
        issuer: spec.issuer,
        subject: spec.subject,
        claims: claims(spec.claims),
        sent_as: match spec.send_as.as_str() {
            "client_secret" => SentAs::ClientSecret,
            _ => SentAs::ClientAssertion,
        },
        algorithm: algorithm(spec.algorithm.as_deref()),
        key_id: spec.key_id,
        type_: spec.header_type,
        audience: audience(spec.audience, spec.audience_from.as_deref(), issuer),
        lifetime: Span::from_seconds(spec.lifetime_seconds.into()),
        backdate: Span::from_seconds(spec.backdate_seconds.into()),
        certificate: certificate(spec.certificate),
        send_client_id: spec.send_client_id,
    }
}

fn certificate(spec: Option<spec::AssertionCertificate>) -> Option<CertificateHeader> {
    let spec = spec?;
    Some(CertificateHeader {
        key: spec.credentials_key,
        thumbprint: match spec.thumbprint.as_str() {
            "None" => None,
            "x5t" => Some(Thumbprint::Sha1),
            _ => Some(Thumbprint::Sha256),
        },
        chain: spec.send_chain,
    })
}

fn claims(list: Vec<spec::Claim>) -> Vec<Claim> {
    let claim = |claim: spec::Claim| Claim {
        name: claim.name,
        value: value(claim.value, claim.json_value, claim.credentials_key),
    };
    list.into_iter().map(claim).collect()
}

/// `clientAuthentication.clientSecretJWT`, or its defaults.
pub(super) fn client_secret_jwt(
    spec: Option<&spec::ClientSecretJwt>,
    issuer: bool,
) -> ClientAssertion {
    let spec = spec.cloned().unwrap_or_default();
    ClientAssertion {
        issuer: None,
        subject: None,
        claims: Vec::new(),
        sent_as: SentAs::ClientAssertion,
        algorithm: algorithm(Some(&spec.algorithm)),
        key_id: spec.key_id,
        type_: "JWT".to_owned(),
        audience: audience(spec.audience, spec.audience_from.as_deref(), issuer),
        lifetime: Span::from_seconds(spec.lifetime_seconds.into()),
        backdate: Span::from_seconds(spec.backdate_seconds.into()),
        certificate: None,
        send_client_id: spec.send_client_id,
    }
}

/// `grant.jwtBearer`, or its defaults.
pub(super) fn jwt_bearer(spec: Option<&spec::JwtBearer>, issuer: bool) -> JwtBearer {
    let spec = spec.cloned().unwrap_or_default();
    let placement = match spec.placement.as_str() {
        "AuthorizationHeader" => Placement::AuthorizationHeader,
        _ => Placement::Parameter,
    };
    JwtBearer {
        algorithm: algorithm(spec.algorithm.as_deref()),
        key_id: spec.key_id,
        type_: spec.header_type,
        issuer: spec.issuer,
        subject: spec.subject,
        audience: match (&spec.audience, &spec.audience_from, placement) {
            (None, None, Placement::AuthorizationHeader) => None,
            (_, from, _) => Some(audience(spec.audience.clone(), from.as_deref(), issuer)),
        },
        lifetime: Span::from_seconds(spec.lifetime_seconds.into()),
        backdate: Span::from_seconds(spec.backdate_seconds.into()),
        certificate: certificate(spec.certificate),
        claims: claims(spec.claims),
        scope_inside: spec.scope_placement == "Assertion",
        placement,
        send_client_id: spec.send_client_id,
    }
}

/// Collects every `jsonValue` that is not valid JSON, which the API server cannot check.
pub(super) fn check_json(spec: &spec::OAuthClientSpec, problems: &mut Vec<SpecProblem>) {
    let mut check = |list: &str, index: usize, json: Option<&String>| {
        if json.is_some_and(|json| serde_json::from_str::<serde_json::Value>(json).is_err()) {
            problems.push(SpecProblem::new(
                format!("{list}[{index}].jsonValue"),
                "is not JSON: put text into double quotes inside of the YAML text, as in '\"text\"', or use value for it",
            ));
        }
    };
    for (index, parameter) in spec.parameters.iter().enumerate() {
        check("spec.parameters", index, parameter.json_value.as_ref());
    }
    let of_grant = spec.grant.jwt_bearer.as_ref().map(|jwt| &jwt.claims);
    let of_client = spec.client_authentication.private_key_jwt.as_ref();
    for (list, claims) in [
        ("spec.grant.jwtBearer.claims", of_grant),
        (
            "spec.clientAuthentication.privateKeyJWT.claims",
            of_client.map(|jwt| &jwt.claims),
        ),
    ] {
        for (index, claim) in claims.into_iter().flatten().enumerate() {
            check(list, index, claim.json_value.as_ref());
        }
    }
}

/// A value in one of three forms; the rules ensure that there is exactly one.
pub(super) fn value(
    text: Option<String>,
    json: Option<String>,
    key: Option<String>,
) -> ParameterValue {
    match (key, json) {
        (Some(key), _) => ParameterValue::CredentialsKey(key),
        (None, Some(json)) => ParameterValue::Json(canonical(&json)),
        (None, None) => ParameterValue::Fixed(text.unwrap_or_default()),
    }
}

/// JSON without white space and with sorted members, so that another notation requests no token.
fn canonical(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json)
        .map_or_else(|_| json.to_owned(), |value| value.to_string())
}

/// The audience of an assertion; `issuer` says whether the resource names one.
fn audience(text: Option<String>, from: Option<&str>, issuer: bool) -> Audience {
    match (text, from) {
        (Some(text), _) => Audience::Text(text),
        (None, Some("TokenURL")) => Audience::TokenUrl,
        (None, _) if issuer => Audience::Issuer,
        (None, _) => Audience::TokenUrl,
    }
}

fn algorithm(name: Option<&str>) -> Option<Algorithm> {
    name.and_then(Algorithm::parse)
}
