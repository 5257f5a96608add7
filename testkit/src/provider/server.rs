//! The server: connections, requests, and what each of them meets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::clock::now;
use crate::tls::ClientCertificate;

use super::answer::{self, Answer};
use super::behaviour::Behaviour;
use super::check::check;
use super::fault::{ConnectionFault, Fault};
use super::inspect;
use super::play::{self, Then};
use super::span::later;
use super::state::{InFlight, State, Tls};
use super::wire::{Incoming, Wire, read_request};

/// How long a TLS handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(60);
/// How long a connection may be idle, and how long a response may take: longer than any test, so that none leaks.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(3600);
/// How long an accept that failed (no descriptors left) waits before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Accepts connections for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>, inspection: bool) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let number = {
            let mut shared = state.lock();
            shared.record.connections_opened += 1;
            shared.record.connections_open += 1;
            shared.record.connections_opened
        };
        state.announce();
        let open = Open {
            state: Arc::clone(&state),
            number,
            inspection,
            certificate: None,
        };
        tokio::spawn(async move {
            // A connection that broke is the client's doing or a fault of ours; its requests are on record.
            let _ = tokio::time::timeout(CONNECTION_DEADLINE, open.run(socket)).await;
        });
    }
}

/// One connection, counted as open until it is dropped.
struct Open {
    state: Arc<State>,
    number: u64,
    inspection: bool,
    certificate: Option<Arc<ClientCertificate>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state.lock().record.connections_open -= 1;
        self.state.announce();
    }
}

impl Open {
    async fn run(mut self, mut socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let (fault, tls) = {
            let shared = self.state.lock();
            (shared.connections, shared.tls.as_ref().map(Tls::config))
        };
        match fault {
            None => {}
            Some(ConnectionFault::Silent) => return std::future::pending().await,
            Some(ConnectionFault::Close) => return Ok(()),
            Some(ConnectionFault::Reset) => return socket.set_zero_linger(),
            Some(ConnectionFault::StallTls) => {
                let mut sink = [0; 1024];
                while socket.read(&mut sink).await? > 0 {}
                return Ok(());
            }
            Some(ConnectionFault::PlainText) => {
                let mut sink = [0; 1024];
                let _ = socket.read(&mut sink).await?;
                return socket
                    .write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
                    .await;
            }
        }
        match tls {
            None => self.requests(&mut socket).await,
            Some(config) => {
                let handshake = TlsAcceptor::from(config).accept(socket);
                match tokio::time::timeout(HANDSHAKE_DEADLINE, handshake).await {
                    Ok(Ok(mut stream)) => {
                        let shown = stream.get_ref().1.peer_certificates();
                        self.certificate = shown
                            .and_then(|chain| ClientCertificate::read(chain.first()?))
                            .map(Arc::new);
                        self.requests(&mut stream).await
                    }
                    Ok(Err(_)) | Err(_) => {
                        self.state.lock().record.handshakes_failed += 1;
                        self.state.announce();
                        Ok(())
                    }
                }
            }
        }
    }

    async fn requests(&self, wire: &mut dyn Wire) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(incoming) = self.next_request(wire, &mut buffer).await? {
            let then = if self.inspection && incoming.path().starts_with(inspect::PREFIX) {
                let answer = inspect::answer(&self.state, &incoming, now());
                play::write(wire, &answer, now()).await?
            } else {
                self.token_request(wire, &incoming).await?
            };
            if then == Then::Close {
                return Ok(());
            }
            if !incoming.keeps_alive() {
                break;
            }
        }
        wire.shutdown().await
    }

    /// The next request; one that breaks off or is not HTTP/1.1 is counted.
    async fn next_request(
        &self,
        wire: &mut dyn Wire,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Incoming>> {
        let read = read_request(wire, buffer).await;
        // Between requests a client may close the connection in any way, also without a TLS close.
        let broken =
            |error: &io::Error| error.kind() == io::ErrorKind::InvalidData || !buffer.is_empty();
        if read.as_ref().is_err_and(broken) {
            self.state.lock().record.requests_broken += 1;
            self.state.announce();
        }
        Ok(read?.map(|incoming| Incoming {
            certificate: self.certificate.clone(),
            ..incoming
        }))
    }

    async fn token_request(&self, wire: &mut dyn Wire, incoming: &Incoming) -> io::Result<Then> {
        let in_flight = self.state.arrived(self.number, now(), incoming);
        let met = {
            let mut shared = self.state.lock();
            let endpoint = shared.endpoints.get_mut(incoming.path());
            endpoint.map(|endpoint| (endpoint.next_fault(), Arc::clone(&endpoint.behaviour)))
        };
        let Some((fault, behaviour)) = met else {
            in_flight.note(
                Some(404),
                None,
                Some("there is no such endpoint".to_owned()),
            );
            return play::write(
                wire,
                &Answer::json(404, &json!({"error": "not_found"})),
                now(),
            )
            .await;
        };
        match fault {
            Some(fault) if !fault.shows_token() => {
                in_flight.note(play::status_of(&fault), None, None);
                wait(&behaviour).await;
                play::play(wire, &fault, incoming, now()).await
            }
            fault => {
                self.issue(wire, incoming, &in_flight, &behaviour, fault.as_ref())
                    .await
            }
        }
    }

    async fn issue(
        &self,
        wire: &mut dyn Wire,
        incoming: &Incoming,
        in_flight: &InFlight,
        behaviour: &Behaviour,
        fault: Option<&Fault>,
    ) -> io::Result<Then> {
        let now = now();
        let skewed = later(
            now,
            jiff::SignedDuration::from_secs(behaviour.clock_skew_seconds),
        );
        let length = match fault {
            Some(Fault::LargeToken { bytes }) => *bytes,
            _ => 0,
        };
        let outcome = check(&behaviour.accepts, incoming, skewed).and_then(|checked| {
            let mut shared = self.state.lock();
            let handout =
                shared
                    .ledger
                    .hand_out(incoming.path(), behaviour, &checked, length, now)?;
            Ok((checked, handout))
        });
        let (checked, handout) = match outcome {
            Ok(granted) => granted,
            Err(refused) => {
                in_flight.note(
                    Some(refused.refusal.status),
                    None,
                    Some(refused.why.clone()),
                );
                wait(behaviour).await;
                return play::write(wire, &answer::refusal(&refused), skewed).await;
            }
        };
        let token = handout.token.token.clone();
        let shape = &behaviour.shape;
        let mut document =
            answer::document(shape, &handout, &checked, behaviour.clock_skew_seconds, now);
        if shape.echo_request {
            answer::put(&mut document, "/echo", answer::echo(incoming, &checked));
        }
        let answer = match fault {
            None => answer::success(shape, &document, &token, accepts_gzip(incoming)),
            Some(fault) => play::spoil(fault, shape, document, &token),
        };
        let status = Some(answer.status).filter(|_| !matches!(fault, Some(Fault::Lost)));
        in_flight.note(status, Some(token), None);
        // The token's life has begun: latency never lengthens it.
        wait(behaviour).await;
        match fault {
            None => play::write(wire, &answer, skewed).await,
            Some(fault) => play::send_spoilt(wire, fault, &answer, skewed).await,
        }
    }
}

async fn wait(behaviour: &Behaviour) {
    if behaviour.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.latency_ms)).await;
    }
}

fn accepts_gzip(incoming: &Incoming) -> bool {
    incoming
        .header("accept-encoding")
        .is_some_and(|value| value.contains("gzip"))
}
