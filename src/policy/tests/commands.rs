//! Commands in messages, with values that do something in a shell where they are not quoted.

use super::*;
use crate::command::tests::{HOSTILE, run};
use crate::messages::{Audience, Foreign};
use crate::oauth::ServiceAccountToken;
use crate::policy::brakes::{CredentialKind, CredentialRefusal};

/// What no host name has.
const EVERYTHING_ODD: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.');

/// The command that begins with the first `kubectl` of a message, as a shell runs it.
fn ran(message: &str) -> Vec<Vec<String>> {
    let at = message
        .find("kubectl ")
        .unwrap_or_else(|| panic!("no command: {message}"));
    run(&message[at..])
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
        let opt_in = findings::not_labelled(&seen, bad).message();
        let label = "oauthclient.dev/credentials=true";
        assert_eq!(
            ran(&opt_in),
            words(&["kubectl", "label", "secret", bad, "-n", bad, label])
        );
        let foreign = findings::foreign(&seen, &target, Foreign::NotCreated).message();
        let adopt = format!("oauthclient.dev/adopt={bad}");
        assert_eq!(
            ran(&foreign),
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
            findings::immutable(&seen, &target).message(),
            findings::wrong_type(&seen, &spec, &target).message(),
        ] {
            assert_eq!(ran(&message), delete, "{message}");
        }
        let show = words(&["kubectl", "get", "secret", bad, "-n", bad, "-o", "yaml"]);
        for message in [
            findings::immutable_state(&seen, &target).message(),
            findings::unreadable_state(&seen, &target).message(),
        ] {
            assert_eq!(ran(&message), show, "{message}");
        }
        let foreign = findings::foreign_state(&seen, &target).message();
        assert_eq!(
            ran(&foreign),
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
        let login = words(&["kubectl", "oauthclient", "login", bad, "-n", bad]);
        let reauthorize = findings::reauthorize(&seen, true, None);
        assert_eq!(ran(&reauthorize.message()), login);
        spec.credentials_secret = None;
        let missing = findings::no_refresh_token(&seen, &spec);
        assert_eq!(ran(&missing.message()), login);
        bad.clone_into(&mut spec.token_secret.name);
        let managers = "jsonpath={.metadata.managedFields[*].manager}";
        assert_eq!(
            ran(&findings::contended(&seen, &spec, 3).message()),
            words(&[
                "kubectl",
                "get",
                "secret",
                bad,
                "-n",
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
        let told = |obstacle| {
            let event = not_restarted(&wanted, &seen.resource, obstacle);
            event.message.to_string()
        };
        let agree = format!("oauthclient.dev/restart-by={bad}");
        assert_eq!(
            ran(&told(Obstacle::NotOptedIn)),
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
            ran(&told(Obstacle::Forbidden)),
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
        let message = problem.unwrap().message();
        // One entry, whatever it holds.
        let host = url.host_str().unwrap();
        let host = percent_encoding::utf8_percent_encode(host, EVERYTHING_ODD).to_string();
        let hosts = format!("oauthclient.dev/allowed-hosts=other.example,{host}");
        assert_eq!(
            ran(&message),
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
            plan(&mut seen, 0).assessment.problem.unwrap().message()
        };
        let before = "x'y;id";
        let list = texts(&[("oauthclient.dev/allowed-audiences", before)]);
        let wanted = format!("oauthclient.dev/allowed-audiences={before},{audience}");
        assert_eq!(
            ran(&problem(AccountSeen::There {
                uid: "u-robot".into(),
                annotations: list,
            })),
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
            ran(&problem(AccountSeen::NoCluster)),
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
        let refusal = |kind| CredentialRefusal {
            kind,
            reason: "InvalidClient",
            time: at(0),
            failures: 1,
            next: None,
        };
        let files = |problem: Problem| problem.message_for(Audience::Files);
        for message in [
            files(findings::not_labelled(&seen, "client")),
            files(findings::foreign(&seen, &target, Foreign::NotCreated)),
            files(findings::immutable(&seen, &target)),
            files(findings::wrong_type(&seen, &spec, &target)),
            files(findings::foreign_state(&seen, &target)),
            files(findings::immutable_state(&seen, &target)),
            files(findings::unreadable_state(&seen, &target)),
            files(findings::contended(&seen, &spec, 3)),
            files(Problem::stalled(findings::braked(
                &seen,
                &spec,
                &refusal(CredentialKind::Password),
            ))),
            files(Problem::stalled(findings::braked(
                &seen,
                &spec,
                &refusal(CredentialKind::ClientSecret),
            ))),
        ] {
            assert!(!message.contains("kubectl"), "{message}");
            assert!(message.ends_with('.'), "{message}");
        }
        let login = ["kubectl", "oauthclient", "login", bad, "-n", bad];
        let login = words(&[&login[..], &["--local", "FOLDER"]].concat());
        let reauthorize = files(findings::reauthorize(&seen, true, None));
        assert_eq!(ran(&reauthorize), login);
    }
}

#[test]
fn people_with_files_are_told_which_manifest_to_change() {
    let problem = |seen: &mut Observed| {
        let problem = plan(seen, 0).assessment.problem.unwrap();
        problem.message_for(Audience::Files)
    };
    let mut unlabelled = over_files("shop");
    unlabelled.credentials.as_mut().unwrap().labels.clear();
    let message = problem(&mut unlabelled);
    assert!(message.contains("into its manifest"), "{message}");
    let mut elsewhere = over_files("shop");
    elsewhere.credentials.as_mut().unwrap().annotations =
        texts(&[("oauthclient.dev/allowed-hosts", "other.example")]);
    let message = problem(&mut elsewhere);
    assert!(message.contains("its annotation oauthclient.dev/allowed-hosts is"));
    assert!(message.ends_with("add the host there."), "{message}");
    for message in [problem(&mut unlabelled), problem(&mut elsewhere)] {
        assert!(!message.contains("kubectl"), "{message}");
    }
}
