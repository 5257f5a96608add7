//! Keeps OAuth 2.0 access tokens fresh: the modules of `oauthclient-operator`. `docs/architecture.md` describes them in
//! detail.
//!
//! Dependencies point inward: the core knows no Kubernetes, no clock and no sockets. Time is always an argument.
//!
//! | core | responsible for |
//! |---|---|
//! | [`oauth`] | grants, client authentication, requests and responses as data |
//! | [`schedule`] | when a token is refreshed, and when a request is retried |
//! | [`queue`] | the order of due work: host queues, so that an unresponsive host delays no other; turns of namespaces
//! |
//! | `index` | which resources have to know when a Secret or another resource changes |
//! | [`fair`] | sharing a limit between namespaces |
//! | [`engine`] | compact records and the queue, behind `changed`, `next` and `done` |
//! | [`inputs`] | whether a published token still matches the spec |
//! //! | [`render`] | the data of a token Secret |
//! | [`mod@policy`] | `(observed, now) -> plan`; the consequences of a response; conditions, events and their texts |
//! | [`mod@reconcile`] | the steps for one resource, over the `Store` of a driver |
//! | `driver` | the loop that takes work from the engine and reconciles, the same for every driver |
//!
//! | driver | over |
//! |---|---|
//! | [`kubernetes`] | the Kubernetes API: watches, reads, writes, status, events |
//! | [`local`] | files |
//!
//! | for people | |
//! |---|---|
//! | [`plugin`] | the kubectl plugin: login, credentials, status, refresh |
//!
//! | I/O | responsible for |
//! |---|---|
//! | [`http`] | sending token requests, and the addresses that may be dialled |
//! | `exchange` | one request and its response, the same for every driver |
//! | [`revocation_queue`] | tokens that wait for revocation |
//! | [`discovery`] | the cache of discovery documents |
//! | [`leader`] | the Lease |
//! | [`clock`] | the only place that reads the clock |
//! | [`cli`], [`telemetry`], [`metrics`], [`server`] | flags; logs; metrics; probes |
//!
//! | shared | |
//! |---|---|
//! | [`api`] | the custom resource: types, schema, rules, validation, the list of reasons |
//! | [`secret`], [`time`] | bytes that must not be shown; points in time and durations |

#![cfg_attr(
    not(feature = "kubernetes"),
    allow(
        dead_code,
        unused_imports,
        reason = "`local` alone does not use everything"
    )
)]

pub mod api;
pub mod cli;
pub mod clock;
pub mod command;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;

pub mod discovery;
mod driver;
mod exchange;
mod facts;
pub mod fair;
pub mod http;
mod index;
pub mod inputs;
#[cfg(feature = "kubernetes")]
pub mod leader;
pub mod local;
pub mod metrics;
#[cfg(feature = "plugin")]
pub mod plugin;
pub mod policy;
pub mod reconcile;
pub mod references;
pub mod revocation_queue;
#[cfg(feature = "kubernetes")]
pub mod server;
pub mod telemetry;
pub mod tenant;

pub(crate) use oauthclient_core::lock;
pub use oauthclient_core::{
    engine, messages, model, names, oauth, queue, render, schedule, secret, time, trust,
};
