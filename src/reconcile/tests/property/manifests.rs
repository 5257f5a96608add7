//! What somebody writes who may only write OAuthClients.

use serde_json::{Map, Value, json};

use super::Dice;
use super::model::{AUDIENCES, KEYS, SECRETS, URLS};

/// The resources of a namespace.
pub(super) const OWNERS: [&str; 3] = ["first", "second", "third"];

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const GRANTS: [&str; 6] = [
    "client_credentials",
    "password",
    "password with refresh tokens",
    "refresh_token",
    EXCHANGE,
    "urn:example:custom",
];
const METHODS: [&str; 5] = [
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "none",
    "service_account_token",
];
const POINTERS: [&str; 13] = [
    "/access_token",
    "/refresh_token",
    "/id_token",
    "/token_type",
    "/expires_in",
    "/scope",
    "/echo/body",
    "/echo/url",
    "/echo/headers/0",
    "/echo/parts/0",
    "/echo/parts/1",
    "/echo/scope",
    "/headers/x-echo",
];
const TEMPLATES: [&str; 9] = [
    "{{ access_token }}",
    "{{ token_type }} {{ access_token }}",
    "{{ response.echo.body | default('') }}",
    "{{ response.echo.parts | tojson }}",
    "{{ response.refresh_token | default('') }}",
    "{{ response | tojson }}",
    "{{ credentials.username }}",
    "{{ credentials.client_secret | default('') }}",
    "{{ credentials.api_key | b64encode }}",
];

fn maybe(dice: &mut Dice, percent: usize, to: &mut Map<String, Value>, name: &str, value: Value) {
    if dice.chance(percent) {
        to.insert(name.to_owned(), value);
    }
}

fn key(dice: &mut Dice) -> Value {
    json!(dice.one(&KEYS))
}

/// The manifest of a resource, as JSON.
pub(super) fn resource_text(owner: &str, dice: &mut Dice) -> String {
    let grant = dice.one(&GRANTS);
    let method = dice.one(&METHODS);
    let refreshes = grant == "refresh_token" || grant == "password with refresh tokens";
    let revokes = dice.chance(30);
    let mut spec = json!({
        "provider": provider(dice, refreshes, revokes, grant == "refresh_token"),
        "grant": grant_of(dice, owner, grant),
        "clientAuthentication": authentication(dice, method),
        "request": {"format": dice.one(&["form", "json", "query"])},
        "response": response(dice, refreshes),
        "tokenSecret": token_secret(dice, owner),
    });
    if revokes {
        spec["revocation"] = match (refreshes, dice.chance(50)) {
            (false, true) => json!({"previousToken": {"afterSeconds": 120}, "onDeletion": true}),
            _ => json!({"onDeletion": true}),
        };
    }
    if dice.chance(90) {
        spec["credentials"] = json!({"secretName": secret_name(dice, owner), "keys": keys(dice)});
    }
    if dice.chance(40) {
        let value = match dice.below(4) {
            0 => json!({"name": "p0", "value": "v"}),
            1 => json!({"name": "p0", "jsonValue": "{}"}),
            2 => json!({"name": "p0", "time": {"afterSeconds": 60, "format": "Date"}}),
            _ => json!({"name": "p0", "credentialsKey": key(dice)}),
        };
        let mut secret = json!({"name": "p1", "credentialsKey": key(dice)});
        if dice.chance(50) {
            secret["in"] = json!(dice.one(&["body", "query", "header"]));
        }
        spec["parameters"] = json!([value, secret]);
    }
    if dice.chance(30) {
        let mut header = json!({"name": "x-key", "credentialsKey": key(dice)});
        if dice.chance(30) {
            header = json!({"name": "x-key", "value": "v"});
        }
        spec["request"]["headers"] = json!([header]);
    }
    if dice.chance(10) {
        spec["scopes"] = json!(["read", "write"]);
        spec["request"]["scopeSeparator"] = json!(",");
    }
    let manifest = json!({
        "apiVersion": "oauthclient.dev/v1alpha1",
        "kind": "OAuthClient",
        "metadata": {"name": owner, "namespace": "shop"},
        "spec": spec,
    });
    manifest.to_string()
}

fn provider(dice: &mut Dice, refreshes: bool, revokes: bool, logs_in: bool) -> Value {
    let mut fields = Map::new();
    let issuer = dice.chance(25);
    match issuer {
        true => fields.insert("issuerURL".into(), json!("https://issuer.example/")),
        false => fields.insert("tokenURL".into(), json!(dice.one(&URLS))),
    };
    if refreshes {
        let url = json!(dice.one(&URLS));
        maybe(dice, 30, &mut fields, "refreshURL", url);
    }
    if revokes && (!issuer || dice.chance(50)) {
        fields.insert("revocationURL".into(), json!(dice.one(&URLS)));
    }
    if logs_in {
        for name in [
            "authorizationURL",
            "deviceAuthorizationURL",
            "pushedAuthorizationURL",
        ] {
            let url = json!(dice.one(&URLS));
            maybe(dice, 20, &mut fields, name, url);
        }
    }
    Value::Object(fields)
}

fn account(dice: &mut Dice) -> Value {
    json!({"serviceAccountName": "robot", "audience": dice.one(&AUDIENCES), "expirationSeconds": 600})
}

fn grant_of(dice: &mut Dice, owner: &str, grant: &str) -> Value {
    match grant {
        "password with refresh tokens" => {
            json!({"type": "password", "password": {"useRefreshToken": true}})
        }
        EXCHANGE => {
            let mut exchange = Map::new();
            exchange.insert("subjectToken".into(), exchanged(dice, owner));
            let actor = exchanged(dice, owner);
            maybe(dice, 30, &mut exchange, "actorToken", actor);
            maybe(
                dice,
                10,
                &mut exchange,
                "requestedTokenType",
                json!(ID_TOKEN),
            );
            json!({"type": EXCHANGE, "tokenExchange": exchange})
        }
        other => json!({"type": other}),
    }
}

fn exchanged(dice: &mut Dice, owner: &str) -> Value {
    let mut token = match dice.below(4) {
        0 => json!({"credentialsKey": key(dice)}),
        1 => json!({"serviceAccountToken": account(dice)}),
        _ => {
            let others: Vec<&str> = OWNERS.into_iter().filter(|one| *one != owner).collect();
            let mut token = json!({"oauthClientName": dice.one(&others)});
            if dice.chance(20) {
                token["key"] = json!(dice.one(&["access_token", "a"]));
            }
            token
        }
    };
    if dice.chance(20) {
        token["tokenType"] = json!(ID_TOKEN);
    }
    token
}

fn authentication(dice: &mut Dice, method: &str) -> Value {
    match method {
        "service_account_token" => {
            json!({"method": method, "clientID": "shop", "serviceAccountToken": account(dice)})
        }
        _ => {
            let mut fields = Map::from_iter([("method".to_owned(), json!(method))]);
            maybe(dice, 10, &mut fields, "clientID", json!("shop"));
            Value::Object(fields)
        }
    }
}

/// Credentials, or the token of another resource in their place.
fn secret_name(dice: &mut Dice, owner: &str) -> String {
    match dice.chance(70) {
        true => dice.one(&SECRETS).to_owned(),
        false => {
            let others: Vec<&str> = OWNERS.into_iter().filter(|one| *one != owner).collect();
            format!("{}-token", dice.one(&others))
        }
    }
}

fn keys(dice: &mut Dice) -> Value {
    let mut fields = Map::new();
    for name in [
        "clientID",
        "clientSecret",
        "nextClientSecret",
        "username",
        "password",
        "refreshToken",
    ] {
        let to = key(dice);
        maybe(dice, 12, &mut fields, name, to);
    }
    Value::Object(fields)
}

fn response(dice: &mut Dice, refreshes: bool) -> Value {
    let mut fields = Map::new();
    for name in [
        "accessTokenPointer",
        "tokenTypePointer",
        "scopePointer",
        "errorPointer",
        "refreshTokenPointer",
    ] {
        let to = json!(dice.one(&POINTERS));
        if name != "refreshTokenPointer" || refreshes {
            maybe(dice, 8, &mut fields, name, to);
        }
    }
    let expiry = json!({"pointer": dice.one(&POINTERS), "unit": "Seconds"});
    maybe(dice, 8, &mut fields, "expiry", expiry);
    let success = json!({"pointer": dice.one(&POINTERS), "value": "Bearer"});
    maybe(dice, 4, &mut fields, "success", success);
    maybe(dice, 8, &mut fields, "headers", json!(["x-echo"]));
    let errors = json!([{"pointer": dice.one(&POINTERS), "values": ["v"], "means": "RateLimited"}]);
    maybe(dice, 4, &mut fields, "errors", errors);
    Value::Object(fields)
}

fn token_secret(dice: &mut Dice, owner: &str) -> Value {
    // A token Secret of the name of a login is one more way to hand a token on.
    let name = match dice.chance(5) {
        true => format!("{}-login", dice.one(&OWNERS)),
        false => format!("{owner}-token"),
    };
    let mut fields = Map::from_iter([("name".to_owned(), json!(name))]);
    let label = json!({"oauthclient.dev/credentials": "true"});
    maybe(dice, 70, &mut fields, "labels", label);
    let host = dice.one(&["a.example", "evil.example", "*.b.example"]);
    let list = dice.one(&[
        "oauthclient.dev/allowed-hosts",
        "oauthclient.dev/allowed-token-hosts",
    ]);
    maybe(dice, 30, &mut fields, "annotations", json!({list: host}));
    let mut data = Map::new();
    for key in [
        "access_token",
        "a",
        "client_secret",
        "refresh_token",
        "username",
        "api_key",
    ] {
        let template = json!(dice.one(&TEMPLATES));
        maybe(dice, 12, &mut data, key, template);
    }
    // What other resources need of it to ask with it.
    if dice.chance(50) {
        for key in ["client_id", "client_secret"] {
            data.insert(key.into(), json!("{{ access_token }}"));
        }
    }
    if !data.is_empty() && dice.chance(70) {
        data.insert("access_token".into(), json!("{{ access_token }}"));
    }
    if !data.is_empty() {
        fields.insert("data".into(), Value::Object(data));
    }
    maybe(dice, 5, &mut fields, "type", json!("example.com/token"));
    Value::Object(fields)
}
