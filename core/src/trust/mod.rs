//! Which secret may be sent where.
//!
//! A secret carries its [`Lenders`]: the objects whose owners opted it in, and the hosts that each of them allows. What is
//! obtained with a secret keeps its lenders. Building a request collects the lenders of everything in it, and [`authorize`]
//! compares them with the URL. Pure: it knows no Kubernetes, no clock and no socket.

mod authorize;
pub mod hosts;
pub mod lender;
mod path;

pub use authorize::{AuthorizedRequest, Unauthorized, authorize};
pub use hosts::{AllowedHosts, NotListed, destination};
pub use lender::{Lender, LenderKind, LenderRefusal, Lenders};
