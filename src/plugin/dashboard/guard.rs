//! Access control: only the page that the user opened.

use http::header::{HOST, HeaderMap, ORIGIN};
use http::{Method, Request, StatusCode};
use ring::digest::{Digest, SHA256, digest};

/// The header with the token. It is a custom header: another page cannot send it without a preflight request (CORS),
/// which is never allowed.
pub(super) const TOKEN_HEADER: &str = "x-dashboard-token";
/// The origin of a request according to the browser (Fetch Metadata).
const FETCH_SITE: &str = "sec-fetch-site";

/// The rules of one dashboard.
pub(super) struct Guard {
    port: u16,
    /// A digest, so that comparing reveals nothing about the token.
    token: Digest,
}

/// The kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The page itself and its files: the same for everyone, without data from a cluster.
    Page,
    /// Data from the cluster, or an action.
    Data,
}

impl Guard {
    pub(super) fn new(port: u16, token: &str) -> Guard {
        Guard {
            port,
            token: digest(&SHA256, token.as_bytes()),
        }
    }

    /// Whether a request is allowed; otherwise the status of the refusal.
    pub(super) fn check<B>(&self, request: &Request<B>, kind: Kind) -> Result<(), StatusCode> {
        let headers = request.headers();
        let host = only(headers, HOST.as_str());
        if !host.is_some_and(|host| self.is_ours(host)) {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        if kind == Kind::Page {
            return match *request.method() {
                Method::GET | Method::HEAD => Ok(()),
                _ => Err(StatusCode::METHOD_NOT_ALLOWED),
            };
        }
        let origin = only(headers, ORIGIN.as_str());
        let own_origin = origin
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|origin| Some(origin) == host);
        let is_change = *request.method() != Method::GET;
        if (headers.contains_key(ORIGIN) || is_change) && !own_origin {
            return Err(StatusCode::FORBIDDEN);
        }
        if only(headers, FETCH_SITE).is_some_and(|site| site != "same-origin") {
            return Err(StatusCode::FORBIDDEN);
        }
        let token = only(headers, TOKEN_HEADER).unwrap_or_default();
        let same = digest(&SHA256, token.as_bytes()).as_ref() == self.token.as_ref();
        if same {
            Ok(())
        } else {
            Err(StatusCode::UNAUTHORIZED)
        }
    }

    /// Rejects foreign names that point to this machine (DNS rebinding).
    fn is_ours(&self, host: &str) -> bool {
        ["127.0.0.1", "localhost"]
            .iter()
            .any(|name| host == format!("{name}:{}", self.port))
    }
}

/// The value of a header that occurs once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri("/api/news");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    const OURS: (&str, &str) = ("host", "127.0.0.1:8001");
    const TOKEN: (&str, &str) = (TOKEN_HEADER, "right");
    const ORIGIN_OURS: (&str, &str) = ("origin", "http://127.0.0.1:8001");

    fn data(method: Method, headers: &[(&str, &str)]) -> Result<(), StatusCode> {
        Guard::new(8001, "right").check(&request(method, headers), Kind::Data)
    }

    #[test]
    fn the_page_that_was_opened_may_ask() {
        assert_eq!(data(Method::GET, &[OURS, TOKEN]), Ok(()));
        assert_eq!(
            data(
                Method::POST,
                &[OURS, TOKEN, ORIGIN_OURS, ("sec-fetch-site", "same-origin")]
            ),
            Ok(())
        );
        let localhost = [
            ("host", "localhost:8001"),
            TOKEN,
            ("origin", "http://localhost:8001"),
        ];
        assert_eq!(data(Method::POST, &localhost), Ok(()));
    }

    #[test]
    fn nobody_else_may() {
        let unauthorized = Err(StatusCode::UNAUTHORIZED);
        assert_eq!(data(Method::GET, &[OURS]), unauthorized);
        assert_eq!(
            data(Method::GET, &[OURS, (TOKEN_HEADER, "wrong")]),
            unauthorized
        );
        assert_eq!(data(Method::GET, &[OURS, TOKEN, TOKEN]), unauthorized);
        let misdirected = Err(StatusCode::MISDIRECTED_REQUEST);
        for host in [
            "evil.example:8001",
            "127.0.0.1",
            "127.0.0.1:8002",
            "127.0.0.1:8001.evil.example",
            "",
        ] {
            assert_eq!(
                data(Method::GET, &[("host", host), TOKEN]),
                misdirected,
                "{host}"
            );
        }
        assert_eq!(data(Method::GET, &[TOKEN]), misdirected);
        let forbidden = Err(StatusCode::FORBIDDEN);
        for origin in [
            "http://evil.example",
            "null",
            "https://127.0.0.1:8001",
            "http://localhost:8001",
        ] {
            assert_eq!(
                data(Method::GET, &[OURS, TOKEN, ("origin", origin)]),
                forbidden,
                "{origin}"
            );
        }
        assert_eq!(
            data(Method::POST, &[OURS, TOKEN]),
            forbidden,
            "a change names its origin"
        );
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(
                data(Method::GET, &[OURS, TOKEN, ("sec-fetch-site", site)]),
                forbidden,
                "{site}"
            );
        }
    }

    #[test]
    fn the_page_itself_is_only_read() {
        let guard = Guard::new(8001, "right");
        assert_eq!(
            guard.check(&request(Method::GET, &[OURS]), Kind::Page),
            Ok(())
        );
        let post = guard.check(&request(Method::POST, &[OURS]), Kind::Page);
        assert_eq!(post, Err(StatusCode::METHOD_NOT_ALLOWED));
    }
}
