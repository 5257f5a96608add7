//! Where an access token may stand in a response that has none at `/access_token`: a hint for people. Nothing is taken from there by
//! itself, because a text of such a name may be another token.

use serde_json::Value;

const PLACES: &[&str] = &[
    "/accessToken",
    "/AccessToken",
    "/access-token",
    "/token",
    "/Token",
    "/jwt",
    "/JWT",
    "/auth_token",
    "/authToken",
    "/authentication_token",
    "/bearer_token",
    "/bearerToken",
    "/session_token",
    "/sessionToken",
    "/tenant_access_token",
    "/app_access_token",
    "/data/access_token",
    "/data/accessToken",
    "/data/token",
    "/data/jwt",
    "/result/access_token",
    "/result/accessToken",
    "/result/token",
    "/response/access_token",
    "/response/accessToken",
    "/response/token",
    "/value/access_token",
    "/value/token",
    "/token/access_token",
    "/token/accessToken",
    "/tokens/access_token",
    "/tokens/accessToken",
    "/tokens/access",
    "/body/access_token",
    "/payload/access_token",
    "/payload/token",
    "/d/access_token",
    "/access/token/id",
    "/auth/access_token",
    "/auth/client_token",
    "/session/token",
    "/authenticationResult/accessToken",
    "/AuthenticationResult/AccessToken",
    "/data/session/token",
];

/// The pointer to the first place that holds a text.
pub(super) fn a_token(response: &Value) -> Option<&'static str> {
    let is_text = |pointer: &str| {
        let found = response.pointer(pointer).and_then(Value::as_str);
        found.is_some_and(|text| !text.trim().is_empty())
    };
    PLACES.iter().copied().find(|pointer| is_text(pointer))
}
