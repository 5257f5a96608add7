//! What a token request is made of besides spec and credentials: what is new at every attempt.

use std::collections::BTreeMap;

use ring::rand::SystemRandom;

use crate::oauth::token_source::TokenSource;
use crate::secret::Secret;
use crate::time::Time;
use crate::trust::lender::Lenders;

/// Chance for one attempt, drawn at the rim: [`crate::clock::Clock::nonce`]. Not to be copied, so that no identifier
/// is used for two attempts.
pub struct Nonce {
    /// 128 random bits: what names the attempt, such as the `jti` of an assertion (RFC 7519 section 4.1.7).
    pub id: [u8; 16],
    /// Randomness for signatures that need some (PS256, ES256): a capability of the rim's, handed in.
    pub random: SystemRandom,
}

impl Nonce {
    /// The random bits as text, to name the attempt.
    pub fn name(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Everything that [`super::request::build`] takes besides the client and its credentials.
pub struct RequestContext<'a> {
    /// When the request is made: what assertions are dated with.
    pub now: Time,
    /// Chance for this attempt alone.
    pub nonce: &'a Nonce,
    /// Tokens that go into the request and stand in no credentials Secret.
    pub tokens: TokensInHand,
}

/// Tokens made or read for one attempt, by where they come from, and whose they are. Secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokensInHand {
    tokens: BTreeMap<TokenSource, Secret>,
    lenders: Lenders,
}

impl TokensInHand {
    /// Adds a token that these lenders let be sent.
    pub fn insert(&mut self, source: TokenSource, token: Secret, lenders: &Lenders) {
        self.tokens.insert(source, token);
        self.lenders = std::mem::take(&mut self.lenders).union(lenders);
    }

    /// The token of a source, if it is there.
    pub fn find(&self, source: &TokenSource) -> Option<&Secret> {
        self.tokens.get(source)
    }

    /// Each token.
    pub fn values(&self) -> impl Iterator<Item = &Secret> {
        self.tokens.values()
    }

    /// Everybody whose secrets are in it.
    pub fn lenders(&self) -> &Lenders {
        &self.lenders
    }
}

impl<'a> RequestContext<'a> {
    /// For a request that needs nothing but time and chance.
    pub fn new(now: Time, nonce: &'a Nonce) -> Self {
        RequestContext {
            now,
            nonce,
            tokens: TokensInHand::default(),
        }
    }
}
