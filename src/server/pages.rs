//! The responses of the two ports, and how one connection is served.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::probes::{Liveness, Readiness};
use super::readers::{AccessVerdict, Readers};
use crate::clock::Clock;
use crate::lock::lock;
use crate::metrics::{Format, Metrics};

/// The maximum size of the head of a request.
const MOST_HEAD: usize = 16 << 10;

/// A page of metrics is reused for this many times as long as it took to render, so that scrapes use at most a tenth of
/// one processor.
const REST: u32 = 9;
/// The maximum time for which a page is reused.
const OLDEST: Duration = Duration::from_secs(1);

/// The sources of the responses. Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    /// Behind `/healthz`.
    pub liveness: Liveness,
    /// Behind `/readyz`.
    pub readiness: Readiness,
    /// Behind `/metrics`.
    pub metrics: Metrics,
    clock: Clock,
    written: Arc<Mutex<HashMap<Format, RenderedPage>>>,
}

/// The last rendered page of metrics, in one format.
struct RenderedPage {
    page: Bytes,
    until: Duration,
}

/// How a port responds to a request of a client.
pub(super) type Handler = Arc<
    dyn Fn(Pages, Request<Incoming>, IpAddr) -> Pin<Box<dyn Future<Output = Page> + Send>>
        + Send
        + Sync,
>;

/// A response.
pub(super) type Page = Response<Full<Bytes>>;

impl Pages {
    /// The sources in a process that has just started.
    pub fn new(clock: &Clock, metrics: Metrics) -> Self {
        Pages {
            liveness: Liveness::new(clock.clone()),
            readiness: Readiness::default(),
            metrics,
            clock: clock.clone(),
            written: Arc::default(),
        }
    }

    /// All metrics: current, or from a moment ago if rendering takes long.
    fn metrics_page(&self, format: Format) -> Bytes {
        let mut written = lock(&self.written);
        let begun = self.clock.elapsed();
        if let Some(last) = written.get(&format).filter(|last| begun < last.until) {
            return last.page.clone();
        }
        let page = Bytes::from(self.metrics.render(format));
        let now = self.clock.elapsed();
        let rest = (now.saturating_sub(begun) * REST).min(OLDEST);
        let last = RenderedPage {
            page: page.clone(),
            until: now + rest,
        };
        written.insert(format, last);
        page
    }
}

/// Serves the one request of a connection.
pub(super) async fn connection(
    stream: TcpStream,
    header: Duration,
    pages: Pages,
    answer: Handler,
    client: IpAddr,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(pages.clone(), request, client);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    // A client that disconnects only harms itself.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header)
        .max_buf_size(MOST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The responses of the port for probes.
pub(super) fn probe<B>(pages: &Pages, request: &Request<B>) -> Page {
    if let Some(refused) = only_get(request) {
        return refused;
    }
    match request.uri().path() {
        "/healthz" => verdict(pages.liveness.check()),
        "/readyz" => verdict(pages.readiness.check()),
        _ => text(
            StatusCode::NOT_FOUND,
            "This port has /healthz and /readyz. /metrics is on the port of --listen.\n",
        ),
    }
}

/// The responses of the port for metrics.
pub(super) async fn scrape<B>(
    pages: &Pages,
    readers: &Readers,
    request: &Request<B>,
    client: IpAddr,
) -> Page {
    if let Some(refused) = only_get(request) {
        return refused;
    }
    if request.uri().path() != "/metrics" {
        return text(
            StatusCode::NOT_FOUND,
            "This port has /metrics. /healthz and /readyz are on the port of --probe-listen.\n",
        );
    }
    match readers.judge(request.headers(), client).await {
        AccessVerdict::Allowed => {}
        AccessVerdict::Unauthenticated => {
            let mut answer = text(
                StatusCode::UNAUTHORIZED,
                "Send a token of this cluster: Authorization: Bearer TOKEN\n",
            );
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            return answer;
        }
        AccessVerdict::Forbidden => {
            return text(
                StatusCode::FORBIDDEN,
                "The token's user may not get /metrics. Bind it to the ClusterRole oauthclient-metrics-reader.\n",
            );
        }
        AccessVerdict::Unknown => {
            let mut answer = text(
                StatusCode::SERVICE_UNAVAILABLE,
                "Who may read this cannot be found out now. The operator's log says why.\n",
            );
            let wait = HeaderValue::from_static("5");
            answer.headers_mut().insert(RETRY_AFTER, wait);
            return answer;
        }
    }
    let accept = request.headers().get(ACCEPT);
    let format = Format::of_accept(accept.and_then(|accept| accept.to_str().ok()));
    let mut response = text(StatusCode::OK, pages.metrics_page(format));
    let kind = HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn only_get<B>(request: &Request<B>) -> Option<Page> {
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    (!read).then(|| text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n"))
}

fn verdict(verdict: Result<String, String>) -> Page {
    let (status, words) = match verdict {
        Ok(words) => (StatusCode::OK, words),
        Err(words) => (StatusCode::SERVICE_UNAVAILABLE, words),
    };
    text(status, words + "\n")
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Page {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
