//! Labels and annotations with which people control the operator.

/// The label with which the owner of a Secret opts in to its use as credentials; its value is `true`.
pub const CREDENTIALS_LABEL: &str = "oauthclient.dev/credentials";
/// The annotation that names the hosts that a credentials Secret may be sent to.
pub const ALLOWED_HOSTS_ANNOTATION: &str = "oauthclient.dev/allowed-hosts";
/// The annotation that names the hosts that tokens may be sent to that were obtained with a Secret or `ServiceAccount`.
pub const ALLOWED_TOKEN_HOSTS_ANNOTATION: &str = "oauthclient.dev/allowed-token-hosts";
/// The annotation with which the owner of a `ServiceAccount` opts in: the audiences that tokens may be created for.
pub const ALLOWED_AUDIENCES_ANNOTATION: &str = "oauthclient.dev/allowed-audiences";
/// The label of token Secrets that the operator created; its value is `true`.
pub const TOKEN_LABEL: &str = "oauthclient.dev/token";
/// The annotation with which the owner of a Secret lets the named `OAuthClient` take it over.
pub const ADOPT_ANNOTATION: &str = "oauthclient.dev/adopt";
/// The annotation of an `OAuthClient` whose every new value requests one new token.
pub const REFRESH_ANNOTATION: &str = "oauthclient.dev/refresh-requested-at";
/// Annotation of an `OAuthClient` whose tokens are bound to a key (`spec.dpop`): any new value asks for a new key.
pub const ROTATE_KEY_ANNOTATION: &str = "oauthclient.dev/rotate-dpop-key";
/// The annotation of a credentials Secret that names the keys that templates may use in addition to `client_id` and `username`,
/// separated by commas or white space.
pub const DISCLOSED_KEYS_ANNOTATION: &str = "oauthclient.dev/disclosed-keys";
/// The annotation of a credentials Secret that says when its client secret expires at the provider, as a date or a time.
pub const CLIENT_SECRET_EXPIRES: &str = "oauthclient.dev/client-secret-expires-at";
/// The annotation of a credentials Secret whose every new value allows credentials that the provider refused to be sent once more. It is
/// on the Secret, so that only its owner can set it.
pub const RETRY_REQUESTED: &str = "oauthclient.dev/retry-requested-at";
/// The annotation of a workload with which its owner lets the named `OAuthClient` restart it.
pub const RESTART_BY: &str = "oauthclient.dev/restart-by";
