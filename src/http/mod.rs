//! Sends token requests: one guarded HTTP client, with typed errors.
//!
//! For every exchange:
//!
//! - It uses `https`, unless the administrator allows `http`, with TLS 1.2 or later, and trusts the certificates of the
//!   system and the resource's CA bundle.
//! - Only the resource that has a client certificate presents it. Connections are not shared between certificates, and
//!   no TLS session is resumed with another one.
//! - The dialled address has passed the rules of [`address`], however it was written or resolved.
//! - A proxy from the environment is chosen by the administrator and exempt. It resolves the endpoint's name: literals
//!   and `localhost` are still refused here, other names only by the proxy.
//! - One deadline covers everything from DNS to the last byte, however slowly the bytes arrive.
//! - It follows no redirects, sends no cookies, retries nothing, and reads at most [`MAX_BODY`], counted after
//!   decompression and per chunk, and at most 16 KiB of headers.
//! - No error contains any part of URL, headers or body.

pub mod address;
mod classify;
mod clients;
mod error;
mod identity;
mod pem;
mod proxy;
mod resolve;
mod room;
mod route;
mod tls;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPIRES, HeaderMap, HeaderName,
    HeaderValue, RETRY_AFTER,
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body as _;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::fair::FairSemaphore;
use crate::oauth::discovery::Caching;
use crate::oauth::{HttpAnswer, HttpRequest, Method, SentSecrets};
use crate::secret::Secret;
use crate::trust::{AuthorizedRequest, Lenders, authorize};

use address::AddressRules;
use clients::Clients;
use room::Rooms;

pub use error::{ConnectProblem, Peer, SendError, TlsProblem};
pub use identity::{BadIdentity, CERTIFICATE_KEY, ClientIdentity, PRIVATE_KEY_KEY};
pub use proxy::{BadProxy, ProxySettings};
pub use resolve::Lookup;
pub use room::{COPIES, MAX_ANSWERS, MAX_BODY, Room};
pub use route::Route;
pub use tls::{BadCaBundle, CaBundle};
pub use transport::{Network, Request as SentRequest, Response as ReceivedResponse};

/// So many headers of a response are kept. The HTTP library bounds their length.
const MAX_HEADERS: usize = 64;
/// The minimum time for the rest of a large response.
const LEAST_TIME: Duration = Duration::from_millis(100);
/// The same after a wait for room, in which the connection fell asleep: a response that arrived in time must not be lost
/// because little of the time was left.
const LEAST_TIME_AFTER_WAIT: Duration = Duration::from_secs(10);
/// A shorter wait for room is not why the rest of a response does not arrive.
const NO_WAIT: Duration = Duration::from_secs(1);
/// The default time-out for connecting: DNS, TCP and TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Settings for all requests of a process.
#[derive(Clone)]
pub struct SenderOptions {
    /// Allow `http` endpoints.
    pub allow_http: bool,
    /// The addresses that may be dialled.
    pub addresses: AddressRules,
    /// The time-out for connecting (DNS, TCP and TLS); [`CONNECT_TIMEOUT`] by default.
    pub connect_timeout: Duration,
    /// Which requests use a proxy; by default none.
    pub proxies: ProxySettings,
    /// How names are resolved; `None` uses the system's resolver.
    pub lookup: Option<Lookup>,
    /// Takes the place of the network; `None` is the network.
    pub network: Option<Network>,
    /// Measures time-outs.
    pub clock: Clock,
}

impl Default for SenderOptions {
    /// The strictest settings: only https, only ordinary addresses, no proxy.
    fn default() -> Self {
        SenderOptions {
            allow_http: false,
            addresses: AddressRules::default(),
            connect_timeout: CONNECT_TIMEOUT,
            proxies: ProxySettings::default(),
            lookup: None,
            network: None,
            clock: Clock::system(),
        }
    }
}

/// Sends token requests. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    allow_http: bool,
    rules: Arc<AddressRules>,
    matcher: Arc<Matcher>,
    clients: Clients,
    lookups: FairSemaphore,
    rooms: Rooms,
    network: Option<Network>,
    clock: Clock,
}

impl Sender {
    /// Reads the system's trusted certificates once, from files. Finding none is not an error (see
    /// [`Sender::trusted_certificates`]).
    ///
    /// # Errors
    /// [`BadProxy`] if the environment names an invalid proxy.
    pub fn new(options: SenderOptions) -> Result<Sender, BadProxy> {
        options.proxies.check()?;
        let rules = Arc::new(options.addresses);
        let matcher = Arc::new(options.proxies.matcher());
        let (lookup, lookups) = resolve::bounded(options.lookup.unwrap_or_else(resolve::system));
        let clients = Clients::new(
            Arc::clone(&rules),
            lookup,
            Arc::clone(&matcher),
            options.connect_timeout,
            tls::system_roots(),
        );
        Ok(Sender(Arc::new(Inner {
            allow_http: options.allow_http,
            rules,
            matcher,
            clients,
            lookups,
            rooms: Rooms::new(),
            network: options.network,
            clock: options.clock,
        })))
    }

    /// The number of trusted system certificates. Log a warning if it is 0: then only CA bundles are trusted.
    pub fn trusted_certificates(&self) -> usize {
        self.0.clients.roots.len()
    }

    /// Sends a request once, and reads the whole response, whatever its status.
    ///
    /// Dropping the future ends the exchange.
    ///
    /// # Errors
    /// [`SendError`], without any part of request or response.
    pub async fn send(
        &self,
        request: &AuthorizedRequest<'_>,
        to: &Route,
    ) -> Result<HttpAnswer, SendError> {
        let (answer, _) = self.send_counted(request, to, None).await?;
        Ok(answer)
    }

    /// Reads a public document: one GET without credentials. The guarantees for token requests apply. The result
    /// includes the caching headers.
    ///
    /// # Errors
    /// [`SendError`], as [`Sender::send`].
    pub async fn fetch(
        &self,
        url: &url::Url,
        to: &Route,
    ) -> Result<(HttpAnswer, Caching), SendError> {
        let request = HttpRequest {
            method: Method::Get,
            url: url.as_str().into(),
            headers: vec![("accept".to_owned(), "application/json".into())],
            body: Secret::new(Vec::new()),
            secrets: SentSecrets::default(),
            lenders: Lenders::none(),
        };
        let request = authorize(&request, &Lenders::none()).map_err(|_| SendError::BadUrl)?;
        let (answer, caching, _) = self.exchange(&request, to, None).await?;
        Ok((answer, caching))
    }

    /// Sets room aside for a response before its request is sent. `last` is the size in bytes of the last response of its
    /// kind, where that is known; `is_only_copy`, whether something is lost with the response, as the next refresh token is.
    /// `None` where there is no room now, or, for an only copy, within 5 s.
    pub async fn set_room_aside(&self, last: Option<usize>, is_only_copy: bool) -> Option<Room> {
        self.0.rooms.set_aside(last, is_only_copy).await
    }

    /// Like [`Sender::send`], and also returns the response's share of the byte limit ([`MAX_ANSWERS`]). Keep it as long as the
    /// response. `room` is what was set aside for it, if anything was.
    ///
    /// # Errors
    /// [`SendError`], as [`Sender::send`].
    pub async fn send_counted(
        &self,
        request: &AuthorizedRequest<'_>,
        to: &Route,
        room: Option<Room>,
    ) -> Result<(HttpAnswer, Room), SendError> {
        let (answer, _, place) = self.exchange(request, to, room).await?;
        let answer = HttpAnswer {
            sent: request.request().secrets.clone(),
            ..answer
        };
        Ok((answer, place))
    }

    /// Each with those that wait for it: look-ups of names under way; bytes of responses that are held; responses that are read
    /// beside that bound, since they outgrew the room that was set aside for them.
    pub fn usage(&self) -> [(usize, usize); 3] {
        let [responses, rescues] = self.0.rooms.usage();
        [self.0.lookups.usage(), responses, rescues]
    }

    async fn exchange(
        &self,
        request: &AuthorizedRequest<'_>,
        to: &Route,
        room: Option<Room>,
    ) -> Result<(HttpAnswer, Caching, Room), SendError> {
        let shown = to.identity.as_ref().map(ClientIdentity::lenders);
        if !shown.is_none_or(|lenders| request.may_show(lenders)) {
            return Err(SendError::Setup);
        }
        let url = self.checked_url(request.url())?;
        let uri: http::Uri = url.as_str().parse().map_err(|_| SendError::BadUrl)?;
        let through_proxy = self.0.matcher.intercept(&uri).is_some();
        let prepared = prepare(request.request(), uri)?;
        let timed_out = |answering| SendError::Timeout {
            after: to.timeout,
            answering,
        };
        let begun = self.0.clock.elapsed();
        let response = timeout(to.timeout, self.transmit(prepared, to, through_proxy))
            .await
            .map_err(|_| timed_out(false))??;
        let mut reading = Reading::begin(response);
        if reading.expected.is_some_and(|expected| expected > MAX_BODY) {
            return Err(SendError::BodyTooLarge);
        }
        let left = to
            .timeout
            .saturating_sub(self.0.clock.elapsed().saturating_sub(begun));
        let most = room.as_ref().map_or(room::USUAL, Room::bytes);
        let is_whole = timeout(left, reading.read_next(most))
            .await
            .map_err(|_| timed_out(true))??;
        let held = || self.0.rooms.count(reading.body.capacity());
        let mut room = room.unwrap_or_else(held);
        if !is_whole {
            let took = self.0.clock.elapsed().saturating_sub(begun);
            let left = to.timeout.saturating_sub(took);
            room = self
                .0
                .rooms
                .for_all(room, reading.most(), left)
                .await
                .ok_or(SendError::NoRoom)?;
            let waited = self.0.clock.elapsed().saturating_sub(begun + took);
            let least = match waited >= NO_WAIT {
                true => LEAST_TIME_AFTER_WAIT,
                false => LEAST_TIME,
            };
            // Waiting for room does not count against the provider's time-out.
            let rest = timeout(left.max(least), reading.read_next(MAX_BODY)).await;
            match rest.unwrap_or_else(|_| Err(timed_out(true))) {
                // A server that does not wait as long.
                Err(_) if waited >= NO_WAIT => return Err(SendError::NoRoom),
                rest => rest?,
            };
        }
        room.settle(reading.body.capacity());
        let (answer, caching) = reading.end();
        Ok((answer, caching, room))
    }

    /// Sends a request, and returns the beginning of the response.
    async fn transmit(
        &self,
        request: transport::Request,
        to: &Route,
        through_proxy: bool,
    ) -> Result<transport::Response, SendError> {
        if let Some(network) = &self.0.network {
            return network(request).await;
        }
        let clients = &self.0.clients;
        let client = clients.get(to.ca.as_ref(), to.identity.as_ref(), through_proxy)?;
        client.execute(request).await.map_err(|error| {
            error::of_our_certificate(classify::classify(&*error, through_proxy), to)
        })
    }

    /// The URL, if all checks that need no DNS look-up pass.
    fn checked_url(&self, url: &url::Url) -> Result<url::Url, SendError> {
        // A user name in the URL would be sent as an additional Basic authentication.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SendError::BadUrl);
        }
        match url.scheme() {
            "https" => {}
            "http" if self.0.allow_http => {}
            "http" => return Err(SendError::HttpNotAllowed),
            _ => return Err(SendError::BadUrl),
        }
        let host = url.host().ok_or(SendError::BadUrl)?;
        match self.0.rules.check_host(&host) {
            Ok(()) => Ok(url.clone()),
            Err((address, kind)) => Err(SendError::AddressRefused { address, kind }),
        }
    }
}

/// Converts the request into the HTTP library's type.
fn prepare(request: &HttpRequest, uri: http::Uri) -> Result<transport::Request, SendError> {
    let method = match request.method {
        Method::Post => http::Method::POST,
        Method::Get => http::Method::GET,
        Method::Put => http::Method::PUT,
    };
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 1);
    for (name, value) in &request.headers {
        let bad = || SendError::BadHeader { name: name.clone() };
        let mut value = HeaderValue::from_bytes(value.expose_bytes()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?,
            value,
        );
    }
    if request.body.is_empty() && request.method != Method::Get {
        // Some servers answer 411 to a POST without a length.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let body = match request.body.is_empty() {
        true => Bytes::new(),
        false => Bytes::from_owner(SharedBody(request.body.clone())),
    };
    let mut prepared = transport::Request::new(Full::new(body));
    *prepared.method_mut() = method;
    *prepared.uri_mut() = uri;
    *prepared.headers_mut() = headers;
    Ok(prepared)
}

/// A body that is wiped when the HTTP library drops it.
struct SharedBody(Secret);

impl AsRef<[u8]> for SharedBody {
    fn as_ref(&self) -> &[u8] {
        self.0.expose_bytes()
    }
}

/// A response that is being read.
struct Reading {
    response: transport::Response,
    /// The content length, if known.
    expected: Option<usize>,
    body: Zeroizing<Vec<u8>>,
}

impl Reading {
    fn begin(response: transport::Response) -> Reading {
        let expected = response.body().size_hint().exact();
        let expected = expected.and_then(|length| usize::try_from(length).ok());
        let room = expected.unwrap_or(room::USUAL).min(room::USUAL);
        Reading {
            response,
            expected,
            body: Zeroizing::new(Vec::with_capacity(room)),
        }
    }

    /// Reads until the end, or until `most` bytes or more are there; returns whether the end was reached. A response
    /// larger than [`MAX_BODY`] is an error.
    async fn read_next(&mut self, most: usize) -> Result<bool, SendError> {
        // A response whose known length exceeds the limit is not read.
        if self.expected.is_some_and(|expected| expected > most) && most < MAX_BODY {
            return Ok(false);
        }
        while let Some(frame) = self.response.body_mut().frame().await {
            let frame = frame.map_err(|error| classify::classify(&*error, false))?;
            let Ok(chunk) = frame.into_data() else {
                continue;
            };
            if self.body.len() + chunk.len() > MAX_BODY {
                return Err(SendError::BodyTooLarge);
            }
            self.make_room(chunk.len());
            self.body.extend_from_slice(&chunk);
            if self.body.len() >= most && most < MAX_BODY {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reserves memory for a chunk, or for the whole response if its length is known. Growing leaves no parts of a
    /// token in freed memory.
    fn make_room(&mut self, chunk: usize) {
        let needed = self.body.len() + chunk;
        if needed <= self.body.capacity() {
            return;
        }
        let whole = self.expected.unwrap_or(0).min(MAX_BODY);
        let mut larger = Zeroizing::new(Vec::with_capacity(
            whole.max(needed).max(2 * self.body.len()).min(MAX_BODY),
        ));
        larger.extend_from_slice(&self.body);
        self.body = larger;
    }

    /// How large it can be at the most, in bytes.
    fn most(&self) -> usize {
        let announced = self.expected.unwrap_or(MAX_BODY).min(MAX_BODY);
        announced.max(self.body.len())
    }

    fn end(mut self) -> (HttpAnswer, Caching) {
        let headers = self.response.headers();
        let text = |name: HeaderName| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let caching = Caching {
            cache_control: joined(headers),
            expires: text(EXPIRES),
            date: text(DATE),
            age: text(AGE),
        };
        let all = headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), Secret::from(value)))
        });
        let answer = HttpAnswer {
            status: self.response.status().as_u16(),
            content_type: text(CONTENT_TYPE),
            retry_after: text(RETRY_AFTER),
            headers: all.take(MAX_HEADERS).collect(),
            body: Secret::new(std::mem::take(&mut *self.body)),
            sent: SentSecrets::default(),
        };
        (answer, caching)
    }
}

/// `Cache-Control`, which may consist of several headers.
fn joined(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}
