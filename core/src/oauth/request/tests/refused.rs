//! What cannot be sent, and how it is named.

use super::*;

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
        all.insert(key(), Secret::new(secret), &Lenders::none());
        all
    };
    let mut missing = usual();
    missing.remove("client_secret");
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
            refused(&client, &with(&[b'x'; 300 << 10])),
            CredentialsProblem::TooLong { key: key() }
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
        all.insert(key.into(), "v".into(), &Lenders::none());
    }
    assert!(attempt(&client, &all).is_ok());
    for key in keys {
        let mut less = all.clone();
        less.remove(&key);
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
    for name in ["Host", "Content-Length", "Cookie", "Transfer-Encoding"] {
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
