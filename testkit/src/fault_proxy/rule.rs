//! What goes wrong, with which requests, and how often: rules as data.

use http::{Method, StatusCode};
use std::time::Duration;

/// One fault and the requests to which it applies. The default applies to every request, without end.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    methods: Vec<Method>,
    writes: bool,
    path: Vec<Part>,
    query: Vec<String>,
    watch: Option<bool>,
    skip: usize,
    times: Option<usize>,
}

#[derive(Clone, Debug)]
enum Part {
    Is(String),
    Has(String),
    Ends(String),
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It waits this long; then the next matching rule applies, or it is forwarded.
    Delay(Duration),
    /// It is answered so and never reaches the API server.
    Answer(Answer),
    /// The API server handles the request, and the client receives this response instead: for example, a 504 after the
    /// commit.
    AnswerAfter(Answer),
    /// A GET or list receives the response of this many *different* responses ago: 0 is the last recorded one, as if
    /// nothing had
    /// changed since; if there are not so many, the oldest recorded one. Requests that never had a response through
    /// this proxy pass,
    /// and do not count. The last four responses for each path, query and content type are recorded.
    Stale(usize),
    /// The connection is closed without a response, and the API server does not receive the request.
    DropBefore,
    /// The API server handles the request; the connection is closed without a response.
    DropAfter,
    /// Silence on an open connection, before the API server hears of it. [`FaultProxy::release`](super::FaultProxy::release)
    /// lets it go on; [`FaultProxy::clear`](super::FaultProxy::clear) closes the connection.
    HoldRequest,
    /// The API server does it, then silence as with [`Fault::HoldRequest`].
    HoldAnswer,
    /// A watch goes well for this many events, bookmarks included, and then breaks; 0 breaks it at once.
    Watch(usize, WatchFault),
}

/// How a watch breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchFault {
    /// Half an event, and the connection is closed.
    CutMidFrame,
    /// An ERROR event with this response as its Status, then the end of the watch. [`Answer::gone`] is the one of an
    /// expired resource version.
    Error(Answer),
    /// Nothing more ever comes, and the connection stays open: a half-open one.
    Silence,
    /// A proper end, as after the API server's own time-out.
    End,
}

/// A refusal as the API server words one: an HTTP status and a body of kind Status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The one word that clients decide on, as `Conflict`.
    pub reason: String,
    /// The sentence for people.
    pub message: String,
    /// The header `Retry-After`, word for word; seconds, a date, or nonsense.
    pub retry_after: Option<String>,
}

impl Answer {
    /// Any refusal.
    pub fn new(status: StatusCode, reason: &str, message: &str) -> Answer {
        Answer {
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
            retry_after: None,
        }
    }

    /// 409 Conflict: the object has been modified.
    pub fn conflict() -> Answer {
        let message = "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again";
        Answer::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// 409 AlreadyExists.
    pub fn already_exists() -> Answer {
        Answer::new(
            StatusCode::CONFLICT,
            "AlreadyExists",
            "the object already exists",
        )
    }

    /// 403 Forbidden, as RBAC, a quota or a webhook says it.
    pub fn forbidden(message: &str) -> Answer {
        Answer::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// 404 NotFound.
    pub fn not_found() -> Answer {
        Answer::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            "the server could not find the requested resource",
        )
    }

    /// 410 Expired: the resource version of a watch or a list is too old.
    pub fn gone() -> Answer {
        Answer::new(
            StatusCode::GONE,
            "Expired",
            "too old resource version: 1 (2)",
        )
    }

    /// 429 TooManyRequests with this `Retry-After`.
    pub fn too_many_requests(retry_after: &str) -> Answer {
        let message =
            "the server has received too many requests and has asked us to try again later";
        Answer {
            retry_after: Some(retry_after.to_owned()),
            ..Answer::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
        }
    }

    /// 500 InternalError.
    pub fn internal_error() -> Answer {
        Answer::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "Internal error occurred: injected by the fault proxy",
        )
    }

    /// 503 ServiceUnavailable.
    pub fn unavailable() -> Answer {
        let message = "the server is currently unable to handle the request";
        Answer::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            message,
        )
    }

    /// 504 Timeout.
    pub fn timeout() -> Answer {
        let message = "Timeout: request did not complete within requested timeout - context deadline exceeded";
        Answer::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message)
    }

    /// The Status object, as one line of JSON.
    pub(super) fn status_object(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status.as_u16(),
        })
    }
}

impl Rule {
    /// `fault` for every request, until narrowed down.
    pub fn new(fault: Fault) -> Rule {
        Rule {
            fault,
            methods: Vec::new(),
            writes: false,
            path: Vec::new(),
            query: Vec::new(),
            watch: None,
            skip: 0,
            times: None,
        }
    }

    /// Only requests with one of the methods that were named so.
    #[must_use]
    pub fn method(mut self, method: Method) -> Rule {
        self.methods.push(method);
        self
    }

    /// Only requests that may change something: POST, PUT, PATCH, DELETE, and no mere questions such as what one may do.
    #[must_use]
    pub fn writes(mut self) -> Rule {
        self.methods
            .extend([Method::POST, Method::PUT, Method::PATCH, Method::DELETE]);
        self.writes = true;
        self
    }

    /// Only requests with exactly this path.
    #[must_use]
    pub fn path(mut self, path: &str) -> Rule {
        self.path.push(Part::Is(path.to_owned()));
        self
    }

    /// Only requests with this in their path, as `/secrets/`.
    #[must_use]
    pub fn path_has(mut self, text: &str) -> Rule {
        self.path.push(Part::Has(text.to_owned()));
        self
    }

    /// Only requests whose path ends so, as `/status`.
    #[must_use]
    pub fn path_ends(mut self, text: &str) -> Rule {
        self.path.push(Part::Ends(text.to_owned()));
        self
    }

    /// Only requests with this in their query, as it is encoded there.
    #[must_use]
    pub fn query_has(mut self, text: &str) -> Rule {
        self.query.push(text.to_owned());
        self
    }

    /// Only watches.
    #[must_use]
    pub fn watches(mut self) -> Rule {
        self.watch = Some(true);
        self
    }

    /// Everything but watches.
    #[must_use]
    pub fn not_watches(mut self) -> Rule {
        self.watch = Some(false);
        self
    }

    /// Lets this many requests that fit pass first.
    #[must_use]
    pub fn skip(mut self, requests: usize) -> Rule {
        self.skip = requests;
        self
    }

    /// Befalls only this many requests, and lets the rest pass.
    #[must_use]
    pub fn times(mut self, requests: usize) -> Rule {
        self.times = Some(requests);
        self
    }

    /// [`Rule::times`] with 1.
    #[must_use]
    pub fn once(self) -> Rule {
        self.times(1)
    }

    pub(super) fn fault(&self) -> &Fault {
        &self.fault
    }

    pub(super) fn fits(&self, method: &Method, path: &str, query: &str) -> bool {
        let part_fits = |part: &Part| match part {
            Part::Is(text) => path == text,
            Part::Has(text) => path.contains(text),
            Part::Ends(text) => path.ends_with(text),
        };
        (self.methods.is_empty() || self.methods.contains(method))
            && !(self.writes && is_question(path))
            && self.path.iter().all(part_fits)
            && self.query.iter().all(|text| query.contains(text))
            && self.watch.is_none_or(|watch| watch == is_watch(query))
    }

    /// Whether it applies to the matching request number `nth`, counted from 0.
    pub(super) fn befalls(&self, nth: usize) -> bool {
        nth >= self.skip && self.times.is_none_or(|times| nth - self.skip < times)
    }
}

/// Whether a POST to this path is a review of identity or permissions, which changes nothing.
pub(super) fn is_question(path: &str) -> bool {
    path.contains("/selfsubject")
}

/// Whether a query requests a watch.
pub(super) fn is_watch(query: &str) -> bool {
    query
        .split('&')
        .any(|pair| matches!(pair, "watch=true" | "watch=1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_befalls_what_fits_all_its_conditions() {
        let rule = Rule::new(Fault::DropBefore)
            .method(Method::PATCH)
            .path_has("/secrets/")
            .path_ends("/a")
            .query_has("fieldManager");
        let fits = |method, path, query| rule.fits(&method, path, query);
        assert!(fits(
            Method::PATCH,
            "/api/v1/namespaces/n/secrets/a",
            "fieldManager=m"
        ));
        assert!(!fits(
            Method::PUT,
            "/api/v1/namespaces/n/secrets/a",
            "fieldManager=m"
        ));
        assert!(!fits(
            Method::PATCH,
            "/api/v1/namespaces/n/secrets/b",
            "fieldManager=m"
        ));
        assert!(!fits(
            Method::PATCH,
            "/api/v1/namespaces/n/configmaps/a",
            "fieldManager=m"
        ));
        assert!(!fits(Method::PATCH, "/api/v1/namespaces/n/secrets/a", ""));
    }

    #[test]
    fn a_watch_is_told_from_a_list() {
        let watches = Rule::new(Fault::DropBefore).watches();
        assert!(watches.fits(&Method::GET, "/x", "limit=5&watch=true"));
        assert!(!watches.fits(&Method::GET, "/x", "limit=5"));
        assert!(Rule::new(Fault::DropBefore).not_watches().fits(
            &Method::GET,
            "/x",
            "labelSelector=watch%3Dtrue"
        ));
    }

    #[test]
    fn skip_and_times_count_what_fits() {
        let rule = Rule::new(Fault::DropBefore).skip(2).times(2);
        let befallen: Vec<usize> = (0..6).filter(|nth| rule.befalls(*nth)).collect();
        assert_eq!(befallen, [2, 3]);
    }
}
