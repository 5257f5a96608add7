//! The provider: it records what it gets, holds it against the model, and repeats it in its responses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

impl Inner {
    /// The secret values in a request, and how each is used.
    fn values_in(&self, request: &HttpRequest, is_call: bool) -> Vec<(usize, Use)> {
        let all = everything(request);
        let found = self.known.iter().enumerate().filter_map(|(at, known)| {
            // Wherever else it stands in a request that redeems it, it goes to the same server.
            let redeems = ["refresh_token=", "\"refresh_token\":\""]
                .iter()
                .any(|before| all.contains(&format!("{before}{}", known.text)));
            let how = match is_call {
                _ if !all.contains(&known.text) => return None,
                true => Use::Returned,
                false if redeems => Use::Refresh,
                false => Use::Sent,
            };
            Some((at, how))
        });
        found.collect()
    }

    /// Holds what is sent against the model, here and at every other address.
    pub(super) fn record(&mut self, authorized: &AuthorizedRequest<'_>, is_call: bool) {
        let request = authorized.request();
        let values = self.values_in(request, is_call);
        for (at, how) in &values {
            let known = &self.known[*at];
            let url = without_query(authorized.url());
            let verdict = model::may_go(known, *how, &url, |root| self.lists(root));
            if let Err(why) = verdict {
                panic!(
                    "case {}: {} was sent to {url} ({how:?}): {why}\n{}",
                    self.case,
                    known.text,
                    everything(request)
                );
            }
        }
        for (url, normal) in URLS.iter().zip(NORMAL_URLS.iter()) {
            let elsewhere = HttpRequest {
                url: Secret::from(*url),
                ..request.clone()
            };
            if authorize(&elsewhere, &Lenders::none()).is_err() {
                self.refused += 1;
                continue;
            }
            for (at, how) in &values {
                let known = &self.known[*at];
                let verdict = model::may_go(known, *how, normal, |root| self.lists(root));
                if let Err(why) = verdict {
                    panic!(
                        "case {}: a request with {} ({how:?}) may be sent to {url}: {why}\n{}",
                        self.case,
                        known.text,
                        everything(request)
                    );
                }
            }
        }
        let issued = |known: &Known| known.kind == Kind::Issued;
        let is_there = |how: Use| {
            let mut all = values.iter();
            all.any(|(at, one)| *one == how && issued(&self.known[*at]))
        };
        self.refreshes += usize::from(is_there(Use::Refresh));
        self.exchanged += usize::from(is_there(Use::Sent));
        match is_call {
            true => self.revoked += 1,
            false => self.requests += 1,
        }
    }

    /// What the provider answers: new tokens, and everything that it got.
    pub(super) fn answer(&mut self, request: &HttpRequest, spec: &Validated) -> (u16, String) {
        let values = self.values_in(request, false);
        let used = values.iter().map(|(at, how)| (&self.known[*at], *how));
        let roots = model::obtained_with(used, |root| self.lists(root));
        let number = self.next_version();
        let mut token = |what: &str| {
            let text = format!("issued-{what}-{number}-end");
            self.known.push(Known {
                text: text.clone(),
                kind: Kind::Issued,
                roots: roots.clone(),
            });
            text
        };
        let (access, refresh, identity) = (token("access"), token("refresh"), token("identity"));
        // What is no proof of anybody may come back as a token, where the resource looks for it there.
        let looks_there = |pointer: &Option<String>| {
            pointer.as_ref().is_some_and(|pointer| {
                pointer.starts_with("/echo") || pointer.starts_with("/headers")
            })
        };
        let shape = &spec.client.response;
        if looks_there(&shape.access_token) || looks_there(&shape.refresh_token) {
            for (at, _) in &values {
                if let Kind::Content { is_laundered, .. } = &mut self.known[*at].kind {
                    *is_laundered = true;
                }
            }
        }
        let text = |secret: &Secret| secret.expose().unwrap_or_default().to_owned();
        let headers: Vec<String> = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", text(value)))
            .collect();
        let parts: Vec<String> = request
            .secrets
            .iter()
            .map(|sent| text(&sent.value))
            .collect();
        let mut body = json!({
            "access_token": access,
            "refresh_token": refresh,
            "id_token": identity,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": "read",
            "echo": {
                "body": text(&request.body),
                "url": text(&request.url),
                "headers": headers,
                "parts": parts,
                "scope": text(&request.body),
            },
        });
        match self.dice.below(12) {
            0 => {
                body["error"] = json!("invalid_grant");
                body["error_description"] = json!(text(&request.body));
                (400, body.to_string())
            }
            1 => {
                body["error"] = json!("invalid_client");
                (401, body.to_string())
            }
            _ => (200, body.to_string()),
        }
    }
}

/// All of a request, with what a server reads in it.
pub(super) fn everything(request: &HttpRequest) -> String {
    let text = |secret: &Secret| secret.expose().unwrap_or_default().to_owned();
    let mut all = vec![text(&request.url), text(&request.body)];
    for (_, value) in &request.headers {
        let value = text(value);
        let basic = value
            .strip_prefix("Basic ")
            .map(|pair| STANDARD.decode(pair).unwrap());
        all.extend(basic.map(|pair| String::from_utf8(pair).unwrap()));
        all.push(value);
    }
    all.join("\n")
}

fn without_query(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}
