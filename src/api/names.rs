//! Labels and annotations by which people tell the operator what it may do.

/// The label by which the owner of a Secret lends it as credentials; its value is `true`.
pub const CREDENTIALS_LABEL: &str = "oauthclient.dev/credentials";
/// The annotation that names the hosts to which a credentials Secret may be sent.
pub const ALLOWED_HOSTS_ANNOTATION: &str = "oauthclient.dev/allowed-hosts";
/// The annotation that names the hosts to which tokens may be sent that were obtained with a Secret or `ServiceAccount`.
pub const ALLOWED_TOKEN_HOSTS_ANNOTATION: &str = "oauthclient.dev/allowed-token-hosts";
/// The annotation by which the owner of a `ServiceAccount` lends it: the audiences its tokens may be made for.
pub const ALLOWED_AUDIENCES_ANNOTATION: &str = "oauthclient.dev/allowed-audiences";
/// The label on the token Secrets that the operator made; its value is `true`.
pub const TOKEN_LABEL: &str = "oauthclient.dev/token";
/// The annotation by which the owner of a Secret gives it to the `OAuthClient` that it names.
pub const ADOPT_ANNOTATION: &str = "oauthclient.dev/adopt";
/// The annotation on an `OAuthClient` of which each new value asks for one new token.
pub const REFRESH_ANNOTATION: &str = "oauthclient.dev/refresh-requested-at";
