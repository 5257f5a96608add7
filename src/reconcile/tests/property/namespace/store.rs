//! The namespace as a reconcile sees it and writes to it.

use super::provider::everything;
use super::*;

fn lost(reached: Reached) -> Failure {
    Failure::new(
        FailureClass::Transient,
        *crate::policy::tests::failing("Timeout"),
        reached,
    )
}

fn not_sent() -> Failure {
    lost(Reached::Never)
}

impl Objects for Namespace {
    fn now(&self) -> Time {
        self.inner().now
    }

    fn nonce(&self) -> Nonce {
        crate::clock::Clock::system().nonce()
    }

    fn rules(&self) -> Rules {
        Rules::default()
    }

    async fn resource(&self, key: &Key) -> Result<Option<ResourceRead>, StoreError> {
        let mut inner = self.inner();
        inner.version += 1;
        let found = inner.resources.get(key.name());
        let found = found.filter(|resource| resource.spec.is_ok());
        Ok(found.map(|known| ResourceRead {
            resource: copy_of(known),
            token_secret: token_secret(known),
        }))
    }

    async fn referenced(&self, key: &Key) -> Result<Option<ReferencedRead>, StoreError> {
        let inner = self.inner();
        let found = inner.resources.get(key.name());
        Ok(found.map(|other| ReferencedRead {
            uid: other.uid.clone(),
            token_secret: token_secret(other),
        }))
    }

    async fn secret(
        &self,
        _: &Key,
        name: &str,
        _: Purpose,
    ) -> Result<Option<SecretSeen>, StoreError> {
        Ok(self.inner().secrets.get(name).cloned())
    }

    async fn config_map(&self, _: &Key, _: &str, _: &str) -> Result<ConfigMapRead, StoreError> {
        Ok(ConfigMapRead::Missing)
    }

    async fn account(&self, _: &Key, _: &str) -> Result<AccountSeen, StoreError> {
        Ok(self.inner().account_seen())
    }

    fn stale_secrets(&self, _: &Key, uid: &str, current: &str) -> Vec<String> {
        stale_among(&self.inner().secrets, uid, current)
    }

    fn memory(&self, _: &Key, uid: &str) -> Memory {
        let inner = self.inner();
        inner.memories.get(uid).cloned().unwrap_or_default()
    }

    fn process(&self, _: String) -> FamilySeen {
        let inner = self.inner();
        FamilySeen {
            process: format!("process-{}", inner.process),
            attempt: format!("attempt-{}", inner.version),
            elapsed: inner.now.since(at(0)),
            drain: span(10),
            is_only_process: true,
            ..FamilySeen::default()
        }
    }

    fn hash(&self, content: &[u8]) -> u64 {
        hashed(content)
    }
}

impl Store for Namespace {
    fn jitter(&self) -> f64 {
        0.5
    }

    fn status_detail(&self) -> StatusDetail {
        StatusDetail::Always
    }

    async fn fetch_prerequisite(
        &self,
        _: &Observed,
        _: &Validated,
        prerequisite: &Prerequisite,
    ) -> Result<Fetched, Failure> {
        let mut inner = self.inner();
        match prerequisite {
            Prerequisite::Discovery => {
                let mut url = || inner.dice.one(&URLS).parse().unwrap();
                let endpoints = Endpoints {
                    token: url(),
                    revocation: Some(url()),
                    authorization: None,
                    device_authorization: None,
                };
                Ok(Fetched::Discovery(Arc::new(Metadata {
                    pushed_authorization: None,
                    requires_pushed: false,
                    registration: None,
                    offline_access: false,
                    endpoints,
                    issuer_in_answers: false,
                    mtls: Aliases::default(),
                })))
            }
            Prerequisite::ServiceAccountToken(token) => {
                let text = format!("minted-{}-end", inner.next_version());
                let root = Root {
                    audience: Some(token.audience.clone()),
                    name: ACCOUNT.into(),
                    uid: inner
                        .account
                        .as_ref()
                        .map(|(uid, _)| uid.clone())
                        .unwrap_or_default(),
                    which: Which::Hosts,
                    then: Lists::of(Some(String::new()), None),
                };
                assert!(
                    inner.lists(&root).is_some(),
                    "case {}: a token is made of a ServiceAccount that has not opted in",
                    inner.case
                );
                inner.minted += 1;
                inner.known.push(Known {
                    text: text.clone(),
                    kind: Kind::Account,
                    roots: vec![root],
                });
                let secret = Secret::from(text.as_str());
                Ok(Fetched::ServiceAccountToken(token.clone(), secret))
            }
        }
    }

    async fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
        _: ResponseRoom,
    ) -> Result<(HttpAnswer, ResponseRoom), Failure> {
        let authorized = authorize(request, &shown_by(seen)).map_err(|_| not_sent())?;
        let mut inner = self.inner();
        inner.now = inner.now + Span::from_millis(100);
        inner.record(&authorized, false);
        let (status, body) = inner.answer(request, spec);
        if inner.dice.chance(5) {
            return Err(lost(Reached::Unknown));
        }
        let echo = Secret::from(everything(request));
        let answer = HttpAnswer {
            headers: vec![("x-echo".to_owned(), echo)],
            status,
            content_type: Some("application/json".into()),
            retry_after: None,
            body: Secret::from(body),
            sent: request.secrets.clone(),
        };
        Ok((answer, ResponseRoom::default()))
    }

    async fn send_revocation(
        &self,
        seen: &Observed,
        _: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        let authorized = authorize(request, &shown_by(seen)).map_err(|_| not_sent())?;
        let mut inner = self.inner();
        inner.record(&authorized, true);
        let (status, body) = match inner.dice.below(4) {
            0 => (401, everything(request)),
            1 => (503, everything(request)),
            _ => (200, String::new()),
        };
        Ok(HttpAnswer {
            headers: Vec::new(),
            status,
            content_type: None,
            retry_after: None,
            body: Secret::from(body),
            sent: request.secrets.clone(),
        })
    }

    async fn set_finalizer(
        &self,
        seen: &Observed,
        present: bool,
    ) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        let name = &seen.resource.name;
        let Some(resource) = inner.resources.get_mut(name) else {
            return Ok(None);
        };
        let finalizers = &mut resource.meta.finalizers;
        finalizers.retain(|one| one != crate::policy::REVOCATION_FINALIZER);
        if present {
            finalizers.push(crate::policy::REVOCATION_FINALIZER.into());
        } else if resource.deleting {
            inner.gone(name);
        }
        Ok(None)
    }

    fn revoke_later(&self, key: &Key, token: TokenWithLenders, _: Span) {
        self.inner().waiting.push((key.clone(), token));
    }

    fn brakes(&self) -> MutexGuard<'_, Brakes> {
        self.1.lock().unwrap()
    }

    fn token_request_ended(&self, _: &Key, _: HostReport) {}

    async fn write_token_secret(
        &self,
        _: &Key,
        write: &SecretWrite,
    ) -> Result<SecretSeen, WriteError> {
        let mut inner = self.inner();
        let written = inner.put(write)?;
        inner.published += 1;
        Ok(written)
    }

    async fn write_state_secret(
        &self,
        _: &Key,
        body: &SecretBody,
    ) -> Result<SecretSeen, WriteError> {
        self.inner().put(body)
    }

    async fn delete(&self, _: &Key, stale: &StaleSecret) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner
            .secrets
            .retain(|name, secret| *name != stale.name || secret.uid != stale.uid);
        Ok(())
    }

    async fn write_status(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        for event in &report.events {
            inner.shown.push_str(&event.message.to_string());
        }
        if let Some(known) = inner.resources.get_mut(&resource.name)
            && known.uid == resource.uid
        {
            known.status = report.status.clone();
        }
        Ok(None)
    }

    fn remember(&self, _: &Key, uid: &str, memory: Memory) {
        self.inner().memories.insert(uid.to_owned(), memory);
    }

    async fn pause(&self, span: Span) -> bool {
        let mut inner = self.inner();
        inner.now = inner.now + span;
        true
    }
}
