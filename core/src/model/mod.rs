//! The data that decisions use and return: types, and what one value says about itself. No decision is made here.

mod assessment;
mod attempt;
mod certificate;
mod client_secret;
mod family;
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

pub use assessment::{Assessment, Expiries, Expiry, ExpiryTimes, Problem, ProblemKind, TokenView};
pub use attempt::FailedAttempt;
pub use attempt::secret_version;
pub use certificate::{CertificateFacts, CertificateProblem, CertificateSeen, CertificateThere};
pub use client_secret::ClientSecret;
pub use family::{
    AttemptOutcome, FamilyMemory, FamilySeen, LOGIN_CLIENT_ID, LOGIN_KEY, RedeemedGrant,
    Redemption, ServerNonce, is_opted_in,
};
pub use memory::{Fingerprint, IntactToken, Memory, Repairs, WrittenVersion};
pub use observed::{
    AccountSeen, FoundReference, Observed, REVOCATION_FINALIZER, Reference, Resource, ResourceMeta,
    Rules,
};
pub use outcome::IssuedWith;
pub use outcome::{Failure, RequestOutcome, RequestTimes};
pub use plan::{
    Action, ExpectedResponse, Fetched, Plan, PlannedRequest, Prerequisite, Publish, RefreshReason,
};
pub use problem::SpecProblem;
pub use refresh_token::{
    FamilyOwner, FamilyRecord, GeneratedKey, LONGEST, PASSWORD, Refused, RequestInputs,
    Reservation, ResponseFacts, StoredResponse, Tag, Unreadable, is_whole_for,
};
pub use secret_seen::combined_version;
pub use secret_seen::{CaSeen, NO_REFERENCES, Owner, SecretSeen};
pub use secret_write::{SecretBody, SecretWrite, StaleSecret, WriteMode};
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
