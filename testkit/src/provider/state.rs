//! What the provider knows while it runs, behind one lock that is never held over a wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::behaviour::Behaviour;
use super::fault::{ConnectionFault, Fault};
use super::ledger::Ledger;
use super::record::Record;
use super::wire::Incoming;
use crate::Result;
use crate::tls::{ClientCertificates, Identity};

/// The state that all connections and the handle share.
pub(crate) struct State {
    shared: Mutex<Shared>,
    /// Goes up whenever something is recorded, so that waiting needs no polling.
    changed: watch::Sender<u64>,
}

/// What the lock guards.
pub(crate) struct Shared {
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) ledger: Ledger,
    pub(crate) record: Record,
    pub(crate) connections: Option<ConnectionFault>,
    pub(crate) tls: Option<Tls>,
}

/// How connections are secured.
pub(crate) struct Tls {
    pub(crate) identity: Identity,
    pub(crate) clients: ClientCertificates,
    config: Arc<rustls::ServerConfig>,
}

impl Tls {
    pub(crate) fn new(identity: Identity, clients: ClientCertificates) -> Result<Tls> {
        let config = identity.server_config_for(&clients)?;
        Ok(Tls {
            identity,
            clients,
            config,
        })
    }

    pub(crate) fn config(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// A behaviour and how many of its `faults` have struck.
pub(crate) struct Endpoint {
    pub(crate) behaviour: Arc<Behaviour>,
    pub(crate) struck: usize,
}

impl Endpoint {
    pub(crate) fn new(behaviour: Behaviour) -> Endpoint {
        Endpoint {
            behaviour: Arc::new(behaviour),
            struck: 0,
        }
    }

    /// The fault that the next request meets.
    pub(crate) fn next_fault(&mut self) -> Option<Fault> {
        match self.behaviour.faults.get(self.struck) {
            Some(fault) => {
                self.struck += 1;
                fault.clone()
            }
            None => self.behaviour.fault.clone(),
        }
    }
}

impl State {
    pub(crate) fn new(
        endpoints: BTreeMap<String, Behaviour>,
        connections: Option<ConnectionFault>,
        tls: Option<Tls>,
    ) -> State {
        let endpoints = endpoints
            .into_iter()
            .map(|(path, behaviour)| (path, Endpoint::new(behaviour)))
            .collect();
        let shared = Shared {
            endpoints,
            ledger: Ledger::default(),
            record: Record::default(),
            connections,
            tls,
        };
        State {
            shared: Mutex::new(shared),
            changed: watch::Sender::new(0),
        }
    }

    /// The state; a panic elsewhere does not take it away.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait that something was recorded.
    pub(crate) fn announce(&self) {
        self.changed
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    /// To wait for the next [`State::announce`].
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Records a request; it counts as in flight until the guard is dropped.
    pub(crate) fn arrived(
        self: &Arc<State>,
        connection: u64,
        at: Timestamp,
        incoming: &Incoming,
    ) -> InFlight {
        let number = self.lock().record.arrived(connection, at, incoming);
        self.announce();
        InFlight {
            state: Arc::clone(self),
            number,
            path: incoming.path().to_owned(),
        }
    }
}

/// A request that is being answered.
pub(crate) struct InFlight {
    state: Arc<State>,
    pub(crate) number: usize,
    path: String,
}

impl InFlight {
    /// Records a response before it is sent, so that it is in the record once the client has read it.
    pub(crate) fn note(&self, status: Option<u16>, token: Option<String>, refused: Option<String>) {
        self.state.lock().record.note(self.number, |entry| {
            entry.status = status;
            entry.token = token;
            entry.refused = refused;
        });
        self.state.announce();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.state.lock().record.left(&self.path);
        self.state.announce();
    }
}
