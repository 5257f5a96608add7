//! The alphabets of names and values: what the CEL of [`super::rules`] says in regular expressions, in Rust.

/// Grants of a login: what comes of it is a refresh token.
pub(crate) const LOGIN_GRANTS: [&str; 2] = [
    "authorization_code",
    "urn:ietf:params:oauth:grant-type:device_code",
];

/// Headers that the sender or the connection sets.
const RESERVED_HEADERS: [&str; 14] = [
    "host",
    "content-length",
    "cookie",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "accept-encoding",
];

/// A header's name as servers compare it: many take `_` for `-`.
fn plain_header(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Whether a header is one that the sender or the connection sets.
pub(crate) fn is_reserved_header(name: &str) -> bool {
    RESERVED_HEADERS.contains(&plain_header(name).as_str())
}

/// Whether some servers and proxies take another host, path or method from a header of this name than the request's own.
pub(crate) fn reroutes(header: &str) -> bool {
    let name = plain_header(header);
    let named = [
        "forwarded",
        "x-host",
        "x-host-override",
        "x-http-host-override",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
    ];
    named.contains(&name.as_str())
        || ["x-forwarded-", "x-original-", "x-rewrite-", "x-envoy-"]
            .iter()
            .any(|begin| name.starts_with(begin))
}

/// A DNS subdomain (RFC 1123), as names of Secrets and ConfigMaps are.
pub(crate) fn is_object_name(text: &str) -> bool {
    text.split('.').all(|label| {
        label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && ends(label, |b| b != b'-')
    })
}

/// Not empty, and the first and the last byte pass.
fn ends(text: &str, passes: impl Fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        [first, .., last] => passes(*first) && passes(*last),
        [only] => passes(*only),
    }
}

/// A key of a Secret's or ConfigMap's data.
pub(crate) fn is_data_key(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && !text.starts_with("..")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// A JSON pointer (RFC 6901 section 3).
pub(crate) fn is_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/'))
        && text
            .split('~')
            .skip(1)
            .all(|rest| rest.starts_with('0') || rest.starts_with('1'))
}

/// What RFC 6749 appendix A allows in a scope token: printable, without space, quote and backslash.
pub(crate) fn is_oauth_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| matches!(b, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

/// Visible ASCII, without spaces.
pub(crate) fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A URI, as far as one can tell: a scheme, a colon, visible ASCII.
pub(crate) fn is_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b))
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && is_visible(rest)
    })
}

/// An audience by which a Kubernetes API goes in its cluster: what is signed for it is good for the cluster itself.
pub(crate) fn is_kubernetes_audience(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    matches!(host, "kubernetes.default" | "kubernetes.default.svc")
        || host.starts_with("kubernetes.default.svc.")
}

/// ASCII that can be seen, spaces included.
pub(crate) fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// No ASCII control character. That a value must not be empty is the schema's to say.
pub(crate) fn is_one_line(text: &str) -> bool {
    !text.bytes().any(|b| b.is_ascii_control())
}

/// A field name (RFC 9110 section 5.1).
pub(crate) fn is_header_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A field value that every server takes: printable ASCII, no space at either end.
pub(crate) fn is_header_value(text: &str) -> bool {
    is_printable(text) && ends(text, |b| b != b' ')
}

/// The part of a URL between `://` and the next `/`, `?` or `#`.
fn authority(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest.split_at_checked(end)
}

/// A user name or password stands before the host.
pub(crate) fn has_user_info(url: &str) -> bool {
    authority(url).is_some_and(|(authority, _)| authority.contains('@'))
}

/// A URL with a host, in visible ASCII. True also for what another rule already refuses, so that one mistake is one message.
pub(crate) fn is_endpoint(url: &str) -> bool {
    let http = url.starts_with("https://") || url.starts_with("http://");
    let Some((authority, rest)) = authority(url).filter(|_| http) else {
        return true;
    };
    if authority.contains('@') {
        return true;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((host, port)) => {
                let v6 = !host.is_empty()
                    && host
                        .bytes()
                        .all(|b| b.is_ascii_hexdigit() || b":.".contains(&b));
                (v6, port)
            }
            None => return false,
        },
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let named = !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            (named, port)
        }
    };
    let port_fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        });
    host && port_fits && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// Whether the part of a type before `/` is a domain or below it.
pub(crate) fn is_below(type_: &str, own: &str) -> bool {
    let domain = type_.split('/').next().unwrap_or_default();
    let rest = domain.strip_suffix(own);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A type that the operator may give to a Secret: none of Kubernetes' own, which could mint access to the cluster itself,
/// but for two that only carry credentials for others.
pub(crate) fn is_allowed_secret_type(text: &str) -> bool {
    let reserved = ["kubernetes.io", "k8s.io"];
    !reserved.iter().any(|own| is_below(text, own))
        || matches!(
            text,
            "kubernetes.io/dockerconfigjson" | "kubernetes.io/basic-auth"
        )
}

/// A key of a label.
pub(crate) fn is_label_key(text: &str) -> bool {
    !text
        .bytes()
        .take_while(|b| *b != b'/')
        .any(|b| text.contains('/') && b.is_ascii_uppercase())
        && is_annotation_key(text)
}

/// A key of an annotation: like a label's, but its domain may have capitals.
pub(crate) fn is_annotation_key(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    let domain_fits = domain.is_none_or(|domain| {
        domain
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
            && domain
                .bytes()
                .next()
                .is_some_and(|b| b.is_ascii_alphanumeric())
    });
    domain_fits && name.len() <= 63 && !name.is_empty() && is_label_value(name)
}

/// A value of a label; empty is allowed.
pub(crate) fn is_label_value(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && (text.is_empty() || ends(text, |b| b.is_ascii_alphanumeric()))
}

/// The URL of an endpoint that people or forms are sent to: as [`is_endpoint`], with scheme, and without user name and
/// fragment.
pub(crate) fn is_plain_endpoint(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && authority(url).is_some()
        && !has_user_info(url)
        && !url.contains('#')
        && is_endpoint(url)
}

/// A redirect URI on the loopback interface (RFC 8252 section 7.3), without query and fragment.
pub(crate) fn is_loopback_redirect(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("http://") else {
        return false;
    };
    let hosts = ["127.0.0.1", "localhost", "[::1]"];
    let Some(rest) = hosts.iter().find_map(|host| rest.strip_prefix(host)) else {
        return false;
    };
    let (port, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port_fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            (1..=5).contains(&digits.len())
                && !digits.starts_with('0')
                && digits.bytes().all(|b| b.is_ascii_digit())
        });
    port_fits
        && path
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"#?\\".contains(&b))
}
