//! Which addresses are dialled, and the proxy of the administrator.

use super::*;

/// A resolver that knows one answer to everything.
fn resolving(addresses: &[&str]) -> Lookup {
    let addresses: Vec<SocketAddr> = addresses
        .iter()
        .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
        .collect();
    Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    })
}

#[tokio::test]
async fn plain_http_takes_a_flag() {
    let provider = plain(Behaviour::default());
    let strict = sender(SenderOptions {
        allow_http: false,
        ..local()
    });
    assert_eq!(
        failure(&strict, &provider.url(PATH), &route(None)).await,
        SendError::HttpNotAllowed
    );
    for url in [
        "ftp://auth.example/",
        "https://user:pw@auth.example/",
        "https://user@auth.example/",
        "nonsense",
    ] {
        // Refused when it is authorized, or when it is sent.
        let refused = match authorize(&request(url), &Lenders::none()) {
            Err(_) => true,
            Ok(request) => {
                let sent = strict.send(&request, &route(None)).await;
                matches!(sent, Err(SendError::BadUrl))
            }
        };
        assert!(refused, "{url}");
    }
    assert_eq!(provider.connections_opened(), 0);
}

#[tokio::test]
async fn refused_addresses_are_not_dialled() {
    let provider = plain(Behaviour::default());
    let port = provider.address().port();
    let guarded = |lookup| {
        sender(SenderOptions {
            addresses: AddressRules::default(),
            lookup,
            ..local()
        })
    };
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
    ] {
        let error = failure(
            &guarded(None),
            &format!("http://{host}:{port}{PATH}"),
            &route(None),
        )
        .await;
        assert!(
            matches!(
                error,
                SendError::AddressRefused {
                    kind: AddressKind::Loopback,
                    ..
                }
            ),
            "{host}: {error:?}"
        );
    }
    for (answers, kind) in [
        (["127.0.0.1"].as_slice(), AddressKind::Loopback),
        (&["::ffff:127.0.0.1"], AddressKind::Loopback),
        (&["169.254.169.254"], AddressKind::Metadata),
        (&["fd00:ec2::254"], AddressKind::Metadata),
        (&["64:ff9b::a9fe:a9fe"], AddressKind::Metadata),
        (&["0.0.0.0"], AddressKind::Unspecified),
        // One bad address makes the response unusable, wherever it is.
        (&["192.0.2.1", "127.0.0.1"], AddressKind::Loopback),
        (&["127.0.0.1", "192.0.2.1"], AddressKind::Loopback),
    ] {
        let sender = guarded(Some(resolving(answers)));
        let error = failure(
            &sender,
            &format!("http://auth.example:{port}{PATH}"),
            &route(None),
        )
        .await;
        let SendError::AddressRefused {
            address: Some(_),
            kind: found,
        } = error
        else {
            panic!("{answers:?}: {error:?}");
        };
        assert_eq!(found, kind, "{answers:?}");
    }
    assert_eq!(provider.connections_opened(), 0);
}

#[tokio::test]
async fn names_without_an_address_are_said_so() {
    let fails: Lookup = Arc::new(|_| Box::pin(async { Err(io::Error::other("no such host")) }));
    for lookup in [fails, resolving(&[])] {
        let sender = sender(SenderOptions {
            lookup: Some(lookup),
            ..local()
        });
        assert_eq!(
            failure(&sender, "http://auth.example/", &route(None)).await,
            SendError::Dns
        );
    }
}

#[tokio::test]
async fn an_allowed_range_is_dialled() {
    let provider = plain(Behaviour::default());
    let addresses = AddressRules {
        allowed: vec!["127.0.0.1".parse().unwrap()],
        ..AddressRules::default()
    };
    let sender = sender(SenderOptions {
        addresses,
        lookup: Some(resolving(&["127.0.0.1"])),
        ..local()
    });
    let url = format!("http://auth.example:{}{PATH}", provider.address().port());
    assert_eq!(answer(&sender, &url, &route(None)).await.status, 200);
    let error = failure(&sender, "http://127.0.0.2/", &route(None)).await;
    assert_eq!(error.reason(), "AddressRefused");
}

/// A proxy that connects every CONNECT to `target`, or answers it with `refusal`; it notes what it was asked.
async fn proxy(
    target: SocketAddr,
    refusal: Option<&'static str>,
) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (note, notes) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            note.send(String::from_utf8(head).unwrap()).unwrap();
            if let Some(refusal) = refusal {
                client.write_all(refusal.as_bytes()).await.unwrap();
                continue;
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(target).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut client, &mut server).await },
            );
        }
    });
    (address, notes)
}

#[tokio::test]
async fn the_administrators_proxy_is_exempt_and_opens_the_way() {
    let authority = Authority::new("corp").unwrap();
    let identity = authority.issue(Leaf::Good, &["auth.example"]).unwrap();
    let listen = Listen {
        tls: Some(identity),
        ..Listen::default()
    };
    let provider = Provider::start(Script::one(PATH, Behaviour::default()), listen).unwrap();
    let (address, mut asked) = proxy(provider.address(), None).await;
    let proxies = ProxySettings {
        https: Some(format!("http://kari:pw@{address}")),
        no_proxy: "direct.example".into(),
        ..ProxySettings::default()
    };
    // Loopback is refused, but the proxy listens on it.
    let options = SenderOptions {
        addresses: AddressRules::default(),
        lookup: Some(resolving(&["127.0.0.1"])),
        proxies,
        ..local()
    };
    let sender = sender(options);
    let route = route(Some(&authority));
    assert_eq!(
        answer(&sender, "https://auth.example/token", &route)
            .await
            .status,
        200
    );
    let connect = asked.recv().await.unwrap();
    assert!(
        connect.starts_with("CONNECT auth.example:443 HTTP/1.1\r\n"),
        "{connect}"
    );
    assert!(
        connect
            .to_lowercase()
            .contains("proxy-authorization: basic a2fyatpwdw=="),
        "{connect}"
    );
    assert!(!connect.contains(CANARY), "{connect}");
    assert_eq!(
        provider.requests_to(PATH)[0].header("proxy-authorization"),
        None
    );

    for url in [
        "https://direct.example/",
        "https://127.0.0.1/",
        "https://localhost/",
        "http://auth.example/",
    ] {
        let error = failure(&sender, url, &route).await;
        assert_eq!(error.reason(), "AddressRefused", "{url}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_gone_is_named_as_the_cause() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for refusal in [
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\n\r\n",
    ] {
        let (address, _asked) = proxy(nobody, Some(refusal)).await;
        let proxies = ProxySettings {
            https: Some(address.to_string()),
            ..ProxySettings::default()
        };
        let error = failure(
            &sender(SenderOptions { proxies, ..local() }),
            "https://auth.example/",
            &route(None),
        )
        .await;
        assert_eq!(error, SendError::Proxy, "{refusal}");
    }
    let proxies = ProxySettings {
        https: Some(nobody.to_string()),
        ..ProxySettings::default()
    };
    let error = failure(
        &sender(SenderOptions { proxies, ..local() }),
        "https://auth.example/",
        &route(None),
    )
    .await;
    assert_eq!(error, SendError::Connect(ConnectProblem::Refused));
}
