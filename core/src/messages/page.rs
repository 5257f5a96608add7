//! The page `docs/conditions.md`: conditions, reasons and messages.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::conditions::{ConditionType, Group, Reason};

use super::{Audience, EventFinding, Example, Finding, Message, Values};

/// All findings with the names of their fields, as messages.
fn all(audience: Audience, values: Values) -> Vec<(Reason, Message)> {
    let findings = Finding::examples("", values);
    let findings = findings.into_iter().map(|finding| {
        let reason = finding.reason();
        (reason, finding.explain(audience).message())
    });
    let events = EventFinding::examples("", values);
    let events = events.into_iter().map(|event| {
        let reason = event.reason();
        (reason, event.explain(audience).message())
    });
    findings.chain(events).collect()
}

/// Renders the page `docs/conditions.md`.
pub fn page() -> String {
    let mut page = String::from(
        "<!-- Generated from core/src/conditions.rs and core/src/messages: change those, not this file. -->\n\n# Conditions and reasons\n\n\
         The conditions of an `OAuthClient` show its state: `kubectl describe oac NAME` lists them. Each has a message that says\n\
         what happened, what still works and what to do. Events and metrics use the same reasons.\n\n\
         | condition | meaning |\n|---|---|\n",
    );
    for kind in ConditionType::ALL {
        let _ = writeln!(page, "| `{}` | {} |", kind.as_str(), kind.meaning());
    }
    for group in Group::ALL {
        let _ = write!(
            page,
            "\n## {}\n\n| reason | what it means | what to do |\n|---|---|---|\n",
            group.title()
        );
        for reason in Reason::ALL.iter().filter(|reason| reason.group() == group) {
            let _ = writeln!(
                page,
                "| `{reason}` | {} | {} |",
                reason.meaning(),
                reason.what_to_do()
            );
        }
    }
    messages(&mut page);
    page
}

/// The messages of each reason, in the order of the reasons.
fn messages(page: &mut String) {
    page.push_str(
        "\n## Messages\n\nThe messages of each reason, with words in capitals for names. Between what happened and what to do, a message says until when\n\
         the published token is valid. Long names are shortened in the middle, but never in commands.\n",
    );
    let all = all(Audience::Cluster, Values::Names);
    for reason in Reason::ALL {
        let of_reason = all.iter().filter(|(of, _)| of == reason);
        let texts: BTreeSet<String> = of_reason.map(|(_, message)| message.to_string()).collect();
        if texts.is_empty() {
            continue;
        }
        let _ = write!(page, "\n### `{reason}`\n\n");
        for text in texts {
            let _ = writeln!(page, "- {}", text.replace('<', "&lt;"));
        }
    }
}
