//! The inputs of signed assertions: everything in them except what is new in every attempt.

use super::canonical::{Canonical, named};
use crate::oauth::assertion::{
    Audience, CertificateHeader, Claim, ClientAssertion, JwtBearer, Placement, SentAs,
};
use crate::oauth::jwt::{Algorithm, Thumbprint};
use crate::oauth::{Client, ClientAuthentication, Parameter, Place};

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
    certificate(form, own.certificate.as_ref());
    some(form, "issuer", own.issuer.as_deref());
    some(form, "subject", own.subject.as_deref());
    claims(form, &own.claims);
    if own.sent_as == SentAs::ClientSecret {
        form.field("sendAs", "client_secret");
    }
    flag(form, "sendClientID", own.send_client_id);
}

fn certificate(form: &mut Canonical, certificate: Option<&CertificateHeader>) {
    let Some(certificate) = certificate else {
        return;
    };
    form.field("certificate", &certificate.key);
    let thumbprint = certificate.thumbprint.map(Thumbprint::header);
    some(form, "thumbprint", thumbprint);
    if certificate.chain {
        form.field("sendChain", "true");
    }
}

fn claims(form: &mut Canonical, list: &[Claim]) {
    let claim = |claim: &Claim| Parameter {
        name: claim.name.clone(),
        value: claim.value.clone(),
        place: Place::ByFormat,
    };
    let claims: Vec<Parameter> = list.iter().map(claim).collect();
    named(form, "claim", &claims, str::to_owned);
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
    certificate(form, own.certificate.as_ref());
    claims(form, &own.claims);
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
