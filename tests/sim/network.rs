//! The network between the operator and the token hosts.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use oauthclient_operator::clock::Clock;
use oauthclient_operator::http::{
    ConnectProblem, Network, ReceivedResponse, SendError, Sender, SenderOptions, SentRequest,
};
use tokio::time::sleep;

use super::World;
use super::coverage;
use super::faults::Fault;
use super::process::Process;
use super::provider::{Received, Reply};

/// The sender of one process.
pub fn sender(world: &Arc<World>, process: &Arc<Process>, clock: Clock) -> Sender {
    let (world, process) = (Arc::clone(world), Arc::clone(process));
    let network: Network =
        Arc::new(move |request| send(Arc::clone(&world), Arc::clone(&process), request).boxed());
    let options = SenderOptions {
        network: Some(network),
        clock,
        ..SenderOptions::default()
    };
    Sender::new(options).unwrap_or_else(|_| unreachable!("no proxy is configured"))
}

/// A request whose answer has not arrived: where it never does, nobody knows what became of it.
struct UnderWay {
    world: Arc<World>,
    received: Received,
    known: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.known {
            let mut checks = self.world.checks.lock().unwrap();
            checks.outcome_unknown(&self.received);
        }
    }
}

/// What the provider responds, whether or not the response arrives.
fn issue(world: &World, received: &Received, now: i64) -> Reply {
    let reply = world.provider.lock().unwrap().answer(received, now);
    world.checks.lock().unwrap().issued(received, &reply);
    reply
}

async fn send(
    world: Arc<World>,
    process: Arc<Process>,
    request: SentRequest,
) -> Result<ReceivedResponse, SendError> {
    process.runs().await;
    let now = world.now();
    let received = Received::of(request).await;
    let (fault, mut draws) = match received.resource.filter(|_| received.is_token_request) {
        Some(resource) => world.faults.lock().unwrap().of_request(now, resource),
        None => (
            None,
            super::draws::Draws::of(world.seed, "document", now as u64),
        ),
    };
    coverage::log(now, || {
        format!(
            "---- request {} {fault:?} by replica {}",
            received.path, process.slot
        )
    });
    let mut under_way = UnderWay {
        world: Arc::clone(&world),
        received,
        known: false,
    };
    let received = &under_way.received;
    world
        .checks
        .lock()
        .unwrap()
        .sent(received, now, process.slot);
    let lost = match fault {
        Some(Fault::CrashBeforeRequest) => return world.crash(&process).await,
        Some(Fault::ProviderRefusesConnection) => {
            under_way.known = true;
            return Err(SendError::Connect(ConnectProblem::Refused));
        }
        Some(Fault::ProviderTimesOut) => {
            // Now and then the provider has done its work all the same.
            if draws.chance(0.5) {
                let _ = issue(&world, received, now);
            }
            sleep(Duration::from_secs(3600)).await;
            return Err(SendError::Cut);
        }
        other => other,
    };
    sleep(Duration::from_millis(draws.between(30, 400) as u64)).await;
    let now = world.now();
    let reply = match lost {
        Some(Fault::ProviderUnavailable) => Reply::of(503, "{\"error\":\"invalid_grant\"}"),
        Some(Fault::ProviderThrottles) => Reply {
            retry_after: Some(
                draws
                    .pick(&["7", "60", "-3", "soon", "Mon, 30 Nov 2026 00:00:00 GMT"])
                    .to_owned(),
            ),
            ..Reply::of(429, "slow down")
        },
        Some(Fault::ProviderErrorPage) => Reply {
            content_type: "text/html",
            ..Reply::of(200, &format!("<html>{}</html>", received.text))
        },
        _ => issue(&world, received, now),
    };
    if reply.hangs {
        sleep(Duration::from_secs(3600)).await;
    }
    sleep(Duration::from_millis(draws.between(30, 400) as u64)).await;
    match lost {
        Some(Fault::CrashAfterRequest) => return world.crash(&process).await,
        Some(Fault::ProviderAnswerLost) => return Err(SendError::Cut),
        _ => process.runs().await,
    }
    coverage::log(world.now(), || {
        format!("---- answer {} {}", reply.status, reply.body)
    });
    world.checks.lock().unwrap().answered(received, &reply);
    under_way.known = true;
    Ok(reply.response())
}
