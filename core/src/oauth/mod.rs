//! OAuth 2.0 as data: what is sent, what comes back, what it means (RFC 6749 and its family).
//!
//! Pure: no socket, no clock, no Kubernetes. [`request::build`] turns a [`Client`], its [`Credentials`] and the
//! attempt's [`RequestContext`] into an [`HttpRequest`]; [`response::decode`] turns what came back into a [`Token`] or a typed [`TokenError`].

pub mod assertion;
mod client;
pub mod context;
pub mod disclosure;
pub mod discovery;
pub mod document;
pub mod dpop;
pub mod error;
mod error_code;
pub mod exchange;
mod grammar;
pub mod jwt;
pub mod login;
mod message;
mod parameter;
pub mod protected_resource;
pub mod refresh;
pub mod request;
pub mod response;
pub mod send_error;
mod shape;
mod token;
mod token_source;

pub use crate::oauth::token_source::{PublishedToken, ServiceAccountToken, TokenSource};
pub use assertion::{ClientAssertion, JwtBearer};
pub use client::{BasicEncoding, Client, ClientAuthentication, Grant, Located};
pub use context::{Nonce, RequestContext, TokensInHand};
pub use disclosure::{SecretKind, SentSecret, SentSecrets};
pub use discovery::{Endpoints, Issuer, Metadata};
pub use error::{ErrorCode, FailureClass, TokenError};
pub use exchange::{Exchange, TokenInput};
pub use grammar::{Scope, TokenType};
pub use message::{Format, HttpAnswer, HttpRequest, Method};
pub use parameter::{
    CredentialKeys, Credentials, Parameter, ParameterValue, Place, TimeFormat, TimeValue,
};
pub use request::CredentialsProblem;
pub use shape::{ErrorShape, ExpiryShape, ExpiryUnit, IssuedType, ResponseShape, SuccessShape};
pub use token::{Document, Lifetime, Token};
