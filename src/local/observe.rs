//! What a reconciliation sees of a resource: its manifest, its tokens, and what it refers to.

use std::io;

use crate::api::validate;
use crate::api::validate::Validated;
use crate::engine::Key;
use crate::http::CaBundle;
use crate::inputs;
use crate::model::{
    CaSeen, CertificateSeen, ClientSecret, FailedAttempt, FamilySeen, Life, Memory, Observed,
    Resource, SecretSeen,
};
use crate::names::REFRESH_ANNOTATION;
use crate::oauth::TokensInHand;
use crate::policy;
use crate::reconcile::certificate_seen;

use super::files::{Files, Known};
use super::state_folder::hex;

impl Files {
    /// A credentials Secret from its manifest. Its version is a keyed hash of its data, so neither a restart nor an
    /// edit of
    /// its labels looks like a change of the credentials.
    pub(super) fn credentials(&self, key: &Key) -> Option<SecretSeen> {
        let known = self.known();
        let Some(secret) = known.catalogue.secrets.get(key) else {
            drop(known);
            // The token Secret of another resource will do, as in a cluster.
            return self.tokens.see(key).ok().flatten();
        };
        let secret = &secret.value;
        let mut content = zeroize::Zeroizing::new(Vec::new());
        for (name, value) in &secret.data {
            for part in [name.as_bytes(), value.expose_bytes()] {
                content.extend_from_slice(&(part.len() as u64).to_le_bytes());
                content.extend_from_slice(part);
            }
        }
        let short = |hash: [u8; 32]| hex(hash.get(..16).unwrap_or_default());
        Some(SecretSeen {
            name: key.name().to_owned(),
            uid: short(self.store.hash("uid", key.to_string().as_bytes())),
            resource_version: short(self.store.hash("credentials", &content)),
            type_: secret.type_.clone(),
            labels: secret.labels.clone(),
            annotations: secret.annotations.clone(),
            data: secret.data.clone(),
            immutable: false,
            deleting: false,
            owners: Vec::new(),
        })
    }

    /// Adds the Secrets and `ServiceAccounts` that the current token was obtained with, where they are not there yet.
    fn lenders(&self, key: &Key, seen: &mut Observed) -> io::Result<()> {
        let (secrets, accounts) = policy::lenders_to_see(seen);
        for name in secrets {
            let secret = Key::new(key.namespace(), &name);
            let found = match self.credentials(&secret) {
                Some(found) => Some(found),
                None => self.tokens.see(&secret)?,
            };
            seen.lender_secrets.extend(found);
        }
        for name in accounts {
            let account = self.account(&name);
            seen.accounts.insert(name, account);
        }
        Ok(())
    }

    fn ca(&self, key: &Key, spec: &Validated) -> CaSeen {
        let Some(named) = &spec.ca_bundle else {
            return CaSeen::NotNamed;
        };
        let known = self.known();
        let Some(map) = known
            .catalogue
            .config_maps
            .get(&Key::new(key.namespace(), &named.name))
        else {
            return CaSeen::Missing;
        };
        let Some(bytes) = map.value.get(&named.key) else {
            return CaSeen::KeyMissing;
        };
        match (CaBundle::from_pem(bytes), std::str::from_utf8(bytes)) {
            (Ok(_), Ok(text)) => CaSeen::Pem(text.to_owned()),
            (Err(problem), _) => CaSeen::Broken(problem.to_string()),
            (_, Err(_)) => CaSeen::Broken("it is not text".to_owned()),
        }
    }

    /// The other resource that creates a token Secret which does not exist yet, if there is one.
    fn claimed_by_another(&self, key: &Key, secret: &Key) -> Option<String> {
        let mut known = self.known();
        let holds = |holder: &Key, known: &Known| {
            known
                .clients
                .get(holder)
                .is_some_and(|kept| kept.object.spec.token_secret.name == secret.name())
        };
        match known
            .claims
            .get(secret)
            .filter(|holder| holds(holder, &known))
        {
            Some(holder) if holder != key => Some(holder.name().to_owned()),
            _ => {
                known.claims.insert(secret.clone(), key.clone());
                None
            }
        }
    }

    pub(super) fn see(&self, key: &Key, may_request: bool) -> io::Result<Option<Observed>> {
        let Some(object) = self
            .known()
            .clients
            .get(key)
            .map(|kept| kept.object.clone())
        else {
            return Ok(None);
        };
        let spec = validate(&object);
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let secret = Key::new(key.namespace(), &object.spec.token_secret.name);
        let target = self.tokens.see(&secret)?;
        let mut stale_secrets = Vec::new();
        for (other, _) in self.tokens.owned_by(key.namespace(), &uid) {
            if other != secret {
                stale_secrets.extend(self.tokens.see(&other)?);
            }
        }
        let named = object.spec.credentials.as_ref();
        let credentials = named
            .and_then(|named| self.credentials(&Key::new(key.namespace(), &named.secret_name)));
        let publisher = match (&credentials, named) {
            (None, Some(named)) => self.publisher(key, &named.secret_name),
            _ => None,
        };
        let certificate = match spec
            .as_ref()
            .ok()
            .and_then(|spec| spec.client_certificate.as_ref())
        {
            None => CertificateSeen::NotNamed,
            Some(named) => {
                certificate_seen(self.credentials(&Key::new(key.namespace(), &named.secret)))
            }
        };
        let status = object.status.clone().unwrap_or_default();
        let mut memory = self
            .known()
            .memories
            .get(key)
            .cloned()
            .unwrap_or_else(|| Memory {
                attempt: FailedAttempt::from_status(&status).map(Box::new),
                ..Memory::default()
            });
        // There is no cache between the files and this process: what is not there is deleted.
        memory.told_gone = target.is_none();
        memory.target_claimed_by = match &target {
            None => self.claimed_by_another(key, &secret),
            Some(_) => None,
        };
        let annotations = object.metadata.annotations.as_ref();
        let nonce = self.clock.nonce();
        let chain = match &spec {
            Ok(spec) => self.chain(key, spec, nonce.name())?,
            Err(_) => FamilySeen::default(),
        };
        let mut seen = Observed {
            now: self.clock.now(),
            resource: Resource {
                namespace: key.namespace().to_owned(),
                name: key.name().to_owned(),
                uid,
                generation: object.metadata.generation.unwrap_or(1),
                deleting: false,
                life: Life::default(),
                inputs: spec
                    .as_ref()
                    .map(|spec| inputs::of(spec).whole().to_owned())
                    .unwrap_or_default(),
                refresh_request: annotations
                    .and_then(|all| all.get(REFRESH_ANNOTATION))
                    .cloned(),
                status,
                spec: spec.clone(),
            },
            target,
            stale_secrets,
            credentials,
            credentials_publisher: publisher,
            certificate,
            ca: spec
                .as_ref()
                .map_or(CaSeen::NotNamed, |spec| self.ca(key, spec)),
            references: self.references(key, &object)?,
            cycle: self.cycle(key, &object),
            lender_secrets: Vec::new(),
            accounts: self.accounts(&object),
            made: TokensInHand::default(),
            content: None,
            next_content: None,
            memory,
            may_request,
            rules: self.rules,
            nonce,
            chain,
        };
        self.lenders(key, &mut seen)?;
        if let (Ok(spec), true) = (&spec, seen.lent().is_some()) {
            let content = |secret: ClientSecret| {
                let relevant = policy::relevant_content(&seen, spec, secret);
                let hash = self.store.hash("content", relevant.expose_bytes());
                u64::from_le_bytes(hash.first_chunk().copied().unwrap_or_default())
            };
            let next = policy::has_next(spec, seen.credentials.as_ref());
            let (content, next) = (
                content(ClientSecret::Current),
                next.then(|| content(ClientSecret::Next)),
            );
            (seen.content, seen.next_content) = (Some(content), next);
        }
        Ok(Some(seen))
    }
}
