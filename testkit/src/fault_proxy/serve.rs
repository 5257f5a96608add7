//! One request's path through the proxy.

use super::answers::{self, Whole};
use super::rule::{Answer, Fault, WatchFault, is_watch};
use super::watch::{self, Events};
use super::{Dropped, OpenWatch, Request, RuleId, Shared};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch as latch};
use tokio_rustls::TlsAcceptor;

/// What belongs to one connection and not to the message (RFC 9110, 7.6.1), and what the two sides settle for themselves.
const NOT_PASSED_ON: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // Otherwise responses would be compressed, and recorded ones could not be compared.
    header::ACCEPT_ENCODING,
];
/// How long a client may take for its side of TLS.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// A complete response, or the events of a watch.
type Body = Either<Full<Bytes>, StreamBody<Events>>;

/// What a request has to go through.
#[derive(Default)]
struct Trouble {
    delays: Vec<Duration>,
    fault: Option<(RuleId, Fault, latch::Receiver<bool>)>,
}

/// Lets connections in until the task is ended.
pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _client)) = listener.accept().await else {
            // Out of descriptors: others may be closed meanwhile.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // Before the look, so that an outage that begins between the two is not missed.
        let down = shared.down.subscribe();
        if *down.borrow() {
            // A reset, as from a port without a listener; if that fails, it is closed anyway.
            let _closed_anyway = stream.set_zero_linger();
            continue;
        }
        tokio::spawn(connection(
            stream,
            acceptor.clone(),
            Arc::clone(&shared),
            down,
        ));
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    mut down: latch::Receiver<bool>,
) {
    let serving = async {
        // Sends small responses at once. Without it they are only slower.
        let _slower = stream.set_nodelay(true);
        let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await
        else {
            return;
        };
        let service = service_fn(|request| Arc::clone(&shared).answer(request));
        // Its errors are closed connections: intended ones, or closed by the client.
        let _closed = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    };
    tokio::select! {
        () = serving => {}
        // The latch may be reset before this task sees it: any change counts.
        _ = down.changed() => {}
    }
}

impl Shared {
    /// Answers one request, or closes its connection.
    async fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
    ) -> Result<Response<Body>, Dropped> {
        let (head, body) = request.into_parts();
        let id = self.record(&head);
        let trouble = self.trouble(id, &head);
        // A client that closed the connection in the middle of its request needs no response.
        let body = body.collect().await.map_err(|_gone| Dropped)?.to_bytes();
        for delay in trouble.delays {
            tokio::time::sleep(delay).await;
        }
        let answer = match trouble.fault {
            None => self.pass(id, &head, body, None).await?,
            Some((_, fault, released)) => self.befall(id, &head, body, fault, released).await?,
        };
        if let Some(request) = self.state().requests.get_mut(&id) {
            request.answered = Some(answer.status().as_u16());
        }
        Ok(answer)
    }

    async fn befall(
        self: &Arc<Self>,
        id: u64,
        head: &Parts,
        body: Bytes,
        fault: Fault,
        mut released: latch::Receiver<bool>,
    ) -> Result<Response<Body>, Dropped> {
        match fault {
            // Delays are over by now.
            Fault::Delay(_) => self.pass(id, head, body, None).await,
            Fault::Answer(answer) => Ok(refusal(&answer)),
            Fault::AnswerAfter(answer) => {
                self.pass(id, head, body, None).await?;
                Ok(refusal(&answer))
            }
            Fault::Stale(back) => match self.stale(head, back) {
                Some(whole) => Ok(whole.into_response()),
                None => self.pass(id, head, body, None).await,
            },
            Fault::DropBefore => Err(Dropped),
            Fault::DropAfter => {
                self.pass(id, head, body, None).await?;
                Err(Dropped)
            }
            Fault::HoldRequest => {
                released
                    .wait_for(|released| *released)
                    .await
                    .map_err(|_removed| Dropped)?;
                self.pass(id, head, body, None).await
            }
            Fault::HoldAnswer => {
                let answer = self.pass(id, head, body, None).await?;
                released
                    .wait_for(|released| *released)
                    .await
                    .map_err(|_removed| Dropped)?;
                Ok(answer)
            }
            Fault::Watch(events, how) => self.pass(id, head, body, Some((events, how))).await,
        }
    }

    /// Forwards a request and passes the response on: complete, or event by event if it is a watch.
    async fn pass(
        self: &Arc<Self>,
        id: u64,
        head: &Parts,
        body: Bytes,
        plan: Option<(usize, WatchFault)>,
    ) -> Result<Response<Body>, Dropped> {
        let path = head.uri.path();
        let query = head.uri.query().unwrap_or_default();
        let url = format!(
            "{}{}",
            self.upstream,
            head.uri.path_and_query().map_or(path, |both| both.as_str())
        );
        let forwarded = self
            .client
            .request(head.method.clone(), url)
            .headers(passed_on(&head.headers))
            .body(body)
            .send()
            .await;
        // Without a response from the API server the client gets none either, as without the proxy.
        let upstream = forwarded.map_err(|_no_answer| Dropped)?;
        let status = upstream.status();
        if let Some(request) = self.state().requests.get_mut(&id) {
            request.upstream = Some(status.as_u16());
        }
        let headers = passed_on(upstream.headers());
        if is_watch(query) && status == StatusCode::OK {
            let (breaks, broken) = mpsc::unbounded_channel();
            {
                let mut state = self.state();
                state.watches.retain(|watch| !watch.breaks.is_closed());
                state.watches.push(OpenWatch {
                    path: path.to_owned(),
                    breaks,
                });
            }
            let events = watch::relay(upstream, plan, broken);
            return Ok(response(
                status,
                headers,
                Either::Right(StreamBody::new(events)),
            ));
        }
        let body = upstream.bytes().await.map_err(|_cut| Dropped)?;
        let whole = Whole {
            status,
            headers,
            body,
        };
        if head.method == http::Method::GET
            && (status == StatusCode::OK || status == StatusCode::NOT_FOUND)
        {
            self.state().answers.keep(key_of(head), whole.clone());
        }
        Ok(whole.into_response())
    }

    fn stale(&self, head: &Parts, back: usize) -> Option<Whole> {
        if head.method != http::Method::GET || is_watch(head.uri.query().unwrap_or_default()) {
            return None;
        }
        self.state().answers.stale(&key_of(head), back)
    }

    fn record(&self, head: &Parts) -> u64 {
        let mut state = self.state();
        let id = state.next_request;
        state.next_request += 1;
        state.requests.insert(
            id,
            Request {
                at: self.started.elapsed(),
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                user_agent: header_text(&head.headers, &header::USER_AGENT).to_owned(),
                upstream: None,
                answered: None,
                rule: None,
            },
        );
        id
    }

    /// Counts the request with every rule that matches it, and collects what applies to it: delays, and one fault.
    fn trouble(&self, id: u64, head: &Parts) -> Trouble {
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let mut trouble = Trouble::default();
        let mut state = self.state();
        let state = &mut *state;
        for (rule, active) in &mut state.rules {
            if trouble.fault.is_some() || !active.rule.fits(&head.method, path, query) {
                continue;
            }
            let fault = active.rule.fault();
            // A request without a recorded response has no stale response, and a list has no events.
            let possible = match fault {
                Fault::Stale(back) => {
                    !is_watch(query) && state.answers.stale(&key_of(head), *back).is_some()
                }
                Fault::Watch(..) => is_watch(query),
                _ => true,
            };
            if !possible {
                continue;
            }
            active.fitted += 1;
            if !active.rule.befalls(active.fitted - 1) {
                continue;
            }
            match fault {
                Fault::Delay(delay) => trouble.delays.push(*delay),
                fault => trouble.fault = Some((*rule, fault.clone(), active.released.subscribe())),
            }
            *state.hits.entry(*rule).or_default() += 1;
            if let Some(request) = state.requests.get_mut(&id) {
                request.rule = Some(*rule);
            }
        }
        trouble
    }
}

impl Whole {
    fn into_response(self) -> Response<Body> {
        response(
            self.status,
            self.headers,
            Either::Left(Full::new(self.body)),
        )
    }
}

fn key_of(head: &Parts) -> String {
    answers::key(
        head.uri.path(),
        head.uri.query().unwrap_or_default(),
        header_text(&head.headers, &header::ACCEPT),
    )
}

fn header_text<'head>(headers: &'head HeaderMap, name: &HeaderName) -> &'head str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in &NOT_PASSED_ON {
        headers.remove(name);
    }
    headers
}

fn refusal(answer: &Answer) -> Response<Body> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(value) = answer
        .retry_after
        .as_ref()
        .and_then(|text| HeaderValue::from_str(text).ok())
    {
        headers.insert(header::RETRY_AFTER, value);
    }
    let body = Bytes::from(answer.status_object().to_string());
    response(answer.status, headers, Either::Left(Full::new(body)))
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
