//! The table of several resources, and their number by reason.

use std::collections::BTreeMap;

use super::summary::Summary;
use crate::command::Command;
use crate::plugin::paint::{Cell, Grid, Painted, Tone};

/// The table.
pub(super) fn of(summaries: &[Summary], wide: bool, with_namespace: bool) -> Grid {
    let mut head = vec!["NAME", "READY", "REASON", "EXPIRES", "REFRESH", "SECRET"];
    if with_namespace {
        head.insert(0, "NAMESPACE");
    }
    if wide {
        head.extend(["FAILURE", "MESSAGE"]);
    }
    Grid {
        rows: summaries
            .iter()
            .map(|one| row(one, wide, with_namespace))
            .collect(),
        head,
        optional: vec!["SECRET", "REFRESH", "FAILURE", "EXPIRES"],
        wraps: wide,
    }
}

fn row(one: &Summary, wide: bool, with_namespace: bool) -> Vec<Cell> {
    let tone = one.tone();
    let (ready, ready_tone) = match (one.ready, tone) {
        (true, _) => ("yes", Tone::Good),
        (false, tone) => ("no", tone),
    };
    let mut row = vec![
        Cell::plain(&one.name),
        Cell::new(ready_tone, ready),
        Cell::new(
            if tone == Tone::Good {
                Tone::Plain
            } else {
                tone
            },
            &one.reason,
        ),
        Cell::plain(&one.span(one.expiration_time.as_ref())),
        Cell::plain(&one.span(one.refresh_time.as_ref())),
        Cell::plain(&one.token_secret),
    ];
    if with_namespace {
        row.insert(0, Cell::plain(&one.namespace));
    }
    if wide {
        let failure = one.failure.as_ref();
        row.push(failure.map_or_else(
            || Cell::plain("-"),
            |failure| Cell::plain(&format!("{} x{}", failure.reason, failure.failures)),
        ));
        row.push(Cell::plain(&one.message));
    }
    row
}

/// The numbers of all resources, of ready ones, and of the others by reason.
pub(super) fn tally(summaries: &[Summary]) -> Painted {
    let ready = summaries.iter().filter(|one| one.ready).count();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for one in summaries.iter().filter(|one| one.tone() != Tone::Good) {
        *reasons.entry(&one.reason).or_default() += 1;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let all = summaries.len();
    let line = Painted::default().text(&format!("\n{all} OAuthClients: "));
    let line = line.tone(
        if ready == all {
            Tone::Good
        } else {
            Tone::Plain
        },
        &format!("{ready} ready"),
    );
    let line = match all - ready {
        0 => line,
        not => line.text(", ").tone(Tone::Bad, &format!("{not} not ready")),
    };
    if reasons.is_empty() {
        return line.text(".");
    }
    let counts: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    let line = line.text(&format!(". To act on: {}.", counts.join(", ")));
    match reasons.first() {
        Some((reason, _)) => {
            let explain = Command::kubectl(&["oauthclient", "explain"]).value(reason);
            line.text(&format!(" To read about one: {explain}"))
        }
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plugin::paint::testing::stripped;
    use crate::time::Time;

    fn summary(name: &str, ready: bool, reason: &str) -> Summary {
        let (status, stalled) = if ready {
            ("True", "False")
        } else {
            ("False", "True")
        };
        let condition = |kind: &str, status: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": "In words.",
                   "lastTransitionTime": "2023-11-14T22:00:00Z"})
        };
        let resource = serde_json::from_value(json!({
            "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"provider": {}, "tokenSecret": {"name": "token"}},
            "status": {"conditions": [condition("Ready", status), condition("Stalled", stalled)]},
        }))
        .unwrap();
        Summary::of(&resource, Time::from_seconds(1_700_000_000))
    }

    #[test]
    fn the_tally_names_what_is_to_be_acted_on_the_most_frequent_first() {
        let all = [
            summary("a", true, "TokenValid"),
            summary("b", false, "NotFound"),
            summary("c", false, "InvalidClient"),
            summary("d", false, "InvalidClient"),
        ];
        let line = stripped(&tally(&all));
        let wanted = "\n4 OAuthClients: 1 ready, 3 not ready. To act on: InvalidClient 2, NotFound 1. \
            To read about one: kubectl oauthclient explain InvalidClient";
        assert_eq!(line, wanted);
        assert_eq!(stripped(&tally(&all[..1])), "\n1 OAuthClients: 1 ready.");
    }

    #[test]
    fn names_stay_when_the_terminal_is_narrow() {
        let all = [summary("a-long-name-of-a-resource", false, "InvalidClient")];
        for width in [20, 50, 100] {
            let drawn = stripped(&of(&all, false, true).draw(Some(width)));
            assert!(drawn.contains("a-long-name-of-a-resource"), "{drawn}");
            assert_eq!(drawn.contains("SECRET"), width == 100, "{drawn}");
        }
    }
}
