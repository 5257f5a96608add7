//! The HTTP client beneath the sender: connections, directly to checked addresses or through the administrator's proxy, and a
//! pool of them.
//!
//! The client is hyper's own, because only there the memory of a connection can be bounded: hundreds of responses are in flight
//! at once, and a server may send headers without end or more of a body than is asked for.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Uri, header};
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::time::timeout;
use tower_http::decompression::Decompression;
use tower_service::Service;

use super::error::SendError;
use super::resolve::Resolver;

/// The User-Agent header.
const USER_AGENT: &str = concat!("oauthclient-operator/", env!("CARGO_PKG_VERSION"));

/// How much is read of a connection before it is used: the longest headers of a response.
const MOST_READ_AHEAD: usize = 16 << 10;
/// Idle connections per host: as many as a host queue has slots.
const IDLE_CONNECTIONS: usize = 8;
/// How long an idle connection is kept: less than the time after which servers usually close it, because a request on a
/// closing connection is lost.
const IDLE_TIME: Duration = Duration::from_secs(30);

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;
/// A response whose body is decompressed while it is read.
pub type Response = http::Response<UnsyncBoxBody<Bytes, BoxError>>;
/// A request as it is sent.
pub type Request = http::Request<Full<Bytes>>;
/// Takes the place of the network: gets what would be sent, after all checks but those of the dialled address, and returns
/// what comes back.
pub type Network =
    Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response, SendError>> + Send + Sync>;

/// A client with its own connections. Cheap to clone; clones share them.
#[derive(Clone)]
pub(super) struct Client {
    pool: Decompression<Pool<Connector, Full<Bytes>>>,
    proxy: Option<Arc<Matcher>>,
}

impl Client {
    /// `proxy` decides which proxy a request takes; `None`: all are sent directly.
    pub(super) fn new(
        tls: ClientConfig,
        resolver: Resolver,
        proxy: Option<Arc<Matcher>>,
        connect_timeout: Duration,
    ) -> Client {
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        // Divided between the addresses of a name.
        http.set_connect_timeout(Some(connect_timeout));
        let connector = Connector {
            http,
            tls: Arc::new(tls),
            proxy: proxy.clone(),
            timeout: connect_timeout,
        };
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(MOST_READ_AHEAD)
            // Only what was not sent, because a kept connection had closed, takes another one: a token request is sent once, and the
            // schedule decides about retries.
            .retry_canceled_requests(true)
            .build(connector);
        Client {
            pool: Decompression::new(pool),
            proxy,
        }
    }

    /// Sends a request, and returns the beginning of the response. Redirects are responses.
    pub(super) async fn execute(&self, mut request: Request) -> Result<Response, BoxError> {
        let headers = request.headers_mut();
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        // A tunnel takes it while it is opened.
        if request.uri().scheme_str() == Some("http")
            && let Some(proxy) = self.intercept(request.uri())
            && let Some(auth) = proxy.basic_auth()
        {
            let headers = request.headers_mut();
            headers.insert(header::PROXY_AUTHORIZATION, auth.clone());
        }
        let mut pool = self.pool.clone();
        poll_fn(|cx| pool.poll_ready(cx)).await?;
        let response = pool.call(request).await?;
        Ok(response.map(UnsyncBoxBody::new))
    }

    fn intercept(&self, uri: &Uri) -> Option<Intercept> {
        self.proxy.as_ref()?.intercept(uri)
    }
}

/// Connects, within a deadline for name look-up, TCP and TLS together.
#[derive(Clone)]
struct Connector {
    http: HttpConnector<Resolver>,
    tls: Arc<ClientConfig>,
    proxy: Option<Arc<Matcher>>,
    timeout: Duration,
}

impl Connector {
    async fn connect(self, to: Uri) -> Result<Stream, BoxError> {
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.intercept(&to));
        let mut outer = HttpsConnector::from((self.http, Arc::clone(&self.tls)));
        let Some(proxy) = proxy else {
            let stream = outer.call(to).await?;
            return Ok(Stream::new(stream, false));
        };
        let server = proxy.uri().clone();
        if to.scheme_str() != Some("https") {
            let stream = outer.call(server).await?;
            return Ok(Stream::new(stream, true));
        }
        let mut tunnel = Tunnel::new(server, outer);
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        let agent = (header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let mut tunnel = tunnel.with_headers(HeaderMap::from_iter([agent]));
        let name = to.host().unwrap_or_default();
        let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())?;
        let tunneled = tunnel.call(to).await?;
        let stream = tokio_rustls::TlsConnector::from(self.tls)
            .connect(name, TokioIo::new(tunneled))
            .await?;
        Ok(Stream::new(TokioIo::new(stream), false))
    }
}

/// A connection.
struct Stream {
    io: Box<dyn Io>,
    /// Requests name the whole URL, because a proxy passes them on.
    is_proxy: bool,
}

trait Io: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Io for T {}

impl Stream {
    fn new(io: impl Io + 'static, is_proxy: bool) -> Stream {
        let io = Box::new(io);
        Stream { io, is_proxy }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_proxy)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let deadline = connector.timeout;
            match timeout(deadline, connector.connect(to)).await {
                Ok(connected) => connected,
                Err(_) => Err(ConnectTimedOut.into()),
            }
        })
    }
}

/// Connecting took too long.
#[derive(Debug)]
pub(super) struct ConnectTimedOut;

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connecting took too long")
    }
}

impl StdError for ConnectTimedOut {}
