//! The lenders of a request, and whether each of them allows its destination.
//!
//! The lenders are found here, from the observation; [`crate::trust`] decides what they allow. Nothing is sent, and no
//! `ServiceAccount` token is created, before this finds no obstacle.

mod findings;
mod part;

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::model::{
    AccountSeen, CertificateSeen, FamilyRecord, Observed, Problem, Rules, SecretSeen, Validated,
    is_opted_in,
};
use crate::names::{
    ALLOWED_AUDIENCES_ANNOTATION, ALLOWED_HOSTS_ANNOTATION, ALLOWED_TOKEN_HOSTS_ANNOTATION,
    CREDENTIALS_LABEL,
};
use crate::oauth::refresh::Origin;
use crate::oauth::{ClientAuthentication, ServiceAccountToken};
use crate::policy::token_sources::{account_tokens, referenced_tokens};
use crate::trust::{AllowedHosts, Lender, LenderKind, Lenders};

use super::accounts::{self, listed};
use super::refresh_token::candidate::family;
use part::MOST_LENDERS;

pub use part::RequestPart;

/// The parts of a request, with the lenders of each.
#[derive(Default)]
pub struct Provenance<'a>(Vec<(RequestPart<'a>, Lenders)>);

impl Provenance<'_> {
    /// All lenders.
    pub fn lenders(&self) -> Lenders {
        self.0
            .iter()
            .fold(Lenders::none(), |all, (_, some)| all.union(some))
    }

    /// What prevents sending a request to `url`, which `field` names.
    pub(super) fn refusal(
        &self,
        seen: &Observed,
        field: &'static str,
        url: &Url,
    ) -> Option<Problem> {
        self.0.iter().find_map(|(part, lenders)| {
            let refusal = lenders.permit(url).err()?;
            Some(findings::host_not_allowed(seen, *part, &refusal, field))
        })
    }

    /// What prevents sending a request of this spec to one of its possible endpoints.
    pub(super) fn refused(&self, seen: &Observed, spec: &Validated) -> Option<Problem> {
        spec.endpoints()
            .into_iter()
            .find_map(|(field, url)| self.refusal(seen, field, url))
    }
}

/// The lenders of the content of a Secret, or why it may not be used: its owner has not opted in, or it contains a
/// token of another resource whose lenders do not agree.
pub fn of_secret<'a>(seen: &Observed, secret: &'a SecretSeen) -> Result<Provenance<'a>, Problem> {
    if !secret.has_label(CREDENTIALS_LABEL, "true") {
        return Err(crate::policy::findings::not_labelled(seen, &secret.name));
    }
    let own = lender(secret, &seen.rules);
    let kind = own.kind;
    let mut parts = vec![(RequestPart::Content, Lenders::from_iter([own]))];
    if kind == LenderKind::TokenSecret {
        let recorded = secret.state().and_then(|state| state.lenders);
        let recorded = recorded.ok_or_else(|| findings::unknown_lenders(seen, secret))?;
        let part = RequestPart::Token(&secret.name);
        parts.push((part, resolved(seen, &recorded, part)?));
    }
    Ok(Provenance(parts))
}

/// What prevents sending the content of a Secret to the endpoints of the spec.
pub fn secret_not_ready(seen: &Observed, spec: &Validated, secret: &SecretSeen) -> Option<Problem> {
    match of_secret(seen, secret) {
        Ok(provenance) => provenance.refused(seen, spec),
        Err(problem) => Some(problem),
    }
}

/// What prevents sending the token of a `ServiceAccount` to the endpoints of the spec; its opt-in was checked before.
pub(super) fn account_not_ready(
    seen: &Observed,
    spec: &Validated,
    token: &ServiceAccountToken,
) -> Option<Problem> {
    of_account(seen, token).refused(seen, spec)
}

fn of_account(seen: &Observed, token: &ServiceAccountToken) -> Provenance<'static> {
    Provenance(vec![(
        RequestPart::Content,
        Lenders::from_iter([account_lender(seen, token)]),
    )])
}

/// A `ServiceAccount` as lender of its token for one audience.
pub(super) fn account_lender(seen: &Observed, token: &ServiceAccountToken) -> Lender {
    let none = BTreeMap::new();
    let (uid, annotations) = match seen.accounts.get(&token.account) {
        Some(AccountSeen::There { uid, annotations }) => (uid.as_str(), annotations),
        _ => ("", &none),
    };
    let (hosts, token_hosts) = match seen.accounts.get(&token.account) {
        // The administrator of the program provided the token in a file.
        Some(AccountSeen::Given) => (AllowedHosts::any(), AllowedHosts::any()),
        // Every program in the namespace may use a ServiceAccount, so its owner must name the hosts.
        _ => hosts_of(annotations, true),
    };
    Lender {
        kind: LenderKind::ServiceAccount,
        name: token.account.clone(),
        audience: Some(token.audience.clone()),
        uid: uid.to_owned(),
        hosts,
        token_hosts,
        obtained: false,
        repeated: false,
    }
}

fn lender(secret: &SecretSeen, rules: &Rules) -> Lender {
    let (hosts, token_hosts) = hosts_of(&secret.annotations, rules.require_allowed_hosts);
    Lender {
        kind: kind(secret),
        name: secret.name.clone(),
        audience: None,
        uid: secret.uid.clone(),
        hosts,
        token_hosts,
        obtained: false,
        repeated: false,
    }
}

/// The hosts for the content, and for what is obtained with it.
fn hosts_of(
    annotations: &BTreeMap<String, String>,
    required: bool,
) -> (AllowedHosts, AllowedHosts) {
    let listed = |key: &str| annotations.get(key).map(|list| AllowedHosts::parse(list));
    let hosts = match listed(ALLOWED_HOSTS_ANNOTATION) {
        Some(hosts) => hosts,
        None if required => AllowedHosts::nothing(),
        None => AllowedHosts::any(),
    };
    let token_hosts = listed(ALLOWED_TOKEN_HOSTS_ANNOTATION).unwrap_or_else(|| hosts.clone());
    (hosts, token_hosts)
}

/// Whether a person wrote a Secret, or an `OAuthClient` writes it.
fn kind(secret: &SecretSeen) -> LenderKind {
    match secret.is_written_by_a_resource() {
        true => LenderKind::TokenSecret,
        false => LenderKind::Secret,
    }
}

/// The current state of stored lenders, with the hosts that each allows for `part`; or which of them is gone or has no
/// longer opted in.
pub fn resolved(
    seen: &Observed,
    recorded: &Lenders,
    part: RequestPart<'_>,
) -> Result<Lenders, Problem> {
    recorded
        .iter()
        .map(|stored| {
            let now = as_it_is_now(seen, stored, part)?;
            let same = now.uid == stored.uid;
            let repeated = stored.repeated;
            let now = Lender { repeated, ..now };
            let (stored_hosts, hosts) = match part {
                RequestPart::Token(_) => (stored.hosts_of_obtained(), now.hosts_of_obtained()),
                // It has a part in the value through a token: never more than where that might go.
                _ if stored.obtained => (stored.hosts.clone(), now.hosts_of_obtained()),
                _ => (stored.hosts.clone(), now.hosts.clone()),
            };
            // The owner of a lender may change the hosts, but a refresh token family keeps those it started with, and
            // so does what another object of that name allowed.
            let keeps = part == RequestPart::RefreshToken || !same;
            let hosts = match keeps {
                true => stored_hosts.restricted_to(&hosts),
                false => hosts,
            };
            let obtained = stored.obtained || matches!(part, RequestPart::Token(_));
            Ok(Lender {
                hosts,
                obtained,
                ..now
            })
        })
        .collect()
}

fn as_it_is_now(
    seen: &Observed,
    stored: &Lender,
    part: RequestPart<'_>,
) -> Result<Lender, Problem> {
    if stored.kind == LenderKind::ServiceAccount {
        let audience = stored.audience.clone().unwrap_or_default();
        let opted_in = match seen.accounts.get(&stored.name) {
            Some(AccountSeen::Given) => true,
            Some(AccountSeen::There { annotations, .. }) => annotations
                .get(ALLOWED_AUDIENCES_ANNOTATION)
                .is_some_and(|list| listed(list, &audience)),
            _ => return Err(findings::lender_gone(seen, stored, part)),
        };
        if !opted_in {
            return Err(findings::lender_opted_out(seen, stored, part));
        }
        let token = ServiceAccountToken {
            account: stored.name.clone(),
            audience,
            expiration_seconds: 0,
        };
        return Ok(account_lender(seen, &token));
    }
    let secret = seen.secret_named(&stored.name);
    // A resource may write a Secret of that name after the lender is gone; that is not the lender's consent.
    let Some(secret) = secret.filter(|secret| kind(secret) == stored.kind && !secret.deleting)
    else {
        return Err(findings::lender_gone(seen, stored, part));
    };
    if !secret.has_label(CREDENTIALS_LABEL, "true") {
        return Err(findings::lender_opted_out(seen, stored, part));
    }
    Ok(lender(secret, &seen.rules))
}

/// The current lenders of the refresh token family in use; an empty set if none is in use.
pub(super) fn of_family(seen: &Observed, spec: &Validated) -> Result<Lenders, Problem> {
    match family(seen, spec) {
        None => Ok(Lenders::none()),
        Some((record, Origin::Provided)) => of_record(seen, spec, &record),
        Some((record, Origin::Password)) => {
            Ok(of_password_family(seen, spec, &record).unwrap_or_default())
        }
    }
}

/// The lenders of a family that started with a password; `None` if its refresh token may not be sent, and the password
/// is sent instead.
pub(super) fn of_password_family(
    seen: &Observed,
    spec: &Validated,
    record: &FamilyRecord,
) -> Option<Lenders> {
    let lenders = of_record(seen, spec, record).ok()?;
    let provenance = Provenance(vec![(RequestPart::RefreshToken, lenders)]);
    let refused = provenance.refused(seen, spec);
    refused.is_none().then(|| provenance.lenders())
}

/// The lenders of the refresh token in a record.
pub(super) fn of_record(
    seen: &Observed,
    spec: &Validated,
    record: &FamilyRecord,
) -> Result<Lenders, Problem> {
    let recorded = match &record.lenders {
        Some(recorded) => recorded.clone(),
        // An earlier version wrote it. Nothing has changed since, so it was obtained with what the spec names.
        None if record.was_requested_with(&seen.resource.inputs) => {
            let mut all = Lenders::none();
            for secret in named_secrets(seen) {
                all = all.union(&of_secret(seen, secret)?.lenders());
            }
            for token in account_tokens(spec) {
                all.add(account_lender(seen, token));
            }
            all
        }
        None => Lenders::none(),
    };
    if recorded.is_empty() {
        return Err(findings::family_without_lenders(seen));
    }
    resolved(seen, &recorded, RequestPart::RefreshToken)
}

/// What prevents sending the refresh token in use.
pub(super) fn family_not_ready(seen: &Observed, spec: &Validated) -> Option<Problem> {
    match of_family(seen, spec) {
        Ok(lenders) => Provenance(vec![(RequestPart::RefreshToken, lenders)]).refused(seen, spec),
        Err(problem) => Some(problem),
    }
}

/// The existing Secrets that the spec names: credentials, client certificate, login.
fn named_secrets(seen: &Observed) -> impl Iterator<Item = &SecretSeen> {
    let certificate = match &seen.certificate {
        CertificateSeen::There(there) => Some(&there.secret),
        _ => None,
    };
    let login = seen.family.login.as_ref();
    let login = login.filter(|login| is_opted_in(login));
    [seen.credentials.as_ref(), certificate, login]
        .into_iter()
        .flatten()
}

/// The lenders of a token request of the resource, and of what is obtained with it.
///
/// # Errors
/// Which lender has not opted in, or is gone.
pub(super) fn of_request(seen: &Observed, spec: &Validated) -> Result<Lenders, Problem> {
    let mut all = of_secrets(seen)?;
    for token in referenced_tokens(spec) {
        if let Some(secret) = seen.token_secret_of(&token.client) {
            all = all.union(&of_token_of(seen, secret)?);
        }
    }
    for token in account_tokens(spec) {
        all.add(account_lender(seen, token));
    }
    let all = all.union(&of_family(seen, spec)?);
    match all.len() {
        0..=MOST_LENDERS => Ok(all),
        _ => Err(findings::too_many()),
    }
}

/// The lenders of the Secrets that the spec names.
pub(super) fn of_secrets(seen: &Observed) -> Result<Lenders, Problem> {
    let mut all = Lenders::none();
    for secret in named_secrets(seen) {
        all = all.union(&of_secret(seen, secret)?.lenders());
    }
    Ok(all)
}

/// The lenders of another resource's token in `secret`.
pub(super) fn of_token_of(seen: &Observed, secret: &SecretSeen) -> Result<Lenders, Problem> {
    Ok(of_secret(seen, secret)?.lenders())
}

/// The lenders of another call, such as a revocation, including those of its stored token.
///
/// # Errors
/// Which lender has not opted in, is gone, or does not allow `url`.
pub(super) fn of_call(
    seen: &Observed,
    spec: &Validated,
    (stored, part): (&Lenders, RequestPart<'_>),
    (field, url): (&'static str, &Url),
) -> Result<Lenders, Problem> {
    let mut all = Lenders::none();
    let certificate = match &seen.certificate {
        CertificateSeen::There(there) => Some(&there.secret),
        _ => None,
    };
    let mut take = |provenance: Provenance<'_>| match provenance.refusal(seen, field, url) {
        Some(problem) => Err(problem),
        None => {
            all = std::mem::take(&mut all).union(&provenance.lenders());
            Ok(())
        }
    };
    for secret in [seen.credentials.as_ref(), certificate]
        .into_iter()
        .flatten()
    {
        take(of_secret(seen, secret)?)?;
    }
    if let ClientAuthentication::ServiceAccountToken(token) = &spec.client.authentication {
        match accounts::not_opted_in(seen, token) {
            Some(problem) => return Err(problem),
            None => take(of_account(seen, token))?,
        }
    }
    take(Provenance(vec![(part, resolved(seen, stored, part)?)]))?;
    Ok(all)
}

/// The lenders of the client certificate.
pub fn shown_by(seen: &Observed) -> Lenders {
    match &seen.certificate {
        CertificateSeen::There(there) => {
            of_secret(seen, &there.secret).map_or_else(|_| refused(), |own| own.lenders())
        }
        _ => Lenders::none(),
    }
}

/// For what may not be sent anywhere.
fn refused() -> Lenders {
    Lenders::from_iter([Lender {
        kind: LenderKind::Secret,
        name: String::new(),
        audience: None,
        uid: String::new(),
        hosts: AllowedHosts::nothing(),
        token_hosts: AllowedHosts::nothing(),
        obtained: false,
        repeated: false,
    }])
}

/// The names of stored lenders that must be observed: Secrets, and `ServiceAccounts`.
pub fn lenders_to_see(seen: &Observed) -> (BTreeSet<String>, BTreeSet<String>) {
    let referenced = seen
        .references
        .iter()
        .filter_map(|one| one.found.as_ref()?.secret.as_ref());
    let revokes = |spec: &Validated| spec.revocation.is_some();
    let revokes = seen.resource.spec.as_ref().is_ok_and(revokes);
    let mut stored: Vec<Lenders> = named_secrets(seen)
        .chain(referenced)
        .chain(seen.target.as_ref().filter(|_| revokes))
        .filter_map(|secret| secret.state()?.lenders)
        .collect();
    stored.extend(
        seen.record()
            .and_then(Result::ok)
            .and_then(|record| record.lenders),
    );
    // None of ours has more; somebody else's could have the operator read Secrets by the thousand.
    stored.retain(|lenders| lenders.len() <= MOST_LENDERS);
    let (mut secrets, mut accounts) = (BTreeSet::new(), BTreeSet::new());
    for lender in stored.iter().flat_map(Lenders::iter) {
        let name = lender.name.clone();
        match lender.kind {
            LenderKind::ServiceAccount if seen.accounts.contains_key(&name) => {}
            LenderKind::ServiceAccount => drop(accounts.insert(name)),
            _ if seen.secret_named(&name).is_some() => {}
            _ => drop(secrets.insert(name)),
        }
    }
    (secrets, accounts)
}

impl Observed {
    /// An observed Secret, by name.
    fn secret_named(&self, name: &str) -> Option<&SecretSeen> {
        let certificate = match &self.certificate {
            CertificateSeen::There(there) => Some(&there.secret),
            _ => None,
        };
        let referenced = self
            .references
            .iter()
            .filter_map(|one| one.found.as_ref()?.secret.as_ref());
        [
            self.credentials.as_ref(),
            certificate,
            self.family.login.as_ref(),
        ]
        .into_iter()
        .flatten()
        .chain(referenced)
        .chain(&self.lender_secrets)
        .find(|secret| secret.name == name)
    }
}
