//! The token exchange (RFC 8693), from a manifest to the request. Here, because a manifest is the custom resource's.

use serde_json::{Value, json};

use crate::api::manifest::parse_manifest;
use crate::api::validate::validate;
use crate::oauth::exchange::*;
use crate::oauth::{
    Client, Credentials, HttpAnswer, Nonce, PublishedToken, RequestContext, ServiceAccountToken,
    Token, TokenError, TokenSource, TokensInHand, request, response,
};
use crate::secret::Secret;
use crate::time::Time;
use crate::trust::Lenders;

const NOW: Time = Time::from_seconds(1_700_000_000);

/// The client of a resource with these fields beside provider and token Secret.
fn client(fields: &str) -> Client {
    let manifest = format!(
        "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {{name: a}}\nspec:\n  provider: {{tokenURL: \
         \"https://as.example.com/as/token.oauth2\"}}\n  tokenSecret: {{name: token}}\n{fields}"
    );
    let resource = parse_manifest(&manifest).unwrap_or_else(|problems| panic!("{problems:?}"));
    validate(&resource)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .client
}

fn credentials(pairs: &[(&str, &str)]) -> Credentials {
    let secret = |(key, value): &(&str, &str)| ((*key).to_owned(), Secret::from(*value));
    Credentials::new(pairs.iter().map(secret).collect(), Lenders::none())
}

fn in_hand(tokens: &[(TokenSource, &str)]) -> TokensInHand {
    let mut in_hand = TokensInHand::default();
    for (source, token) in tokens {
        in_hand.insert(source.clone(), Secret::from(*token), &Lenders::none());
    }
    in_hand
}

fn body(client: &Client, pairs: &[(&str, &str)], tokens: TokensInHand) -> String {
    let nonce = Nonce {
        id: [7; 16],
        random: ring::rand::SystemRandom::new(),
    };
    let mut context = RequestContext::new(NOW, &nonce);
    context.tokens = tokens;
    match request::build(client, &credentials(pairs), &context) {
        Ok(request) => request.body.expose().unwrap().to_owned(),
        Err(problem) => panic!("{problem}"),
    }
}

#[test]
fn the_request_of_the_rfcs_own_example_is_written_as_there() {
    // RFC 8693 section 2.3; the order of parameters has no meaning.
    let client = client(
        "  credentials: {secretName: client}\n  parameters: [{name: resource, value: \"https://backend.example.com/api\"}]\n  \
         grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    tokenExchange: {subjectToken: {credentialsKey: subject}}\n",
    );
    assert_eq!(
        body(
            &client,
            &[
                ("client_id", "rs08"),
                ("client_secret", "long-secure-random-secret"),
                ("subject", "accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC\n"),
            ],
            TokensInHand::default()
        ),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
         &subject_token=accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &resource=https%3A%2F%2Fbackend.example.com%2Fapi"
    );
    assert_eq!(
        request::required_keys(&client),
        ["client_id", "client_secret", "subject"]
    );
}

#[test]
fn subject_and_actor_come_from_where_they_are_said_to_with_their_types() {
    let client = client(
        "  clientAuthentication: {method: none}\n  grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    \
         tokenExchange:\n      subjectToken: {serviceAccountToken: {serviceAccountName: shop, audience: sts}}\n      \
         actorToken: {oauthClientName: other, key: id_token, tokenType: \"urn:ietf:params:oauth:token-type:id_token\"}\n      \
         requestedTokenType: urn:ietf:params:oauth:token-type:jwt\n",
    );
    let account = TokenSource::ServiceAccount(ServiceAccountToken {
        account: "shop".into(),
        audience: "sts".into(),
        expiration_seconds: 600,
    });
    let other = TokenSource::Published(PublishedToken {
        client: "other".into(),
        key: "id_token".into(),
    });
    assert_eq!(
        body(
            &client,
            &[],
            in_hand(&[(account, "minted"), (other, "published")])
        ),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt\
         &subject_token=minted&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt\
         &actor_token=published&actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token"
    );
}

#[test]
fn a_service_account_token_proves_who_the_client_is_and_nothing_secret_is_needed() {
    let client = client(
        "  clientAuthentication:\n    method: service_account_token\n    clientID: shop\n    serviceAccountToken: {serviceAccountName: \
         shop, audience: \"api://AzureADTokenExchange\"}\n  scopes: [read]\n",
    );
    let account = TokenSource::ServiceAccount(ServiceAccountToken {
        account: "shop".into(),
        audience: "api://AzureADTokenExchange".into(),
        expiration_seconds: 600,
    });
    assert_eq!(
        body(&client, &[], in_hand(&[(account, "minted")])),
        "grant_type=client_credentials&client_id=shop\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion=minted&scope=read"
    );
}

fn answered(requested: Option<&str>, answer: &Value) -> Result<Token, TokenError> {
    let shape = crate::oauth::ResponseShape {
        issued_type: match requested {
            Some(wanted) => crate::oauth::IssuedType::Requested(wanted.to_owned()),
            None => crate::oauth::IssuedType::Any,
        },
        ..Default::default()
    };
    let answer = HttpAnswer {
        headers: Vec::new(),
        status: 200,
        content_type: Some("application/json".into()),
        retry_after: None,
        body: Secret::from(answer.to_string()),
        sent: Default::default(),
    };
    response::decode(&shape, &answer, NOW)
}

#[test]
fn the_issued_type_is_held_against_the_one_asked_for() {
    let issued = |kind: &str| json!({"access_token": "eyJ", "issued_token_type": kind, "token_type": "Bearer", "expires_in": 60});
    for requested in [None, Some(ACCESS_TOKEN)] {
        let token = answered(requested, &issued(ACCESS_TOKEN)).ok().unwrap();
        assert!(token.remarks.is_empty());
    }
    assert!(answered(Some(ACCESS_TOKEN), &issued(JWT)).is_err());
    assert!(answered(None, &issued(JWT)).is_ok());
    assert!(answered(None, &issued(REFRESH_TOKEN)).is_err());
    assert!(answered(Some(REFRESH_TOKEN), &issued(REFRESH_TOKEN)).is_ok());
    let odd = json!({"access_token": "eyJ", "issued_token_type": 7});
    assert!(answered(None, &odd).is_err());
}

#[test]
fn an_answer_without_an_issued_type_is_taken_with_a_remark() {
    for answer in [
        json!({"access_token": "eyJ", "expires_in": 60}),
        json!({"access_token": "eyJ", "issued_token_type": null, "expires_in": 60}),
    ] {
        let token = answered(Some(ACCESS_TOKEN), &answer).ok().unwrap();
        assert_eq!(token.remarks.len(), 1);
        assert!(token.remarks[0].contains("issued_token_type"));
    }
}

#[test]
fn a_token_that_is_no_access_token_is_published_as_such_with_a_remark() {
    for spelling in ["N_A", "n_a"] {
        let answer = json!({
            "access_token": "eyJ", "issued_token_type": JWT, "token_type": spelling, "expires_in": 60
        });
        let token = answered(None, &answer).ok().unwrap();
        assert_eq!(token.token_type, "N_A");
        assert_eq!(token.remarks, [NOT_APPLICABLE_REMARK]);
    }
}
