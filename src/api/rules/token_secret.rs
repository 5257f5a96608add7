//! Rules for `spec.refresh` and `spec.tokenSecret`.

use super::rule::{Rule, field, keys, object_name, own, text, values};
use crate::api::validators;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, ALLOWED_TOKEN_HOSTS_ANNOTATION, CREDENTIALS_LABEL};

pub(super) const RULES: &[Rule] = &[
    Rule {
        at: "spec.refresh",
        field: ".beforePercent",
        cel: "!(has(self.beforeSeconds) && has(self.beforePercent))",
        message: "cannot be combined with refresh.beforeSeconds: remove one of the two",
        holds: |v| v.get("beforeSeconds").is_none() || v.get("beforePercent").is_none(),
    },
    object_name("spec.tokenSecret.name"),
    Rule {
        at: "spec",
        field: ".tokenSecret.name",
        cel: "!has(self.credentials) || self.tokenSecret.name != self.credentials.secretName",
        message: "is the credentials Secret, which the operator never writes to: choose another name for the token Secret",
        holds: |v| v.pointer("/tokenSecret/name") != v.pointer("/credentials/secretName"),
    },
    // About the whole, so that it also holds where the type was or becomes absent.
    Rule {
        at: "spec.tokenSecret",
        field: ".type",
        cel: "self.type == oldSelf.type",
        message: "is immutable, as the type of a Secret is: create a new OAuthClient with another tokenSecret.name",
        holds: |_| true,
    },
    own(
        "spec.tokenSecret.type",
        "self in ['kubernetes.io/dockerconfigjson', 'kubernetes.io/basic-auth'] || !self.matches('^([^/]*[.])?(kubernetes|k8s)[.]io(/.*)?$')",
        "is reserved for Kubernetes: use Opaque, a type in your own domain, kubernetes.io/dockerconfigjson or \
         kubernetes.io/basic-auth",
        |v| validators::is_allowed_secret_type(text(v)),
    ),
    own(
        "spec.tokenSecret.type",
        "!self.matches('^([^/]*[.])?oauthclient[.]dev(/.*)?$')",
        "is reserved for the operator: use Opaque, or a type in your own domain",
        |v| !validators::is_below(text(v), "oauthclient.dev"),
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
        message: "needs a template for the key .dockerconfigjson, which type kubernetes.io/dockerconfigjson requires",
        holds: |v| {
            field(v, "type") != "kubernetes.io/dockerconfigjson"
                || v.pointer("/data/.dockerconfigjson").is_some()
        },
    },
    Rule {
        at: "spec.tokenSecret",
        field: ".data",
        cel: "self.type != 'kubernetes.io/basic-auth' || (has(self.data) && ('username' in self.data || 'password' in self.data))",
        message: "needs a template for the key username or password, which type kubernetes.io/basic-auth requires",
        holds: |v| {
            field(v, "type") != "kubernetes.io/basic-auth"
                || v.pointer("/data/username").is_some()
                || v.pointer("/data/password").is_some()
        },
    },
    own(
        "spec.tokenSecret.labels",
        "!self.exists(k, k.startsWith('oauthclient.dev/') && (k != 'oauthclient.dev/credentials' || self[k] != 'true'))",
        "must not set labels of oauthclient.dev, which are reserved for the operator: remove them (only oauthclient.dev/credentials: \"true\" \
         may be set, to let other OAuthClients use the token)",
        |v| {
            !v.as_object().into_iter().flatten().any(|(key, value)| {
                key.starts_with("oauthclient.dev/")
                    && (key != CREDENTIALS_LABEL || text(value) != "true")
            })
        },
    ),
    own(
        "spec.tokenSecret.labels",
        "self.all(k, k.matches('^([a-z0-9][-.a-z0-9]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
        "have a key that is not a label's: use an optional domain with /, then at most 63 letters, digits, - _ and .",
        |v| keys(v).all(validators::is_label_key),
    ),
    own(
        "spec.tokenSecret.labels",
        "self.all(k, self[k].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))",
        "have a value that is not a label's: use letters, digits, - _ and . only, with a letter or digit at both ends",
        |v| values(v).all(validators::is_label_value),
    ),
    own(
        "spec.tokenSecret.annotations",
        "!self.exists(k, (k.startsWith('oauthclient.dev/') && k != 'oauthclient.dev/allowed-hosts' && k != 'oauthclient.dev/allowed-token-hosts') || k == 'kubectl.kubernetes.io/last-applied-configuration')",
        "must not set annotations of oauthclient.dev or kubectl's last-applied-configuration, which are reserved: remove them (of \
         oauthclient.dev, only allowed-hosts and allowed-token-hosts may be set)",
        |v| {
            !keys(v).any(|key| {
                (key.starts_with("oauthclient.dev/")
                    && key != ALLOWED_HOSTS_ANNOTATION
                    && key != ALLOWED_TOKEN_HOSTS_ANNOTATION)
                    || key == "kubectl.kubernetes.io/last-applied-configuration"
            })
        },
    ),
    own(
        "spec.tokenSecret.annotations",
        "self.all(k, k.matches('^([a-zA-Z0-9][-.a-zA-Z0-9]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
        "have a key that is not an annotation's: use an optional domain with /, then at most 63 letters, digits, - _ and .",
        |v| keys(v).all(validators::is_annotation_key),
    ),
    own(
        "spec.tokenSecret.data",
        "self.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$') && k != '.' && !k.startsWith('..'))",
        "have a key that a Secret cannot have: use at most 253 letters, digits, - _ and ., and no .. at the start",
        |v| keys(v).all(|key| key.len() <= 253 && validators::is_data_key(key)),
    ),
];
