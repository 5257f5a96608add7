//! Whether a request is what the endpoint accepts: pure, and strict where real servers are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::accepts::{Accepts, Account, Authentication, BodyFormat, Refusal};
use super::assertion;
use super::wire::{Incoming, form_decode, form_pairs};

/// A request that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The client's identifier; empty for one that did not say.
    pub(crate) client: String,
    /// The `grant_type`.
    pub(crate) grant: String,
    /// All parameters, in order.
    pub(crate) parameters: Vec<(String, String)>,
    /// The identifiers of the assertions it carried, each of which works once.
    pub(crate) assertions: Vec<String>,
}

impl Checked {
    /// The first parameter of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        first(&self.parameters, name)
    }
}

/// A request that is refused, and why in words of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) why: String,
    /// The client tried HTTP Basic, so that the answer must carry `www-authenticate` (RFC 6749 section 5.2).
    pub(crate) challenge: bool,
}

type Parameters = Vec<(String, String)>;

/// Checks a request: method, format, parameters, client, grant, resource owner, scope, in this order.
pub(crate) fn check(
    accepts: &Accepts,
    incoming: &Incoming,
    now: Timestamp,
) -> Result<Checked, Refused> {
    let refusals = &accepts.refusals;
    if !accepts.methods.contains(&incoming.method) {
        return refuse(&refusals.method, "this method is not accepted");
    }
    for (name, value) in &accepts.headers {
        if incoming.header(name) != Some(value) {
            return refuse(
                &refusals.malformed,
                &format!("the header {name} is missing or wrong"),
            );
        }
    }
    let parameters = read_parameters(accepts, incoming)?;
    let mut signed = Signed {
        accepts,
        now,
        ids: Vec::new(),
    };
    let (mut client, mut account) = authenticate(accepts, incoming, &parameters, &mut signed)?;
    let grant = first(&parameters, "grant_type")
        .unwrap_or_default()
        .to_owned();
    if accepts.grant_assertion {
        (client, account) = signed.grant(&parameters)?;
    }
    let bearer = accepts
        .authentication
        .contains(&Authentication::BearerAssertion);
    if grant.is_empty() && !bearer {
        return refuse(&refusals.malformed, "grant_type is missing");
    }
    if !accepts.grants.is_empty() && !accepts.grants.contains(&grant) {
        return refuse(&refusals.grant, "this grant_type is not known here");
    }
    if account.is_some_and(|account| !account.grants.is_empty() && !account.grants.contains(&grant))
    {
        return refuse(
            &refusals.unauthorized,
            "the client may not use this grant_type",
        );
    }
    check_rules(accepts, account, &parameters)?;
    if grant == "password" {
        check_owner(accepts, account, &parameters)?;
    }
    if let Some(scope) = first(&parameters, "scope")
        && !accepts.scopes.is_empty()
        && !scope
            .split(accepts.scope_separator.as_str())
            .all(|one| accepts.scopes.iter().any(|have| have == one))
    {
        return refuse(&refusals.scope, "there is no such scope");
    }
    Ok(Checked {
        client,
        grant,
        parameters,
        assertions: signed.ids,
    })
}

fn read_parameters(accepts: &Accepts, incoming: &Incoming) -> Result<Parameters, Refused> {
    let malformed = &accepts.refusals.malformed;
    let query = incoming.query().unwrap_or_default();
    let query =
        form_pairs(query).ok_or_else(|| refused(malformed, "the query is not form-encoded"))?;
    let content_type = incoming.header("content-type").unwrap_or_default();
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let may = |format| accepts.formats.contains(&format);
    let parameters = match media_type.as_str() {
        "application/x-www-form-urlencoded"
            if may(BodyFormat::Form) && !incoming.body.is_empty() =>
        {
            std::str::from_utf8(&incoming.body)
                .ok()
                .and_then(form_pairs)
                .ok_or_else(|| refused(malformed, "the body is not form-encoded"))?
        }
        "application/json" if may(BodyFormat::Json) => json_pairs(&incoming.body, accepts.any_json)
            .ok_or_else(|| refused(malformed, "the body is not a JSON object of strings"))?,
        _ if may(BodyFormat::Query) && incoming.body.is_empty() => query.clone(),
        _ => return refuse(malformed, "the body's format is not accepted"),
    };
    if !(may(BodyFormat::Query) && incoming.body.is_empty())
        && query
            .iter()
            .any(|(name, _)| matches!(name.as_str(), "client_secret" | "password" | "grant_type"))
    {
        return refuse(malformed, "credentials stand in the query");
    }
    for (at, (name, value)) in parameters.iter().enumerate() {
        if value.is_empty() {
            return refuse(malformed, &format!("the parameter {name} has no value"));
        }
        let repeats = parameters.iter().take(at).any(|(other, _)| other == name);
        if repeats && name != "resource" && name != "audience" {
            return refuse(malformed, &format!("the parameter {name} repeats"));
        }
    }
    Ok(parameters)
}

fn json_pairs(body: &[u8], any: bool) -> Option<Parameters> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return None;
    };
    let mut pairs = Vec::new();
    for (name, value) in fields {
        match value {
            Value::String(text) => pairs.push((name, text)),
            other if any => pairs.push((name, other.to_string())),
            Value::Array(items) => {
                for item in items {
                    pairs.push((name.clone(), item.as_str()?.to_owned()));
                }
            }
            _ => return None,
        }
    }
    Some(pairs)
}

/// Who the client says it is, by the one way of authentication that the request uses.
fn authenticate<'a>(
    accepts: &'a Accepts,
    incoming: &Incoming,
    parameters: &Parameters,
    signed: &mut Signed<'a>,
) -> Result<(String, Option<&'a Account>), Refused> {
    let challenge = incoming.header("authorization").is_some();
    let no = |why: &str| Refused {
        challenge,
        ..refused(&accepts.refusals.client, why)
    };
    let in_body = first(parameters, "client_secret");
    if challenge && in_body.is_some() {
        return refuse(
            &accepts.refusals.malformed,
            "the client authenticates in the header and in the body",
        );
    }
    let mut presented: Vec<(String, Option<String>)> = Vec::new();
    for way in &accepts.authentication {
        match way {
            Authentication::Basic | Authentication::BasicRaw => {
                if let Some(header) = incoming.header("authorization") {
                    let form = *way == Authentication::Basic;
                    presented.extend(basic(header, form).map(|(id, secret)| (id, Some(secret))));
                }
            }
            Authentication::Post => {
                if let (Some(secret), Some(id), false) =
                    (in_body, first(parameters, "client_id"), challenge)
                {
                    presented.push((id.to_owned(), Some(secret.to_owned())));
                }
            }
            Authentication::None => {
                if in_body.is_none() && !challenge {
                    presented.push((
                        first(parameters, "client_id")
                            .unwrap_or_default()
                            .to_owned(),
                        None,
                    ));
                }
            }
            Authentication::Certificate => {
                if let (Some(id), Some(certificate), None, false) = (
                    first(parameters, "client_id"),
                    &incoming.certificate,
                    in_body,
                    challenge,
                ) && accepts.clients.iter().all(|account| {
                    account.id != id
                        || account.certificates.is_empty()
                        || certificate.is_one_of(&account.certificates)
                }) {
                    presented.push((id.to_owned(), None));
                }
            }
            Authentication::ClientAssertion => {
                if let Some(token) = first(parameters, "client_assertion") {
                    return signed.client(token, parameters);
                }
            }
            Authentication::SignedSecret => {
                if let Some(token) = in_body {
                    return signed.by(token, &accepts.refusals.client);
                }
            }
            Authentication::Federated => {
                if let Some(token) = first(parameters, "client_assertion") {
                    return signed.federated(token, parameters);
                }
            }
            Authentication::BearerAssertion => {
                let header = incoming.header("authorization").unwrap_or_default();
                if let Some(token) = header.strip_prefix("Bearer ") {
                    return signed.by(token, &accepts.refusals.client);
                }
            }
            Authentication::BearerToken => {
                let header = incoming.header("authorization").unwrap_or_default();
                if header.starts_with("Bearer ") {
                    presented.push((String::new(), None));
                }
            }
            Authentication::Headers { id, secret } => {
                if let (Some(id), Some(secret)) = (incoming.header(id), incoming.header(secret)) {
                    presented.push((id.to_owned(), Some(secret.to_owned())));
                }
            }
        }
    }
    if presented.is_empty() {
        return Err(no(
            "no way of authentication that is accepted here was used",
        ));
    }
    for (id, secret) in presented {
        if accepts.clients.is_empty() {
            if secret.as_ref().is_none_or(|secret| !secret.is_empty()) {
                return Ok((id, None));
            }
        } else if let Some(account) = accepts.clients.iter().find(|account| account.id == id)
            && secret
                .as_ref()
                .is_none_or(|secret| *secret == account.secret)
        {
            return Ok((id, Some(account)));
        }
    }
    Err(no("the client is not known or its secret is wrong"))
}

/// Assertions as they are met in one request.
struct Signed<'a> {
    accepts: &'a Accepts,
    now: Timestamp,
    ids: Vec<String>,
}

impl<'a> Signed<'a> {
    fn by(
        &mut self,
        token: &str,
        refusal: &Refusal,
    ) -> Result<(String, Option<&'a Account>), Refused> {
        let accounts = &self.accepts.clients;
        let right = assertion::check(token, &self.accepts.assertion, accounts, self.now)
            .map_err(|why| refused(refusal, &why))?;
        self.ids.push(right.id);
        let account = accounts.iter().find(|account| account.id == right.issuer);
        Ok((right.issuer, account))
    }

    /// RFC 7523 section 2.2; a `client_id` beside it must be the same (RFC 7521 section 4.2).
    fn client(
        &mut self,
        token: &str,
        parameters: &Parameters,
    ) -> Result<(String, Option<&'a Account>), Refused> {
        let refusal = &self.accepts.refusals.client;
        is_jwt(parameters, refusal)?;
        let (client, account) = self.by(token, refusal)?;
        if first(parameters, "client_id").is_some_and(|id| id != client) {
            return refuse(refusal, "client_id is not who signed the assertion");
        }
        Ok((client, account))
    }

    /// RFC 7523 section 2.2, with the token of another issuer; `client_id` says for whom.
    fn federated(
        &mut self,
        token: &str,
        parameters: &Parameters,
    ) -> Result<(String, Option<&'a Account>), Refused> {
        let refusal = &self.accepts.refusals.client;
        is_jwt(parameters, refusal)?;
        let id = first(parameters, "client_id").unwrap_or_default();
        let mut accounts = self.accepts.clients.iter();
        let Some(account) = accounts.find(|account| account.id == id) else {
            return refuse(refusal, "the client is not known");
        };
        assertion::federated(token, account, self.now).map_err(|why| refused(refusal, &why))?;
        Ok((id.to_owned(), Some(account)))
    }

    /// RFC 7523 section 2.1.
    fn grant(&mut self, parameters: &Parameters) -> Result<(String, Option<&'a Account>), Refused> {
        let refusals = &self.accepts.refusals;
        match first(parameters, "assertion") {
            Some(token) => self.by(token, &refusals.credentials),
            None => refuse(&refusals.malformed, "assertion is missing"),
        }
    }
}

fn is_jwt(parameters: &Parameters, refusal: &Refusal) -> Result<(), Refused> {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    match first(parameters, "client_assertion_type") == Some(kind) {
        true => Ok(()),
        false => refuse(refusal, "client_assertion_type is missing or wrong"),
    }
}

/// Identifier and secret of a Basic header. Form-encoded ones must hold no byte that encoding would have replaced.
fn basic(header: &str, form: bool) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    if !form {
        return Some((id.to_owned(), secret.to_owned()));
    }
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"%+*-._~!'()".contains(&byte);
    if !id.bytes().chain(secret.bytes()).all(stays) {
        return None;
    }
    Some((form_decode(id)?, form_decode(secret)?))
}

fn check_rules(
    accepts: &Accepts,
    account: Option<&Account>,
    parameters: &Parameters,
) -> Result<(), Refused> {
    let malformed = &accepts.refusals.malformed;
    for (name, rule) in &accepts.parameters {
        let values: Vec<&String> = parameters
            .iter()
            .filter(|(have, _)| have == name)
            .map(|(_, value)| value)
            .collect();
        if values.is_empty() && rule.required {
            let refusal = rule.missing.as_ref().unwrap_or(malformed);
            return refuse(refusal, &format!("the parameter {name} is missing"));
        }
        let allowed = account.and_then(|account| account.allowed.get(name));
        let known = |value: &String| {
            (rule.values.is_empty() || rule.values.contains(value))
                && allowed.is_none_or(|allowed| allowed.contains(value))
        };
        if !values.into_iter().all(known) {
            let refusal = rule.wrong.as_ref().unwrap_or(malformed);
            return refuse(refusal, &format!("the client may not have this {name}"));
        }
    }
    Ok(())
}

fn check_owner(
    accepts: &Accepts,
    account: Option<&Account>,
    parameters: &Parameters,
) -> Result<(), Refused> {
    let (Some(name), Some(password)) =
        (first(parameters, "username"), first(parameters, "password"))
    else {
        return refuse(
            &accepts.refusals.malformed,
            "username or password is missing",
        );
    };
    if account.is_some_and(|account| {
        account
            .users
            .get(name)
            .is_none_or(|right| right != password)
    }) {
        return refuse(
            &accepts.refusals.credentials,
            "the user is not known or the password is wrong",
        );
    }
    Ok(())
}

fn first<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|(have, _)| have == name)
        .map(|(_, value)| value.as_str())
}

fn refused(refusal: &Refusal, why: &str) -> Refused {
    Refused {
        refusal: refusal.clone(),
        why: why.to_owned(),
        challenge: false,
    }
}

fn refuse<T>(refusal: &Refusal, why: &str) -> Result<T, Refused> {
    Err(refused(refusal, why))
}
