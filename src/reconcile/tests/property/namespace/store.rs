//! The namespace as a reconcile sees it and writes to it.

use super::provider::everything;
use super::*;

fn copy_of(known: &Resource) -> Resource {
    Resource {
        namespace: known.namespace.clone(),
        name: known.name.clone(),
        uid: known.uid.clone(),
        generation: known.generation,
        deleting: known.deleting,
        life: known.life.clone(),
        spec: known.spec.clone(),
        inputs: known.inputs.clone(),
        refresh_request: known.refresh_request.clone(),
        status: known.status.clone(),
    }
}

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

impl Store for Namespace {
    fn now(&self) -> Time {
        self.inner().now
    }

    fn draw(&self) -> f64 {
        0.5
    }

    fn detail(&self) -> StatusDetail {
        StatusDetail::Always
    }

    async fn observe(&self, key: &Key, may_request: bool) -> Result<Option<Observed>, StoreError> {
        let mut inner = self.inner();
        inner.version += 1;
        let Some(resource) = inner.resources.get(key.name()).map(copy_of) else {
            return Ok(None);
        };
        let Ok(spec) = resource.spec.clone() else {
            return Ok(None);
        };
        let name = &spec.token_secret.name;
        let stale_secrets = inner
            .secrets
            .values()
            .filter(|secret| secret.name != *name && secret.is_owned_by(&resource))
            .filter(|secret| secret.has_label(crate::names::TOKEN_LABEL, "true"))
            .cloned()
            .collect();
        let references = published(&spec).into_iter().map(|token| {
            let found = inner.resources.get(&token.client).map(|other| {
                let secret_name = match &other.spec {
                    Ok(spec) => spec.token_secret.name.clone(),
                    Err(_) => String::new(),
                };
                Found {
                    uid: other.uid.clone(),
                    secret: inner.seen(&secret_name),
                    secret_name,
                }
            });
            let name = token.client.clone();
            Reference { name, found }
        });
        let mut memory = inner
            .memories
            .get(&resource.uid)
            .cloned()
            .unwrap_or_default();
        memory.attempt = memory
            .attempt
            .or_else(|| FailedAttempt::from_status(&resource.status).map(Box::new));
        let mut seen = Observed {
            now: inner.now,
            target: inner.seen(name),
            stale_secrets,
            credentials: spec
                .credentials_secret
                .as_ref()
                .and_then(|name| inner.seen(name)),
            credentials_publisher: None,
            certificate: crate::policy::CertificateSeen::NotNamed,
            references: references.collect(),
            cycle: None,
            lender_secrets: Vec::new(),
            accounts: BTreeMap::new(),
            made: TokensInHand::default(),
            ca: CaSeen::NotNamed,
            chain: crate::policy::FamilySeen {
                state: inner.seen(&state_name(&resource.name)),
                login: inner.seen(&login_name(&resource.name)),
                process: format!("process-{}", inner.process),
                attempt: format!("attempt-{}", inner.version),
                elapsed: inner.now.since(at(0)),
                here: None,
                drain: span(10),
                alone: true,
            },
            next_content: None,
            content: None,
            memory,
            may_request,
            rules: Rules::default(),
            nonce: crate::clock::Clock::system().nonce(),
            resource,
        };
        for token in account_tokens(&spec) {
            seen.accounts
                .insert(token.account.clone(), inner.account_seen());
        }
        let (secrets, accounts) = lenders_to_see(&seen);
        seen.lender_secrets = secrets.iter().filter_map(|name| inner.seen(name)).collect();
        for account in accounts {
            seen.accounts.insert(account, inner.account_seen());
        }
        let version = seen.lent();
        seen.content = version.map(|version| content(&version));
        Ok(Some(seen))
    }

    async fn get(
        &self,
        _: &Observed,
        _: &Validated,
        need: &Prerequisite,
    ) -> Result<Fetched, Failure> {
        let mut inner = self.inner();
        match need {
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
        _: Held,
    ) -> Result<(HttpAnswer, Held), Failure> {
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
        Ok((answer, Held::default()))
    }

    async fn call(
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

    async fn hold(&self, seen: &Observed, held: bool) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        let name = &seen.resource.name;
        let Some(resource) = inner.resources.get_mut(name) else {
            return Ok(None);
        };
        let finalizers = &mut resource.life.finalizers;
        finalizers.retain(|one| one != crate::policy::REVOCATION_FINALIZER);
        if held {
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

    fn answered(&self, _: &Key, _: HostReport) {}

    async fn write(&self, _: &Key, write: &SecretWrite) -> Result<SecretSeen, WriteError> {
        let mut inner = self.inner();
        let written = inner.put(write)?;
        inner.published += 1;
        Ok(written)
    }

    async fn keep(&self, _: &Key, body: &SecretBody) -> Result<SecretSeen, WriteError> {
        self.inner().put(body)
    }

    async fn delete(&self, _: &Key, stale: &StaleSecret) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner
            .secrets
            .retain(|name, secret| *name != stale.name || secret.uid != stale.uid);
        Ok(())
    }

    async fn report(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        for notice in &report.notices {
            inner.shown.push_str(&notice.message.to_string());
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
