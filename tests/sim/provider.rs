//! Token hosts: what they grant, how they cache, what becomes of refresh tokens, and when they are out of service.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use oauthclient_operator::http::{ReceivedResponse, SentRequest};
use serde_json::{Value, json};

use super::draws::Draws;
use super::faults::{HOUR, MINUTE};
use super::fleet::{Plan, WINDOW, Way, from_base64};
use super::objects::text;

/// A request as it arrives.
pub struct Received {
    pub host: String,
    pub path: String,
    pub resource: Option<usize>,
    pub is_token_request: bool,
    /// Query, headers and body, with what is encoded in them.
    pub text: String,
    pub parameters: HashMap<String, String>,
    /// Whether it proves possession of a key (RFC 9449).
    pub has_proof: bool,
}

impl Received {
    /// The whole request, with its body.
    pub async fn of(request: SentRequest) -> Self {
        let (parts, body) = request.into_parts();
        let url: url::Url = parts.uri.to_string().parse().expect("a URL");
        let body = body.collect().await.expect("a whole body").to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        let parameters: HashMap<String, String> = match serde_json::from_str::<Value>(&body) {
            Ok(Value::Object(map)) => map
                .into_iter()
                .map(|(key, value)| (key, value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            _ => url::form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect(),
        };
        let mut text = format!("{}\n{body}\n", url.query().unwrap_or(""));
        for value in parts.headers.values() {
            let value = value.to_str().unwrap_or("");
            let decoded = from_base64(value.trim_start_matches("Basic "));
            text.push_str(&format!("{value}\n{decoded}\n"));
        }
        let path = url.path().to_owned();
        let number = path.rsplit('/').next().and_then(|last| last.parse().ok());
        let resource = number.or_else(|| {
            let mut segments = path.split('/').skip_while(|segment| *segment != "issuer");
            segments.nth(1).and_then(|segment| segment.parse().ok())
        });
        Received {
            host: url.host_str().unwrap_or("").to_owned(),
            is_token_request: path.contains("/token/"),
            resource,
            path,
            text,
            parameters,
            has_proof: parts.headers.contains_key("dpop"),
        }
    }

    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The secrets in it.
    pub fn canaries(&self) -> Vec<&str> {
        canaries(&self.text)
    }
}

/// The secrets in a text: each of them begins with a word that stands nowhere else.
pub fn canaries(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let begin = text.match_indices("CANARY-");
    begin
        .map(|(at, _)| {
            let rest = &text[at..];
            &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]
        })
        .collect()
}

/// What is answered.
pub struct Reply {
    pub status: u16,
    pub body: String,
    pub content_type: &'static str,
    pub retry_after: Option<String>,
    pub hangs: bool,
    /// The token in it, until when it is valid, and whether it is a new one.
    pub token: Option<(String, i64, bool)>,
}

impl Reply {
    pub fn of(status: u16, body: &str) -> Self {
        Reply {
            status,
            body: body.to_owned(),
            content_type: "application/json",
            retry_after: None,
            hangs: false,
            token: None,
        }
    }

    pub fn response(self) -> ReceivedResponse {
        let mut response = http::Response::builder()
            .status(self.status)
            .header("content-type", self.content_type);
        if let Some(value) = self.retry_after {
            response = response.header("retry-after", value);
        }
        let body = Full::new(Bytes::from(self.body));
        let body = body.map_err(|never| match never {}).boxed_unsync();
        response.body(body).expect("a response")
    }
}

struct RefreshToken {
    resource: usize,
    replaced: Option<i64>,
}

/// What the hosts know of one resource.
#[derive(Default)]
struct Account {
    valid: HashSet<String>,
    issued: u64,
    latest: Option<(String, i64)>,
    family_is_dead: bool,
}

pub struct Provider {
    plans: HashMap<usize, Plan>,
    accounts: BTreeMap<usize, Account>,
    refresh_tokens: HashMap<String, RefreshToken>,
    predecessors: HashMap<String, String>,
    outages: HashMap<String, Vec<(i64, i64)>>,
    served: HashMap<String, (i64, u32)>,
    account_tokens: u64,
    pub revoked: HashSet<String>,
}

impl Provider {
    pub fn new(plans: Vec<Plan>, seed: u64, hours: i64, has_outages: bool) -> Self {
        let mut outages = HashMap::new();
        for plan in &plans {
            if matches!(plan.way, Way::Outages | Way::Hangs) && has_outages {
                let entry = outages.entry(plan.host.clone());
                entry.or_insert_with(|| outages_of(&plan.host, seed, hours));
            }
        }
        let accounts = plans
            .iter()
            .map(|plan| (plan.index, Account::default()))
            .collect();
        Provider {
            plans: plans.into_iter().map(|plan| (plan.index, plan)).collect(),
            accounts,
            refresh_tokens: HashMap::new(),
            predecessors: HashMap::new(),
            outages,
            served: HashMap::new(),
            account_tokens: 0,
            revoked: HashSet::new(),
        }
    }

    /// A secret is accepted from now on.
    pub fn accept(&mut self, resource: usize, secret: String) {
        self.accounts
            .entry(resource)
            .or_default()
            .valid
            .insert(secret);
    }

    /// Of the secrets that were accepted so far none is any more.
    pub fn forget_secrets(&mut self, resource: usize) {
        self.accounts.entry(resource).or_default().valid.clear();
    }

    /// A refresh token as a login brings it: a new family.
    pub fn login(&mut self, resource: usize) -> String {
        self.accounts.entry(resource).or_default().family_is_dead = false;
        self.refresh_tokens
            .retain(|_, token| token.resource != resource);
        self.refresh_token(resource)
    }

    pub fn family_is_dead(&self, resource: usize) -> bool {
        self.accounts
            .get(&resource)
            .is_some_and(|account| account.family_is_dead)
    }

    /// The refresh token that one was given for.
    pub fn predecessor(&self, token: &str) -> Option<String> {
        self.predecessors.get(token).cloned()
    }

    pub fn is_out(&self, host: &str, from: i64, to: i64) -> bool {
        let outages = self.outages.get(host);
        outages.is_some_and(|all| all.iter().any(|(begin, end)| *begin < to && from < *end))
    }

    pub fn longest_outage(&self, host: &str, from: i64, to: i64) -> i64 {
        let outages = self.outages.get(host).into_iter().flatten();
        outages
            .filter(|(begin, end)| *begin < to && from < *end)
            .map(|(begin, end)| end - begin)
            .max()
            .unwrap_or(0)
    }

    pub fn outages(&self) -> usize {
        self.outages.values().map(Vec::len).sum()
    }

    /// The newest token of a resource.
    pub fn latest(&self, resource: usize) -> Option<&str> {
        let latest = self.accounts.get(&resource)?.latest.as_ref();
        latest.map(|(token, _)| token.as_str())
    }

    pub fn account_token(&mut self, account: &Value) -> String {
        self.account_tokens += 1;
        let name = text(account, "/metadata/name");
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        format!("CANARY-account-{digits}-{}", self.account_tokens)
    }

    fn refresh_token(&mut self, resource: usize) -> String {
        let account = self.accounts.entry(resource).or_default();
        account.issued += 1;
        let token = format!("CANARY-refresh-{resource}-{}", account.issued);
        let known = RefreshToken {
            resource,
            replaced: None,
        };
        self.refresh_tokens.insert(token.clone(), known);
        token
    }

    pub fn answer(&mut self, received: &Received, now: i64) -> Reply {
        if received.path.contains(".well-known") {
            return self.document(received);
        }
        if received.path.starts_with("/revoke/") {
            self.revoked.insert(received.parameter("token").to_owned());
            return Reply::of(200, "");
        }
        let plan = received
            .resource
            .and_then(|resource| self.plans.get(&resource).cloned());
        let Some(plan) = plan.filter(|plan| plan.host == received.host) else {
            return Reply::of(
                200,
                "{\"access_token\":\"CANARY-evil-0-0\",\"token_type\":\"Bearer\",\"expires_in\":3600}",
            );
        };
        if self.is_out(&plan.host, now, now + 1) {
            return Reply {
                hangs: plan.way == Way::Hangs,
                ..Reply::of(503, "")
            };
        }
        if plan.way == Way::Throttled && !self.has_room(&plan.host, now) {
            return Reply {
                retry_after: Some("20".to_owned()),
                ..Reply::of(429, "")
            };
        }
        if let Some(refusal) = self.refusal(&plan, received) {
            return refusal;
        }
        let refresh_token = match self.spend(&plan, received, now) {
            Ok(refresh_token) => refresh_token,
            Err(refusal) => return refusal,
        };
        self.grant(&plan, received, refresh_token, now)
    }

    fn document(&self, received: &Received) -> Reply {
        let resource = received.resource.unwrap_or(0);
        let host = &received.host;
        let document = json!({
            "issuer": format!("https://{host}/issuer/{resource}"),
            "token_endpoint": format!("https://{host}/token/{resource}"),
            "revocation_endpoint": format!("https://{host}/revoke/{resource}"),
        });
        Reply::of(200, &document.to_string())
    }

    fn has_room(&mut self, host: &str, now: i64) -> bool {
        let served = self.served.entry(host.to_owned()).or_default();
        if served.0 != now / 1000 {
            *served = (now / 1000, 0);
        }
        served.1 += 1;
        served.1 <= 3
    }

    /// Whether the client is refused.
    fn refusal(&self, plan: &Plan, received: &Received) -> Option<Reply> {
        let account = self.accounts.get(&plan.index)?;
        let own = [plan.secret("secret", 0), plan.secret("password", 0)];
        let own = own.map(|secret| secret.trim_end_matches('0').to_owned());
        let wrong = |secret: &&str| {
            own.iter().any(|own| secret.starts_with(own.as_str()))
                && !account.valid.contains(*secret)
        };
        if received.has_proof != (plan.way == Way::Dpop) {
            return Some(Reply::of(400, "{\"error\":\"invalid_dpop_proof\"}"));
        }
        let canaries = received.canaries();
        let wrong = canaries.iter().find(|secret| wrong(secret))?;
        Some(match wrong.starts_with(&own[1]) {
            true => Reply::of(400, "{\"error\":\"invalid_grant\"}"),
            false => Reply::of(401, "{\"error\":\"invalid_client\"}"),
        })
    }

    /// What becomes of the refresh token that was sent: the one that is given for it.
    fn spend(
        &mut self,
        plan: &Plan,
        received: &Received,
        now: i64,
    ) -> Result<Option<String>, Reply> {
        let invalid = || Reply::of(400, "{\"error\":\"invalid_grant\"}");
        if received.parameter("grant_type") != "refresh_token" {
            return Ok((plan.way == Way::PasswordRefresh).then(|| {
                self.accounts.entry(plan.index).or_default().family_is_dead = false;
                self.refresh_token(plan.index)
            }));
        }
        let sent = received.parameter("refresh_token").to_owned();
        let dead = self.family_is_dead(plan.index);
        let Some(known) = self.refresh_tokens.get(&sent).filter(|_| !dead) else {
            return Err(invalid());
        };
        if plan.way == Way::RefreshKeeps {
            return Ok(None);
        }
        let grace = if plan.way == Way::RefreshStrict {
            0
        } else {
            2 * HOUR
        };
        if known
            .replaced
            .is_some_and(|replaced| now - replaced > grace || grace == 0)
        {
            self.accounts.entry(plan.index).or_default().family_is_dead = true;
            return Err(invalid());
        }
        let successor = self.refresh_token(plan.index);
        if let Some(known) = self.refresh_tokens.get_mut(&sent) {
            known.replaced.get_or_insert(now);
        }
        self.predecessors.insert(successor.clone(), sent);
        Ok(Some(successor))
    }

    fn grant(
        &mut self,
        plan: &Plan,
        received: &Received,
        refresh_token: Option<String>,
        now: i64,
    ) -> Reply {
        let account = self.accounts.entry(plan.index).or_default();
        let caches = matches!(plan.way, Way::Caching | Way::KnownCaching);
        let cached = account
            .latest
            .clone()
            .filter(|(_, end)| caches && end - now > WINDOW * 1000);
        let is_new = cached.is_none();
        let (token, end) = cached.unwrap_or_else(|| {
            account.issued += 1;
            let token = format!("CANARY-access-{}-{}", plan.index, account.issued);
            (token, now + plan.life * 1000)
        });
        account.latest = Some((token.clone(), end));
        let token_type = if received.has_proof { "DPoP" } else { "Bearer" };
        let mut body = json!({"access_token": token, "token_type": token_type});
        if plan.way != Way::NoLifetime {
            body["expires_in"] = json!((end - now) / 1000);
        }
        if let Some(refresh_token) = refresh_token {
            body["refresh_token"] = json!(refresh_token);
        }
        // Some echo what they were sent.
        if plan.index.is_multiple_of(7)
            && let Some(secret) = received.canaries().first()
        {
            body["scope"] = json!(format!("read {secret}"));
        }
        if received.parameter("grant_type").ends_with("token-exchange") {
            body["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:access_token");
        }
        Reply {
            token: Some((token, end, is_new)),
            ..Reply::of(200, &body.to_string())
        }
    }
}

/// Outages of eight minutes, hours apart; one that lasts for hours.
fn outages_of(host: &str, seed: u64, hours: i64) -> Vec<(i64, i64)> {
    let mut draws = Draws::of(seed, host, 0);
    let mut outages = Vec::new();
    let mut begin = draws.between(2 * HOUR, 5 * HOUR);
    let long = draws.between(1, 5);
    while begin < (hours - 8) * HOUR {
        let length = if outages.len() as i64 == long {
            3 * HOUR
        } else {
            8 * MINUTE
        };
        outages.push((begin, begin + length));
        begin += length + draws.between(4 * HOUR, 8 * HOUR);
    }
    outages
}
