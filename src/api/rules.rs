//! What belongs together and what does not: each rule once, as CEL for the API server and as Rust for everybody else.
//!
//! The API server enforces the CEL of [`RULES`] (they are written into the CRD); [`super::validate`] and `local` evaluate
//! [`Rule::holds`] over the same value, defaults filled in. The manifests under `tests/manifests/` are put to both.
//! A rule is evaluated only on a value that the schema accepts, so it need not look at types.

use serde_json::Value;

use super::words;

/// One rule.
pub(crate) struct Rule {
    /// The value it looks at, from the root; `[]` stands for every item.
    pub(crate) at: &'static str,
    /// The field below that is to blame, with a leading dot; empty for the value itself.
    pub(crate) field: &'static str,
    /// The rule as the API server reads it.
    pub(crate) cel: &'static str,
    /// What is wrong and how to mend it.
    pub(crate) message: &'static str,
    /// The rule as everybody else reads it. Rules on changes hold always: only the API server knows what was before.
    pub(crate) holds: fn(&Value) -> bool,
}

const OBJECT_NAME: &str =
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')";
const OBJECT_NAME_MESSAGE: &str = "is not a name of a Kubernetes object: use lower case letters, digits, - and . only, with a letter or digit at both ends";
const DATA_KEY: &str = "self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')";
const DATA_KEY_MESSAGE: &str = "is not a key that a Secret or ConfigMap can have: use letters, digits, - _ and . only, and no .. at the start";
const POINTER: &str = "self.matches('^(/([^/~]|~0|~1)*)*$')";
const POINTER_MESSAGE: &str = "is not a JSON pointer (RFC 6901): start each step with /, as in /value/token, and write ~ as ~0 and / as ~1";
const FIXED: &str = "self.matches('^[^[:cntrl:]]+$')";
const FIXED_MESSAGE: &str = "holds a line break or another control character: remove it (in YAML, | and > add a line break at the end)";

/// A rule on a value itself.
const fn own(
    at: &'static str,
    cel: &'static str,
    message: &'static str,
    holds: fn(&Value) -> bool,
) -> Rule {
    Rule {
        at,
        field: "",
        cel,
        message,
        holds,
    }
}

const fn object_name(at: &'static str) -> Rule {
    own(at, OBJECT_NAME, OBJECT_NAME_MESSAGE, |v| {
        words::is_object_name(text(v))
    })
}

const fn data_key(at: &'static str) -> Rule {
    own(at, DATA_KEY, DATA_KEY_MESSAGE, |v| {
        words::is_data_key(text(v))
    })
}

const fn pointer(at: &'static str) -> Rule {
    own(at, POINTER, POINTER_MESSAGE, |v| words::is_pointer(text(v)))
}

/// Every rule of the spec, in the order in which people read the fields.
pub(crate) const RULES: &[Rule] = &[
    own(
        "spec.provider.tokenURL",
        "self.startsWith('https://') || self.startsWith('http://')",
        "must start with https://, as in https://auth.example.com/oauth/token (http:// only where the operator runs with --allow-http)",
        |v| text(v).starts_with("https://") || text(v).starts_with("http://"),
    ),
    own(
        "spec.provider.tokenURL",
        "!self.contains('#')",
        "must not have a fragment (RFC 6749 section 3.2): remove the # and what follows it",
        |v| !text(v).contains('#'),
    ),
    own(
        "spec.provider.tokenURL",
        "!self.matches('^[a-z]+://[^/?#]*@')",
        "must not hold a user name or password: put them into the credentials Secret and remove what stands before the @",
        |v| !words::has_user_info(text(v)),
    ),
    own(
        "spec.provider.tokenURL",
        r"!self.matches('^https?://') || self.matches('^https?://[^/?#]*@') || self.matches('^https?://([-a-zA-Z0-9._]+|[[][0-9a-fA-F:.]+[]])(:[0-9]{1,5})?([/?#][!-\\[\\]-~]*)?$')",
        "is not a URL that a token request can be sent to: write scheme, host and path, as in https://auth.example.com/oauth/token, without spaces; percent-encode other characters",
        |v| words::is_endpoint(text(v)),
    ),
    object_name("spec.provider.caBundle.configMapName"),
    data_key("spec.provider.caBundle.key"),
    own(
        "spec.grant.type",
        "!(self in ['refresh_token', 'authorization_code', 'urn:ietf:params:oauth:grant-type:device_code', \
         'urn:ietf:params:oauth:grant-type:jwt-bearer', 'urn:ietf:params:oauth:grant-type:token-exchange'])",
        "is a grant that is not supported yet by this version: use client_credentials, password, or another grant that needs nothing but parameters",
        |v| !words::RESERVED_GRANTS.contains(&text(v)),
    ),
    own(
        "spec.grant.type",
        r"self.matches('^[!#-\\[\\]-~]+$')",
        "is not a grant type: write its registered name or URI, without spaces and quotes, as in client_credentials",
        |v| words::is_oauth_word(text(v)),
    ),
    Rule {
        at: "spec.clientAuthentication",
        field: ".clientSecretBasic",
        cel: "!has(self.clientSecretBasic) || self.method == 'client_secret_basic'",
        message: "belongs to method client_secret_basic: remove it, or set clientAuthentication.method to client_secret_basic",
        holds: |v| {
            v.get("clientSecretBasic").is_none() || field(v, "method") == "client_secret_basic"
        },
    },
    object_name("spec.credentials.secretName"),
    data_key("spec.credentials.keys.clientID"),
    data_key("spec.credentials.keys.clientSecret"),
    data_key("spec.credentials.keys.username"),
    data_key("spec.credentials.keys.password"),
    own(
        "spec.scopes[]",
        r"self.matches('^[!#-\\[\\]-~]+$')",
        "is not one scope: write each scope as an item of its own, without spaces, quotes and backslashes",
        |v| words::is_oauth_word(text(v)),
    ),
    own(
        "spec.parameters",
        "self.all(p, p.name in ['resource', 'audience'] || self.exists_one(q, q.name == p.name))",
        "name a parameter twice: keep one of them (only resource and audience may repeat)",
        |v| {
            items(v).all(|p| {
                let name = field(p, "name");
                matches!(name, "resource" | "audience")
                    || items(v).filter(|q| field(q, "name") == name).count() == 1
            })
        },
    ),
    Rule {
        at: "spec.parameters[]",
        field: ".value",
        cel: "has(self.value) != has(self.credentialsKey)",
        message: "needs exactly one of value and credentialsKey: set the one, remove the other",
        holds: |v| v.get("value").is_some() != v.get("credentialsKey").is_some(),
    },
    own(
        "spec.parameters[].name",
        "!(self in ['grant_type', 'scope', 'client_id', 'client_secret'])",
        "is set by a field of its own: use grant.type for grant_type, scopes for scope, and credentials.keys with \
         clientAuthentication.method for client_id and client_secret",
        |v| {
            !matches!(
                text(v),
                "grant_type" | "scope" | "client_id" | "client_secret"
            )
        },
    ),
    own(
        "spec.parameters[].name",
        "self.matches('^[!-~]+$')",
        "is not a name of a parameter: use printable ASCII characters without spaces",
        |v| words::is_visible(text(v)),
    ),
    own("spec.parameters[].value", FIXED, FIXED_MESSAGE, |v| {
        words::is_one_line(text(v))
    }),
    data_key("spec.parameters[].credentialsKey"),
    Rule {
        at: "spec",
        field: ".parameters",
        cel: "self.grant.type != 'password' || !has(self.parameters) || !self.parameters.exists(p, p.name in ['username', 'password'])",
        message: "must not set username or password with grant.type password: put them into the credentials Secret (credentials.keys \
                  names their keys)",
        holds: |v| {
            v.pointer("/grant/type").map(text) != Some("password")
                || !below(v, "/parameters")
                    .any(|p| matches!(field(p, "name"), "username" | "password"))
        },
    },
    Rule {
        at: "spec.request",
        field: ".method",
        cel: "self.method != 'GET' || self.format == 'query'",
        message: "GET sends no body: set request.format to query, or request.method to POST",
        holds: |v| field(v, "method") != "GET" || field(v, "format") == "query",
    },
    Rule {
        at: "spec.request",
        field: ".method",
        cel: "self.method != 'PUT' || self.format != 'query'",
        message: "PUT needs a body: set request.format to form or json, or request.method to POST",
        holds: |v| field(v, "method") != "PUT" || field(v, "format") != "query",
    },
    own(
        "spec.request.scopeSeparator",
        "self.matches('^[ -~]+$')",
        "is not a separator: use a space, a comma or other printable ASCII characters",
        |v| words::is_printable(text(v)),
    ),
    own(
        "spec.request.headers",
        "self.all(h, self.exists_one(g, g.name.lowerAscii() == h.name.lowerAscii()))",
        "name a header twice: keep one of them (upper and lower case are the same)",
        |v| {
            items(v).all(|h| {
                items(v)
                    .filter(|g| field(g, "name").eq_ignore_ascii_case(field(h, "name")))
                    .count()
                    == 1
            })
        },
    ),
    Rule {
        at: "spec.request.headers[]",
        field: ".value",
        cel: "has(self.value) != has(self.credentialsKey)",
        message: "needs exactly one of value and credentialsKey: set the one, remove the other",
        holds: |v| v.get("value").is_some() != v.get("credentialsKey").is_some(),
    },
    own(
        "spec.request.headers[].name",
        r"self.matches('^[-!#$%&*+.^_`|~0-9A-Za-z\']+$')",
        "is not a name of a header: use letters, digits and - only",
        |v| words::is_header_name(text(v)),
    ),
    own(
        "spec.request.headers[].name",
        "!(self.lowerAscii() in ['host', 'content-length', 'cookie', 'content-encoding', 'transfer-encoding', 'connection', \
         'keep-alive', 'proxy-connection', 'proxy-authorization', 'upgrade', 'te', 'trailer', 'expect', 'accept-encoding', \
         'user-agent'])",
        "is a header that the operator or the connection sets: remove it",
        |v| {
            !words::RESERVED_HEADERS
                .iter()
                .any(|name| text(v).eq_ignore_ascii_case(name))
        },
    ),
    own(
        "spec.request.headers[].value",
        r"self.matches('^[!-~]([ -~]*[!-~])?$')",
        "is not a value of a header: use printable ASCII characters, with no space at either end and no line break",
        |v| words::is_header_value(text(v)),
    ),
    data_key("spec.request.headers[].credentialsKey"),
    Rule {
        at: "spec",
        field: ".request.headers",
        cel: "self.clientAuthentication.method == 'none' || !has(self.request.headers) || \
              !self.request.headers.exists(h, h.name.lowerAscii() == 'authorization')",
        message: "may set Authorization only with clientAuthentication.method none: set that, or remove the header",
        holds: |v| {
            v.pointer("/clientAuthentication/method").map(text) == Some("none")
                || !below(v, "/request/headers")
                    .any(|h| field(h, "name").eq_ignore_ascii_case("authorization"))
        },
    },
    pointer("spec.response.accessTokenPointer"),
    pointer("spec.response.tokenTypePointer"),
    pointer("spec.response.scopePointer"),
    pointer("spec.response.expiry.pointer"),
    Rule {
        at: "spec.refresh",
        field: ".beforePercent",
        cel: "!(has(self.beforeSeconds) && has(self.beforePercent))",
        message: "cannot stand beside refresh.beforeSeconds: remove one of the two",
        holds: |v| v.get("beforeSeconds").is_none() || v.get("beforePercent").is_none(),
    },
    object_name("spec.tokenSecret.name"),
    Rule {
        at: "spec",
        field: ".tokenSecret.name",
        cel: "self.tokenSecret.name != self.credentials.secretName",
        message: "is the credentials Secret, which the operator never writes to: choose another name for the token Secret",
        holds: |v| v.pointer("/tokenSecret/name") != v.pointer("/credentials/secretName"),
    },
    own(
        "spec.tokenSecret.type",
        "self == oldSelf",
        "cannot be changed, as the type of a Secret cannot: make a new OAuthClient with another tokenSecret.name",
        |_| true,
    ),
    own(
        "spec.tokenSecret.type",
        "self in ['kubernetes.io/dockerconfigjson', 'kubernetes.io/basic-auth'] || !self.matches('^([^/]*[.])?(kubernetes|k8s)[.]io(/.*)?$')",
        "is a type of Kubernetes itself: use Opaque, a type of your own domain, kubernetes.io/dockerconfigjson or \
         kubernetes.io/basic-auth",
        |v| words::is_allowed_secret_type(text(v)),
    ),
    own(
        "spec.tokenSecret.type",
        "self.matches('^[-._/a-zA-Z0-9]+$')",
        "is not a type of a Secret: use letters, digits, - _ . and / only, as in Opaque or example.com/token",
        |v| {
            text(v)
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b))
        },
    ),
    Rule {
        at: "spec.tokenSecret",
        field: ".data",
        cel: "self.type != 'kubernetes.io/dockerconfigjson' || (has(self.data) && '.dockerconfigjson' in self.data)",
        message: "needs a template for the key .dockerconfigjson, which type kubernetes.io/dockerconfigjson demands",
        holds: |v| {
            field(v, "type") != "kubernetes.io/dockerconfigjson"
                || v.pointer("/data/.dockerconfigjson").is_some()
        },
    },
    Rule {
        at: "spec.tokenSecret",
        field: ".data",
        cel: "self.type != 'kubernetes.io/basic-auth' || (has(self.data) && ('username' in self.data || 'password' in self.data))",
        message: "needs a template for the key username or password, which type kubernetes.io/basic-auth demands",
        holds: |v| {
            field(v, "type") != "kubernetes.io/basic-auth"
                || v.pointer("/data/username").is_some()
                || v.pointer("/data/password").is_some()
        },
    },
    own(
        "spec.tokenSecret.labels",
        "!self.exists(k, k.startsWith('oauthclient.dev/'))",
        "must not set labels of oauthclient.dev, which are the operator's own: remove them",
        |v| !keys(v).any(|key| key.starts_with("oauthclient.dev/")),
    ),
    own(
        "spec.tokenSecret.labels",
        "self.all(k, k.matches('^([a-z0-9][-.a-z0-9]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
        "have a key that is not a label's: use an optional domain with /, then at most 63 letters, digits, - _ and .",
        |v| keys(v).all(words::is_label_key),
    ),
    own(
        "spec.tokenSecret.labels",
        "self.all(k, self[k].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))",
        "have a value that is not a label's: use letters, digits, - _ and . only, with a letter or digit at both ends",
        |v| values(v).all(words::is_label_value),
    ),
    own(
        "spec.tokenSecret.annotations",
        "!self.exists(k, k.startsWith('oauthclient.dev/') || k == 'kubectl.kubernetes.io/last-applied-configuration')",
        "must not set annotations of oauthclient.dev or kubectl's last-applied-configuration, which others keep: remove them",
        |v| {
            !keys(v).any(|key| {
                key.starts_with("oauthclient.dev/")
                    || key == "kubectl.kubernetes.io/last-applied-configuration"
            })
        },
    ),
    own(
        "spec.tokenSecret.annotations",
        "self.all(k, k.matches('^([a-zA-Z0-9][-.a-zA-Z0-9]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
        "have a key that is not an annotation's: use an optional domain with /, then at most 63 letters, digits, - _ and .",
        |v| keys(v).all(words::is_annotation_key),
    ),
    own(
        "spec.tokenSecret.data",
        "self.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$') && k != '.' && !k.startsWith('..'))",
        "have a key that a Secret cannot have: use at most 253 letters, digits, - _ and ., and no .. at the start",
        |v| keys(v).all(|key| key.len() <= 253 && words::is_data_key(key)),
    ),
];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).map(text).unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn below<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).into_iter().flat_map(items)
}

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
}

fn values(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flat_map(|map| map.values().map(text))
}
