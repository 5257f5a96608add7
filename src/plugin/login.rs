//! `login`: stores the refresh token from a person's consent in a Secret that the operator reads.
//!
//! It first checks everything that could fail later (endpoints, hosts, the permission to write), then asks the person,
//! then stores the response. The response exists nowhere else, so storing it is retried.

mod browser;
mod code;
mod consent;
mod device;
mod endpoints;
mod loopback;
mod page;
mod provider;
mod qr;
mod redirect;
mod secret_choice;
mod send;
mod store;

use url::Url;

use crate::cli::GuardArgs;
use crate::clock::Clock;
use crate::command::Command;
use crate::plugin::login::consent::consent;
use crate::plugin::problem::Problem;
use crate::time::Span;

use super::args::{ConnectionArgs, LoginArgs};
use super::cluster::Cluster;
use super::folder;
use super::output::{self, Storing};
use super::target::Target;
use provider::Provider;
use store::Place;

pub(super) use browser::open as open_browser;
pub(super) use store::LOGGED_IN;

/// Runs the command.
pub(super) async fn run(
    connection: &ConnectionArgs,
    args: LoginArgs,
    storing: &Storing,
) -> Result<u8, Problem> {
    let (target, place) = match &args.local {
        Some(path) => {
            let manifests = folder::read(path)?;
            let namespace = connection.namespace.as_deref();
            let target = Target::in_folder(&manifests, namespace, &args.name)?;
            (target, Place::Folder(Box::new(manifests)))
        }
        None => {
            let cluster = Cluster::connect(connection).await?;
            let target = Target::in_cluster(&cluster, &args.name).await?;
            (target, Place::Cluster(cluster))
        }
    };
    log_in(target, place, args, storing).await
}

/// Logs in for a resource of a cluster.
pub(super) async fn in_cluster(
    cluster: Cluster,
    args: LoginArgs,
    storing: &Storing,
) -> Result<u8, Problem> {
    let target = Target::in_cluster(&cluster, &args.name).await?;
    log_in(target, Place::Cluster(cluster), args, storing).await
}

async fn log_in(
    target: Target,
    place: Place,
    args: LoginArgs,
    storing: &Storing,
) -> Result<u8, Problem> {
    let found = Provider::find(target, &args, Clock::system());
    let provider = output::progress(output::PROVIDER, found).await?;
    place.prove(&provider).await?;
    let patience = Span::from_seconds(args.timeout_seconds.into());
    if args.device {
        let consent = device::run(&provider, patience, storing).await?;
        let done = place.keep(&provider, consent).await?;
        print_result(&provider.target, &done);
    } else {
        let started = output::progress(output::PROVIDER, code::start(&provider, &args)).await?;
        code::show_instructions(&started, &args, patience).await;
        let pending = Pending {
            provider,
            place,
            started,
            patience,
        };
        let (target, done) = pending.conclude(storing).await?;
        print_result(&target, &done);
    }
    Ok(0)
}

/// Starts a login by browser; the caller opens the URL.
pub(super) async fn begin(
    cluster: Cluster,
    name: &str,
    guard: &GuardArgs,
) -> Result<(Url, Pending), Problem> {
    let args = LoginArgs {
        name: name.to_owned(),
        device: false,
        no_browser: true,
        listen: None,
        redirect_path: None,
        scope: Vec::new(),
        parameter: Vec::new(),
        timeout_seconds: USUAL_PATIENCE,
        local: None,
        guard: guard.clone(),
    };
    let target = Target::in_cluster(&cluster, name).await?;
    let provider = Provider::find(target, &args, Clock::system()).await?;
    let place = Place::Cluster(cluster);
    place.prove(&provider).await?;
    let started = code::start(&provider, &args).await?;
    let pending = Pending {
        provider,
        place,
        started,
        patience: Span::from_seconds(USUAL_PATIENCE.into()),
    };
    Ok((pending.started.url.clone(), pending))
}

/// The default number of seconds to wait for the login.
const USUAL_PATIENCE: u32 = 300;

/// A login that waits for its response, and where to store it.
pub(super) struct Pending {
    provider: Provider,
    place: Place,
    started: code::Started,
    patience: Span,
}

impl Pending {
    /// Waits for the response and stores it. Returns where.
    pub(super) async fn end(self, storing: &Storing) -> Result<String, Problem> {
        let done = self.conclude(storing).await;
        storing.end();
        done.map(|(_, stored)| stored.place)
    }

    async fn conclude(self, storing: &Storing) -> Result<(Target, store::StoredLogin), Problem> {
        let Pending {
            provider,
            place,
            started,
            patience,
        } = self;
        let (asked, answered) = code::finish(&provider, started, patience, storing).await;
        // The browser shows the result in any case.
        let ended = match answered {
            Ok(consent) => place.keep(&provider, consent).await,
            Err(problem) => Err(problem),
        };
        let page = match &ended {
            Ok(done) => code::done(&provider.target, done),
            Err(problem) => code::failed(problem),
        };
        asked.end(page).await;
        Ok((provider.target, ended?))
    }
}

fn print_result(target: &Target, done: &store::StoredLogin) {
    let (namespace, name) = (&target.namespace, &target.name);
    output::line(&format!(
        "Logged in. The refresh token is in {}.",
        done.place
    ));
    if done.in_folder {
        output::line("It can be read by you alone: keep it out of version control.");
        output::line("Next: oauthclient-operator local picks it up within about a second.");
    } else {
        output::line(&format!(
            "Next: {}",
            Command::kubectl(&["oauthclient", "status"])
                .value(name)
                .namespace(namespace)
        ));
    }
}
