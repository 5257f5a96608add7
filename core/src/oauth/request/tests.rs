mod assertions;
mod refused;

use super::*;
use crate::oauth::{
    BasicEncoding, ClientAuthentication, CredentialKeys, Method, Nonce, Parameter, Place,
    ResponseShape, TimeFormat, TimeValue,
};
use crate::time::{Span, Time};
use crate::trust::Lenders;

/// A client with `client_secret_post` and the grant `client_credentials`.
pub(crate) fn client() -> Client {
    Client {
        token_url: "https://auth.example/token".parse().unwrap(),
        issuer: None,
        grant: Grant::ClientCredentials,
        shows_certificate: false,
        client_id: None,
        authentication: ClientAuthentication::ClientSecretPost,
        keys: CredentialKeys::default(),
        dpop: false,
        empty_secret: false,
        scopes: vec![],
        scope_separator: " ".into(),
        parameters: vec![],
        headers: vec![],
        format: Format::Form,
        method: Method::Post,
        response: ResponseShape::default(),
    }
}

fn basic_client(encoding: BasicEncoding) -> Client {
    Client {
        authentication: ClientAuthentication::ClientSecretBasic { encoding },
        ..client()
    }
}

fn credentials(pairs: &[(&str, &str)]) -> Credentials {
    Credentials::new(
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Secret::from(*value)))
            .collect(),
        Lenders::none(),
    )
}

fn usual() -> Credentials {
    credentials(&[
        ("client_id", "me"),
        ("client_secret", "s3cret"),
        ("username", "kari"),
        ("password", "p w&"),
    ])
}

fn fixed(name: &str, value: &str) -> Parameter {
    Parameter {
        name: name.into(),
        value: ParameterValue::Fixed(value.into()),
        place: Default::default(),
    }
}

fn from_key(name: &str, key: &str) -> Parameter {
    Parameter {
        name: name.into(),
        value: ParameterValue::CredentialsKey(key.into()),
        place: Default::default(),
    }
}

/// The request as it would go over the wire, to compare it whole.
fn wire(request: &HttpRequest) -> String {
    let mut out = format!("{:?} {}\n", request.method, request.url.expose().unwrap());
    for (name, value) in &request.headers {
        out.push_str(&format!("{name}: {}\n", value.expose().unwrap()));
    }
    out.push('\n');
    out.push_str(request.body.expose().unwrap());
    out
}

fn attempt(client: &Client, credentials: &Credentials) -> Result<HttpRequest, CredentialsProblem> {
    let nonce = Nonce {
        id: [7; 16],
        random: ring::rand::SystemRandom::new(),
    };
    let now = Time::from_seconds(1_700_000_000);
    build(client, credentials, &RequestContext::new(now, &nonce))
}

fn built(client: &Client, credentials: &Credentials) -> String {
    match attempt(client, credentials) {
        Ok(request) => wire(&request),
        Err(problem) => panic!("{problem}"),
    }
}

fn refused(client: &Client, credentials: &Credentials) -> CredentialsProblem {
    match attempt(client, credentials) {
        Ok(_) => panic!("a request was built"),
        Err(problem) => problem,
    }
}

#[test]
fn client_credentials_with_post_and_a_form() {
    let client = Client {
        scopes: vec!["a".into(), "b:c".into()],
        parameters: vec![fixed("audience", "https://api/x y")],
        ..client()
    };
    assert_eq!(
        built(&client, &usual()),
        "Post https://auth.example/token\n\
         accept: application/json\n\
         content-type: application/x-www-form-urlencoded\n\
         \n\
         grant_type=client_credentials&client_id=me&client_secret=s3cret&scope=a+b%3Ac&audience=https%3A%2F%2Fapi%2Fx+y"
    );
}

#[test]
fn basic_encodes_id_and_secret_before_base64_and_keeps_them_out_of_the_body() {
    use base64::Engine as _;
    let secrets = credentials(&[
        ("client_id", "user@example.com:client"),
        ("client_secret", "p@ss wörd+%&=:"),
    ]);
    let pair = "user%40example.com%3Aclient:p%40ss+w%C3%B6rd%2B%25%26%3D%3A";
    let header = base64::engine::general_purpose::STANDARD.encode(pair);
    assert_eq!(
        built(&basic_client(BasicEncoding::FormEncoded), &secrets),
        format!(
            "Post https://auth.example/token\n\
             accept: application/json\n\
             content-type: application/x-www-form-urlencoded\n\
             authorization: Basic {header}\n\
             \n\
             grant_type=client_credentials"
        )
    );
}

#[test]
fn raw_basic_sends_id_and_secret_as_they_are_but_never_an_id_with_a_colon() {
    let client = basic_client(BasicEncoding::Raw);
    let request = built(
        &client,
        &credentials(&[("client_id", "me@x"), ("client_secret", "a:b c")]),
    );
    assert!(
        request.contains("authorization: Basic bWVAeDphOmIgYw==\n"),
        "{request}"
    );
    let problem = refused(
        &client,
        &credentials(&[("client_id", "a:b"), ("client_secret", "c")]),
    );
    assert_eq!(
        problem,
        CredentialsProblem::Colon {
            key: "client_id".into()
        }
    );
}

#[test]
fn the_password_grant_sends_user_name_and_password() {
    let client = Client {
        grant: Grant::Password,
        ..client()
    };
    assert!(built(&client, &usual()).ends_with(
        "\n\ngrant_type=password&client_id=me&client_secret=s3cret&username=kari&password=p+w%26"
    ));
}

#[test]
fn any_other_grant_goes_by_its_name() {
    let client = Client {
        grant: Grant::Other("urn:x:y".into()),
        parameters: vec![fixed("account_id", "7")],
        ..client()
    };
    let request = built(&client, &usual());
    assert!(
        request
            .ends_with("\n\ngrant_type=urn%3Ax%3Ay&client_id=me&client_secret=s3cret&account_id=7")
    );
}

#[test]
fn json_bodies_keep_the_order_and_turn_what_repeats_into_a_list() {
    let client = Client {
        format: Format::Json,
        scopes: vec!["x".into()],
        parameters: vec![
            fixed("resource", "urn:1"),
            fixed("note", "line\n\"quoted\" \\ \u{1} é"),
            fixed("resource", "urn:2"),
            fixed("audience", "one"),
        ],
        ..client()
    };
    let request = built(&client, &usual());
    let (head, body) = request.split_once("\n\n").unwrap();
    assert!(head.ends_with("content-type: application/json"));
    assert_eq!(
        body,
        r#"{"grant_type":"client_credentials","client_id":"me","client_secret":"s3cret","scope":"x","resource":["urn:1","urn:2"],"note":"line\n\"quoted\" \\ \u0001 é","audience":"one"}"#
    );
    assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
}

#[test]
fn forms_repeat_resource_and_audience() {
    let parameters = vec![
        fixed("resource", "1"),
        fixed("audience", "a"),
        fixed("resource", "2"),
        fixed("audience", "b"),
    ];
    let client = Client {
        parameters,
        ..client()
    };
    assert!(built(&client, &usual()).ends_with("&resource=1&audience=a&resource=2&audience=b"));
}

#[test]
fn query_requests_have_no_body_and_keep_the_endpoints_own_query() {
    let mut client = Client {
        format: Format::Query,
        ..basic_client(BasicEncoding::FormEncoded)
    };
    let head = "accept: application/json\nauthorization: Basic bWU6czNjcmV0\n\n";
    assert_eq!(
        built(&client, &usual()),
        format!("Post https://auth.example/token?grant_type=client_credentials\n{head}")
    );
    client.token_url = "https://auth.example/token?tenant=7".parse().unwrap();
    client.method = Method::Get;
    client.scopes = vec!["a b".into()];
    assert_eq!(
        built(&client, &usual()),
        format!(
            "Get https://auth.example/token?tenant=7&grant_type=client_credentials&scope=a+b\n{head}"
        )
    );
}

#[test]
fn a_form_request_keeps_the_endpoints_own_query() {
    let client = Client {
        token_url: "https://auth.example/token?tenant=7".parse().unwrap(),
        ..client()
    };
    assert!(built(&client, &usual()).starts_with("Post https://auth.example/token?tenant=7\n"));
}

#[test]
fn none_sends_the_client_id_when_the_secret_has_one() {
    let client = Client {
        authentication: ClientAuthentication::None,
        ..client()
    };
    assert!(built(&client, &credentials(&[])).ends_with("\n\ngrant_type=client_credentials"));
    assert!(built(&client, &usual()).ends_with("\n\ngrant_type=client_credentials&client_id=me"));
    let problem = refused(&client, &credentials(&[("client_id", "")]));
    assert_eq!(
        problem,
        CredentialsProblem::Empty {
            key: "client_id".into()
        }
    );
}

#[test]
fn credentials_can_go_into_headers_of_their_own() {
    let client = Client {
        authentication: ClientAuthentication::None,
        headers: vec![
            from_key("Ocp-Apim-Subscription-Key", "sub"),
            fixed("Accept", "application/vnd.x+json"),
        ],
        ..client()
    };
    assert_eq!(
        built(&client, &credentials(&[("sub", "k3y\n")])),
        "Post https://auth.example/token\n\
         content-type: application/x-www-form-urlencoded\n\
         ocp-apim-subscription-key: k3y\n\
         accept: application/vnd.x+json\n\
         \n\
         grant_type=client_credentials"
    );
}

#[test]
fn keys_of_the_secret_can_be_renamed() {
    let keys = CredentialKeys {
        client_id: "id".into(),
        client_secret: "key".into(),
        ..CredentialKeys::default()
    };
    let client = Client { keys, ..client() };
    assert!(
        built(&client, &credentials(&[("id", "a"), ("key", "b")]))
            .ends_with("&client_id=a&client_secret=b")
    );
}

#[test]
fn parameters_without_a_value_are_left_out() {
    let client = Client {
        parameters: vec![fixed("empty", ""), fixed("full", "1")],
        ..client()
    };
    assert!(built(&client, &usual()).ends_with("&client_secret=s3cret&full=1"));
}

#[test]
fn scopes_join_with_the_separator_of_the_provider() {
    let client = Client {
        scopes: vec!["a".into(), "b".into()],
        scope_separator: ",".into(),
        ..client()
    };
    assert!(built(&client, &usual()).ends_with("&scope=a%2Cb"));
}

#[test]
fn a_call_of_another_endpoint_authenticates_as_the_token_request_and_is_a_form() {
    let mut client = client();
    client.format = Format::Json;
    client.scopes = vec!["read".into()];
    client.parameters = vec![fixed("audience", "x")];
    client.headers = vec![
        fixed("Content-Type", "application/vnd.example+json"),
        fixed("X-Tenant", "shop"),
    ];
    let nonce = Nonce {
        id: [7; 16],
        random: ring::rand::SystemRandom::new(),
    };
    let url = url::Url::parse("https://auth.example/device").unwrap();
    let request = build_call(
        &client,
        &url,
        (vec![("scope".into(), "a b".into())], &Lenders::none()),
        &usual(),
        &RequestContext::new(Time::from_seconds(1_700_000_000), &nonce),
    );
    assert_eq!(
        wire(&request.ok().unwrap()),
        "Post https://auth.example/device\n\
         accept: application/json\n\
         content-type: application/x-www-form-urlencoded\n\
         x-tenant: shop\n\
         \n\
         client_id=me&client_secret=s3cret&scope=a+b"
    );
}

#[test]
fn a_client_id_of_the_resource_takes_the_place_of_the_one_in_the_secret() {
    let named = Client {
        client_id: Some("named".into()),
        ..client()
    };
    let only_secret = credentials(&[("client_secret", "s3cret")]);
    for credentials in [usual(), only_secret] {
        assert!(
            built(&named, &credentials)
                .ends_with("grant_type=client_credentials&client_id=named&client_secret=s3cret")
        );
    }
    assert_eq!(required_keys(&named), ["client_secret"]);
}

fn one_nonce() -> Nonce {
    Nonce {
        id: [7; 16],
        random: ring::rand::SystemRandom::new(),
    }
}

/// A parameter that goes to a place of its own.
fn placed(place: Place, parameter: Parameter) -> Parameter {
    Parameter { place, ..parameter }
}

#[test]
fn parameters_go_where_the_resource_puts_them_whatever_the_format() {
    let parameters = vec![
        placed(Place::Query, from_key("consumerToken", "consumer")),
        placed(Place::Body, fixed("note", "a b")),
        fixed("plain", "1"),
    ];
    let mut all = usual();
    all.insert("consumer".into(), "c&t".into(), &Lenders::none());
    let of = |format, method| Client {
        parameters: parameters.clone(),
        authentication: ClientAuthentication::None,
        client_id: Some("me".into()),
        format,
        method,
        ..client()
    };
    let build = |client: &Client| {
        let nonce = one_nonce();
        let request = build(
            client,
            &all,
            &RequestContext::new(Time::from_seconds(0), &nonce),
        );
        wire(&request.unwrap_or_else(|problem| panic!("{problem}")))
    };
    assert_eq!(
        build(&of(Format::Form, Method::Put)),
        "Put https://auth.example/token?consumerToken=c%26t\naccept: application/json\n\
         content-type: application/x-www-form-urlencoded\n\n\
         grant_type=client_credentials&client_id=me&note=a+b&plain=1"
    );
    assert_eq!(
        build(&of(Format::Json, Method::Post)),
        "Post https://auth.example/token?consumerToken=c%26t\naccept: application/json\n\
         content-type: application/json\n\n\
         {\"grant_type\":\"client_credentials\",\"client_id\":\"me\",\"note\":\"a b\",\"plain\":\"1\"}"
    );
    assert_eq!(
        build(&of(Format::Query, Method::Put)),
        "Put https://auth.example/token?grant_type=client_credentials&client_id=me&consumerToken=c%26t&plain=1\n\
         accept: application/json\ncontent-type: application/x-www-form-urlencoded\n\nnote=a+b"
    );
}

#[test]
fn a_time_is_computed_when_the_request_is_made() {
    let sent = Time::from_millis(1_767_225_599_500);
    let text = |after, format| {
        let after = Span::from_seconds(after);
        TimeValue { after, format }.text(sent)
    };
    assert_eq!(text(0, TimeFormat::Rfc3339), "2025-12-31T23:59:59Z");
    assert_eq!(text(1, TimeFormat::Date), "2026-01-01");
    assert_eq!(text(30 * 86_400, TimeFormat::Date), "2026-01-30");
    assert_eq!(text(-60, TimeFormat::EpochSeconds), "1767225539");
    assert_eq!(text(0, TimeFormat::EpochMilliseconds), "1767225599500");
}

#[test]
fn an_empty_secret_is_sent_as_such_and_none_is_read() {
    let empty = |authentication| Client {
        authentication,
        empty_secret: true,
        client_id: Some("cf".into()),
        ..client()
    };
    let nothing = credentials(&[]);
    let nonce = one_nonce();
    let context = RequestContext::new(Time::from_seconds(0), &nonce);
    let basic = empty(ClientAuthentication::ClientSecretBasic {
        encoding: BasicEncoding::FormEncoded,
    });
    let request = build(&basic, &nothing, &context).ok().unwrap();
    // base64 of "cf:"
    assert!(wire(&request).contains("authorization: Basic Y2Y6\n"));
    let post = empty(ClientAuthentication::ClientSecretPost);
    let request = build(&post, &nothing, &context).ok().unwrap();
    assert!(wire(&request).ends_with("client_id=cf&client_secret="));
    assert!(required_keys(&post).is_empty() && !post.uses_client_secret());
}

#[test]
fn a_user_agent_of_the_resource_is_sent() {
    let client = Client {
        headers: vec![fixed("User-Agent", "linux:books:v1 (by /u/kari)")],
        ..client()
    };
    let nonce = one_nonce();
    let context = RequestContext::new(Time::from_seconds(0), &nonce);
    let request = build(&client, &usual(), &context).ok().unwrap();
    assert!(wire(&request).contains("user-agent: linux:books:v1 (by /u/kari)\n"));
}
