//! What a reconcile observes and remembers of a family of refresh tokens, and what it redeems.

use crate::model::{FamilyRecord, Refused, SecretSeen, Tag};
use crate::names::CREDENTIALS_LABEL;
use crate::secret::Secret;
use crate::time::{HostTime, Span};
use crate::trust::Lenders;

/// The additional observation of a resource that uses refresh tokens.
#[derive(Clone, Default)]
pub struct FamilySeen {
    /// The state Secret at [`crate::policy::state_name`], if it exists.
    pub state: Option<SecretSeen>,
    /// The login Secret at [`crate::policy::login_name`], if it exists.
    pub login: Option<SecretSeen>,
    /// The name of this process: random, new at every start.
    pub process: String,
    /// A random name for a possible attempt.
    pub attempt: String,
    /// This process's monotonic clock.
    pub elapsed: Span,
    /// The clock of this machine, if it has one that its processes share.
    pub host_time: Option<HostTime>,
    /// How long this process continues to write after it is asked to stop.
    pub drain: Span,
    /// No other process can use the same state: another's reservation belongs to one that has ended.
    pub is_only_process: bool,
}

/// A nonce for proofs of possession, and the server that handed it out: no other one gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerNonce {
    /// The server: scheme, host and port.
    pub server: String,
    /// The nonce.
    pub nonce: String,
}

/// What a process keeps about a resource's family between two reconciles.
#[derive(Clone, Default)]
pub struct FamilyMemory {
    /// The attempt of another process that holds a reservation, and when this process first observed it, by its
    /// monotonic clock.
    pub foreign_reservation: Option<(String, Span)>,
    /// The outcomes of the last attempts that could not be written.
    pub outcomes: Vec<AttemptOutcome>,
    /// The nonces that servers handed out last for proofs (RFC 9449 section 8), one of each server: token and revocation endpoint
    /// may be on different ones.
    pub dpop_nonces: Vec<ServerNonce>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptOutcome {
    /// Which.
    pub attempt: String,
    /// The number of the try that was reserved, so that a recorded outcome is not applied again.
    pub tries: u32,
    /// What it means for the redeemed token; `None` if it stays as before.
    pub refused: Option<Refused>,
}

/// The maximum number of attempts: reservations of which it is unknown whether they were written.
const MAX_OUTCOMES: usize = 64;

/// The maximum number of servers whose nonces are kept.
const MOST_NONCES: usize = 4;

impl FamilyMemory {
    /// Keeps the last nonce of a server.
    pub fn note_nonce(&mut self, nonce: ServerNonce) {
        self.dpop_nonces
            .retain(|known| known.server != nonce.server);
        self.dpop_nonces.push(nonce);
        let spare = self.dpop_nonces.len().saturating_sub(MOST_NONCES);
        self.dpop_nonces.drain(..spare);
    }

    /// Records the outcome of an attempt.
    pub fn add_outcome(&mut self, outcome: Option<AttemptOutcome>) {
        self.outcomes.extend(outcome);
        let spare = self.outcomes.len().saturating_sub(MAX_OUTCOMES);
        self.outcomes.drain(..spare);
    }
}

/// The key of a login Secret with the refresh token.
pub const LOGIN_KEY: &str = "refresh_token";

/// The key of a login Secret that may hold the client id of the login.
pub const LOGIN_CLIENT_ID: &str = "client_id";

/// Whether the owner of a login Secret has opted in.
pub fn is_opted_in(login: &SecretSeen) -> bool {
    login.has_label(CREDENTIALS_LABEL, "true") && !login.deleting
}

/// What is sent, with the reservation that precedes it.
#[derive(Clone)]
pub struct Redemption {
    /// What a token is requested with.
    pub grant: RedeemedGrant,
    /// The seed, if this starts a family.
    pub new_seed: Option<Tag>,
    /// Identifies what is redeemed.
    pub tag: Tag,
    /// The lenders of the request, and of what is obtained with it.
    pub lenders: Lenders,
    /// The same with the hosts that each of them allows now.
    pub current_lenders: Lenders,
    /// The record with the reservation: written before anything is sent.
    pub record: FamilyRecord,
}

/// The input of a token request.
#[derive(Clone, PartialEq)]
pub enum RedeemedGrant {
    /// A refresh token.
    RefreshToken(Secret),
    /// User name and password, because no refresh token works.
    Password,
}
