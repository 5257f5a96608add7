//! `test -f FILE`: sends one real token request for a manifest. Nothing is stored.
//!
//! It runs the operator's reconcile, from the decision whether a request may be sent to what would be written, over a
//! store that keeps nothing.

mod objects;
mod outcome;
mod store;

use std::io::Read as _;
use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::spec::OAuthClient;
use crate::cli::GuardArgs;
use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::engine::{Key, Work};
use crate::http::{ProxySettings, Sender, SenderOptions};
use crate::local::Manifests;
use crate::model::Rules;
use crate::plugin::problem::{NOT_READY, Problem};
use crate::reconcile::reconcile;
use crate::time::Time;

use super::args::{ConnectionArgs, TestArgs};
use super::cluster::Cluster;
use super::output;
use super::paint::{Painted, Tone};
use objects::Places;
use store::Trial;

pub(crate) use outcome::TrialOutcome;

/// The maximum size of a manifest.
const MOST: u64 = 4 << 20;

/// Runs the command.
pub(super) async fn run(connection: &ConnectionArgs, args: TestArgs) -> Result<u8, Problem> {
    let clock = Clock::system();
    let manifests = read(&args.filename)?;
    for problem in manifests.problems() {
        output::warn(&format!("refused: {problem}"));
    }
    let (key, client) = chosen(&manifests, args.name.as_deref())?;
    let client = prepared(client)?;
    let cluster = match args.local {
        true => None,
        false => Some(Cluster::connect(connection).await?.quietly()),
    };
    let places = Places::new(manifests, cluster, connection.namespace.as_deref(), &key);
    let sender = sender(&args.guard)?;
    let trial = Trial::new(
        client,
        places,
        Discovery::new(sender.clone(), clock.clone(), None),
        sender,
        Rules {
            require_allowed_hosts: false,
            allow_http: args.guard.allow_http,
            ..Rules::default()
        },
        clock.clone(),
    );
    let work = Work {
        key,
        may_request: true,
        due: clock.now(),
    };
    let _ = output::progress(output::PROVIDER, reconcile(&trial, &work)).await;
    let outcome = trial.outcome();
    let painted = paint(&outcome, clock.now());
    output::painted(&painted);
    Ok(if outcome.write.is_some() {
        0
    } else {
        NOT_READY
    })
}

fn read(path: &Path) -> Result<Manifests, Problem> {
    let failed = |what: String| Problem::new(format!("{}: {what}", path.display()));
    if path.as_os_str() != "-" {
        return Manifests::of_file(path).map_err(Problem::new);
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = std::io::stdin()
        .lock()
        .take(MOST + 1)
        .read_to_string(&mut text);
    read.map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MOST {
        return Err(failed("that is more than 4 MiB".to_owned()));
    }
    Ok(Manifests::of_text(Path::new("standard input"), &text))
}

fn chosen<'a>(
    manifests: &'a Manifests,
    name: Option<&str>,
) -> Result<(Key, &'a OAuthClient), Problem> {
    if let Some(name) = name {
        return manifests.client(None, name).map_err(Problem::new);
    }
    let all = manifests.keys();
    match all.as_slice() {
        [] => Err(Problem::new("the file defines no OAuthClient")),
        [one] => manifests
            .client(Some(one.namespace()), one.name())
            .map_err(Problem::new),
        several => {
            let names: Vec<&str> = several.iter().map(Key::name).collect();
            Err(Problem::new(format!(
                "the file defines several OAuthClients: name one of {}",
                names.join(", ")
            )))
        }
    }
}

/// The resource in a form that can be tested. A refresh token may work only once, so no test uses one.
fn prepared(client: &OAuthClient) -> Result<OAuthClient, Problem> {
    let mut client = client.clone();
    if client.spec.grant.type_ == "refresh_token" {
        return Err(Problem::new(
            "a refresh token may work only once, so a test cannot use one. To try the client and its endpoints, log in: kubectl oauthclient login",
        ));
    }
    if let Some(password) = &mut client.spec.grant.password {
        password.use_refresh_token = false;
    }
    client.spec.suspend = false;
    client.status = None;
    // Validation requires an existing resource.
    client.metadata = ObjectMeta {
        name: client.metadata.name.take(),
        uid: Some("test".to_owned()),
        generation: Some(1),
        ..ObjectMeta::default()
    };
    Ok(client)
}

fn sender(guard: &GuardArgs) -> Result<Sender, Problem> {
    Sender::new(SenderOptions {
        allow_http: guard.allow_http,
        addresses: guard.addresses(),
        proxies: ProxySettings::from_environment(),
        ..SenderOptions::default()
    })
    .map_err(|error| Problem::new(error.to_string()))
}

fn paint(outcome: &TrialOutcome, now: Time) -> Painted {
    let nothing = match outcome.sent {
        0 => "No request was sent to the token endpoint, and nothing was stored.",
        _ => "One request was sent. Nothing was stored.",
    };
    let condition = |kind: &str| {
        let all = outcome.status.iter().flat_map(|status| &status.conditions);
        all.into_iter().find(|one| one.type_ == kind)
    };
    let Some(write) = &outcome.write else {
        let failing = ["RefreshFailing", "Stalled", "Reconciling"];
        let found = failing
            .into_iter()
            .filter_map(condition)
            .find(|one| one.status == "True");
        let text = Painted::default().tone(Tone::Bad, "No token. ");
        let text = match (&outcome.error_text, found) {
            (Some(error_text), _) => text.text(error_text),
            (None, Some(found)) => text
                .tone(Tone::Strong, &found.reason)
                .text(&format!(": {}", found.message)),
            (None, None) => text.text("The provider was not asked."),
        };
        return text.text(&format!("\n{nothing}"));
    };
    let state = &write.state;
    let mut lines = vec![
        (
            "Expires",
            format!("in {} ({})", state.expires().since(now), state.expires()),
        ),
        (
            "Refresh",
            format!("in {} ({})", state.refresh.since(now), state.refresh),
        ),
    ];
    let scope = outcome
        .status
        .as_ref()
        .and_then(|status| status.token.as_ref()?.scope.clone());
    lines.extend(scope.map(|scope| ("Scope", scope)));
    lines.push(("Secret", format!("{} ({})", outcome.secret, write.type_)));
    for (key, value) in &write.data {
        if let Some(value) = value {
            lines.push(("", format!("{key}: {} bytes", value.len())));
        }
    }
    if let Some(ready) = condition("Ready") {
        lines.push(("Message", ready.message.clone()));
    }
    let text = Painted::default()
        .tone(Tone::Good, "A token was issued.")
        .text(" This is what would be published:\n");
    let text = lines.into_iter().fold(text, |text, (name, line)| {
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{name}:")
        };
        text.text("  ")
            .tone(Tone::Quiet, &format!("{name:<9}"))
            .text(&format!("{line}\n"))
    });
    text.text(nothing)
}
