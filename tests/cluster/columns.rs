//! What `kubectl get` shows.

use testkit::provider::Fault;

use super::harness::{PATH, Stage, Start};

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_show_a_refresh_that_fails_while_the_token_is_valid_and_when_it_is_tried_again()
{
    let stage = Stage::new(3600.0).await;
    let _operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let get = || stage.kubectl(&["get", "oac", "main"]);
    let well = get().await;
    assert!(well.contains("PROBLEM") && well.contains("RETRY"), "{well}");
    assert!(!well.contains("InvalidClient"), "{well}");
    stage.provider.set_fault(
        PATH,
        Some(Fault::Error {
            status: 401,
            code: "invalid_client".to_owned(),
            description: None,
            echo: false,
            retry_after: None,
        }),
    );
    stage.request_refresh("main").await;
    stage
        .wait_for("main", "Stalled", "True", "InvalidClient")
        .await;
    let failing = get().await;
    let row = failing.lines().last().unwrap();
    assert!(row.contains("True"), "{failing}");
    assert!(row.contains("InvalidClient"), "{failing}");
    let next = stage.object("oauthclient", "main").await.unwrap()["status"]["attempt"]["nextTime"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(row.contains(&next), "{failing}");
}
