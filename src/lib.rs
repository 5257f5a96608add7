//! Keeps OAuth 2.0 access tokens fresh: the parts of `oauthclient-operator`. `docs/architecture.md` is the longer page.
//!
//! Dependencies point inward: the core knows no Kubernetes, no clock and no socket. Time is an argument everywhere.
//!
//! | the core | knows |
//! |---|---|
//! | [`oauth`] | grants, client authentication, requests and answers as data |
//! | [`schedule`] | when a token is replaced, and when it is tried again |
//! | [`queue`] | what is due first; lanes, so that a hung host holds up nobody else; turns of namespaces |
//! | [`fair`] | how a bound is shared between namespaces |
//! | [`engine`] | slim records and the queue, behind `changed`, `next` and `done` |
//! | [`inputs`] | whether a published token is still what the spec asks for |
//! | [`references`] | which resource asks with the token of which other one |
//! | [`render`] | what is written into a token Secret's data |
//! | [`mod@policy`] | `(observed, now) -> plan`; what follows from an answer; conditions, events and their words |
//! | [`mod@reconcile`] | one resource's way through all of these, for whatever `Store` a driver brings |
//!
//! | a driver | over |
//! |---|---|
//! | [`kubernetes`] | Kubernetes: watches, reads, writes, status, events |
//! | [`local`] | files |
//!
//! | for people | does |
//! |---|---|
//! | [`plugin`] | the kubectl plugin: login, credentials, status, refresh |
//!
//! | the rim | has |
//! |---|---|
//! | [`http`] | the sender of token requests, and the addresses that it may dial |
//! | `exchange` | one request and its answer, the same for every driver |
//! | [`revocation_queue`] | tokens that wait to be revoked |
//! | [`discovery`] | the documents of issuers, read once for all |
//! | [`leader`] | the Lease |
//! | [`clock`] | the one place that asks what time it is |
//! | [`cli`], [`telemetry`], [`metrics`], [`server`] | flags; logs; metrics; probes |
//!
//! | what all share | |
//! |---|---|
//! | [`api`] | the custom resource: types, schema, rules, validation, the list of reasons |
//! | [`secret`], [`time`] | bytes that must not be seen; points in time and spans |

pub mod api;
pub mod cli;
pub mod clock;
pub mod command;
pub mod kubernetes;

pub mod discovery;
pub mod engine;
mod exchange;
pub mod fair;
pub mod http;
pub mod inputs;
pub mod leader;
pub mod local;
pub mod metrics;
pub mod oauth;
pub mod plugin;
pub mod policy;
pub mod queue;
pub mod reconcile;
pub mod references;
pub mod render;
pub mod revocation_queue;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod telemetry;
pub mod tenant;
pub mod time;
pub mod trust;
