use super::*;
use crate::oauth::{Chance, CredentialKeys, Method, Parameter, ResponseShape};
use crate::time::Time;

fn client() -> Client {
    Client {
        token_url: "https://auth.example/token".parse().unwrap(),
        issuer: None,
        grant: Grant::ClientCredentials,
        shows_certificate: false,
        client_id: None,
        authentication: ClientAuthentication::ClientSecretPost,
        keys: CredentialKeys::default(),
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
    Credentials(
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Secret::from(*value)))
            .collect(),
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
    }
}

fn from_key(name: &str, key: &str) -> Parameter {
    Parameter {
        name: name.into(),
        value: ParameterValue::CredentialsKey(key.into()),
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
    let chance = Chance {
        id: [7; 16],
        random: ring::rand::SystemRandom::new(),
    };
    let now = Time::from_seconds(1_700_000_000);
    build(client, credentials, &Ingredients::new(now, &chance))
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
fn one_trailing_line_break_is_cut_off_a_single_line_and_nothing_else() {
    assert_eq!(single_line("secret\n"), "secret");
    assert_eq!(single_line("secret\r\n"), "secret");
    assert_eq!(single_line("secret"), "secret");
    assert_eq!(single_line(" secret \n"), " secret ");
    assert_eq!(single_line("secret\n\n"), "secret\n\n");
    assert_eq!(single_line("-----BEGIN\nabc\n"), "-----BEGIN\nabc\n");
    let echoed = credentials(&[("client_id", "me\n"), ("client_secret", "s3cret\r\n")]);
    assert!(built(&client(), &echoed).ends_with("&client_id=me&client_secret=s3cret"));
}

#[test]
fn a_parameter_of_several_lines_is_sent_as_it_is() {
    let client = Client {
        parameters: vec![from_key("assertion", "pem")],
        authentication: ClientAuthentication::None,
        ..client()
    };
    assert!(built(&client, &credentials(&[("pem", "a\nb\n")])).ends_with("&assertion=a%0Ab%0A"));
}

#[test]
fn every_bad_credential_is_named_by_its_key() {
    let key = || "client_secret".to_owned();
    let with = |secret: &[u8]| {
        let mut all = usual();
        all.0.insert(key(), Secret::new(secret));
        all
    };
    let mut missing = usual();
    missing.0.remove("client_secret");
    for client in [
        client(),
        basic_client(BasicEncoding::FormEncoded),
        basic_client(BasicEncoding::Raw),
    ] {
        assert_eq!(
            refused(&client, &missing),
            CredentialsProblem::Missing { key: key() }
        );
        assert_eq!(
            refused(&client, &with(b"")),
            CredentialsProblem::Empty { key: key() }
        );
        assert_eq!(
            refused(&client, &with(b"\n")),
            CredentialsProblem::Empty { key: key() }
        );
        assert_eq!(
            refused(&client, &with(b"\xff\xfe")),
            CredentialsProblem::NotText { key: key() }
        );
        assert_eq!(
            refused(&client, &with(b"two\nlines")),
            CredentialsProblem::Control { key: key() }
        );
        assert_eq!(
            refused(&client, &with(b"nul\0")),
            CredentialsProblem::Control { key: key() }
        );
        assert_eq!(
            refused(&client, &with(b"two breaks\n\n")),
            CredentialsProblem::Control { key: key() }
        );
        assert!(
            refused(&client, &missing)
                .to_string()
                .contains("\"client_secret\"")
        );
        assert_eq!(refused(&client, &missing).key(), Some("client_secret"));
    }
}

#[test]
fn a_line_break_never_gets_into_a_header() {
    let headers = vec![from_key("x-key", "sub")];
    let client = Client {
        authentication: ClientAuthentication::None,
        headers,
        ..client()
    };
    let problem = refused(&client, &credentials(&[("sub", "a\r\nx-evil: 1")]));
    assert_eq!(problem, CredentialsProblem::Control { key: "sub".into() });
    let client = Client {
        headers: vec![fixed("x-key", "a\nb")],
        ..client
    };
    let problem = refused(&client, &credentials(&[]));
    assert_eq!(
        problem,
        NameProblem::HeaderValue {
            name: "x-key".into()
        }
        .into()
    );
}

#[test]
fn no_problem_tells_what_stands_in_the_secret() {
    let bad = credentials(&[("client_id", "hunter2\nhunter2"), ("client_secret", "")]);
    assert!(!format!("{0} {0:?}", refused(&client(), &bad)).contains("hunter2"));
}

#[test]
fn required_keys_are_those_without_which_nothing_can_be_built() {
    let client = Client {
        grant: Grant::Password,
        parameters: vec![from_key("a", "extra"), from_key("b", "client_id")],
        headers: vec![from_key("x-h", "head")],
        ..client()
    };
    let keys = required_keys(&client);
    assert_eq!(
        keys,
        [
            "client_id",
            "client_secret",
            "username",
            "password",
            "extra",
            "head"
        ]
    );
    let mut all = usual();
    for key in ["extra", "head"] {
        all.0.insert(key.into(), "v".into());
    }
    assert!(attempt(&client, &all).is_ok());
    for key in keys {
        let mut less = all.clone();
        less.0.remove(&key);
        assert_eq!(refused(&client, &less), CredentialsProblem::Missing { key });
    }
    let none = Client {
        authentication: ClientAuthentication::None,
        grant: Grant::ClientCredentials,
        parameters: vec![],
        headers: vec![],
        ..client
    };
    assert!(required_keys(&none).is_empty());
}

#[test]
fn names_that_the_request_sets_itself_are_refused() {
    for name in ["grant_type", "client_id", "client_secret", "scope"] {
        let client = Client {
            parameters: vec![fixed(name, "x")],
            ..client()
        };
        assert_eq!(
            check_names(&client),
            Err(NameProblem::Reserved { name: name.into() })
        );
        assert!(attempt(&client, &usual()).is_err());
    }
    let name = "password".to_owned();
    let own_password = Client {
        parameters: vec![fixed(&name, "x")],
        ..client()
    };
    assert_eq!(check_names(&own_password), Ok(()));
    let password_grant = Client {
        grant: Grant::Password,
        ..own_password
    };
    assert_eq!(
        check_names(&password_grant),
        Err(NameProblem::Reserved { name })
    );
}

#[test]
fn names_that_stand_twice_are_refused() {
    let twice = Client {
        parameters: vec![fixed("tenant", "1"), fixed("tenant", "2")],
        ..client()
    };
    assert_eq!(
        check_names(&twice),
        Err(NameProblem::Repeated {
            name: "tenant".into()
        })
    );
    let in_url = Client {
        token_url: "https://auth.example/token?tenant=1".parse().unwrap(),
        format: Format::Query,
        parameters: vec![fixed("tenant", "2")],
        ..client()
    };
    assert_eq!(
        check_names(&in_url),
        Err(NameProblem::InUrl {
            name: "tenant".into()
        })
    );
    let headers = Client {
        headers: vec![fixed("X-A", "1"), fixed("x-a", "2")],
        ..client()
    };
    assert_eq!(
        check_names(&headers),
        Err(NameProblem::RepeatedHeader { name: "x-a".into() })
    );
}

#[test]
fn headers_of_the_connection_and_a_second_authorization_are_refused() {
    for name in ["Host", "Content-Length", "User-Agent", "Transfer-Encoding"] {
        let client = Client {
            headers: vec![fixed(name, "x")],
            ..client()
        };
        assert_eq!(
            check_names(&client),
            Err(NameProblem::ReservedHeader {
                name: name.to_lowercase()
            })
        );
    }
    let headers = vec![fixed("Authorization", "Key x")];
    let post = Client {
        headers: headers.clone(),
        ..client()
    };
    assert_eq!(check_names(&post), Ok(()));
    let basic = Client {
        headers,
        ..basic_client(BasicEncoding::FormEncoded)
    };
    assert_eq!(
        check_names(&basic),
        Err(NameProblem::ReservedHeader {
            name: "authorization".into()
        })
    );
    let odd = Client {
        headers: vec![fixed("x y", "1")],
        ..client()
    };
    assert_eq!(
        check_names(&odd),
        Err(NameProblem::HeaderName { name: "x y".into() })
    );
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
    let chance = Chance {
        id: [7; 16],
        random: ring::rand::SystemRandom::new(),
    };
    let url = url::Url::parse("https://auth.example/device").unwrap();
    let request = build_call(
        &client,
        &url,
        vec![("scope".into(), "a b".into())],
        &usual(),
        &Ingredients::new(Time::from_seconds(1_700_000_000), &chance),
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

mod assertions;
