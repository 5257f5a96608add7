//! The authorization request (RFC 6749 section 4.1.1) with PKCE (RFC 7636), `state` and `nonce`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use url::Url;

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
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", self.client_id)
                .append_pair("redirect_uri", self.redirect_uri);
            if !self.scope.is_empty() {
                query.append_pair("scope", self.scope);
            }
            query
                .append_pair("state", &proof.state)
                .append_pair("code_challenge", &proof.challenge())
                .append_pair("code_challenge_method", "S256");
            if self.wants_id_token() {
                query.append_pair("nonce", &proof.nonce);
            }
            for (name, value) in self.parameters {
                query.append_pair(name, value);
            }
        }
        url
    }

    /// Whether an ID token is requested.
    pub fn wants_id_token(&self) -> bool {
        self.scope.split([' ', ',']).any(|scope| scope == "openid")
    }
}
