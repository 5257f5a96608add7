//! Every message of the catalogue, with values that no name should have.

mod requests;

use super::*;
use crate::conditions::Reason;
use crate::time::Time;

/// Each message with each state of the token, as conditions and events have it.
fn rendered(values: Values) -> Vec<(String, Message)> {
    let secret = String::examples("secret", values).remove(0);
    let until = Time::from_seconds(1_790_000_000);
    let standings = [
        TokenValidity::Valid {
            secret: secret.clone(),
            until,
        },
        TokenValidity::Expired {
            secret: secret.clone(),
            at: until,
        },
        TokenValidity::Missing { secret },
        TokenValidity::Nowhere,
    ];
    let mut all = Vec::new();
    for audience in [Audience::Cluster, Audience::Files] {
        for finding in Finding::examples("", values) {
            for standing in &standings {
                let message = finding.explain(audience).with(standing.text());
                all.push((format!("{finding:?}"), message));
            }
        }
        for event in EventFinding::examples("", values) {
            all.push((format!("{event:?}"), event.explain(audience).message()));
        }
    }
    all
}

/// A message without its command.
fn without_command(message: &Message) -> String {
    let text = message.to_string();
    match message.copied() {
        Some(copied) => text.strip_suffix(&copied).unwrap().to_owned(),
        None => text,
    }
}

/// Each message has at most 300 characters without its command.
fn assert_short(messages: impl Iterator<Item = Message>) {
    let mut too_long = std::collections::BTreeSet::new();
    for message in messages {
        let text = without_command(&message);
        let length = text.trim_end().chars().count();
        if length > MOST {
            too_long.insert(format!("{length} characters: {text}"));
        }
    }
    let too_long: Vec<String> = too_long.into_iter().collect();
    assert!(too_long.is_empty(), "{}", too_long.join("\n"));
}

#[test]
fn a_message_has_at_most_300_characters_without_its_command() {
    let all = [Values::Names, Values::Long, Values::Hostile].map(rendered);
    assert_short(all.into_iter().flatten().map(|(_, message)| message));
}

#[test]
fn a_message_says_what_happened_what_still_works_and_what_to_do() {
    for audience in [Audience::Cluster, Audience::Files] {
        for finding in Finding::examples("", Values::Names) {
            let told = finding.explain(audience);
            let alone = told.clone().message().to_string();
            let works = TokenValidity::Nowhere.text();
            let with = told.with(works).to_string();
            let (happened, remedy) = with
                .split_once(" There is no valid token. ")
                .unwrap_or_else(|| panic!("{with}"));
            assert_eq!(alone, format!("{happened} {remedy}"));
            assert!(happened.ends_with('.') && happened.len() > 20, "{with}");
            assert!(remedy.len() > 4, "{with}");
            assert!(
                with.starts_with(char::is_uppercase) || with.starts_with("spec."),
                "{with}"
            );
            assert!(!with.contains("  ") && !with.contains(".."), "{with}");
        }
    }
}

#[test]
fn a_message_ends_with_a_full_stop_or_with_its_command() {
    for (_, message) in rendered(Values::Names) {
        let text = message.to_string();
        match message.copied() {
            Some(copied) => assert!(text.ends_with(&format!(": {copied}")), "{text}"),
            None => assert!(text.ends_with('.'), "{text}"),
        }
    }
}

#[test]
fn what_others_wrote_changes_nothing_around_it() {
    for (_, message) in rendered(Values::Hostile) {
        let text = message.to_string();
        for bad in ['\u{202e}', '\u{200b}', '\n'] {
            assert!(!text.contains(bad), "{text:?}");
        }
    }
}

/// A shell passes exactly the words of a command to the program, whatever they are.
#[test]
fn a_shell_reads_the_words_of_each_command() {
    let mut commands = 0;
    for values in [Values::Names, Values::Long] {
        for (_, message) in rendered(values) {
            if let Some(command) = message.command() {
                let words = shlex::split(&command.to_string()).unwrap();
                assert_eq!(
                    Some(words.iter().map(String::as_str).collect()),
                    command.words()
                );
                commands += 1;
            }
        }
    }
    assert!(commands > 100);
    for (_, message) in rendered(Values::Hostile) {
        // Names with invisible characters cannot be copied, so the command is a sentence.
        if let Some(command) = message.command() {
            let words = shlex::split(&command.to_string()).unwrap();
            let shown = command.words().is_none_or(|own| own == words);
            assert!(shown, "{command}");
        }
    }
}

#[test]
fn people_with_files_get_no_command_for_a_cluster() {
    for finding in Finding::examples("", Values::Names) {
        let message = finding.explain(Audience::Files).message();
        if let Some(command) = message.command() {
            let words = command.words().unwrap();
            let login = words.starts_with(&["kubectl", "oauthclient", "login"]);
            let by_owner = matches!(finding, Finding::Trust(_));
            assert!(login || by_owner, "{message}");
        }
    }
}

#[test]
fn only_names_are_shortened_and_both_ends_of_them_are_shown() {
    let long = format!("{}-end", "x".repeat(400));
    let finding = Finding::from(CredentialsFinding::NotFound {
        secret: long.clone(),
        namespace: "shop".to_owned(),
    });
    let text = finding.explain(Audience::Cluster).message().to_string();
    assert!(text.starts_with("There is no Secret xxx"), "{text}");
    assert!(
        text.contains("…") && text.contains("-end in namespace shop ("),
        "{text}"
    );
    assert!(text.chars().count() <= MOST, "{text}");
}

#[test]
fn every_reason_of_the_list_that_prevents_something_has_a_message() {
    let has = |reason: Reason| {
        Finding::examples("", Values::Names)
            .iter()
            .any(|finding| finding.reason() == reason)
    };
    for reason in [
        Reason::SecretNotOwned,
        Reason::HostNotAllowed,
        Reason::AwaitingLogin,
    ] {
        assert!(has(reason), "{reason}");
    }
}

#[test]
fn a_note_has_at_most_300_characters_too() {
    for values in [Values::Names, Values::Long, Values::Hostile] {
        for note in Note::examples("", values) {
            let text = note.text().to_string();
            assert!(text.chars().count() <= MOST, "{text}");
            assert!(text.ends_with('.'), "{text}");
        }
    }
}
