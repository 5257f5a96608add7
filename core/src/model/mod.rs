//! The data that decisions use and return: types, and what one value says about itself. No decision is made here.

mod assessment;
mod attempt;
mod certificate;
mod client_secret;
mod memory;
mod observed;
mod outcome;
mod plan;
mod problem;
mod refresh_token;
pub mod secret_limits;
mod secret_seen;
mod secret_write;
mod spec;
mod state;
mod status;
mod token_state;

pub use assessment::{Assessment, Ends, Expiries, Expiry, Problem, ProblemKind, TokenView};
pub use attempt::FailedAttempt;
pub use attempt::secret_version;
pub use certificate::{CertificateFacts, CertificateProblem, CertificateSeen, CertificateThere};
pub use client_secret::ClientSecret;
pub use memory::{Fingerprint, Memory, Noted, Repairs, Written};
pub use observed::{
    AccountSeen, Found, Life, Observed, REVOCATION_FINALIZER, Reference, Resource, Rules,
};
pub use outcome::Made;
pub use outcome::{Failure, Moments, Settled};
pub use plan::{
    Action, Ask, ExpectedResponse, Fetched, Plan, Prerequisite, Publish, RefreshReason,
};
pub use problem::SpecProblem;
pub use refresh_token::is_whole_for;
pub use refresh_token::{
    Answer, AnswerFacts, Claim, FamilyMemory, FamilyOwner, FamilySeen, GeneratedKey, Known,
    MadeFrom, Record, Refused, ServerNonce, Spend, Unreadable, With,
};
pub use refresh_token::{LOGIN_CLIENT_ID, LOGIN_KEY, LONGEST, PASSWORD, Tag, is_lent};
pub use secret_seen::lent_together;
pub use secret_seen::{CaSeen, NO_REFERENCES, Owner, SecretSeen};
pub use secret_write::{On, SecretBody, SecretWrite, StaleSecret};
pub use spec::{
    ClientCertificate, ConfigMapKey, Dpop, Restart, Revocation, TokenSecret, Validated,
    WorkloadKind,
};
pub use state::{
    PREFIX, RESTORED, STATE_LABEL, STATE_TYPE, data_hash, request_name, short, token_hash,
};
pub use status::{
    AttemptStatus, Condition, ExpiryStatus, OAuthClientStatus, RefreshTokenStatus, RepairStatus,
    TokenStatus,
};
pub use token_state::{LONGEST_REMARKS, Managed, StateOwner, TokenState, is_key};
