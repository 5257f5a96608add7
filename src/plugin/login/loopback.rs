//! The listener for the redirect of the browser. It accepts one login, and answers everything else with a plain page.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::page::{Kind, POLICY, Page};
use super::redirect::RedirectUri;
use crate::lock::lock;
use crate::oauth::login::redirect::Redirect;

/// A browser opens several connections at a time.
const CONNECTIONS: usize = 32;
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// The deadline for delivering the last page.
const LAST_PAGE: Duration = Duration::from_secs(3);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Parses the query of a redirect.
pub(super) type RedirectParser = Box<dyn Fn(&str) -> Redirect + Send + Sync>;

/// A received request.
pub(super) enum ReceivedRequest {
    /// The redirect of this login.
    Answer(Redirect),
    /// A request with the right path that does not belong to this login.
    Foreign,
}

/// Listens until the last page is set.
pub(super) struct Loopback {
    /// The redirect URI to send.
    pub(super) uri: String,
    requests: mpsc::Receiver<ReceivedRequest>,
    last: watch::Sender<Option<Page>>,
    stop: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<()>,
}

struct ListenerState {
    redirect: RedirectUri,
    port: u16,
    parse_redirect: RedirectParser,
    /// Taken by the redirect, so that a second one finds nothing.
    open: Mutex<bool>,
    requests: mpsc::Sender<ReceivedRequest>,
    last: watch::Receiver<Option<Page>>,
}

impl Loopback {
    /// Binds the address.
    pub(super) async fn listen(
        redirect: RedirectUri,
        parse_redirect: RedirectParser,
    ) -> io::Result<Loopback> {
        let listener = TcpListener::bind(redirect.address()).await?;
        let port = listener.local_addr()?.port();
        let uri = redirect.uri(port);
        let (request_sender, requests) = mpsc::channel(16);
        let (last, last_seen) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::new(ListenerState {
            parse_redirect,
            redirect,
            port,
            open: Mutex::new(true),
            requests: request_sender,
            last: last_seen,
        });
        Ok(Loopback {
            uri,
            requests,
            last,
            stop: Some(stop),
            server: tokio::spawn(serve(listener, shared, stopped)),
        })
    }

    /// The next request.
    pub(super) async fn next_request(&mut self) -> Option<ReceivedRequest> {
        self.requests.recv().await
    }

    /// Shows the result in the browser, waits a moment until it has the page, and stops listening.
    pub(super) async fn end(mut self, page: Page) {
        self.last.send_replace(Some(page));
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if timeout(LAST_PAGE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<ListenerState>, stopped: oneshot::Receiver<()>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stopped = std::pin::pin!(stopped);
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            accepted = next => accepted,
        };
        match accepted {
            Some((slot, Ok((stream, _)))) => {
                let (shared, ended) = (Arc::clone(&shared), ended.clone());
                connections.spawn(async move {
                    connection(stream, shared, ended).await;
                    drop(slot);
                });
            }
            Some((_, Err(_))) => sleep(ACCEPT_PAUSE).await,
            None => break,
        }
    }
    drop(listener);
    let _ = ending.send(true);
    while connections.join_next().await.is_some() {}
}

/// One connection. Unused connections of browsers are closed when it ends.
async fn connection(
    stream: TcpStream,
    shared: Arc<ListenerState>,
    mut ended: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, &shared).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        _ = ended.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

async fn answer(request: &Request<Incoming>, shared: &ListenerState) -> Response<Full<Bytes>> {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| shared.redirect.is_host(host, shared.port)) {
        return html(StatusCode::MISDIRECTED_REQUEST, &not_here());
    }
    if request.uri().path() != shared.redirect.path() {
        return html(StatusCode::NOT_FOUND, &not_here());
    }
    if *request.method() != Method::GET {
        let mut response = html(StatusCode::METHOD_NOT_ALLOWED, &not_here());
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let redirect = (shared.parse_redirect)(request.uri().query().unwrap_or_default());
    if matches!(redirect, Redirect::Foreign) {
        let _ = shared.requests.try_send(ReceivedRequest::Foreign);
        return html(StatusCode::BAD_REQUEST, &foreign());
    }
    let first = {
        let mut open = lock(&shared.open);
        std::mem::replace(&mut *open, false)
    };
    if !first {
        return html(StatusCode::OK, &again());
    }
    if shared
        .requests
        .send(ReceivedRequest::Answer(redirect))
        .await
        .is_err()
    {
        return html(StatusCode::GONE, &again());
    }
    // The page shows the result, so it waits for it: each step has a deadline.
    let mut last = shared.last.clone();
    let page = last.wait_for(Option::is_some).await;
    match page.ok().and_then(|page| page.clone()) {
        Some(page) if page.kind == Kind::Done => html(StatusCode::OK, &page),
        Some(page) => html(StatusCode::BAD_REQUEST, &page),
        None => html(StatusCode::GONE, &again()),
    }
}

fn not_here() -> Page {
    Page::new(
        Kind::Aside,
        "Nothing here",
        &[
            "A login is waiting at another address of this machine. Go back to the window in which you log in.",
        ],
    )
}

fn foreign() -> Page {
    Page::new(
        Kind::Failed,
        "This answer is not for the login that is waiting",
        &[
            "It may be from an earlier try. Nothing was taken of it, and the login still waits.",
            "Open the address that the terminal shows now, and log in there.",
        ],
    )
}

fn again() -> Page {
    Page::new(
        Kind::Aside,
        "This login was answered already",
        &["Nothing was done twice. The terminal shows the result; you can close this window."],
    )
}

fn html(status: StatusCode, page: &Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.html())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}
