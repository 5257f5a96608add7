//! The authorization request (RFC 6749 section 4.1.1) with PKCE (RFC 7636), `state` and `nonce`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use url::Url;

use crate::oauth::{HttpAnswer, document};
use crate::secret::Secret;

/// Ties a response to its login; new for each login.
pub struct Proof {
    /// `code_verifier` (RFC 7636 section 4.1): 43 characters, 256 random bits.
    pub verifier: Secret,
    /// `state` (RFC 6749 section 10.12).
    pub state: String,
    /// `nonce` of OpenID Connect Core section 3.1.2.1.
    pub nonce: String,
}

impl Proof {
    /// Creates it from 96 random bytes.
    pub fn new(random: &[u8; 96]) -> Proof {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (verifier, rest) = random.split_at(32);
        let (state, nonce) = rest.split_at(32);
        Proof {
            verifier: text(verifier).into(),
            state: text(state),
            nonce: text(nonce),
        }
    }

    /// `code_challenge` by the method `S256` (RFC 7636 section 4.2).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.expose_bytes()))
    }
}

/// The parameters of the authorization request.
pub struct AuthorizationRequest<'a> {
    /// The authorization endpoint; its query is kept.
    pub endpoint: &'a Url,
    /// `client_id`.
    pub client_id: &'a str,
    /// `redirect_uri`, exactly as registered.
    pub redirect_uri: &'a str,
    /// `scope`, joined; not sent if empty.
    pub scope: &'a str,
    /// Additional parameters, in order.
    pub parameters: &'a [(String, String)],
}

impl AuthorizationRequest<'_> {
    /// The URL to open. It contains a `nonce` if an ID token is requested (scope `openid`).
    pub fn url(&self, proof: &Proof) -> Url {
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().extend_pairs(self.pairs(proof));
        url
    }

    /// The parameters of the request, in order.
    pub fn pairs(&self, proof: &Proof) -> Vec<(String, String)> {
        let challenge = proof.challenge();
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", self.client_id),
            ("redirect_uri", self.redirect_uri),
        ];
        if !self.scope.is_empty() {
            pairs.push(("scope", self.scope));
        }
        pairs.extend([
            ("state", proof.state.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        if self.wants_id_token() {
            pairs.push(("nonce", &proof.nonce));
        }
        let own = self.parameters.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        let all = pairs.into_iter().chain(own);
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The URL to open for a request that the server has taken already (RFC 9126 section 4).
    pub fn pushed_url(&self, request_uri: &str) -> Url {
        let mut url = self.endpoint.clone();
        url.query_pairs_mut()
            .append_pair("client_id", self.client_id)
            .append_pair("request_uri", request_uri);
        url
    }

    /// Whether an ID token is requested.
    pub fn wants_id_token(&self) -> bool {
        self.scope.split([' ', ',']).any(|scope| scope == "openid")
    }
}

/// The longest `request_uri` that is taken, in bytes: it goes into a URL that a browser opens.
const LONGEST_REQUEST_URI: usize = 1024;

/// The `request_uri` of an answer to a pushed request (RFC 9126 section 2.2).
///
/// # Errors
/// What is wrong with the answer, as the rest of a sentence about it; nothing of it is in it.
pub fn request_uri(answer: &HttpAnswer) -> Result<String, &'static str> {
    let text = document::text(answer.body.expose_bytes())?;
    let value = document::json(text)?;
    let uri = value.get("request_uri").and_then(|uri| uri.as_str());
    let uri = uri.ok_or("it holds no request_uri")?;
    let fits = !uri.is_empty()
        && uri.len() <= LONGEST_REQUEST_URI
        && uri.bytes().all(|byte| byte.is_ascii_graphic());
    // What a server repeats of the request must not show in a browser.
    match fits && answer.sent.finder().find(uri).is_none() {
        true => Ok(uri.to_owned()),
        false => Err("its request_uri cannot be used"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> HttpAnswer {
        HttpAnswer {
            status: 201,
            content_type: Some("application/json".into()),
            retry_after: None,
            headers: Vec::new(),
            body: Secret::from(body),
            sent: Default::default(),
        }
    }

    #[test]
    fn a_pushed_request_leaves_nothing_of_itself_in_the_url() {
        let endpoint = "https://auth.example/authorize?tenant=shop"
            .parse()
            .unwrap();
        let parameters = [("login_hint".to_owned(), "kari@example.com".to_owned())];
        let request = AuthorizationRequest {
            endpoint: &endpoint,
            client_id: "books",
            redirect_uri: "http://127.0.0.1:8400/callback",
            scope: "openid",
            parameters: &parameters,
        };
        let proof = Proof::new(&[7; 96]);
        let names: Vec<String> = request
            .pairs(&proof)
            .into_iter()
            .map(|pair| pair.0)
            .collect();
        assert_eq!(
            names,
            [
                "response_type",
                "client_id",
                "redirect_uri",
                "scope",
                "state",
                "code_challenge",
                "code_challenge_method",
                "nonce",
                "login_hint"
            ]
        );
        assert_eq!(
            request
                .pushed_url("urn:ietf:params:oauth:request_uri:6esc_11A")
                .as_str(),
            "https://auth.example/authorize?tenant=shop&client_id=books&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A6esc_11A"
        );
    }

    #[test]
    fn a_request_uri_is_taken_only_where_it_is_one() {
        let good = answer(r#"{"request_uri":"urn:x:1","expires_in":60}"#);
        assert_eq!(request_uri(&good), Ok("urn:x:1".into()));
        for body in [
            "",
            "{}",
            "[]",
            r#"{"request_uri":7}"#,
            r#"{"request_uri":""}"#,
            r#"{"request_uri":"a b"}"#,
            "<html>",
        ] {
            assert!(request_uri(&answer(body)).is_err(), "{body}");
        }
        let mut echo = answer(r#"{"request_uri":"urn:x:s3cret-s3cret"}"#);
        echo.sent.add_key("client_secret", true, "s3cret-s3cret");
        assert!(request_uri(&echo).is_err());
    }
}
