//! Conditions and reasons: what each means and what to do.
//!
//! Conditions, events, metrics and the generated page `docs/conditions.md` use this one list.

use std::fmt;

/// A type of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The published token is valid.
    Ready,
    /// The last token request failed.
    RefreshFailing,
    /// Work is in progress, or waiting for something that may still appear.
    Reconciling,
    /// A person must act.
    Stalled,
}

impl ConditionType {
    /// All types, in the order of the documentation.
    pub const ALL: [ConditionType; 4] = [
        ConditionType::Ready,
        ConditionType::RefreshFailing,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ];

    /// The name in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionType::Ready => "Ready",
            ConditionType::RefreshFailing => "RefreshFailing",
            ConditionType::Reconciling => "Reconciling",
            ConditionType::Stalled => "Stalled",
        }
    }

    /// What the condition means, as a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            ConditionType::Ready => {
                "True while the published token is valid, False from the moment it is not. `kubectl wait --for=condition=Ready` \
                 waits for it."
            }
            ConditionType::RefreshFailing => {
                "True while the last token request failed. A token that is still valid stays published and Ready stays True."
            }
            ConditionType::Reconciling => {
                "True while work is in progress or waiting for something that may still appear. A routine refresh does not set it."
            }
            ConditionType::Stalled => {
                "True while a person must act, because retrying does not help. Ready stays True while the published token is valid."
            }
        }
    }
}

/// The section of the documentation that lists a reason, and the conditions that use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The state of the published token (Ready).
    Token,
    /// Work is in progress or waiting (Reconciling).
    Waiting,
    /// A person must act (Stalled).
    Stalled,
    /// A token request failed (RefreshFailing; also Reconciling or Stalled when there is no valid token).
    Request,
}

impl Group {
    /// All sections, in the order of the documentation.
    pub const ALL: [Group; 4] = [Group::Token, Group::Waiting, Group::Stalled, Group::Request];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Group::Token => "The published token (`Ready`)",
            Group::Waiting => "In progress or waiting (`Reconciling`)",
            Group::Stalled => "A person must act (`Stalled`)",
            Group::Request => "The token request failed (`RefreshFailing`)",
        }
    }
}

/// Generates the enum and its table from one list, so that every reason has its texts.
macro_rules! reasons {
    ($($name:ident $group:ident $meaning:literal $todo:literal)*) => {
        /// Why a condition has its status, in one word. Events and metrics use the same word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// All reasons, in the order of the documentation.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The name, as in a status.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)* }
            }

            /// The section that lists it.
            pub const fn group(self) -> Group {
                match self { $(Reason::$name => Group::$group,)* }
            }

            /// What it means, as a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Reason::$name => $meaning,)* }
            }

            /// What to do about it, as a sentence.
            pub const fn what_to_do(self) -> &'static str {
                match self { $(Reason::$name => $todo,)* }
            }
        }
    };
}

reasons! {
    TokenValid Token
        "The published token is valid."
        "Nothing."
    LifetimeTooShort Token
        "The published token is valid, but its lifetime is shorter than the time that a mounted Secret needs to update (up to 90 s)."
        "Ask the provider for a longer lifetime, or let the workload read the Secret through the API."
    TokenExpired Token
        "The published token has expired, and no new token could be obtained."
        "Read the message of the condition RefreshFailing or Stalled: it says why, and what to do."
    Suspended Token
        "spec.suspend is true, so no tokens are requested, and the last token has expired."
        "To get tokens again, set spec.suspend to false."
    Recovered Token
        "An event: the problem is solved, and the token is valid."
        "Nothing."
    ClientCertificateExpiresSoon Token
        "An event: the client certificate is in the last fifth of its lifetime, or in its last 30 days."
        "Renew it in its Secret. If cert-manager issues it: kubectl describe certificate"
    ClientSecretExpiresSoon Token
        "An event: according to the annotation of the credentials Secret, the client secret expires within 30 days."
        "Get a new one from the provider, put it into the Secret, and correct its annotation oauthclient.dev/client-secret-expires-at."
    ClientSecretExpired Token
        "An event: according to the annotation of the credentials Secret, the client secret has expired. It is still used to request tokens."
        "Get a new one from the provider, put it into the Secret, and correct its annotation oauthclient.dev/client-secret-expires-at."
    ClientSecretExpiryUnknown Token
        "An event: the annotation oauthclient.dev/client-secret-expires-at of the credentials Secret is not a time. Tokens are still requested."
        "Set it to a date such as 2027-01-31, or to a time such as 2027-01-31T12:00:00Z."
    NextClientSecretUsed Token
        "An event: the provider accepted the second client secret in the credentials Secret. From now on it is used first."
        "When the old secret is no longer needed, replace it with the new one and remove the second key."
    Restored Token
        "An event: someone else changed or deleted the token Secret. The operator wrote it again with a new token."
        "Find out who did it. To remove the Secret for good, delete the OAuthClient: its Secret is deleted with it."

    WorkloadRestarted Token
        "An event: a workload in spec.restart is being restarted, because a new token was published."
        "Nothing."
    WorkloadNotRestarted Token
        "An event: a workload in spec.restart is not restarted, or not yet. Until then it may use the previous token."
        "Read the message of the event: it says why, and what to do."
    ServedByAnotherGroup Token
        "An event: the selectors of two groups of operators match the resource. The group in the state of its token Secret serves it; the other one leaves it alone."
        "Change --resource-selector of one group, or the labels of the OAuthClient, so that one group matches."

    RevocationFailed Token
        "An event: the resource was deleted with spec.revocation.onDeletion, but its token could not be revoked."
        "The token stays valid until it expires. To end it now, revoke it at the provider."

    Requesting Waiting
        "A token is being requested, and there is no valid token."
        "Wait a moment."
    Retrying Waiting
        "The token request failed with an error that may be temporary, and there is no valid token. The request will be retried."
        "Read the message of the condition RefreshFailing: it says why, and when the request is retried."
    CredentialsNotFound Waiting
        "The Secret that spec.credentials.secretName names does not exist."
        "Create the Secret in this namespace, or correct the name."
    CredentialsNotLabelled Waiting
        "The credentials Secret lacks the label oauthclient.dev/credentials=true."
        "If you own the Secret and want it sent to this provider: kubectl label secret NAME oauthclient.dev/credentials=true"
    CredentialsKeyMissing Waiting
        "The credentials Secret lacks a required key."
        "Add the key to the Secret, or correct its name in spec.credentials.keys or credentialsKey."
    CredentialsKeyInvalid Waiting
        "A key of the credentials Secret is empty, or its value cannot be sent: it has a line break, for example, or is not text."
        "Correct the value in the Secret. If echo added a line break at the end, use printf or kubectl create secret."
    CredentialsKeyNotDisclosed Waiting
        "A template in spec.tokenSecret.data uses a key of the credentials Secret that the Secret's owner does not disclose."
        "Remove the key from the template. If you own the Secret and the value is not secret: kubectl annotate secret NAME oauthclient.dev/disclosed-keys=KEY"
    ClientCertificateInvalid Waiting
        "The Secret with the client certificate cannot be used: certificate or private key are missing or not in PEM, do not belong together, or the key has a passphrase."
        "Put the certificate into tls.crt, the client's own first, and its private key into tls.key."
    ClientCertificateExpired Waiting
        "The client certificate has expired. With tls_client_auth, no token is requested until it is renewed."
        "Renew the certificate in its Secret. It is used at once. If cert-manager issues it: kubectl describe certificate"
    ClientCertificateNotYetValid Waiting
        "The client certificate is not valid yet."
        "Wait, or check the clock of the node."
    HostNotAllowed Waiting
        "A Secret or ServiceAccount does not allow its content, or a token that was obtained with it, to be sent to an endpoint of spec.provider."
        "If you own it: add the host to its annotation oauthclient.dev/allowed-hosts, or, for tokens that were obtained with it, to oauthclient.dev/allowed-token-hosts."
    ReferenceNotFound Waiting
        "The OAuthClient whose token is exchanged (oauthClientName) does not exist."
        "Create it in this namespace, or correct the name."
    ReferenceNotReady Waiting
        "The OAuthClient whose token is exchanged, or is in the credentials Secret, has no valid token."
        "Wait: the token is requested as soon as there is one. To see what it lacks: kubectl describe oauthclients.oauthclient.dev NAME"
    ReferenceNotOptedIn Waiting
        "The token Secret of the OAuthClient whose token is exchanged lacks the label oauthclient.dev/credentials=true."
        "If you own it and want its token sent to this provider: set oauthclient.dev/credentials: \"true\" in its spec.tokenSecret.labels."
    ReferenceKeyMissing Waiting
        "The token Secret of the OAuthClient whose token is exchanged lacks the key, or its value cannot be used."
        "Correct the field key next to oauthClientName in spec.grant.tokenExchange."
    ServiceAccountNotFound Waiting
        "The ServiceAccount whose token is sent does not exist."
        "Create it in this namespace, or correct serviceAccountName."
    ServiceAccountNotOptedIn Waiting
        "The ServiceAccount does not allow tokens for the requested audience."
        "If you own it: add the audience to its annotation oauthclient.dev/allowed-audiences, and the provider's host to oauthclient.dev/allowed-hosts."
    CANotFound Waiting
        "The ConfigMap of spec.provider.caBundle does not exist or lacks the key."
        "Create the ConfigMap in this namespace with the certificates in PEM, or correct its name or key."
    CAInvalid Waiting
        "The CA bundle holds no readable certificate."
        "Put PEM certificates into the ConfigMap, each from BEGIN CERTIFICATE to END CERTIFICATE."
    AwaitingGarbageCollection Waiting
        "The token Secret belongs to a deleted OAuthClient of the same name; Kubernetes is about to delete it."
        "Wait a moment. If this lasts, check the garbage collector of the cluster."
    AwaitingWrite Waiting
        "A token was issued, but it is not written to the token Secret yet."
        "Wait: the write is retried. If this lasts, the message shows the answer of the API server."

    AwaitingLogin Waiting
        "There is no refresh token yet, neither from a login nor in the credentials Secret."
        "Log in: kubectl oauthclient login NAME. Or put a refresh token into the credentials Secret, under the key refresh_token."

    InvalidSpec Stalled
        "The spec is invalid."
        "Correct the field that the message names."
    InvalidTemplate Stalled
        "A template in spec.tokenSecret.data is invalid. No token was requested."
        "Correct the template that the message names."
    RenderFailed Stalled
        "A template in spec.tokenSecret.data could not be rendered with the provider's response. No further token is requested."
        "Correct the template that the message names, for example with the filter default."
    ReferenceCycle Stalled
        "OAuthClients exchange each other's tokens in a cycle, so none of them can get a token."
        "Change the source in spec.grant.tokenExchange of one of them. The message lists the cycle."
    ServiceAccountTokenMissing Stalled
        "A ServiceAccount token is needed, and `local` has no cluster that can issue one."
        "Pass a file that something else keeps up to date: --service-account-token-file NAME=PATH"
    SecretNotOwned Stalled
        "A Secret with the name of the token Secret exists, and the operator did not create it. It is not changed."
        "Choose another spec.tokenSecret.name, delete the Secret, or let the operator take it over: kubectl annotate secret NAME oauthclient.dev/adopt=THIS-RESOURCE (it is then deleted together with this resource)."
    SecretContested Stalled
        "Another OAuthClient writes the same token Secret."
        "Change spec.tokenSecret.name of one of them."
    SecretImmutable Stalled
        "The token Secret is immutable, so no new token can be written."
        "Delete the Secret: the operator creates it again."
    SecretTypeMismatch Stalled
        "The token Secret exists with another type, and the type of a Secret is immutable."
        "Delete the Secret, or choose another spec.tokenSecret.name."
    SecretTooLarge Stalled
        "The data do not fit into a Secret. The existing Secret is not changed."
        "Use less of the response in spec.tokenSecret.data."
    WriteRefused Stalled
        "Kubernetes refused the token Secret: because of a quota, a policy or an admission webhook, or because of its content (a .dockerconfigjson that is not a JSON object, too many bytes). After a 403 from a quota or webhook, the write is retried. After any other refusal, no token is requested until the spec, the credentials or the token Secret change."
        "The message says who or what refused it: change that or the resource. After a change that the operator cannot see: kubectl annotate oauthclient NAME --overwrite oauthclient.dev/refresh-requested-at=NOW."
    PermissionMissing Stalled
        "The operator lacks a required permission in this namespace."
        "Ask the administrator of the operator to run: kubectl apply -k deploy/ (or to grant its ServiceAccount the permissions of that Role in this namespace). The message names the missing permission."
    NamespaceTerminating Stalled
        "The namespace is being deleted, so no Secret can be created in it."
        "Nothing, if you want the namespace deleted."
    Contested Stalled
        "Something else keeps changing or deleting the token Secret. The operator repairs it at growing intervals."
        "Find out who writes it, and stop that: kubectl get secret NAME --show-managed-fields -o yaml"
    AddressRefused Stalled
        "The token endpoint is at an address that the operator must not call: loopback, link-local or the metadata service of a cloud."
        "Correct spec.provider.tokenURL. The administrator of the operator can allow such addresses with a flag."
    ReauthorizationRequired Stalled
        "The refresh token no longer works, or it is unknown whether it does. It is not sent again."
        "Log in again: kubectl oauthclient login NAME. Or put a new refresh token into the credentials Secret."
    HTTPNotAllowed Stalled
        "spec.provider.tokenURL is http, so the credentials could be read on the network."
        "Use https. The administrator of the operator can allow http with --allow-http."

    AudienceRefused Request
        "The Kubernetes API itself accepts ServiceAccount tokens for this audience, so such a token is never sent."
        "Set serviceAccountToken.audience to the audience that the provider requires."
    ServiceAccountTokenFailed Request
        "The Kubernetes API issued no token for the ServiceAccount. No request was sent to the provider."
        "Wait: it is retried. If this lasts, the message shows the cause."
    InvalidRequest Request
        "The provider refused the request as malformed (invalid_request)."
        "Compare spec.parameters, spec.request and spec.grant with the provider's documentation."
    InvalidClient Request
        "The provider refused the client or its authentication (invalid_client)."
        "Check the client id and spec.clientAuthentication.method. Then check, for client_secret_basic, client_secret_post and client_secret_jwt: the client secret, and whether it has expired at the provider; for private_key_jwt: the public key at the provider (keyID), the audience and the clock; for tls_client_auth and self_signed_tls_client_auth: the certificate that is registered at the provider; for service_account_token: that the provider trusts this cluster as an issuer, for this ServiceAccount and audience. The request is retried at growing intervals, and at once when spec or credentials change."
    InvalidGrant Request
        "The provider refused the grant (invalid_grant): the user name and password, the assertion, or the exchanged token."
        "Depends on spec.grant.type. password: check user name and password in the credentials Secret, and whether the account is locked or expired. The request is not retried until spec or credentials change, because retries may lock the account. urn:ietf:params:oauth:grant-type:jwt-bearer: check the public key at the provider, issuer, subject and audience of the assertion, and the clock. urn:ietf:params:oauth:grant-type:token-exchange: check that the provider trusts the issuer and the audience of the subject token. Others: compare spec.parameters with the provider's documentation. All except password are retried at growing intervals. (For a refused refresh token, the reason is ReauthorizationRequired or NewRefreshTokenRefused.)"
    NewRefreshTokenRefused Request
        "The provider refused the new refresh token in the login Secret or the credentials Secret. It was sent once. The previous refresh token is still used."
        "Log in: kubectl oauthclient login NAME. Or put another refresh token there. The refused one is not sent again until it, the spec or the client's credentials change."
    UnauthorizedClient Request
        "The client is not allowed to use this grant (unauthorized_client)."
        "Ask the provider to allow the grant for this client, or change spec.grant.type."
    UnsupportedGrantType Request
        "The provider does not know this grant (unsupported_grant_type)."
        "Change spec.grant.type, or spec.provider.tokenURL if it is not the token endpoint."
    InvalidScope Request
        "The provider refused the requested scopes (invalid_scope)."
        "Correct spec.scopes, or ask the provider to grant them to this client."
    ConsentRequired Request
        "The provider requires a person to consent, to log in or to choose an account first (consent_required, interaction_required, login_required)."
        "Log in at the provider and consent for this client once. Then request a refresh: kubectl oauthclient refresh NAME"
    ProofRequired Request
        "The provider refused the proof of possession, or requires one (DPoP, RFC 9449; use_dpop_nonce, invalid_dpop_proof)."
        "Set spec.dpop: {}. If it is set, check the clocks, and the key dpop_key of the credentials Secret if there is one."
    InvalidTarget Request
        "The provider does not know the requested resource or audience (invalid_target)."
        "Correct resource or audience in spec.parameters."
    AccessDenied Request
        "The provider denies access (access_denied)."
        "Ask the provider to grant this client the requested scopes and parameters (spec.scopes, spec.parameters)."
    Unauthorized Request
        "The provider answered 401 without a known error code."
        "Check spec.clientAuthentication.method and the credentials, as for InvalidClient."
    Forbidden Request
        "The provider answered 403 without a known error code."
        "Ask the provider whether this client has access to the requested scopes and parameters (spec.scopes, spec.parameters)."
    NotFound Request
        "The provider answered 404 or 405: the URL is not a token endpoint."
        "Correct spec.provider.tokenURL. For an issuer, set spec.provider.issuerURL instead."
    DiscoveryFailed Request
        "The discovery document of spec.provider.issuerURL could not be read."
        "Check spec.provider.issuerURL and the network. If the provider has no such document, set spec.provider.tokenURL instead."
    DiscoveryDocumentInvalid Request
        "The discovery document of spec.provider.issuerURL is invalid or names no token endpoint."
        "Check spec.provider.issuerURL. If the provider has no such document, set spec.provider.tokenURL instead."
    IssuerMismatch Request
        "The issuer in the discovery document differs from spec.provider.issuerURL, often by a slash at the end. Nothing is sent to its endpoints."
        "Set spec.provider.issuerURL to exactly the issuer in the document. The message shows both."
    ProxyRefused Request
        "The proxy requires authentication (407)."
        "Ask the administrator of the operator to add user name and password to its proxy variables."
    RateLimited Request
        "The provider limits the rate of requests."
        "Wait: it is retried. If this lasts, check what else uses the same client."
    ServerError Request
        "The provider failed (server_error, or HTTP 5xx)."
        "Wait: it is retried. If this lasts, ask the provider."
    TemporarilyUnavailable Request
        "The provider is temporarily unavailable (temporarily_unavailable, or HTTP 408, 425, 503 or 504)."
        "Wait: it is retried."
    RequestRefused Request
        "The provider refused the request without a known error code."
        "Compare the spec with the provider's documentation. To try changes: kubectl oauthclient test NAME"
    Redirected Request
        "The provider answered with a redirect. Redirects are not followed, because credentials must not reach another address."
        "Set spec.provider.tokenURL to the URL of the token endpoint itself."
    UnusableResponse Request
        "The provider reported success, but its response holds no usable token."
        "Compare spec.response with the responses in the provider's documentation, and check spec.provider.tokenURL."
    ResponseTooLarge Request
        "The response is larger than 1 MiB."
        "Check spec.provider.tokenURL: token endpoints send smaller responses."
    Timeout Request
        "The response did not arrive within spec.provider.timeoutSeconds."
        "Wait: it is retried. If this lasts, check the network between cluster and provider."
    DNSFailed Request
        "The host name of the token endpoint could not be resolved."
        "Check the host in spec.provider.tokenURL, and the DNS of the cluster."
    ConnectFailed Request
        "The connection to the token endpoint failed or broke."
        "Check host and port in spec.provider.tokenURL, and any NetworkPolicy or firewall in between."
    ClientCertificateRefused Request
        "The token endpoint requires a client certificate and the spec has none, or it refused the client certificate."
        "Name the Secret with the certificate in spec.clientAuthentication.tlsClientAuth or spec.provider.clientCertificate. Check that this certificate is registered at the provider, and that tls.crt holds its chain."
    TLSFailed Request
        "The certificate of the token endpoint is not trusted, or the TLS handshake failed for another reason."
        "For a private certificate authority, put its certificate into a ConfigMap and name that in spec.provider.caBundle. Check whether the server certificate has expired."
}

impl Reason {
    /// The reason with this name, as it appears in a status or an error.
    pub fn parse(word: &str) -> Option<Reason> {
        Reason::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
