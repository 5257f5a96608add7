//! What people read about a resource: findings, and their texts. The only place with sentences of conditions and events.
//!
//! A [`Finding`] has a reason and typed fields. It becomes text once, for one [`Audience`], and nothing reads that text
//! again: a [`Message`] can only be displayed. Every message has three parts in this order: what happened (with names), what
//! still works and until when ([`TokenValidity`]), and what to do, with a command where there is one. Without the command, it has at
//! most [`MOST`] characters, whatever the length of the names in it.
//!
//! This module decides nothing, and knows neither Kubernetes nor files.

mod audience;
mod catalogue;
mod credentials;
mod error_response;
mod event;
mod expiry;
mod finding;
mod message;
mod no_document;
mod not_answered;
mod note;
mod page;
mod reference;
mod request;
mod spec;
mod status;
mod step;
#[cfg(test)]
mod tests;
mod text;
mod token_secret;
mod token_validity;
mod trust;
mod write;

pub use audience::Audience;
pub use catalogue::{Example, Values};
pub use credentials::CredentialsFinding;
pub use error_response::{AnswerError, ErrorResponse};
pub use event::{EventFinding, NotRestarted, NotRevoked};
pub use expiry::ExpiryFinding;
pub use finding::Finding;
pub use message::{Explanation, Message, Remedy, StoredExplanation};
pub use no_document::NoDocument;
pub use note::{Note, Valid};
pub use page::page;
pub use reference::{NoToken, ReferenceFinding};
pub use request::{FollowUp, NotPublished, RefusedCredential, RequestFinding};
pub use spec::{Flaw, SpecFinding};
pub use status::{NextAttempt, Progress};
pub use step::Step;
pub use text::{MOST, Part, Text};
pub use token_secret::{Foreign, TokenSecretFinding, Unacceptable};
pub use token_validity::TokenValidity;
pub use trust::{ProtectedPart, TrustFinding};
pub use write::{WriteFinding, WriteRefusal};
