//! Assertions as a request carries them.

use crate::trust::Lenders;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::oauth::assertion::{Audience, Claim, ClientAssertion, JwtBearer, Placement, SentAs};
use crate::oauth::jwt::tests::{P256, RSA};
use crate::oauth::jwt::{Algorithm, KeyProblem};
use crate::time::Span;

const NOW: i64 = 1_700_000_000;

fn client_assertion() -> ClientAssertion {
    ClientAssertion {
        issuer: None,
        subject: None,
        claims: vec![],
        sent_as: SentAs::ClientAssertion,
        algorithm: None,
        key_id: Some("k1".into()),
        type_: "JWT".into(),
        audience: Audience::TokenUrl,
        lifetime: Span::from_seconds(60),
        backdate: Span::from_seconds(10),
        certificate: None,
        send_client_id: true,
    }
}

fn jwt_bearer() -> JwtBearer {
    JwtBearer {
        algorithm: None,
        key_id: None,
        type_: "JWT".into(),
        issuer: None,
        subject: None,
        audience: Some(Audience::TokenUrl),
        lifetime: Span::from_seconds(120),
        backdate: Span::from_seconds(10),
        certificate: None,
        claims: vec![],
        scope_inside: false,
        placement: Placement::Parameter,
        send_client_id: false,
    }
}

fn private_key_jwt(assertion: ClientAssertion) -> Client {
    Client {
        authentication: ClientAuthentication::PrivateKeyJwt(Box::new(assertion)),
        ..client()
    }
}

fn granting(grant: JwtBearer) -> Client {
    Client {
        grant: Grant::JwtBearer(Box::new(grant)),
        authentication: ClientAuthentication::None,
        ..client()
    }
}

fn with_key(key: &str) -> Credentials {
    credentials(&[("client_id", "me"), ("private_key", key)])
}

/// The parameters of a form, in order.
fn form(request: &str) -> Vec<(String, String)> {
    let body = request.rsplit('\n').next().unwrap();
    url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

fn value(request: &str, name: &str) -> String {
    form(request)
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap()
        .1
}

/// Header and claims of a JWT.
fn opened(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default())
            .unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

#[test]
fn private_key_jwt_sends_an_assertion_of_who_the_client_is() {
    let request = built(&private_key_jwt(client_assertion()), &with_key(P256));
    let names: Vec<String> = form(&request).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "grant_type",
            "client_id",
            "client_assertion_type",
            "client_assertion"
        ]
    );
    assert_eq!(
        value(&request, "client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    let (header, claims) = opened(&value(&request, "client_assertion"));
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}));
    assert_eq!(
        claims,
        json!({
            "iss": "me", "sub": "me", "aud": "https://auth.example/token", "iat": NOW - 10, "exp": NOW + 50, "nbf": NOW - 10,
            "jti": "07070707-0707-4707-8707-070707070707",
        })
    );
}

#[test]
fn what_a_provider_wants_of_the_assertion_can_be_set() {
    let assertion = ClientAssertion {
        algorithm: Some(Algorithm::Ps256),
        key_id: None,
        type_: "client-authentication+jwt".into(),
        audience: Audience::Text("https://issuer.example".into()),
        lifetime: Span::from_seconds(12),
        backdate: Span::from_seconds(2),
        send_client_id: false,
        ..client_assertion()
    };
    let request = built(&private_key_jwt(assertion), &with_key(RSA));
    assert!(!form(&request).iter().any(|(name, _)| name == "client_id"));
    let (header, claims) = opened(&value(&request, "client_assertion"));
    assert_eq!(
        header,
        json!({"alg": "PS256", "typ": "client-authentication+jwt"})
    );
    assert_eq!(claims["aud"], "https://issuer.example");
    assert_eq!(
        (&claims["iat"], &claims["exp"]),
        (&json!(NOW - 2), &json!(NOW + 10))
    );
}

#[test]
fn client_secret_jwt_signs_with_the_secret_and_never_sends_it() {
    let client = Client {
        authentication: ClientAuthentication::ClientSecretJwt(Box::new(client_assertion())),
        ..client()
    };
    let request = built(&client, &usual());
    assert!(!request.contains("s3cret"), "{request}");
    let token = value(&request, "client_assertion");
    let (message, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(opened(&token).0["alg"], "HS256");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"s3cret");
    ring::hmac::verify(
        &key,
        message.as_bytes(),
        &URL_SAFE_NO_PAD.decode(signature).unwrap(),
    )
    .unwrap();
}

#[test]
fn the_jwt_bearer_grant_sends_claims_of_the_resource_and_no_client_id() {
    let grant = JwtBearer {
        issuer: Some("issuer".into()),
        subject: Some("kari@example.com".into()),
        scope_inside: true,
        claims: vec![
            Claim {
                name: "tenant".into(),
                value: ParameterValue::Fixed("7".into()),
            },
            Claim {
                name: "resource".into(),
                value: ParameterValue::Json(r#"["a",1]"#.into()),
            },
            Claim {
                name: "consumer".into(),
                value: ParameterValue::CredentialsKey("consumer".into()),
            },
        ],
        ..jwt_bearer()
    };
    let client = Client {
        scopes: vec!["a".into(), "b".into()],
        ..granting(grant)
    };
    let mut all = with_key(P256);
    all.insert("consumer".into(), "org".into(), &Lenders::none());
    let request = built(&client, &all);
    let names: Vec<String> = form(&request).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["grant_type", "assertion"]);
    assert_eq!(
        value(&request, "grant_type"),
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    let (header, claims) = opened(&value(&request, "assertion"));
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT"}));
    assert_eq!(
        claims,
        json!({
            "iss": "issuer", "sub": "kari@example.com", "aud": "https://auth.example/token", "iat": NOW - 10, "exp": NOW + 110,
            "jti": "f8f8f8f8-f8f8-48f8-b8f8-f8f8f8f8f8f8", "scope": "a b", "tenant": "7", "resource": ["a", 1],
            "consumer": "org",
        })
    );
    assert_eq!(required_keys(&client), ["private_key", "consumer"]);
}

#[test]
fn the_issuer_is_the_client_unless_it_is_said() {
    let request = built(&granting(jwt_bearer()), &with_key(P256));
    assert_eq!(opened(&value(&request, "assertion")).1["iss"], "me");
    let problem = refused(
        &granting(jwt_bearer()),
        &credentials(&[("private_key", P256)]),
    );
    assert_eq!(
        problem,
        CredentialsProblem::Missing {
            key: "client_id".into()
        }
    );
    let sending = granting(JwtBearer {
        send_client_id: true,
        ..jwt_bearer()
    });
    assert_eq!(value(&built(&sending, &with_key(P256)), "client_id"), "me");
}

#[test]
fn an_assertion_can_go_into_the_header_with_no_grant_type() {
    let client = Client {
        format: Format::Json,
        parameters: vec![
            Parameter {
                name: "permissions".into(),
                value: ParameterValue::Json(r#"{"contents":"read"}"#.into()),
                place: Default::default(),
            },
            fixed("note", r#"{"contents":"read"}"#),
        ],
        ..granting(JwtBearer {
            placement: Placement::AuthorizationHeader,
            audience: None,
            ..jwt_bearer()
        })
    };
    let request = built(&client, &with_key(P256));
    let (head, body) = request.split_once("\n\n").unwrap();
    assert_eq!(
        body,
        r#"{"permissions":{"contents":"read"},"note":"{\"contents\":\"read\"}"}"#
    );
    let token = head.split_once("authorization: Bearer ").unwrap().1;
    let (_, claims) = opened(token);
    assert_eq!(claims["iss"], "me");
    assert!(claims.get("aud").is_none());
    let plain = Client {
        parameters: vec![],
        ..client
    };
    assert!(built(&plain, &with_key(P256)).ends_with("\n\n{}"));
}

#[test]
fn every_attempt_has_an_identifier_of_its_own() {
    let client = private_key_jwt(client_assertion());
    let identifier = |id: u8| {
        let nonce = Nonce {
            id: [id; 16],
            random: ring::rand::SystemRandom::new(),
        };
        let request = build(
            &client,
            &with_key(P256),
            &RequestContext::new(Time::from_seconds(NOW), &nonce),
        );
        let request = wire(&request.ok().unwrap());
        opened(&value(&request, "client_assertion")).1["jti"].clone()
    };
    assert_ne!(identifier(1), identifier(2));
}

#[test]
fn a_bad_key_is_named_and_nothing_of_it_is_told() {
    let client = private_key_jwt(client_assertion());
    let problem = refused(
        &client,
        &with_key("-----BEGIN PUBLIC KEY-----\naGk=\n-----END PUBLIC KEY-----\n"),
    );
    assert_eq!(
        problem,
        CredentialsProblem::Key {
            key: "private_key".into(),
            problem: KeyProblem::Public
        }
    );
    assert_eq!(problem.key(), Some("private_key"));
    assert_eq!(
        problem.to_string(),
        "key \"private_key\" is a public key: signing takes the private one, whose PEM says PRIVATE KEY"
    );
    let symmetric = r#"{"kty":"oct","k":"c2VjcmV0"}"#;
    assert_eq!(
        refused(&client, &with_key(symmetric)),
        CredentialsProblem::Key {
            key: "private_key".into(),
            problem: KeyProblem::Symmetric
        }
    );
    assert_eq!(required_keys(&client), ["client_id", "private_key"]);
}

#[test]
fn parameters_that_the_signing_sets_are_reserved() {
    for name in ["client_assertion", "client_assertion_type", "client_secret"] {
        let client = Client {
            parameters: vec![fixed(name, "x")],
            ..private_key_jwt(client_assertion())
        };
        assert_eq!(
            check_names(&client),
            Err(NameProblem::Reserved { name: name.into() })
        );
    }
    let client = Client {
        parameters: vec![fixed("assertion", "x")],
        ..granting(jwt_bearer())
    };
    assert_eq!(
        check_names(&client),
        Err(NameProblem::Reserved {
            name: "assertion".into()
        })
    );
    let header = JwtBearer {
        placement: Placement::AuthorizationHeader,
        ..jwt_bearer()
    };
    let client = Client {
        headers: vec![fixed("Authorization", "x")],
        ..granting(header)
    };
    assert_eq!(
        check_names(&client),
        Err(NameProblem::ReservedHeader {
            name: "authorization".into()
        })
    );
}

#[test]
fn a_client_assertion_carries_claims_of_the_resource() {
    let claim = |name: &str, value| Claim {
        name: name.into(),
        value,
    };
    let client = private_key_jwt(ClientAssertion {
        claims: vec![
            claim(
                "assertion_details",
                ParameterValue::Json(r#"{"type":"helseid_authorization"}"#.into()),
            ),
            claim("scope", ParameterValue::Fixed("restlets".into())),
            claim("org", ParameterValue::CredentialsKey("org".into())),
        ],
        ..client_assertion()
    });
    let mut all = with_key(P256);
    all.insert("org".into(), "994598759".into(), &Lenders::none());
    let request = built(&client, &all);
    let (_, claims) = opened(&value(&request, "client_assertion"));
    assert_eq!(
        claims["assertion_details"],
        json!({"type": "helseid_authorization"})
    );
    assert_eq!(
        (&claims["scope"], &claims["org"]),
        (&json!("restlets"), &json!("994598759"))
    );
    assert_eq!(
        required_keys(&client),
        ["client_id", "private_key", "org"],
        "a key that a claim takes is one that the Secret must have"
    );
}

#[test]
fn a_signed_jwt_goes_as_the_client_secret_in_the_name_of_a_team() {
    let client = private_key_jwt(ClientAssertion {
        issuer: Some("TEAM123456".into()),
        audience: Audience::Text("https://appleid.apple.com".into()),
        sent_as: SentAs::ClientSecret,
        ..client_assertion()
    });
    let request = built(&client, &with_key(P256));
    let names: Vec<String> = form(&request).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["grant_type", "client_id", "client_secret"]);
    let (header, claims) = opened(&value(&request, "client_secret"));
    assert_eq!(
        (&header["alg"], &header["kid"]),
        (&json!("ES256"), &json!("k1"))
    );
    assert_eq!(claims["iss"], "TEAM123456");
    assert_eq!(claims["sub"], "me");
    assert_eq!(claims["aud"], "https://appleid.apple.com");
}
