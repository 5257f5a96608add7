use std::future::Ready;
use std::sync::Mutex;
use std::task::{Context, Poll};

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::lock::lock;
use crate::server::Liveness;

/// An API server with one Lease. `None`: there is no Lease yet.
#[derive(Clone, Default)]
struct OneLease(Arc<Mutex<Option<Value>>>);

impl OneLease {
    /// Somebody else takes the Lease.
    fn is_taken(&self) {
        *lock(&self.0) = Some(held_by("somebody", "2"));
    }

    fn answer(&self, method: &Method) -> (StatusCode, Value) {
        let mut lease = lock(&self.0);
        match (method, lease.clone()) {
            (&Method::GET, Some(lease)) => (StatusCode::OK, lease),
            (&Method::POST, None) => {
                let created = lease.insert(held_by("us", "1"));
                (StatusCode::CREATED, created.clone())
            }
            (&Method::GET, None) => refusal(StatusCode::NOT_FOUND),
            _ => refusal(StatusCode::CONFLICT),
        }
    }
}

fn held_by(holder: &str, version: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "operator", "namespace": "default", "resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseTransitions": 0},
    })
}

fn refusal(status: StatusCode) -> (StatusCode, Value) {
    let reason = match status {
        StatusCode::NOT_FOUND => "NotFound",
        _ => "Conflict",
    };
    let code = status.as_u16();
    (
        status,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "", "reason": reason, "code": code}),
    )
}

impl tower_service::Service<Request<Body>> for OneLease {
    type Response = Response<Full<bytes::Bytes>>;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (status, body) = self.answer(request.method());
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = status;
        std::future::ready(Ok(response))
    }
}

async fn becomes(leader: &Leader, wanted: impl FnMut(&Leadership) -> bool) {
    let mut state = leader.status().watch();
    let waiting = timeout(Duration::from_secs(60), state.wait_for(wanted));
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_election_that_is_stopped_just_when_its_lease_is_lost_ends_without_a_panic() {
    let (server, clock) = (OneLease::default(), Clock::system());
    let settings = Settings {
        namespace: "default".to_owned(),
        name: "operator".to_owned(),
        identity: "us".to_owned(),
        timings: Timings {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        },
    };
    let mut leader = Leader::start(
        Client::new(server.clone(), "default"),
        settings,
        clock.clone(),
        Metrics::new(clock.clone()),
        Liveness::new(clock).register("leader election"),
    );
    becomes(&leader, |now| matches!(now, Leadership::Leading { .. })).await;
    server.is_taken();
    becomes(&leader, |now| *now == Leadership::Lost).await;
    // While it pauses before it would look at the Lease again.
    drop(leader.stop.take());
    (&mut leader.task).await.unwrap();
}
