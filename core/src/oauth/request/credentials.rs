//! Reading credentials: which keys are needed, and what is wrong with their values.

use std::cell::{Cell, RefCell};

use crate::oauth::disclosure::DISCLOSED_KEYS;
use crate::oauth::parameter::single_line;
use crate::oauth::request::problem::CredentialsProblem;
use crate::oauth::request::write::Text;
use crate::oauth::{
    Client, ClientAuthentication, CredentialKeys, Credentials, Grant, RequestContext, SecretKind,
    SentSecrets, TokenSource,
};
use crate::trust::lender::Lenders;

/// So many bytes of a Secret go into one request: hundreds of requests are in flight at once, with several copies of each value.
const LONGEST: usize = 256 << 10;

impl CredentialsProblem {
    /// The key of the credentials Secret that it is about, if it is about one.
    pub fn key(&self) -> Option<&str> {
        match self {
            CredentialsProblem::Missing { key }
            | CredentialsProblem::Empty { key }
            | CredentialsProblem::NotText { key }
            | CredentialsProblem::TooLong { key }
            | CredentialsProblem::Control { key }
            | CredentialsProblem::Colon { key }
            | CredentialsProblem::Key { key, .. } => Some(key),
            CredentialsProblem::Name(_)
            | CredentialsProblem::NotLocated
            | CredentialsProblem::NoToken => None,
        }
    }
}

/// The keys that the credentials Secret must have for this client, each once, in the order they are used.
pub fn required_keys(client: &Client) -> Vec<String> {
    let mut keys: Vec<&String> = Vec::new();
    match &client.authentication {
        ClientAuthentication::ClientSecretBasic { .. }
        | ClientAuthentication::ClientSecretPost
        | ClientAuthentication::ClientSecretJwt(_) => {
            if client.client_id.is_none() {
                keys.push(&client.keys.client_id);
            }
            if !client.empty_secret {
                keys.push(&client.keys.client_secret);
            }
        }
        ClientAuthentication::PrivateKeyJwt(own) => {
            let named = own.issuer.is_some() && own.subject.is_some() && !own.send_client_id;
            if client.client_id.is_none() && !named {
                keys.push(&client.keys.client_id);
            }
            keys.push(&client.keys.private_key);
            keys.extend(own.certificate.as_ref().map(|certificate| &certificate.key));
            keys.extend(own.claims.iter().filter_map(|claim| claim.value.key()));
        }
        ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => {
            if client.client_id.is_none() {
                keys.push(&client.keys.client_id);
            }
        }
        ClientAuthentication::None | ClientAuthentication::ServiceAccountToken(_) => {}
    }
    if client.grant == Grant::Password {
        keys.extend([&client.keys.username, &client.keys.password]);
    }
    if let Some(jwt) = client.grant.jwt_bearer() {
        keys.push(&client.keys.private_key);
        keys.extend(jwt.certificate.as_ref().map(|certificate| &certificate.key));
        keys.extend(jwt.claims.iter().filter_map(|claim| claim.value.key()));
    }
    if let Grant::TokenExchange(exchange) = &client.grant {
        for input in exchange.inputs() {
            if let TokenSource::CredentialsKey(key) = &input.source {
                keys.push(key);
            }
        }
    }
    for parameter in client.parameters.iter().chain(&client.headers) {
        if let Some(key) = parameter.value.key() {
            keys.push(key);
        }
    }
    let mut once: Vec<String> = Vec::new();
    for key in keys {
        if !once.contains(key) {
            once.push(key.clone());
        }
    }
    once
}

/// What a header's value may hold (RFC 9110 section 5.5): no control characters but the tab.
pub(super) fn fits_header(c: char) -> bool {
    c == '\t' || !c.is_control()
}

/// The client id: as the resource says it, or else as the credentials Secret holds it.
pub(super) fn client_id(client: &Client, reader: &Reader<'_>) -> Result<Text, CredentialsProblem> {
    match &client.client_id {
        Some(id) => Ok(Text::new(id.clone())),
        None => reader.credential(&client.keys.client_id),
    }
}

/// As [`client_id`], but neither need have one.
pub(super) fn optional_client_id(
    client: &Client,
    reader: &Reader<'_>,
) -> Result<Option<Text>, CredentialsProblem> {
    match &client.client_id {
        Some(id) => Ok(Some(Text::new(id.clone()))),
        None => reader.optional_credential(&client.keys.client_id),
    }
}

/// Reads values out of the credentials Secret, and keeps a list of those that are secret.
pub(super) struct Reader<'a> {
    credentials: &'a Credentials,
    keys: &'a CredentialKeys,
    read: RefCell<SentSecrets>,
    /// How much was read, in bytes.
    bytes: Cell<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(credentials: &'a Credentials, keys: &'a CredentialKeys) -> Self {
        Reader {
            credentials,
            keys,
            read: RefCell::default(),
            bytes: Cell::default(),
        }
    }

    /// The secrets that a request carries: what was read, what was made of it, and the tokens of the attempt.
    pub(super) fn secrets(self, context: &RequestContext<'_>) -> SentSecrets {
        let mut secrets = self.read.into_inner();
        for token in context.tokens.values() {
            secrets.add(SecretKind::Token, token.expose().unwrap_or_default());
        }
        secrets
    }

    /// Notes something that was made of the credentials and goes into the request.
    pub(super) fn made(&self, value: &str) {
        self.read.borrow_mut().add(SecretKind::Proof, value);
    }

    /// Every value that is read comes by here, so that none is sent that is not on the list. By its name a key is no secret
    /// or is one; the owner of the Secret may disclose more of them.
    fn note(&self, key: &str, value: &str) {
        if DISCLOSED_KEYS.contains(&key) {
            return;
        }
        let keys = self.keys;
        let mut read = self.read.borrow_mut();
        if key == keys.refresh_token {
            read.add(SecretKind::Token, value);
        }
        let proofs = [
            &keys.client_secret,
            &keys.next_client_secret,
            &keys.password,
            &keys.private_key,
        ];
        read.add_key(key, proofs.into_iter().any(|proof| proof == key), value);
    }
}

impl Reader<'_> {
    /// A client id, client secret, user name or password: one line without control characters (RFC 6749 appendix A).
    pub(super) fn credential(&self, key: &str) -> Result<Text, CredentialsProblem> {
        self.header(key)
    }

    /// As [`Reader::credential`], but may be missing. An empty value is still an error.
    pub(super) fn optional_credential(
        &self,
        key: &str,
    ) -> Result<Option<Text>, CredentialsProblem> {
        match self.credential(key) {
            Err(CredentialsProblem::Missing { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// A value that fits a header.
    pub(super) fn header(&self, key: &str) -> Result<Text, CredentialsProblem> {
        let text = self.text(key)?;
        if text.chars().all(fits_header) {
            Ok(text)
        } else {
            Err(CredentialsProblem::Control {
                key: key.to_owned(),
            })
        }
    }

    /// Any text that is not empty.
    pub(super) fn text(&self, key: &str) -> Result<Text, CredentialsProblem> {
        let named = || key.to_owned();
        let value = self
            .credentials
            .get(key)
            .ok_or_else(|| CredentialsProblem::Missing { key: named() })?;
        let text = value
            .expose()
            .ok_or_else(|| CredentialsProblem::NotText { key: named() })?;
        match single_line(text) {
            "" => Err(CredentialsProblem::Empty { key: named() }),
            line => {
                self.note(key, line);
                let bytes = self.bytes.get().saturating_add(line.len());
                self.bytes.set(bytes);
                match bytes {
                    0..=LONGEST => Ok(Text::new(line.to_owned())),
                    _ => Err(CredentialsProblem::TooLong { key: named() }),
                }
            }
        }
    }
}

/// The lenders of all secrets that a request can contain, whether or not it uses their values: the spec decides about that,
/// and its author is not the lender.
pub(super) fn lenders(credentials: &Credentials, context: &RequestContext<'_>) -> Lenders {
    credentials
        .lenders()
        .clone()
        .union(context.tokens.lenders())
}
