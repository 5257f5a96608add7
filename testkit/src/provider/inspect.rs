//! Endpoints for people and scripts: whether a token is valid now, and which requests were received (similar to RFC
//! 7662).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::state::State;
use super::wire::{Incoming, form_pairs};

/// Where the window is, when it is open.
pub(crate) const PREFIX: &str = "/_scripted/";

/// `introspect` with `token` in the query or a form body; `counts`: requests by path.
pub(crate) fn answer(state: &State, incoming: &Incoming, now: Timestamp) -> Answer {
    match incoming.path().strip_prefix(PREFIX) {
        Some("introspect") => {
            let body = std::str::from_utf8(&incoming.body).unwrap_or_default();
            let pairs = [incoming.query().unwrap_or_default(), body]
                .into_iter()
                .filter_map(form_pairs)
                .flatten();
            let token = pairs
                .into_iter()
                .find(|(name, _)| name == "token")
                .map(|(_, token)| token)
                .unwrap_or_default();
            Answer::json(200, &introspect(state, &token, now))
        }
        Some("counts") => {
            let counts: Map<String, Value> = state
                .lock()
                .record
                .counts()
                .into_iter()
                .map(|(path, count)| (path, json!(count)))
                .collect();
            Answer::json(200, &Value::Object(counts))
        }
        _ => Answer::json(
            404,
            &json!({"error": "not_found", "there_is": ["introspect?token=", "counts"]}),
        ),
    }
}

fn introspect(state: &State, token: &str, now: Timestamp) -> Value {
    let shared = state.lock();
    match shared.ledger.get(token) {
        Some(token) if token.is_valid_at(now) => json!({
            "active": true,
            "client_id": token.client,
            "endpoint": token.path,
            "exp": token.expires.as_second(),
            "valid_until": token.expires.to_string(),
            "seconds_left": token.left_at(now).as_secs_f64(),
        }),
        _ => json!({"active": false}),
    }
}
