//! Derives the token Secret from what is stored: after a crash between the two writes, or for a repair, nothing is
//! requested.

use std::borrow::Cow;

use serde_json::Value;

use crate::model::{IssuedWith, Observed, RequestTimes, STATE_TYPE, Validated, token_hash};
use crate::oauth::{Document, HttpAnswer, SentSecrets, Token, refresh, response};
use crate::policy::disclosed;
use crate::policy::ownership::{our_target, same_inputs};
use crate::time::Time;

/// A stored response whose token must be published.
pub(crate) struct Derivable {
    pub(crate) token: Token,
    pub(crate) at: RequestTimes,
    pub(crate) issued_with: IssuedWith,
}

/// The stored response, if the token Secret does not contain its token: it is missing, altered, or older.
pub(crate) fn derivable(seen: &Observed, spec: &Validated) -> Option<Derivable> {
    spec.refreshing.as_ref()?;
    let state = seen.family.state.as_ref()?;
    if !state.is_owned_by(&seen.resource) || state.type_ != STATE_TYPE {
        return None;
    }
    let record = seen.record()?.ok()?;
    let lenders = record.lenders;
    let answer = record.answer?;
    let facts = answer.facts;
    if !same_inputs(&facts.made_from.inputs, &seen.resource.inputs) {
        return None;
    }
    let at = RequestTimes {
        sent: Time::from_millis(facts.sent),
        received: Time::from_millis(facts.received),
        jitter: facts.draw,
    };
    let target = our_target(seen, spec);
    let published =
        target.and_then(|target| target.state().filter(|state| state.intact(&target.data)));
    if published
        .as_ref()
        .is_some_and(|state| state.issued >= at.sent)
    {
        return None;
    }
    let answer = HttpAnswer {
        status: facts.status,
        content_type: facts.content_type,
        retry_after: None,
        headers: Vec::new(),
        body: answer.body,
        // None of it repeats what was sent: see `record_after_grant`.
        sent: SentSecrets::default(),
    };
    let token = response::decode(&spec.client.response, &answer, at.received).ok()?;
    // A token that was served before is already published, with its first issue time.
    let hash = token_hash(&seen.resource.uid, &token.access_token);
    if published.is_some_and(|state| state.token_hash == hash) {
        return None;
    }
    let issued_with = IssuedWith {
        credentials: facts.made_from.credentials,
        client_secret_key: facts.client_secret_key,
        handled_request: facts.handled_request,
        lenders,
    };
    Some(Derivable {
        token,
        at,
        issued_with,
    })
}

/// The response for templates: without a refresh token, unless one of them names it. Then it is the one that is sent
/// next, whether this response contained it or not.
pub(crate) fn document<'t>(
    seen: &Observed,
    spec: &Validated,
    token: &'t Token,
) -> Cow<'t, Document> {
    let is_object = token.document.0.is_object();
    if spec.refreshing.is_none() || !is_object || !spec.token_secret.templates.uses("response") {
        return Cow::Borrowed(&token.document);
    }
    let own = spec.client.response.refresh_token.as_deref();
    let pointer = own.unwrap_or(refresh::POINTER);
    let mut document = token.document.clone();
    // Nothing else is in its usual place.
    for pointer in [refresh::POINTER, pointer] {
        if let Some((fields, name)) = member(&mut document.0, pointer) {
            fields.remove(&name);
        }
    }
    let asked_for = spec
        .token_secret
        .templates
        .sources()
        .any(|(_, source)| names_all(source, pointer));
    let record = seen.record().and_then(Result::ok);
    let current = record.and_then(|record| record.refresh_token);
    let current = current.filter(|token| disclosed::may_show(seen, token));
    if let Some((fields, name)) = member(&mut document.0, pointer)
        && asked_for
        && let Some(current) = current.as_ref().and_then(|token| token.expose())
    {
        fields.insert(name, Value::String(current.to_owned()));
    }
    Cow::Owned(document)
}

/// Whether a template names every step of a JSON pointer.
fn names_all(source: &str, pointer: &str) -> bool {
    let within = |c: char| c.is_alphanumeric() || c == '_';
    let mut steps = pointer.split('/').skip(1);
    steps.all(|step| {
        let step = unescaped(step);
        source.match_indices(&step).any(|(at, _)| {
            let before = source.get(..at).and_then(|text| text.chars().next_back());
            let after = source.get(at + step.len()..);
            let after = after.and_then(|text| text.chars().next());
            !before.is_some_and(within) && !after.is_some_and(within)
        })
    })
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// The object that a JSON pointer (RFC 6901) leads to, and the name in it.
fn member<'d>(
    document: &'d mut Value,
    pointer: &str,
) -> Option<(&'d mut serde_json::Map<String, Value>, String)> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let name = unescaped(name);
    let fields = document.pointer_mut(parent)?.as_object_mut()?;
    Some((fields, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_asks_for_the_refresh_token_by_every_step_of_its_place() {
        for (source, pointer, asks) in [
            ("{{ response.refresh_token }}", "/refresh_token", true),
            ("{{ response['refresh_token'] }}", "/refresh_token", true),
            (
                "{{ response.refresh_token_expires_in }}",
                "/refresh_token",
                false,
            ),
            ("{{ response | tojson }}", "/refresh_token", false),
            ("{{ response.data.token }}", "/data/token", true),
            ("{{ response.token }}", "/data/token", false),
            ("{{ response.data.access_token }}", "/data/token", false),
            ("{{ response['a/b'] }}", "/a~1b", true),
        ] {
            assert_eq!(names_all(source, pointer), asks, "{source} {pointer}");
        }
    }

    #[test]
    fn a_place_is_found_where_its_parent_is_an_object() {
        let mut document = serde_json::json!({"a": {"b/c": 1}, "d": [1]});
        let (fields, name) = member(&mut document, "/a/b~1c").unwrap();
        assert_eq!((fields.len(), name.as_str()), (1, "b/c"));
        for nowhere in ["/d/0", "/x/y", ""] {
            assert!(member(&mut document, nowhere).is_none(), "{nowhere}");
        }
    }
}
