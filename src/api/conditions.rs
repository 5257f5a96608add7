//! The words of the status: every condition, every reason, what each means and what to do.
//!
//! One list for conditions, events, metrics and `docs/conditions.md`, which is generated from it.

use std::fmt::{self, Write};

/// A type of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The published token is valid.
    Ready,
    /// The last token request failed.
    RefreshFailing,
    /// Something is under way, or awaited that may still come.
    Reconciling,
    /// A person must act.
    Stalled,
}

impl ConditionType {
    /// All of them, in the order of the documentation.
    pub const ALL: [ConditionType; 4] = [
        ConditionType::Ready,
        ConditionType::RefreshFailing,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ];

    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionType::Ready => "Ready",
            ConditionType::RefreshFailing => "RefreshFailing",
            ConditionType::Reconciling => "Reconciling",
            ConditionType::Stalled => "Stalled",
        }
    }

    /// What it says when it is True.
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
                "True while something is under way, or awaited that may still come. A routine refresh does not set it."
            }
            ConditionType::Stalled => {
                "True when a person must act: trying again changes nothing. Ready stays True as long as the published token lives."
            }
        }
    }
}

/// What a reason is about: where it stands in the documentation, and in which conditions it is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The state of the published token (Ready).
    Token,
    /// Something is awaited or under way (Reconciling).
    Waiting,
    /// A person must act (Stalled).
    Stalled,
    /// A token request failed (RefreshFailing; also Reconciling or Stalled when there is no valid token).
    Request,
}

impl Group {
    const ALL: [Group; 4] = [Group::Token, Group::Waiting, Group::Stalled, Group::Request];

    fn title(self) -> &'static str {
        match self {
            Group::Token => "The published token (`Ready`)",
            Group::Waiting => "Under way or awaited (`Reconciling`)",
            Group::Stalled => "A person must act (`Stalled`)",
            Group::Request => "The token request failed (`RefreshFailing`)",
        }
    }
}

/// Writes the enum and its table from one list, so that no reason can lack its words.
macro_rules! reasons {
    ($($name:ident $group:ident $meaning:literal $todo:literal)*) => {
        /// Why a condition is as it is, in one word. The same word stands in events and metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)* }
            }

            /// What it is about.
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
        "The published token is valid, but lives so short that a mounted Secret may lag behind it: the kubelet takes up to 90 seconds to update a volume."
        "Ask the provider for a longer lifetime, or let the workload read the Secret through the API."
    TokenExpired Token
        "The published token has expired and no new one could be had."
        "Look at the condition RefreshFailing or Stalled: its message says why and what to do."
    Suspended Token
        "No more tokens are asked for, because spec.suspend is true, and there is no valid one left."
        "Set spec.suspend to false when tokens are wanted again."
    Recovered Token
        "An event: what was wrong is over, and the token is valid."
        "Nothing."
    ClientCertificateExpiresSoon Token
        "An event: the client certificate is in the last fifth of its life, or in its last 30 days."
        "Renew it in its Secret. If cert-manager makes it: kubectl describe certificate"
    ClientSecretExpiresSoon Token
        "An event: the client secret ends within 30 days, as the annotation of the credentials Secret says."
        "Get a new one from the provider, put it into the Secret, and correct its annotation oauthclient.dev/client-secret-expires-at."
    ClientSecretExpired Token
        "An event: the client secret has ended, as the annotation of the credentials Secret says. Tokens are asked for with it all the same."
        "Get a new one from the provider, put it into the Secret, and correct its annotation oauthclient.dev/client-secret-expires-at."
    ClientSecretExpiryUnknown Token
        "An event: the annotation oauthclient.dev/client-secret-expires-at of the credentials Secret holds no time. Tokens are asked for all the same."
        "Write a date such as 2027-01-31 into it, or a time such as 2027-01-31T12:00:00Z."
    NextClientSecretUsed Token
        "An event: the provider took the second client secret of the credentials Secret, which is used first from now on."
        "Put it in the place of the old one when that is done with, and remove the second key."
    Restored Token
        "An event: the token Secret had been altered or deleted by someone else, and was written anew with a new token."
        "Find out who did it. To end a resource, delete the OAuthClient: its Secret goes with it."

    RevocationFailed Token
        "An event: the resource was deleted with spec.revocation.onDeletion, and its token could not be revoked. The resource is gone all the same."
        "The token stays valid until its own end. If it must not, revoke it at the provider."

    Requesting Waiting
        "A token is being asked for, and there is no valid one."
        "Wait a moment."
    Retrying Waiting
        "The token request failed in a way that may pass, there is no valid token, and it will be tried again."
        "Look at the condition RefreshFailing: its message says why and when it is tried again."
    CredentialsNotFound Waiting
        "There is no Secret with the name that spec.credentials.secretName gives."
        "Create the Secret in this namespace, or correct the name."
    CredentialsNotLabelled Waiting
        "The credentials Secret does not carry the label by which its owner lends it."
        "If you own the Secret and want it sent to this provider: kubectl label secret NAME oauthclient.dev/credentials=true"
    CredentialsKeyMissing Waiting
        "The credentials Secret lacks a key that is needed."
        "Add the key to the Secret, or name the right one in spec.credentials.keys or credentialsKey."
    CredentialsKeyInvalid Waiting
        "A key of the credentials Secret is empty or holds what cannot be sent, such as a line break or bytes that are not text."
        "Correct the value in the Secret. A line break at the end often comes from echo: use printf or kubectl create secret."
    CredentialsKeyNotDisclosed Waiting
        "A template in spec.tokenSecret.data uses a key of the credentials Secret that its owner does not disclose."
        "Remove the key from the template. If you own the Secret and the key is no secret: kubectl annotate secret NAME oauthclient.dev/disclosed-keys=KEY"
    ClientCertificateInvalid Waiting
        "The Secret with the client certificate holds what cannot be shown: no certificate or private key in PEM, a key that belongs to another certificate, or one with a passphrase."
        "Put certificate and key that belong together into tls.crt and tls.key, the client's own certificate first."
    ClientCertificateExpired Waiting
        "The client certificate has expired. With tls_client_auth no token is asked for until there is a new one."
        "Renew the certificate in its Secret: it is picked up at once. If cert-manager makes it: kubectl describe certificate"
    ClientCertificateNotYetValid Waiting
        "The client certificate becomes valid at a time to come."
        "Wait, or check the clock of the node."
    HostNotAllowed Waiting
        "A Secret or ServiceAccount does not allow that its content, or a token that was obtained with it, is sent to an endpoint of spec.provider."
        "If you own it: add the host to its annotation oauthclient.dev/allowed-hosts, or to oauthclient.dev/allowed-token-hosts for what was obtained with it."
    ReferenceNotFound Waiting
        "The OAuthClient whose token is to be exchanged (oauthClientName) is not there."
        "Create it in this namespace, or correct the name."
    ReferenceNotReady Waiting
        "The OAuthClient whose token is to be exchanged has no valid token."
        "Wait: it goes on by itself once there is one. Look at that OAuthClient with kubectl describe oauthclients.oauthclient.dev NAME."
    ReferenceNotLent Waiting
        "The OAuthClient whose token is to be exchanged has not lent it."
        "If you own it, and its token may be sent: set the label oauthclient.dev/credentials: \"true\" in its spec.tokenSecret.labels."
    ReferenceKeyMissing Waiting
        "The token Secret of the OAuthClient whose token is to be exchanged lacks the key that is named, or holds nothing usable there."
        "Correct key beside oauthClientName in spec.grant.tokenExchange."
    ServiceAccountNotFound Waiting
        "The ServiceAccount whose token is to be sent is not there."
        "Create it in this namespace, or correct serviceAccountName."
    ServiceAccountNotLent Waiting
        "The ServiceAccount does not lend itself for the audience that is asked for."
        "If you own it: add the audience to its annotation oauthclient.dev/allowed-audiences, and the provider's host to oauthclient.dev/allowed-hosts."
    CANotFound Waiting
        "The ConfigMap of spec.provider.caBundle, or its key, is not there."
        "Create the ConfigMap in this namespace with the certificates in PEM, or correct its name or key."
    CAInvalid Waiting
        "The CA bundle holds no certificate that can be read."
        "Put PEM certificates into the ConfigMap, each from BEGIN CERTIFICATE to END CERTIFICATE."
    AwaitingGarbageCollection Waiting
        "The token Secret belongs to a deleted OAuthClient of the same name; Kubernetes is about to remove it."
        "Wait a moment. If it stays, look whether the garbage collector of the cluster runs."
    AwaitingWrite Waiting
        "A token was issued, but it could not be written to the token Secret yet."
        "Wait: it is tried again. If it stays, look at the message for the answer of the API server."

    AwaitingLogin Waiting
        "There is no refresh token yet: neither a login nor the credentials Secret gave one."
        "Log in: kubectl oauthclient login NAME. Or put a refresh token under refresh_token into the credentials Secret."

    InvalidSpec Stalled
        "The spec holds something that the operator cannot work with."
        "Correct the field that the message names."
    InvalidTemplate Stalled
        "A template in spec.tokenSecret.data cannot work. No token was asked for."
        "Correct the template that the message names."
    RenderFailed Stalled
        "A template in spec.tokenSecret.data could not be rendered with the answer of the provider. No further token is asked for."
        "Correct the template that the message names, for example with the filter default."
    ReferenceCycle Stalled
        "OAuthClients wait for each other's token in a circle: none of them can ever get one."
        "Name another source in spec.grant.tokenExchange of one of them; the message tells the circle."
    ServiceAccountTokenMissing Stalled
        "A token of a ServiceAccount is needed, and `local` has no cluster to make one."
        "Give one in a file that something else keeps fresh: --service-account-token-file NAME=PATH."
    SecretNotOwned Stalled
        "A Secret with the name of the token Secret exists, and the operator did not make it. It is left as it is."
        "Choose another spec.tokenSecret.name, delete the Secret, or hand it over: kubectl annotate secret NAME oauthclient.dev/adopt=THIS-RESOURCE (it is then deleted together with this resource)."
    SecretContested Stalled
        "Another OAuthClient writes to the same token Secret."
        "Give one of the two another spec.tokenSecret.name."
    SecretImmutable Stalled
        "The token Secret is immutable, so no new token can be written."
        "Delete the Secret: the operator makes it anew."
    SecretTypeMismatch Stalled
        "The token Secret exists with another type, and the type of a Secret cannot be changed."
        "Delete the Secret, or choose another spec.tokenSecret.name."
    SecretTooLarge Stalled
        "What would be written does not fit into a Secret. The one that is there stays as it is."
        "Use less of the answer in spec.tokenSecret.data."
    WriteRefused Stalled
        "Kubernetes refuses the token Secret: by a quota, a policy or an admission webhook, or because of what is in it (a .dockerconfigjson that is no JSON object, too many bytes). A write that a quota or webhook forbids (403) is tried again; any other is not, and no token is requested until the spec, the credentials or the token Secret change."
        "Look at the message for who or what refuses it, and change that or the resource. After a change that the operator cannot see: kubectl annotate oauthclient NAME --overwrite oauthclient.dev/refresh-requested-at=NOW."
    PermissionMissing Stalled
        "The operator lacks a right that it needs in this namespace."
        "Whoever runs the operator: kubectl apply -k deploy/ (or grant its ServiceAccount the rights of that Role in this namespace); the message names the one that is missing."
    NamespaceTerminating Stalled
        "The namespace is being deleted: no Secret can be made in it any more."
        "Nothing, if the namespace is to go."
    Contested Stalled
        "Something else keeps changing or deleting the token Secret; repairs are made less and less often."
        "Find out who writes it (kubectl get secret NAME --show-managed-fields -o yaml) and stop one of the two."
    AddressRefused Stalled
        "The token endpoint is at an address that the operator must not call: loopback, link-local or a cloud's metadata service."
        "Correct spec.provider.tokenURL. Whoever runs the operator can allow such addresses with a flag."
    ReauthorizationRequired Stalled
        "The refresh token does not work any more, or nobody can know whether it does: it is not sent again."
        "Log in anew: kubectl oauthclient login NAME. Or put a new refresh token into the credentials Secret."
    HTTPNotAllowed Stalled
        "spec.provider.tokenURL is http, which would show the credentials to everyone on the way."
        "Use https. Whoever runs the operator can allow http with --allow-http."

    AudienceRefused Request
        "A ServiceAccount's token for this audience would be good for the Kubernetes API itself. It is never sent."
        "Write the audience that the provider wants in serviceAccountToken.audience."
    ServiceAccountTokenFailed Request
        "The Kubernetes API made no token of the ServiceAccount. No request was sent to the provider."
        "Wait: it is tried again. If it goes on, look at the message."
    InvalidRequest Request
        "The provider finds the request malformed (invalid_request)."
        "Compare spec.parameters, spec.request and spec.grant with the provider's documentation."
    InvalidClient Request
        "The provider does not accept the client, or the way it proves who it is (invalid_client)."
        "Check the client id and spec.clientAuthentication.method; then, by that method. client_secret_basic, client_secret_post, client_secret_jwt: the client secret in the credentials Secret, and whether it has expired at the provider. private_key_jwt: that the provider has the public key of the one in the Secret (keyID), the audience, and the clock. tls_client_auth, self_signed_tls_client_auth: that the certificate is the one that is registered. service_account_token: that the provider trusts this cluster as an issuer, for this ServiceAccount and audience. It is tried again, less and less often, and at once when spec or credentials change."
    InvalidGrant Request
        "The provider does not accept what the token is asked with (invalid_grant): the user name and password, the assertion, or the token to be exchanged."
        "By spec.grant.type. password: check user name and password in the credentials Secret, and whether the account is locked or expired; nothing is tried again until spec or credentials change, since more tries may lock the account. urn:ietf:params:oauth:grant-type:jwt-bearer: check that the provider has the public key, issuer, subject and audience of the assertion, and the clock. urn:ietf:params:oauth:grant-type:token-exchange: check that the provider trusts the issuer of the subject token, and its audience. Others: compare spec.parameters with the provider's documentation. All but password are tried again, less and less often. (A refused refresh token is ReauthorizationRequired or NewRefreshTokenRefused.)"
    NewRefreshTokenRefused Request
        "The provider does not take the refresh token that was newly put into the login Secret or the credentials Secret. It was tried once; the one before goes on being used."
        "Put another one there, or log in: kubectl oauthclient login NAME. The refused one is not sent again before it, the spec or the client's credentials change."
    UnauthorizedClient Request
        "The client may not use this grant (unauthorized_client)."
        "Ask the provider to allow the grant for this client, or change spec.grant.type."
    UnsupportedGrantType Request
        "The provider does not know this grant (unsupported_grant_type)."
        "Change spec.grant.type, or spec.provider.tokenURL if it is not the token endpoint."
    InvalidScope Request
        "The provider does not grant the scopes asked for (invalid_scope)."
        "Correct spec.scopes, or ask the provider to grant them to this client."
    ConsentRequired Request
        "The provider requires a person to consent, to log in or to choose an account first (consent_required, interaction_required, login_required)."
        "Log in at the provider and consent for this client once. Then request a refresh: kubectl oauthclient refresh NAME"
    ProofRequired Request
        "The provider requires a proof of possession with the request (DPoP, RFC 9449), which is not supported."
        "Ask the provider to issue bearer tokens to this client."
    InvalidTarget Request
        "The provider does not know the resource or audience asked for (invalid_target)."
        "Correct resource or audience in spec.parameters."
    AccessDenied Request
        "The provider denies access (access_denied)."
        "Ask the provider to grant this client what spec.scopes and spec.parameters ask for."
    Unauthorized Request
        "The provider answered 401 without a reason that is known."
        "Check what the client proves itself with, as for InvalidClient, and spec.clientAuthentication.method."
    Forbidden Request
        "The provider answered 403 without a reason that is known."
        "Ask the provider whether this client has access to what spec.scopes and spec.parameters ask for."
    NotFound Request
        "The provider answered 404 or 405: this address is not a token endpoint."
        "Correct spec.provider.tokenURL. For an issuer, set spec.provider.issuerURL instead."
    DiscoveryFailed Request
        "The discovery document of spec.provider.issuerURL could not be read."
        "Check spec.provider.issuerURL and the way to it; where the provider has no such document, set spec.provider.tokenURL in its place."
    DiscoveryDocumentInvalid Request
        "What stands where the discovery document of spec.provider.issuerURL should be is not one, or names no token endpoint."
        "Check spec.provider.issuerURL; where the provider has no such document, set spec.provider.tokenURL in its place."
    IssuerMismatch Request
        "The discovery document is that of another issuer than spec.provider.issuerURL; often the two differ by a slash at the end. Nothing is sent to where it points."
        "Write spec.provider.issuerURL character by character as the provider does; the message shows both."
    ProxyRefused Request
        "The proxy on the way wants a login (407)."
        "Whoever runs the operator: put user name and password of the proxy into its proxy variables."
    RateLimited Request
        "The provider asks for fewer requests."
        "Wait. If it goes on, look for others that use the same client."
    ServerError Request
        "The provider failed (server_error, or HTTP 5xx)."
        "Wait: it is tried again. If it goes on, ask the provider."
    TemporarilyUnavailable Request
        "The provider is unavailable for now (temporarily_unavailable, or HTTP 408, 425, 503 or 504)."
        "Wait: it is tried again."
    RequestRefused Request
        "The provider refused the request, without a reason that is known."
        "Compare the spec with the provider's documentation; try it with: oauthclient-operator local"
    Redirected Request
        "The provider answered with a redirect. Credentials are never sent on to another address."
        "Set spec.provider.tokenURL to the address of the token endpoint itself."
    UnusableResponse Request
        "The provider answered with success, but without a token that can be published."
        "Compare spec.response with the answers in the provider's documentation, and check spec.provider.tokenURL."
    ResponseTooLarge Request
        "The answer is larger than the 1 MiB that is read."
        "Check spec.provider.tokenURL: this is not the answer of a token endpoint."
    Timeout Request
        "No whole answer came within spec.provider.timeoutSeconds."
        "Wait: it is tried again. If it goes on, look at the network between cluster and provider."
    DNSFailed Request
        "The name of the token endpoint could not be looked up."
        "Check the host in spec.provider.tokenURL, and the DNS of the cluster."
    ConnectFailed Request
        "No connection to the token endpoint could be made, or it broke."
        "Check host and port in spec.provider.tokenURL, and whether a NetworkPolicy or firewall stands between."
    ClientCertificateRefused Request
        "The token endpoint wants a client certificate and none is named, or it does not accept the one that was shown."
        "Name the Secret with the certificate in spec.clientAuthentication.tlsClientAuth or spec.provider.clientCertificate. Check that it is the one that is registered with the provider, and that tls.crt holds its chain."
    TLSFailed Request
        "The certificate of the token endpoint is not trusted, or TLS failed in another way."
        "For an authority of your own, put its certificate into a ConfigMap and name it in spec.provider.caBundle. Check whether the certificate has expired."
}

impl Reason {
    /// Reads a word of the list, as `reason()` of an error or a status gives it.
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

/// The page `docs/conditions.md`.
pub fn page() -> String {
    let mut page = String::from(
        "<!-- Generated from src/api/conditions.rs: change that, not this file. -->\n\n# Conditions and reasons\n\n\
         What the operator has to say of an `OAuthClient` stands in its conditions: `kubectl describe oac NAME` shows them, with\n\
         a message that says what happened, what still works, and the next step. The same reasons are used in events and metrics.\n\n\
         | condition | meaning |\n|---|---|\n",
    );
    for kind in ConditionType::ALL {
        let _ = writeln!(page, "| `{}` | {} |", kind.as_str(), kind.meaning());
    }
    for group in Group::ALL {
        let _ = write!(
            page,
            "\n## {}\n\n| reason | what it means | what to do |\n|---|---|---|\n",
            group.title()
        );
        for reason in Reason::ALL.iter().filter(|reason| reason.group() == group) {
            let _ = writeln!(
                page,
                "| `{reason}` | {} | {} |",
                reason.meaning(),
                reason.what_to_do()
            );
        }
    }
    page
}
