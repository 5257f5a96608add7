//! Manifests that name an issuer instead of a token endpoint.

use testkit::provider::{Behaviour, Fault};

use super::rig::{PATH, Rig};

const DOCUMENT: &str = "/realms/shop/.well-known/openid-configuration";

#[tokio::test]
async fn an_issuer_is_all_that_a_manifest_needs_to_name() {
    let rig = Rig::new(3600.0);
    let issuer = rig.provider.url("/realms/shop");
    let token = rig.provider.url(PATH);
    let fault = Fault::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: format!(r#"{{"issuer":"{issuer}","token_endpoint":"{token}"}}"#),
        headers: Vec::new(),
    };
    rig.provider
        .set(DOCUMENT, Behaviour::default().with_fault(fault));
    let manifest = rig.client("books", "").replace(&token, &issuer);
    rig.write("books.yaml", &manifest.replace("tokenURL", "issuerURL"));
    let (code, text) = rig.once().await;
    assert_eq!(code, 0, "{text}");
    assert!(rig.is_valid(&rig.token()));
    assert_eq!(rig.provider.count(DOCUMENT), 1);
    // A second run has nothing to ask, not even where.
    let total = rig.provider.total();
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.provider.total()), (0, total), "{text}");
}

#[tokio::test]
async fn an_issuer_that_is_written_otherwise_is_told_with_both_values() {
    let rig = Rig::new(3600.0);
    let issuer = rig.provider.url("/realms/shop");
    let token = rig.provider.url(PATH);
    let fault = Fault::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: format!(r#"{{"issuer":"{issuer}","token_endpoint":"{token}"}}"#),
        headers: Vec::new(),
    };
    rig.provider
        .set(DOCUMENT, Behaviour::default().with_fault(fault));
    let manifest = rig
        .client("books", "")
        .replace(&token, &format!("{issuer}/"));
    rig.write("books.yaml", &manifest.replace("tokenURL", "issuerURL"));
    let (code, text) = rig.once().await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("IssuerMismatch"), "{text}");
    assert!(
        text.contains(&format!("set spec.provider.issuerURL to: {issuer}")),
        "{text}"
    );
    assert_eq!(rig.requests(), 0);
}
