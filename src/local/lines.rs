//! What is printed: one line for each event, to read and to `grep`. Never a token.

use std::io::Write as _;

use crate::api::OAuthClientStatus;
use crate::api::conditions::{Group, Reason};
use crate::engine::Key;
use crate::model::Resource;
use crate::policy::{EventType, Report, ResourceEvent};
use crate::time::Time;

/// Prints a line: the time, the object, the event, and a sentence.
pub(super) fn print(now: Time, about: &str, word: &str, text: &str) {
    let mut out = std::io::stdout().lock();
    // Standard output is closed. Tokens are kept fresh nevertheless.
    let _ = writeln!(out, "{now}  {about}  {word}  {}", one_line(text)).and_then(|()| out.flush());
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The events of a report that were not printed yet, each as word and text.
pub(super) fn of_report(
    resource: &Resource,
    report: &Report,
    place: &str,
    now: Time,
) -> Vec<(&'static str, String)> {
    let (before, after) = (&resource.status, &report.status);
    let mut lines = Vec::new();
    let failed = failure(before, after);
    let repaired = report
        .events
        .iter()
        .any(|event| event.reason == Reason::Restored);
    if let Some((word, text)) = token(before, after, repaired, place, now) {
        let text = match report.remarks.is_empty() {
            true => text,
            false => format!("{text}. {}", report.remarks),
        };
        lines.push((word, text));
    }
    if let Some(text) = &failed {
        lines.push(("failed", text.clone()));
    }
    let last_reason = after
        .attempt
        .as_ref()
        .filter(|_| failed.is_some())
        .map(|attempt| attempt.reason.as_str());
    for event in &report.events {
        let is_printed =
            last_reason == Some(event.reason.as_str()) || event.reason == Reason::Restored;
        if !is_printed {
            lines.push((word(event), event.message.to_string()));
        }
    }
    lines
}

/// The line of a token that was written.
fn token(
    before: &OAuthClientStatus,
    after: &OAuthClientStatus,
    repaired: bool,
    place: &str,
    now: Time,
) -> Option<(&'static str, String)> {
    let token = after.token.as_ref()?;
    let last = before.token.as_ref();
    if last == Some(token) {
        return None;
    }
    let word = match last {
        _ if repaired => "restored",
        None => "issued",
        Some(last) if last.issued_time == token.issued_time => "kept",
        Some(_) => "refreshed",
    };
    let what = match word {
        "restored" => "had been altered or deleted by someone else; a new token is in",
        "kept" => "the provider handed out the same token again, in",
        _ => "a new token is in",
    };
    let next = Time::parse_rfc3339(&token.refresh_time)
        .map_or_else(String::new, |time| format!(" (in {})", time.since(now)));
    Some((
        word,
        format!(
            "{what} {place}, valid until {}; next refresh at {}{next}",
            token.expiration_time, token.refresh_time
        ),
    ))
}

/// The text for a request that has failed since the previous status.
fn failure(before: &OAuthClientStatus, after: &OAuthClientStatus) -> Option<String> {
    let attempt = after.attempt.as_ref()?;
    let previous = before.attempt.as_ref();
    if previous.is_some_and(|previous| {
        previous.time == attempt.time && previous.inputs_hash == attempt.inputs_hash
    }) {
        return None;
    }
    let condition = after
        .conditions
        .iter()
        .find(|condition| condition.type_ == "RefreshFailing")?;
    Some(format!("{}: {}", attempt.reason, condition.message))
}

fn word(event: &ResourceEvent) -> &'static str {
    match (event.reason, event.kind) {
        (Reason::TokenExpired, _) => "expired",
        (Reason::Recovered, _) => "recovered",
        (_, EventType::Normal) => "note",
        (reason, EventType::Warning) if reason.group() == Group::Waiting => "waiting",
        (_, EventType::Warning) => "stalled",
    }
}

/// Why a resource has no valid token, for `--once`.
pub(super) fn why_not_ready(status: Option<&OAuthClientStatus>) -> String {
    let ready = status.and_then(|status| {
        let mut conditions = status.conditions.iter();
        conditions.find(|condition| condition.type_ == "Ready")
    });
    let Some(ready) = ready else {
        return "there is no token yet".to_owned();
    };
    let mut why = format!("{}: {}", ready.reason, ready.message);
    if let Some(attempt) = status.and_then(|status| status.attempt.as_ref()) {
        match &attempt.next_time {
            Some(next) => why.push_str(&format!(
                " It is not retried before {next}, unless manifest or credentials change."
            )),
            None => why.push_str(" It is not retried until manifest or credentials change."),
        }
    }
    why
}

/// How a resource's name is printed.
pub(super) fn about(key: &Key) -> String {
    key.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TokenStatus;

    #[test]
    fn a_token_is_told_once_with_its_next_refresh() {
        let token_at = |issued: &str| OAuthClientStatus {
            token: Some(TokenStatus {
                issued_time: issued.to_owned(),
                expiration_time: "2026-01-01T00:01:00Z".to_owned(),
                refresh_time: "2026-01-01T00:00:30Z".to_owned(),
                scope: None,
            }),
            ..OAuthClientStatus::default()
        };
        let now = Time::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let none = OAuthClientStatus::default();
        let first = token_at("2026-01-01T00:00:00Z");
        let second = token_at("2026-01-01T00:00:10Z");
        let (word, text) = token(&none, &first, false, "/out", now).unwrap();
        assert_eq!(word, "issued");
        assert!(
            text.ends_with("next refresh at 2026-01-01T00:00:30Z (in 30 s)"),
            "{text}"
        );
        assert_eq!(
            token(&first, &second, false, "/out", now).unwrap().0,
            "refreshed"
        );
        assert_eq!(
            token(&first, &second, true, "/out", now).unwrap().0,
            "restored"
        );
        assert_eq!(token(&first, &first, false, "/out", now), None);
    }
}
