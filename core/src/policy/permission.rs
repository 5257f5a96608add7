//! What is reported about a resource if the operator lacks the permission to read what belongs to it.

use crate::engine::TokenFacts;
use crate::model::{Assessment, Observed, TokenView};
use crate::oauth::Scope;
use crate::schedule;
use crate::time::Time;

use super::assessment::{self};
use super::findings;

/// The assessment if `right`, such as `get secrets`, is missing: nothing is requested, and the last known facts about
/// the published token apply, because nothing can be read.
pub fn permission_denied(
    seen: &Observed,
    permission: &str,
    token: Option<TokenFacts>,
    now: Time,
) -> Assessment {
    let scope = seen.resource.status.token.as_ref();
    let token = token.map(|token| TokenView {
        issued: token.issued,
        expires: token.expires,
        refresh: token.refresh,
        scope: scope
            .filter(|reported| reported.issued_time == token.issued.rfc3339())
            .and_then(|reported| Scope::parse(reported.scope.as_deref()?)),
        valid: now < token.expires,
        too_short: schedule::is_too_short(token.expires.since(token.issued)),
        assumed: false,
        clamped_lead: None,
        remarks: None,
        client_secret_key: None,
    });
    let problem = findings::permission_denied(&seen.resource.namespace, permission);
    assessment::with_problem(seen, token, now, problem)
}
