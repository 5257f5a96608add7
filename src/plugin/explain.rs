//! `explain`: the meaning of a reason, and what to do. The same list as docs/conditions.md.

use crate::api::conditions::{Group, Reason};
use crate::plugin::problem::Problem;

use super::args::ExplainArgs;
use super::output;
use super::paint::{Cell, Grid, Painted, Tone};

/// Explains one reason, or lists all.
pub(super) fn run(args: &ExplainArgs) -> Result<u8, Problem> {
    match &args.reason {
        Some(word) => output::painted(&explained(find(word)?)),
        None => output::painted(&list().draw(output::width())),
    }
    Ok(0)
}

fn find(word: &str) -> Result<Reason, Problem> {
    let same = |reason: &&Reason| reason.as_str().eq_ignore_ascii_case(word);
    if let Some(found) = Reason::ALL.iter().find(same) {
        return Ok(*found);
    }
    let wanted = word.to_ascii_lowercase();
    let near: Vec<&str> = Reason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .filter(|name| {
            let name = name.to_ascii_lowercase();
            !wanted.is_empty() && (name.contains(&wanted) || wanted.contains(&name))
        })
        .collect();
    let hint = if near.is_empty() {
        "kubectl oauthclient explain lists all".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    Err(Problem::new(format!("there is no reason {word}: {hint}")))
}

/// Where a reason is used, as text.
pub(super) fn place(group: Group) -> &'static str {
    match group {
        Group::Token => "Ready, or an event about the published token",
        Group::Waiting => "Reconciling: something is in progress, or awaited that may still appear",
        Group::Stalled => "Stalled: a person must act",
        Group::Request => "RefreshFailing: the token request failed",
    }
}

fn explained(reason: Reason) -> Painted {
    Painted::default()
        .tone(Tone::Strong, reason.as_str())
        .text("\n")
        .tone(Tone::Quiet, &format!("  {:<11}", "Condition:"))
        .text(&format!("{}\n", place(reason.group())))
        .tone(Tone::Quiet, &format!("  {:<11}", "Meaning:"))
        .text(&format!("{}\n", reason.meaning()))
        .tone(Tone::Quiet, &format!("  {:<11}", "What to do:"))
        .text(&format!(" {}", reason.what_to_do()))
}

fn list() -> Grid {
    let row = |reason: &Reason| {
        let condition = match reason.group() {
            Group::Token => "Ready",
            Group::Waiting => "Reconciling",
            Group::Stalled => "Stalled",
            Group::Request => "RefreshFailing",
        };
        vec![
            Cell::new(Tone::Strong, reason.as_str()),
            Cell::plain(condition),
            Cell::plain(reason.meaning()),
        ]
    };
    Grid {
        head: vec!["REASON", "CONDITION", "MEANING"],
        rows: Reason::ALL.iter().map(row).collect(),
        optional: vec!["CONDITION"],
        wraps: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::paint::testing::stripped;

    #[test]
    fn every_reason_is_explained_with_what_to_do() {
        for reason in Reason::ALL {
            let text = stripped(&explained(find(&reason.as_str().to_lowercase()).unwrap()));
            assert!(text.starts_with(reason.as_str()), "{text}");
            assert!(text.contains(reason.what_to_do()), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_nearly_a_reason_is_understood() {
        let text = find("client").unwrap_err().message;
        assert!(
            text.contains("did you mean") && text.contains("InvalidClient"),
            "{text}"
        );
        let text = find("nonsense").unwrap_err().message;
        assert!(
            text.ends_with("kubectl oauthclient explain lists all"),
            "{text}"
        );
    }
}
