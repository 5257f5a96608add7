//! Commands in messages, with values that do something in a shell where they are not quoted.

use super::*;
use crate::command::tests::{HOSTILE, run};
use crate::messages::Audience;
use crate::oauth::ServiceAccountToken;
use crate::policy::brakes::{Kind, Refusal};

/// What no host name has.
const EVERYTHING_ODD: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.');

/// The command that begins with the last `kubectl` of a message, up to `until`, as a shell runs it.
fn ran(message: &str, until: &str) -> Vec<Vec<String>> {
    let at = message
        .find("kubectl ")
        .unwrap_or_else(|| panic!("no command: {message}"));
    let command = &message[at..];
    let command = match until {
        "" => command,
        until => {
            command
                .rsplit_once(until)
                .unwrap_or_else(|| panic!("{message}"))
                .0
        }
    };
    run(command)
}

fn words(words: &[&str]) -> Vec<Vec<String>> {
    vec![words.iter().map(|word| (*word).to_owned()).collect()]
}

/// What is seen of a resource in which everything that has a name is called this.
fn called(name: &str) -> Observed {
    let mut seen = fresh(&Spec::default());
    seen.resource.namespace = name.to_owned();
    seen.resource.name = name.to_owned();
    seen
}

#[test]
fn every_message_about_a_secret_has_a_command_that_does_that_and_nothing_else() {
    for bad in HOSTILE {
        let seen = called(bad);
        let mut spec = seen.resource.spec.clone().unwrap();
        let target = SecretSeen {
            name: bad.to_owned(),
            ..secret("x", 1)
        };
        let opt_in = messages::not_labelled(&seen, bad).message;
        let label = "oauthclient.dev/credentials=true";
        assert_eq!(
            ran(&opt_in, ""),
            words(&["kubectl", "label", "secret", bad, "-n", bad, label])
        );
        let foreign = messages::foreign(&seen, &target, "it is somebody's").message;
        let adopt = format!("oauthclient.dev/adopt={bad}");
        assert_eq!(
            ran(&foreign, ". It is checked"),
            words(&[
                "kubectl",
                "annotate",
                "secret",
                bad,
                "-n",
                bad,
                "--overwrite",
                &adopt
            ])
        );
        let delete = words(&["kubectl", "delete", "secret", bad, "-n", bad]);
        for message in [
            messages::immutable(&seen, &target).message,
            messages::wrong_type(&seen, &spec, &target).message,
        ] {
            assert_eq!(ran(&message, ""), delete, "{message}");
        }
        let show = words(&["kubectl", "get", "secret", bad, "-n", bad, "-o", "yaml"]);
        for message in [
            messages::immutable_state(&seen, &target).message,
            messages::unreadable_state(&seen, &target).message,
        ] {
            assert_eq!(ran(&message, ""), show, "{message}");
        }
        let foreign = messages::foreign_state(&seen, &target).message;
        let (look, hand_over) = foreign.split_once("To hand it over").unwrap();
        assert_eq!(ran(look, "). "), show);
        assert_eq!(
            ran(hand_over, ". Otherwise"),
            words(&["kubectl", "annotate", "secret", bad, "-n", bad, &adopt])
        );
        let login = words(&["kubectl", "oauthclient", "login", bad, "-n", bad]);
        assert_eq!(
            ran(
                &messages::reauthorize(&seen, true, None).message,
                ", or put one"
            ),
            login
        );
        assert_eq!(
            ran(&messages::refused_offer(&seen, bad, bad, true), "."),
            login
        );
        spec.credentials_secret = None;
        assert_eq!(
            ran(
                &messages::no_refresh_token(&seen, &spec).message,
                ". It is used"
            ),
            login
        );
        bad.clone_into(&mut spec.token_secret.name);
        let managers = "jsonpath={.metadata.managedFields[*].manager}";
        assert_eq!(
            ran(&messages::fought_over(&seen, &spec, 3).message, "."),
            words(&[
                "kubectl",
                "get",
                "secret",
                bad,
                "--show-managed-fields",
                "-o",
                managers
            ])
        );
    }
}

#[test]
fn what_allows_a_restart_is_a_command_that_does_that_and_nothing_else() {
    use crate::api::validate::{Restart, WorkloadKind};
    use crate::policy::restart::{Obstacle, not_restarted};

    for bad in HOSTILE {
        let seen = called(bad);
        let wanted = Restart {
            kind: WorkloadKind::StatefulSet,
            name: "shop".to_owned(),
            min_interval: Span::from_seconds(60),
        };
        let told = |obstacle| not_restarted(&wanted, &seen.resource, obstacle).message;
        let agree = format!("oauthclient.dev/restart-by={bad}");
        assert_eq!(
            ran(&told(Obstacle::NotOptedIn), ""),
            words(&[
                "kubectl",
                "annotate",
                "statefulset",
                "shop",
                "-n",
                bad,
                &agree
            ])
        );
        let addition = "deploy/restart/namespaced";
        assert_eq!(
            ran(&told(Obstacle::Forbidden), ""),
            words(&["kubectl", "apply", "-n", bad, "-k", addition])
        );
    }
}

#[test]
fn a_host_that_somebody_else_has_named_does_nothing_in_a_command() {
    for host in [
        "x;id;x.example",
        "x'$(id).example",
        "`id`.example",
        "a&b.example",
        "a,evil.example",
        "example.com.",
    ] {
        let url: url::Url = format!("https://{host}/t").parse().unwrap();
        let mut seen = called("shop");
        let mut spec = seen.resource.spec.clone().unwrap();
        spec.client.token_url = url.clone();
        seen.credentials = Some(credentials(1, "pw"));
        let lender = seen.credentials.as_mut().unwrap();
        lender.annotations = texts(&[("oauthclient.dev/allowed-hosts", "other.example")]);
        let lender = seen.credentials.as_ref().unwrap();
        let problem = crate::policy::provenance::secret_not_ready(&seen, &spec, lender);
        let message = problem.unwrap().message;
        // One entry, whatever it holds.
        let host = url.host_str().unwrap();
        let host = percent_encoding::utf8_percent_encode(host, EVERYTHING_ODD).to_string();
        let hosts = format!("oauthclient.dev/allowed-hosts=other.example,{host}");
        assert_eq!(
            ran(&message, ""),
            words(&[
                "kubectl",
                "annotate",
                "secret",
                "client",
                "-n",
                "shop",
                "--overwrite",
                &hosts
            ])
        );
    }
}

#[test]
fn an_audience_does_nothing_in_a_command() {
    for bad in HOSTILE {
        let audience = bad.replace(char::is_whitespace, "${IFS}");
        let mut seen = fresh(&Spec::default());
        let mut spec = seen.resource.spec.clone().unwrap();
        spec.client.authentication =
            crate::oauth::ClientAuthentication::ServiceAccountToken(ServiceAccountToken {
                account: "robot".into(),
                audience: audience.clone(),
                expiration_seconds: 600,
            });
        seen.resource.spec = Ok(spec);
        let mut problem = |account: AccountSeen| {
            seen.accounts = [("robot".to_owned(), account)].into();
            plan(&mut seen, 0).assessment.problem.unwrap().message
        };
        let before = "x'y;id";
        let list = texts(&[("oauthclient.dev/allowed-audiences", before)]);
        let wanted = format!("oauthclient.dev/allowed-audiences={before},{audience}");
        assert_eq!(
            ran(
                &problem(AccountSeen::There {
                    uid: "u-robot".into(),
                    annotations: list,
                }),
                ""
            ),
            words(&[
                "kubectl",
                "annotate",
                "serviceaccount",
                "robot",
                "-n",
                "shop",
                "--overwrite",
                &wanted
            ])
        );
        assert_eq!(
            ran(&problem(AccountSeen::NoCluster), " creates one)."),
            words(&[
                "kubectl",
                "create",
                "token",
                "robot",
                "-n",
                "shop",
                "--audience",
                &audience
            ])
        );
    }
}

/// What is seen over files, with a name that does something in a shell.
fn over_files(name: &str) -> Observed {
    let mut seen = called(name);
    seen.rules.audience = Audience::Files;
    seen
}

#[test]
fn people_with_files_get_no_command_for_a_cluster() {
    for bad in HOSTILE {
        let seen = over_files(bad);
        let spec = seen.resource.spec.clone().unwrap();
        let target = SecretSeen {
            name: bad.to_owned(),
            ..secret("x", 1)
        };
        let refusal = |kind| Refusal {
            kind,
            reason: "InvalidClient",
            time: at(0),
            failures: 1,
            next: None,
        };
        for message in [
            messages::not_labelled(&seen, "client").message,
            messages::foreign(&seen, &target, "it is somebody's").message,
            messages::immutable(&seen, &target).message,
            messages::wrong_type(&seen, &spec, &target).message,
            messages::foreign_state(&seen, &target).message,
            messages::immutable_state(&seen, &target).message,
            messages::unreadable_state(&seen, &target).message,
            messages::fought_over(&seen, &spec, 3).message,
            messages::braked(&seen, &spec, &refusal(Kind::Password)),
            messages::braked(&seen, &spec, &refusal(Kind::ClientSecret)),
        ] {
            assert!(!message.contains("kubectl"), "{message}");
            assert!(message.ends_with('.'), "{message}");
        }
        let login = ["kubectl", "oauthclient", "login", bad, "-n", bad];
        let login = words(&[&login[..], &["--local", "FOLDER"]].concat());
        let reauthorize = messages::reauthorize(&seen, true, None).message;
        assert_eq!(ran(&reauthorize, ", or put one"), login);
        let refused = messages::refused_offer(&seen, bad, bad, true);
        assert_eq!(ran(&refused, "."), login);
        let braked = messages::braked(&seen, &spec, &refusal(Kind::RefreshToken));
        assert_eq!(ran(&braked, "."), login);
    }
}

#[test]
fn people_with_files_are_told_which_manifest_to_change() {
    let problem = |seen: &mut Observed| plan(seen, 0).assessment.problem.unwrap().message;
    let mut unlabelled = over_files("shop");
    unlabelled.credentials.as_mut().unwrap().labels.clear();
    let message = problem(&mut unlabelled);
    assert!(message.contains("into its manifest"), "{message}");
    let mut elsewhere = over_files("shop");
    elsewhere.credentials.as_mut().unwrap().annotations =
        texts(&[("oauthclient.dev/allowed-hosts", "other.example")]);
    let message = problem(&mut elsewhere);
    let there = "the annotation oauthclient.dev/allowed-hosts in the manifest of Secret client.";
    assert!(message.ends_with(there), "{message}");
    for message in [problem(&mut unlabelled), problem(&mut elsewhere)] {
        assert!(!message.contains("kubectl"), "{message}");
    }
}
