//! Secrets with unmistakable values in the credentials and in the response, and resources that point at them with everything
//! that a resource can write: none of them shows where people look, or goes into a key that it does not belong into.

mod matrix;
mod random;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::oauth::{HttpAnswer, HttpRequest, refresh, response};

/// The keys of the credentials Secret, and their values. The numbers are secrets too.
pub(super) const KEYS: [(&str, &str); 8] = [
    ("client_id", "public-id"),
    ("username", "public-user"),
    ("client_secret", "canary-secret/+=&%\"-zq2w"),
    ("next_client_secret", "canary-next-zq9n"),
    ("password", "86753098675309"),
    ("api_key", "canary-key-zq5z"),
    ("other", "canary-other/+ -zq8o"),
    ("private_key", "canary-private-zq7p"),
];
/// The tokens of the response.
pub(super) const TOKENS: [&str; 4] = [
    "canary-access-zq6u",
    "canary-refresh-zq6r",
    "canary-identity-zq6i",
    "canary-session-zq6s",
];

/// The resource with this `spec` beside what every one has.
pub(super) fn seen_with(spec: &Value) -> Observed {
    let object = json!({
        "apiVersion": "oauthclient.dev/v1alpha1",
        "kind": "OAuthClient",
        "metadata": {"name": "books", "namespace": "shop"},
        "spec": spec,
    });
    let mut seen = fresh(&Spec::default());
    seen.resource.spec = match parse_manifest(&object.to_string()) {
        Ok(object) => validate(&object),
        Err(problems) => Err(problems),
    };
    if let Ok(spec) = &seen.resource.spec {
        seen.resource.inputs = inputs::of(spec).whole().to_owned();
    }
    let mut credentials = credentials(1, "pw");
    credentials.data = data(&KEYS);
    seen.credentials = Some(credentials);
    seen
}

/// What a server answers that repeats all it got, wherever it can.
pub(super) fn echo(request: &HttpRequest) -> Value {
    let text = |secret: &Secret| secret.expose().unwrap_or_default().to_owned();
    let body = text(&request.body);
    let headers: Vec<String> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", text(value)))
        .collect();
    let mut parts = serde_json::Map::new();
    for sent in request.secrets.iter() {
        let value = text(&sent.value);
        let number = value.parse::<u64>().map_or(Value::Null, Value::from);
        parts.insert(format!("n{}", parts.len()), number);
        parts.insert(format!("p{}", parts.len()), json!(STANDARD.encode(&value)));
        parts.insert(format!("v{}", parts.len()), json!(value));
        parts.insert(value, json!("by its name"));
    }
    json!({
        "access_token": TOKENS[0],
        "refresh_token": TOKENS[1],
        "id_token": TOKENS[2],
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "read",
        "plain": "plain",
        "nested": {"session_token": TOKENS[3], "scope": TOKENS[0], "list": [TOKENS[1], {"scopes": format!("read {}", TOKENS[2])}]},
        "scopes": {"a": TOKENS[3], "b": format!("a{}b", TOKENS[0])},
        "echo": {
            "body": body,
            "base64": STANDARD.encode(&body),
            "url": text(&request.url),
            "headers": headers,
            "text": format!("you sent {body} with {}", headers.join("; ")),
            "scope": body,
            "parts": parts,
        },
    })
}

/// Every JSON pointer into a document.
pub(super) fn pointers(document: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, all: &mut Vec<String>) {
        all.push(at.to_owned());
        let step = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    walk(value, &step(name), all);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    walk(value, &step(&index.to_string()), all);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    walk(document, "", &mut all);
    all
}

/// All that came of one look, of which nothing is secret but the data.
pub(super) struct Outcome {
    /// What people can read, as text.
    pub(super) shown: String,
    /// The data of the token Secret.
    pub(super) data: BTreeMap<String, String>,
    /// The access token that was read, if one was.
    pub(super) access_token: Option<String>,
    /// The refresh token that was read, if one was.
    pub(super) refresh_token: Option<String>,
}

/// Decides, lets `answer` respond to what is sent, and continues to the status, the events and the Secret. `None` if
/// nothing is
/// sent.
pub(super) fn outcome(
    seen: &mut Observed,
    answer: impl FnOnce(&HttpRequest) -> (u16, String),
) -> Outcome {
    let mut shown = String::new();
    let plan = plan(seen, 0);
    let tell = |shown: &mut String, assessment: &Assessment, seen: &Observed| {
        let report = report(
            assessment,
            &seen.resource.status,
            1,
            StatusDetail::Always,
            at(1),
        );
        shown.push_str(&serde_json::to_string(&report.status).unwrap());
        for event in report.events {
            shown.push_str(&event.message.to_string());
        }
    };
    tell(&mut shown, &plan.assessment, seen);
    let mut data = BTreeMap::new();
    let (mut access_token, mut refresh_token) = (None, None);
    if let (Action::Request(planned), Ok(spec)) = (plan.action, seen.resource.spec.clone()) {
        let (status, body) = answer(&planned.request);
        let answer = HttpAnswer {
            headers: vec![
                ("x-echo".into(), Secret::from(body.as_str())),
                ("x-scopes".into(), TOKENS[0].into()),
                ("x-session-token".into(), TOKENS[3].into()),
            ],
            status,
            content_type: Some("application/json".into()),
            retry_after: None,
            body: Secret::from(body),
            sent: planned.request.secrets.clone(),
        };
        let outcome = match response::decode(&spec.client.response, &answer, at(0)) {
            Ok(token) => {
                access_token = token.access_token.expose().map(str::to_owned);
                let next = refresh::returned(&spec.client.response, &token.document);
                refresh_token = next
                    .token
                    .and_then(|token| Some(token.expose()?.to_owned()));
                granted(seen, &spec, planned.reason, token, times(0))
            }
            Err(error) => {
                let failure = Failure::answer(&error, &spec.client);
                failed(seen, &spec, &failure, times(0))
            }
        };
        tell(&mut shown, &outcome.assessment, seen);
        if let Some(write) = &outcome.write {
            shown.push_str(&format!("{:?}{:?}", write.labels, write.annotations));
            data = write
                .data
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.clone(), value.as_ref()?.expose()?.to_owned()))
                })
                .collect();
            // As the status reports it from then on.
            seen.target = Some(applied(write, None, 7));
            seen.resource.status = OAuthClientStatus::default();
            let again = self::plan(seen, 1);
            tell(&mut shown, &again.assessment, seen);
        }
    }
    Outcome {
        shown,
        data,
        access_token,
        refresh_token,
    }
}

/// The forms in which a secret is looked for, independent of how the program looks for it.
pub(super) fn shows(text: &str, secret: &str) -> bool {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::Value::from(secret).to_string();
    let ends = secret
        .get(secret.len().saturating_sub(9)..)
        .unwrap_or(secret);
    [
        secret,
        &form,
        json.trim_matches('"'),
        STANDARD.encode(secret).trim_end_matches('='),
        ends,
    ]
    .iter()
    .any(|one| text.contains(one))
}
