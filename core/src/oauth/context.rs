//! The inputs of a token request besides spec and credentials: everything that is new in each attempt.

use std::collections::BTreeMap;

use ring::digest;
use ring::rand::SystemRandom;

use crate::oauth::dpop::ProofKey;
use crate::oauth::token_source::TokenSource;
use crate::secret::Secret;
use crate::time::Time;
use crate::trust::lender::Lenders;

/// Random values for one attempt, from the operator's `Clock::nonce`. It cannot be copied, so that no identifier is
/// used for two attempts.
pub struct Nonce {
    /// 128 random bits that identify the attempt, such as in the `jti` of an assertion (RFC 7519 section 4.1.7).
    pub id: [u8; 16],
    /// Random numbers for signatures that need them (PS256, ES256).
    pub random: SystemRandom,
}

impl Nonce {
    /// Chance for the same attempt once more: other bits, that nobody can guess from the first.
    #[must_use]
    pub fn again(&self) -> Nonce {
        let hash = digest::digest(&digest::SHA256, &[&self.id[..], b"again"].concat());
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(hash.as_ref()) {
            *to = *from;
        }
        Nonce {
            id,
            random: self.random.clone(),
        }
    }

    /// The random bits as text.
    pub fn name(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The arguments of [`super::request::build`] besides the client and its credentials.
pub struct RequestContext<'a> {
    /// The time of the request, for assertions.
    pub now: Time,
    /// Random values for this attempt.
    pub nonce: &'a Nonce,
    /// Tokens in the request that are not in the credentials Secret.
    pub tokens: TokensInHand,
    /// What the request proves possession of, where the client's tokens are bound to a key.
    pub dpop: Option<ProofKey>,
}

/// Tokens that were created or read for one attempt, by source, with their lenders. Secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokensInHand {
    tokens: BTreeMap<TokenSource, Secret>,
    lenders: Lenders,
}

impl TokensInHand {
    /// Adds a token with its lenders.
    pub fn insert(&mut self, source: TokenSource, token: Secret, lenders: &Lenders) {
        self.tokens.insert(source, token);
        self.lenders = std::mem::take(&mut self.lenders).union(lenders);
    }

    /// The token of a source, if there is one.
    pub fn find(&self, source: &TokenSource) -> Option<&Secret> {
        self.tokens.get(source)
    }

    /// Each token.
    pub fn values(&self) -> impl Iterator<Item = &Secret> {
        self.tokens.values()
    }

    /// The lenders of all tokens.
    pub fn lenders(&self) -> &Lenders {
        &self.lenders
    }
}

impl<'a> RequestContext<'a> {
    /// For a request that needs only the time and random values.
    pub fn new(now: Time, nonce: &'a Nonce) -> Self {
        RequestContext {
            now,
            nonce,
            tokens: TokensInHand::default(),
            dpop: None,
        }
    }
}
