//! A client secret is replaced by its successor without an outage, and without a request too many.

use super::fleet::Fleet;
use super::harness::{CLIENT_ID, CLIENT_SECRET, PATH, SOON, Stage, Start, credentials};

const NEXT: &str = "the-successor";

/// The credentials Secret with a successor.
fn both(current: &str, next: &str) -> String {
    let secret = format!("client_secret: {current:?}");
    credentials("client", CLIENT_ID, current)
        .replace(&secret, &format!("{secret}, next_client_secret: {next:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_successor_of_a_client_secret_takes_over_by_itself_and_every_request_is_counted() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let operator = stage.operator(Start::default()).await;
    stage.resource("books", "").await;
    let names = ["books"];
    fleet.well(&names).await;
    stage.apply(&both(CLIENT_SECRET, NEXT)).await;
    fleet.refresh("1").await;
    let of = |word: &'static str| {
        move |_: &str, look: &super::fleet::Look| {
            look.status("/lastRefreshRequest") == Some(word) && look.is("RefreshFailing", "False")
        }
    };
    fleet
        .until("the old one is used", &names, SOON, of("1"))
        .await;
    assert_eq!(
        stage.requests(),
        2,
        "the successor came, and was not needed"
    );

    // The provider forgets the old one: the refresh is refused once, and made with the successor.
    stage.provider.update(PATH, |behaviour| {
        behaviour.accepts.clients[0].secret = NEXT.to_owned();
    });
    fleet.refresh("2").await;
    let looks = fleet
        .until("the successor is used", &names, SOON, |_, look| {
            look.status("/clientSecretKey") == Some("next_client_secret")
                && look.is("RefreshFailing", "False")
        })
        .await;
    assert_eq!(stage.requests(), 4);
    let ready = looks["books"].condition("Ready");
    assert!(
        ready.message.contains("under key next_client_secret"),
        "{}",
        ready.message
    );
    fleet
        .told(&names, |_| "Normal NextClientSecretUsed".to_owned())
        .await;

    // Another process knows it too.
    operator.terminate(SOON).await.unwrap();
    let operator = stage.operator(Start::default()).await;
    fleet.refresh("3").await;
    fleet.until("used first", &names, SOON, of("3")).await;
    assert_eq!(stage.requests(), 5, "the old one is not tried again");

    // The successor takes the place of the old one: that is no change of what is sent.
    stage
        .kubectl(&["patch", "secret", "client", "--type=json", "-p", &format!(
            r#"[{{"op":"remove","path":"/data/next_client_secret"}},{{"op":"add","path":"/stringData","value":{{"client_secret":"{NEXT}"}}}}]"#
        )])
        .await;
    fleet.refresh("4").await;
    let looks = fleet.until("asked with it", &names, SOON, of("4")).await;
    let key = looks["books"].object.pointer("/status/clientSecretKey");
    assert_eq!((key, stage.requests()), (None, 6));
    for shown in [CLIENT_SECRET, NEXT] {
        assert!(!operator.stderr().contains(shown));
    }
}
