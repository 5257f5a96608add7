//! Rewords messages for use without a cluster: commands for a cluster would not help.

/// The command that starts a login.
const LOGIN: &str = "kubectl oauthclient login";

/// Replacements for sentences with a `kubectl` command, by a fragment of the message; `{place}` is the token's folder.
/// The
/// first match counts.
const INSTEAD: [(&str, &str); 15] = [
    (
        "does not disclose its key",
        "If you own that Secret and the value is not secret, add the key to the annotation oauthclient.dev/disclosed-keys of its manifest",
    ),
    (
        "The token Secret of OAuthClient",
        "If you want it sent to this provider, put the label oauthclient.dev/credentials: \"true\" into spec.tokenSecret.labels of its manifest",
    ),
    (
        "whose token is exchanged",
        "The lines about it say why there is none",
    ),
    (
        "in its spec.tokenSecret.annotations",
        "If it may be sent there, add the host to the annotation oauthclient.dev/allowed-hosts in its spec.tokenSecret.annotations",
    ),
    (
        "want it sent to this provider",
        "If you want it sent to this provider, put the label oauthclient.dev/credentials: \"true\" into its manifest",
    ),
    (
        "allowed-token-hosts",
        "Correct spec.provider.tokenURL, or name its host in the annotation oauthclient.dev/allowed-token-hosts of that Secret's manifest",
    ),
    (
        "lacks the label",
        "If it may be used again, put the label oauthclient.dev/credentials: \"true\" into its manifest",
    ),
    (
        "allowed-hosts",
        "Correct spec.provider.tokenURL, or name its host in the annotation oauthclient.dev/allowed-hosts of that Secret's manifest",
    ),
    (
        "where the refresh token is kept",
        "Restore its file in the state folder, or delete that and log in again",
    ),
    (
        "with the refresh token is immutable",
        "Restore its file in the state folder, or delete that and log in again",
    ),
    (
        "is left alone",
        "Set another spec.tokenSecret.name, or move {place} away",
    ),
    (
        "is not changed: ",
        "Set another spec.tokenSecret.name, or move {place} away",
    ),
    ("altering or deleting", "Find out who changes {place}"),
    ("If cert-manager", ""),
    ("cannot be shown", "Look at its keys in its manifest"),
];

/// A message, reworded for files without a cluster.
pub(super) fn local_words(message: &str, place: &str) -> String {
    let Some(at) = message.find("kubectl") else {
        return message.to_owned();
    };
    // This command also works here: it issues a token for the file.
    if message.contains("--service-account-token-file") {
        return message.to_owned();
    }
    if message.contains(LOGIN) {
        return login(message, at);
    }
    let (before, sentence, after) = around(message, at);
    let fits = |piece: &str| {
        let mut parts = piece.split(" .. ");
        parts.all(|part| message.contains(part))
    };
    let known = INSTEAD.iter().find(|(piece, _)| fits(piece));
    let instead = match (known, sentence.split_once(" (")) {
        (Some((_, instead)), _) => instead.replace("{place}", place),
        // A command in brackets can be dropped.
        (None, Some((said, _))) if sentence.trim_end_matches('.').ends_with(')') => said.to_owned(),
        _ => format!("Look at {place}: its owner, its mode, and the space that is left"),
    };
    let instead = match instead.as_str() {
        "" => String::new(),
        _ => format!("{instead}. "),
    };
    format!("{before}{instead}{after}").trim_end().to_owned()
}

/// Splits a message around a position: before its sentence, the sentence, after it.
fn around(message: &str, at: usize) -> (&str, &str, &str) {
    let before = message.get(..at).unwrap_or_default();
    let start = before.rfind(". ").map_or(0, |dot| dot + 2);
    let rest = message.get(at..).unwrap_or_default();
    let end = unquoted(rest, &[". "]).map_or(message.len(), |dot| at + dot + 2);
    let part = |range| message.get(range).unwrap_or_default();
    (
        part(0..start),
        part(start..end).trim(),
        part(end..message.len()),
    )
}

/// The first position of one of `marks` outside of a command's quotes.
fn unquoted(text: &str, marks: &[&str]) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        let was_escaped = std::mem::replace(&mut escaped, false);
        match (quote, c) {
            _ if was_escaped => {}
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, _)
                if text
                    .get(at..)
                    .is_some_and(|rest| starts_with_any(rest, marks)) =>
            {
                return Some(at);
            }
            _ => {}
        }
    }
    None
}

fn starts_with_any(text: &str, marks: &[&str]) -> bool {
    marks.iter().any(|mark| text.starts_with(mark))
}

/// The plugin can also log in for files: its `--local` flag is added.
fn login(message: &str, at: usize) -> String {
    let (before, command) = message.split_at(at);
    let end = unquoted(command, &[", ", ". "]);
    let end = end.unwrap_or(command.trim_end_matches('.').len());
    let (command, after) = command.split_at(end);
    format!("{before}{command} --local FOLDER{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> String {
        local_words(message, "/out/b/a")
    }

    #[test]
    fn commands_for_a_cluster_become_words_for_files() {
        let words = said(
            "Secret a lacks the label oauthclient.dev/credentials=true. If you own it and want it sent to this provider, run: kubectl label secret a -n b oauthclient.dev/credentials=true There is no valid token.",
        );
        assert!(
            !words.contains("kubectl") && words.contains("into its manifest"),
            "{words}"
        );
        let words = said(
            "Secret a is not changed: for a reason. Set another: kubectl annotate secret a. It is checked every minute.",
        );
        assert!(
            words.contains("move /out/b/a away. It is checked every minute"),
            "{words}"
        );
        assert_eq!(said("All is well."), "All is well.");
        assert_eq!(
            said(
                "The token Secret of OAuthClient shop lacks the label. If you own it and want it sent to this provider, run: kubectl patch oac shop -p '{}'"
            ),
            "The token Secret of OAuthClient shop lacks the label. If you want it sent to this provider, put the label oauthclient.dev/credentials: \"true\" into spec.tokenSecret.labels of its manifest."
        );
        assert_eq!(
            said(
                "The client certificate in Secret t expired at X: renew it there (if cert-manager makes it: kubectl describe certificate -n b). It stays."
            ),
            "The client certificate in Secret t expired at X: renew it there. It stays."
        );
        assert_eq!(
            said(
                "There is no Secret t. Create it; it is picked up at once. If cert-manager is to make it: kubectl describe certificate -n b"
            ),
            "There is no Secret t. Create it; it is picked up at once."
        );
    }

    #[test]
    fn nothing_of_a_command_is_left_whatever_its_values_hold() {
        for value in ["zz. zz; zz", "zz's. zz", "zz\"zz. zz", "zz, zz", "zz"] {
            let command = crate::command::Command::kubectl(&["annotate", "serviceaccount", "a"])
                .pair("oauthclient.dev/allowed-hosts", value);
            let words = said(&format!("It does not name that host. If it may: {command}"));
            assert!(words.starts_with("It does not name that host. "), "{words}");
            for part in ["kubectl", "annotate ", "zz"] {
                assert!(!words.contains(part), "{value}: {words}");
            }
            let login = crate::command::Command::kubectl(&["oauthclient", "login"]).value(value);
            let words = said(&format!("Run {login}. It is picked up at once."));
            let run = words.strip_prefix("Run ").unwrap();
            let run = run.strip_suffix(". It is picked up at once.").unwrap();
            let wanted = [
                "kubectl",
                "oauthclient",
                "login",
                value,
                "--local",
                "FOLDER",
            ];
            assert_eq!(crate::command::tests::run(run), [wanted], "{words}");
        }
    }

    #[test]
    fn what_helps_without_a_cluster_too_stays() {
        assert_eq!(
            said(
                "There is no refresh token yet. Run kubectl oauthclient login a.b -n b, or put one under refresh_token into Secret c. It is picked up at once."
            ),
            "There is no refresh token yet. Run kubectl oauthclient login a.b -n b --local FOLDER, or put one under refresh_token into Secret c. It is picked up at once."
        );
        assert_eq!(
            said("Run kubectl oauthclient login a.b -n b. It is picked up at once."),
            "Run kubectl oauthclient login a.b -n b --local FOLDER. It is picked up at once."
        );
        let file = "Give one in a file: --service-account-token-file a=PATH (kubectl create token a -n b makes one).";
        assert_eq!(said(file), file);
    }
}
