//! The rim where token requests are sent: one guarded HTTP client, and everything that can go wrong with it, typed.
//!
//! What holds for every exchange:
//!
//! - It is `https`, unless the operator was told otherwise, with TLS 1.2 or later, trusting the system's certificates
//!   and the resource's CA bundle.
//! - A client certificate is shown by the resource that has one, and by no other: connections are not shared between two
//!   certificates, nor is a TLS session resumed under another one.
//! - The address that is dialled has passed [`address`]'s rules, however it was written or resolved.
//! - A proxy of the environment is the administrator's and exempt. Through a proxy, it is the proxy that resolves the
//!   endpoint's name: literals and `localhost` are still refused here, names are the proxy's to refuse.
//! - It is over when its time is: from DNS to the last byte, however slowly bytes drip.
//! - It follows no redirect, sends no cookie, retries nothing and reads at most [`MAX_BODY`], counted after
//!   decompression and chunk by chunk.
//! - No error holds anything of URL, headers or body.

pub mod address;
mod classify;
mod clients;
mod error;
mod identity;
mod proxy;
mod resolve;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPIRES, HeaderMap, HeaderName,
    HeaderValue, RETRY_AFTER,
};
use hyper_util::client::proxy::matcher::Matcher;
use zeroize::Zeroizing;

use crate::oauth::discovery::Caching;
use crate::oauth::{HttpAnswer, HttpRequest, Method, SentSecrets};
use crate::secret::Secret;
use address::AddressRules;
use clients::Clients;

pub use error::{ConnectProblem, SendError, TlsProblem};
pub use identity::{BadIdentity, CERTIFICATE_KEY, ClientIdentity, PRIVATE_KEY_KEY};
pub use proxy::{BadProxy, ProxySettings};
pub use resolve::Lookup;
pub use tls::{BadCaBundle, CaBundle};

/// The largest body that is read, in bytes after decompression: 1 MiB.
pub const MAX_BODY: usize = 1 << 20;
/// Room for an answer whose length is not told, in bytes.
const USUAL_BODY: usize = 16 << 10;
/// How long connecting may take unless set otherwise: DNS, TCP and TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What we call ourselves.
const USER_AGENT: &str = concat!("oauthclient-operator/", env!("CARGO_PKG_VERSION"));

/// What is the same for every request of a process.
#[derive(Clone)]
pub struct SenderOptions {
    /// Send to `http:` endpoints too.
    pub allow_http: bool,
    /// Which addresses may be dialled.
    pub addresses: AddressRules,
    /// How long connecting may take (DNS, TCP and TLS); [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// Which requests go through a proxy; none, unless taken from the environment.
    pub proxies: ProxySettings,
    /// How names are resolved; `None` is the system's way.
    pub lookup: Option<Lookup>,
}

impl Default for SenderOptions {
    /// The strictest: https only, ordinary addresses only, no proxy.
    fn default() -> Self {
        SenderOptions {
            allow_http: false,
            addresses: AddressRules::default(),
            connect_timeout: CONNECT_TIMEOUT,
            proxies: ProxySettings::default(),
            lookup: None,
        }
    }
}

/// What is one resource's own about the sending.
#[derive(Clone)]
pub struct Route {
    /// Certificates trusted besides the system's.
    pub ca: Option<CaBundle>,
    /// The certificate that is shown when the endpoint asks for one (RFC 8705).
    pub identity: Option<ClientIdentity>,
    /// How long the whole exchange may take, from DNS to the last byte.
    pub timeout: Duration,
}

/// Sends token requests. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    allow_http: bool,
    rules: Arc<AddressRules>,
    matcher: Matcher,
    clients: Clients,
}

impl Sender {
    /// Sets up. Reads the system's trusted certificates once, from files; it is no error if there are none
    /// (see [`Sender::trusted_certificates`]).
    ///
    /// # Errors
    /// [`BadProxy`], when the environment names a proxy that cannot be used.
    pub fn new(options: SenderOptions) -> Result<Sender, BadProxy> {
        options.proxies.proxies()?;
        let rules = Arc::new(options.addresses);
        let matcher = options.proxies.matcher();
        let lookup = options.lookup.unwrap_or_else(resolve::system);
        let clients = Clients::new(
            Arc::clone(&rules),
            lookup,
            options.proxies,
            options.connect_timeout,
            tls::system_roots(),
        );
        Ok(Sender(Arc::new(Inner {
            allow_http: options.allow_http,
            rules,
            matcher,
            clients,
        })))
    }

    /// How many of the system's certificates are trusted. Worth a warning when 0: then only CA bundles vouch for anyone.
    pub fn trusted_certificates(&self) -> usize {
        self.0.clients.roots.len()
    }

    /// Sends a request, once, and reads the whole answer, whatever its status.
    ///
    /// Dropping the future ends the exchange.
    ///
    /// # Errors
    /// [`SendError`]; nothing of request or answer is in it.
    pub async fn send(&self, request: &HttpRequest, to: &Route) -> Result<HttpAnswer, SendError> {
        let (answer, _) = self.exchange(request, to).await?;
        Ok(HttpAnswer {
            sent: request.secrets.clone(),
            ..answer
        })
    }

    /// Reads a public document: a GET without any credential, once. Everything that holds for token requests holds for it,
    /// besides its headers that say how long it may be kept.
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
        };
        self.exchange(&request, to).await
    }

    async fn exchange(
        &self,
        request: &HttpRequest,
        to: &Route,
    ) -> Result<(HttpAnswer, Caching), SendError> {
        let url = self.checked_url(request)?;
        let uri: http::Uri = url.as_str().parse().map_err(|_| SendError::BadUrl)?;
        let through_proxy = self.0.matcher.intercept(&uri).is_some();
        let client = self
            .0
            .clients
            .get(to.ca.as_ref(), to.identity.as_ref(), through_proxy)?;
        let prepared = prepare(request, url)?;
        let answering = AtomicBool::new(false);
        let exchange = async {
            let response = client.execute(prepared).await.map_err(|error| {
                classify::classify(&error, through_proxy).of_our_certificate(to)
            })?;
            answering.store(true, Ordering::Relaxed);
            read(response).await
        };
        match tokio::time::timeout(to.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Timeout {
                after: to.timeout,
                answering: answering.load(Ordering::Relaxed),
            }),
        }
    }

    /// The URL, if it may be sent to as far as can be told without resolving it.
    fn checked_url(&self, request: &HttpRequest) -> Result<url::Url, SendError> {
        let url: url::Url = request
            .url
            .expose()
            .and_then(|text| text.parse().ok())
            .ok_or(SendError::BadUrl)?;
        // A user name in the URL would be sent as Basic authentication besides ours.
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
            Ok(()) => Ok(url),
            Err((address, kind)) => Err(SendError::AddressRefused { address, kind }),
        }
    }
}

/// Turns the request as data into the HTTP library's.
fn prepare(request: &HttpRequest, url: url::Url) -> Result<reqwest::Request, SendError> {
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
        // Some servers answer 411 to a POST that does not say that it is empty.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut prepared = reqwest::Request::new(method, url);
    *prepared.headers_mut() = headers;
    if !request.body.is_empty() {
        *prepared.body_mut() = Some(Bytes::from_owner(Shared(request.body.clone())).into());
    }
    Ok(prepared)
}

/// A body that is wiped when the HTTP library lets go of it.
struct Shared(Secret);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.expose_bytes()
    }
}

/// Reads an answer to its end, or to the cap.
async fn read(mut response: reqwest::Response) -> Result<(HttpAnswer, Caching), SendError> {
    let text = |name: HeaderName| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let (content_type, retry_after) = (text(CONTENT_TYPE), text(RETRY_AFTER));
    let caching = Caching {
        cache_control: joined(response.headers()),
        expires: text(EXPIRES),
        date: text(DATE),
        age: text(AGE),
    };
    let status = response.status().as_u16();
    // Room for the whole answer where its length is known: growing would leave pieces of a token in freed memory.
    let expected = response
        .content_length()
        .and_then(|length| usize::try_from(length).ok());
    let mut body = Zeroizing::new(Vec::with_capacity(
        expected.unwrap_or(USUAL_BODY).min(MAX_BODY),
    ));
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| classify::classify(&error, false))?
    {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(SendError::BodyTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let answer = HttpAnswer {
        status,
        content_type,
        retry_after,
        body: Secret::new(std::mem::take(&mut *body)),
        sent: SentSecrets::default(),
    };
    Ok((answer, caching))
}

/// `Cache-Control`, which may come in several lines.
fn joined(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}
