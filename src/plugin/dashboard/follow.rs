//! Follows the resources and updates the cards.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};

use crate::api::spec::OAuthClient;
use crate::plugin::dashboard::state::Dashboard;
use crate::plugin::problem::Problem;

use super::card::Card;
use super::card_cache::Key;

fn key(client: &OAuthClient) -> Key {
    (client.namespace().unwrap_or_default(), client.name_any())
}

/// Runs until it cannot continue.
pub(super) async fn follow(dashboard: &Dashboard) -> Problem {
    let api: Api<OAuthClient> = if dashboard.everywhere {
        dashboard.cluster.everywhere()
    } else {
        dashboard.cluster.api()
    };
    let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
    let store = &dashboard.store;
    let mut coming = BTreeMap::new();
    while let Some(event) = events.next().await {
        let card = |client: &OAuthClient| Card::of(client, dashboard.clock.now());
        match event {
            Ok(Event::Init) => coming.clear(),
            Ok(Event::InitApply(client)) => {
                coming.insert(key(&client), card(&client));
            }
            Ok(Event::InitDone) => {
                store.replace(std::mem::take(&mut coming));
                store.set_connection_error(None);
            }
            Ok(Event::Apply(client)) => {
                store.put(key(&client), card(&client));
                store.set_connection_error(None);
            }
            Ok(Event::Delete(client)) => store.remove(&key(&client)),
            Err(_) => store.set_connection_error(Some(format!(
                "The connection to the Kubernetes API at {} is gone; trying again. This is the last that was seen.",
                dashboard.cluster.address()
            ))),
        }
    }
    Problem::new("the watch ended: run the command again")
}
