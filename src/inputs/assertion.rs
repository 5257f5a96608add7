//! The inputs of signed assertions: everything in them except what is new in every attempt.

use super::canonical::{Canonical, named};
use crate::oauth::assertion::{Audience, ClientAssertion, JwtBearer, Placement};
use crate::oauth::jwt::Algorithm;
use crate::oauth::{Client, ClientAuthentication, Parameter};

/// Nothing for a client without assertions.
pub(super) fn all(form: &mut Canonical, client: &Client) {
    match &client.authentication {
        ClientAuthentication::PrivateKeyJwt(own) => {
            form.field("privateKey", &client.keys.private_key);
            client_assertion(form, own);
        }
        ClientAuthentication::ClientSecretJwt(own) => client_assertion(form, own),
        _ => {}
    }
    if let Some(grant) = client.grant.jwt_bearer() {
        form.field("privateKey", &client.keys.private_key);
        jwt_bearer(form, grant);
    }
}

fn client_assertion(form: &mut Canonical, own: &ClientAssertion) {
    form.field("assertion", "client");
    signed(form, own.algorithm, own.key_id.as_deref(), &own.type_);
    audience(form, &own.audience);
    form.field("lifetime", &own.lifetime.seconds().to_string());
    form.field("backdate", &own.backdate.seconds().to_string());
    if let Some(certificate) = &own.certificate {
        form.field("certificate", &certificate.key);
        form.field("thumbprint", certificate.thumbprint.header());
    }
    flag(form, "sendClientID", own.send_client_id);
}

fn jwt_bearer(form: &mut Canonical, own: &JwtBearer) {
    form.field("assertion", "grant");
    signed(form, own.algorithm, own.key_id.as_deref(), &own.type_);
    some(form, "issuer", own.issuer.as_deref());
    some(form, "subject", own.subject.as_deref());
    if let Some(whom) = &own.audience {
        audience(form, whom);
    }
    form.field("lifetime", &own.lifetime.seconds().to_string());
    form.field("backdate", &own.backdate.seconds().to_string());
    let claims: Vec<Parameter> = own
        .claims
        .iter()
        .map(|claim| Parameter {
            name: claim.name.clone(),
            value: claim.value.clone(),
        })
        .collect();
    named(form, "claim", &claims, str::to_owned);
    flag(form, "scopeInside", own.scope_inside);
    flag(
        form,
        "inHeader",
        own.placement == Placement::AuthorizationHeader,
    );
    flag(form, "sendClientID", own.send_client_id);
}

fn signed(form: &mut Canonical, algorithm: Option<Algorithm>, id: Option<&str>, type_: &str) {
    some(form, "algorithm", algorithm.map(Algorithm::name));
    some(form, "keyID", id);
    form.field("typ", type_);
}

fn audience(form: &mut Canonical, whom: &Audience) {
    match whom {
        Audience::Issuer => form.field("audienceFrom", "Issuer"),
        Audience::TokenUrl => form.field("audienceFrom", "TokenURL"),
        Audience::Text(text) => form.field("audience", text),
    }
}

fn some(form: &mut Canonical, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        form.field(name, value);
    }
}

fn flag(form: &mut Canonical, name: &str, set: bool) {
    form.field(name, if set { "true" } else { "false" });
}
