//! The API server as a client of it sees one: HTTP requests in, HTTP responses out, with everything that can befall them.

mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::World;
use super::coverage;
use super::faults::Fault;
use super::objects::{Kind, Object, Refusal, has_label, text, version_of};
use super::process::Process;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Error>>;

/// The API server, as one process reaches it.
#[derive(Clone)]
pub struct Server {
    pub world: Arc<World>,
    pub process: Arc<Process>,
    /// The token of a `ServiceAccount`, where the client shows one instead of the operator's own.
    pub account: bool,
}

impl tower::Service<Request<Body>> for Server {
    type Response = Answer;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { server.serve(request).await })
    }
}

/// What a request asks for.
struct Asked {
    verb: String,
    path: String,
    kind: Option<Kind>,
    plural: String,
    namespace: Option<String>,
    name: Option<String>,
    sub: Option<String>,
    query: Vec<(String, String)>,
    metadata_only: bool,
    body: Value,
}

impl Asked {
    async fn of(request: Request<Body>) -> Result<Asked, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = parts.uri.path().to_owned();
        let mut segments = path.split('/').filter(|part| !part.is_empty());
        // The core group has no name.
        let skip = if segments.next() == Some("api") { 1 } else { 2 };
        let mut rest = segments.skip(skip).map(str::to_owned).peekable();
        let namespace = match rest.peek().map(String::as_str) {
            Some("namespaces") => {
                rest.next();
                rest.next()
            }
            _ => None,
        };
        let plural = rest.next().unwrap_or_default();
        let (name, sub) = (rest.next(), rest.next());
        let query = parts.uri.query().unwrap_or("").as_bytes();
        let query = url::form_urlencoded::parse(query).into_owned().collect();
        let accept = parts.headers.get(http::header::ACCEPT);
        let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or("");
        Ok(Asked {
            verb: parts.method.to_string(),
            kind: Kind::of_plural(&plural),
            plural,
            namespace,
            name,
            sub,
            query,
            metadata_only: accept.contains("PartialObjectMetadata"),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            path,
        })
    }

    fn value(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn writes(&self) -> bool {
        matches!(self.verb.as_str(), "POST" | "PUT" | "PATCH")
    }

    /// The label that objects must carry.
    fn label(&self) -> Option<String> {
        let selector = self.value("labelSelector")?;
        Some(selector.split('=').next().unwrap_or(selector).to_owned())
    }
}

impl Server {
    async fn serve(self, request: Request<Body>) -> Result<Answer, Error> {
        let asked = Asked::of(request).await?;
        self.process.runs().await;
        if asked.value("watch").is_some() {
            return watch::begin(&self, &asked).await;
        }
        let (fault, mut draws) =
            if asked.kind == Some(Kind::Lease) && self.process.lease_is_cut(self.world.now()) {
                sleep(Duration::from_secs(10)).await;
                return Err("the connection was lost".into());
            } else {
                let mut faults = self.world.faults.lock().unwrap();
                let created = text(&asked.body, "/metadata/name");
                let more = if asked.verb == "POST" {
                    created
                } else {
                    asked.value("continue").unwrap_or("")
                };
                let path = format!("{}/{more}", asked.path);
                faults.of_call(self.world.now(), &asked.verb, &path)
            };
        if let Some(fault) = fault {
            let now = self.world.now();
            let what = || {
                format!(
                    "---- {fault:?} {} {} (replica {})",
                    asked.verb, asked.path, self.process.slot
                )
            };
            coverage::log(now, what);
        }
        sleep(Duration::from_millis(draws.between(1, 12) as u64)).await;
        self.process.runs().await;
        match fault {
            Some(Fault::CrashBeforeCall) => return self.world.crash(&self.process).await,
            Some(Fault::LostBefore) => {
                sleep(Duration::from_millis(draws.between(1, 20_000) as u64)).await;
                return Err("the connection was lost".into());
            }
            Some(Fault::Slow) => {
                sleep(Duration::from_millis(draws.between(500, 25_000) as u64)).await;
                self.process.runs().await;
            }
            Some(Fault::Conflict) => return Ok(refused(&Refusal::conflict())),
            Some(Fault::Throttled) => {
                return Ok(refused(&Refusal::new(
                    429,
                    "TooManyRequests",
                    "try again later",
                )));
            }
            Some(Fault::InternalError) => {
                return Ok(refused(&Refusal::new(
                    500,
                    "InternalError",
                    "etcd has no leader",
                )));
            }
            Some(Fault::Unavailable) => {
                return Ok(refused(&Refusal::new(
                    503,
                    "ServiceUnavailable",
                    "not ready",
                )));
            }
            Some(Fault::NotFoundByAProxy) => return Ok(page(404, "<html>not found</html>")),
            _ => {}
        }
        let answered = self.answer(&asked, fault == Some(Fault::StaleRead));
        self.world.look_at_changes(&self.process);
        match fault {
            Some(Fault::CrashAfterCall) => self.world.crash(&self.process).await,
            Some(Fault::LostAfter) => {
                sleep(Duration::from_millis(draws.between(1, 20_000) as u64)).await;
                Err("the connection was lost".into())
            }
            Some(Fault::TimedOutThoughCommitted) => {
                let refusal = Refusal::new(504, "Timeout", "the request did not complete in time");
                Ok(refused(&refusal))
            }
            _ => {
                self.process.runs().await;
                Ok(answered.unwrap_or_else(|refusal| refused(&refusal)))
            }
        }
    }

    fn answer(&self, asked: &Asked, stale: bool) -> Result<Answer, Refusal> {
        let unknown = || Refusal::new(404, "NotFound", "no such path");
        let namespace = asked.namespace.as_deref().unwrap_or("");
        if let Some(answer) = self.review(asked) {
            return Ok(answer);
        }
        if asked.plural == "events" {
            self.world.checks.lock().unwrap().event(&asked.body);
            return Ok(json_of(201, &asked.body));
        }
        let kind = asked.kind.ok_or_else(unknown)?;
        let mut objects = self.world.objects.lock().unwrap();
        objects.now = self.world.now();
        if kind == Kind::Secret && asked.writes() {
            let name = asked.name.as_deref();
            let name = name.unwrap_or(text(&asked.body, "/metadata/name"));
            let resource = name.split_once("-token").map(|(resource, _)| resource);
            if resource.is_some_and(|resource| objects.refused.contains(resource)) {
                let why = "admission webhook \"rules.sim.example\" denied the request";
                return Err(Refusal::new(422, "Invalid", why));
            }
        }
        let Some(name) = asked.name.as_deref() else {
            return match asked.verb.as_str() {
                "GET" => Ok(list(
                    &mut self.world.pages.lock().unwrap(),
                    &objects,
                    kind,
                    asked,
                )),
                "POST" => {
                    let created = objects.create(kind, namespace, asked.body.clone())?;
                    Ok(json_of(201, &created))
                }
                _ => Err(unknown()),
            };
        };
        let status = asked.sub.as_deref() == Some("status");
        if status {
            self.world.checks.lock().unwrap().status(name, &asked.body);
        }
        let object = match (asked.verb.as_str(), asked.sub.as_deref()) {
            ("GET", None) => {
                // A cache may lag, but never behind the version that the read names.
                let least = asked.value("resourceVersion");
                let least: u64 = least.and_then(|text| text.parse().ok()).unwrap_or(0);
                let before = objects
                    .before(kind, namespace, name, 20_000)
                    .filter(|before| stale && before.as_deref().map_or(0, version_of) >= least);
                let found = match before {
                    Some(before) => before,
                    None => objects.get(kind, namespace, name),
                };
                found.ok_or_else(|| Refusal::not_found(name))?
            }
            ("PATCH", None | Some("status")) => {
                objects.patch(kind, (namespace, name), &asked.body, status)?
            }
            ("PUT", None) => objects.replace(kind, namespace, name, asked.body.clone())?,
            ("PUT", Some("status")) => {
                objects.replace_status(kind, namespace, name, &asked.body)?
            }
            ("DELETE", None) => {
                let uid = text(&asked.body, "/preconditions/uid");
                objects.delete(kind, namespace, name, uid)?;
                return Ok(json_of(
                    200,
                    &json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                ));
            }
            ("POST", Some("token")) => {
                let account = objects.get(kind, namespace, name);
                let account = account.ok_or_else(|| Refusal::not_found(name))?;
                let token = self.world.provider.lock().unwrap().account_token(&account);
                let mut answer = asked.body.clone();
                answer["status"] =
                    json!({"token": token, "expirationTimestamp": "2036-11-30T00:00:00Z"});
                return Ok(json_of(201, &answer));
            }
            _ => return Err(unknown()),
        };
        drop(objects);
        if asked.metadata_only {
            return Ok(json_of(200, &metadata_of(&object)));
        }
        Ok(json_of(200, &object))
    }

    /// What the operator may do, and who it is.
    fn review(&self, asked: &Asked) -> Option<Answer> {
        let mut answer = asked.body.clone();
        match asked.plural.as_str() {
            "selfsubjectaccessreviews" => answer["status"] = json!({"allowed": true}),
            "selfsubjectreviews" if self.account => {
                return Some(refused(&Refusal::new(401, "Unauthorized", "Unauthorized")));
            }
            "selfsubjectreviews" => {
                answer["status"] = json!({"userInfo": {"username": "system:serviceaccount:o:o"}});
            }
            _ => return None,
        }
        Some(json_of(201, &answer))
    }
}

/// What is left of an object where only its metadata are asked for.
fn metadata_of(object: &Object) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

/// Lists that are read in pages: what is left of each, as it was when the first page was read.
#[derive(Default)]
pub struct Pages {
    left: std::collections::HashMap<String, (u64, Vec<Object>)>,
    begun: u64,
}

fn list(pages: &mut Pages, objects: &super::objects::Objects, kind: Kind, asked: &Asked) -> Answer {
    let label = asked.label();
    let (version, mut all) = match asked
        .value("continue")
        .and_then(|token| pages.left.remove(token))
    {
        Some(left) => left,
        None => {
            let matching = objects
                .list(kind, asked.namespace.as_deref())
                .filter(|object| {
                    label
                        .as_deref()
                        .is_none_or(|label| has_label(object, label))
                });
            (objects.version(), matching.cloned().collect())
        }
    };
    let limit = asked.value("limit").and_then(|limit| limit.parse().ok());
    let rest = all.split_off(all.len().min(limit.unwrap_or(usize::MAX)));
    let mut token = String::new();
    if !rest.is_empty() {
        pages.begun += 1;
        token = format!("page-{}", pages.begun);
        pages.left.insert(token.clone(), (version, rest));
    }
    let items: Vec<Value> = all
        .iter()
        .map(|object| match asked.metadata_only {
            true => metadata_of(object),
            false => (**object).clone(),
        })
        .collect();
    json_of(
        200,
        &json!({
            "kind": "List",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": version.to_string(), "continue": token},
            "items": items,
        }),
    )
}

fn json_of(status: u16, value: &Value) -> Answer {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let body = Full::new(Bytes::from(body))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    answer
}

fn page(status: u16, text: &'static str) -> Answer {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut answer = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    answer
}

fn status_of(refusal: &Refusal) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": refusal.message,
        "reason": refusal.reason,
        "code": refusal.code,
    })
}

fn refused(refusal: &Refusal) -> Answer {
    json_of(refusal.code, &status_of(refusal))
}
