//! The token Secret from what is stored: after a crash between the two, or a repair, nothing is asked for.

use std::borrow::Cow;

use serde_json::Value;

use crate::api::validate::Validated;
use crate::decide::answer::{Made, Moments};
use crate::decide::observed::Observed;
use crate::decide::state::token_hash;
use crate::decide::want::{our_target, same_inputs};
use crate::oauth::{Document, HttpAnswer, Token, response};
use crate::time::Time;

use super::place::STATE_TYPE;

/// A stored answer whose token is to be published.
pub(in crate::decide) struct Derivable {
    pub(in crate::decide) token: Token,
    pub(in crate::decide) at: Moments,
    pub(in crate::decide) made: Made,
}

/// The stored answer, where the token Secret does not hold its token: it is missing, altered, or older.
pub(in crate::decide) fn derivable(seen: &Observed, spec: &Validated) -> Option<Derivable> {
    spec.refreshing.as_ref()?;
    let state = seen.chain.state.as_ref()?;
    if !state.is_owned_by(&seen.resource) || state.type_ != STATE_TYPE {
        return None;
    }
    let answer = seen.record()?.ok()?.answer?;
    let facts = answer.facts;
    if !same_inputs(&facts.made_from.inputs, &seen.resource.inputs) {
        return None;
    }
    let at = Moments {
        sent: Time::from_millis(facts.sent),
        received: Time::from_millis(facts.received),
        u: facts.draw,
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
        body: answer.body,
    };
    let token = response::decode(&spec.client.response, &answer, at.received).ok()?;
    // A token that was served before is published already, with the time of its first issue.
    let hash = token_hash(&seen.resource.uid, &token.access_token);
    if published.is_some_and(|state| state.token_hash == hash) {
        return None;
    }
    let made = Made {
        credentials: facts.made_from.credentials,
        client_secret_key: facts.client_secret_key,
        handled_request: facts.handled_request,
    };
    Some(Derivable { token, at, made })
}

/// The answer as templates see it: without a refresh token, unless one of them asks for it by name. Then it is the one that
/// is sent next, whether this answer brought it or not.
pub(in crate::decide) fn document<'t>(
    seen: &Observed,
    spec: &Validated,
    token: &'t Token,
) -> Cow<'t, Document> {
    let is_object = token.document.0.is_object();
    if spec.refreshing.is_none() || !is_object || !spec.token_secret.templates.uses("response") {
        return Cow::Borrowed(&token.document);
    }
    let named = |(_, source): (&str, &str)| source.contains("refresh_token");
    let current = seen
        .record()
        .and_then(Result::ok)
        .and_then(|record| record.refresh_token);
    let current = current.filter(|_| spec.token_secret.templates.sources().any(named));
    let mut document = token.document.clone();
    if let Value::Object(fields) = &mut document.0 {
        fields.remove("refresh_token");
        if let Some(current) = current.as_ref().and_then(|token| token.expose()) {
            fields.insert(
                "refresh_token".to_owned(),
                Value::String(current.to_owned()),
            );
        }
    }
    Cow::Owned(document)
}
