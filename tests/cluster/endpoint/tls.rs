//! Trust: bad certificates see no credentials, and a CA bundle is looked at while everything runs.

use std::time::Duration;

use testkit::provider::{Listen, Provider, Script};
use testkit::tls::Leaf;

use super::*;

fn showing(authority: &Authority, leaf: Leaf) -> Provider {
    let listen = Listen {
        tls: authority.issue(leaf, &["127.0.0.1", "localhost"]).ok(),
        ..Listen::default()
    };
    Provider::start(Script::one("/token", living(3600.0)), listen).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_sees_no_credentials_and_a_good_one_is_noticed() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let authority = Authority::new("of the bad").unwrap();
    stage.apply(&trust("bad-ca", &authority)).await;
    let cases = [
        ("expired", Leaf::Expired, "has expired"),
        ("early", Leaf::NotYetValid, "not valid yet"),
        ("wrong-name", Leaf::WrongName, "for another name"),
        ("self-signed", Leaf::SelfSigned, "certificate"),
        ("other", Leaf::OtherAuthority, "certificate"),
    ]
    .map(|(name, leaf, said)| (name, showing(&authority, leaf), said));
    let manifests = cases.each_ref().map(|(name, host, _)| {
        resource(name, &host.url("/token"), "").replace("provider-ca", "bad-ca")
    });
    stage.apply(&manifests.join("---\n")).await;
    let names = cases.each_ref().map(|case| case.0);
    let looks = fleet
        .until("each is told", &names, SOON, |_, look| {
            look.condition("RefreshFailing").reason == "TLSFailed"
        })
        .await;
    for (name, host, said) in &cases {
        let told = looks[*name].condition("RefreshFailing").message;
        assert!(told.contains(said), "{name}: {told}");
        assert!(
            looks[*name].is("Reconciling", "True"),
            "{name}: it may pass"
        );
        assert_eq!(host.total(), 0, "{name}: not a request was sent");
        assert!(host.handshakes_failed() > 0, "{name}");
        let good = authority.issue_for_loopback(None).unwrap();
        host.set_certificate(&good).unwrap();
    }
    fleet.well(&names).await;
    for (name, host, _) in &cases {
        assert_eq!(host.total(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_bundle_is_rotated_mended_and_made_while_everything_runs() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let old = Authority::new("old").unwrap();
    let new = Authority::new("new").unwrap();
    let host = showing(&old, Leaf::Good);
    let manifest =
        |name: &str, ca: &str| resource(name, &host.url("/token"), "").replace("provider-ca", ca);
    stage.apply(&trust("rotated", &old)).await;
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken}\ndata: {ca.crt: not a certificate}\n";
    let keyless =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keyless}\ndata: {other.crt: x}\n";
    let all = [
        broken.to_owned(),
        keyless.to_owned(),
        manifest("main", "rotated"),
        manifest("absent", "absent"),
        manifest("broken", "broken"),
        manifest("keyless", "keyless"),
    ];
    stage.apply(&all.join("---\n")).await;
    let before = fleet.well(&["main"]).await;
    let waiting = ["absent", "broken", "keyless"];
    let looks = fleet
        .until("what is missing is told", &waiting, SOON, |name, look| {
            let awaited = look.condition("Reconciling");
            let reason = if name == "broken" {
                "CAInvalid"
            } else {
                "CANotFound"
            };
            awaited.status == "True" && awaited.reason == reason
        })
        .await;
    for name in waiting {
        let told = looks[name].condition("Reconciling").message;
        assert!(told.contains(&format!("ConfigMap {name}")), "{told}");
        assert!(told.contains("every minute"), "{told}");
    }
    assert_eq!(
        host.total(),
        1,
        "nothing is sent without the CA that was asked for"
    );
    // All three are made good; they are looked at every minute.
    for name in waiting {
        stage.apply(&trust(name, &old)).await;
    }
    let mended = jiff_now();

    // Meanwhile the provider gets a certificate of the new authority: what was connected stays so, so the connection ends too.
    host.set_certificate(&new.issue_for_loopback(None).unwrap())
        .unwrap();
    let close = testkit::provider::Fault::Close;
    host.set_fault("/token", Some(close));
    fleet.refresh("1").await;
    fleet
        .until("the connection is gone", &["main"], SOON, |_, look| {
            look.is("RefreshFailing", "True")
        })
        .await;
    host.set_fault("/token", None);
    let looks = fleet
        .until(
            "the new authority is not trusted",
            &["main"],
            SOON,
            |_, look| look.condition("RefreshFailing").reason == "TLSFailed",
        )
        .await;
    assert_eq!(
        looks["main"].data, before["main"].data,
        "the living token stays"
    );
    assert!(looks["main"].is("Ready", "True"));
    let both = format!("{}{}", old.pem(), new.pem()).replace('\n', "\n    ");
    stage
        .apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: rotated}}\ndata:\n  ca.crt: |\n    {both}\n"
        ))
        .await;
    fleet.well(&["main"]).await;
    // Back to the old one, so that those that wait for their CA can be served.
    host.set_certificate(&old.issue_for_loopback(None).unwrap())
        .unwrap();
    let within = Duration::from_secs(75);
    fleet
        .until("what was missing is found", &waiting, within, |_, look| {
            look.is("Ready", "True")
        })
        .await;
    assert!(jiff_now().duration_since(mended).as_secs() < 75);
}
