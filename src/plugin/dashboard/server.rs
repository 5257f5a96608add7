//! The HTTP server: three files, one stream of changes, and the actions of the buttons.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::plugin::dashboard::state::Dashboard;
use crate::plugin::version::OURS;

use super::act;
use super::guard::Kind;

/// The maximum number of connections: pages, each with a few connections.
const CONNECTIONS: usize = 64;
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The deadline and the maximum size for the body of a request.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
const MOST_BODY: usize = 4096;
/// Changes within this time are sent together.
const SETTLE: Duration = Duration::from_millis(150);
/// A heartbeat, so that the page notices a lost connection.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Only our own files, nothing inline, nothing from elsewhere, and no markup made from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const PAGE: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/app.css");
const SCRIPT: &str = include_str!("page/app.js");

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves requests until it is dropped.
pub(super) async fn serve(listener: TcpListener, dashboard: Arc<Dashboard>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let dashboard = Arc::clone(&dashboard);
                tokio::spawn(async move {
                    connection(stream, dashboard).await;
                    drop(slot);
                });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, dashboard: Arc<Dashboard>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let dashboard = Arc::clone(&dashboard);
        async move { Ok::<_, Infallible>(answer(request, &dashboard).await) }
    });
    // Problems with a connection are visible in the browser.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, dashboard: &Arc<Dashboard>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let file = match path.as_str() {
        "/" => Some(("text/html; charset=utf-8", PAGE)),
        "/app.css" => Some(("text/css; charset=utf-8", STYLE)),
        "/app.js" => Some(("text/javascript; charset=utf-8", SCRIPT)),
        _ => None,
    };
    let kind = if file.is_some() {
        Kind::Page
    } else {
        Kind::Data
    };
    if let Err(status) = dashboard.guard.check(&request, kind) {
        return refusal(
            status,
            "This dashboard answers only the page that its own address opens: run kubectl oauthclient dashboard again.",
        );
    }
    if let Some((kind, text)) = file {
        return response(StatusCode::OK, kind, full(text.as_bytes()));
    }
    match (request.method(), path.as_str()) {
        (&Method::GET, "/api/news") => news(dashboard),
        (&Method::POST, "/api/refresh") => act_on(request, dashboard, Act::Refresh).await,
        (&Method::POST, "/api/login") => act_on(request, dashboard, Act::Login).await,
        (&Method::POST, "/api/events") => act_on(request, dashboard, Act::Events).await,
        _ => refusal(StatusCode::NOT_FOUND, "There is nothing at this address."),
    }
}

/// The action of a button.
#[derive(Clone, Copy)]
enum Act {
    Refresh,
    Login,
    Events,
}

/// The resource of an action.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    namespace: String,
    name: String,
}

async fn act_on(
    request: Request<Incoming>,
    dashboard: &Arc<Dashboard>,
    what: Act,
) -> Response<Body> {
    let body = Limited::new(request.into_body(), MOST_BODY).collect();
    let body = timeout(BODY_DEADLINE, body).await.ok().and_then(Result::ok);
    let about = body.and_then(|body| serde_json::from_slice::<About>(&body.to_bytes()).ok());
    let Some(About { namespace, name }) = about else {
        return refusal(StatusCode::BAD_REQUEST, "The request names no resource.");
    };
    let key = (namespace, name);
    // Only resources on the page can be changed.
    if !dashboard.store.has(&key) {
        return refusal(
            StatusCode::NOT_FOUND,
            "There is no such OAuthClient any more.",
        );
    }
    let done = match what {
        Act::Refresh => act::refresh(dashboard, &key).await,
        Act::Login => act::login(dashboard, &key).await,
        Act::Events => act::events(dashboard, &key).await,
    };
    match done {
        Ok(value) => response(
            StatusCode::OK,
            "application/json",
            full(value.to_string().as_bytes()),
        ),
        Err(problem) => refusal(StatusCode::CONFLICT, &problem.message),
    }
}

/// The position of a page's stream.
struct Place {
    dashboard: Arc<Dashboard>,
    changed: watch::Receiver<u64>,
    version: Option<u64>,
    greeted: bool,
}

/// A line of JSON for each change, while the page is open.
fn news(dashboard: &Arc<Dashboard>) -> Response<Body> {
    let place = Place {
        dashboard: Arc::clone(dashboard),
        changed: dashboard.store.subscribe(),
        version: None,
        greeted: false,
    };
    let lines = stream::unfold(place, |mut place| async move {
        let line = place.next().await;
        Some((
            Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{line}\n")))),
            place,
        ))
    });
    response(
        StatusCode::OK,
        "application/x-ndjson",
        StreamBody::new(lines).boxed_unsync(),
    )
}

impl Place {
    async fn next(&mut self) -> Value {
        let dashboard = &self.dashboard;
        if !self.greeted {
            self.greeted = true;
            return json!({
                "api": dashboard.cluster.address(),
                "namespace": (!dashboard.everywhere).then_some(&dashboard.cluster.namespace),
                "version": OURS,
                "now": dashboard.clock.now().rfc3339_millis(),
            });
        }
        if self.version.is_some() && timeout(HEARTBEAT, self.changed.changed()).await.is_ok() {
            sleep(SETTLE).await;
        }
        self.changed.mark_unchanged();
        let now = dashboard.clock.now().rfc3339_millis();
        let news = dashboard.store.since(self.version, now);
        self.version = Some(news.version);
        serde_json::to_value(&news).unwrap_or_default()
    }
}

fn full(bytes: &[u8]) -> Body {
    Full::new(Bytes::copy_from_slice(bytes)).boxed_unsync()
}

fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    let text = json!({"error": message}).to_string();
    response(status, "application/json", full(text.as_bytes()))
}

fn response(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fixed: [(HeaderName, &'static str); 8] = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_nothing_inline_and_nothing_of_elsewhere() {
        for word in [
            "http:",
            "https:",
            "<style",
            "style=",
            "onclick",
            "javascript:",
            "url(",
            "@import",
        ] {
            assert!(!PAGE.contains(word) && !STYLE.contains(word), "{word}");
        }
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ] {
            assert!(
                !SCRIPT.contains(word),
                "{word}: text from a cluster must never become markup"
            );
        }
        assert!(POLICY.starts_with("default-src 'none'") && !POLICY.contains("unsafe"));
    }
}
